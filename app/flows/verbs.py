"""Every verb of the language as a step: attributes under their own names, and five keys for what stands inside.

What a verb takes is read off the language's table; nothing of it is said again here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from app.errors import BuildError, suggestion
from app.flows.words import keys_of
from app.language.values import BOOLEAN, DAYS, FREQUENCIES, KEY, KEYS, LOOSE, MS, STATES, STOP_KEY, TEXT, URL, duration
from app.language.verbs import DTMF, Default, Error, Gather, Play, Record, Say, Tone

if TYPE_CHECKING:
    from app.flows.files import Path
    from app.flows.writing import Run
    from app.language.element import Attribute, Element
    from app.language.values import Kind

_PLAIN: Final = {"Pause": "length", "Hold": "timeout", "Geo": "states", "Schedule": "dow"}
_PROMPTS: Final = ("say", "play", "pause")
_LISTS: Final = (DAYS, STATES, FREQUENCIES)
_CHILDREN: Final = ("do", "dtmf", "default", "error", "meta")


def verb_step(cls: type[Element], value: Any, path: Path, run: Run) -> None:  # noqa: ANN401 - dicts, lists and texts
    """A step that is a verb."""
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
        return run.prose(value, path, url=kind is URL)
    if "{{" in value or "{%" in value:
        run.error(
            path,
            "template",
            f"{attribute.name}: only texts and URLs can change from call to call",
            "write the value itself",
        )
        return None
    try:
        if kind in (KEY, STOP_KEY, KEYS):
            value = keys_of(value)
        if kind is MS:
            return duration(value)
        if kind is BOOLEAN:
            value = _BOOLEANS.get(value.lower(), value.lower())
        return kind.read(value)
    except ValueError as error:
        run.error(path, "value", f"{attribute.name}: {error}")
        return None


_BOOLEANS: Final = {"yes": "true", "on": "true", "no": "false", "off": "false"}


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
    branch = run.branch(answered=run.answered or cls in (Gather, Record, Say, Play, Tone))
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
            keys = str(keys_of(written))
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
    if cls is Gather:
        return _prompts(value, path, run)
    branch = run.branch(answered=run.answered or cls is Record)
    branch.steps(value, path)
    return [run.place(branch)] if branch.pieces else []


def _prompts(value: list[Any], path: Path, run: Run) -> list[Element]:
    """``do`` of a gather: its prompts, which stand before it in the reference dialect and inside it in the classic."""
    for index, step in enumerate(value):
        wrong = [key for key in (step if isinstance(step, dict) else {step: ""}) if key not in _PROMPTS]
        if wrong:
            message = f"do: {wrong[0]!r} is no prompt, and nothing else may stand in a gather"
            run.error((*path, index), "shape", message, f"there are {', '.join(_PROMPTS)}")
    run.answer()
    branch = run.branch()
    branch.steps(value, path)
    if run.dialect == "classic":
        return [run.place(branch)] if branch.pieces else []
    run.repeat(branch)
    return []
