"""Compiles ``forward`` of message rules: literal numbers, the numbers of a group, or computed numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callflows.flows.country_code_check import suggest_written_number
from callflows.flows.messages.message_rules import make_text_effect
from callflows.flows.source.shape_validation import UNREADABLE_TEXT
from callflows.telephony.phone_numbers import parse_e164
from callflows.text import format_suggestion, suggest_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from callflows.flows.compiler.node_compiler import NodeCompiler
    from callflows.flows.messages.message_rules import MessageAction, RequestedEffect
    from callflows.flows.messages.text_message import TextMessage
    from callflows.flows.source.positions import SourcePath
    from callflows.telephony.turn import Turn


_FORWARD_TARGET_FIX = "as +12015550188, or a group of numbers"


def compile_forwards(
    compiler: NodeCompiler,
    targets: Sequence[str],
    path: SourcePath,
    forward_numbers: dict[SourcePath, str],
    locate: Callable[[SourcePath, int], SourcePath],
) -> Iterator[MessageAction]:
    """Compile an action for each target; stores literal numbers with their positions in ``forward_numbers``."""
    for index, written in enumerate(targets):
        here = locate(path, index)
        target = written.strip()
        if "{{" in target or "{%" in target:
            yield from _forward_to_computed(compiler, target, here, index)
        elif target in compiler.flow.groups:
            for member, (number, place) in enumerate(_find_group_numbers(compiler, target, here)):
                forward_numbers[place] = number
                yield _forward_to_number(compiler, number, f"{index}.{member}")
        elif parse_e164(target):
            forward_numbers[here] = target
            yield _forward_to_number(compiler, parse_e164(target), str(index))
        else:
            near = (
                suggest_list(target, parse_e164)
                or format_suggestion(target, [*compiler.flow.groups])
                or suggest_written_number(target, _FORWARD_TARGET_FIX, compiler.flow.flow_file.numbers)
            )
            compiler.report.error(
                here, "number", f"forward: {written!r} is not a number, and texts go to numbers only", near
            )


def _find_group_numbers(compiler: NodeCompiler, group: str, path: SourcePath) -> list[tuple[str, SourcePath]]:
    """Return the numbers of a group, with their positions; report members without a number."""
    compiler.flow.used_groups.add(group)
    found = []
    members = compiler.flow.groups[group].to
    for index, member in enumerate(members):
        listed: SourcePath = ("groups", group, "to", index)
        place = listed if listed in compiler.report.positions else ("groups", group, index)
        if parse_e164(member):
            found.append((parse_e164(member), place if place in compiler.report.positions else ("groups", group)))
        elif member != UNREADABLE_TEXT:
            message = f"forward: {member!r} of the group {group!r} is not a number, and gets no texts"
            compiler.report.warning(path, "number", message, "name the numbers instead of the group")
    if not found and UNREADABLE_TEXT not in members:
        compiler.report.error(path, "number", f"forward: there is no number in the group {group!r}", _FORWARD_TARGET_FIX)
    return found


def _forward_to_number(compiler: NodeCompiler, number: str, target_index: str) -> MessageAction:
    """Forward to a literal number, without a check of the dial policy."""
    origin, place, flow = (
        compiler.document.make_decision_origin("forward", number),
        f"{compiler.step_index}/forward/{target_index}",
        compiler.flow.name,
    )
    return lambda _turn, message: iter(
        [make_text_effect(flow, message, place, origin, format_forwarded_text(message), to=number)]
    )


def _forward_to_computed(compiler: NodeCompiler, source: str, path: SourcePath, index: int) -> Iterator[MessageAction]:
    """Forward to a computed number, if the file's dial policy allows the number."""
    text = compiler.texts.compile_text(source, path)
    if text is None:
        return
    compiler.flow.record_computed_target(path)
    policy = compiler.flow.dial_policy
    for outcome, what in (("caused", "forward"), ("refused", "forward refused")):
        compiler.flow.coverage_recorder.record_decision(
            (compiler.node, compiler.step_index, "forward", outcome), what, path
        )
    origin, place, flow = (
        compiler.document.make_decision_origin("forward", source, text.used_names),
        f"{compiler.step_index}/forward/{index}",
        compiler.flow.name,
    )

    def forward_message(turn: Turn, message: TextMessage) -> Iterator[RequestedEffect]:
        target = text.render_plain(turn).strip()
        refused = policy.find_refusal(target) if parse_e164(target) else "there is no number to write to"
        yield make_text_effect(
            flow, message, place, origin, format_forwarded_text(message), to=target or "nobody", refusal=refused
        )

    yield forward_message


def format_forwarded_text(message: TextMessage) -> str:
    """Return sender and text, with no word of ours that would have to be translated."""
    return f"{message.sender}: {message.text}"
