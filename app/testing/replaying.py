"""A call of the journal, rehearsed again: who rang whom and when, what was pressed, who answered, what was looked up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.rehearsal.callers import Press, ScriptedCallees, ScriptedCaller
from app.rehearsal.rehearsing import Rehearsal
from app.rehearsal.stage import FAILS

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUSY = "17"
"""ITU-T Q.850: user busy."""


def rehearsal_of(story: Mapping[str, Any]) -> Rehearsal:
    """The call of a story (of the journal), to be rehearsed with the flows as they are now.

    Keys that were pressed within one document never came to us: they are not known, and nothing is pressed there.
    """
    call = story["call"]
    asked = [entry for entry in story["story"] if entry["what"] == "asked"]
    decided = [entry for entry in story["story"] if entry["what"] == "decided"]
    calls = next((entry["told"].get("calls", "") for entry in asked), "")
    return Rehearsal(
        number=call["number"],
        caller_id=call["from"],
        name=call["name"],
        attestation=call["attestation"],
        at=datetime.fromisoformat(call["started"]) if call["started"] else None,
        caller=ScriptedCaller([Press(_keys(entry["pressed"])) for entry in asked[1:] if _answers(entry)]),
        callees=ScriptedCallees({**{leg["to"]: _behaviour(leg) for leg in story["legs"]}, "else": "no-answer"}),
        lookups={name: value for entry in decided if entry["word"] == "lookup" for name, value in _found(entry)},
        calls_today=int(calls) if str(calls).isdecimal() else 1,
        method=asked[0]["method"] if asked and asked[0]["method"] in ("GET", "POST") else "POST",
    )


def _answers(asked: Mapping[str, Any]) -> bool:
    """Whether a request came of a Gather, pressed or not, and not of a Callback."""
    return any(f"{name}=" in asked["url"] for name in ("dtmf", "code"))


def _keys(pressed: str) -> str:
    """What was pressed; of what is secret nothing is known."""
    return pressed if not pressed.strip("0123456789*#") else ""


def _behaviour(leg: Mapping[str, Any]) -> str:
    if leg["answered"]:
        return "answer"
    return "busy" if str(leg["cause"]) == _BUSY else "no-answer"


def _found(decision: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """A lookup's name and its answer; its rule is ``name = METHOD url``."""
    name = str(decision["rule"]).partition(" = ")[0]
    found = decision["outcome"] == "found"
    return [(name, decision.get("detail", {}).get("result") if found else FAILS)]
