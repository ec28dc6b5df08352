"""Words that ask the caller: by key, or for digits."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pydantic

from app.flows.book import Entry
from app.flows.checks.flow import look_at_prompts
from app.flows.files import form
from app.flows.pieces import Choice, merged
from app.flows.shapes import SOMETHING
from app.flows.trail import SECRET
from app.flows.words.digits import Reading, begins_with_zero, pattern
from app.flows.words.word import Attempts, Duration, GivenName, Keys, NodeName, OneKey, Some, Spoken, Texts, for_attempt
from app.kept import Values
from app.language.verbs import DTMF, Default, Error, Gather, Say

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.calls import Turn
    from app.flows.places import Path
    from app.flows.writing import Run

WRITTEN_OUT_BYTES: Final = 16_000
"""A menu's attempts are written out in one document up to this size; beyond it the next attempt is fetched."""
MENU_BYTES: Final = 40_000
"""A menu's branches are written in place up to this size; beyond it the longest are fetched."""
MOST_DIGITS: Final = 40
"""Digits that can be collected."""


def _digits(value: object) -> object:
    """``6`` or ``4-8``."""
    found = re.fullmatch(r"([0-9]{1,3})(?: *- *([0-9]{1,3}))?", value.strip()) if isinstance(value, str) else None
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most <= MOST_DIGITS:
        raise ValueError(f"must be a number of digits as 6, or 4-8, at most {MOST_DIGITS}, not {value!r}")
    return least, most


class Question(Spoken):
    """What words that ask the caller have in common."""

    prompt: Some = pydantic.Field(description="What is said before each attempt; of several texts one for each.")
    no_input: Texts = pydantic.Field(
        [], description="What is said where no key was pressed; of several texts one for each attempt."
    )
    no_match: Texts = pydantic.Field(
        [], description="What is said where it was none of what is asked for; of several texts one for each attempt."
    )
    attempts: Attempts = pydantic.Field(3, description="How often it is asked.")
    otherwise: NodeName = pydantic.Field("", description="The node for a caller of whom nothing came.")
    timeout: Duration | None = pydantic.Field(None, description="How long a key is waited for (classic only).")

    def look_at_timeout(self, run: Run, path: Path) -> None:
        """Say that a dialect has no limit."""
        if self.timeout is not None and run.dialect == "reference":
            message = "timeout: the reference dialect has no time limit for input"
            run.warning((*path, "timeout"), "dialect", message, "it has none in this dialect: take it out")

    def way_out(self, run: Run, path: Path) -> None:
        """Say that a caller who does nothing is hung up on without a word."""
        if not self.otherwise and not run.following:
            message = f"{path[-1]}: a caller who presses nothing is hung up on without a word"
            run.warning(path, "no-way-out", message, "name a node under otherwise, or say something after it", key=True)


class Menu(Question):
    """Offer choices by key."""

    instead: ClassVar[Mapping[str, Any]] = {"prompt": "?", "keys": {"1": SOMETHING}}
    keys: dict[Keys, NodeName] = pydantic.Field(description="The node for each key: 0-9, star, hash, or several such.")
    stop: OneKey = pydantic.Field("", description="A key that ends the input.")

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
            run.note("otherwise", (*path, "otherwise"))
            run.goto(self.otherwise, (*path, "otherwise"))
        self.way_out(run, path)

    def _sound(self, run: Run, path: Path) -> bool:
        """Whether all that it leads to exists, and the caller can choose."""
        self._look_at_keys(run, path)
        self.look_at_timeout(run, path)
        places = [(self._place(run, path, keys), node) for keys, node in self.keys.items()]
        run.compiler.reach.chosen.update(places)
        exist = [run.known(node, place) for place, node in places]
        if self.otherwise:
            exist.append(run.known(self.otherwise, (*path, "otherwise")))
        return all(exist) and bool(self.keys)

    def _look_at_keys(self, run: Run, path: Path) -> None:
        """Say what a caller could not press, or would have to guess."""
        if not self.keys:
            run.error((*path, "keys"), "menu", "keys: a menu needs at least one key")
            run.known(SOMETHING, path)
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
                run.warning(place, "key-shadowed", message, "let no key begin another")
        if len({*map(len, self.keys)}) > 1 and not self.stop:
            self._look_at_lengths(run, (*path, "keys"))
        if {**run.compiler.voice, **self.voice_in(run, path)}.get("lang", "en-US").lower().startswith("en"):
            texts = {"prompt": self.prompt, "no_input": self.no_input, "no_match": self.no_match}
            stop = (self.stop or _free_key(self.keys)) if self._ends_by_key(run) else ""
            look_at_prompts(run, path, texts, self.keys, stop)

    def _ends_by_key(self, run: Run) -> bool:
        """Whether a key ends the input."""
        return bool(self.stop) or run.dialect == "classic" or len({*map(len, self.keys)}) > 1

    def _look_at_lengths(self, run: Run, path: Path) -> None:
        """A short key among longer ones must be ended by another, where nothing else ends the input."""
        end = _free_key(self.keys)
        message = f"keys: some are longer than others; {end} ends a short one at once"
        mend = "say so in the prompt, or name a stop key"
        if end == "+":
            message = "keys: some are longer than others, and no key is left to end a short one"
            mend = "make them equally long, or leave star or hash free"
        run.warning(path, "key-lengths", message, mend)

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
            branches[keys].note(f"key {keys}", self._place(run, path, keys))
            branches[keys].goto(node, self._place(run, path, keys))
        for keys in sorted(branches, key=lambda keys: -branches[keys].size):
            if sum(branch.size for branch in branches.values()) <= MENU_BYTES:
                break
            branches[keys] = run.branch(answered=True)
            branches[keys].note(f"key {keys}", self._place(run, path, keys))
            branches[keys].fetch(self.keys[keys], Entry(answered=True))
        return branches

    def _attempt(self, run: Run, path: Path, attempt: int, branches: Mapping[str, Run]) -> None:
        """One attempt."""

        def text(key: str, texts: list[str]) -> Say:
            return self.say(run, path, *for_attempt(run, path, key, texts, attempt))

        prompt = text("prompt", self.prompt)
        inside: list[Any] = [DTMF(run.place(branch), value=keys) for keys, branch in branches.items()]
        if self.no_match:
            inside.append(Default(*run.noted("no-match", (*path, "no_match"), text("no_match", self.no_match))))
        if self.no_input:
            inside.append(Error(*run.noted("no-input", (*path, "no_input"), text("no_input", self.no_input))))
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


class Collect(Question):
    """Take digits, and go on with them."""

    instead: ClassVar[Mapping[str, Any]] = {"into": "unread", "digits": "1", "prompt": "?"}
    returns: ClassVar[bool] = True
    into: GivenName = pydantic.Field(description="The name under which the digits are kept.")
    digits: Annotated[tuple[int, int], pydantic.BeforeValidator(_digits), form("digits")] = pydantic.Field(
        description="How many digits, as 6 or 4-8."
    )
    stop: OneKey = pydantic.Field("#", description="The key that ends the input.")
    match: Annotated[str, pydantic.AfterValidator(pattern)] = pydantic.Field(
        "", description="A regular expression for all the digits."
    )
    secret: bool = pydantic.Field(default=False, description="Whether the digits are masked wherever they are shown.")

    def write(self, run: Run, path: Path) -> None:
        """The attempts; each asks us with what was pressed, and the entry that is asked begins by looking at it."""
        if run.static:
            run.error(
                path, "fallback-not-static", "the fallback cannot ask for digits", "say what is to be said, and hang up"
            )
            return
        if self.otherwise and not run.known(self.otherwise, (*path, "otherwise")):
            return
        self._look(run, path)
        run.answer()
        if not run.given:
            run.act_quietly(self._forget)
            self._attempts(run, path, max(run.attempt, 1))
            run.elsewhere = run.ends
            return
        mark = run.mark_of("collect", self._says(), ())
        reading = Reading(self, mark, classic=run.dialect == "classic")
        for outcome, texts in (("no-input", self.no_input), ("no-match", self.no_match)):
            wrong = run.branch(inner=False)
            wrong.act_quietly(self._forget)
            key = outcome.replace("-", "_")
            if texts or outcome == "no-match":
                wrong.note(outcome, (*path, key))
            if texts:
                wrong.write(self.say(wrong, path, *for_attempt(run, path, key, texts, run.attempt)), path=path)
            self._attempts(wrong, path, run.attempt + 1)
            if not wrong.ends:
                wrong.resume(run.step + 1)
            run.pieces.append(Choice(reading.found(outcome), merged(wrong.pieces), ends=True))
            run.absorb(wrong)
        run.note("collected", path)
        run.keeps(self.into, "0" * self.digits[1], (*path, "digits"), run.step + 1)
        run.act(reading.keep, path, f"digits are collected into {self.into!r}")

    def _forget(self, turn: Turn) -> None:
        """Nothing is collected yet, whatever was when the caller was asked before."""
        if self.into in turn.values or "digits" in turn.values:
            turn.values = Values({name: value for name, value in turn.values.items() if name not in (self.into, "digits")})

    def _look(self, run: Run, path: Path) -> None:
        """Say what a dialect cannot do."""
        self.look_at_timeout(run, path)
        if run.dialect == "classic" and self.digits[1] > 1 and begins_with_zero(self.match, *self.digits):
            message = "digits: the classic dialect tells digits as a whole number, and zeros at their beginning are lost"
            if self.digits[0] == self.digits[1]:
                few = "12".zfill(self.digits[1])[-self.digits[1] :]
                message = f"{message}: whoever presses {int(few)} and {self.stop or 'waits'} has pressed {few}"
            mend = 'a pattern that no zero begins leaves no doubt, as match: "[1-9][0-9]*"'
            run.warning((*path, "digits"), "leading-zeros", message, mend)
        self.way_out(run, path)

    def _says(self) -> str:
        least, most = self.digits
        digits = f"{least} digits" if least == most else f"{least} to {most} digits"
        return f"{self.into}: {digits}{f' matching {SECRET if self.secret else self.match}' if self.match else ''}"

    def _attempts(self, run: Run, path: Path, first: int) -> None:
        """The attempts from one on, then ``otherwise`` where there is one."""
        for attempt in range(first, self.attempts + 1):
            self._attempt(run, path, attempt)
        if self.otherwise:
            run.note("otherwise", (*path, "otherwise"))
            run.goto(self.otherwise, (*path, "otherwise"))

    def _attempt(self, run: Run, path: Path, attempt: int) -> None:
        prompt = self.say(run, path, *for_attempt(run, path, "prompt", self.prompt, attempt))
        url = run.url(run.node, Entry(run.step, attempt, answered=True, given=True))
        inside = []
        if self.no_input:
            said = self.say(run, path, *for_attempt(run, path, "no_input", self.no_input, attempt))
            inside.append(Error(*run.noted("no-input", (*path, "no_input"), said)))
        given: dict[str, Any] = {"dtmf_length": self.digits[1], "dtmf_stop": self.stop, "url": url}
        if run.dialect == "classic":
            given |= {"attempts": 1, "method": "GET"} | ({"timeout": self.timeout} if self.timeout is not None else {})
            run.write(Gather(prompt, *inside, **given), path=path)
        else:
            run.write(prompt, Gather(*inside, **given), path=path)


def _free_key(choices: Iterable[str]) -> str:
    """A stop key that is no choice: classic's own default, ``*``, might be one."""
    taken = "".join(choices)
    return next(key for key in "#*+" if key not in taken)
