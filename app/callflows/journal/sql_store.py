"""The journal in SQLite or PostgreSQL, by SQLAlchemy Core. Everything here waits for the database: call it in a thread."""

from __future__ import annotations

import contextlib
import pathlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from callflows.errors import JournalRejectionError, JournalUnavailableError, SettingsError
from callflows.journal import erasure, opt_out_store, sql_queries
from callflows.journal.call_identity import merge_same_calls
from callflows.journal.journal_store import StoredLease
from callflows.journal.journal_tables import CLAIMS_TABLE, LEASES_TABLE
from callflows.journal.postgres_timeouts import allow_slow_statements
from callflows.journal.schema_migration import is_schema_current, migrate_schema
from callflows.journal.upserts import INSERT_BY_DIALECT, UpsertWriter

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import URL, Connection, Engine

    from callflows.journal.journal_store import CallFilter, JournalEntry, JournalRow, StoredCall


_LOCK_TIMEOUT_SECONDS: Final = 5
"""Seconds for which a connection, or whoever else writes in SQLite, is awaited."""


_CONNECT_TIMEOUT_SECONDS: Final = 3
"""Seconds for which PostgreSQL is awaited when connecting."""


_STATEMENT_TIMEOUT_MS: Final = 60_000
"""Milliseconds that a statement may take in PostgreSQL."""


_TABLE_ORDER: Final = ("calls", "turns", "events", "messages", "recordings", "transcripts", "effects")


class SqlStore:
    """A Store. Connections are made when they are first needed."""

    def __init__(self, url: str) -> None:
        """``url`` is ``sqlite:///file`` or ``postgresql://user:password@host/database``. Raises SettingsError."""
        self._url = parse_database_url(url)
        self._engine = _create_database_engine(self._url)
        self._opened_file: tuple[int, int] | None = None
        self._upsert_writer = UpsertWriter(self._engine.dialect)

    @property
    def display_name(self) -> str:
        """Which database it is, for people: without a password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def sqlite_file(self) -> pathlib.Path | None:
        """The file of SQLite's."""
        return pathlib.Path(self._url.database or "") if self._url.get_backend_name() == "sqlite" else None

    def open(self) -> None:
        """Make the tables, or bring them up to date; any number of processes may do so at once."""
        self._engine.dispose()
        self._opened_file = None
        if self.sqlite_file is not None:
            with _translate_database_errors():
                self.sqlite_file.parent.mkdir(parents=True, exist_ok=True)
                self.sqlite_file.touch()
                with contextlib.suppress(PermissionError):
                    self.sqlite_file.chmod(0o600)  # it has callers' numbers in it
        with self._open_read_connection() as connection:
            current = is_schema_current(connection)
        if not current:
            with allow_slow_statements(), self._open_write_connection() as connection:
                migrate_schema(connection)
        self._opened_file = _identify_file(self.sqlite_file) if self.sqlite_file is not None else None

    def close(self) -> None:
        """End all connections."""
        self._engine.dispose()

    def _check_sqlite_file(self) -> None:
        """SQLite writes on to a file that was taken away, where nobody ever finds it: that is a database that is gone."""
        if (
            self._opened_file is not None
            and self.sqlite_file is not None
            and _identify_file(self.sqlite_file) != self._opened_file
        ):
            raise JournalUnavailableError(f"{self.sqlite_file} is gone, or is another file than it was")

    @contextlib.contextmanager
    def _open_write_connection(self) -> Iterator[Connection]:
        self._check_sqlite_file()
        with _translate_database_errors(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _open_read_connection(self) -> Iterator[Connection]:
        with _translate_database_errors(), self._engine.connect().execution_options(reads=True) as connection:
            yield connection

    def write_entries(self, entries: Sequence[JournalEntry]) -> None:
        """Write all of these durably, or none; what is there already is merged. Raises StoreRefused where one is wrong."""
        rows: dict[str, list[JournalRow]] = {}
        for table, row in entries:
            rows.setdefault(table, []).append({**row})
        with self._open_write_connection() as connection:
            merge_same_calls(connection, rows)
            for table in _TABLE_ORDER:
                if table in rows:
                    self._upsert_writer.write_rows(connection, table, rows[table])

    def list_calls(self, call_filter: CallFilter) -> Iterator[JournalRow]:
        """Calls, the newest first, each with how many ``turns`` and ``legs`` it has."""
        with allow_slow_statements(), self._open_read_connection() as connection:
            yield from sql_queries.query_calls(connection, call_filter)

    def load_call(self, call_id: str) -> StoredCall | None:
        """All that is kept of a call; None where there is none of that id."""
        with self._open_read_connection() as connection:
            return sql_queries.query_stored_call(connection, call_id)

    def list_call_ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Up to ``most`` ids of calls and legs that begin so, in order."""
        with self._open_read_connection() as connection:
            return sql_queries.query_call_ids(connection, prefix, limit)

    def claim_key(self, kind: str, key: str, at: float) -> bool:
        """Whether this is the first to claim a key; of all processes and for as long as claims are kept."""
        insert = INSERT_BY_DIALECT[self._engine.dialect.name]
        claim = (
            insert(CLAIMS_TABLE).values(kind=kind, key=key, at=at).on_conflict_do_nothing().returning(CLAIMS_TABLE.c.key)
        )
        with self._open_write_connection() as connection:
            return connection.execute(claim).first() is not None

    def is_opted_out(self, number: str, other: str) -> bool:
        """Whether nothing may be sent from a number of ours to another."""
        with self._open_read_connection() as connection:
            return opt_out_store.query_opt_out(connection, number, other)

    def store_opt_out(self, number: str, other: str, at: float, *, out: bool) -> bool:
        """Keep a STOP or a START; whether that changed anything. The latest counts, of two at once the STOP."""
        with self._open_write_connection() as connection:
            return opt_out_store.store_opt_out(connection, number, other, at, out=out)

    def list_held_effects(self, kind: str, before: float, limit: int) -> Sequence[JournalRow]:
        """Effects of a kind that were wanted before a moment, and of which nothing became yet."""
        with self._open_read_connection() as connection:
            return sql_queries.query_held_effects(connection, kind, before, limit)

    def hold_lease(self, name: str, holder: str, now: float, seconds: float, mark: float | None = None) -> bool:
        """Whether a lease is this holder's, from now on for some seconds; where it is, its mark is set if one is given."""
        insert = INSERT_BY_DIALECT[self._engine.dialect.name]
        held = {"holder": holder, "until": now + seconds} | ({} if mark is None else {"mark": mark})
        free = (LEASES_TABLE.c.holder == holder) | (LEASES_TABLE.c.until <= now)
        new = insert(LEASES_TABLE).values(name=name, **held)
        taken = new.on_conflict_do_update(index_elements=["name"], set_=held, where=free)
        with self._open_write_connection() as connection:
            return connection.execute(taken.returning(LEASES_TABLE.c.name)).first() is not None

    def load_lease(self, name: str) -> StoredLease | None:
        """Who held a lease last, and its mark; None where nobody ever did."""
        with self._open_read_connection() as connection:
            found = connection.execute(
                select(LEASES_TABLE.c.holder, LEASES_TABLE.c.mark).where(LEASES_TABLE.c.name == name)
            ).first()
        return StoredLease(*found) if found is not None else None

    def erase_rows_before(self, moment: float, limit: int) -> int:
        """Erase a bounded number of calls and of what belongs to none that are older; how many rows that were."""
        with allow_slow_statements(), self._open_write_connection() as connection:
            return erasure.erase_rows_before(connection, moment, limit)

    def forget_number(self, number: str, mention: re.Pattern[str], on_progress: Callable[[int], None]) -> Mapping[str, int]:
        """Erase the calls and messages of a number, and take it out of all others; how many rows of which table."""
        with allow_slow_statements(), _translate_database_errors():
            return erasure.erase_number(self._engine, number, mention, on_progress)


def _identify_file(file: pathlib.Path) -> tuple[int, int] | None:
    """Which file it is, whatever its name; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def parse_database_url(text: str) -> URL:
    """A database's URL with the driver that we use. Raises SettingsError."""
    try:
        url = make_url(text.replace("postgres://", "postgresql://", 1))
    except ArgumentError:
        raise SettingsError("the database's URL cannot be read; it looks like sqlite:///data/callflows.db") from None
    drivers = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
    driver = drivers.get(url.get_backend_name())
    if driver is None:
        raise SettingsError(f"no journal is kept in {url.get_backend_name()}: use sqlite:/// or postgresql://")
    return url.set(drivername=driver)


def _create_database_engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        from callflows.journal.postgres_connection import TimeoutConnection  # noqa: PLC0415 - heavy, and most do without

        options = {"connect_timeout": _CONNECT_TIMEOUT_SECONDS, "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS}"}
        engine = create_engine(
            url, pool_size=5, pool_timeout=_LOCK_TIMEOUT_SECONDS, pool_recycle=1800, connect_args=options
        )

        @event.listens_for(engine, "do_connect")
        def connect_with_timeout(_dialect: object, _record: object, given: Any, more: Any) -> TimeoutConnection:  # noqa: ANN401 - psycopg's
            return TimeoutConnection.connect(*given, **more)

        return engine
    engine = create_engine(url, pool_timeout=_LOCK_TIMEOUT_SECONDS, connect_args={"timeout": _LOCK_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def configure_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3's
        connection.isolation_level = None  # transactions begin below, so that a writer waits for another, and never fails
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


@contextlib.contextmanager
def _translate_database_errors() -> Iterator[None]:
    """Errors as ours: what will never be taken apart from what may be later."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise JournalRejectionError(_summarize_database_error(error)) from error
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise JournalUnavailableError(_summarize_database_error(error)) from error
    except StatementError as error:
        raise JournalRejectionError(_summarize_database_error(error)) from error
    except (SQLAlchemyError, ValueError, TypeError, ArithmeticError) as error:  # what the driver cannot even send
        raise JournalRejectionError(_summarize_database_error(error)) from error


def _summarize_database_error(error: Exception) -> str:
    """What a database says, without the rows that it was about."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
