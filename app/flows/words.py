"""The words of flows: what an author says in one line, and the verbs that it becomes.

A word is a class: its fields are the keys that an author writes, ``write`` says what becomes of them. A new word is a
class, and a line
in ``steps``' table.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import pydantic

from app.calls import e164
from app.errors import BuildError
from app.flows.book import Entry
from app.flows.files import Path, Steps, validate
from app.flows.values import keys_of, value_of
from app.language.values import NUMBER, duration
from app.language.verbs import DTMF, Default, Dial, Error, Gather, Pause, Play, Record, Say, To, Tone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.calls import Turn
    from app.flows.writing import Run

WRITTEN_OUT_BYTES: Final = 16_000
"""A menu's attempts are written out in one document up to this size; beyond it the next attempt is fetched."""
MENU_BYTES: Final = 40_000
"""A menu's branches are written in place up to this size; beyond it the longest are fetched."""
BEEP: Final = Tone(hz="1000", don=500, loop=1, leg="aleg", tag="beep")
BEEP_PATH: Final = "/media/beep.wav"
"""Our own beep, for a dialect without a tone."""


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _one_key(value: object) -> object:
    key = keys_of(value)
    if isinstance(key, str) and len(key) > 1:
        raise ValueError(f"must be one key, not {value!r}")
    return key


def _duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


Texts = Annotated[list[str], pydantic.BeforeValidator(_list)]
Keys = Annotated[str, pydantic.BeforeValidator(keys_of)]
OneKey = Annotated[str, pydantic.BeforeValidator(_one_key)]
Duration = Annotated[int, pydantic.BeforeValidator(_duration)]
Some = Annotated[Texts, pydantic.Field(min_length=1)]
NodeName = str


class Word(pydantic.BaseModel):
    """A word of flows. ``plain`` is the key that a value without keys means."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    plain: ClassVar[str] = ""
    verb: ClassVar[str] = ""
    """The verb whose declared attributes it takes too."""

    def write(self, run: Run, path: Path) -> None:
        """Write what the word means into a run."""


def word_step(cls: type[Word], value: Any, path: Path, run: Run) -> None:  # noqa: ANN401 - dicts, lists and texts
    """A step with a word: its value as the word's class, then what that writes."""
    if not isinstance(value, dict):
        if not cls.plain:
            run.error(path, "shape", f"{path[-1]}: must be a mapping of keys and values")
            return
        key = (cls.plain,)
        run.compiler.report.places.setdefault((*path, *key), run.compiler.report.place(path))
        value = {cls.plain: value}
    declared = run.compiler.options.extensions.kinds.get(cls.verb, {})
    if declared.keys() & value.keys():
        given = {
            key: value_of(declared[key], key, part, (*path, key), run) for key, part in value.items() if key in declared
        }
        extra = {key: declared[key].write(part) for key, part in given.items() if part is not None}
        value = {**{key: part for key, part in value.items() if key not in declared}, "extra": extra}
    made = validate(cls, value, path, run.compiler.report)
    if made is not None:
        try:
            made.write(run, path)
        except BuildError as error:
            run.error(path, "verb", str(error))


class Goto(Word):
    """Go on at another node."""

    plain: ClassVar[str] = "node"
    node: NodeName

    def write(self, run: Run, path: Path) -> None:
        """End here, go on there."""
        run.goto(self.node, path)


class Menu(Word):
    """Offer choices by key."""

    prompt: Some
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
        run.answer()
        while True:
            written = run.branch(inner=False)
            self._attempt(written, path, attempt, branches)
            run.repeat(written)
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
        self._look_at_keys(run, path)
        if self.timeout is not None and run.dialect == "reference":
            message = "timeout: the reference dialect has no time limit for input"
            run.compiler.report.warning((*path, "timeout"), "dialect", message, "it has none in this dialect: take it out")
        exist = [run.known(node, self._place(run, path, keys)) for keys, node in self.keys.items()]
        if self.otherwise:
            exist.append(run.known(self.otherwise, (*path, "otherwise")))
        return all(exist) and bool(self.keys)

    def _look_at_keys(self, run: Run, path: Path) -> None:
        """Say what a caller could not press, or would have to guess."""
        if not self.keys:
            run.error((*path, "keys"), "menu", "keys: a menu needs at least one key")
        for word, key in (("star", "*"), ("hash", "#")):
            if all((*path, "keys", name) in run.compiler.report.keys for name in (word, key)):
                said = f"keys: {word} and {key} are one key"
                run.error((*path, "keys", word), "key-twice", said, "take one out", key=True)
        if self.stop and any(self.stop in keys for keys in self.keys):
            run.error((*path, "stop"), "menu", f"stop: {self.stop} is one of the choices too", "use another key to stop")
        for short, long in itertools.permutations(self.keys, 2):
            if long.startswith(short):
                message = f"keys: whoever presses {short} may have begun {long}, and is waited for"
                place = self._place(run, path, short)
                run.compiler.report.warning(place, "key-shadowed", message, "let no key begin another")
        if len({*map(len, self.keys)}) > 1 and not self.stop:
            self._look_at_lengths(run, (*path, "keys"))

    def _look_at_lengths(self, run: Run, path: Path) -> None:
        """A short key among longer ones must be ended by another, where nothing else ends the input."""
        end = _free_key(self.keys)
        message = f"keys: some are longer than others; {end} ends a short one at once"
        mend = "say so in the prompt, or name a stop key"
        if end == "+":
            message = "keys: some are longer than others, and no key is left to end a short one"
            mend = "make them equally long, or leave star or hash free"
        run.compiler.report.warning(path, "key-lengths", message, mend)

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
        """One attempt; of several texts each is for its attempt, the last for all that follow."""

        def text(key: str, texts: list[str]) -> Say:
            index = min(attempt, len(texts)) - 1
            listed: Path = (*path, key, index)
            return run.say(texts[index], listed if listed in run.compiler.report.places else (*path, key))

        prompt = text("prompt", self.prompt)
        inside: list[Any] = [DTMF(run.place(branch), value=keys) for keys, branch in branches.items()]
        if self.no_match:
            inside.append(Default(text("no_match", self.no_match)))
        if self.no_input:
            inside.append(Error(text("no_input", self.no_input)))
        given: dict[str, Any] = {"dtmf_length": max(map(len, branches))}
        uneven = len({*map(len, branches)}) > 1
        if self.stop or (uneven and _free_key(branches) != "+"):
            given["dtmf_stop"] = self.stop or _free_key(branches)
        if run.dialect == "classic":
            given |= {"attempts": 1, "dtmf_stop": self.stop or _free_key(branches)}
            given |= {"timeout": self.timeout} if self.timeout is not None else {}
            run.write(Gather(prompt, *inside, **given), path=path)
        else:
            run.write(prompt, Gather(*inside, **given), path=path)


def _free_key(choices: Iterable[str]) -> str:
    """A stop key that is no choice: classic's own default, ``*``, might be one."""
    taken = "".join(choices)
    return next(key for key in "#*+" if key not in taken)


class Dialling(Word):
    """Ring people."""

    plain: ClassVar[str] = "to"
    verb: ClassVar[str] = "Dial"
    to: Some
    ring: Literal["at-once", "in-turn"] = "at-once"
    timeout: Duration | None = None
    no_answer: NodeName = ""
    record: bool = False
    tag: str = ""
    meta: dict[str, str] = {}
    error: Steps | None = None
    extra: dict[str, str] = {}

    def write(self, run: Run, path: Path) -> None:
        """The Dial; with ``in-turn``, each next target in the Error of the one before."""
        targets = list(self._targets(run, path))
        nobody = self._nobody(run, path)
        if not targets:
            return
        rounds = [[target] for target in targets] if self.ring == "in-turn" else [targets]
        dial: Dial | Record | None = None
        for together in reversed(rounds):
            inside = [Error(dial)] if dial is not None else [Error(run.place(nobody))] if nobody is not None else []
            dial = self._dial(run, together, inside, path)
        if dial is not None:
            run.write(dial, path=path)

    def _targets(self, run: Run, path: Path) -> Iterable[To]:
        for index, target in enumerate(self.to):
            where: Path = (*path, "to", index)
            if "{{" in target or "{%" in target:
                run.error(
                    where,
                    "dial-target",
                    f"to: must be a number or a SIP address that is written out, not {target!r}",
                    "a number as +12015550188, or ann@acme.sip.opentact.org",
                )
                continue
            if NUMBER.accepts(target.strip()) and not e164(target):
                message = f"to: {target!r} is no number that can be rung from everywhere"
                mend = "write it with its country code, as +12015550188; an extension of yours is fine"
                run.compiler.report.warning(where, "dial-target", message, mend)
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

    def _dial(self, run: Run, targets: list[To], inside: list[Error], path: Path) -> Dial | Record:
        given: dict[str, Any] = {}
        if self.timeout is not None:
            given["timeout"] = self.timeout
        if self.extra:
            given["extra"] = self.extra
        if self.tag:
            given["tag"] = run.prose(self.tag, (*path, "tag"))
        if self.record and run.dialect == "classic":
            given["record"] = "record-from-answer"
        dial = Dial(*targets, *inside, *run.metas(self.meta, (*path, "meta")), **given)
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
            run.write(run.say(self.greeting, (*path, "greeting")), path=path)
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
            run.write(run.say(self.thanks, (*path, "thanks")), path=path)


def _beep(turn: Turn) -> str:
    return f"{turn.base}{BEEP_PATH}"


def _said(error: BuildError) -> str:
    """The message without its element."""
    return str(error).partition(": ")[2] or str(error)
