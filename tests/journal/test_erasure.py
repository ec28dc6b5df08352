"""A number is erased in every table, in every spelling."""

from __future__ import annotations

import json
import zlib

import pytest
from sample_events import CALL, START, build_platform_event, load_sample, load_sample_events
from store_helpers import build_answered_request, list_ids, load_call_story, write_items

from callflows.journal.erasure import compile_mention_pattern
from callflows.journal.journal_rows import build_journal_entries
from callflows.journal.journal_tables import JOURNAL_METADATA
from callflows.journal.retention import forget_number
from callflows.journal.spool import Spool
from callflows.telephony.events import EffectResult
from each_case import each_case

MINE = "+12015550999"
DIGITS = "2015550999"


def everything(engine) -> str:
    """All texts of a database, documents too."""
    with engine.connect() as connection:
        rows = [tuple(row) for table in JOURNAL_METADATA.tables.values() for row in connection.execute(table.select())]
    told = [value for row in rows for value in row]
    return "\n".join(zlib.decompress(value).decode() if isinstance(value, bytes) else str(value) for value in told)


@pytest.fixture
def full(store):
    """A database that knows a caller in every way, and others."""
    write_items(store, *load_sample_events())
    document = "<Response><Say>We call you at (201) 555-0999, that is 2 0 1 5 5 5 0 9 9 9.</Say></Response>"
    other = build_answered_request(START, call="other", **{"from": "+12015550777", "name": "call +1 201-555-0999"})
    write_items(
        store,
        build_answered_request(START, call=CALL),
        other._replace(document_parts=[document], query=b"x=%2B12015550999&y=%2012015550999"),
    )
    mention = {**load_sample("event-2024-call-init"), "uuid": "mention", "amount": 12015550999}
    mention["call"] = {"uuid": "other", "from": "+12015550777", "to": "12015550123", "created_on": "2026-02-19T16:24:45Z"}
    mention["note"] = {"12015550999": ["tel:+1-201-555-0999"]}
    write_items(store, build_platform_event(mention))
    settled = EffectResult("notify", "key", START, "failed", "no answer of +12015550999", "other", {"caller": MINE})
    store.write_entries(build_journal_entries(settled))
    return store


def test_nothing_of_a_forgotten_number_is_left(full, engine, tmp_path):
    assert DIGITS in everything(engine)
    found = forget_number(full, Spool(tmp_path), MINE, lambda _count: None)
    assert found["calls"] >= 2
    assert found["turns"] >= 2
    assert found["events"] >= 6
    assert found["messages"] == 2
    left = everything(engine)
    assert compile_mention_pattern(MINE).search(left) is None
    assert "0999" not in left
    assert list_ids(full) == ["other"]
    told = load_call_story(full, "other")
    assert [entry["raw"]["note"] for entry in told["story"] if "raw" in entry] == [{"forgotten": ["tel:forgotten"]}]
    assert [entry["document"] for entry in told["story"] if "document" in entry] == [
        "<Response><Say>We call you at forgotten, that is forgotten.</Say></Response>"
    ]
    assert json.dumps(told).count("+12015550777") > 1


def test_nothing_of_a_forgotten_number_is_left_in_the_file(full, tmp_path):
    if full.sqlite_file is None:
        pytest.skip("PostgreSQL has no file of the test's")
    forget_number(full, Spool(tmp_path), MINE, lambda _count: None)
    for file in tmp_path.glob("journal.db*"):
        assert DIGITS.encode() not in file.read_bytes(), file


def test_a_number_is_forgotten_in_what_waits_in_files(store, tmp_path):
    spool = Spool(tmp_path / "spool")
    for what in (
        build_answered_request(START, call="mine"),
        build_answered_request(START, call="other", **{"from": "+12015550777"}),
    ):
        spool.append(build_journal_entries(what._replace(query=b"")))
    assert forget_number(store, spool, MINE, lambda _count: None)["spool"] == 2
    (segment,) = spool.list_segments()
    text = segment.read_text()
    assert DIGITS not in text
    assert "+12015550777" in text


def test_a_number_that_nobody_knows_changes_nothing(full, engine, tmp_path):
    before = everything(engine)
    assert forget_number(full, Spool(tmp_path), "+12015550101", lambda _count: None) == {}
    assert everything(engine) == before


def test_a_sip_user_is_forgotten_by_login_name(store, engine, tmp_path):
    write_items(
        store,
        *load_sample_events(),
        build_answered_request(START, call="hers", **{"from": "ann"}),
        build_answered_request(START, call="annie", name="annie"),
    )
    forget_number(store, Spool(tmp_path), "ann", lambda _count: None)
    assert "hers" not in list_ids(store)
    assert '"to":"ann"' not in everything(engine)
    assert "annie" in list_ids(store)


@each_case(
    "written",
    [
        "+12015550999", "12015550999", "2015550999", "(201) 555-0999", "+1 (201) 555-0999", "201.555.0999",
        "tel:+1-201-555-0999", "%2B12015550999", "from=%2012015550999&", "2 0 1 5 5 5 0 9 9 9", "1-201-555-0999",
    ],
)  # fmt: skip
def test_a_number_is_recognised_however_it_is_written(written):
    assert DIGITS[-4:] not in compile_mention_pattern(MINE).sub("", written).replace(" ", "")


@pytest.mark.parametrize("written", ["+120155509991", "92015550999", "+12015550998", "3b201555-0998"])
def test_another_number_is_not(written):
    assert compile_mention_pattern(MINE).search(written) is None


def test_a_number_of_another_country_is_recognised_as_it_is_written_there():
    pattern = compile_mention_pattern("+442079460018")
    for written in ("+442079460018", "020 7946 0018", "+44 (0)20 7946 0018", "2079460018"):
        assert "0018" not in pattern.sub("", written), written
