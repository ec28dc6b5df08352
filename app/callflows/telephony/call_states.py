"""States of a call, in order.

platform: the states of 2024 are init, ringing, live, hangup, destroyed; those of 2021 are online and offline. ``answered``
and ``bridged`` are titles of events. Opentact promises no order of arrival, so the later state is found by its rank.
"""

from __future__ import annotations

from typing import Final

CALL_STATE_RANKS: Final = {
    "online": "10", "init": "11", "ringing": "20", "answered": "30", "live": "31", "bridged": "32", "hangup": "40",
    "offline": "50", "destroyed": "51",
}  # fmt: skip
"""Ranks of the states: the first digit is the phase of the call, the greater text is the later state."""
UNKNOWN_STATE_RANK: Final = "0"
_FIRST_CONNECTED_RANK: Final = "30"
FIRST_ENDED_RANK: Final = "40"
BEGINNING_CALL_STATES: Final = frozenset(state for state, rank in CALL_STATE_RANKS.items() if rank < _FIRST_CONNECTED_RANK)
"""States before anybody answered."""
FIRST_REPORTED_STATES: Final = BEGINNING_CALL_STATES | {"live"}
"""States in the first event of a call. platform: a call that the app answers may begin as live."""
ENDED_CALL_STATES: Final = frozenset(state for state, rank in CALL_STATE_RANKS.items() if rank >= FIRST_ENDED_RANK)
"""States of a finished call."""
LAST_CALL_STATE: Final = max(CALL_STATE_RANKS, key=CALL_STATE_RANKS.__getitem__)
CALL_STATE_TIME_FIELDS: Final = {
    "init": "init_on",
    "ringing": "ring_on",
    "live": "answer_on",
    "hangup": "hangup_on",
    "destroyed": "destroy_on",
}
"""The states with a timestamp in the call entity, in order, each with the field's name."""


def rank_call_state(state: str) -> str:
    """Return the rank of a state; an unknown state has the lowest."""
    return CALL_STATE_RANKS.get(state, UNKNOWN_STATE_RANK)
