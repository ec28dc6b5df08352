"""What a scenario expects of a call: steps in order, and words about the whole of it."""

from __future__ import annotations

import dataclasses
import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from app.errors import suggestion
from app.flows.scenarios import CALLER_HUNG_UP, DURING, EXPECTED, OF_TEXTS, ONLY_TEXTS, OUTCOMES, WHOLE, Known
from app.language.values import TARGET
from app.numbers import e164, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.flows.places import Path, Report
    from app.rehearsal.transcript import Step, Transcript
    from app.testing.around import Around

Looks: TypeAlias = "Callable[[Any], bool]"
_REGULAR: Final = re.compile("/(.+)/", re.DOTALL)
_PARTLY: Final = frozenset({"text", "reason"})
"""Fields of which a part is enough."""


class Expected(NamedTuple):
    """A step that is expected: how it is written, its place, and what it is known by."""

    shown: str
    line: int
    column: int
    verb: str
    looks: tuple[tuple[str, Looks], ...]

    def fits(self, step: Step) -> bool:
        """Whether it is this step."""
        return step["verb"] == self.verb and all(look(step.get(field)) for field, look in self.looks)


class Missed(NamedTuple):
    """The first difference: what was expected, its place, why not, and how many steps fitted before it.

    ``after`` is the index of the step behind which it was looked for, None where it is about the whole call.
    """

    expected: str
    line: int
    column: int
    why: str
    after: int | None = None
    fitted: tuple[int, ...] = ()


class Outcome(NamedTuple):
    """How a call ends, and in which verb the caller hangs up, where that is said; and the place."""

    shown: str
    how: str
    during: str
    line: int
    column: int

    def wrong(self, call: Transcript) -> str:
        """How it ended otherwise."""
        if self.how != call.outcome or (self.during and self.during not in call.interrupted):
            return f"it was {call.outcome}{f' during {call.interrupted[-1].lower()}' if call.interrupted else ''}"
        return ""


@dataclasses.dataclass(slots=True)
class Expecting:
    """All that a scenario expects."""

    steps: list[Expected] = dataclasses.field(default_factory=list)
    nots: list[Expected] = dataclasses.field(default_factory=list)
    outcome: Outcome | None = None
    nodes: tuple[list[str], int, int] | None = None

    def missed(self, call: Transcript) -> Missed | None:
        """The first difference; None where the call is as expected."""
        fitted: list[int] = []
        for expected in self.steps:
            begin = fitted[-1] + 1 if fitted else 0
            found = next((i for i in range(begin, len(call.steps)) if expected.fits(call.steps[i])), None)
            if found is None:
                why = _why(expected, call.steps, begin)
                return Missed(expected.shown, expected.line, expected.column, why, begin - 1, tuple(fitted))
            fitted.append(found)
        return next(self._whole(call, tuple(fitted)), None)

    def _whole(self, call: Transcript, fitted: tuple[int, ...]) -> Iterator[Missed]:
        for one in self.nots:
            index = next((i for i, step in enumerate(call.steps) if one.fits(step)), None)
            if index is not None:
                yield Missed(f"not {one.shown}", one.line, one.column, "it happened", index - 1, fitted)
        if self.outcome is not None and (wrong := self.outcome.wrong(call)):
            yield Missed(self.outcome.shown, self.outcome.line, self.outcome.column, wrong, None, fitted)
        if self.nodes is not None and self.nodes[0] != call.nodes:
            nodes, line, column = self.nodes
            yield Missed(f"nodes: {', '.join(nodes)}", line, column, f"they were {', '.join(call.nodes)}", None, fitted)


def _why(expected: Expected, steps: Sequence[Step], begin: int) -> str:
    """Why a step was not found, with what is nearest to it."""
    before = next((i for i in range(begin) if expected.fits(steps[i])), None)
    if before is not None:
        return "it happened, but before what is expected above it"
    alike = [step for step in steps[begin:] if step["verb"] == expected.verb]
    if not alike:
        return f"there is no {expected.verb} {'after that' if begin else 'at all' if _is_texts(steps) else 'in the call'}"
    nearest = max(alike, key=lambda step: _likeness(expected.shown, step))
    wrong = [field for field, look in expected.looks if not look(nearest.get(field))]
    which = "next" if nearest is alike[0] else "nearest"
    return f"the {which} {expected.verb} has {', '.join(f'{field} {_brief(nearest.get(field))}' for field in wrong)}"


def _is_texts(steps: Sequence[Step]) -> bool:
    return any(step["verb"] == "text" for step in steps)


def _likeness(shown: str, step: Step) -> float:
    """How alike a step is to what was expected, as far as it is text."""
    return SequenceMatcher(None, shown, str(step.get("text") or step.get("url") or step.get("to") or "")).ratio()


def _brief(found: object) -> str:
    """A value as it is said; of a webhook's body what its author gave."""
    return repr(found.get("data", found) if isinstance(found, dict) else found)


def expecting(written: Sequence[Any], path: Path, report: Report, there: Around, *, texts: bool = False) -> Expecting:
    """Expectations of a call, or of ``texts``, as they are written; what is wrong is said."""
    made = Expecting()
    for index, one in enumerate(written):
        here: Path = (*path, index)
        word, value = _word(one, here, report, texts=texts)
        place = report.place(here)
        if word == "outcome":
            made.outcome = _outcome(value, (*here, word), report)._replace(line=place.line, column=place.column)
        elif word == "nodes":
            made.nodes = _nodes(value, (*here, word), report, there), place.line, place.column
        elif word == "not":
            for number, part in enumerate(_listed(value)):
                within = (*here, word, number) if isinstance(value, list) else (*here, word)
                _add(made.nots, _word(part, within, report, texts=texts), within, report, there)
        elif word:
            _add(made.steps, (word, value), here, report, there)
    return made


def _outcome(value: object, path: Path, report: Report) -> Outcome:
    """``caller-hung-up``, ``{is: caller-hung-up, during: say}``, or ``{during: say}``."""
    given = value if isinstance(value, dict) else {"is": value}
    during = str(given.get("during", ""))
    how = str(given.get("is", CALLER_HUNG_UP if during else ""))
    for key in given:
        if key not in ("is", "during"):
            report.error((*path, key), "unknown-key", f"outcome: there is no {key!r}", "it has is and during", key=True)
    if how not in OUTCOMES:
        near = suggestion(how, OUTCOMES) or f"there are {', '.join(OUTCOMES)}"
        here = (*path, "is") if isinstance(value, dict) and "is" in value else path
        report.error(here, "value", f"outcome: no call ends as {how!r}", near)
    if during and (during not in DURING or how != CALLER_HUNG_UP):
        near = suggestion(during, DURING) or f"there are {', '.join(DURING)}"
        said = (
            f"outcome: nobody hangs up during {during!r}" if during not in DURING else f"outcome: {how} is during nothing"
        )
        report.error((*path, "during"), "value", said, near if during not in DURING else f"as is: {CALLER_HUNG_UP}")
    return Outcome(_shown("outcome", value), how, EXPECTED[during].verb if during in DURING else "", 0, 0)


def _add(steps: list[Expected], said: tuple[str, Any], path: Path, report: Report, there: Around) -> None:
    word, value = said
    if word in WHOLE:
        report.error(path, "unknown-key", f"not: {word} is no step", f"there are {', '.join(EXPECTED)}")
    elif word:
        known, place = EXPECTED[word], report.place(path)
        looks = tuple(_looks(word, known, value, (*path, word), report, there))
        steps.append(Expected(_shown(word, value), place.line, place.column, known.verb, looks))


def _word(one: object, path: Path, report: Report, *, texts: bool) -> tuple[str, Any]:
    """The word and its value; no word, with an error said, where it is none, or none of calls or of texts."""
    if isinstance(one, str):
        one = {one: ""}
    if not isinstance(one, dict) or len(one) != 1:
        report.error(path, "shape", "an expectation is one word, as say: Welcome", "write - say: Welcome")
        return "", None
    word, value = next(iter(one.items()))
    if word not in EXPECTED and word not in WHOLE:
        known = [*EXPECTED, *WHOLE]
        near = suggestion(str(word), known) or f"there are {', '.join(known)}"
        report.error((*path, word), "unknown-key", f"expect: there is no {word!r}", near, key=True)
        return "", None
    if texts and word not in ("not", *OF_TEXTS):
        said = f"expect: nothing of a text is {word}"
        report.error(path, "test-text", said, f"there are {', '.join(OF_TEXTS)}")
        return "", None
    if not texts and word in ONLY_TEXTS:
        report.error(path, "test-text", f"expect: {word} is of texts, and this is a call", "name it: text: hours")
        return "", None
    return str(word), value


def _looks(
    word: str, known: Known, value: object, path: Path, report: Report, there: Around
) -> Iterator[tuple[str, Looks]]:
    """What a step is known by, field by field."""
    if word == "voicemail":
        yield "tag", _same("voicemail")
    if word in ("reply", "forward"):
        yield "as", _same(word)
    if word == "ignored":
        yield "ignored", _same("true")
    fields = value if isinstance(value, dict) else {known.plain: value} if value not in ("", None) else {}
    for field, wanted in fields.items():
        here = (*path, field) if isinstance(value, dict) else path
        if field not in known.fields:
            near = suggestion(str(field), known.fields) or f"it has {', '.join(known.fields)}"
            report.error(here, "unknown-key", f"{word}: there is no {field!r}", near, key=True)
        elif field == "to" and known.verb == "Dial":
            yield field, _targets(wanted, here, report, there)
        elif word == "forward" and field == "to" and wanted in there.groups:
            yield field, _member(there.groups[str(wanted)])
        elif field == "payload":
            yield field, _within(wanted)
        else:
            yield field, _text(str(wanted), here, report, partly=field in _PARTLY)


def _text(wanted: str, path: Path, report: Report, *, partly: bool) -> Looks:
    """``/a regular expression/``, or the text itself; blanks count as one."""
    regular = _REGULAR.fullmatch(wanted.strip())
    if regular is not None:
        try:
            pattern = re.compile(regular[1])
        except re.error as error:
            report.error(path, "value", f"{wanted} is no regular expression: {error}", "write \\ before ( [ . * + ?")
            return lambda _found: False
        return lambda found: found is not None and pattern.search(_folded(found)) is not None
    folded = _folded(wanted)
    if partly:
        return lambda found: folded in _folded(found)
    return _same(folded)


def _same(wanted: str) -> Looks:
    return lambda found: plain(_folded(found)) == plain(wanted)


def _folded(found: object) -> str:
    return " ".join(("true" if found is True else "" if found is None else str(found)).split())


def _targets(wanted: object, path: Path, report: Report, there: Around) -> Looks:
    """These targets and no others, in any order; of a group, some: in turn they are rung one by one."""
    if isinstance(wanted, str) and wanted in there.groups:
        members = {plain(one) for one in there.groups[wanted]}
        return lambda found: bool(found) and {plain(one) for one in found} <= members
    for target in map(str, _listed(wanted)):
        if not (e164(target) or TARGET.accepts(target)):
            near = suggestion(target, [*there.groups]) or "a number as +12015550188, ann@acme.sip.opentact.org, or a group"
            report.error(path, "dial-target", f"dial: {target!r} is nobody that can be rung", near)
    exactly = {plain(str(one)) for one in _listed(wanted)}
    return lambda found: {plain(one) for one in found or ()} == exactly


def _member(group: Sequence[str]) -> Looks:
    """One of a group."""
    members = {plain(one) for one in group}
    return lambda found: plain(str(found)) in members


def _nodes(value: object, path: Path, report: Report, there: Around) -> list[str]:
    """Names of nodes; one that there is none of is said."""
    nodes = [str(node) for node in _listed(value)]
    for node in nodes:
        if there.nodes and node not in there.nodes:
            near = suggestion(node, there.nodes) or f"there are {', '.join(there.nodes)}"
            report.error(path, "unknown-node", f"no node is named {node!r}", near)
    return nodes


def _within(wanted: object) -> Looks:
    """Plain data that is there, among more."""

    def looks(found: Any) -> bool:  # noqa: ANN401 - plain data
        return _is_in(wanted, found) or (isinstance(found, dict) and _is_in(wanted, found.get("data")))

    return looks


def _is_in(wanted: object, found: object) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_is_in(part, found.get(key)) for key, part in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(wanted) == len(found)
            and all(_is_in(part, other) for part, other in zip(wanted, found, strict=True))
        )
    if isinstance(found, bool):
        return str(found).lower() == str(wanted).lower()
    return str(found) == str(wanted)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value in ("", None) else [value]


def _flow(value: object) -> str:
    """A value as YAML writes it on one line, near enough."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_flow(part)}' for key, part in value.items())}}}"
    return f"[{', '.join(map(_flow, value))}]" if isinstance(value, list) else str(value)


def _shown(word: str, value: object) -> str:
    """An expectation as it is written."""
    if isinstance(value, dict):
        return f"{word}: {_flow(value)}"
    shown = _flow(value) if value is not None else ""
    return f"{word}: {shown}" if shown else word
