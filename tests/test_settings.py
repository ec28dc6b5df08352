"""The settings of an installation."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from callflows.errors import SettingsError
from callflows.flows.tickets import TicketSigner, load_or_create_secret_key
from callflows.settings import Settings, load_settings

SECRETS = ("CALLFLOWS_TOKEN", "CALLFLOWS_SECRET_KEYS")
PLATFORM_SECRETS = ("CALLFLOWS_OPENTACT_TOKEN", "CALLFLOWS_OPENTACT_PASSWORD")
SIGNING = "whsec_" + "c2VzYW1lIGFuZCBtb3JlIHRoYW4gc2VzYW1l"


@pytest.fixture(autouse=True)
def nothing_set(tmp_path, monkeypatch):
    """An empty folder and an empty environment."""
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith("CALLFLOWS_"):
            monkeypatch.delenv(name)


def refused() -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


def secrets(found: tuple) -> list[str]:
    return [secret.get_secret_value() for secret in found]


def test_nothing_needs_to_be_set():
    found = load_settings()
    assert (found.host, found.port, found.workers) == ("127.0.0.1", 8000, 1)
    assert (found.flows, found.data) == (Path("callflows"), Path("data"))
    assert (found.token, found.secret_keys, found.dialect) == ((), (), "reference")
    assert found.apology


def test_the_environment_sets(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PORT", "8080")
    monkeypatch.setenv("CALLFLOWS_TOKEN", "one, two three")
    monkeypatch.setenv("CALLFLOWS_ALLOWED_SOURCES", "72.21.26.35 10.0.0.0/8,2001:db8::/32")
    monkeypatch.setenv("CALLFLOWS_DIALECT", "classic")
    found = load_settings()
    assert found.port == 8080
    assert secrets(found.token) == ["one", "two", "three"]
    assert [*map(str, found.allowed_sources)] == ["72.21.26.35/32", "10.0.0.0/8", "2001:db8::/32"]
    assert found.dialect == "classic"


def test_the_outside_has_its_networks_and_its_keys(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PRIVATE_LOOKUPS", "10.1.0.0/16, fd00::/8")
    monkeypatch.setenv("CALLFLOWS_NOTIFY_KEY", f"{SIGNING},{SIGNING.removeprefix('whsec_')} {SIGNING}YWJjZA==")
    found = load_settings()
    assert [*map(str, found.private_lookups)] == ["10.1.0.0/16", "fd00::/8"]
    assert secrets(found.notify_key) == [SIGNING, SIGNING.removeprefix("whsec_"), f"{SIGNING}YWJjZA=="]


def test_the_file_sets_and_the_environment_wins(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("CALLFLOWS_PORT=8081\nCALLFLOWS_TOKEN='from-the-file'\nOTHER=1\n")
    monkeypatch.setenv("CALLFLOWS_PORT", "8080")
    found = load_settings()
    assert found.port == 8080
    assert secrets(found.token) == ["from-the-file"]


def test_the_command_line_wins_over_everything(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PORT", "8080")
    assert load_settings(port=9000).port == 9000


def test_settings_cannot_change():
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]


# Secrets in files


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_stand_in_a_file(tmp_path, monkeypatch, name):
    (tmp_path / "secret").write_text("sesame\nolder\n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    assert secrets(getattr(load_settings(), name.removeprefix("CALLFLOWS_").lower())) == ["sesame", "older"]


@pytest.mark.parametrize("name", PLATFORM_SECRETS)
def test_what_is_shown_to_opentact_may_stand_in_a_file(tmp_path, monkeypatch, name):
    (tmp_path / "secret").write_text("sesame\n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    assert getattr(load_settings(), name.removeprefix("CALLFLOWS_").lower()).get_secret_value() == "sesame"


def test_the_name_of_a_secret_file_may_stand_in_the_env_file(tmp_path):
    (tmp_path / "secret").write_text("sesame\n")
    (tmp_path / ".env").write_text(f"CALLFLOWS_TOKEN_FILE={tmp_path / 'secret'}\n")
    assert secrets(load_settings().token) == ["sesame"]


def test_a_secret_file_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_TOKEN_FILE", "/nowhere/token")
    assert refused().startswith("CALLFLOWS_TOKEN_FILE: ")


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\x00"])
def test_a_secret_file_without_a_secret_is_an_error_and_no_open_door(tmp_path, monkeypatch, content):
    (tmp_path / "secret").write_bytes(content)
    monkeypatch.setenv("CALLFLOWS_TOKEN_FILE", str(tmp_path / "secret"))
    assert refused().startswith("CALLFLOWS_TOKEN")


def test_a_value_and_a_file_of_one_setting_do_not_crash(tmp_path, monkeypatch):
    (tmp_path / "port").write_text("8080")
    monkeypatch.setenv("CALLFLOWS_PORT_FILE", str(tmp_path / "port"))
    assert load_settings(port=9000).port == 9000


# The platform


def test_the_platform_is_opentact_unless_it_is_said_otherwise(monkeypatch):
    found = load_settings()
    assert (found.opentact_url, found.opentact_events_url) == (
        "https://api.opentact.org/rest",
        "wss://api.opentact.org/wss",
    )
    assert found.event_types == ("call_record",)
    monkeypatch.setenv("CALLFLOWS_OPENTACT_URL", "http://localhost:9000/rest/")
    monkeypatch.setenv("CALLFLOWS_OPENTACT_EVENTS_URL", "ws://[::1]:9000/wss")
    monkeypatch.setenv("CALLFLOWS_EVENT_TYPES", "call_record, sms")
    found = load_settings()
    assert (found.opentact_url, found.opentact_events_url) == ("http://localhost:9000/rest", "ws://[::1]:9000/wss")
    assert found.event_types == ("call_record", "sms")


# Values that are wrong


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "0"),
        ("FLOWS", ""),
        ("DATA", ""),
        ("WORKERS", "0"),
        ("WORKERS", "1.5"),
        ("DIALECT", "clasic"),
        ("DEADLINE_MS", "0"),
        ("DEADLINE_MS", "2s"),
        ("LOG_FORMAT", "xml"),
        ("APOLOGY", " "),
        ("APOLOGY", "Sorry \x07"),
        ("APOLOGY", "Sorry \udcff"),
        ("PUBLIC_URL", "calls.example.com"),
        ("PUBLIC_URL", "ftp://calls.example.com"),
        ("PUBLIC_URL", "https://"),
        ("PUBLIC_URL", "https:///x"),
        ("PUBLIC_URL", "https://calls.example.com?x=1"),
        ("PUBLIC_URL", "https://calls.example.com/#x"),
        ("PUBLIC_URL", "https://calls.example.com/ x"),
        ("PUBLIC_URL", 'https://calls.example.com/"'),
        ("PUBLIC_URL", "https://calls.example.com/\x01"),
        ("OPENTACT_URL", "http://api.opentact.org/rest"),
        ("OPENTACT_URL", "wss://api.opentact.org/rest"),
        ("OPENTACT_URL", "https://user:pass@api.opentact.org/rest"),
        ("OPENTACT_URL", "https://api.opentact.org/rest?a=1"),
        ("OPENTACT_URL", "https://api .opentact.org"),
        ("OPENTACT_URL", "http://127.0.0.1.example.org"),
        ("OPENTACT_EVENTS_URL", "ws://api.opentact.org/wss"),
        ("OPENTACT_EVENTS_URL", "https://api.opentact.org/wss"),
        ("OPENTACT_TOKEN", "two words"),
        ("EVENT_TYPES", "call_record,sms/"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "proxy.example.com"),
        ("ALLOWED_SOURCES", "10.0.0.1/8"),
        ("ALLOWED_SOURCES", "*"),
        ("PRIVATE_LOOKUPS", "yes"),
        ("PRIVATE_LOOKUPS", "10.0.0.1/8"),
        ("NOTIFY_KEY", "sesame"),
        ("NOTIFY_KEY", "whsec_"),
        ("NOTIFY_KEY", "whsec_c2VzYW1l"),
        ("NOTIFY_KEY", f"{SIGNING}, sesame"),
        ("NOTIFY_KEY", f"{SIGNING}A"),
        ("NOTIFY_KEY", SIGNING + "A" * 60),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_variable(monkeypatch, name, value):
    if "\x00" not in value:
        monkeypatch.setenv(f"CALLFLOWS_{name}", value)
    assert refused().startswith(f"CALLFLOWS_{name}: ")


def test_all_that_is_wrong_is_said_at_once(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PORT", "many")
    monkeypatch.setenv("CALLFLOWS_DIALECT", "clasic")
    said = refused().splitlines()
    assert sorted(line.partition(":")[0] for line in said) == ["CALLFLOWS_DIALECT", "CALLFLOWS_PORT"]


def test_an_env_file_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / ".env").write_bytes(b"CALLFLOWS_TOKEN=\xff\xfe\n")
    assert ".env" in refused()


@pytest.mark.parametrize("line", ["CALLFLOWS_TOKEN: sesame", "CALLFLOWS_TOKEN sesame", "CALLFLOWS_TOKEN='sesame"])
def test_a_line_of_the_env_file_that_cannot_be_read_is_an_error_and_no_open_door(tmp_path, line):
    (tmp_path / ".env").write_text(f"CALLFLOWS_PORT=8001\n{line}\n")
    assert refused() == ".env:2: the line cannot be read; write it as NAME=value"


def test_an_empty_variable_is_as_good_as_none(monkeypatch):
    for name in ("TOKEN", "SECRET_KEYS", "PUBLIC_URL", "ALLOWED_SOURCES", "CONSOLE_USERS", "OPENTACT_PATHS"):
        monkeypatch.setenv(f"CALLFLOWS_{name}", "")
    assert load_settings() == Settings(_env_file=None)


def test_a_slash_at_the_end_of_the_public_url_makes_no_difference(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_PUBLIC_URL", "https://calls.example.com/phones/")
    assert load_settings().public_url == "https://calls.example.com/phones"


# Secrets stay secret


def test_no_secret_is_shown(monkeypatch):
    for name in (*SECRETS, *PLATFORM_SECRETS):
        monkeypatch.setenv(name, "sesame")
    found = load_settings()
    for shown in (
        repr(found),
        str(found),
        repr(found.model_dump()),
        found.model_dump_json(),
        repr(TicketSigner([b"sesame"])),
    ):
        assert "sesame" not in shown


def test_no_secret_is_shown_when_a_value_is_wrong(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_TOKEN", "sesame")
    monkeypatch.setenv("CALLFLOWS_PORT", "many")
    monkeypatch.setenv("CALLFLOWS_NOTIFY_KEY", "sesame")
    assert "sesame" not in refused()


# The kept key


def test_a_key_is_made_once_and_kept_for_its_owner_only(tmp_path):
    folder = tmp_path / "deep" / "data"
    key = load_or_create_secret_key(folder)
    assert len(key) >= 32
    assert load_or_create_secret_key(folder) == key
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret_key"]


def test_every_installation_has_a_key_of_its_own(tmp_path):
    assert load_or_create_secret_key(tmp_path / "a") != load_or_create_secret_key(tmp_path / "b")


def test_processes_that_begin_at_once_have_one_key(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        keys = {*pool.map(load_or_create_secret_key, [tmp_path / "data"] * 16)}
    assert len(keys) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret_key"]


def test_containers_with_one_process_id_that_begin_at_once_have_one_key(tmp_path):
    for attempt in range(20):
        with ThreadPoolExecutor(8) as pool:
            keys = {*pool.map(load_or_create_secret_key, [tmp_path / str(attempt)] * 8)}
        assert len(keys) == 1
        assert [path.name for path in (tmp_path / str(attempt)).iterdir()] == ["secret_key"]


def test_what_a_process_that_died_left_behind_harms_nothing(tmp_path):
    (tmp_path / f".secret_key.{os.getpid()}").write_text("half")
    assert len(load_or_create_secret_key(tmp_path)) >= 32


@pytest.mark.parametrize("content", [b"", b"\n", b"short"])
def test_an_empty_key_is_refused_since_anybody_could_sign_with_it(tmp_path, content):
    (tmp_path / "secret_key").write_bytes(content)
    with pytest.raises(SettingsError, match="secret_key"):
        load_or_create_secret_key(tmp_path)


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_setting(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "data", Path("/proc/data")):
        with pytest.raises(SettingsError, match="CALLFLOWS_SECRET_KEYS is not set"):
            load_or_create_secret_key(folder)


def test_there_is_no_signer_without_a_key():
    with pytest.raises(SettingsError):
        TicketSigner([])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"console_host": "10.0.0.5"}, "CALLFLOWS_CONSOLE_PORT: must be set if CALLFLOWS_CONSOLE_HOST is"),
        ({"port": 9000, "console_port": 9000}, "CALLFLOWS_CONSOLE_PORT: must be another port than CALLFLOWS_PORT"),
    ],
)
def test_an_own_address_of_the_console_is_not_half_of_one(settings, message):
    with pytest.raises(SettingsError, match=message):
        load_settings(**settings)
