"""Ranked texts: a state after its rank, so that the greater text is the later state.

``20 ringing`` is less than ``31 live``. An unknown state gets the lowest rank and is stored. The ranks of call states
are in ``telephony/call_states.py``.
"""

from __future__ import annotations

from typing import Final

from callflows.telephony.call_states import UNKNOWN_STATE_RANK, rank_call_state
from callflows.telephony.events import ANSWERED_BY_FLOW

OUTCOME_RANKS: Final = {ANSWERED_BY_FLOW: "1", "unknown-number": "3", "fallback": "4"}
MESSAGE_STATE_RANKS: Final = {"created": "1", "sending": "2", "failed": "3", "success": "4", "received": "5"}
EFFECT_RESULT_RANKS: Final = {
    "asked": "1", "repeated": "2", "dropped": "3", "expired": "4", "failed": "4", "refused": "4",
    "cancelled": "4", "sent": "5",
}  # fmt: skip


def add_rank(ranks: dict[str, str], text: str) -> str | None:
    """Put the rank in front of a text; return None for an empty text."""
    return f"{ranks.get(text, UNKNOWN_STATE_RANK)} {text}" if text else None


def remove_rank(ranked_text: str | None) -> str:
    return (ranked_text or "").partition(" ")[2]


def rank_hangup_cause(state: str, code: object, text: object) -> str | None:
    """Combine a hangup cause (Q.850 number and name) with the rank of the reporting state."""
    if code is None and not text:
        return None
    return f"{rank_call_state(state)} {'' if code is None else code} {text or ''}"


def split_hangup_cause(ranked_text: str | None) -> tuple[int | None, str]:
    """Split a ranked hangup cause into number and name, such as ``(16, "NORMAL_CLEARING")``."""
    _, _, cause = (ranked_text or "").partition(" ")
    code, _, text = cause.partition(" ")
    return (int(code) if code.isascii() and code.isdecimal() else None), text
