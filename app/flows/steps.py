"""The steps of a flow, in one table: its own words, and every verb of the language under its own name."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from app.errors import nearest, suggestion
from app.flows.shapes import ALIKE
from app.flows.verbs import verb_step
from app.flows.words.asking import Collect, Menu
from app.flows.words.dialling import Dialling
from app.flows.words.going import Choose, Goto, Set
from app.flows.words.outside import LookUp, Notify, Sms
from app.flows.words.recording import Voicemail
from app.flows.words.word import Word, word_step
from app.flows.yaml_texts import UNREAD
from app.language.verbs import DTMF, ELEMENTS, Default, Dial, Error, Response, To

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.flows.places import Path
    from app.flows.writing import Run

Step: TypeAlias = "Callable[[Any, Path, Run], None]"


def snake(name: str) -> str:
    """An element's name as a step: ``RecordStart`` is ``record_start``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


_NOTHING: Final = ("", "~", "null")
_BRANCHES: Final = (Response, To, DTMF, Default, Error, Dial)
WORDS: Final[Mapping[str, type[Word]]] = {
    "goto": Goto,
    "choose": Choose,
    "set": Set,
    "menu": Menu,
    "collect": Collect,
    "dial": Dialling,
    "voicemail": Voicemail,
    "lookup": LookUp,
    "sms": Sms,
    "notify": Notify,
}
STEPS: Final[Mapping[str, Step]] = {
    **{snake(name): partial(verb_step, cls) for name, cls in ELEMENTS.items() if cls not in _BRANCHES},
    **{name: partial(word_step, cls) for name, cls in WORDS.items()},
}
"""Every step by its key. A word of flows comes before a verb of the same name."""


def verb_or_word(step: object, path: Path, run: Run) -> tuple[str, Any, str | None]:
    """A step's key, value and condition; an empty key where it cannot be told.

    What is wrong is said; of what is misspelt the right key is given, so that its value is looked at too.
    """
    if isinstance(step, str):
        step = {step: ""}
        run.compiler.report.keys[*path, *step] = run.compiler.report.place(path)
    if not isinstance(step, dict):
        run.error(path, "shape", "a step is one key, as say: Hello", "write - say: Hello")
        return "", None, None
    step = _with_when(step, path, run)
    when = step.get("when")
    if when is not None and not isinstance(when, str):
        run.error((*path, "when"), "shape", "when: must be an expression")
        when = None
    words = [key for key in step if key != "when"]
    if len(words) != 1:
        said = (
            f"a step has one key, and this has {len(words)}: {', '.join(words)}"
            if words
            else "a step with when needs something to do"
        )
        mend = (
            "write each as a step of its own, or indent what belongs to the first" if words else "as goto: closed below it"
        )
        run.error(path, "shape", said, mend)
        return "", None, when
    word = words[0]
    if step[word] is UNREAD:
        return "", None, when
    if word in _NOTHING:
        run.error(path, "shape", "the step is empty", "write a step, as - say: Hello, or take the - out")
        return "", None, when
    if word not in STEPS:
        first = word.replace(":", " ").partition(" ")[0]
        meant = f"write {first}: {word[len(first) + 1 :].strip()}" if first in STEPS else ""
        near = meant or suggestion(word, STEPS) or f"there are {', '.join(STEPS)}"
        run.error((*path, word), "unknown-step", f"there is no step {word!r}", near, key=True)
        right = nearest(word, STEPS, ALIKE)
        run.compiler.report.same((*path, word), (*path, right))
        return right if step[word] else "", step[word], when
    return word, step[word], when


def _with_when(step: dict[str, Any], path: Path, run: Run) -> dict[str, Any]:
    """A step whose ``when`` is spelt rightly; that it is not is said."""
    strange = "" if "when" in step or len(step) == 1 else nearest("when", step, ALIKE)
    if not strange or strange in STEPS:
        return step
    run.error((*path, strange), "unknown-key", f"there is no key {strange!r} here", "did you mean 'when'?", key=True)
    run.compiler.report.same((*path, strange), (*path, "when"))
    return {"when" if key == strange else key: value for key, value in step.items()}


def key_of(step: object) -> str:
    """A step's key; something even where it has none."""
    return next((word for word, _ in _words(step)), "?")


def there(step: object) -> bool:
    """Whether a step must be done when the call gets to it, not before."""
    return any(word in WORDS and WORDS[word].there(value) for word, value in _words(step))


def apart(steps: object) -> bool:
    """Whether something in these steps can only stand in a node, to which a call can come back."""
    if isinstance(steps, list):
        return any(apart(step) for step in steps)
    return any(
        (word in WORDS and (WORDS[word].returns or WORDS[word].there(value))) or any(apart(part) for part in _inside(value))
        for word, value in _words(steps)
    )


def _inside(value: object) -> Iterable[Any]:
    """The lists and mappings in a step's value, in which there may be steps."""
    parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return [part for part in parts if isinstance(part, (list, dict))]


def _words(step: object) -> Iterable[tuple[str, Any]]:
    """A step's key and value."""
    if isinstance(step, str):
        return [(step, "")]
    return [(word, value) for word, value in step.items() if word != "when"] if isinstance(step, dict) else []
