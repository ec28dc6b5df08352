"""Connecting flows that read texts: a messaging profile, for their numbers only, and back."""

from __future__ import annotations

import asyncio
import json

import pytest
from opentact.small_platform import Answer, client, wrong
from setup.account import NUMBER, OTHER, OURS, PUBLIC, Account

from app.errors import OpentactError
from app.opentact.pace import now
from app.setup.connecting import connect, returning
from app.setup.connecting.ledger import Ledger
from app.setup.connecting.plan import carry_out
from app.setup.connecting.wanted import Wanted

CALLBACK = f"{PUBLIC}/sms?token={OURS}"
UNSET = {"messaging_profile": None, "sms_campaign": None}


def wanted(*, take=False):
    numbers = {NUMBER: "inbox", OTHER: "desk"}
    return Wanted("", {"is_active": True}, numbers, reading=frozenset({"inbox"}), callback=CALLBACK, take=take)


class Installation:
    def __init__(self, account, folder):
        self.account = account
        self.folder = folder

    def plan(self, *, take=False):
        return self._asked(lambda opentact, ledger: connect.planned(opentact, wanted(take=take), ledger, now()))

    def connect(self, *, take=False):
        async def work(opentact, ledger):
            plan = await connect.planned(opentact, wanted(take=take), ledger, now())
            return await carry_out(plan, opentact, ledger, lambda _: None)

        return self._asked(work)

    def remove(self):
        async def work(opentact, ledger):
            await carry_out(await returning.planned(opentact, ledger), opentact, ledger, lambda _: None)
            ledger.clear()

        self._asked(work)

    def _asked(self, work):
        async def one():
            async with self.account.serving(), client(self.account) as opentact:
                return await work(opentact, Ledger(self.folder))

        return asyncio.run(one())


@pytest.fixture
def account():
    there = Account()
    there.lease(NUMBER, **UNSET)
    there.lease(OTHER, **UNSET)
    return there


@pytest.fixture
def installation(account, tmp_path):
    return Installation(account, tmp_path)


def kinds(plan):
    return [step.kind for step in plan.steps]


def profile_of(account, number):
    return next(row for row in account.leases.values() if row["tn"]["tn"] == int(number[1:]))["messaging_profile"]


def test_a_profile_calls_back_and_only_numbers_that_read_texts_have_it(account, installation):
    before = account.state()
    installation.connect()
    ((uuid, profile),) = account.profiles.items()
    assert (profile["name"], profile["callback_url"]) == ("callflows", CALLBACK)
    assert (profile_of(account, NUMBER), profile_of(account, OTHER)) == (uuid, None)
    assert installation.plan().steps == ()
    installation.remove()
    assert account.state() == before


def test_no_secret_is_in_the_plan(installation):
    plan = installation.plan()
    assert kinds(plan)[-2:] == ["make-profile", "enable-texts"]
    assert OURS not in str(plan.lines) + str(plan.told)


def test_a_profile_of_the_name_is_changed_and_restored(account, installation):
    account._keep(account.profiles, {"name": "callflows", "callback_url": "https://old.example.com/?key=s3cret"})  # noqa: SLF001 - as it is
    before = account.state()
    assert "s3cret" not in str(installation.plan().lines)
    installation.connect()
    assert installation.plan().steps == ()
    installation.remove()
    assert account.state() == before


def test_a_number_with_another_profile_is_only_taken_if_that_is_said(account, installation):
    other = account._keep(account.profiles, {"name": "other", "callback_url": None})  # noqa: SLF001 - as above
    next(iter(account.leases.values())).update(messaging_profile=other, sms_campaign="c-1")
    before = account.state()
    installation.connect()
    assert profile_of(account, NUMBER) == other
    assert not installation.plan().complete
    installation.connect(take=True)
    assert profile_of(account, NUMBER) != other
    installation.remove()
    assert account.state() == before


def test_where_opentact_does_not_tell_a_numbers_profile_it_is_set_once(account, installation):
    def untold(_asked):
        rows = [{k: v for k, v in row.items() if k not in UNSET} for row in account.leases.values()]
        return Answer(json.dumps({"success": True, "payload": rows}))

    account.routes["POST /lease/tn/search"] = untold
    installation.connect()
    assert installation.plan().steps == ()
    installation.remove()
    assert profile_of(account, NUMBER) is None


def test_a_carrier_that_wants_a_campaign_first_is_said_and_keeps_nothing_from_being_done(account, installation):
    account.breaks = lambda asked: wrong(400, "a campaign is needed") if asked.path.endswith("/sms") else None
    (note,) = installation.connect()
    assert (note.level, "a campaign is needed" in note.text) == ("missing", True)
    assert account.holder(NUMBER) is not None
    account.breaks = lambda _: None
    assert kinds(installation.plan()) == ["enable-texts"]


@pytest.mark.parametrize("path", ["/profile/messaging", "/subscription/sms"])
@pytest.mark.parametrize("then", ["connect", "remove"])
def test_what_was_done_though_its_answer_was_lost_is_found_and_restored(account, installation, path, then):
    before = account.state()
    account.lost = {f".*{path}"}
    with pytest.raises(OpentactError):
        installation.connect()
    account.lost = set()
    if then == "connect":
        installation.connect()
        assert installation.plan().steps == ()
        assert len(account.profiles) == 1
    installation.remove()
    assert account.state() == before
