"""Campaigns in the database: which numbers are to be called, which calls were begun, and how they ended.

Every function runs in the transaction of a connection.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, insert, select, update

from callflows.errors import JournalRejectionError
from callflows.flows.entry_points import find_root_node
from callflows.journal.journal_tables import (
    CALLS_TABLE,
    CAMPAIGN_CALLS_TABLE,
    CAMPAIGN_NUMBERS_TABLE,
    CAMPAIGNS_TABLE,
    TURNS_TABLE,
)
from callflows.journal.postgres_locks import lock_name
from callflows.journal.state_order import split_hangup_cause
from callflows.journal.stored_rows import is_call_over, split_list
from callflows.telephony.call_record import round_up_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from callflows.journal.stored_rows import JournalRow


RING_SECONDS: Final = 120.0
"""Time after which a call counts as not answered if nothing is reported."""
_CLOCK_DIFFERENCE_SECONDS: Final = 10.0
"""Seconds by which the clocks of Opentact and of this machine may differ."""


class NumberState(StrEnum):
    """State of a number in a campaign. The first three may change; the others are final."""

    waiting = "waiting"
    calling = "calling"
    talking = "talking"
    answered = "answered"
    unanswered = "no answer"
    failed = "failed"
    unknown = "unknown"
    opted_out = "opted out"
    cancelled = "cancelled"


OPEN_NUMBER_STATES: Final = (NumberState.waiting, NumberState.calling, NumberState.talking)


class StoredCampaign(NamedTuple):
    """A campaign; ``settings`` are plain data, ``at`` is its creation in seconds since 1970."""

    name: str
    flow: str
    at: float
    by: str
    settings: Mapping[str, Any]


class CampaignNumber(NamedTuple):
    """A number of a campaign; ``values`` are the columns of its row in the list.

    ``at`` is the moment of the last call, ``next`` the earliest moment of the next call, in seconds since 1970; ``batch``
    is the id that Opentact gave the last call.
    """

    position: int
    number: str
    values: Mapping[str, str]
    state: NumberState
    attempts: int
    at: float | None
    next: float
    batch: str | None
    reason: str


class OutboundCall(NamedTuple):
    """A call that Opentact made, as its events report it."""

    call: str
    is_answered: bool
    is_over: bool
    cause: str


def make_campaign_key(campaign: str, position: int, attempt: int) -> str:
    """Return the key of one call of a campaign, as tickets carry it."""
    return f"{campaign}/{position}/{attempt}"


def store_campaign(
    connection: Connection, campaign: StoredCampaign, numbers: Sequence[tuple[str, Mapping[str, str]]]
) -> None:
    """Store a new campaign with its numbers, in order. Raises JournalRejectionError if the name is taken."""
    if load_campaign(connection, campaign.name) is not None:
        raise JournalRejectionError(f"there is a campaign {campaign.name} already")
    payload = json.dumps(campaign.settings, ensure_ascii=False)
    connection.execute(
        insert(CAMPAIGNS_TABLE).values(
            name=campaign.name, flow=campaign.flow, at=campaign.at, by=campaign.by, payload=payload
        )
    )
    rows = [
        {
            "campaign": campaign.name,
            "position": position,
            "number": number,
            "payload": json.dumps(values, ensure_ascii=False),
            "state": NumberState.waiting,
            "attempts": 0,
            "at": None,
            "next": 0.0,
            "batch": None,
            "reason": "",
        }
        for position, (number, values) in enumerate(numbers, 1)
    ]
    for some_rows in split_list(rows):
        connection.execute(insert(CAMPAIGN_NUMBERS_TABLE), [*some_rows])


def load_campaign(connection: Connection, name: str) -> StoredCampaign | None:
    """Return a campaign; None if there is none of this name."""
    row = connection.execute(select(CAMPAIGNS_TABLE).where(CAMPAIGNS_TABLE.c.name == name)).mappings().first()
    return _read_campaign(row) if row is not None else None


def list_campaigns(connection: Connection) -> list[StoredCampaign]:
    """Return all campaigns, the newest first."""
    rows = connection.execute(select(CAMPAIGNS_TABLE).order_by(CAMPAIGNS_TABLE.c.at.desc())).mappings()
    return [_read_campaign(row) for row in rows]


def _read_campaign(row: Any) -> StoredCampaign:  # noqa: ANN401 - a row
    return StoredCampaign(row["name"], row["flow"], row["at"], row["by"], json.loads(row["payload"]))


def count_numbers(connection: Connection, name: str) -> dict[NumberState, int]:
    """Return how many numbers of a campaign are in each state."""
    table = CAMPAIGN_NUMBERS_TABLE
    counted = select(table.c.state, func.count()).where(table.c.campaign == name).group_by(table.c.state)
    counts = {NumberState(state): count for state, count in connection.execute(counted)}
    return {state: counts[state] for state in NumberState if state in counts}


def list_numbers(connection: Connection, name: str, states: Iterable[NumberState] = NumberState) -> list[CampaignNumber]:
    """Return the numbers of a campaign in some states, in the order of the list."""
    table = CAMPAIGN_NUMBERS_TABLE
    query = select(table).where(table.c.campaign == name, table.c.state.in_([*states])).order_by(table.c.position)
    return [
        CampaignNumber(
            row["position"], row["number"], json.loads(row["payload"]), NumberState(row["state"]), row["attempts"],
            row["at"], row["next"], row["batch"], row["reason"],
        )
        for row in connection.execute(query).mappings()
    ]  # fmt: skip


def is_called_elsewhere(connection: Connection, name: str, number: str, now: float) -> bool:
    """Return True if another campaign calls a number now, or has just begun to: a person gets one call at a time.

    Opentact's events name no campaign. Two calls to one number at once could not be told apart.
    """
    lock_name(connection, f"campaign number {number}")
    table = CAMPAIGN_NUMBERS_TABLE
    is_open = table.c.state.in_([NumberState.calling, NumberState.talking])
    is_recent = table.c.at > now - 2 * _CLOCK_DIFFERENCE_SECONDS
    may_ring = is_open & (table.c.at > now - RING_SECONDS - 2 * _CLOCK_DIFFERENCE_SECONDS)
    query = select(table.c.position).where(table.c.number == number, table.c.campaign != name, is_recent | may_ring)
    return connection.execute(query.limit(1)).first() is not None


def load_waiting_numbers(connection: Connection, name: str) -> dict[int, str]:
    """Return the numbers that wait for a call, by their positions."""
    table = CAMPAIGN_NUMBERS_TABLE
    query = select(table.c.position, table.c.number).where(table.c.campaign == name, table.c.state == NumberState.waiting)
    return {row.position: row.number for row in connection.execute(query)}


def begin_attempt(connection: Connection, name: str, number: CampaignNumber, now: float) -> int:
    """Count a call before Opentact is asked for it.

    Return the attempt from 1; 0 if another process was quicker, or the number was cancelled or forgotten meanwhile.
    """
    table = CAMPAIGN_NUMBERS_TABLE
    unchanged_number = (
        (table.c.campaign == name)
        & (table.c.position == number.position)
        & (table.c.number == number.number)
        & (table.c.state == NumberState.waiting)
        & (table.c.attempts == number.attempts)
    )
    values = {"state": NumberState.calling, "attempts": number.attempts + 1, "at": now, "batch": None, "reason": ""}
    changed = connection.execute(update(table).where(unchanged_number).values(values)).rowcount
    return number.attempts + 1 if changed else 0


def change_number(connection: Connection, name: str, position: int, state: NumberState, **columns: Any) -> None:  # noqa: ANN401
    """Change the state of a number, and other columns."""
    table = CAMPAIGN_NUMBERS_TABLE
    same_number = (table.c.campaign == name) & (table.c.position == position)
    connection.execute(update(table).where(same_number).values(state=state, **columns))


def put_number_back(connection: Connection, name: str, position: int, **columns: Any) -> NumberState:  # noqa: ANN401
    """Let a number that was called wait for another call, unless it was cancelled meanwhile; return its new state."""
    table = CAMPAIGN_NUMBERS_TABLE
    uncancelled = (table.c.campaign == name) & (table.c.position == position) & (table.c.reason == "")
    values = {"state": NumberState.waiting, **columns}
    if connection.execute(update(table).where(uncancelled).values(values)).rowcount:
        return NumberState.waiting
    change_number(connection, name, position, NumberState.cancelled)
    return NumberState.cancelled


def cancel_numbers(connection: Connection, name: str, reason: str) -> int:
    """Take all waiting numbers out of a campaign; return their count. Numbers that ring now are not called again."""
    table = CAMPAIGN_NUMBERS_TABLE
    waiting = (table.c.campaign == name) & (table.c.state == NumberState.waiting)
    # put_number_back reads this reason: begin_attempt has cleared it
    ringing = (table.c.campaign == name) & (table.c.state == NumberState.calling)
    connection.execute(update(table).where(ringing).values(reason=reason))
    return connection.execute(update(table).where(waiting).values(state=NumberState.cancelled, reason=reason)).rowcount


def find_answered_calls(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """Return the calls that asked this server for a document, by their keys."""
    table = CAMPAIGN_CALLS_TABLE
    calls: dict[str, str] = {}
    for some_keys in split_list(keys):
        query = select(table.c.key, table.c.call).where(table.c.key.in_(some_keys))
        calls |= {key: call or "" for key, call in connection.execute(query)}
    return calls


def find_outbound_call(connection: Connection, sender: str, number: str, since: float) -> OutboundCall | None:
    """Return the first call from a number of ours to another that Opentact reports since a moment; None without one."""
    table = CALLS_TABLE
    query = (
        select(table)
        .where(
            table.c.number == number,
            table.c.caller == sender,
            table.c.direction == "out",
            table.c.started >= since - _CLOCK_DIFFERENCE_SECONDS,
        )
        .order_by(table.c.started)
    )
    row = connection.execute(query).mappings().first()
    return _read_outbound_call(row) if row is not None else None


def load_outbound_call(connection: Connection, call: str) -> OutboundCall | None:
    """Return what is reported of a call; None if nothing is."""
    row = connection.execute(select(CALLS_TABLE).where(CALLS_TABLE.c.id == call)).mappings().first()
    return _read_outbound_call(row) if row is not None else None


def _read_outbound_call(row: Any) -> OutboundCall:  # noqa: ANN401 - a row
    return OutboundCall(row["id"], row["answer"] is not None, is_call_over(row), split_hangup_cause(row["cause"])[1])


def iterate_report(connection: Connection, name: str) -> Iterator[JournalRow]:
    """Yield a row for each number, with its answered call: the id, the seconds, the node of its last request."""
    numbers = list_numbers(connection, name)
    for some_numbers in split_list(numbers):
        keys = {make_campaign_key(name, number.position, number.attempts): number.position for number in some_numbers}
        calls = {keys[key]: call for key, call in find_answered_calls(connection, [*keys]).items()}
        seconds, nodes = _find_seconds(connection, [*calls.values()]), _find_last_nodes(connection, [*calls.values()])
        for number in some_numbers:
            call = calls.get(number.position, "")
            yield {
                "number": number.number,
                "state": number.state.value,
                "attempts": number.attempts,
                "called": number.at,
                "seconds": seconds.get(call),
                "node": nodes.get(call, ""),
                "call": call,
                "reason": number.reason,
                **number.values,
            }


def _find_seconds(connection: Connection, calls: Sequence[str]) -> dict[str, int]:
    """Return how long calls lasted from the answer, as far as Opentact reported it."""
    table = CALLS_TABLE
    query = select(table.c.id, table.c.answer, table.c.hangup).where(
        table.c.id.in_(calls), table.c.answer.isnot(None), table.c.hangup.isnot(None)
    )
    return {call: round_up_seconds(hangup - answer) for call, answer, hangup in connection.execute(query)}


def _find_last_nodes(connection: Connection, calls: Sequence[str]) -> dict[str, str]:
    """Return the node of the last request of each call."""
    query = select(TURNS_TABLE.c.call, TURNS_TABLE.c.node).where(TURNS_TABLE.c.call.in_(calls)).order_by(TURNS_TABLE.c.at)
    return {call: find_root_node(node) for call, node in connection.execute(query)}
