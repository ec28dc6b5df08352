"""The steps of a flow: its own words, and every verb of the language under its own name.

A word is a class: its fields are the keys that an author writes, ``write`` says what becomes of them. ``STEPS`` is the one table;
a new word is a class and a line there.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeAlias, cast

import pydantic

from app.errors import BuildError, ExpressionError, suggestion
from app.flows.book import Entry
from app.flows.files import Path, Steps, validate
from app.language.element import Attribute, Element
from app.language.values import BOOLEAN, DAYS, FREQUENCIES, LOOSE, MS, STATES, TEXT, URL, duration
from app.language.verbs import (
    DTMF,
    ELEMENTS,
    Default,
    Dial,
    Error,
    Gather,
    Meta,
    Pause,
    Play,
    Record,
    Response,
    Say,
    To,
    Tone,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.calls import Turn
    from app.flows.compiler import Run
    from app.language.values import Kind

Step: TypeAlias = "Callable[[Any, Path, Run], None]"

WRITTEN_OUT_BYTES: Final = 16_000
"""A menu's attempts are written out in one document up to this size; beyond it the next attempt is fetched."""
MENU_BYTES: Final = 40_000
"""A menu's branches are written in place up to this size; beyond it the longest are fetched."""
BEEP: Final = Tone(hz="1000", don=500, loop=1, leg="aleg", tag="beep")
BEEP_PATH: Final = "/media/beep.wav"
"""Our own beep, for a dialect without a tone."""

# What words are made of


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _keys(value: object) -> object:
    """``star`` and ``hash`` stand for keys that YAML would need quoted."""
    if not isinstance(value, str):
        return value
    key = {"star": "*", "hash": "#"}.get(value, value)
    if not re.fullmatch("[0-9*#]+", key):
        raise ValueError(f"{value!r} is not a key: 0-9, star and hash are")
    return key


def _one_key(value: object) -> object:
    key = _keys(value)
    if isinstance(key, str) and len(key) > 1:
        raise ValueError(f"must be one key, not {value!r}")
    return key


def _duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


Texts = Annotated[list[str], pydantic.BeforeValidator(_list)]
Keys = Annotated[str, pydantic.BeforeValidator(_keys)]
OneKey = Annotated[str, pydantic.BeforeValidator(_one_key)]
Duration = Annotated[int, pydantic.BeforeValidator(_duration)]
NodeName = str


class Word(pydantic.BaseModel):
    """A word of flows. ``plain`` is the key that a value without keys means."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    plain: ClassVar[str] = ""

    def write(self, run: Run, path: Path) -> None:
        """Write what the word means into a run."""


def _word(cls: type[Word], value: Any, path: Path, run: Run) -> None:  # noqa: ANN401 - dicts, lists and texts
    """A step with a word: its value as the word's class, then what that writes."""
    if not isinstance(value, dict):
        if not cls.plain:
            run.error(path, "shape", f"{path[-1]}: must be a mapping of keys and values")
            return
        key = (cls.plain,)
        run.compiler.report.places.setdefault((*path, *key), run.compiler.report.place(path))
        value = {cls.plain: value}
    made = validate(cls, value, path, run.compiler.report)
    if made is not None:
        made.write(run, path)


# Words


class Goto(Word):
    """Go on at another node."""

    plain: ClassVar[str] = "node"
    node: NodeName

    def write(self, run: Run, path: Path) -> None:
        """End here, go on there."""
        run.goto(self.node, path)


class Menu(Word):
    """Offer choices by key."""

    prompt: Texts
    keys: dict[Keys, NodeName]
    no_input: Texts = []
    no_match: Texts = []
    attempts: Annotated[int, pydantic.Field(ge=1, le=10)] = 3
    otherwise: NodeName = ""
    stop: OneKey = ""
    timeout: Duration | None = None

    def write(self, run: Run, path: Path) -> None:
        """As many attempts as fit into the document, then ``otherwise`` or the steps that follow."""
        if run.static:
            run.error(path, "fallback-not-static", "the fallback cannot have a menu", "say what is to be said, and hang up")
            return
        if not self._sound(run, path):
            return
        branches = self._branches(run, path)
        size = sum(branch.size for branch in branches.values())
        attempt = max(run.attempt, 1) if not run.inner else 1
        while True:
            self._attempt(run, path, attempt, branches)
            attempt += 1
            if attempt > self.attempts:
                break
            if size * (self.attempts - attempt + 2) > WRITTEN_OUT_BYTES and not run.inner:
                run.fetch(run.node, Entry(run.step, attempt, answered=True))
                run.elsewhere = True
                return
        if self.otherwise:
            run.goto(self.otherwise, (*path, "otherwise"))

    def _sound(self, run: Run, path: Path) -> bool:
        """Whether all that it leads to exists, and the caller can choose."""
        if not self.keys:
            run.error((*path, "keys"), "menu", "keys: a menu needs at least one key")
        if self.stop and any(self.stop in keys for keys in self.keys):
            run.error((*path, "stop"), "menu", f"stop: {self.stop} is one of the choices too", "use another key to stop")
        if self.timeout is not None and run.dialect == "reference":
            message = "timeout: the reference dialect has no time limit for input"
            run.compiler.report.warning((*path, "timeout"), "dialect", message, "it has none in this dialect: take it out")
        exist = [run.known(node, self._place(run, path, keys)) for keys, node in self.keys.items()]
        if self.otherwise:
            exist.append(run.known(self.otherwise, (*path, "otherwise")))
        return all(exist) and bool(self.keys)

    def _place(self, run: Run, path: Path, keys: str) -> Path:
        """Where a key stands in the file, however it is written there."""
        written = (keys, {"*": "star", "#": "hash"}.get(keys, keys))
        return next(
            ((*path, "keys", name) for name in written if (*path, "keys", name) in run.compiler.report.places), path
        )

    def _branches(self, run: Run, path: Path) -> dict[str, Run]:
        """A run for each key, the longest of them fetched where all together are too long."""
        branches = {}
        for keys, node in self.keys.items():
            branches[keys] = run.branch(answered=True)
            branches[keys].goto(node, self._place(run, path, keys))
        for keys in sorted(branches, key=lambda keys: -branches[keys].size):
            if sum(branch.size for branch in branches.values()) <= MENU_BYTES:
                break
            branches[keys] = run.branch(answered=True)
            branches[keys].fetch(self.keys[keys], Entry(answered=True))
        return branches

    def _attempt(self, run: Run, path: Path, attempt: int, branches: Mapping[str, Run]) -> None:
        prompt = say(run, _escalating(self.prompt, attempt), (*path, "prompt"))
        inside: list[Any] = [DTMF(run.place(branch), value=keys) for keys, branch in branches.items()]
        if self.no_match:
            inside.append(Default(say(run, _escalating(self.no_match, attempt), (*path, "no_match"))))
        if self.no_input:
            inside.append(Error(say(run, _escalating(self.no_input, attempt), (*path, "no_input"))))
        given: dict[str, Any] = {"dtmf_length": max(map(len, branches))}
        if self.stop:
            given["dtmf_stop"] = self.stop
        if run.dialect == "classic":
            given |= {"attempts": 1, "dtmf_stop": self.stop or _free_key(branches)}
            given |= {"timeout": self.timeout} if self.timeout is not None else {}
            run.write(Gather(prompt, *inside, **given), path=path)
        else:
            run.write(prompt, Gather(*inside, **given), path=path)


def _escalating(texts: list[str], attempt: int) -> str:
    """The text of an attempt: one an attempt, the last for all that follow."""
    return texts[min(attempt, len(texts)) - 1]


def _free_key(choices: Iterable[str]) -> str:
    """A stop key that is no choice: classic's own default, ``*``, might be one."""
    taken = "".join(choices)
    return next(key for key in "#*+" if key not in taken)


class Dialling(Word):
    """Ring people."""

    plain: ClassVar[str] = "to"
    to: Texts
    ring: Literal["at-once", "in-turn"] = "at-once"
    timeout: Duration | None = None
    no_answer: NodeName = ""
    record: bool = False
    tag: str = ""
    meta: dict[str, str] = {}
    error: Steps | None = None

    def write(self, run: Run, path: Path) -> None:
        """The Dial; with ``in-turn``, each next target in the Error of the one before."""
        targets = list(self._targets(run, path))
        if not targets:
            return
        nobody = self._nobody(run, path)
        rounds = [[target] for target in targets] if self.ring == "in-turn" else [targets]
        dial: Element | None = None
        for together in reversed(rounds):
            inside = [Error(dial)] if dial is not None else [Error(run.place(nobody))] if nobody is not None else []
            dial = self._dial(run, together, inside, path)
            if dial is None:
                return
        if dial is not None:
            run.write(dial, path=path)

    def _targets(self, run: Run, path: Path) -> Iterable[To]:
        if not self.to:
            run.error((*path, "to"), "dial", "to: nobody is dialled", "name a number or a SIP address")
        for index, target in enumerate(self.to):
            where: Path = (*path, "to", index)
            try:
                yield To(target.strip())
            except BuildError as error:
                run.error(
                    where, "dial-target", f"to: {_said(error)}", "a number as +12015550188, or ann@acme.sip.opentact.org"
                )

    def _nobody(self, run: Run, path: Path) -> Run | None:
        """What happens where nobody takes the call."""
        if self.no_answer and self.error is not None:
            run.error((*path, "error"), "dial", "no_answer and error mean the same: give one", key=True)
        if not self.no_answer and self.error is None:
            return None
        nobody = run.branch()
        if self.no_answer:
            nobody.goto(self.no_answer, (*path, "no_answer"))
        else:
            nobody.steps(self.error or [], (*path, "error"))
        return nobody

    def _dial(self, run: Run, targets: list[To], inside: list[Error], path: Path) -> Element | None:
        given: dict[str, Any] = {}
        if self.timeout is not None:
            given["timeout"] = self.timeout
        if self.tag:
            given["tag"] = run.text(self.tag, (*path, "tag"))
        if self.record and run.dialect == "classic":
            given["record"] = "record-from-answer"
        dial = Dial(*targets, *inside, *metas(run, self.meta, (*path, "meta")), **given)
        return Record(dial, tag="conversation") if self.record and run.dialect == "reference" else dial


class Voicemail(Word):
    """Take a message."""

    plain: ClassVar[str] = "greeting"
    greeting: str = ""
    max: Duration = 120_000
    stop: OneKey = "#"
    transcribe: bool = False
    thanks: str = ""

    def write(self, run: Run, path: Path) -> None:
        """Greeting, beep, a recording that a key ends, thanks."""
        if self.greeting:
            run.write(say(run, self.greeting, (*path, "greeting")), path=path)
        if run.dialect == "reference":
            run.write(BEEP, path=path)
        elif run.static:
            run.error(
                path, "fallback-not-static", "in the classic dialect the beep comes from this server", "use record instead"
            )
        else:
            run.write(Play(run.mark_url(_beep)), path=path)
        asr: dict[str, Any] = {"asr": True} if self.transcribe else {}
        run.write(Record(Pause(length=self.max, dtmf_stop=self.stop), tag="voicemail", **asr), path=path)
        if self.thanks:
            run.write(say(run, self.thanks, (*path, "thanks")), path=path)


def _beep(turn: Turn) -> str:
    return f"{turn.base}{BEEP_PATH}"


# Verbs


def say(run: Run, text: str, path: Path) -> Say:
    """A Say in the file's voice."""
    return Say(prose(run, text, path), **cast("Any", run.compiler.voice))


def prose(run: Run, text: str, path: Path, *, url: bool = False) -> str:
    """A text that callers hear, or a URL; refused where a comment cut it short."""
    cut = run.compiler.report.place(path).cut
    if cut:
        run.error(
            path, "comment-in-text", f"YAML takes {cut!r} for a comment and the text ends before it", "quote the text"
        )
    return run.text(text, path, url=url)


def metas(run: Run, given: Mapping[str, str], path: Path) -> list[Meta]:
    """``{name: value}`` as Metas."""
    return [Meta(run.text(value, (*path, name)), name=name) for name, value in given.items() if isinstance(value, str)]


def snake(name: str) -> str:
    """An element's name as a step: ``RecordStart`` is ``record_start``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


_PLAIN: Final = {"Pause": "length", "Hold": "timeout", "Geo": "states", "Schedule": "dow"}
_LISTS: Final = (DAYS, STATES, FREQUENCIES)
_CHILDREN: Final = ("do", "dtmf", "default", "error", "meta")


def _verb(cls: type[Element], value: Any, path: Path, run: Run) -> None:  # noqa: ANN401 - dicts, lists and texts
    """A step that is a verb: attributes under their own names, children under ``do``, ``dtmf``, ``default``, ``error``, ``meta``."""
    row = cls.row
    if not isinstance(value, dict):
        plain = row.plain.name if row.plain else _PLAIN.get(row.name, "")
        if value and not plain:
            run.error(
                path, "shape", f"{path[-1]}: takes no plain value", f"it has {', '.join([*row.attributes, *_CHILDREN])}"
            )
            return
        run.compiler.report.places[*path, plain] = run.compiler.report.place(path)
        value = {plain: value} if value else {}
    inside: list[Element] = []
    given: dict[str, Any] = {}
    if row.name == "Say":
        given |= run.compiler.voice
    for key, part in value.items():
        here = (*path, key)
        if key in _CHILDREN:
            inside += _children(cls, key, part, here, run)
        elif key in row.attributes:
            given[key] = _attribute(row.attributes[key], part, here, run)
        elif run.compiler.options.extensions.kind(row.name, key):
            given.setdefault("extra", {})[key] = run.text(part, here) if isinstance(part, str) else ""
        else:
            known = [*row.attributes, *_CHILDREN]
            near = suggestion(key, known) or f"it has {', '.join(known)}"
            run.error(here, "unknown-key", f"{path[-1]}: there is no {key!r}", near, key=True)
    if run.compiler.report.broken:
        given = {key: part for key, part in given.items() if part is not None}
    try:
        made = cast("Any", cls)(*inside, **given)
    except BuildError as error:
        run.error(path, "verb", str(error))
        return
    run.write(made, path=path)


def _attribute(attribute: Attribute, value: Any, path: Path, run: Run) -> Any:  # noqa: ANN401 - as the kind keeps it
    """An attribute's value from text; None, with an error said, where it is none."""
    kind: Kind = attribute.kind
    if isinstance(value, list) and kind in _LISTS and all(isinstance(part, str) for part in value):
        value = ",".join(value)
    if not isinstance(value, str):
        run.error(path, "shape", f"{attribute.name}: must be a text")
        return None
    if kind in (TEXT, LOOSE, URL):
        return prose(run, value, path, url=kind is URL)
    if "{{" in value or "{%" in value:
        run.error(
            path,
            "template",
            f"{attribute.name}: only texts and URLs can change from call to call",
            "write the value itself",
        )
        return None
    try:
        if kind is MS:
            return duration(value)
        if kind is BOOLEAN:
            value = _BOOLEANS.get(value.lower(), value)
        return kind.read(value)
    except ValueError as error:
        run.error(path, "value", f"{attribute.name}: {error}")
        return None


_BOOLEANS: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def _children(cls: type[Element], key: str, value: Any, path: Path, run: Run) -> list[Element]:  # noqa: ANN401
    """What stands in a verb under one of the keys for children."""
    if key == "meta":
        if isinstance(value, dict):
            return [*metas(run, value, path)]
        run.error(path, "shape", "meta: must be a mapping of names and values")
        return []
    if key in ("dtmf", "default") and cls is not Gather:
        run.error(path, "shape", f"{key}: stands in a gather only", key=True)
        return []
    if key == "dtmf":
        return _choices(value, path, run)
    if not isinstance(value, list):
        run.error(path, "shape", f"{key}: must be a list of steps", "begin each line with -")
        return []
    if key == "do":
        return _inside(cls, value, path, run)
    branch = run.branch()
    branch.answered = run.answered or cls in (Gather, Record, Say, Play, Tone)
    branch.steps(value, path)
    return [(Default if key == "default" else Error)(run.place(branch))] if branch.pieces else []


def _choices(value: Any, path: Path, run: Run) -> list[Element]:  # noqa: ANN401
    """``dtmf: {1: [steps], hash: [steps]}``."""
    if not isinstance(value, dict):
        run.error(path, "shape", "dtmf: must be a mapping of keys and steps", "as 1: [- say: One]")
        return []
    made: list[Element] = []
    for written, steps in value.items():
        here = (*path, written)
        try:
            keys = str(_keys(written))
        except ValueError as error:
            run.error(here, "value", f"dtmf: {error}", key=True)
            continue
        if not isinstance(steps, list):
            run.error(here, "shape", f"{written}: must be a list of steps", "begin each line with -")
            continue
        branch = run.branch(answered=True)
        branch.steps(steps, here)
        made.append(DTMF(*([run.place(branch)] if branch.pieces else []), value=keys))
    return made


def _inside(cls: type[Element], value: list[Any], path: Path, run: Run) -> list[Element]:
    """``do: [steps]``: the commands of a verb that holds commands."""
    if Say not in cls.row.inside:
        run.error(path, "shape", f"do: <{cls.row.name}> holds no commands", key=True)
        return []
    branch = run.branch()
    branch.answered = run.answered or cls in (Gather, Record)
    branch.steps(value, path)
    return [run.place(branch)] if branch.pieces else []


def _said(error: BuildError) -> str:
    """The message without its element."""
    return str(error).partition(": ")[2] or str(error)


# The table

_BRANCHES: Final = (Response, To, DTMF, Default, Error, Dial)
WORDS: Final[Mapping[str, type[Word]]] = {"goto": Goto, "menu": Menu, "dial": Dialling, "voicemail": Voicemail}
STEPS: Final[Mapping[str, Step]] = {
    **{snake(name): partial(_verb, cls) for name, cls in ELEMENTS.items() if cls not in _BRANCHES},
    **{name: partial(_word, cls) for name, cls in WORDS.items()},
}
"""Every step by its key. A word of flows comes before a verb of the same name."""


def verb_or_word(step: object, path: Path, run: Run) -> tuple[str, Any, str | None]:
    """A step's key, value and condition; an empty key, with an error said, where it is none."""
    if isinstance(step, str):
        step = {step: ""}
        run.compiler.report.keys[*path, *step] = run.compiler.report.place(path)
    if not isinstance(step, dict):
        run.error(path, "shape", "a step is one key, as say: Hello", "write - say: Hello")
        return "", None, None
    when = step.get("when")
    words = [key for key in step if key != "when"]
    if len(words) != 1:
        said = (
            f"a step has one key, and this has {len(words)}: {', '.join(words)}"
            if words
            else "a step with when needs something to do"
        )
        run.error(path, "shape", said, "write each as a step of its own, or indent what belongs to the first")
        return "", None, None
    word = words[0]
    if word not in STEPS:
        near = suggestion(word, [*STEPS]) or f"there are {', '.join(STEPS)}"
        run.error((*path, word), "unknown-step", f"there is no step {word!r}", near, key=True)
        return "", None, None
    if when is not None and not isinstance(when, str):
        run.error((*path, "when"), "shape", "when: must be an expression")
        return "", None, None
    return word, step[word], when


def condition(source: str, path: Path, run: Run) -> Callable[[Turn], object]:
    """A compiled ``when``; never true, with an error said, where it is none."""
    if run.static:
        run.error(path, "fallback-not-static", "the fallback needs nothing but itself, and this condition needs the call")
    try:
        made = run.compiler.prompts.condition(source)
    except ExpressionError as error:
        run.error(path, "expression", f"when: {error}", error.mend)
        return lambda _turn: False
    run.uses(made.uses)
    return made.holds
