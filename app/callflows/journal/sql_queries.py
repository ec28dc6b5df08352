"""The SQL queries of the journal."""

from __future__ import annotations

import itertools
import re
import time
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, case, cast, exists, func, literal, not_, or_, select, tuple_, union_all

from callflows.journal.call_derivation import (
    EVENT_ORDER,
    fetch_all_rows,
    fetch_call_facts,
    fetch_legs,
    fetch_places,
    group_rows,
)
from callflows.journal.call_ending import ENDING_WORDS, FALLBACK_ENDING, UNREPORTED, VOICEMAIL_ENDING, CallEnding
from callflows.journal.call_facts import derive_call_facts
from callflows.journal.ending_reasons import explain_ending
from callflows.journal.execution_rows import merge_stored_log
from callflows.journal.id_collation import as_merged_text
from callflows.journal.journal_tables import (
    CALLS_TABLE,
    CLAIMS_TABLE,
    EFFECTS_TABLE,
    ENDINGS_TABLE,
    EVENTS_TABLE,
    IS_BELOW_LAST_STATE,
    IS_OVER,
    MESSAGES_TABLE,
    NOTES_TABLE,
    RECORDINGS_TABLE,
    TRANSCRIPTS_TABLE,
    TURNS_TABLE,
    VERSIONS_TABLE,
    VISITS_TABLE,
)
from callflows.journal.postgres_timeouts import allow_slow_statements
from callflows.journal.state_order import OUTCOME_RANKS, add_rank
from callflows.journal.stored_rows import CALL_END_COLUMNS, StoredCall, find_call_end
from callflows.telephony.call_record import LONGEST_CALL_SECONDS
from callflows.telephony.call_states import CALL_STATE_RANKS, LAST_CALL_STATE
from callflows.telephony.events import ANSWERED_BY_FLOW

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, Select, Table

    from callflows.journal.stored_rows import CallFilter, JournalRow


_MESSAGE_WINDOW_SECONDS: Final = 3600.0
"""Window in seconds after a call for messages between the same two numbers."""
_CALLS_PER_QUERY: Final = 200
"""Number of calls whose endings are computed at once."""
_NUMBERS_PER_QUERY: Final = 50
_MAX_NAMED_CALLS: Final = 1000
"""Number of calls up to which those that came to a node are looked up by their ids."""
_NO_CALL: Final = ""
"""An id that no call has."""
_LIMIT_GROWTH: Final = 8
"""Factor of further rows, if too few of the first have the wanted ending."""
_LEGS = CALLS_TABLE.alias("leg")


def query_calls(connection: Connection, call_filter: CallFilter, shortest_message_seconds: float) -> Iterator[JournalRow]:
    """Return matching calls, newest first, each with its ``ending``, and its number of ``turns`` and ``legs``.

    Rows are streamed. The ending of a call may have to be computed from other rows, so its filter is applied here, too. A
    call that began long ago and is over is found by its ending as soon as the ending is stored, a moment after its end.
    """
    return query_narrowed_calls(connection, narrow_to_node(connection, call_filter), shortest_message_seconds)


def query_narrowed_calls(
    connection: Connection, call_filter: CallFilter, shortest_message_seconds: float
) -> Iterator[JournalRow]:
    """Return matching calls as ``query_calls`` does, for a filter of ``narrow_to_node``."""
    if not call_filter.ending or call_filter.limit is None:
        rows = _query_call_rows(connection, call_filter, call_filter.limit)
        return _select_matching(connection, rows, call_filter, shortest_message_seconds)
    # Nearly all rows that the database finds match, so it may stop early; if too few do, it looks further.
    limit = call_filter.limit + _CALLS_PER_QUERY
    while True:
        listed = [*_query_call_rows(connection, call_filter, limit)]
        matching = [*_select_matching(connection, iter(listed), call_filter, shortest_message_seconds)]
        if len(matching) == call_filter.limit or len(listed) < limit:
            return iter(matching)
        limit *= _LIMIT_GROWTH


def narrow_to_node(connection: Connection, call_filter: CallFilter) -> CallFilter:
    """Return the filter with the calls that came to its node, if they are few, or with the time in which they came.

    The database looks at one call after the other for a visit to the node: at all calls if none came there.
    """
    if not call_filter.node or call_filter.ids:
        return call_filter
    table = VISITS_TABLE
    flow = select(func.min(table.c.flow).label("name")).cte("flow", recursive=True)
    following = select(func.min(table.c.flow)).where(table.c.flow > flow.c.name).scalar_subquery()
    flow = flow.union_all(select(following).where(flow.c.name.isnot(None)))
    # The first and the last visit in each flow stand at the ends of a part of the index visits_node.
    here = (table.c.flow == flow.c.name) & (table.c.node == call_filter.node)
    ends = [select(end(table.c.at)).where(here).scalar_subquery() for end in (func.min, func.max)]
    rows = connection.execute(select(flow.c.name, *ends).where(flow.c.name.isnot(None)))
    found = [(name, first, last) for name, first, last in rows if first is not None]
    if not found:
        return call_filter._replace(node="", ids=(_NO_CALL,))
    came = (table.c.node == call_filter.node) & table.c.flow.in_([name for name, _, _ in found])
    calls = connection.scalars(select(table.c.call).where(came).limit(_MAX_NAMED_CALLS + 1)).all()
    if len(calls) <= _MAX_NAMED_CALLS:
        return call_filter._replace(node="", ids=tuple(sorted({*calls})))
    since, until = min(first for _, first, _ in found) - LONGEST_CALL_SECONDS, max(last for _, _, last in found) + 1.0
    return call_filter._replace(
        since=max(since, call_filter.since or since),
        until=until if call_filter.until is None else min(until, call_filter.until),
    )


def _select_matching(
    connection: Connection, rows: Iterator[JournalRow], call_filter: CallFilter, shortest_message_seconds: float
) -> Iterator[JournalRow]:
    """Return the calls with the wanted ending, up to the limit of the filter."""
    matching = (
        call
        for calls in iter(lambda: [*itertools.islice(rows, _CALLS_PER_QUERY)], [])
        for call in _add_endings(connection, calls, shortest_message_seconds)
        if call["ending"].matches(call_filter.ending)
    )
    return itertools.islice(matching, call_filter.limit)


def _query_call_rows(connection: Connection, call_filter: CallFilter, limit: int | None) -> Iterator[JournalRow]:
    listed = _select_calls(call_filter, limit).subquery("listed")
    turns = select(func.count()).where(TURNS_TABLE.c.call == listed.c.id).scalar_subquery()
    legs = select(func.count()).where(_LEGS.c.parent == as_merged_text(listed.c.id)).scalar_subquery()
    counted = select(listed, turns.label("turns"), legs.label("legs")).order_by(listed.c.started.desc(), listed.c.id.desc())
    streamed = connection.execution_options(yield_per=1000).execute(counted)
    return (dict(row) for row in streamed.mappings())


def _select_calls(call_filter: CallFilter, limit: int | None) -> Select[Any]:
    """Return the query of the matching calls with their stored endings, the newest first; a ``limit`` of None is none."""
    calls, ended = CALLS_TABLE.c, ENDINGS_TABLE.c
    ending = [ended[name].label(f"ending_{name}") for name in CallEnding._fields]
    is_own = ended.call == calls.id
    conditions = [*_build_call_conditions(call_filter)]
    every_call = select(CALLS_TABLE, *ending).join(ENDINGS_TABLE, is_own, isouter=True).where(*conditions)
    if not call_filter.ending or _is_outcome(call_filter.ending):
        matching = every_call.where(*_build_moment_conditions(call_filter, calls.started, calls.id))
        return matching.order_by(calls.started.desc(), calls.id.desc()).limit(limit)
    # "No ending, or this one" would read every call if few have this ending. The calls with this ending stand in the index
    # endings_kind in the wanted order; those without an ending are open, or of the last hours.
    kinds = [ended.kind == call_filter.ending]
    if call_filter.ending == VOICEMAIL_ENDING:
        kinds.append((ended.kind == FALLBACK_ENDING) & ended.seconds.isnot(None))
    with_ending = (
        select(CALLS_TABLE, *ending)
        .join(ENDINGS_TABLE, is_own)
        .where(*conditions, has_kind)
        .where(*_build_moment_conditions(call_filter, ended.at, ended.call))
        .order_by(ended.at.desc(), ended.call.desc())
        .limit(limit)
        for has_kind in kinds
    )
    recently = time.time() - LONGEST_CALL_SECONDS
    lately = call_filter._replace(since=max(call_filter.since or 0.0, recently))
    # Nearly all calls of the last hours have an ending. All of their ids are compared at once: a join would look up each.
    every = [*_build_moment_conditions(lately, calls.started, calls.id)]
    # The kinds are named, since the index of the endings begins with them.
    stored = select(ended.call).where(ended.kind.in_([*ENDING_WORDS]), ended.at >= lately.since)
    is_open = calls.id.in_(select(calls.id).where(calls.parent.is_(None), *every).except_(stored))
    periods = [
        (call_filter, IS_BELOW_LAST_STATE),
        (lately, is_open & (calls.state.is_(None) | not_(IS_BELOW_LAST_STATE))),
    ]
    if call_filter.ending == UNREPORTED:
        earlier = call_filter._replace(until=min(call_filter.until or recently, recently))
        periods.append((earlier, calls.state.is_(None)))
    without_ending = (
        every_call.where(ended.call.is_(None), state, *_build_moment_conditions(period, calls.started, calls.id))
        .order_by(calls.started.desc(), calls.id.desc())
        .limit(limit)
        for period, state in periods
    )
    found = union_all(*(select(query.subquery()) for query in (*with_ending, *without_ending))).subquery()
    return select(found).order_by(found.c.started.desc(), found.c.id.desc()).limit(limit)


def _is_outcome(ending: str) -> bool:
    """Return True if the outcome of the answers alone decides about an ending."""
    return ending in OUTCOME_RANKS and ending != ANSWERED_BY_FLOW


def _add_endings(
    connection: Connection, calls: Sequence[JournalRow], shortest_message_seconds: float
) -> Iterator[JournalRow]:
    """Add the ``ending`` to some calls: the stored one if there is one, else the derived one."""
    open_calls = [call for call in calls if call["ending_kind"] is None]
    derived = {
        call["id"]: facts.ending for call, facts in fetch_call_facts(connection, open_calls, shortest_message_seconds)
    }
    for call in calls:
        ending = derived.get(call["id"]) or CallEnding(*(call[f"ending_{name}"] for name in CallEnding._fields))
        yield {**call, "ending": ending}


def _build_call_conditions(call_filter: CallFilter) -> Iterator[ColumnElement[bool]]:
    yield CALLS_TABLE.c.parent.is_(None)
    for name, value in (("number", call_filter.number), ("caller", call_filter.caller), ("flow", call_filter.flow)):
        if value:
            yield CALLS_TABLE.c[name] == value
    if _is_outcome(call_filter.ending):
        yield CALLS_TABLE.c.outcome == add_rank(OUTCOME_RANKS, call_filter.ending)
        yield CALLS_TABLE.c.outcome > "2"  # lets the database use the index calls_odd
    if call_filter.state:
        yield CALLS_TABLE.c.state == add_rank(CALL_STATE_RANKS, call_filter.state)
        if call_filter.state != LAST_CALL_STATE:
            yield IS_BELOW_LAST_STATE
    yield from _build_page_conditions(call_filter)


def _build_page_conditions(call_filter: CallFilter) -> Iterator[ColumnElement[bool]]:
    if call_filter.node:
        came = (VISITS_TABLE.c.call == CALLS_TABLE.c.id) & (VISITS_TABLE.c.node == call_filter.node)
        yield exists().where(came)
    if call_filter.final_endings:
        yield ENDINGS_TABLE.c.kind.in_(call_filter.final_endings)
    if call_filter.is_going:
        yield not_(IS_OVER)
        yield IS_BELOW_LAST_STATE
    if call_filter.text:
        yield _build_text_condition(call_filter.text)
    if call_filter.ids:
        yield CALLS_TABLE.c.id.in_(call_filter.ids)


def _build_text_condition(text: str) -> ColumnElement[bool]:
    digits = re.sub(r"[ ()./-]", "", text)
    columns = CALLS_TABLE.c.caller, CALLS_TABLE.c.number
    if re.fullmatch(r"\+[0-9]+", digits):
        # A number has its plus at its beginning: PostgreSQL finds a range in its indexes, and reads no other call.
        end = digits[:-1] + chr(ord(digits[-1]) + 1)
        return or_(*((column >= digits) & (column < end) for column in columns))
    # The cheap conditions stand first: without a hit, every call is looked at.
    numbers = [column.contains(digits, autoescape=True) for column in columns]
    if re.search(r"[^+0-9*#]", digits):
        numbers = [~column.startswith("+") & found for column, found in zip(columns, numbers, strict=True)]
    name = CALLS_TABLE.c.name
    return or_(*numbers, (name != "") & name.icontains(text, autoescape=True))


def _build_moment_conditions(
    call_filter: CallFilter, started: ColumnElement[Any], id_: ColumnElement[Any]
) -> Iterator[ColumnElement[bool]]:
    """Yield the conditions on the beginning of a call, which two tables have."""
    if call_filter.after is not None:
        yield tuple_(started, id_) < tuple_(*call_filter.after)
    if call_filter.since is not None:
        yield started >= call_filter.since
    if call_filter.until is not None:
        yield started < call_filter.until


def query_versions(connection: Connection, flow: str) -> list[JournalRow]:
    """Return versions of flows without their source, the newest first."""
    columns = [column for column in VERSIONS_TABLE.c if column.name != "source"]
    found = select(*columns).order_by(VERSIONS_TABLE.c.flow, VERSIONS_TABLE.c.since.desc(), VERSIONS_TABLE.c.version)
    return fetch_all_rows(connection, found.where(VERSIONS_TABLE.c.flow == flow) if flow else found)


def query_version_sources(connection: Connection, flow: str, limit: int) -> list[JournalRow]:
    """Return the newest versions of a flow with their source, the newest first."""
    order = VERSIONS_TABLE.c.since.desc(), VERSIONS_TABLE.c.version
    return fetch_all_rows(
        connection, select(VERSIONS_TABLE).where(VERSIONS_TABLE.c.flow == flow).order_by(*order).limit(limit)
    )


def query_version(connection: Connection, flow: str, version: str) -> JournalRow | None:
    mine = (VERSIONS_TABLE.c.flow == flow) & (VERSIONS_TABLE.c.version == version)
    return _fetch_first(connection, select(VERSIONS_TABLE).where(mine))


def query_held_effects(connection: Connection, kind: str, before: float, limit: int) -> list[JournalRow]:
    """Return effects of a kind that were requested before a moment and have no result yet, oldest first."""
    waits = (EFFECTS_TABLE.c.kind == kind) & EFFECTS_TABLE.c.settled.is_(None) & (EFFECTS_TABLE.c.at < before)
    return fetch_all_rows(connection, select(EFFECTS_TABLE).where(waits).order_by(EFFECTS_TABLE.c.at).limit(limit))


def query_uncompleted_calls(connection: Connection, claim: str, since: float, limit: int) -> list[str]:
    """Return the ids of calls that ended since a moment and have no claim ``claim:ID``, the oldest first."""
    table = CALLS_TABLE
    ended = func.coalesce(*(table.c[column] for column in CALL_END_COLUMNS), table.c.started)
    is_ours = (table.c.direction == "in") | table.c.flow.isnot(None)
    is_over = table.c.parent.is_(None) & is_ours & IS_OVER
    is_recent = (table.c.started >= since - LONGEST_CALL_SECONDS) & (ended >= since)
    is_claimed = exists().where((CLAIMS_TABLE.c.kind == claim) & (CLAIMS_TABLE.c.key == table.c.id))
    query = select(table.c.id).where(is_over, is_recent, ~is_claimed).order_by(table.c.started).limit(limit)
    return [*connection.scalars(query)]


def query_ending_counts(connection: Connection, since: float, flow: str = "") -> list[tuple[str, int, int]]:
    """Count the calls that began since a moment: kind of ending, hour after the moment, number of calls."""
    calls, ended = CALLS_TABLE.c, ENDINGS_TABLE.c
    ended_hour = (cast(ended.at - since, BigInteger) // 3600).label("hour")
    # The kinds are named, since the index of the endings begins with them.
    stored = select(ended.kind, ended_hour, func.count()).where(ended.kind.in_([*ENDING_WORDS]), ended.at >= since)
    kind = case((calls.state.is_(None), UNREPORTED), else_="ongoing").label("kind")
    hour = (cast(calls.started - since, BigInteger) // 3600).label("hour")
    has_ending = exists().where(ended.call == calls.id)
    # A call that is over has its ending a moment later.
    is_open = calls.parent.is_(None) & (calls.state.is_(None) | not_(IS_OVER)) & ~has_ending
    others = select(kind, hour, func.count()).where(is_open, calls.started >= since)
    if flow:
        stored = stored.join(CALLS_TABLE, calls.id == ended.call).where(calls.flow == flow)
        others = others.where(calls.flow == flow)
    rows = [*connection.execute(stored.group_by(ended.kind, ended_hour)), *connection.execute(others.group_by(kind, hour))]
    return [(kind, int(hour), count) for kind, hour, count in rows]


@allow_slow_statements()
def query_traffic(connection: Connection, flow: str, since: float) -> list[tuple[str, str, int]]:
    """Count the calls in a flow since a moment that went from one node to another. Calls begin at the node ""."""
    table = VISITS_TABLE
    earlier = func.lag(table.c.node, 1, "").over(partition_by=table.c.call, order_by=(table.c.at, table.c.number))
    ways = (
        select(earlier.label("came_from"), table.c.node).where(table.c.flow == flow, table.c.at >= since).subquery("ways")
    )
    counted = select(ways.c.came_from, ways.c.node, func.count()).group_by(ways.c.came_from, ways.c.node)
    return [(came_from, node, count) for came_from, node, count in connection.execute(counted)]


@allow_slow_statements()
def query_calls_of_nodes(connection: Connection, flow: str, since: float) -> list[tuple[str, int]]:
    """Count the calls that came to each node of a flow since a moment; a call counts once, however often it came there."""
    table = VISITS_TABLE
    counted = select(table.c.node, func.count(table.c.call.distinct()))
    found = connection.execute(counted.where(table.c.flow == flow, table.c.at >= since).group_by(table.c.node))
    return [(node, count) for node, count in found]


@allow_slow_statements()
def query_ending_nodes(connection: Connection, flow: str, since: float) -> list[tuple[str, str, int]]:
    """Count the calls of a flow since a moment by the last node and the kind of ending."""
    ended = ENDINGS_TABLE
    counted = (
        select(ended.c.node, ended.c.kind, func.count())
        .join(CALLS_TABLE, CALLS_TABLE.c.id == ended.c.call)
        .where(CALLS_TABLE.c.flow == flow, ended.c.at >= since)
        .group_by(ended.c.node, ended.c.kind)
    )
    return [(node, kind, count) for node, kind, count in connection.execute(counted)]


def query_last_calls(connection: Connection, numbers: Sequence[str]) -> dict[str, float]:
    """Return the beginning of the last call to each number that was called."""
    table = CALLS_TABLE
    last = select(func.max(table.c.started)).where(table.c.parent.is_(None))
    last_calls: dict[str, float] = {}
    for start in range(0, len(numbers), _NUMBERS_PER_QUERY):
        # A query for each number takes one look into the index; all calls of a busy number would take many.
        queries = [
            select(literal(number), last.where(table.c.number == number).scalar_subquery())
            for number in numbers[start : start + _NUMBERS_PER_QUERY]
        ]
        last_calls |= {number: at for number, at in connection.execute(union_all(*queries)) if at is not None}
    return last_calls


def query_paths(connection: Connection, call_ids: Sequence[str]) -> dict[str, list[JournalRow]]:
    """Return the stored visits of calls, in order, by call."""
    table = VISITS_TABLE
    query = select(table).where(table.c.call.in_(call_ids)).order_by(table.c.at, table.c.number)
    paths: dict[str, list[JournalRow]] = {}
    for row in fetch_all_rows(connection, query) if call_ids else ():
        paths.setdefault(row["call"], []).append(row)
    return paths


def query_stored_call(connection: Connection, call_id: str) -> StoredCall | None:
    """Return a call or leg with all its rows; None if the id is unknown."""
    row = _fetch_first(connection, select(CALLS_TABLE).where(CALLS_TABLE.c.id == call_id))
    if row is None:
        return None
    (stored,) = query_stored_calls(connection, [row])
    return stored._replace(messages=_query_messages(connection, row))


def query_stored_calls(connection: Connection, calls: Sequence[JournalRow]) -> Iterator[StoredCall]:
    """Yield some calls (rows of CALLS_TABLE) with their rows of every other table but the messages."""
    ids = [call["id"] for call in calls]
    legs = fetch_legs(connection, ids)
    parents = {leg["id"]: leg["parent"] for leg in legs}
    legs_by_call = group_rows(legs, column="parent")

    def fetch_rows(table: Table) -> dict[str, list[JournalRow]]:
        order = EVENT_ORDER if table is EVENTS_TABLE else (table.c.at, table.c.id if "id" in table.c else table.c.key)
        rows = fetch_all_rows(connection, select(table).where(table.c.call.in_([*ids, *parents])).order_by(*order))
        return group_rows(rows, parents)

    turns, events, recordings, transcripts, effects, notes = map(
        fetch_rows, (TURNS_TABLE, EVENTS_TABLE, RECORDINGS_TABLE, TRANSCRIPTS_TABLE, EFFECTS_TABLE, NOTES_TABLE)
    )
    every_turn = [turn for rows in turns.values() for turn in rows]
    places = fetch_places(connection, {turn["places"] for turn in every_turn} - {None})
    files = _query_file_names(connection, {(turn["flow"], turn["version"]) for turn in every_turn})
    for call in calls:
        id_ = call["id"]
        yield StoredCall(
            call,
            legs_by_call.get(id_, ()),
            turns.get(id_, ()),
            merge_stored_log(events.get(id_, ())),
            recordings.get(id_, ()),
            places,
            transcripts=transcripts.get(id_, ()),
            effects=effects.get(id_, ()),
            notes=notes.get(id_, ()),
            files=files,
        )


def query_ending_reasons(
    connection: Connection, call_ids: Sequence[str], shortest_message_seconds: float
) -> dict[str, str]:
    """Return one sentence by call why it ended as it did (see ``explain_ending``)."""
    query = select(CALLS_TABLE).where(CALLS_TABLE.c.id.in_(call_ids))
    stored_calls = query_stored_calls(connection, fetch_all_rows(connection, query)) if call_ids else ()
    return {
        stored.call["id"]: explain_ending(stored, derive_call_facts(stored, shortest_message_seconds))
        for stored in stored_calls
    }


def _query_file_names(connection: Connection, versions: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the names of flow files by flow and version."""
    names = VERSIONS_TABLE.c.flow, VERSIONS_TABLE.c.version
    rows = connection.execute(select(*names, VERSIONS_TABLE.c.file).where(tuple_(*names).in_(sorted(versions))))
    return {(flow, version): file or "" for flow, version, file in rows}


def _query_messages(connection: Connection, call: JournalRow) -> list[JournalRow]:
    """Return messages between the call's two numbers until an hour after the call."""
    ended = find_call_end(call) or call["started"]
    both = [call["caller"], call["number"]]
    if not all(both):
        return []
    # A message does not contain the id of its call.
    between = MESSAGES_TABLE.c.sender.in_(both) & MESSAGES_TABLE.c.recipient.in_(both)
    soon = MESSAGES_TABLE.c.at.between(call["started"] - 1, ended + _MESSAGE_WINDOW_SECONDS)
    return fetch_all_rows(
        connection, select(MESSAGES_TABLE).where(between, soon).order_by(MESSAGES_TABLE.c.at, MESSAGES_TABLE.c.id)
    )


def _fetch_first(connection: Connection, query: Select[Any]) -> JournalRow | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)
