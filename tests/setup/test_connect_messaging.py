"""Connecting flows that handle text messages: a messaging profile for their numbers only, and its removal."""

from __future__ import annotations

import json

import pytest

from callflows.errors import OpentactError
from callflows.opentact.backoff import get_utc_now
from callflows.setup.connect import setup_planner, setup_removal
from callflows.setup.connect.desired_setup import DesiredSetup
from callflows.setup.connect.setup_plan import execute_plan
from callflows.setup.connect.undo_log import UndoLog
from opentact.fake_opentact import CannedAnswer, create_client, error_answer
from setup.fake_account import NUMBER, OTHER_NUMBER, OUR_TOKEN, PUBLIC_URL, FakeAccount
from waiting import run_bounded

CALLBACK = f"{PUBLIC_URL}/sms?token={OUR_TOKEN}"
UNSET = {"messaging_profile": None, "sms_campaign": None}


def wanted(*, take=False, campaign=""):
    numbers = {NUMBER: "inbox", OTHER_NUMBER: "desk"}
    return DesiredSetup(
        "",
        {"is_active": True},
        numbers,
        message_flows=frozenset({"inbox"}),
        callback_url=CALLBACK,
        takes_numbers=take,
        campaign=campaign,
    )


class AccountSetup:
    def __init__(self, account, folder):
        self.account = account
        self.folder = folder

    def plan(self, **given):
        return self._asked(
            lambda opentact, ledger: setup_planner.plan_setup(opentact, wanted(**given), ledger, get_utc_now())
        )

    def connect(self, **given):
        async def work(opentact, ledger):
            plan = await setup_planner.plan_setup(opentact, wanted(**given), ledger, get_utc_now())
            return await execute_plan(plan, opentact, ledger, lambda _: None)

        return self._asked(work)

    def remove(self):
        async def work(opentact, ledger):
            await execute_plan(await setup_removal.plan_setup_removal(opentact, ledger), opentact, ledger, lambda _: None)
            ledger.clear()

        self._asked(work)

    def _asked(self, work):
        async def one():
            async with self.account.run_servers(), create_client(self.account) as opentact:
                return await work(opentact, UndoLog(self.folder))

        return run_bounded(one())


@pytest.fixture
def account():
    there = FakeAccount()
    there.add_lease(NUMBER, **UNSET)
    there.add_lease(OTHER_NUMBER, **UNSET)
    return there


@pytest.fixture
def installation(account, tmp_path):
    return AccountSetup(account, tmp_path)


def kinds(plan):
    return [step.kind for step in plan.steps]


def profile_of(account, number):
    return next(row for row in account.leases.values() if row["tn"]["tn"] == int(number[1:]))["messaging_profile"]


def test_a_profile_calls_back_and_only_numbers_that_read_texts_have_it(account, installation):
    before = account.dump_state()
    installation.connect()
    ((uuid, profile),) = account.profiles.items()
    assert (profile["name"], profile["callback_url"]) == ("callflows", CALLBACK)
    assert (profile_of(account, NUMBER), profile_of(account, OTHER_NUMBER)) == (uuid, None)
    assert installation.plan().steps == ()
    installation.remove()
    assert account.dump_state() == before


def test_no_secret_is_in_the_plan(installation):
    plan = installation.plan()
    assert kinds(plan)[-2:] == ["make-profile", "enable-texts"]
    assert OUR_TOKEN not in str(plan.lines) + str(plan.as_json)


def test_a_profile_of_the_name_is_changed_and_restored(account, installation):
    account._store_row(account.profiles, {"name": "callflows", "callback_url": "https://old.example.com/?key=s3cret"})  # noqa: SLF001 - as it is
    before = account.dump_state()
    assert "s3cret" not in str(installation.plan().lines)
    installation.connect()
    assert installation.plan().steps == ()
    installation.remove()
    assert account.dump_state() == before


def test_a_number_with_another_profile_is_only_taken_if_that_is_said(account, installation):
    other = account._store_row(account.profiles, {"name": "other", "callback_url": None})  # noqa: SLF001 - as above
    next(iter(account.leases.values())).update(messaging_profile=other, sms_campaign="c-1")
    before = account.dump_state()
    installation.connect()
    assert profile_of(account, NUMBER) == other
    assert not installation.plan().is_complete
    installation.connect(take=True)
    assert profile_of(account, NUMBER) != other
    installation.remove()
    assert account.dump_state() == before


def test_where_opentact_does_not_tell_a_numbers_profile_it_is_set_once(account, installation):
    def untold(_asked):
        rows = [{k: v for k, v in row.items() if k not in UNSET} for row in account.leases.values()]
        return CannedAnswer(json.dumps({"success": True, "payload": rows}))

    account.routes["POST /lease/tn/search"] = untold
    installation.connect()
    assert installation.plan().steps == ()
    installation.remove()
    assert profile_of(account, NUMBER) is None


def test_a_carrier_that_wants_a_campaign_first_is_said_and_keeps_nothing_from_being_done(account, installation):
    account.breaks = lambda asked: error_answer(400, "a campaign is needed") if asked.path.endswith("/sms") else None
    (note,) = installation.connect()
    assert (note.level, "a campaign is needed" in note.text) == ("missing", True)
    assert account.find_holder(NUMBER) is not None
    account.breaks = lambda _: None
    assert kinds(installation.plan()) == ["enable-texts"]


@pytest.mark.parametrize("path", ["/profile/messaging", "/subscription/sms"])
@pytest.mark.parametrize("then", ["connect", "remove"])
def test_what_was_done_though_its_answer_was_lost_is_found_and_restored(account, installation, path, then):
    before = account.dump_state()
    account.lost = {f".*{path}"}
    with pytest.raises(OpentactError):
        installation.connect()
    account.lost = set()
    if then == "connect":
        installation.connect()
        assert installation.plan().steps == ()
        assert len(account.profiles) == 1
    installation.remove()
    assert account.dump_state() == before


# Both forms of a lease, and campaigns


@pytest.fixture(params=["profile", "subscriptions"])
def form(request, account):
    account.lease_form = request.param
    return request.param


def texts_of(account, number):
    lease = next(row for row in account.leases.values() if row["tn"]["tn"] == int(number[1:]))
    return lease["messaging_profile"], lease["sms_campaign"]


@pytest.mark.usefixtures("form")
def test_profile_and_campaign_of_somebody_else_are_taken_only_if_that_is_said_and_both_come_back(account, installation):
    other = account._store_row(account.profiles, {"name": "other", "callback_url": "https://x.example.com"})  # noqa: SLF001 - as above
    next(iter(account.leases.values())).update(messaging_profile=other, sms_campaign="C-OLD")
    before = account.dump_state()
    installation.connect(campaign="C-NEW")
    assert texts_of(account, NUMBER) == (other, "C-OLD")
    assert not installation.plan(campaign="C-NEW").is_complete
    installation.connect(take=True, campaign="C-NEW")
    assert texts_of(account, NUMBER)[0] != other
    assert texts_of(account, NUMBER)[1] == "C-NEW"
    assert installation.plan(take=True, campaign="C-NEW").steps == ()
    installation.remove()
    assert account.dump_state() == before


@pytest.mark.usefixtures("form")
def test_a_number_gets_the_campaign_and_loses_it_again(account, installation):
    before = account.dump_state()
    plan = installation.plan(campaign="C-1")
    assert "C-1" in str(plan.lines)
    installation.connect(campaign="C-1")
    assert texts_of(account, NUMBER)[1] == "C-1"
    assert texts_of(account, OTHER_NUMBER) == (None, None)
    assert installation.plan(campaign="C-1").steps == ()
    assert installation.plan().steps == ()
    installation.connect(campaign="C-2")
    assert texts_of(account, NUMBER)[1] == "C-2"
    installation.remove()
    assert account.dump_state() == before


@pytest.mark.usefixtures("form")
def test_a_campaign_that_somebody_set_after_connect_stays(account, installation):
    installation.connect(campaign="C-1")
    next(iter(account.leases.values()))["sms_campaign"] = "C-THEIRS"
    assert not installation.plan(campaign="C-1").is_complete
    installation.remove()
    assert texts_of(account, NUMBER)[1] == "C-THEIRS"


@pytest.mark.usefixtures("form")
def test_a_profile_of_our_name_that_serves_other_numbers_is_left_alone(account, installation):
    fields = {"name": "callflows", "callback_url": "https://theirs.example.com"}
    theirs = account._store_row(account.profiles, fields)  # noqa: SLF001 - as above
    [*account.leases.values()][1]["messaging_profile"] = theirs
    installation.connect()
    assert account.profiles[theirs]["callback_url"] == "https://theirs.example.com"
    (note,) = [note for note in installation.plan().notes if note.level == "missing"]
    assert OTHER_NUMBER in note.text
    installation.connect(take=True)
    assert account.profiles[theirs]["callback_url"] == CALLBACK
