"""Every verb of the language as a step: attributes under their own names, and five keys for what stands inside.

What a verb takes is read off the language's table; nothing of it is said again here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from app.errors import BuildError, nearest, suggestion
from app.flows.shapes import ALIKE
from app.flows.values import keys_of, value_of
from app.language.values import URL
from app.language.verbs import DTMF, Call, Callback, Default, Error, Gather, Geo, Play, Record, Say, Schedule, Tone
from app.spots import ASKS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.flows.places import Path
    from app.flows.writing import Run
    from app.language.element import Element

_PLAIN: Final = {"Pause": "length", "Hold": "timeout", "Geo": "states", "Schedule": "dow"}
SOUNDS: Final = (".mp3", ".wav")
"""How the names of files end that Opentact plays."""
PROMPTS: Final = ("say", "play", "pause")
"""The steps that may stand in a gather."""
CHILDREN: Final = ("do", "dtmf", "default", "error", "meta")
"""The keys for what stands inside a verb."""
_FAILS: Final[Mapping[type[Element], str]] = {Gather: "no-input", Callback: "fails"}
"""What is said of the error of verbs that a caller, or another server, can make fail."""
VOICE: Final = tuple(name for name in Say.row.attributes if name not in ("text", "loop", "tag"))
"""The attributes of a Say for which a file may name defaults."""


def verb_step(cls: type[Element], value: Any, path: Path, run: Run) -> None:  # noqa: ANN401 - dicts, lists and texts
    """A step that is a verb."""
    keys = value if isinstance(value, dict) else _plain(cls, value, path, run)
    if keys is None:
        return
    inside: list[Element] = []
    given: dict[str, Any] = {**run.compiler.voice} if cls is Say else {}
    for written, part in keys.items():
        key = _key(cls, written, keys, path, run)
        if key in CHILDREN:
            inside += _children(cls, key, part, (*path, key), run)
        else:
            run.lang = str(keys.get("lang", "")) if cls is Say else ""
            _give(cls, key, part, (*path, key), run, given)
            run.lang = ""
    if cls is Say:
        run.spoken(keys.get("text"), (*path, "text"))
    if cls is Play:
        _look_at_audio(keys.get("url"), (*path, "url"), run)
    try:
        made = cast("Any", cls)(*inside, **{key: part for key, part in given.items() if part is not None})
    except BuildError as error:
        if not any(part is None for part in given.values()):
            run.error(path, "verb", str(error))
        return
    if cls in (Call, Geo, Schedule):
        run.note(ASKS, path)
    run.write(made, path=path)


def _key(cls: type[Element], written: str, keys: Mapping[str, Any], path: Path, run: Run) -> str:
    """A verb's key, spelt rightly; that it is not is said."""
    known = [*cls.row.attributes, *CHILDREN]
    declared = written in known or run.compiler.options.extensions.kind(cls.row.name, written) is not None
    right = "" if declared else nearest(written, known, ALIKE)
    if not right or right in keys:
        return written
    mend = f"did you mean {right!r}?"
    run.error((*path, written), "unknown-key", f"{path[-1]}: there is no {written!r}", mend, key=True)
    run.compiler.report.same((*path, written), (*path, right))
    return right


def _look_at_audio(url: object, path: Path, run: Run) -> None:
    """Say that a sound is of no kind that Opentact plays, as far as its address tells."""
    file = urlsplit(url).path.lower() if isinstance(url, str) and "{" not in url and URL.accepts(url) else ""
    if file and not file.endswith(SOUNDS):
        said = f"url: {file.rpartition('/')[2] or url!r} is neither an mp3 nor a wav file by its name"
        run.warning(path, "audio-url", said, "Opentact plays mp3 and wav files: name one")


def plain_name(cls: type[Element]) -> str:
    """The attribute that a plain value means; nothing where a verb takes none."""
    return cls.row.plain.name if cls.row.plain else _PLAIN.get(cls.__name__, "")


def _plain(cls: type[Element], value: Any, path: Path, run: Run) -> dict[str, Any] | None:  # noqa: ANN401
    """A verb's keys where it is given a plain value; None, with an error said, where it takes none."""
    report = run.compiler.report
    name = plain_name(cls)
    if not value and (report.place(path).cut or report.wrong_at(path)):
        run.prose("", path)
        return None
    if value and not name:
        run.error(
            path, "shape", f"{path[-1]}: takes no plain value", f"it has {', '.join([*cls.row.attributes, *CHILDREN])}"
        )
        return None
    report.places[*path, name] = report.place(path)
    return {name: value} if value else {}


def _give(cls: type[Element], key: str, part: Any, path: Path, run: Run, given: dict[str, Any]) -> None:  # noqa: ANN401
    """Read an attribute, one of the verb's own or one that the author declared."""
    row = cls.row
    declared = run.compiler.options.extensions.kind(row.name, key)
    if key in row.attributes:
        given[key] = value_of(row.attributes[key].kind, key, part, path, run)
    elif declared is not None:
        taken = value_of(declared, key, part, path, run)
        given["extra"] = {**given.get("extra", {}), key: "" if taken is None else declared.write(taken)}
    else:
        known = [*row.attributes, *CHILDREN]
        near = suggestion(key, known) or f"it has {', '.join(known)}"
        run.error(path, "unknown-key", f"{path[-2]}: there is no {key!r}", near, key=True)


def _children(cls: type[Element], key: str, value: Any, path: Path, run: Run) -> list[Element]:  # noqa: ANN401
    """What stands in a verb under one of the keys for children."""
    if key == "meta":
        if isinstance(value, dict):
            return [*run.metas(value, path)]
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
    branch = run.within(value, path, answered=run.answered or cls in (Gather, Record, Say, Play, Tone))
    if not branch.pieces:
        return []
    what = "no-match" if key == "default" else _FAILS.get(cls, "")
    inside = run.noted(what, path, run.place(branch)) if what else [run.place(branch)]
    return [(Default if key == "default" else Error)(*inside)]


def _choices(value: Any, path: Path, run: Run) -> list[Element]:  # noqa: ANN401
    """``dtmf: {1: [steps], hash: [steps]}``."""
    if not isinstance(value, dict):
        run.error(path, "shape", "dtmf: must be a mapping of keys and steps", "as 1: [- say: One]")
        return []
    made: list[Element] = []
    for written, steps in value.items():
        here = (*path, written)
        try:
            keys = str(keys_of(written))
        except ValueError as error:
            run.error(here, "value", f"dtmf: {error}", key=True)
            continue
        if not isinstance(steps, list):
            run.error(here, "shape", f"{written}: must be a list of steps", "begin each line with -")
            continue
        branch = run.within(steps, here, answered=True)
        inside = [run.place(branch)] if branch.pieces else []
        made.append(DTMF(*run.noted(f"key {keys}", here, *inside), value=keys))
    return made


def _inside(cls: type[Element], value: list[Any], path: Path, run: Run) -> list[Element]:
    """``do: [steps]``: the commands of a verb that holds commands."""
    if Say not in cls.row.inside:
        run.error(path, "shape", f"do: <{cls.row.name}> holds no commands", key=True)
        return []
    if cls is Gather:
        return _prompts(value, path, run)
    branch = run.within(value, path, answered=run.answered or cls is Record)
    return [run.place(branch)] if branch.pieces else []


def _prompts(value: list[Any], path: Path, run: Run) -> list[Element]:
    """``do`` of a gather: its prompts, which stand before it in the reference dialect and inside it in the classic."""
    for index, step in enumerate(value):
        wrong = [key for key in (step if isinstance(step, dict) else {step: ""}) if key not in PROMPTS]
        if wrong:
            message = f"do: {wrong[0]!r} is no prompt, and nothing else may stand in a gather"
            run.error((*path, index), "shape", message, f"there are {', '.join(PROMPTS)}")
    run.answer()
    branch = run.branch()
    branch.steps(value, path)
    if run.dialect == "classic":
        return [run.place(branch)] if branch.pieces else []
    run.repeat(branch)
    return []
