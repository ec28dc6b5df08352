"""In the log, a number is its last four digits and a keyed hash, which finds its lines."""

from __future__ import annotations

import io
import json
import re

import structlog
from in_process_server import InProcessServer

from callflows.telephony.phone_numbers import NumberMask, mask_numbers_in_text
from callflows.web.answer_metrics import AnswerMetrics
from callflows.web.log_lines import configure_logging, create_line_renderer
from each_case import each_case


def logged(tmp_path, key, **fields):
    out = io.StringIO()
    door = InProcessServer(tmp_path)
    door.answer_metrics = AnswerMetrics(create_line_renderer("json"), out, mask=NumberMask(key))
    door.engine._answer_metrics = door.answer_metrics  # noqa: SLF001 - its log
    door.send_request(params={"from": "+12015550999", "to": "12015550123", **fields})
    door.answer_metrics.flush()
    return json.loads(out.getvalue())


def test_a_line_has_the_last_four_digits_and_a_hash_and_never_the_number(tmp_path):
    line = logged(tmp_path, b"a key")
    assert re.fullmatch(r"\.{3}0999\.[0-9a-f]{8}", line["caller"])
    assert re.fullmatch(r"\.{3}0123\.[0-9a-f]{8}", line["number"])
    assert "5550999" not in json.dumps(line)


def test_the_same_number_has_the_same_hash_however_it_is_written(tmp_path):
    mask = NumberMask(b"a key")
    assert {mask(written) for written in ("+12015550999", "12015550999", "+1 (201) 555-0999")} == {mask("+12015550999")}
    assert logged(tmp_path, b"a key")["caller"] == mask("12015550999")


def test_nobody_without_the_key_finds_the_hash():
    assert NumberMask(b"a key")("+12015550999") != NumberMask(b"another")("+12015550999")


def test_who_withholds_the_number_leaves_nothing(tmp_path):
    assert logged(tmp_path, b"a key", **{"from": ""})["caller"] == ""


def test_a_number_in_what_went_wrong_is_masked_too(tmp_path):
    line = logged(tmp_path, b"a key", to="12015550199")
    assert "2015550199" not in json.dumps(line)
    assert NumberMask(b"a key")("+12015550199") in line["detail"]


MASK = NumberMask(b"a key")


@each_case("form", ["json", "text"])
@each_case(
    ("number", "fields"),
    [
        ("+12015550999", {"sender": "+12015550999"}),
        ("müller", {"to": "müller"}),
        ("+12015550999", {"reason": "+12015550999 said STOP, and wants no messages"}),
        ("12015550999", {"host": "sip:12015550999@example.com"}),
    ],
    ids=str,
)
def test_a_line_of_anything_has_the_hash_as_it_is_printed_for_a_search_whatever_the_encoding(form, number, fields):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    configure_logging(out, form, MASK)
    structlog.get_logger("any").warning("said", **fields)
    out.flush()
    line = out.buffer.getvalue()
    assert MASK(number).encode("ascii") in line
    assert number.encode() not in line


def test_a_traceback_names_nobody_and_a_uuid_stays_what_it_is():
    out = io.StringIO()
    configure_logging(out, "json", MASK)
    try:
        int("+12015550999x")
    except ValueError:
        structlog.get_logger("any").exception("broke", of="11111111-2222-4333-8444-555555555555", call="12345678")
    line = json.loads(out.getvalue())
    assert MASK("+12015550999") in line["exception"]
    assert "2015550999" not in out.getvalue()
    assert (line["of"], line["call"]) == ("11111111-2222-4333-8444-555555555555", "12345678")


@each_case(
    ("text", "masked"),
    [
        ("Separator is not found, and chunk exceed the limit of 16777216 bytes", None),
        ("it took 0.12345678 s, 1234567 ms, 31536000 seconds", None),
        ("10000000 rows of 104857600 characters", None),
        ("call 12015550123 was refused", "call ...0123 was refused"),
        ("+12015550123 bytes", "...0123 bytes"),
        ("201.5550123", "201....0123"),
        ("12015550123, 442079460018", "...0123, ...0018"),
        ("it took 123456789 ns; 67108864 B, 1048576 KiB", None),
        ("at 0x7f1234567890 in process 1234567", None),
        ("size=104857600, offset 1234567890, exceeds 67108864", None),
        ("version 1234567890ab, not 12345678901234ffab", None),
        ("since 1795991886.759245, written 20260219162445", None),
        ("Sun, 29 Nov 2026 22:10:00 +0000 2026", None),
        ("size 120155501234", "size ...1234"),
        ("+1 (201) 555-0123 and +44 20 7946 0018 and (201) 555-0123", "...0123 and ...0018 and ...0123"),
        ("tel:+1-201-555-0123;a12015550123b", "tel:...0123;a...0123b"),
    ],
)
def test_an_amount_with_a_unit_is_no_telephone_number(text, masked):
    assert mask_numbers_in_text(text) == (masked or text)
