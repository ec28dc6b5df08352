"""``callflows prompts``: list what callers hear, and prepare recordings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from callflows.cli.cli_options import (
    FLOWS_OPTION,
    TableFormat,
    build_command_options,
    exit_with_notice,
    load_command_settings,
    print_notice,
    print_table,
)
from callflows.cli.flow_commands import find_flow_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.flows.authoring.prompt_list import ListedPrompt


_MAX_SHOWN_TEXT: Final = 70


def prompts(
    flow: Annotated[
        str | None, typer.Argument(metavar="FLOW", help="The name of a flow, or its file. Default: all flows.")
    ] = None,
    flows: FLOWS_OPTION = None,
    script: Annotated[bool, typer.Option("--script", help="Print a script for recording the prompts.")] = False,  # noqa: FBT002 - an option
    speak: Annotated[
        Path | None, typer.Option("--speak", metavar="DIR", help="Write missing recordings by espeak-ng to a folder.")
    ] = None,
    output: Annotated[TableFormat, typer.Option("--format", help="The output format.")] = TableFormat.text,
) -> None:
    """List every prompt of a flow, with its recording or as spoken; print a script, or make recordings."""
    from callflows.flows.authoring.prompt_list import format_script, list_prompts
    from callflows.flows.loader.folder_loader import list_flow_files

    settings = load_command_settings(flows=flows)
    options = build_command_options(settings)
    try:
        files = [find_flow_file(flow, settings.flows)] if flow else list_flow_files(settings.flows)
    except OSError as error:
        exit_with_notice(f"callflows: {settings.flows}: {error.strerror}", 2)
    listed: list[ListedPrompt] = []
    has_errors = False
    for file in files:
        if file.suffix == ".py":
            print_notice(f"{file}: a program is not listed: its texts are known only during a call")
            continue
        found, problems = list_prompts(file, options)
        listed += found
        for problem in problems:
            if problem.severity == "error":
                has_errors = True
                print(problem, file=sys.stderr)
    if speak is not None:
        _speak_prompts(listed, speak)
    elif script:
        print("\n".join(format_script(listed)))
    elif output is TableFormat.json:
        print(json.dumps([prompt.to_json() for prompt in listed], ensure_ascii=False, indent=2))
    else:
        print_table([("FLOW", "LINE", "WHERE", "LANG", "RECORDING", "TEXT"), *map(_make_row, listed)])
    raise typer.Exit(1 if has_errors else 0)


def _make_row(prompt: ListedPrompt) -> tuple[object, ...]:
    seconds = prompt.inspection.seconds if prompt.inspection is not None else None
    shown = {
        "recorded": prompt.sound if seconds is None else f"{prompt.sound} ({seconds:.1f} s)",
        "missing": f"missing: {prompt.sound}",
        "elsewhere": prompt.sound,
        "spoken": "spoken",
    }[prompt.state]
    text = prompt.text if len(prompt.text) <= _MAX_SHOWN_TEXT else f"{prompt.text[:_MAX_SHOWN_TEXT].rstrip()}…"
    return (prompt.flow, prompt.line, prompt.where, prompt.lang, shown, text)


def _speak_prompts(listed: Sequence[ListedPrompt], folder: Path) -> None:
    """Write a WAV file for each text that can be recorded; existing files are kept."""
    from callflows.cli.terminal_screen import SpeechSynthesizer
    from callflows.flows.authoring.prompt_list import select_recordings

    synthesizer = SpeechSynthesizer.find_installed("--speak")
    for prompt in select_recordings(listed):
        file = folder / prompt.recording
        if file.exists():
            print(f"kept: {file}")
            continue
        if file.suffix.lower() != ".wav":
            print_notice(f"not written: {file}: espeak-ng writes WAV files only")
            continue
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            exit_with_notice(f"callflows: {file.parent}: {error.strerror}", 2)
        if synthesizer.speak_text(prompt.text, prompt.lang, file):
            print(f"written: {file}")
        else:
            print_notice(f"not written: {file}: espeak-ng failed")
