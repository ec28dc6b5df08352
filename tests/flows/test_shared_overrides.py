"""Overrides of several servers become alike, whoever changed what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from callflows.flows.hours.overrides import (
    OVERRIDES_FILE_NAME,
    HoursOverride,
    add_override,
    cancel_overrides,
    choose_override_folder,
)
from callflows.flows.hours.shared_overrides import NO_SHARED_OVERRIDES, apply_exchange, plan_exchange

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


class Servers:
    """Two data folders and the text that both share."""

    def __init__(self, folder) -> None:
        self.folders = folder / "one", folder / "two"
        for data in self.folders:
            data.mkdir()
        self.shared_text = NO_SHARED_OVERRIDES

    def close(self, server: int, hours: str, until_hours: int = 1) -> None:
        override = HoursOverride("desk", hours, open=False, start=None, until=NOW + timedelta(hours=until_hours))
        add_override(self.folders[server], override, NOW)

    def exchange(self, *servers: int, now: datetime = NOW) -> None:
        for server in servers:
            exchange = plan_exchange(self.folders[server], self.shared_text, now)
            self.shared_text = exchange.shared_text
            apply_exchange(self.folders[server], exchange)

    def read(self, server: int) -> str:
        file = self.folders[server] / OVERRIDES_FILE_NAME
        return file.read_text() if file.exists() else ""


@pytest.fixture
def servers(tmp_path):
    return Servers(tmp_path)


def test_what_each_added_both_have(servers):
    servers.close(0, "office")
    servers.close(1, "support")
    servers.exchange(0, 1, 0)
    assert servers.read(0) == servers.read(1)
    assert ("office" in servers.read(0), "support" in servers.read(0)) == (True, True)


def test_what_one_takes_back_the_other_loses_and_does_not_bring_back(servers):
    servers.close(0, "office")
    servers.close(0, "support")
    servers.exchange(0, 1)
    cancel_overrides(servers.folders[1], "desk", "office", NOW)
    servers.exchange(0, 1, 0, 1, 0)
    assert "office" not in servers.read(0) + servers.read(1)
    assert "support" in servers.read(0)


def test_a_server_that_lost_its_data_gets_the_overrides_again_and_takes_none_back(servers):
    servers.close(0, "office")
    servers.exchange(0, 1)
    for file in servers.folders[1].iterdir():
        file.unlink()
    servers.exchange(1, 0)
    assert "office" in servers.read(0)
    assert servers.read(0) == servers.read(1)


def test_an_override_that_has_ended_goes_everywhere(servers):
    servers.close(0, "office", until_hours=1)
    servers.exchange(0, 1)
    servers.exchange(0, 1, now=NOW + timedelta(days=2))
    assert (servers.read(0), servers.read(1), servers.shared_text) == ("", "", NO_SHARED_OVERRIDES)


def test_a_change_that_is_made_during_an_exchange_is_not_written_over(servers):
    servers.close(0, "office")
    exchange = plan_exchange(servers.folders[0], servers.shared_text, NOW)
    servers.close(0, "support")
    apply_exchange(servers.folders[0], exchange)
    servers.shared_text = exchange.shared_text
    servers.exchange(0, 1)
    assert "support" in servers.read(1)


def test_new_overrides_of_servers_that_share_them_go_to_the_data_folder(servers, tmp_path):
    assert choose_override_folder(tmp_path, servers.folders[0]) == tmp_path
    servers.exchange(0)
    assert choose_override_folder(tmp_path, servers.folders[0]) == servers.folders[0]
