"""A Python program as a Flow: its nodes are run apart, when a call is there."""

from __future__ import annotations

import hashlib
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.calls import BEGAN
from app.flows.apart import result
from app.flows.book import START, Entry, Flow, apology_of
from app.flows.files import claims, zone_of
from app.flows.pieces import EPILOGUE, PROLOGUE
from app.flows.places import Place, Report
from app.flows.programs import Step, describe
from app.spots import NODE, Spot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.calls import Turn
    from app.flows.compiler import Options
    from app.language import Dialect

_TOLD: Final = ("from", "to", "name", "started", "attestation", "call", "sca", "calls", BEGAN)
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
    version = hashlib.sha256(text + repr((options.dialect, options.extensions.kinds)).encode()).hexdigest()[:12]
    dialect: Dialect = options.supposed.dialect or told["dialect"] or options.dialect
    program = _Program(name, str(file), source, version, told["timezone"], dialect, options)
    entries = (Entry(), Entry(answered=True))
    return Flow(
        name=name,
        file=str(file),
        version=version,
        dialect=dialect,
        zone=zone_of(told["timezone"], (), report),
        claims=tuple(claims([*told["numbers"]], report)),
        documents={node: dict.fromkeys(entries, (partial(program.document, node),)) for node in told["nodes"]},
        fallback=told["fallback"].encode() or apology_of(options.apology, dialect),
        apart=True,
        spots=tuple(Spot(node, line, 1, NODE) for node, line in told["nodes"].items()),
    )


class _Program(NamedTuple):
    """A program's file, as its nodes are run for a turn."""

    name: str
    file: str
    source: str
    version: str
    zone: str
    dialect: Dialect
    options: Options

    def document(self, node: str, turn: Turn) -> str:
        """What stands in the Response of a node. Raises Pending where it was not run yet."""
        step = Step(
            file=self.file,
            source=self.source,
            node=node,
            dialect=self.dialect,
            extensions=self.options.extensions,
            told=dict(turn.told),
            values=dict(turn.values),
            base=turn.base,
            answers_itself=turn.answers_itself,
            second=turn.second,
            zone=self.zone,
        )
        return _signed(self.name, result(turn, step), self.version, turn, self.options)


def _signed(flow: str, made: dict[str, Any], version: str, turn: Turn, options: Options) -> str:
    """A program's document with its URLs signed."""
    carried = {name: turn.told[name] for name in _TOLD if turn.told.get(name)}
    if turn.answers_itself is not None:
        carried["itself"] = "1" if turn.answers_itself else ""

    def ticket(token: re.Match[str]) -> str:
        if token[0] not in made["links"]:
            return token[0]
        node, values = made["links"][token[0]]
        return options.signer.tickets(f"{flow}/{node}", {"v": version})(carried, values)

    written: Callable[[re.Match[str]], str] = ticket
    document: str = _TOKEN.sub(written, made["document"])
    return document.removeprefix(PROLOGUE).removesuffix(EPILOGUE) if document.endswith(EPILOGUE) else ""
