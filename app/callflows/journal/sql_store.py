"""The journal in SQLite or PostgreSQL, by SQLAlchemy Core.

All methods block on the database: call the methods in a thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import pathlib
import uuid
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

from sqlalchemy import create_engine, delete, event, make_url, select
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from callflows.disk_errors import describe_disk_error
from callflows.errors import JournalRejectionError, JournalUnavailableError, SettingsError
from callflows.journal import call_search, erasure, inbox, sql_queries
from callflows.journal.call_derivation import query_underived_calls, store_call_facts
from callflows.journal.call_identity import merge_same_calls
from callflows.journal.journal_tables import CLAIMS_TABLE, LEASES_TABLE, SHARED_TEXTS_TABLE
from callflows.journal.postgres_locks import lock_name
from callflows.journal.postgres_timeouts import allow_slow_statements
from callflows.journal.schema_migration import is_schema_current, migrate_schema, refuse_newer_schema
from callflows.journal.stored_rows import StoredLease, split_list
from callflows.journal.upserts import get_dialect_insert, get_upsert_writer
from callflows.settings import SHORTEST_MESSAGE_SECONDS
from callflows.telephony.ports import SENT_TEXT_MEMORY_SECONDS

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence

    from sqlalchemy import URL, Connection, Engine

    from callflows.journal.call_search import FoundCalls
    from callflows.journal.inbox import InboxFilter
    from callflows.journal.stored_rows import CallFilter, JournalEntry, JournalRow, StoredCall


_P = ParamSpec("_P")
_ResultT = TypeVar("_ResultT")
_LOCK_TIMEOUT_SECONDS: Final = 5
"""Timeout for a pooled connection and for another writer's lock in SQLite, in seconds."""
_CONNECT_TIMEOUT_SECONDS: Final = 3
"""Timeout for connecting to PostgreSQL, in seconds."""
_STATEMENT_TIMEOUT_MS: Final = 60_000
"""PostgreSQL's own timeout of a statement, in milliseconds."""
_MAX_UNDERIVED_CALLS: Final = 100_000
"""Maximum number of ids of calls whose ending is not stored yet."""
_NEWER_COLUMNS: Final[dict[str, dict[str, Any]]] = {"events": {"arrived": None}, "turns": {"places": None}}
"""Columns that a row lacks if it waited in a file while callflows was updated."""
_TABLE_ORDER: Final = (
    "versions", "places", "calls", "turns", "visits", "events", "messages", "recordings", "transcripts", "effects",
    "campaign_calls",
)  # fmt: skip


_MAX_CLOCK_DIFFERENCE_SECONDS: Final = 60.0
"""Difference between the clocks of servers with the same database that leases allow for."""


class SqlStore:
    """The journal's database; connects on first use. Every method raises JournalUnavailableError during an outage."""

    def __init__(self, url: str, shortest_message_seconds: float = SHORTEST_MESSAGE_SECONDS) -> None:
        """Open ``sqlite:///file`` or ``postgresql://user:password@host/database``. Raises SettingsError for other URLs.

        A recording shorter than ``shortest_message_seconds`` is no voicemail.
        """
        self.shortest_message_seconds = shortest_message_seconds
        self._url = parse_database_url(url)
        self._engine = _create_database_engine(self._url)
        self._is_closed = False
        self._opened_file: tuple[int, int] | None = None
        self._upsert_writer = get_upsert_writer(type(self._engine.dialect))  # type: ignore[arg-type] # a class has a hash
        self._underived_calls: set[str] = set()

    @property
    def display_name(self) -> str:
        """The file, or the database's URL without the password and our driver, for messages."""
        shown = self._url.set(drivername=self._url.get_backend_name()).render_as_string(hide_password=True)
        return str(self.sqlite_file) if self.sqlite_file is not None else shown

    @property
    def sqlite_file(self) -> pathlib.Path | None:
        """The database file if the database is SQLite."""
        return pathlib.Path(self._url.database or "") if self._url.get_backend_name() == "sqlite" else None

    def open(self) -> None:
        """Create or migrate the tables; any number of processes may call this at once."""
        self._refuse_if_closed()
        # Connections of the last opening may be broken, or of a file that was replaced. Other threads may use some now.
        before, self._engine = self._engine, _create_database_engine(self._url)
        _close_idle_connections(before)
        self._opened_file = None
        if self.sqlite_file is not None:
            with _translate_database_errors():
                self.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
                self.sqlite_file.touch()
                with contextlib.suppress(PermissionError):
                    self.sqlite_file.chmod(0o600)  # the file contains callers' numbers
        with self._open_read_connection() as connection:
            current = is_schema_current(connection)
        if not current:
            with allow_slow_statements(), self._open_write_connection() as connection:
                migrate_schema(connection)
        self._opened_file = _identify_file(self.sqlite_file) if self.sqlite_file is not None else None

    def check_schema(self) -> None:
        """Raise JournalUnavailableError if this version cannot use the database. Changes nothing."""
        with self._open_read_connection() as connection:
            refuse_newer_schema(connection)

    def close(self) -> None:
        """Close all connections, those in use as soon as their work is done. From now on, every method raises."""
        self._is_closed = True
        _close_idle_connections(self._engine)

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise JournalUnavailableError("the journal is closed")

    def _check_sqlite_file(self) -> None:
        """Raise JournalUnavailableError if the SQLite file was deleted or replaced."""
        # SQLite goes on writing to a deleted file, and the data would be lost.
        if (
            self._opened_file is not None
            and self.sqlite_file is not None
            and _identify_file(self.sqlite_file) != self._opened_file
        ):
            raise JournalUnavailableError(f"{self.sqlite_file} is gone, or is another file than it was")

    @contextlib.contextmanager
    def _use_engine(self) -> Iterator[Engine]:
        """Yield the engine of the last opening. If the store was opened again or closed meanwhile, nothing stays open."""
        self._refuse_if_closed()
        engine = self._engine
        try:
            with _translate_database_errors():
                yield engine
        finally:
            if self._is_closed or engine is not self._engine:
                _close_idle_connections(engine)

    @contextlib.contextmanager
    def _open_write_connection(self) -> Iterator[Connection]:
        self._check_sqlite_file()
        with self._use_engine() as engine, engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _open_read_connection(self) -> Iterator[Connection]:
        with self._use_engine() as engine, engine.connect().execution_options(reads=True) as connection:
            yield connection

    def write_entries(self, entries: Sequence[JournalEntry]) -> None:
        """Write all entries durably, or no entry at all. Existing rows are merged.

        Raises JournalRejectionError if the database rejects an entry.
        """
        rows: dict[str, list[JournalRow]] = {}
        for table, row in entries:
            rows.setdefault(table, []).append({**_NEWER_COLUMNS.get(table, {}), **row})
        with self._open_write_connection() as connection:
            merge_same_calls(connection, rows)
            for table in _TABLE_ORDER:
                if table in rows:
                    self._upsert_writer.write_rows(connection, table, rows[table])
            touched = _list_touched_calls(rows)
            self._upsert_writer.forget_endings(connection, touched)
        # Deriving costs more than writing, and may wait. Until then, the ending is derived whenever a call is shown.
        if len(self._underived_calls) < _MAX_UNDERIVED_CALLS:
            self._underived_calls |= touched

    @property
    def has_underived_calls(self) -> bool:
        return bool(self._underived_calls)

    def derive_calls(self, limit: int = 500) -> None:
        """Derive and store the endings and paths of up to ``limit`` written calls, as far as they are over."""
        some = sorted(self._underived_calls)[:limit]
        with self._open_write_connection() as connection:
            store_call_facts(connection, some, self.shortest_message_seconds)
        self._underived_calls.difference_update(some)

    def mark_underived_calls(self, since: float) -> None:
        """Mark ended calls without a stored ending that began since a moment: the last process was killed before."""
        with self._open_read_connection() as connection:
            self._underived_calls |= query_underived_calls(connection, since, _MAX_UNDERIVED_CALLS)

    def list_calls(self, call_filter: CallFilter) -> Generator[JournalRow, None, None]:
        """Yield matching calls, newest first, each with its ``ending``, and its number of ``turns`` and ``legs``."""
        with allow_slow_statements(), self._open_read_connection() as connection:
            yield from sql_queries.query_calls(connection, call_filter, self.shortest_message_seconds)

    def search_calls(self, call_filter: CallFilter, seconds: float) -> FoundCalls:
        """Return the calls of a filter with a limit; if it has a text, those that are found within some seconds."""
        with allow_slow_statements(), self._open_read_connection() as connection:
            return call_search.search_calls(connection, call_filter, self.shortest_message_seconds, seconds)

    def load_call(self, call_id: str) -> StoredCall | None:
        """Return a call with all its rows; None if the id is unknown."""
        return self.run_reading(sql_queries.query_stored_call, call_id)

    def load_calls(self, calls: Sequence[JournalRow]) -> list[StoredCall]:
        """Return listed calls with their rows of every other table but the messages."""
        with allow_slow_statements(), self._open_read_connection() as connection:
            return [*sql_queries.query_stored_calls(connection, calls)]

    def list_voicemails(self, inbox_filter: InboxFilter) -> Generator[dict[str, Any], None, None]:
        """Yield matching voicemails, newest first."""
        with allow_slow_statements(), self._open_read_connection() as connection:
            yield from inbox.query_voicemails(connection, inbox_filter, self.shortest_message_seconds)

    def list_messages(self, inbox_filter: InboxFilter) -> Generator[dict[str, Any], None, None]:
        """Yield matching text messages, newest first."""
        with allow_slow_statements(), self._open_read_connection() as connection:
            yield from inbox.query_messages(connection, inbox_filter)

    def run_reading(
        self, query: Callable[Concatenate[Connection, _P], _ResultT], *arguments: _P.args, **options: _P.kwargs
    ) -> _ResultT:
        """Return the result of a query function, which gets a connection before its arguments."""
        with self._open_read_connection() as connection:
            return query(connection, *arguments, **options)

    def run_writing(
        self, change: Callable[Concatenate[Connection, _P], _ResultT], *arguments: _P.args, **options: _P.kwargs
    ) -> _ResultT:
        """Run a function that changes rows in one transaction, and return its result."""
        with self._open_write_connection() as connection:
            return change(connection, *arguments, **options)

    def claim_key(self, kind: str, key: str, at: float) -> bool:
        """Return True if this is the first claim of a key among all processes, as long as claims are retained."""
        insert = get_dialect_insert(self._engine.dialect.name)
        claim = (
            insert(CLAIMS_TABLE).values(kind=kind, key=key, at=at).on_conflict_do_nothing().returning(CLAIMS_TABLE.c.key)
        )
        with self._open_write_connection() as connection:
            return connection.execute(claim).first() is not None

    def release_claim(self, kind: str, key: str) -> None:
        """Delete a claim, so that the key can be claimed again."""
        with self._open_write_connection() as connection:
            connection.execute(delete(CLAIMS_TABLE).where(CLAIMS_TABLE.c.kind == kind, CLAIMS_TABLE.c.key == key))

    def is_claimed(self, kind: str, key: str) -> bool:
        return key in self.find_claimed_keys(kind, [key])

    def find_claimed_keys(self, kind: str, keys: Sequence[str]) -> set[str]:
        """Return those of the keys that are claimed."""
        table, claimed = CLAIMS_TABLE, set[str]()
        with self._open_read_connection() as connection:
            for some_keys in split_list(keys):
                query = select(table.c.key).where(table.c.kind == kind, table.c.key.in_(some_keys))
                claimed |= {*connection.execute(query).scalars()}
        return claimed

    def count_text(
        self, conversation: str, digest: str, now: float, find_refusal: Callable[[Collection[tuple[float, str]]], str]
    ) -> str:
        """Count a text of a conversation unless ``find_refusal`` has a reason against; return the reason, or ""."""
        # A claim for each text, under a digest: the count survives a restart, and names no number.
        kind = f"text/{hashlib.blake2b(conversation.encode(), digest_size=16).hexdigest()}"
        recent = (CLAIMS_TABLE.c.kind == kind) & (CLAIMS_TABLE.c.at > now - SENT_TEXT_MEMORY_SECONDS)
        with self._open_write_connection() as connection:
            lock_name(connection, kind)
            sent = connection.execute(select(CLAIMS_TABLE.c.at, CLAIMS_TABLE.c.key).where(recent)).all()
            refusal = find_refusal([(at, key.partition("/")[0]) for at, key in sent])
            if not refusal:
                values = {"kind": kind, "key": f"{digest}/{uuid.uuid4().hex}", "at": now}
                connection.execute(CLAIMS_TABLE.insert().values(values))
        return refusal

    def hold_lease(self, name: str, holder: str, now: float, seconds: float, mark: float | None = None) -> bool:
        """Acquire or renew a lease for some seconds. Return whether the holder has the lease.

        On success, a given ``mark`` is stored with the lease.
        """
        insert = get_dialect_insert(self._engine.dialect.name)
        held = {"holder": holder, "until": now + seconds} | ({} if mark is None else {"mark": mark})
        # A lease that ends far in the future was held before the clock was set back: its holder may be gone long since.
        ended = (LEASES_TABLE.c.until <= now) | (LEASES_TABLE.c.until > now + seconds + _MAX_CLOCK_DIFFERENCE_SECONDS)
        free = (LEASES_TABLE.c.holder == holder) | ended
        new = insert(LEASES_TABLE).values(name=name, **held)
        taken = new.on_conflict_do_update(index_elements=["name"], set_=held, where=free)
        with self._open_write_connection() as connection:
            return connection.execute(taken.returning(LEASES_TABLE.c.name)).first() is not None

    def load_lease(self, name: str) -> StoredLease | None:
        """Return the last holder of a lease and its mark; None if the lease was never held."""
        with self._open_read_connection() as connection:
            found = connection.execute(
                select(LEASES_TABLE.c.holder, LEASES_TABLE.c.mark).where(LEASES_TABLE.c.name == name)
            ).first()
        return StoredLease(*found) if found is not None else None

    def load_shared_text(self, name: str) -> str | None:
        """Return a text that all servers share; None if there is none."""
        with self._open_read_connection() as connection:
            return connection.execute(select(SHARED_TEXTS_TABLE.c.text).where(SHARED_TEXTS_TABLE.c.name == name)).scalar()

    def replace_shared_text(self, name: str, before: str, text: str) -> bool:
        """Replace a shared text, or make it. Return False if it is not ``before`` any more: another server was quicker."""
        new = get_dialect_insert(self._engine.dialect.name)(SHARED_TEXTS_TABLE).values(name=name, text=text)
        changed = new.on_conflict_do_update(
            index_elements=["name"], set_={"text": text}, where=SHARED_TEXTS_TABLE.c.text == before
        )
        with self._open_write_connection() as connection:
            return connection.execute(changed.returning(SHARED_TEXTS_TABLE.c.name)).first() is not None

    def erase_rows_before(self, moment: float, limit: int) -> int:
        """Erase a bounded number of old calls and of old rows without a call. Return the number of erased rows.

        Rows are old if they are older than ``moment``; ``limit`` is the maximum per query.
        """
        with allow_slow_statements(), self._open_write_connection() as connection:
            return erasure.erase_rows_before(connection, moment, limit)

    def forget_number(self, number: str, mention: re.Pattern[str], on_progress: Callable[[int], None]) -> Mapping[str, int]:
        """Erase the calls and messages of a number, and mask the number in all other rows.

        Returns the number of erased or changed rows per table.
        """
        with allow_slow_statements(), self._use_engine() as engine:
            return erasure.erase_number(engine, number, mention, on_progress)


def _list_touched_calls(rows: Mapping[str, Sequence[JournalRow]]) -> set[str]:
    """Return the ids of all calls and legs that have a row in a batch."""
    ids = {row["id"] for row in rows.get("calls", ())}
    return ids | {row["call"] for table in rows.values() for row in table if row.get("call")}


def _identify_file(file: pathlib.Path) -> tuple[int, int] | None:
    """Return device and inode of a file; None if the file does not exist."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def parse_database_url(url_text: str) -> URL:
    """Parse a database URL and set our driver. Raises SettingsError."""
    try:
        url = make_url(url_text.replace("postgres://", "postgresql://", 1))
    except ArgumentError:
        raise SettingsError("the database's URL cannot be read; it looks like sqlite:///data/callflows.db") from None
    drivers = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
    driver = drivers.get(url.get_backend_name())
    if driver is None:
        raise SettingsError(f"no journal is kept in {url.get_backend_name()}: use sqlite:/// or postgresql://")
    return url.set(drivername=driver)


def _create_database_engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        from callflows.journal.postgres_connection import TimeoutConnection  # noqa: PLC0415 - heavy, and seldom needed

        options = {"connect_timeout": _CONNECT_TIMEOUT_SECONDS, "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS}"}
        engine = create_engine(
            url, pool_size=5, pool_timeout=_LOCK_TIMEOUT_SECONDS, pool_recycle=1800, connect_args=options
        )

        @event.listens_for(engine, "do_connect")
        def connect_with_timeout(_dialect: object, _record: object, arguments: Any, more: Any) -> TimeoutConnection:  # noqa: ANN401 - psycopg's
            return TimeoutConnection.connect(*arguments, **more)

        return engine
    engine = create_engine(url, pool_timeout=_LOCK_TIMEOUT_SECONDS, connect_args={"timeout": _LOCK_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3's
        connection.isolation_level = None  # transactions begin below, so that a second writer waits instead of failing
        for pragma in (
            f"busy_timeout={_LOCK_TIMEOUT_SECONDS * 1000}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _close_idle_connections(engine: Engine) -> None:
    """Close the connections that nobody uses. The engine keeps its pool, to which those in use return."""
    engine.pool.dispose()


@contextlib.contextmanager
def _translate_database_errors() -> Iterator[None]:
    """Translate database errors: JournalRejectionError is permanent, JournalUnavailableError may pass."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise JournalRejectionError(_summarize_database_error(error)) from error
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise JournalUnavailableError(_summarize_database_error(error)) from error
    except StatementError as error:
        raise JournalRejectionError(_summarize_database_error(error)) from error
    except (SQLAlchemyError, ValueError, TypeError, ArithmeticError) as error:  # the driver cannot send the value
        raise JournalRejectionError(_summarize_database_error(error)) from error


def _summarize_database_error(error: Exception) -> str:
    """Return the first line of the database's or the disk's message, at most 300 characters."""
    # SQLAlchemy's own message would show the rows, which contain callers' numbers.
    lines = describe_disk_error(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
