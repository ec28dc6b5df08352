"""The journal in SQLite or PostgreSQL, by SQLAlchemy Core. Everything here waits for the database: call it in a thread."""

from __future__ import annotations

import contextlib
import pathlib
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.errors import SettingsError, StoreGone, StoreRefused
from app.journal import asking, erasing, optouts
from app.journal.identity import identified
from app.journal.merging import INSERTS, Writing
from app.journal.patience import slowly
from app.journal.schema import is_current, migrate
from app.journal.store import Lease
from app.journal.tables import CLAIMS, LEASES

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import URL, Connection, Engine

    from app.journal.store import Entry, Filter, Row, Told

_PATIENCE: Final = 5
"""Seconds for which a connection, or whoever else writes in SQLite, is awaited."""
_CONNECTED: Final = 3
"""Seconds for which PostgreSQL is awaited when connecting."""
_SLOWEST: Final = 60_000
"""Milliseconds that a statement may take in PostgreSQL."""
_ORDER: Final = ("calls", "turns", "events", "messages", "recordings", "transcripts", "effects")


class SqlStore:
    """A Store. Connections are made when they are first needed."""

    def __init__(self, url: str) -> None:
        """``url`` is ``sqlite:///file`` or ``postgresql://user:password@host/database``. Raises SettingsError."""
        self._url = url_of(url)
        self._engine = _engine(self._url)
        self._opened: tuple[int, int] | None = None
        self._rows = Writing(self._engine.dialect)

    @property
    def name(self) -> str:
        """Which database it is, for people: without a password."""
        return self._url.render_as_string(hide_password=True)

    @property
    def file(self) -> pathlib.Path | None:
        """The file of SQLite's."""
        return pathlib.Path(self._url.database or "") if self._url.get_backend_name() == "sqlite" else None

    def open(self) -> None:
        """Make the tables, or bring them up to date; any number of processes may do so at once."""
        self._engine.dispose()
        self._opened = None
        if self.file is not None:
            with _reaching():
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self.file.touch()
                with contextlib.suppress(PermissionError):
                    self.file.chmod(0o600)  # it has callers' numbers in it
        with self._reading() as connection:
            current = is_current(connection)
        if not current:
            with slowly(), self._writing() as connection:
                migrate(connection)
        self._opened = _identity(self.file) if self.file is not None else None

    def close(self) -> None:
        """End all connections."""
        self._engine.dispose()

    def _look_at_file(self) -> None:
        """SQLite writes on to a file that was taken away, where nobody ever finds it: that is a database that is gone."""
        if self._opened is not None and self.file is not None and _identity(self.file) != self._opened:
            raise StoreGone(f"{self.file} is gone, or is another file than it was")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        self._look_at_file()
        with _reaching(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _reaching(), self._engine.connect().execution_options(reads=True) as connection:
            yield connection

    def write(self, entries: Sequence[Entry]) -> None:
        """Write all of these durably, or none; what is there already is merged. Raises StoreRefused where one is wrong."""
        rows: dict[str, list[Row]] = {}
        for table, row in entries:
            rows.setdefault(table, []).append({**row})
        with self._writing() as connection:
            identified(connection, rows)
            for table in _ORDER:
                if table in rows:
                    self._rows.write(connection, table, rows[table])

    def calls(self, wanted: Filter) -> Iterator[Row]:
        """Calls, the newest first, each with how many ``turns`` and ``legs`` it has."""
        with slowly(), self._reading() as connection:
            yield from asking.calls(connection, wanted)

    def told(self, call: str) -> Told | None:
        """All that is kept of a call; None where there is none of that id."""
        with self._reading() as connection:
            return asking.told(connection, call)

    def ids(self, prefix: str, most: int) -> Sequence[str]:
        """Up to ``most`` ids of calls and legs that begin so, in order."""
        with self._reading() as connection:
            return asking.ids(connection, prefix, most)

    def claim(self, kind: str, key: str, at: float) -> bool:
        """Whether this is the first to claim a key; of all processes and for as long as claims are kept."""
        insert = INSERTS[self._engine.dialect.name]
        claim = insert(CLAIMS).values(kind=kind, key=key, at=at).on_conflict_do_nothing().returning(CLAIMS.c.key)
        with self._writing() as connection:
            return connection.execute(claim).first() is not None

    def opted_out(self, number: str, other: str) -> bool:
        """Whether nothing may be sent from a number of ours to another."""
        with self._reading() as connection:
            return optouts.opted_out(connection, number, other)

    def opt(self, number: str, other: str, at: float, *, out: bool) -> bool:
        """Keep a STOP or a START; whether that changed anything. The latest counts, of two at once the STOP."""
        with self._writing() as connection:
            return optouts.said(connection, number, other, at, out=out)

    def held(self, kind: str, before: float, most: int) -> Sequence[Row]:
        """Effects of a kind that were wanted before a moment, and of which nothing became yet."""
        with self._reading() as connection:
            return asking.held(connection, kind, before, most)

    def hold(self, name: str, holder: str, now: float, seconds: float, mark: float | None = None) -> bool:
        """Whether a lease is this holder's, from now on for some seconds; where it is, its mark is set if one is given."""
        insert = INSERTS[self._engine.dialect.name]
        held = {"holder": holder, "until": now + seconds} | ({} if mark is None else {"mark": mark})
        free = (LEASES.c.holder == holder) | (LEASES.c.until <= now)
        new = insert(LEASES).values(name=name, **held)
        taken = new.on_conflict_do_update(index_elements=["name"], set_=held, where=free)
        with self._writing() as connection:
            return connection.execute(taken.returning(LEASES.c.name)).first() is not None

    def lease(self, name: str) -> Lease | None:
        """Who held a lease last, and its mark; None where nobody ever did."""
        with self._reading() as connection:
            found = connection.execute(select(LEASES.c.holder, LEASES.c.mark).where(LEASES.c.name == name)).first()
        return Lease(*found) if found is not None else None

    def erase_before(self, moment: float, most: int) -> int:
        """Erase a bounded number of calls and of what belongs to none that are older; how many rows that were."""
        with slowly(), self._writing() as connection:
            return erasing.before(connection, moment, most)

    def forget(self, number: str, mentioned: re.Pattern[str], on_progress: Callable[[int], None]) -> Mapping[str, int]:
        """Erase the calls and messages of a number, and take it out of all others; how many rows of which table."""
        with slowly(), _reaching():
            return erasing.forget(self._engine, number, mentioned, on_progress)


def _identity(file: pathlib.Path) -> tuple[int, int] | None:
    """Which file it is, whatever its name; None where there is none."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def url_of(written: str) -> URL:
    """A database's URL with the driver that we use. Raises SettingsError."""
    try:
        url = make_url(written.replace("postgres://", "postgresql://", 1))
    except ArgumentError:
        raise SettingsError("the database's URL cannot be read; it looks like sqlite:///data/callflows.db") from None
    drivers = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
    driver = drivers.get(url.get_backend_name())
    if driver is None:
        raise SettingsError(f"no journal is kept in {url.get_backend_name()}: use sqlite:/// or postgresql://")
    return url.set(drivername=driver)


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        from app.journal.impatient import Impatient  # noqa: PLC0415 - heavy, and most do without

        options = {"connect_timeout": _CONNECTED, "options": f"-c statement_timeout={_SLOWEST}"}
        engine = create_engine(url, pool_size=5, pool_timeout=_PATIENCE, pool_recycle=1800, connect_args=options)

        @event.listens_for(engine, "do_connect")
        def connects(_dialect: object, _record: object, given: Any, more: Any) -> Impatient:  # noqa: ANN401 - psycopg's
            return Impatient.connect(*given, **more)

        return engine
    engine = create_engine(url, pool_timeout=_PATIENCE, connect_args={"timeout": _PATIENCE})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3's
        connection.isolation_level = None  # transactions begin below, so that a writer waits for another, and never fails
        for pragma in (f"busy_timeout={_PATIENCE * 1000}", "journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


@contextlib.contextmanager
def _reaching() -> Iterator[None]:
    """Errors as ours: what will never be taken apart from what may be later."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise StoreRefused(_said(error)) from error
    except (DBAPIError, PoolTimeout, OSError) as error:
        raise StoreGone(_said(error)) from error
    except StatementError as error:
        raise StoreRefused(_said(error)) from error
    except (SQLAlchemyError, ValueError, TypeError, ArithmeticError) as error:  # what the driver cannot even send
        raise StoreRefused(_said(error)) from error


def _said(error: Exception) -> str:
    """What a database says, without the rows that it was about."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
