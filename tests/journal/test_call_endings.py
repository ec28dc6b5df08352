"""How calls ended, in words; everything done for a call is in its story."""

from __future__ import annotations

import time

import pytest
import sqlalchemy
from store_helpers import build_answered_request, list_log_rows, load_call_story, write_items

from callflows.journal import sql_queries
from callflows.journal.inbox import InboxFilter
from callflows.journal.sql_queries import query_ending_counts
from callflows.journal.sql_store import SqlStore
from callflows.journal.stored_rows import CallFilter
from callflows.journal.story_words import describe_story_entry, skip_repeated_entries
from callflows.telephony.call_entity import CallEntity
from callflows.telephony.events import AnswerOutcome, EffectResult, PlatformEvent

BEGAN = 1795428000.0
MENU = (
    "<Response><Answer/><Say>Hello.</Say><Gather><DTMF value='1'><Dial><To>ann@acme.example</To></Dial></DTMF></Gather>"
    "</Response>"
)


@pytest.fixture
def store(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/journal.db")
    store.open()
    yield store
    store.close()


def call_entity(**fields: object) -> CallEntity:
    return CallEntity({"uuid": "one", "direction": "in", "from": "+12015550999", "to": "12015550123", **fields})


def ended(**fields: object) -> PlatformEvent:
    entity = call_entity(state="destroyed", destroy_on="2026-11-23T10:00:50Z", **fields)
    return PlatformEvent("call_state", "end", BEGAN + 50, {"type": "call_state"}, "", "destroyed", call=entity)


def executed(name: str, at: float, key: str, *, success: bool = True, tag: str = "") -> PlatformEvent:
    raw = {"call_flow": {"name": name, "success": success, "element": {"tag": tag}}}
    return PlatformEvent("call_flow", key, at, raw, f"{name}: {success}", "live", call=call_entity(state="live"))


def leg(**fields: object) -> dict[str, object]:
    return {"uuid": "leg", "direction": "out", "from": "12015550999", "to": "12015550188", **fields}


ANSWERED = leg(answer_on="2026-11-23T10:00:20Z")
MESSAGE = {"uuid": "r", "url": "https://records.invalid/r.wav", "duration": 41, "tag": "voicemail"}
CONVERSATION = {**MESSAGE, "tag": "conversation"}


@pytest.mark.parametrize(
    ("events", "outcome", "words"),
    [
        ([], "unreported", "end not reported"),
        ([executed("Say", BEGAN, "1")], "ongoing", "in progress"),
        ([ended(children=[ANSWERED])], "answered", "answered by +12015550188"),
        ([ended(children=[ANSWERED], records=[CONVERSATION])], "answered", "answered by +12015550188"),
        ([ended(records=[MESSAGE])], "voicemail", "voicemail 0:41"),
        ([ended(children=[leg()], records=[MESSAGE])], "voicemail", "voicemail 0:41"),
        ([ended(records=[{**MESSAGE, "duration": 0.4}])], "no-message", "hung up without leaving a message"),
        (
            [ended(children=[leg()], records=[{**MESSAGE, "duration": 0}])],
            "no-message",
            "hung up without leaving a message",
        ),
        ([executed("Tone", BEGAN, "1", tag="beep"), ended()], "voicemail", "voicemail"),
        ([executed("Tone", BEGAN + 49.5, "1", tag="beep"), ended()], "no-message", "hung up without leaving a message"),
        (
            [executed("Tone", BEGAN, "1", tag="beep", success=False), ended()],
            "no-message",
            "hung up without leaving a message",
        ),
        ([ended(children=[leg()])], "nobody-answered", "nobody answered"),
        ([ended(children=[leg()], records=[CONVERSATION])], "nobody-answered", "nobody answered"),
        ([executed("Dial", BEGAN, "1", success=False), ended()], "nobody-answered", "nobody answered"),
        ([executed("Say", BEGAN, "1"), ended()], "hung-up-in-menu", "hung up in a menu"),
        (
            [executed("Gather", BEGAN, "1", success=False), executed("Hangup", BEGAN + 1, "2"), ended()],
            "ended",
            "ended without a conversation",
        ),
    ],
)
def test_the_list_and_the_story_say_how_a_call_ended(store, events, outcome, words, monkeypatch):
    answered = build_answered_request(BEGAN, call="one")._replace(document_parts=[MENU])
    write_items(store, answered, *events)
    row = next(row for row in list_log_rows(store) if row["id"] == "one")
    assert (row["outcome"], row["outcome_text"]) == (outcome, words)
    assert load_call_story(store, "one")["call"]["outcome_text"] == words
    with monkeypatch.context() as lately:
        lately.setattr(sql_queries, "LONGEST_CALL_SECONDS", time.time())
        assert [found["id"] for found in list_log_rows(store, ending=outcome)] == ["one"], "its ending is not stored yet"
    store.derive_calls()
    assert [found["id"] for found in list_log_rows(store, ending=outcome)] == ["one"]
    assert list_log_rows(store, ending="fallback") == []


def test_a_call_that_got_the_fallback_is_told_as_that_whatever_followed(store):
    broken = build_answered_request(BEGAN, call="one")._replace(outcome=AnswerOutcome("fallback", "desk", "start"))
    write_items(store, broken, ended(children=[ANSWERED]))
    assert [row["outcome"] for row in list_log_rows(store, ending="fallback")] == ["fallback"]


@pytest.mark.parametrize(
    ("outcome", "words"), [("fallback", "fallback, then voicemail 0:41"), ("answered", "voicemail 0:41")]
)
def test_each_call_that_the_inbox_lists_is_found_by_the_ending_voicemail(store, outcome, words):
    talked = leg(answer_on="2026-11-23T10:00:02Z", hangup_on="2026-11-23T10:00:08Z", state="hangup")
    began = build_answered_request(BEGAN, call="one")._replace(outcome=AnswerOutcome(outcome, "desk", "start"))
    write_items(store, began, ended(children=[talked], records=[MESSAGE]))
    (voicemail,) = store.list_voicemails(InboxFilter())
    store.derive_calls()
    listed = [(row["id"], row["outcome_text"]) for row in list_log_rows(store, ending="voicemail", limit=5)]
    assert listed == [(voicemail["call"], words)]


def test_every_call_of_a_day_is_counted_also_one_whose_end_opentact_does_not_report(store):
    write_items(store, build_answered_request(BEGAN + 4_000, call="two"), build_answered_request(BEGAN - 1, call="early"))
    write_items(store, build_answered_request(BEGAN, call="one"), ended(children=[ANSWERED]))
    store.derive_calls()
    assert sorted(store.run_reading(query_ending_counts, BEGAN)) == [("answered", 0, 1), ("unreported", 1, 1)]


def test_a_limit_counts_the_calls_that_match(store):
    for number in range(5):
        write_items(store, build_answered_request(BEGAN + 100 * number, call=f"call{number}"))
    write_items(store, build_answered_request(BEGAN - 100, call="one"), ended(records=[MESSAGE]))
    store.derive_calls()
    assert [row["id"] for row in list_log_rows(store, ending="voicemail", limit=1)] == ["one"]


def test_a_list_by_ending_has_every_call_once_the_newest_first_on_all_its_pages(store):
    for number in range(4):
        of = f"call{number}"
        end = ended(children=[{**ANSWERED, "uuid": f"leg{number}"}])
        end = end._replace(key=of, call=CallEntity({**end.call.raw, "uuid": of}))
        write_items(store, build_answered_request(BEGAN - 100 * number, call=of), end)
    store.derive_calls()
    going = executed("Say", BEGAN + 10, "say")._replace(call=call_entity(state="live", children=[ANSWERED]))
    write_items(store, build_answered_request(BEGAN + 10, call="one"), going)
    first = list_log_rows(store, ending="answered", limit=3)
    after = (BEGAN - 100, "call1")
    rest = list_log_rows(store, ending="answered", limit=3, after=after)
    assert [row["id"] for row in first] == ["one", "call0", "call1"]
    assert [row["id"] for row in rest] == ["call2", "call3"]
    assert [row["id"] for row in list_log_rows(store, ending="answered", until=BEGAN - 100)] == ["call2", "call3"]


def test_a_list_by_ending_is_read_from_the_index_of_the_endings(store):
    with store._open_read_connection() as connection:  # noqa: SLF001 - looked at
        queries = []
        sqlalchemy.event.listen(connection, "before_cursor_execute", lambda *given: queries.append(given[2:4]))
        [*sql_queries.query_calls(connection, CallFilter(limit=50, ending="refused"), 1.0)]
        text, values = next(query for query in queries if query[0].startswith("SELECT"))
        plan = [step for *_, step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
    assert any("USING INDEX endings_kind" in step for step in plan), plan


def test_a_search_by_the_beginning_of_a_number_finds_callers_and_numbers(store):
    for call, fields in {"a": {"from": "+12015550999"}, "b": {"from": "+12025550000", "to": "12015550990"}}.items():
        write_items(store, build_answered_request(BEGAN, call=call, **fields))
    write_items(store, build_answered_request(BEGAN, call="c", **{"from": "+12025550001", "to": "13125550000"}))
    found = {text: {row["id"] for row in list_log_rows(store, text=text)} for text in ("+1 201 555-099", "+", "0999", "+9")}
    assert found == {"+1 201 555-099": {"a", "b"}, "+": {"a", "b", "c"}, "0999": {"a"}, "+9": set()}


def test_events_of_one_moment_keep_the_order_of_their_arrival(store):
    names = ["Answer", "Say", "Gather", "Dial", "Hangup"]
    for key, name in zip("edcba", names, strict=True):
        write_items(store, executed(name, BEGAN, key))
    story = load_call_story(store, "one")["story"]
    assert [entry["step"]["name"] for entry in story] == names


def test_the_text_after_a_missed_call_is_in_the_story_of_the_call_with_its_result(store):
    payload = {"to": "+12015550177", "text": "A call was missed."}
    result = EffectResult("sms", "k", BEGAN + 60, "failed", "Opentact said no", "one", payload)
    write_items(store, build_answered_request(BEGAN, call="one"), ended(), result)
    (effect,) = [entry for entry in load_call_story(store, "one")["story"] if entry["what"] == "caused"]
    assert (effect["kind"], effect["result"], effect["reason"]) == ("sms", "failed", "Opentact said no")
    assert describe_story_entry(effect) == "sms to +12015550177: A call was missed., failed: Opentact said no"
    assert effect["payload"] == payload


def test_every_text_and_webhook_of_one_answer_is_told_with_who_gets_it_and_no_path_of_a_url(store):
    effects = [
        ("sms", {"to": "+12015550177", "text": "Hello."}),
        ("sms", {"to": "+12015550177", "text": "Hello."}),
        ("sms", {"to": "+12015550188", "text": "Hello."}),
        ("notify", {"url": "https://hooks.example.com/T0/secret"}),
    ]
    results = [EffectResult(kind, f"k{at}", BEGAN, "sent", "", "one", sent) for at, (kind, sent) in enumerate(effects)]
    write_items(store, build_answered_request(BEGAN, call="one"), *results)
    story = skip_repeated_entries(load_call_story(store, "one")["story"])
    assert sorted(describe_story_entry(entry) for entry in story if entry["what"] == "caused") == [
        "notify to hooks.example.com, sent",
        "sms to +12015550177: Hello., sent",
        "sms to +12015550177: Hello., sent",
        "sms to +12015550188: Hello., sent",
    ]
