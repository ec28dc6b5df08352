"""URLs and data of requests to other servers, with texts that may change from call to call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.flows.source.source_values import (
    parse_plain_data,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from callflows.flows.compiler.fragments import RenderFunction
    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


def compile_url(source: str, context: StepContext, path: SourcePath) -> Callable[[Turn], str] | None:
    """Compile an author's URL. Values in the URL are percent-encoded, and the host must be constant."""
    context.flow.needs.network = True
    context.texts.check_not_cut(path)
    text = context.texts.compile_text(source, path, url=True)
    if not context.texts.check_computed_url(source, path):
        return None
    return text.render_plain if text is not None else None


def compile_data(value: Any, context: StepContext, path: SourcePath) -> RenderFunction:  # noqa: ANN401 - plain data
    """Compile data with texts that may change from call to call."""
    if isinstance(value, dict):
        fields = {key: compile_data(part, context, (*path, key)) for key, part in value.items()}
        return lambda turn: {key: render(turn) for key, render in fields.items()}
    if isinstance(value, list):
        parts = [compile_data(part, context, (*path, index)) for index, part in enumerate(value)]
        return lambda turn: [render(turn) for render in parts]
    context.texts.check_not_cut(path)
    text = context.texts.compile_text(str(value), path)
    if text is None or text.constant_text is not None:
        constant = parse_plain_data(value)
        return lambda _turn: constant
    return text.render_plain
