"""Lists every prompt of a flow, with its recording or without one, and writes the script for recording them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.flows.compiler.flow_compiler import FlowCompiler
from callflows.flows.flow_compilation import build_checked_flow, read_flow
from callflows.flows.loader.folder_loader import read_bounded_file, reject_unreadable_file
from callflows.flows.source.positions import ProblemReport
from callflows.flows.source.sound_library import SOUNDS_FOLDER, SoundInspection, explain_bad_sound_name, inspect_sound
from callflows.flows.steps.dial_step import DialStep
from callflows.flows.steps.menu_step import MenuStep

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from callflows.errors import Problem
    from callflows.flows.compiler.compiling_flow import CompilerOptions, CompilingFlow, PromptRecord
    from callflows.flows.source.positions import SourcePath


_DEFAULT_LANGUAGE: Final = "en-US"
_NODE_PATH_LENGTH: Final = len(("nodes", "start", 0))
_PART_WORDS: Final = frozenset({"say", "play", "text", "sound", "pause"})


class ListedPrompt(NamedTuple):
    """A prompt of a flow. ``sound`` is the name of a sound of ours, a URL, or an empty text for a text that is said.

    ``recording`` is the file name for a recording: the name of the sound, or a proposed name; empty if there can be none.
    """

    flow: str
    line: int
    where: str
    lang: str
    text: str
    sound: str
    recording: str
    inspection: SoundInspection | None

    @property
    def has_values(self) -> bool:
        """True if the text changes from call to call, so that no recording is possible."""
        return "{{" in self.text or "{%" in self.text

    @property
    def state(self) -> str:
        """``recorded``, ``missing``, ``spoken``, or ``elsewhere`` for the URL of another server."""
        if self.inspection is None:
            return "elsewhere" if self.sound else "spoken"
        return "recorded" if self.inspection.is_playable else "missing"

    def to_json(self) -> dict[str, object]:
        seconds = None if self.inspection is None else self.inspection.seconds
        return {
            "flow": self.flow,
            "line": self.line,
            "where": self.where,
            "lang": self.lang,
            "text": self.text,
            "state": self.state,
            "sound": self.sound,
            "recording": self.recording,
            "seconds": None if seconds is None else round(seconds, 1),
        }


def list_prompts(file: Path, options: CompilerOptions) -> tuple[list[ListedPrompt], list[Problem]]:
    """Return the prompts of a flow file, in the order of the file, and the file's problems."""
    report = ProblemReport(str(file))
    try:
        text = read_bounded_file(file)
    except OSError as error:
        return [], [*reject_unreadable_file(file, error).problems]
    flow = read_flow(file.stem, text, report, options)
    if flow is None:
        return [], report.problems
    build_checked_flow(FlowCompiler(flow))
    # A dial writes the steps between its rounds anew for each round, from one prompt of the file.
    records = {(_find_written_path(record.path), record.lang, record.text): record for record in flow.prompts.values()}
    listed = [_describe_prompt(flow, record) for record in records.values()]
    order = {id(one): report.get_position(record.path) for one, record in zip(listed, records.values(), strict=True)}
    return sorted(listed, key=lambda one: (order[id(one)].line, order[id(one)].column)), report.problems


def _describe_prompt(flow: CompilingFlow, record: PromptRecord) -> ListedPrompt:
    where, slug = _describe_place(_find_written_path(record.path))
    is_ours = bool(record.sound) and "://" not in record.sound and "{" not in record.sound
    has_values = "{{" in record.text or "{%" in record.text
    can_be_recorded = bool(record.text) and not (record.sound or has_values)
    recording = record.sound if is_ours else f"{flow.name}/{slug}.wav" if can_be_recorded else ""
    return ListedPrompt(
        flow.name,
        flow.report.get_position(record.path).line,
        where,
        record.lang or _DEFAULT_LANGUAGE,
        " ".join(record.text.split()),
        record.sound,
        recording,
        inspect_sound(flow.folder, record.sound) if is_ours else None,
    )


def _find_written_path(path: SourcePath) -> SourcePath:
    """Return the path in the file of a prompt in the further rounds of a dial; return other paths unchanged.

    Such a prompt stands under ``between``, or belongs to the last dial, which has the keys of the written one.
    """
    while True:
        at = next((at for at, part in enumerate(path) if part == "rounds" and path[at - 1] == DialStep.step_key), 0)
        if not at:
            return path
        step_index, step_key, *rest = path[at + 2 :]
        if step_key == DialStep.step_key:
            path = (*path[:at], *rest)
        elif step_key == MenuStep.step_key:
            path = (*path[:at], "between", *rest[1:])
        else:
            path = (*path[:at], "between", step_index, step_key, *rest)


def _describe_place(path: SourcePath) -> tuple[str, str]:
    """Return the place of a prompt in words, ``start: menu prompt 2``, and as part of a file name."""
    inside = path[0] == "nodes" and len(path) > _NODE_PATH_LENGTH
    root, rest = (str(path[1]), path[2:]) if inside else (str(path[0]), path[1:])
    step, *inner = rest
    words = [str(part + 1) if isinstance(part, int) else part for part in inner]
    shown = [word for index, word in enumerate(words) if index == 0 or word not in _PART_WORDS]
    number = step + 1 if isinstance(step, int) else step
    name_parts = [word for word in words if word not in _PART_WORDS]
    return f"{root}: {' '.join(shown)}", "-".join([root, str(number), *name_parts]).replace("_", "-")


def format_script(prompts: Iterable[ListedPrompt]) -> Iterator[str]:
    """Yield the script for the person who records the prompts, as lines of Markdown."""
    by_file: dict[str, list[ListedPrompt]] = {}
    for prompt in prompts:
        if prompt.recording and prompt.text:
            by_file.setdefault(prompt.recording, []).append(prompt)
    yield f"# {len(by_file)} text(s) to record"
    yield ""
    yield f"Save each under its name in the folder {SOUNDS_FOLDER}: WAV, 8000 Hz, mono, 16 bits."
    for name, several in by_file.items():
        first = several[0]
        done = ", recorded" if first.state == "recorded" else ""
        yield ""
        yield f"## {name}"
        yield ""
        yield f"{first.lang}{done}. {'; '.join(dict.fromkeys(f'{one.flow}, {one.where}' for one in several))}"
        yield ""
        for text in dict.fromkeys(one.text for one in several):
            yield f"> {text}"


def select_recordings(prompts: Iterable[ListedPrompt]) -> list[ListedPrompt]:
    """Return one prompt for each file that can be recorded, and that has a text."""
    by_file = {
        prompt.recording: prompt
        for prompt in reversed([*prompts])
        if prompt.recording and prompt.text and not prompt.has_values and not explain_bad_sound_name(prompt.recording)
    }
    return [*reversed(by_file.values())]
