from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import create_engine
from temporary_databases import DATABASE_KINDS, create_database, explain_unreachable

from callflows.journal.sql_store import SqlStore, parse_database_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine


@pytest.fixture(scope="session")
def why_not() -> str:
    return explain_unreachable()


@pytest.fixture(params=DATABASE_KINDS)
def url(request, tmp_path, why_not) -> Iterator[str]:
    """An empty database of either kind."""
    if request.param == "postgresql" and why_not:
        pytest.skip(why_not)
    with create_database(request.param, tmp_path) as database_url:
        yield database_url


@pytest.fixture
def engine(url) -> Iterator[Engine]:
    """Another way into the same database, to look at what is there."""
    sql_engine = create_engine(parse_database_url(url))
    yield sql_engine
    sql_engine.dispose()


@pytest.fixture
def store(url) -> Iterator[SqlStore]:
    sql_store = SqlStore(url)
    sql_store.open()
    yield sql_store
    sql_store.close()
