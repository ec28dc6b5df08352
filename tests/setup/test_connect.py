"""``callflows connect``: from flow files to a working installation, and back, whatever breaks on the way."""

from __future__ import annotations

import json
import stat

import pytest

from callflows.setup.connect import undo_log as module
from cli.command_runner import run_command
from opentact.fake_opentact import CannedAnswer, error_answer
from setup.fake_account import (
    DESK_FLOW,
    EXISTING_APP_FIELDS,
    NUMBER,
    OTHER_NUMBER,
    OUR_TOKEN,
    PUBLIC_URL,
    THIRD_NUMBER,
    FakeAccount,
    install_account,
)

CALL = f"{PUBLIC_URL}/call?token={OUR_TOKEN}"
WANTED = {
    "is_active": True,
    "call_flow_url": CALL,
    "call_flow_method": "POST",
    "call_flow_request_timeout": 5000,
    "webhook_url": f"{PUBLIC_URL}/webhook?token={OUR_TOKEN}",
    "webhook_method": "POST",
    "webhook_request_timeout": 5000,
}


@pytest.fixture
def account(tmp_path, monkeypatch):
    with install_account(FakeAccount(), tmp_path, monkeypatch) as there:
        yield there


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "data" / "connected.json"


def connect(*arguments):
    done = run_command("connect", "--yes", *arguments)
    assert "Traceback" not in done.err
    assert OUR_TOKEN not in done.out + done.err
    return done


def connected(*arguments):
    done = connect(*arguments)
    assert done.code == 0, done.err
    return done


def planned(*arguments):
    done = run_command("connect", "--dry-run", "--format", "json", *arguments)
    assert OUR_TOKEN not in done.out + done.err
    return json.loads(done.out)


def kinds(plan):
    return [step["step"] for step in plan["steps"]]


def only(drawer):
    (row,) = drawer.values()
    return row


# From nothing


def test_from_nothing_there_is_an_app_with_the_numbers_and_a_subscription(account):
    for number in (NUMBER, OTHER_NUMBER, THIRD_NUMBER):
        account.add_lease(number)
    connected()
    app = only(account.apps)
    assert {field: app[field] for field in WANTED} == WANTED
    assert (app["name"], app["product"]) == ("callflows", 7)
    assert [account.find_holder(number) for number in (NUMBER, OTHER_NUMBER)] == [app["uuid"], app["uuid"]]
    assert only(account.subscriptions)["type"] == "call_record"


def test_calls_of_a_new_app_are_bounded_and_those_of_another_where_that_is_wanted(account):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    assert "max_call_length_min: nothing → 240" in connected().out
    app = only(account.apps)
    assert app["max_call_length_min"] == 240
    app["max_call_length_min"] = None
    assert planned()["steps"] == []
    connected("--max-minutes", "60")
    assert app["max_call_length_min"] == 60


def test_where_opentact_takes_no_bound_of_calls_the_app_is_made_without_and_that_is_said(account):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    fields = {"max_call_length_min": {"message": "is not known", "value": 240}}
    account.breaks = lambda asked: (
        error_answer(400, "Bad request", fields=fields) if "max_call_length_min" in (asked.body or {}) else None
    )
    assert "does not accept max_call_length_min" in connected().err
    assert "max_call_length_min" not in only(account.apps)


def test_numbers_by_a_prefix_or_rest_are_never_assigned(account):
    for number in (NUMBER, OTHER_NUMBER, THIRD_NUMBER, "+12025550123"):
        account.add_lease(number)
    connected()
    assert account.find_holder(THIRD_NUMBER) is None
    assert account.find_holder("+12025550123") is None


def test_a_second_plan_is_empty(account):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    connected()
    before, changes = account.dump_state(), len(account.changes)
    assert planned()["steps"] == []
    assert "nothing to do" in connected().err
    assert (account.dump_state(), len(account.changes)) == (before, changes)


def test_what_was_changed_by_hand_is_set_again_and_nothing_else(account):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    connected()
    only(account.apps)["call_flow_request_timeout"] = None
    (step,) = planned()["steps"]
    assert step["changes"] == {"call_flow_request_timeout": {"before": "nothing", "after": "5000"}}


def test_a_new_token_changes_the_urls_and_says_so_without_showing_it(account, monkeypatch):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    connected()
    monkeypatch.setenv("CALLFLOWS_TOKEN", "another-token-that-nobody-can-guess-9, " + OUR_TOKEN)
    done = run_command("connect", "--dry-run")
    assert "another-token" not in done.out + done.err
    assert "another secret" in done.out
    run_command("connect", "--yes")
    assert only(account.apps)["call_flow_url"] == f"{PUBLIC_URL}/call?token=another-token-that-nobody-can-guess-9"


# The plan


def test_a_dry_run_shows_the_plan_and_does_nothing(account, ledger):
    account.add_lease(NUMBER)
    done = run_command("connect", "--dry-run")
    assert "create the app 'callflows' of the product Standard" in done.out
    assert f"call_flow_url: nothing → {PUBLIC_URL}/call?token=…" in done.out
    assert f"give the app {NUMBER} (flow desk)" in done.out
    assert account.changes == []
    assert not ledger.exists()


def test_without_a_terminal_and_yes_nothing_is_done(account):
    account.add_lease(NUMBER)
    done = run_command("connect")
    assert done.code == 2
    assert "--yes" in done.err
    assert account.changes == []


def test_secrets_in_urls_of_others_are_not_shown(account):
    account.add_app()
    done = run_command("connect", "--dry-run")
    assert "https://old.example.com/x?key=…" in done.out
    assert "s3cret" not in done.out + done.err + json.dumps(planned())


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("PUBLIC_URL", "", "CALLFLOWS_PUBLIC_URL is not set"),
        ("TOKEN", "", "CALLFLOWS_TOKEN is not set"),
        ("FLOWS", "nowhere", "there is nothing to connect"),
        ("OPENTACT_TOKEN", "", "CALLFLOWS_OPENTACT_TOKEN"),
    ],
)
def test_a_setting_that_is_missing_is_said_before_anything_is_asked(account, monkeypatch, setting, value, said):
    monkeypatch.setenv(f"CALLFLOWS_{setting}", value)
    done = connect()
    assert done.code == 2
    assert said in done.err
    assert account.changes == []


def test_this_machine_is_no_public_url_for_the_real_opentact(account, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_OPENTACT_URL", "https://api.opentact.org/rest")
    done = connect()
    assert done.code == 2
    assert "Opentact cannot reach it" in done.err
    assert account.requests == []


def test_a_server_that_does_not_answer_yet_is_said(account):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    assert "does not answer from here" in connected().err


# Which app, of what product


def test_an_app_is_found_by_its_name_or_its_id_and_changed(account):
    sales = account.add_app(name="sales")
    account.add_app(name="other")
    connect("--app", "sales")
    assert account.apps[sales]["call_flow_url"] == CALL
    assert planned("--app", sales)["app"] == sales
    assert len(account.apps) == 2


def test_the_app_that_was_connected_is_meant_when_none_is_named(account):
    sales = account.add_app(name="sales")
    connect("--app", "sales")
    assert planned()["app"] == sales


def test_two_apps_of_one_name_are_told_apart_by_their_ids(account):
    ids = [account.add_app(), account.add_app()]
    done = connect()
    assert done.code == 2
    assert all(uuid in done.err for uuid in ids)
    assert account.changes == []


def test_an_id_that_is_no_app_makes_none(account):
    assert connect("--app", "00000000-0000-4000-8000-00000000ffff").code == 2
    assert account.changes == []


def test_of_several_products_one_must_be_named(account):
    account.products = [{"product": 1, "name": "SIP"}, {"product": 2, "name": "SIP TLS"}]
    done = connect()
    assert done.code == 2
    assert "--product" in done.err
    assert "1 SIP; 2 SIP TLS" in done.err
    assert connect("--product", "3").code == 2
    assert account.changes == []
    connect("--product", "SIP TLS")
    assert only(account.apps)["product"] == 2


# Numbers of others


def test_a_number_of_another_app_or_connection_is_left_alone_and_said(account):
    other = account.add_app(name="other")
    account.add_lease(NUMBER, other)
    account.add_lease(OTHER_NUMBER, connection="trunk-1")
    done = connect()
    assert done.code == 1
    assert f"{NUMBER} (flow desk) belongs to the app 'other'" in done.err
    assert f"{OTHER_NUMBER} (flow desk) belongs to the SIP connection trunk-1" in done.err
    assert account.find_holder(NUMBER) == other
    assert [row["sip_connection"] for row in account.leases.values()] == [None, "trunk-1"]


def test_with_take_it_is_taken(account):
    other = account.add_app(name="other")
    account.add_lease(NUMBER, other)
    account.add_lease(OTHER_NUMBER, connection="trunk-1")
    connected("--take")
    ours = next(uuid for uuid, app in account.apps.items() if app["name"] == "callflows")
    assert account.find_holder(NUMBER) == account.find_holder(OTHER_NUMBER) == ours
    assert {row["sip_connection"] for row in account.leases.values()} == {None}
    assert planned()["steps"] == []


def test_a_number_whose_holder_opentact_does_not_tell_is_left_alone(account):
    lease = account.add_lease(NUMBER)
    del account.leases[lease]["sip_control_app"]
    assert "an owner that Opentact does not name" in connect().err


def test_a_number_that_has_to_be_taken_away_first_is(account):
    other = account.add_app(name="other")
    lease = account.add_lease(NUMBER, other)
    account.add_lease(OTHER_NUMBER)

    def taken_first(asked):
        held = asked.path.endswith("/tnlease") and lease in asked.body["add"] and account.leases[lease]["sip_control_app"]
        return error_answer(409, "the number belongs to another app") if held else None

    account.breaks = taken_first
    connected("--take")
    assert account.find_holder(NUMBER) not in (None, other)
    assert connect("--remove").code == 0
    assert account.find_holder(NUMBER) == other


def test_a_number_that_the_account_does_not_have_is_said(account):
    account.add_lease(NUMBER)
    done = connect()
    assert done.code == 1
    assert f"{OTHER_NUMBER} (flow desk) is not a number of the account" in done.err
    assert account.find_holder(NUMBER) is not None
    again = connect()
    assert (again.code, "nothing to do" in again.err) == (1, False)
    assert "nothing can be changed before this is fixed" in again.err


def test_a_number_of_a_broken_flow_is_not_given_away(account, tmp_path):
    (tmp_path / "callflows" / "desk.yaml").write_text(DESK_FLOW.replace("hangup", "hangupp"))
    account.add_lease(NUMBER)
    assert "has errors" in connect().err
    assert account.find_holder(NUMBER) is None


def test_numbers_of_the_app_that_no_flow_claims_stay_and_are_said(account):
    app = account.add_app()
    account.add_lease(THIRD_NUMBER, app)
    assert THIRD_NUMBER in connect().err
    assert account.find_holder(THIRD_NUMBER) == app


# Events


@pytest.mark.parametrize(
    "there",
    [
        {"is_active": False, "expired_on": None},
        {"is_active": True, "expired_on": "2026-03-06T00:00:00.000Z"},
        {"is_active": True, "expired_on": "2999-01-01T00:00:00.000Z", "channel": "mail"},
    ],
    ids=["inactive", "expired", "elsewhere"],
)
def test_a_subscription_that_does_not_deliver_is_made_anew(account, there):
    account._store_row(account.subscriptions, {"channel": "wss", "type": "call_record", **there})  # noqa: SLF001 - as it is
    assert "subscribe" in kinds(planned())


@pytest.mark.parametrize("end", [None, "2999-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"])
def test_an_active_one_is_enough_also_with_an_end_before_its_beginning(account, end):
    fields = {"channel": "wss", "type": "call_record", "is_active": True, "expired_on": end}
    account._store_row(account.subscriptions, fields)  # noqa: SLF001 - as above
    assert "subscribe" not in kinds(planned())


def test_an_old_one_that_is_in_the_way_is_replaced(account):
    fields = {"channel": "wss", "type": "call_record", "is_active": False}
    old = account._store_row(account.subscriptions, fields)  # noqa: SLF001 - as above

    def there_already(asked):
        taken = asked.method == "POST" and asked.path == "/event/subscription" and old in account.subscriptions
        return error_answer(409, "there already") if taken else None

    account.breaks = there_already
    connect()
    assert only(account.subscriptions)["is_active"] is True
    assert old not in account.subscriptions


def test_a_type_that_is_refused_is_said_and_keeps_nothing_else_from_being_done(account, monkeypatch):
    monkeypatch.setenv("CALLFLOWS_EVENT_TYPES", "moon_phase,call_record")
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    account.breaks = lambda asked: error_answer(400, "no such type") if "moon" in asked.raw.decode() else None
    assert "moon_phase" in connected().err
    assert only(account.subscriptions)["type"] == "call_record"
    again = planned()
    assert again["steps"] == []
    assert "no such type" in again["notes"][0]["text"]


# The static document


def test_a_static_document_is_kept_once_and_its_uncertainty_is_said(account):
    app = account.add_app()
    done = connect("--static", "desk")
    assert "does not document" in done.err
    assert "<Hangup/>" in account.documents[app]
    assert planned("--static", "desk")["steps"] == []
    assert any("does not document" in note["text"] for note in planned()["notes"])
    connect("--remove")
    assert account.documents == {}


def test_a_document_that_was_there_is_restored(account):
    app = account.add_app()
    account.documents[app] = '<?xml version="1.0"?><Response><Say>old</Say></Response>'
    before = account.dump_state()
    connect("--static", "desk")
    assert account.dump_state() != before
    connect("--remove")
    assert account.dump_state() == before


# The way back


def theirs(account):
    """An account of somebody who had a life before."""
    ours, other = account.add_app(), account.add_app(name="other", call_flow_url="https://other.example.com/?key=1")
    account.add_lease(NUMBER, other)
    account.add_lease(OTHER_NUMBER, connection="trunk-1")
    account.add_lease(THIRD_NUMBER, ours)
    return account.dump_state()


def test_remove_restores_exactly_what_was_there(account, ledger):
    before = theirs(account)
    connected("--take")
    assert only({u: a for u, a in account.apps.items() if a["name"] == "callflows"})["call_flow_url"] == CALL
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
    assert OUR_TOKEN not in ledger.read_text()
    assert connect("--remove").code == 0
    assert account.dump_state() == before
    assert not ledger.exists()


def test_remove_restores_from_nothing_to_nothing(account):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    before = account.dump_state()
    connected()
    connected("--remove")
    assert account.dump_state() == before


def test_what_was_there_first_is_restored_after_several_connects(account, monkeypatch):
    before = theirs(account)
    connected("--take")
    for number in range(3):
        monkeypatch.setenv("CALLFLOWS_TOKEN", f"another-token-that-nobody-can-guess-{number}")
        assert run_command("connect", "--yes", "--take").code == 0
    assert run_command("connect", "--yes", "--remove").code == 0
    assert account.dump_state() == before


def test_remove_with_nothing_connected_does_nothing(account):
    theirs(account)
    assert "nothing to do" in connected("--remove").err
    assert account.changes == []


def test_remove_shows_its_plan_and_asks(account):
    theirs(account)
    connected("--take")
    changes = len(account.changes)
    done = run_command("connect", "--remove")
    assert done.code == 2
    assert f"give {NUMBER} back to the app" in done.out
    assert "s3cret" not in done.out
    assert kinds(planned("--remove")) == ["return-number", "return-number", "unsubscribe", "restore-app"]
    assert len(account.changes) == changes


def test_what_somebody_changed_since_stays(account):
    theirs(account)
    connected("--take")
    ours = next(uuid for uuid, app in account.apps.items() if app["call_flow_url"] == CALL)
    third = account.add_app(name="third")
    account.apps[ours]["call_flow_url"] = "https://new.example.com/"
    next(row for row in account.leases.values() if row["sip_control_app"] == ours)["sip_control_app"] = third
    done = connect("--remove")
    assert "call_flow_url of the app 'callflows' has changed since connect" in done.err
    assert f"belongs to {third} now" in done.err
    assert account.apps[ours]["call_flow_url"] == "https://new.example.com/"
    assert account.apps[ours]["call_flow_method"] == "GET"


def test_an_app_that_others_use_since_is_not_deleted(account):
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    connected()
    app = only(account.apps)["uuid"]
    account.add_lease(THIRD_NUMBER, app)
    assert connect("--remove").code == 1
    assert account.find_holder(THIRD_NUMBER) == app
    assert account.find_holder(NUMBER) is None


@pytest.mark.parametrize("option", ["--take", "--static=desk", "--app=x", "--product=1"])
def test_remove_takes_no_options_of_connecting(account, option):
    assert connect("--remove", option).code == 2
    assert account.changes == []


# Crashes


class Killed(BaseException):
    """The process is gone; nothing catches it."""


def nothing(account):
    """An account that only has the numbers."""
    account.add_lease(NUMBER)
    account.add_lease(OTHER_NUMBER)
    return account.dump_state()


def broken_after(account, count, *, done):
    """Every change from this one on gives no answer, be it ``done`` or not."""

    def breaks(_asked):
        if len(account.changes) < count:
            return None
        if done and len(account.changes) == count:
            account.lost = {".*"}
            return None
        return CannedAnswer(breaks=True)

    account.breaks = breaks


@pytest.mark.parametrize(("begin", "after"), [*((theirs, n) for n in range(5)), *((nothing, n) for n in range(4))])
@pytest.mark.parametrize("done", [False, True], ids=["not done", "done, and the answer lost"])
@pytest.mark.parametrize("then", ["connect", "remove"])
def test_whatever_breaks_in_the_middle_connect_and_remove_go_on(account, begin, after, done, then):
    before = begin(account)
    broken_after(account, after, done=done)
    assert connect("--take").code == 1
    account.breaks, account.lost = lambda _: None, set()
    if then == "connect":
        connected("--take")
        assert planned()["steps"] == []
    assert connect("--remove").code == 0
    assert account.dump_state() == before


@pytest.mark.parametrize("after", range(5))
@pytest.mark.parametrize("done", [False, True])
def test_a_removal_that_breaks_goes_on(account, after, done):
    before = theirs(account)
    connected("--take")
    broken_after(account, len(account.changes) + after, done=done)
    connect("--remove")
    account.breaks, account.lost = lambda _: None, set()
    assert connect("--remove").code == 0
    assert account.dump_state() == before


@pytest.mark.parametrize("at", ["write", "kill"])
def test_a_process_that_ends_between_two_steps_leaves_a_way_forward_and_back(account, monkeypatch, ledger, at):
    before = theirs(account)
    saves = []
    write = module.UndoLog._write_file  # noqa: SLF001 - where the process ends

    def ending(self, content):
        saves.append(content)
        if len(saves) == 4:
            if at == "kill":
                raise Killed
            raise OSError(28, "No space left on device")
        write(self, content)

    monkeypatch.setattr(module.UndoLog, "_write_file", ending)
    if at == "kill":
        with pytest.raises(Killed):
            connect("--take")
    else:
        done = connect("--take")
        assert done.code == 2
        assert "cannot be written" in done.err
    monkeypatch.setattr(module.UndoLog, "_write_file", write)
    assert [file.name for file in ledger.parent.iterdir()] == ["connected.json"]
    assert account.dump_state() != before
    connected("--take")
    assert connect("--remove").code == 0
    assert account.dump_state() == before


def test_nothing_is_changed_where_it_cannot_be_written_down(account, tmp_path, monkeypatch):
    before = theirs(account)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CALLFLOWS_DATA", str(tmp_path / "file" / "data"))
    assert connect("--take").code == 2
    assert account.dump_state() == before


@pytest.mark.parametrize("content", ["", "{", '{"version": 2}', '{"apps": 1}'])
def test_a_file_that_is_damaged_is_said_and_nothing_is_done(account, ledger, content):
    ledger.parent.mkdir()
    ledger.write_text(content)
    done = connect()
    assert done.code == 2
    assert "is damaged" in done.err
    assert account.changes == []


# Refusals


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (402, "add money to the account"),
        (409, "look at what is there"),
        (400, "so it is"),
    ],
)
def test_a_refusal_is_said_with_the_fix(account, status, fix):
    account.breaks = lambda _asked: error_answer(status, "so it is")
    done = connect()
    assert done.code == 1
    assert fix in done.err
    assert "0 of 2 steps are done" in done.err


@pytest.mark.usefixtures("account")
def test_a_token_that_is_not_accepted_is_said_with_the_fix(monkeypatch):
    monkeypatch.setenv("CALLFLOWS_OPENTACT_TOKEN", "a-wrong-token")
    done = connect()
    assert done.code == 1
    assert "CALLFLOWS_OPENTACT_TOKEN" in done.err
    assert "a-wrong-token" not in done.err


def test_the_fields_of_an_app_that_opentact_never_told_are_not_invented(account):
    app = account.add_app()
    del account.apps[app]["webhook_url"]
    connect()
    assert connect("--remove").code == 0
    assert account.apps[app]["call_flow_url"] == EXISTING_APP_FIELDS["call_flow_url"]
    assert account.apps[app]["webhook_url"] == WANTED["webhook_url"]
