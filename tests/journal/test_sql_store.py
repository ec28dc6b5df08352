"""The contract of every database of the journal, tested on SQLite and PostgreSQL."""

from __future__ import annotations

import concurrent.futures
import contextlib
import re
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sample_events import (
    CALL,
    CALLER,
    NUMBER,
    START,
    build_platform_event,
    generate_platform_events,
    load_sample,
    load_sample_events,
)
from sqlalchemy import create_engine, event, inspect
from sqlalchemy.pool import Pool
from store_helpers import build_answered_request, list_ids, list_log_rows, load_call_story, write_items
from temporary_databases import create_database

from callflows.errors import JournalRejectionError, JournalUnavailableError, SettingsError
from callflows.flows.messages.reply_limits import REPLY_LIMITS, find_limit_refusal, make_text_digest
from callflows.journal import migrations
from callflows.journal.inbox import InboxFilter
from callflows.journal.journal_tables import JOURNAL_METADATA, SCHEMA_HEAD
from callflows.journal.schema_migration import run_migrations
from callflows.journal.sql_store import SqlStore, parse_database_url
from callflows.journal.stored_rows import CallFilter
from command_process import FORKING


def opened(url: str) -> int:
    """How many tables there are when a store has been opened."""
    store = SqlStore(url)
    store.open()
    store.close()
    engine = create_engine(parse_database_url(url))
    found = len(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_many_processes_that_start_at_once_make_the_tables_once(url):
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=FORKING) as processes:
        found = [*processes.map(opened, [url] * 6)]
    assert found == [len(JOURNAL_METADATA.tables) + 1] * 6


DESCRIBE_SQLITE = """
SELECT tables.name, columns.name, columns.type, columns."notnull", columns.pk
FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns WHERE tables.name <> 'alembic_version'
"""
DESCRIBE_POSTGRESQL = """
SELECT table_name, column_name, data_type, collation_name, is_nullable
FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version'
"""
DESCRIPTIONS = {
    "sqlite": [DESCRIBE_SQLITE, "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name <> 'alembic_version'"],
    "postgresql": [
        DESCRIBE_POSTGRESQL,
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'",
    ],
}


def describe_tables(engine):
    """Columns, types and indexes, as the database itself tells them."""
    with engine.connect() as connection:
        queries = DESCRIPTIONS[connection.dialect.name]
        return [sorted(map(str, connection.exec_driver_sql(query))) for query in queries]


def test_a_database_that_was_migrated_step_by_step_is_the_same_as_a_new_one(url, engine, tmp_path):
    with create_database(parse_database_url(url).get_backend_name(), tmp_path / "new") as new_url:
        with engine.begin() as connection:
            run_migrations(connection, "0001")
        for one in (url, new_url):
            assert opened(one) == len(JOURNAL_METADATA.tables) + 1
        new_engine = create_engine(parse_database_url(new_url))
        assert describe_tables(engine) == describe_tables(new_engine)
        for one in (engine, new_engine):
            with one.connect() as connection:
                assert compare_metadata(MigrationContext.configure(connection), JOURNAL_METADATA) == []
        new_engine.dispose()


def test_the_newest_migration_is_the_one_that_the_code_knows():
    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head() == SCHEMA_HEAD


@pytest.mark.usefixtures("store")
def test_a_database_made_by_a_newer_version_is_said_and_left_alone(url, engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    again = SqlStore(url)
    with pytest.raises(JournalUnavailableError, match="newer"):
        again.open()
    again.close()


def test_the_samples_are_read_without_loss(store):
    write_items(store, *load_sample_events())
    (row,) = list_log_rows(store)
    assert row == {
        "id": CALL,
        "number": NUMBER,
        "from": CALLER,
        "flow": "",
        "state": "destroyed",
        "started": "2026-02-19T16:24:45.961Z",
        "answered": "2026-02-19T16:24:47.302Z",
        "ended": "2026-02-19T16:24:55.818Z",
        "seconds": 10,
        "cause": 16,
        "cause_text": "NORMAL_CLEARING",
        "outcome": "nobody-answered",
        "outcome_text": "nobody answered",
        "turns": 0,
        "legs": 1,
    }
    told = load_call_story(store, CALL)
    (leg,) = told["legs"]
    assert (leg["to"], leg["state"], leg["cause"], leg["cause_text"]) == ("ann", "hangup", 18, "NO_USER_RESPONSE")
    raws = [entry["raw"] for entry in told["story"] if entry["what"] == "reported"]
    samples = [
        load_sample(name) for name in ("event-2024-call-init", "event-2022-call-flow-answer", "event-2024-call-live")
    ]
    assert [raw for raw in samples if raw not in raws] == []


def test_a_report_that_comes_again_is_kept_once(store):
    report_ = build_platform_event(load_sample("event-2024-call-init"))
    write_items(store, report_, report_)
    write_items(store, report_._replace(source="webhook"))
    assert len(load_call_story(store, CALL)["story"]) == 1


def test_nothing_of_a_batch_is_kept_where_one_thing_is_refused(store):
    broken = (
        "events",
        {**dict.fromkeys(("key", "kind", "call", "state", "message", "source", "raw"), "x"), "at": None, "arrived": None},
    )
    with pytest.raises(JournalRejectionError):
        store.write_entries([("calls", {**_call("one")}), broken])
    assert list_ids(store) == []


def _call(id_: str) -> dict[str, object]:
    return {**dict.fromkeys(column.name for column in JOURNAL_METADATA.tables["calls"].c), "id": id_, "started": 1.0}


def test_calls_are_listed_the_newest_first_with_their_turns_and_legs(store):
    write_items(store, *load_sample_events())
    write_items(
        store,
        build_answered_request(START, call=CALL),
        build_answered_request(START + 5, call=CALL),
        build_answered_request(START + 100, call="later"),
    )
    assert [(row["id"], row["turns"], row["legs"]) for row in list_log_rows(store)] == [("later", 1, 0), (CALL, 2, 1)]
    assert list_ids(store, limit=1) == ["later"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"number": "+12015550123"}, {"a", "b"}),
        ({"caller": "+12015550111"}, {"b"}),
        ({"flow": "desk"}, {"a", "b", "c"}),
        ({"flow": "none"}, set()),
        ({"ending": "unreported"}, {"a", "b", "c"}),
        ({"ending": "fallback"}, set()),
        ({"state": "live"}, {"d"}),
        ({"state": "destroyed"}, set()),
        ({"since": 200.0}, {"b", "c", "d"}),
        ({"until": 200.0}, {"a"}),
        ({"since": 200.0, "until": 300.0, "caller": "+12015550111"}, {"b"}),
    ],
    ids=lambda value: str(sorted(value)),
)
def test_calls_are_filtered(store, wanted, found):
    live = load_sample("event-2024-call-live")
    live["call"] |= {"uuid": "d", "to": "12015550188"}
    write_items(
        store,
        build_answered_request(100.0, call="a"),
        build_answered_request(200.0, call="b", **{"from": "+12015550111"}),
        build_answered_request(300.0, call="c", to="12015550124"),
        build_platform_event(live),
    )
    assert set(list_ids(store, **wanted)) == found


def test_the_worst_outcome_of_its_turns_is_that_of_a_call(store):
    fine = build_answered_request(100.0, call="a")
    write_items(
        store, fine, build_answered_request(101.0, call="a")._replace(outcome=fine.outcome._replace(kind="fallback"))
    )
    write_items(store, build_answered_request(102.0, call="a"))
    assert [row["outcome"] for row in list_log_rows(store, ending="fallback")] == ["fallback"]


def test_a_key_is_claimed_once_whoever_claims_it(store, url):
    again = SqlStore(url)
    assert store.claim_key("sms", "a", 1.0)
    assert not again.claim_key("sms", "a", 2.0)
    assert again.claim_key("sms", "b", 2.0)
    assert again.claim_key("notify", "a", 2.0)
    again.close()


def test_a_lease_is_one_holders_until_it_ends(store):
    assert store.hold_lease("events", "one", 100.0, 10.0)
    assert not store.hold_lease("events", "two", 105.0, 10.0)
    assert store.hold_lease("events", "one", 105.0, 10.0)
    assert not store.hold_lease("events", "two", 114.0, 10.0)
    assert store.hold_lease("events", "two", 115.0, 10.0)
    assert not store.hold_lease("events", "one", 116.0, 10.0)


def test_a_lease_of_before_the_clock_was_set_back_is_free_and_one_of_a_server_whose_clock_is_ahead_is_not(store):
    assert store.hold_lease("events", "one", 100_000.0, 10.0)
    assert store.hold_lease("events", "two", 90_000.0, 10.0)
    assert store.hold_lease("events", "two", 90_040.0, 10.0), "the clock of this server is ahead"
    assert not store.hold_lease("events", "one", 90_000.0, 10.0)


def test_a_lease_keeps_up_to_when_all_is_done_for_whoever_holds_it_next(store):
    assert store.load_lease("events") is None
    assert store.hold_lease("events", "one", 100.0, 10.0, 99.5)
    assert store.hold_lease("events", "one", 105.0, 0.0)
    assert store.hold_lease("events", "two", 106.0, 10.0)
    assert not store.hold_lease("events", "one", 107.0, 10.0, 106.5)
    assert store.load_lease("events") == ("two", 99.5)


def test_what_is_too_old_is_erased_in_bounded_batches(store):
    write_items(store, *generate_platform_events(50))
    write_items(store, *(r for r in load_sample_events() if not r.call), build_answered_request(START + 1000, call="young"))
    store.claim_key("sms", "old", START)
    first = store.erase_rows_before(START + 500, 3)
    assert len(list_ids(store)) == 8
    assert first > 3
    while store.erase_rows_before(START + 5000, 3):
        pass
    assert list_ids(store) == []
    assert store.claim_key("sms", "old", START)


def test_what_is_young_is_not_erased(store):
    write_items(store, build_answered_request(1000.0, call="young"))
    assert store.erase_rows_before(1000.0, 100) == 0
    assert list_ids(store) == ["young"]


def test_a_database_that_is_nowhere_is_gone(tmp_path):
    for url in (f"sqlite:///{tmp_path}", "postgresql://nobody@127.0.0.1:1/none"):
        with pytest.raises(JournalUnavailableError):
            SqlStore(url).open()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense"])
def test_only_two_kinds_of_databases_are_taken(url):
    with pytest.raises(SettingsError):
        SqlStore(url)


def test_no_password_is_in_the_name_of_a_database():
    assert "sesame" not in SqlStore("postgresql://me:sesame@127.0.0.1:1/x").display_name


def test_only_its_owner_reads_a_journal_in_a_file(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "journal.db").touch(mode=0o644)
    store = SqlStore(f"sqlite:///{tmp_path}/data/journal.db")
    store.open()
    write_items(store, *generate_platform_events(3))
    assert {
        file.name: oct(file.stat().st_mode & 0o777) for file in (tmp_path / "data").iterdir() if file.stat().st_mode & 0o077
    } == {}
    store.close()


def test_two_processes_together_send_no_more_automatic_replies_than_one_may(url):
    def send(store, talk, now):
        digest = make_text_digest(f"{now}", "reply")
        return store.count_text(talk, digest, now, lambda sent: find_limit_refusal(sent, REPLY_LIMITS, digest, now))

    one, other = SqlStore(url), SqlStore(url)
    one.open()
    refusals = [send(store, "ours>robot>reply", 1000.0 + n) for n, store in enumerate([one, other] * 5)]
    assert refusals == [""] * 5 + ["5 texts in 10 minutes are enough: two machines may be talking"] * 5
    assert send(other, "ours>somebody>reply", 1010.0) == ""
    assert send(one, "ours>robot>reply", 1605.0) == ""
    assert "same text" in send(other, "ours>robot>reply", 1605.0)
    one.close()
    other.close()


@contextlib.contextmanager
def counting_connections():
    """The number of connections to databases that were opened since, and are not closed yet."""
    open_now = []

    def add(connection, _record):
        open_now.append(connection)

    def remove(connection, _record):
        open_now.remove(connection)

    event.listen(Pool, "connect", add)
    event.listen(Pool, "close", remove)
    try:
        yield lambda: len(open_now)
    finally:
        event.remove(Pool, "connect", add)
        event.remove(Pool, "close", remove)


@pytest.mark.parametrize("end", ["open", "close"])
def test_a_connection_that_is_in_use_when_the_store_is_opened_again_or_closed_is_closed_after_its_use(url, end):
    with counting_connections() as count_connections:
        store = SqlStore(url)
        store.open()
        in_use, finish = threading.Event(), threading.Event()

        def query(connection):
            in_use.set()
            finish.wait(60)
            return connection.exec_driver_sql("SELECT 7").scalar()

        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            answer = threads.submit(store.run_reading, query)
            assert in_use.wait(60)
            getattr(store, end)()
            finish.set()
            assert answer.result() == 7
        store.close()
        assert count_connections() == 0


CLOSED_CALLS = {
    "open": lambda store: store.open(),
    "check_schema": lambda store: store.check_schema(),
    "write_entries": lambda store: store.write_entries([]),
    "derive_calls": lambda store: store.derive_calls(),
    "mark_underived_calls": lambda store: store.mark_underived_calls(0),
    "list_calls": lambda store: [*store.list_calls(CallFilter())],
    "search_calls": lambda store: store.search_calls(CallFilter(), 1.0),
    "load_call": lambda store: store.load_call("a"),
    "load_calls": lambda store: store.load_calls([]),
    "list_voicemails": lambda store: [*store.list_voicemails(InboxFilter())],
    "list_messages": lambda store: [*store.list_messages(InboxFilter())],
    "run_reading": lambda store: store.run_reading(lambda connection: connection.exec_driver_sql("SELECT 1")),
    "run_writing": lambda store: store.run_writing(lambda connection: connection.exec_driver_sql("SELECT 1")),
    "claim_key": lambda store: store.claim_key("kind", "key", 1.0),
    "release_claim": lambda store: store.release_claim("kind", "key"),
    "is_claimed": lambda store: store.is_claimed("kind", "key"),
    "find_claimed_keys": lambda store: store.find_claimed_keys("kind", ["key"]),
    "count_text": lambda store: store.count_text("talk", "digest", 1.0, lambda _sent: ""),
    "hold_lease": lambda store: store.hold_lease("work", "me", 1.0, 1.0),
    "load_lease": lambda store: store.load_lease("work"),
    "load_shared_text": lambda store: store.load_shared_text("name"),
    "replace_shared_text": lambda store: store.replace_shared_text("name", "", "text"),
    "erase_rows_before": lambda store: store.erase_rows_before(1.0, 1),
    "forget_number": lambda store: store.forget_number(CALLER, re.compile("x"), lambda _rows: None),
}


def test_a_closed_store_refuses_everything_and_connects_no_more(url):
    assert CLOSED_CALLS.keys() == {
        name for name, value in vars(SqlStore).items() if callable(value) and not name.startswith("_")
    } - {"close"}
    store = SqlStore(url)
    store.open()
    store.close()
    with counting_connections() as count_connections:
        for name, call in CLOSED_CALLS.items():
            with pytest.raises(JournalUnavailableError, match="the journal is closed"):
                call(store)
            assert count_connections() == 0, name
