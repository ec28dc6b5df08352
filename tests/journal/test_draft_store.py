"""Drafts in the database: one for each person and flow, a bounded number, for a bounded time."""

from __future__ import annotations

import json
from functools import partial

from callflows.journal import draft_store
from callflows.journal.draft_store import DRAFT_SECONDS, MAX_DRAFTS_OF_PERSON, KeptDraft
from callflows.journal.retention import forget_number
from callflows.journal.spool import Spool

NOW = 1_800_000_000.0
DRAFT = KeptDraft("desk", "ann", NOW, "of the file", "of the draft", "say: Hello.\n")


def load_draft(store, flow="desk", who="ann", now=NOW):
    return store.run_reading(draft_store.query_draft, flow, who, now)


def test_a_draft_is_that_of_a_person_and_a_later_one_replaces_it(store):
    keep = partial(store.run_writing, draft_store.store_draft)
    later = DRAFT._replace(at=NOW + 1, source="say: Hi.\n", digest="of a later one")
    for draft in (DRAFT, DRAFT._replace(who="bo", source="say: Bo.\n"), later):
        keep(draft)
    assert load_draft(store) == later
    assert load_draft(store, who="bo").source == "say: Bo.\n"
    keep(DRAFT._replace(flow="clinic", digest=DRAFT.base))  # nothing is changed in it
    assert [(draft.flow, draft.who) for draft in store.run_reading(draft_store.query_drafts, NOW)] == [
        ("desk", "ann"),
        ("desk", "bo"),
    ]
    store.run_writing(draft_store.erase_draft, "desk", "ann")
    assert load_draft(store) is None


def test_a_report_is_stored_beside_the_text_that_it_is_about_only(store):
    store.run_writing(draft_store.store_draft, DRAFT)
    assert store.run_writing(draft_store.store_draft_report, DRAFT, '{"kind":"check"}')
    assert not store.run_writing(draft_store.store_draft_report, DRAFT._replace(digest="of another"), "{}")
    assert load_draft(store).report == '{"kind":"check"}'


def test_drafts_that_are_old_or_too_many_are_erased(store):
    store.run_writing(draft_store.store_draft, DRAFT)
    assert load_draft(store, now=NOW + DRAFT_SECONDS + 1) is None
    for number in range(MAX_DRAFTS_OF_PERSON):
        store.run_writing(draft_store.store_draft, DRAFT._replace(flow=f"flow-{number}", at=NOW + 1 + number))
    assert load_draft(store) is None
    assert load_draft(store, "flow-0") is not None
    assert store.erase_rows_before(NOW + 2, 100) == 1
    assert load_draft(store, "flow-0") is None


def test_a_draft_that_is_stored_while_the_clock_is_wrong_erases_no_other(store):
    store.run_writing(draft_store.store_draft, DRAFT)
    store.run_writing(draft_store.store_draft, DRAFT._replace(who="bo", at=NOW + 100 * DRAFT_SECONDS))
    assert [draft.who for draft in store.run_reading(draft_store.query_drafts, NOW + 100 * DRAFT_SECONDS)] == ["bo"]
    assert [draft.who for draft in store.run_reading(draft_store.query_drafts, NOW)] == ["bo", "ann"]


def test_a_forgotten_number_is_masked_in_drafts(store, tmp_path):
    report = json.dumps({"kind": "impact", "groups": [{"now": "rings +12015550999"}]})
    store.run_writing(draft_store.store_draft, DRAFT._replace(source="to: +12015550999\n", report=report))
    assert forget_number(store, Spool(tmp_path), "+12015550999", lambda _count: None) == {"drafts": 1}
    draft = load_draft(store)
    assert draft.source == "to: forgotten\n"
    assert json.loads(draft.report)["groups"] == [{"now": "rings forgotten"}]
