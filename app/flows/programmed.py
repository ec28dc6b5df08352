"""A Python program as a Flow: its nodes are run apart, when a call is there."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from app.flows.apart import result
from app.flows.book import START, Entry, Flow
from app.flows.files import Place, Report, claims
from app.flows.pieces import EPILOGUE, PROLOGUE
from app.flows.programs import Step, describe
from app.language import Answer, Hangup, Response, Say, to_xml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.calls import Turn
    from app.flows.compiler import Options
    from app.flows.pieces import Hole

_TOLD: Final = ("from", "to", "name", "started", "attestation", "call", "sca", "calls")
_TOKEN: Final = re.compile("ticket-[0-9a-f]{32}")


def program_flow(name: str, text: bytes, file: Path, report: Report, options: Options) -> Flow | None:
    """A program's file as a Flow; None, with an error said, where it is none."""
    try:
        source = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        report.error((), "python", "the file is not UTF-8", "save it as UTF-8")
        return None
    told = describe(file, source, options.extensions)
    if "error" in told:
        report.places[()] = Place(told["line"], 1)
        report.error((), "python", told["error"], "run it with python to see more")
        return None
    if told["name"] != name:
        report.error((), "python", f"the flow is named {told['name']!r}, and its file {name!r}", "name both alike")
    if START not in told["nodes"]:
        report.error((), "no-start", f"no node is named {START!r}", "every flow begins at start")
    zone = _zone(told["timezone"], report)
    version = hashlib.sha256(text + repr((options.dialect, options.extensions.kinds)).encode()).hexdigest()[:12]
    dialect = told["dialect"] or options.dialect
    answer = [Answer()] if dialect == "reference" else []
    apology = to_xml(Response(*answer, Say(options.apology), Hangup()), dialect)

    def hole_of(node: str) -> Hole:
        def hole(turn: Turn) -> str:
            step = Step(
                file=str(file),
                source=source,
                node=node,
                dialect=dialect,
                extensions=options.extensions,
                told=dict(turn.told),
                values=dict(turn.values),
                base=turn.base,
                answers_itself=turn.answers_itself,
                second=turn.second,
                zone=told["timezone"],
            )
            return _signed(name, result(turn, step), version, turn, options)

        return hole

    entries = (Entry(), Entry(answered=True))
    return Flow(
        name=name,
        file=str(file),
        version=version,
        dialect=dialect,
        zone=zone,
        claims=tuple(claims([*told["numbers"]], report)),
        documents={node: dict.fromkeys(entries, (hole_of(node),)) for node in told["nodes"]},
        fallback=told["fallback"].encode() or apology,
        apart=True,
    )


def _zone(name: str, report: Report) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (LookupError, ValueError, OSError):
        report.error((), "timezone", f"timezone: there is no zone {name!r}", "as America/New_York")
        return None


def _signed(flow: str, made: dict[str, Any], version: str, turn: Turn, options: Options) -> str:
    """A program's document with its URLs signed."""
    carried = {name: turn.told[name] for name in _TOLD if turn.told.get(name)}

    def ticket(token: re.Match[str]) -> str:
        if token[0] not in made["links"]:
            return token[0]
        node, values = made["links"][token[0]]
        return options.signer.tickets(f"{flow}/{node}", {"v": version})(carried, values)

    written: Callable[[re.Match[str]], str] = ticket
    document: str = _TOKEN.sub(written, made["document"])
    return document.removeprefix(PROLOGUE).removesuffix(EPILOGUE) if document.endswith(EPILOGUE) else ""
