"""What is right in a flow and probably not meant; looked at when it is compiled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.errors import nearest
from app.flows.book import START
from app.flows.checks.carried import look_at_tickets
from app.flows.checks.country import TAKEN, lacks_country, meant
from app.flows.files import NAME
from app.flows.yaml_texts import texts_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from app.flows.compiler import Compiler
    from app.flows.places import Path, Report
    from app.flows.writing import Run

_DIGITS: Final = dict(
    zip(("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), "0123456789", strict=True)
)
_SIGNS: Final = {"star": "*", "hash": "#", "pound": "#"}
_PRESS: Final = re.compile(
    rf"\bpress(?:ing)?\s+(?:the\s+)?(?P<key>[0-9]+|{'|'.join((*_DIGITS, *_SIGNS))})\b(?!\s*(?:keys|digits|times|seconds))",
    re.IGNORECASE,
)
_HARMLESS: Final = re.compile(r"\b(?:not|n't|never)\s+$", re.IGNORECASE)


def look(compiler: Compiler) -> None:
    """What is probably not meant in a flow; said in its report.

    Where something is wrong with it already, only what holds whatever that was meant to be.
    """
    _unused(compiler, Doubted(compiler))
    _without_country(compiler)
    _mute(compiler)
    if not compiler.file.template:
        _hours_not_asked(compiler, Doubted(compiler))
        _attestation(compiler)


class Doubted:
    """What errors leave in doubt: a name that one of them may have meant, or all where something is lost."""

    def __init__(self, compiler: Compiler) -> None:
        errors = [problem for problem in compiler.report.problems if problem.severity == "error"]
        self._near = {name for problem in errors for name in _NEAR.findall(f"{problem.message} {problem.mend}")}
        self._lost = any(problem.rule in _LOSES for problem in errors) or compiler.report.wrong_at(("template",))
        self._texts: list[str] = []
        if errors:
            file = compiler.file
            self._texts = [*texts_in([file.nodes, file.groups, file.messages, file.missed, file.fallback])]

    def named(self, name: str) -> bool:
        """Whether an error may have meant a name."""
        return self._lost or name in self._near

    def any(self, *names: str) -> bool:
        """Whether an error may have meant one of several names."""
        return any(map(self.named, names))

    def said(self, name: str) -> bool:
        """Whether an error may have meant a name, or a text has it that could not be read."""
        return self.named(name) or any(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for text in self._texts)


_NEAR: Final = re.compile("did you mean '([^']+)'")
_LOSES: Final = frozenset({"key-lost", "key-twice", "yaml"})
"""Rules on what is not read at all."""


def named_well(nodes: Collection[str], report: Report) -> bool:
    """Whether a flow can begin; refuses names that no node can have."""
    for node in nodes:
        if not NAME.fullmatch(node):
            message = f"{node!r} cannot be a node's name"
            report.error(("nodes", node), "node-name", message, "use letters, digits, - and _", key=True)
    if START not in nodes:
        near = nearest(START, nodes, 0.75)
        mend = f"every flow begins at start{f': rename {near!r}' if near else ''}"
        report.error(("nodes",), "no-start", f"no node is named {START!r}", mend, key=True)
    return START in nodes


def look_round(compiler: Compiler) -> None:
    """What nothing leads to, what leads round in silence, and what depends on what the file does not say."""
    _round(compiler)
    look_at_tickets(compiler)
    report, file = compiler.report, compiler.file
    doubted = Doubted(compiler)
    for node in compiler.reach.unreached(START) if START in file.nodes and not compiler.reach.lost else ():
        if node in file.nodes and not doubted.named(node):
            message = f"nothing leads to the node {node!r}"
            report.warning(("nodes", node), "unreachable-node", message, "a goto is missing, or it can go", key=True)
    if compiler.dialect == "classic" and file.auto_answer == "true":
        message = "auto_answer: the classic dialect has no Answer, so none is written"
        mend = "let the app answer by itself, or use the reference dialect"
        report.warning(("auto_answer",), "dialect", message, mend)
    for path, node in compiler.reach.chosen.items():
        collects = any(isinstance(step, dict) and "collect" in step for step in file.nodes.get(node) or ())
        if "digits" in compiler.reach.uses.get(node, ()) and not collects:
            message = f"the node {node!r} asks for digits, and there are none where a key of a menu leads"
            report.warning(path, "digits-empty", message, "lead each key to a node of its own, or ask with collect")
    if compiler.reach.time_asked is not None and not file.timezone and not report.wrong_at(("timezone",)):
        message, mend = "now is asked for and no timezone is named: it is UTC", "as timezone: America/New_York"
        report.warning(compiler.reach.time_asked, "no-timezone", message, mend)


def _round(compiler: Compiler) -> None:
    """Nodes that lead round to themselves."""
    silent = compiler.reach.silent_loops()
    for node in silent:
        message = f"the node {node!r} leads round to itself, and the caller hears silence"
        mend = "say or ask something on the way round"
        compiler.report.error(("nodes", node), "silent-loop", message, mend, key=True)
    for node in compiler.reach.unasked_loops():
        if node not in silent and node in compiler.file.nodes:
            message = f"the node {node!r} leads round to itself, and asks nobody anything on the way"
            mend = "give it a way out: a menu, or a goto"
            compiler.report.warning(("nodes", node), "endless-loop", message, mend, key=True)


def _unused(compiler: Compiler, doubted: Doubted) -> None:
    """What is named and never asked for."""
    asked = {name for names in compiler.reach.uses.values() for name in names}
    for kind in ("hours", "lists", "variables"):
        for name in getattr(compiler.file, kind) if kind not in asked else ():
            if f"{kind}.{name}" not in asked and not doubted.said(name):
                _say_unused(compiler, kind, name, f"{kind}.{name}")
    for name in compiler.file.groups.keys() - compiler.groups_used:
        if not doubted.said(name):
            _say_unused(compiler, "groups", name, f"dial: {name}")


def _say_unused(compiler: Compiler, kind: str, name: str, use: str) -> None:
    message = f"{kind}: nothing uses {name!r}"
    compiler.report.warning((kind, name), "unused", message, f"use it as {use}, or take it out", key=True)


def _without_country(compiler: Compiler) -> None:
    """Numbers that are taken for those of another country."""
    for index, written in enumerate(compiler.file.numbers):
        path: Path = ("numbers", index) if ("numbers", index) in compiler.report.places else ("numbers",)
        if lacks_country(written):
            compiler.report.warning(path, "number-country", f"numbers: {TAKEN.format(written)}", meant(written))


def _mute(compiler: Compiler) -> None:
    """Nodes in which a call ends though nothing was said since it came in."""
    silent = {START}
    left = [START]
    while left:
        new = compiler.reach.silent[left.pop()] - silent
        silent |= new
        left += new
    for node, steps in compiler.file.nodes.items():
        if not steps:
            message, mend = f"the node {node!r} has no steps: whoever comes here is hung up on", "say something before"
        elif node in silent & compiler.mute:
            message = f"the node {node!r} comes to its end, and the caller has heard nothing"
            mend = "say something, or go on at a node, where no condition holds"
        else:
            continue
        mend += "; hangup as the last step says that it is meant"
        compiler.report.warning(("nodes", node), "says-nothing", message, mend, key=True)


def _hours_not_asked(compiler: Compiler, doubted: Doubted) -> None:
    """Hours that are looked at, and of which nothing asks whether they are open."""
    asked = {name for names in compiler.reach.uses.values() for name in names}
    sources = "\n".join(texts_in([compiler.file.nodes, compiler.file.messages, compiler.file.missed]))
    for name in compiler.around.hours:
        opens = re.compile(rf"""\bhours\s*(?:\.\s*|\[\s*["']){name}(?:["']\s*\])?\s*(?:\.\s*|\[\s*["'])open\b""")
        if f"hours.{name}" in asked and not opens.search(sources) and not doubted.any(name, "open", "hours"):
            message = f"hours: nothing asks whether {name} is open, so that callers fare alike when it is closed"
            mend = f"as - when: not hours.{name}.open, and below it goto: closed"
            compiler.report.warning(("hours", name), "hours-not-asked", message, mend, key=True)


def _attestation(compiler: Compiler) -> None:
    """A flow that relies on an attestation that may not be told."""
    path = compiler.reach.attestation_asked
    if path is None or any("attestation" in text and "unknown" in text for text in texts_in(compiler.file.nodes)):
        return
    message = "call.attestation is unknown where Opentact does not tell it: never with GET"
    mend = 'set POST in Opentact, and say what holds then: call.attestation in ["C", "unknown"]'
    compiler.report.warning(path, "attestation", message, mend)


def look_at_prompts(run: Run, path: Path, texts: Mapping[str, Sequence[str]], keys: Iterable[str], stop: str) -> None:
    """A menu's texts, in English, that tell the caller to press a key that it does not have.

    ``keys`` are its choices, ``stop`` ends the input.
    """
    known = [*keys]
    for name, said in texts.items():
        for index, text in enumerate(said):
            here = (*path, name, index)
            for key in _pressed(text):
                if key not in (*known, stop):
                    message = f"{name}: it tells the caller to press {key}, which the menu does not have"
                    place = here if here in run.compiler.report.places else (*path, name)
                    run.warning(place, "prompt-key", message, f"there are {', '.join(known)}")


def _pressed(text: str) -> Iterator[str]:
    for found in _PRESS.finditer(text):
        key = found["key"].lower()
        if not _HARMLESS.search(text[: found.start()]):
            yield _DIGITS.get(key) or _SIGNS.get(key) or key
