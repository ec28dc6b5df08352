from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from databases import KINDS, database, unreachable
from sqlalchemy import create_engine

from app.journal.sql import SqlStore, url_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine


@pytest.fixture(scope="session")
def why_not() -> str:
    return unreachable()


@pytest.fixture(params=KINDS)
def url(request, tmp_path, why_not) -> Iterator[str]:
    """An empty database of either kind."""
    if request.param == "postgresql" and why_not:
        pytest.skip(why_not)
    with database(request.param, tmp_path) as found:
        yield found


@pytest.fixture
def engine(url) -> Iterator[Engine]:
    """Another way into the same database, to look at what is there."""
    made = create_engine(url_of(url))
    yield made
    made.dispose()


@pytest.fixture
def store(url) -> Iterator[SqlStore]:
    made = SqlStore(url)
    made.open()
    yield made
    made.close()
