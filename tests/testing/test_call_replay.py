"""Past calls are run through edited flows: those that would go elsewhere are found, with the reason, and no others."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from rehearsed_journal import MONDAY, REPLAY_FLOW, SUNDAY, ReplayHarness, build_call
from sqlalchemy import text

from callflows.journal.cpu_budget import CpuBudget
from callflows.testing.replay_runner import NO_REPORTS


def describe_mix():
    """One call of each kind."""
    return [
        build_call("1"),
        build_call("1", "no-answer"),
        build_call("2"),
        build_call("2", "busy"),
        build_call("9,2"),
        build_call(",1"),
        build_call(""),
        build_call(["hangup"]),
        build_call("3,4711", lookups={"found": {"sent": True}}),
        build_call("3,4712", lookups={"found": {"sent": False}}),
        build_call("3"),
        build_call(at=SUNDAY),
    ]


@pytest.fixture
def journal(tmp_path):
    harness = ReplayHarness(tmp_path)
    with contextlib.closing(harness.store):
        yield harness


def test_unchanged_flows_send_no_call_elsewhere(journal):
    journal.record(describe_mix())
    report = journal.replay(REPLAY_FLOW)
    assert report["groups"] == []
    assert (report["calls"], report["same"], report["elsewhere"]) == (12, 12, 0), report["unknown"]


def test_exactly_the_calls_that_pressed_a_changed_key_go_elsewhere(journal):
    journal.record(describe_mix())
    report = journal.replay(REPLAY_FLOW.replace("{1: sales, 2: support", "{1: sales, 2: voicemail"))
    (group,) = report["groups"]
    assert (report["elsewhere"], group["calls"], report["same"]) == (3, 3, 9)
    assert (group["node"], group["was"], group["now"]) == ("menu", "support", "voicemail")
    assert group["why"] == "key 2 in menu leads elsewhere"
    example = next(one for one in group["examples"] if "(a key without a meaning)" not in one["was"])
    assert example["was"][:5] == ["acme:", "start", "menu", "(key 2)", "support"]
    assert example["now"] == ["acme:", "start", "menu", "(key 2)", "voicemail", "records a message", "hangs up"]


def test_a_replay_waits_as_often_as_callers_need_the_processor_and_leaves_no_call_out(journal, monkeypatch):
    has_room = [False, False, True, False, True]
    monkeypatch.setattr(CpuBudget, "has_budget", lambda _budget: has_room.pop(0) if has_room else True)
    journal.record(describe_mix())
    assert journal.replay(REPLAY_FLOW)["calls"] == 12
    assert not has_room


def get_group(report):
    (group,) = report["groups"]
    return group


def test_new_hours_send_the_calls_of_that_time_elsewhere_with_the_rule_that_changed(journal):
    journal.record([build_call("1"), build_call("1", at=MONDAY + timedelta(hours=8, minutes=30)), build_call(at=SUNDAY)])
    group = get_group(journal.replay(REPLAY_FLOW.replace("09:00-18:00", "09:00-19:00")))
    assert (group["calls"], group["was"], group["now"]) == (1, "closed", "start")
    assert group["why"] == "in start, when not hours.office.open was true, and is now false"
    assert group["examples"][0]["now"] == ["acme:", "start", "menu", "waits for a key"]
    assert group["examples"][0]["now_unknown"] == "the key that the caller presses"


def test_somebody_new_in_a_group_is_rung_and_nobody_knows_whether_they_answer(journal):
    journal.record([build_call("2", "no-answer")])
    group = get_group(journal.replay(REPLAY_FLOW.replace("to: +12015550190", "to: +12015550199")))
    assert (group["was"], group["now"]) == ("rings +12015550190", "rings +12015550199")
    example = group["examples"][0]
    assert (example["now"][-1], example["now_unknown"]) == (
        "rings +12015550199",
        "whether anybody answers who was not rung in that call",
    )


def test_a_flow_that_goes_on_where_it_hung_up_is_a_difference(journal):
    journal.record([build_call("3,4711", lookups={"found": {"sent": True}}), build_call("1")])
    group = get_group(journal.replay(REPLAY_FLOW.replace("on its way.\n    - hangup", "on its way.\n    - goto: menu")))
    assert (group["calls"], group["was"], group["now"]) == (1, "hangs up", "menu")


@pytest.mark.parametrize(
    ("change", "unknown"),
    [
        (("/{{ order }}", "/orders/{{ order }}"), "the result of the lookup found, which asks another address"),
        (("into: found", "into: parcel"), "the result of the lookup parcel"),
        (("when: found.sent", "when: caller.calls_today > 2"), "the caller's number of calls that day"),
    ],
)
def test_a_value_that_the_call_does_not_tell_is_named_and_not_guessed(journal, change, unknown):
    journal.record([build_call("3,4711", lookups={"found": {"sent": True}})])
    draft = REPLAY_FLOW.replace(*change).replace("found.sent", "parcel.sent" if "parcel" in change[1] else "found.sent")
    report = journal.replay(draft)
    assert (report["same_as_far_as_known"], report["groups"]) == (1, [])
    assert [(reason["reason"], reason["calls"]) for reason in report["unknown"]] == [(unknown, 1)]


def test_a_wrong_key_stays_wrong_unless_the_draft_has_more_keys(journal):
    journal.record([build_call("9,2")])
    assert journal.replay(REPLAY_FLOW.replace("3: order}", "3: sales}"))["same"] == 1
    report = journal.replay(REPLAY_FLOW.replace("3: order}", "3: order, 9: sales}"))
    assert (report["same_as_far_as_known"], report["elsewhere"]) == (1, 0)
    assert report["unknown"][0]["reason"] == "which key without a meaning the caller pressed"


def test_without_reports_only_what_follows_from_requests_and_rung_parties_is_compared(journal):
    journal.record([build_call("2"), build_call("")], reports_steps=False)
    report = journal.replay(REPLAY_FLOW.replace("{1: sales, 2: support", "{1: sales, 2: voicemail"))
    assert (report["elsewhere"], report["same_as_far_as_known"]) == (1, 1)
    assert {reason["reason"]: reason["calls"] for reason in report["unknown"]} == {
        NO_REPORTS: 2,
        "the key that the caller presses": 1,
    }


def test_an_override_of_that_time_holds_in_the_replay_and_todays_does_not(journal):
    (journal.live_folder / "overrides.yaml").write_text(
        "- {flow: acme, hours: office, state: closed, until: 2026-11-24 18:00}\n", encoding="utf-8"
    )
    journal.record([build_call("1")])
    (journal.live_folder / "overrides.yaml").unlink()
    report = journal.replay(REPLAY_FLOW.replace("{1: sales", "{1: support"))
    assert (report["calls"], report["same"]) == (1, 1)
    group = get_group(journal.replay(REPLAY_FLOW.replace("We are closed.\n    - goto: voicemail", "Closed.\n    - hangup")))
    assert (group["was"], group["now"]) == ("voicemail", "hangs up")


def test_a_number_that_another_flow_answers_or_none(journal):
    journal.record([build_call("1")])
    other = "numbers: +12015550123\nnodes:\n  start:\n    - say: Another.\n"
    group = get_group(journal.replay(REPLAY_FLOW.replace("50123", "50124"), other=other))
    assert (group["why"], group["was"], group["now"]) == ("another flow answers the number", "acme:", "other:")
    group = get_group(journal.replay(REPLAY_FLOW.replace("50123", "50124")))
    assert (group["was"], group["now"]) == ("acme:", "no flow answers")


def test_a_call_that_goes_on_is_not_compared(journal):
    (id_,) = journal.record([build_call("1")])
    update = text("UPDATE calls SET state = '3 live', destroy = NULL, hangup = NULL WHERE parent IS NULL")
    journal.store.run_writing(lambda connection: connection.execute(update))
    report = journal.replay(REPLAY_FLOW)
    assert (report["not_compared"], report["unknown"][0]["examples"]) == (1, [id_])


def test_a_damaged_call_is_counted_and_the_others_are_compared(journal):
    _, damaged = journal.record([build_call("1"), build_call("2")])
    update = text("UPDATE turns SET document = x'00' WHERE call = :id")
    journal.store.run_writing(lambda connection: connection.execute(update, {"id": damaged}))
    report = journal.replay(REPLAY_FLOW)
    assert (report["same"], report["not_compared"], report["unknown"][0]["examples"]) == (1, 1, [damaged])
