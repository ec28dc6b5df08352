"""Shell completion of flows, their numbers, nodes and opening hours, read from the flow files."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import typer  # noqa: TC002 - typer reads the annotations

from callflows.cli.cli_options import load_command_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from callflows.flows.source.flow_file import FlowFile


MAX_COMPLETION_FILES: Final = 200
"""Limit of files that are read while somebody waits at the keyboard."""


def complete_flow(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of flows."""
    return _select_words(lambda: (file.stem for file in _list_files(ctx)), incomplete)


def complete_number(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the whole numbers of flows."""

    def list_numbers() -> Iterator[str]:
        return (number for _, flow in _read_files(ctx) for number in flow.numbers if number[-1:].isdecimal())

    return _select_words(list_numbers, incomplete)


def complete_hours(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the opening hours of the flow that stands before, or of all flows."""
    return _select_words(lambda: (name for flow in _read_named_flows(ctx) for name in flow.hours), incomplete)


def complete_node(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the nodes of all flows: while an option is completed, typer does not tell the words before."""
    return _select_words(lambda: (name for _, flow in _read_files(ctx) for name in flow.nodes), incomplete)


def _select_words(list_words: Callable[[], Iterator[str]], incomplete: str) -> list[str]:
    # Nobody wants the traceback of a broken flow file between two keystrokes.
    with contextlib.suppress(Exception):
        return sorted({word for word in list_words() if word.startswith(incomplete)})
    return []


def _read_named_flows(ctx: typer.Context) -> Iterator[FlowFile]:
    flow_name = ctx.params.get("flow")
    yield from (flow for name, flow in _read_files(ctx) if not flow_name or name == flow_name)


def _list_files(ctx: typer.Context) -> list[Path]:
    from callflows.flows.loader.folder_loader import list_flow_files

    options: dict[str, Any] = {"flows": ctx.params.get("flows")}
    return list_flow_files(load_command_settings(**options).flows)[:MAX_COMPLETION_FILES]


def _read_files(ctx: typer.Context) -> Iterator[tuple[str, FlowFile]]:
    from callflows.flows.loader.folder_loader import read_bounded_file
    from callflows.flows.source.flow_file import read_flow_file
    from callflows.flows.source.positions import ProblemReport

    for file in _list_files(ctx):
        if file.suffix != ".py":
            flow = read_flow_file(read_bounded_file(file), ProblemReport(str(file)))
            if flow is not None:
                yield file.stem, flow
