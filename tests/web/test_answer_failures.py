"""The caller gets a valid document, whatever fails in the server."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from in_process_server import (
    CALL_FIELDS,
    DESK,
    MONDAY,
    InProcessServer,
    is_apology,
    is_fallback,
    list_callback_urls,
    list_spoken_texts,
    read_document,
    send_asgi_request,
)

from callflows.language import Answer, Hangup, from_xml
from callflows.web.log_lines import configure_logging

ACME = """
numbers: +12015550123
nodes:
  start:
    - {step}
fallback:
  - say: The desk is sorry.
"""
RAISES = {
    "a text is taken from": "when: (caller.number ~ 'x') - 7\n      say: Hello.",
    "a text is taken from a number": """say: "{% if now.hour - (caller.number ~ 'x') %}a{% endif %}\"""",
    "a value doubles with every step": (
        "set: {x: caller.number}\n" + '    - set: {x: "x ~ x ~ x ~ x"}\n' * 14 + "    - {say: Never., when: x == '1'}"
    ),
    "a text is divided by nothing": "say: '{{ 1 / (now.hour - now.hour) }}'",
}


@pytest.mark.parametrize("step", RAISES.values(), ids=RAISES)
def test_a_flow_that_raises_gets_its_own_fallback(tmp_path, step):
    door = InProcessServer(tmp_path, ACME.replace("{step}", step))
    assert is_fallback(door.send_request())


@pytest.mark.parametrize("step", RAISES.values(), ids=RAISES)
def test_a_flow_that_raises_and_has_no_fallback_gets_the_apology(tmp_path, step):
    door = InProcessServer(tmp_path, ACME.replace("{step}", step).partition("fallback")[0], apology="So sorry.")
    assert list_spoken_texts(read_document(door.send_request())) == ["So sorry."]


def test_a_flow_that_raises_after_it_has_spoken_gets_nothing_but_its_fallback(tmp_path):
    broken = "say: Welcome.\n    - when: caller.number[0] - 1\n      say: Never."
    assert is_fallback(InProcessServer(tmp_path, ACME.replace("{step}", broken)).send_request())


def test_a_node_that_raises_later_in_the_call_gets_the_fallback_too(tmp_path):
    later = DESK.replace("- menu:", "- when: caller.number[0] - 1\n      say: Never.\n    - menu:")
    door = InProcessServer(tmp_path, later)
    good = InProcessServer(tmp_path, {"desk": DESK})
    (url, *_) = list_callback_urls(good.send_request())
    assert is_fallback(door.send_request(url))


def test_a_flow_that_raises_does_not_touch_the_others(tmp_path):
    broken = ACME.replace("{step}", RAISES["a text is taken from"]).replace("0123", "0124")
    door = InProcessServer(tmp_path, {"desk": DESK, "broken": broken})
    assert is_fallback(door.send_request(params={**CALL_FIELDS, "to": "12015550124"}))
    assert list_spoken_texts(read_document(door.send_request()))[0] == "Hello  from +12015550999."


def test_a_document_that_would_be_too_long_to_read_is_not_sent(tmp_path):
    long = ACME.replace("{step}", "say: \"{{ 'x' * (now.year * 600) }}\"")
    assert is_fallback(InProcessServer(tmp_path, long).send_request())


def test_a_value_that_is_too_long_is_logged_with_its_step_and_without_a_trace(tmp_path):
    door = InProcessServer(tmp_path, ACME.replace("{step}", RAISES["a value doubles with every step"]))
    assert is_fallback(door.send_request())
    (line,) = (line for line in door.read_log_lines() if line.get("cause") == "ValueTooLongError")
    assert "longer than 65,536 characters" in line["detail"]
    assert "(set) of node start" in line["detail"]
    assert not line.get("trace")


def test_a_clock_that_raises_costs_only_who_asks_it(tmp_path):
    def broken() -> datetime:
        raise OSError("no clock")

    door = InProcessServer(tmp_path, ACME.replace("{step}", "say: '{{ now.hour }}'"), clock=broken)
    assert is_fallback(door.send_request())
    assert list_spoken_texts(read_document(InProcessServer(tmp_path, DESK, clock=broken).send_request()))


def test_a_clock_at_the_end_of_time_costs_only_the_fallback(tmp_path):
    far = ACME.replace("{step}", "say: '{{ now.hour }}'").replace("nodes:", "timezone: Asia/Tokyo\nnodes:")
    assert is_fallback(InProcessServer(tmp_path, far, clock=lambda: datetime.max.replace(tzinfo=UTC)).send_request())


def test_a_defect_of_ours_gets_the_apology(tmp_path):
    door = InProcessServer(tmp_path)

    class Broken:
        @property
        def flows(self):
            raise RuntimeError("a bug")

        def find_answering_flow(self, _number):
            raise RecursionError("a bug")

    (url, *_) = list_callback_urls(door.send_request())
    door.flow_versions.book = Broken()
    assert is_apology(door.send_request())
    assert is_apology(door.send_request(url))


# An unknown number


def test_an_unknown_number_gets_the_apology_and_a_warning(tmp_path):
    door = InProcessServer(tmp_path)
    assert is_apology(door.send_request(params={**CALL_FIELDS, "to": "12015550777"}))
    (line,) = [line for line in door.read_log_lines() if line["event"] == "unknown-number"]
    assert line["level"] == "warning"


@pytest.mark.parametrize("number", ["", "x", "0", "+", "rest", "+1201*", "start", "\x00", "x" * 10_000])
def test_what_is_no_number_gets_the_apology(tmp_path, number):
    assert is_apology(InProcessServer(tmp_path).send_request(params={**CALL_FIELDS, "to": number}))


def test_what_is_no_number_is_answered_by_the_flow_that_answers_the_rest(tmp_path):
    door = InProcessServer(tmp_path, DESK.replace("+12015550123", "rest"))
    assert list_spoken_texts(read_document(door.send_request(params={**CALL_FIELDS, "to": "ann"})))


def test_the_apology_is_what_the_settings_say_and_becomes_no_markup(tmp_path):
    door = InProcessServer(tmp_path, apology='Sorry & <good> "bye" ]]> \N{WAVING HAND SIGN}')
    assert list_spoken_texts(read_document(door.send_request(params={"to": "12015550777"}))) == [
        'Sorry & <good> "bye" ]]> \N{WAVING HAND SIGN}'
    ]


def test_the_apology_is_heard_since_the_line_is_answered_before_it(tmp_path):
    first, *_ = read_document(InProcessServer(tmp_path).send_request(params={"to": "12015550777"})).children
    assert isinstance(first, Answer)


def test_the_apology_needs_no_word_that_the_classic_dialect_lacks(tmp_path):
    reply = InProcessServer(tmp_path, dialect="classic").send_request(params={"to": "12015550777"})
    assert is_apology(reply)
    assert "Answer" not in reply.text


def test_the_apology_and_the_fallback_end_the_call(tmp_path):
    door = InProcessServer(tmp_path, ACME.replace("{step}", RAISES["a text is taken from"]))
    for reply in (door.send_request(), door.send_request(params={"to": "12015550777"})):
        assert isinstance(read_document(reply).children[-1], Hangup)


def test_the_fallback_is_heard_since_the_line_is_answered_before_it(tmp_path):
    door = InProcessServer(tmp_path, ACME.replace("{step}", RAISES["a text is taken from"]))
    assert isinstance(read_document(door.send_request()).children[0], Answer)


# A log that cannot be written


class FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")

    flush = write  # type: ignore[assignment]


@pytest.mark.parametrize("disk", [FullDisk(), io.StringIO()], ids=["full", "closed"])
def test_a_log_that_cannot_be_written_costs_nobody_the_fallback(tmp_path, disk):
    door = InProcessServer(tmp_path, ACME.replace("{step}", RAISES["a text is taken from"]))
    if not isinstance(disk, FullDisk):
        disk.close()
    configure_logging(disk, "json")
    assert is_fallback(door.send_request())
    assert is_apology(door.send_request(params={"to": "12015550777"}))


def test_answers_are_counted_though_the_log_cannot_be_written(tmp_path):
    door = InProcessServer(tmp_path)
    door.answer_metrics._out = FullDisk()  # noqa: SLF001 - the only way to break it
    door.send_request()
    assert b'callflows_answers_total{flow="desk",outcome="answered"} 1.0' in door.answer_metrics.render_prometheus()[0]


# What was said once is not said to the next


def test_a_document_of_one_caller_is_not_served_to_the_next(tmp_path):
    door = InProcessServer(tmp_path, clock=lambda: MONDAY)
    first = door.send_request(method="POST", json={"meta": {"cid_name": "Ann"}})
    second = door.send_request(
        method="POST", json={"meta": {"cid_name": "Bob"}}, params={**CALL_FIELDS, "from": "+12015550777"}
    )
    third = door.send_request()
    assert list_spoken_texts(read_document(first))[0] == "Hello Ann from +12015550999."
    assert list_spoken_texts(read_document(second))[0] == "Hello Bob from +12015550777."
    assert list_spoken_texts(read_document(third))[0] == "Hello  from +12015550999."


def test_the_first_line_of_every_answer_is_the_same(tmp_path):
    door = InProcessServer(tmp_path)
    for query in (b"to=12015550123", b"to=1", b""):
        status, headers, body = send_asgi_request(door.app, query_string=query)
        assert status == 200
        assert headers["content-type"] == "application/xml; charset=utf-8"
        assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Response>')
        from_xml(body)


def test_a_refusal_is_no_html_page(tmp_path):
    status, headers, body = send_asgi_request(InProcessServer(tmp_path, token=["t"]).app)
    assert (status, headers["content-type"]) == (403, "application/problem+json")
    assert json.loads(body)["status"] == 403


def test_the_log_of_a_failure_names_the_step(tmp_path):
    flow = "numbers: rest\nnodes:\n  start:\n    - say: Hello.\n    - say: '{{ 1 - caller.number[0] }}'\n"
    door = InProcessServer(tmp_path, flow)
    door.send_request()
    (line,) = (line for line in door.read_log_lines() if line.get("cause"))
    assert line["detail"].endswith(", step 2 (say) of node start")
