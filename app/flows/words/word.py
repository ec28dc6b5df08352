"""What a word of flows is, and the kinds of value that its keys take."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import pydantic

from app.errors import BuildError
from app.flows.expressions.functions import BY_NAME
from app.flows.expressions.scope import SCOPE
from app.flows.files import form
from app.flows.shapes import validate
from app.flows.values import keys_of, value_of
from app.flows.voices import voice_of
from app.language.values import KEY, KEYS, MS, duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.places import Path
    from app.flows.writing import Run
    from app.language import Say

NAME: Final = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}")
"""The name of a value."""
TAKEN: Final = frozenset({*SCOPE, *BY_NAME, "true", "false", "none", "and", "or", "not", "in", "is", "if", "else"})
"""Names that flows have already."""


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _one_key(value: object) -> object:
    key = keys_of(value)
    if isinstance(key, str) and len(key) > 1:
        raise ValueError(f"must be one key, not {value!r}")
    return key


def _duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


def name_of(value: object) -> object:
    """A name that a flow gives a value."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError(f"must be a name of letters, digits and _, not {value!r}")
    if value in TAKEN:
        raise ValueError(f"{value!r} is a name that flows have already")
    return value


Texts = Annotated[list[str], pydantic.BeforeValidator(_list), form("texts")]
Keys = Annotated[str, pydantic.BeforeValidator(keys_of), KEYS]
OneKey = Annotated[str, pydantic.BeforeValidator(_one_key), KEY]
Duration = Annotated[int, pydantic.BeforeValidator(_duration), MS]
Some = Annotated[Texts, pydantic.Field(min_length=1), form("some texts")]
GivenName = Annotated[str, pydantic.BeforeValidator(name_of), form("name")]
NodeName = str
Attempts = Annotated[int, pydantic.Field(ge=1, le=10)]


class Word(pydantic.BaseModel):
    """A word of flows. ``plain`` is the key that a value without keys means."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    plain: ClassVar[str] = ""
    instead: ClassVar[Mapping[str, Any]] = {}
    """What stands for keys that are needed and could not be read."""
    verb: ClassVar[str] = ""
    """The verb whose declared attributes it takes too."""
    open: ClassVar[bool] = False
    """Whether its value is taken as it is, under the plain key."""
    returns: ClassVar[bool] = False
    """Whether the call comes back to it."""

    @classmethod
    def there(cls, _value: object) -> bool:
        """Whether it must be done when the call gets to it, not before."""
        return False

    def write(self, run: Run, path: Path) -> None:
        """Write what the word means into a run."""


class Spoken(Word):
    """A word that says something."""

    voice: Annotated[dict[str, str], form("voice")] = pydantic.Field(
        {}, description="The voice of its texts where it is another than the file's, as {lang: es-US}."
    )

    def say(self, run: Run, path: Path, text: str, here: Path) -> Say:
        """A text that stands ``here``, in the word's voice."""
        return run.say(text, here, self.voice_in(run, path))

    def voice_in(self, run: Run, path: Path) -> dict[str, str]:
        """What it is said in."""
        return voice_of(self.voice, (*path, "voice"), run.compiler.report)


def word_step(cls: type[Word], value: Any, path: Path, run: Run) -> None:  # noqa: ANN401 - dicts, lists and texts
    """A step with a word: its value as the word's class, then what that writes."""
    if cls.open or not isinstance(value, dict):
        if not cls.plain:
            run.error(path, "shape", f"{path[-1]}: must be a mapping of keys and values")
            return
        key = (cls.plain,)
        run.compiler.report.also(path, (*path, *key), len(value) if isinstance(value, list) else 0)
        value = {cls.plain: value}
    declared = run.compiler.options.extensions.kinds.get(cls.verb, {})
    if declared.keys() & value.keys():
        given = {
            key: value_of(declared[key], key, part, (*path, key), run) for key, part in value.items() if key in declared
        }
        extra = {key: declared[key].write(part) for key, part in given.items() if part is not None}
        value = {**{key: part for key, part in value.items() if key not in declared}, "extra": extra}
    report = run.compiler.report
    made = validate(cls, value, path, report)
    if made is None:
        return
    with report.errors_only() if report.wrong_at(path) else contextlib.nullcontext():
        try:
            made.write(run, path)
        except BuildError as error:
            run.error(path, "verb", str(error))


def for_attempt(run: Run, path: Path, key: str, texts: list[str], attempt: int) -> tuple[str, Path]:
    """Of several texts the one for an attempt, the last for all that follow; and where it stands."""
    index = min(attempt, len(texts)) - 1
    listed: Path = (*path, key, index)
    return texts[index], listed if listed in run.compiler.report.places else (*path, key)
