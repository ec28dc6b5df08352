"""Finds probable mistakes in a valid flow, during compilation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.flows.checks.message_step_check import check_steps_after_messages
from callflows.flows.checks.silent_end_check import check_silent_ends
from callflows.flows.checks.ticket_size_check import check_ticket_sizes
from callflows.flows.country_code_check import MISSING_COUNTRY_CODE_MESSAGE, lacks_code_of_prefix, suggest_country_code
from callflows.flows.entry_points import START_NODE
from callflows.flows.source.prompt_shape import CALL_LANGUAGE
from callflows.flows.source.yaml_source import iterate_texts
from callflows.telephony.phone_numbers import lacks_country_code, parse_e164
from callflows.text import Suggestion

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from callflows.errors import Problem
    from callflows.flows.compiler.compiling_flow import CompilingFlow
    from callflows.flows.source.positions import SourcePath


def check_flow(flow: CompilingFlow) -> None:
    """Report probable mistakes in a flow.

    If the flow already has errors, the checks skip names that an error leaves uncertain.
    """
    _check_unused_names(flow, UncertainNames(flow))
    _check_country_codes(flow)
    _check_extension_targets(flow)
    check_silent_ends(flow)
    check_steps_after_messages(flow)
    _check_languages(flow)
    if not flow.flow_file.document_origin:
        _check_hours_not_asked(flow, UncertainNames(flow))
        _check_attestation(flow)


class UncertainNames:
    """Names that an error leaves uncertain; all names if an error lost a part of the file."""

    def __init__(self, flow: CompilingFlow) -> None:
        errors = [problem for problem in flow.report.problems if problem.severity == "error"]
        self._suggested_names = {problem.fix.word for problem in errors if isinstance(problem.fix, Suggestion)}
        self._is_text_lost = any(problem.rule in _RULES_OF_LOST_TEXT for problem in errors) or flow.report.has_error_at(
            ("template",)
        )
        self._words: set[str] = set()
        if errors:
            file = flow.flow_file
            for text in iterate_texts([file.nodes, file.groups, file.messages, file.ended, file.fallback]):
                self._words.update(_WORD.findall(text))

    def is_uncertain(self, name: str) -> bool:
        """Return True if an error may refer to a name."""
        return self._is_text_lost or name in self._suggested_names

    def is_any_uncertain(self, *names: str) -> bool:
        return any(map(self.is_uncertain, names))

    def is_mentioned(self, name: str) -> bool:
        """Return True if an error may refer to a name, or a text of a faulty flow contains the name."""
        return self.is_uncertain(name) or name in self._words


_WORD: Final = re.compile(r"[\w-]+")
_RULES_OF_LOST_TEXT: Final = frozenset({"include", "key-lost", "key-twice", "yaml"})
"""Rules for parts of a file that are not read at all."""


def check_flow_graph(flow: CompilingFlow) -> None:
    """Report unreachable nodes, silent loops, and settings missing from the file."""
    _check_loops(flow)
    check_ticket_sizes(flow)
    report, file = flow.report, flow.flow_file
    doubted = UncertainNames(flow)
    unreachable = (
        flow.graph.find_unreachable_nodes(START_NODE) if START_NODE in file.nodes and not flow.graph.is_incomplete else []
    )
    if file.nodes.keys() & {*unreachable}:
        unreachable = flow.graph.find_unreachable_nodes(START_NODE, *sorted(flow.find_entered_nodes()))
    if any(map(_loses_way, report.problems)):
        unreachable = []  # the way that is lost may be the one that leads there
    for node in unreachable:
        if node in file.nodes and not report.is_included(("nodes", node)) and not doubted.is_uncertain(node):
            message = f"no call ever comes to the node {node!r}: no key and no step leads there"
            fix = "lead there by a key of a menu or by a goto, or take the node out"
            report.warning(("nodes", node), "unreachable-node", message, fix, key=True)
    if flow.dialect == "classic" and file.auto_answer == "true":
        message = "auto_answer: the classic dialect has no Answer, so none is written"
        fix = "let the app answer by itself, or use the reference dialect"
        report.warning(("auto_answer",), "dialect", message, fix)
    if flow.graph.first_time_use is not None and not file.timezone and not report.has_error_at(("timezone",)):
        message, fix = "now is asked for and no timezone is named: it is UTC", "as timezone: America/New_York"
        report.warning(flow.graph.first_time_use, "no-timezone", message, fix)


def _loses_way(problem: Problem) -> bool:
    """Return True for an unknown node, and for an unknown step that probably leads to a node."""
    word = problem.fix.word if isinstance(problem.fix, Suggestion) else ""
    return problem.rule == "unknown-node" or (problem.rule == "unknown-step" and word in ("goto", "choose", "menu"))


def _check_loops(flow: CompilingFlow) -> None:
    silent = flow.graph.find_silent_loops()
    for node in silent:
        message = f"the node {node!r} leads round to itself, and the caller hears silence"
        fix = "say or ask something on the way round"
        flow.report.error(("nodes", node), "silent-loop", message, fix, key=True)
    for node in flow.graph.find_nonwaiting_loops():
        if node not in silent and node in flow.flow_file.nodes:
            message = f"the node {node!r} leads round to itself, and asks nobody anything on the way"
            fix = "give it a way out: a menu, or a goto"
            flow.report.warning(("nodes", node), "endless-loop", message, fix, key=True)


def _check_extension_targets(flow: CompilingFlow) -> None:
    """Report targets that would ring an extension of the directory as if it were a number."""
    for path, name in flow.targets_of_one_name.items():
        if name in flow.extension_names:
            message = f"to: {name} is an extension of the directory, and no number that can be rung"
            flow.report.error(path, "dial-target", message, "write directory, which rings the person of the extension")


def _check_unused_names(flow: CompilingFlow, uncertain_names: UncertainNames) -> None:
    """Report hours, lists, variables and groups that are defined but never used."""
    asked = {name for names in flow.graph.used_names.values() for name in names}
    for kind in ("hours", "lists", "variables"):
        for name in getattr(flow.flow_file, kind) if kind not in asked else ():
            if f"{kind}.{name}" not in asked and not uncertain_names.is_mentioned(name):
                _warn_unused(flow, kind, name, f"{kind}.{name}")
    seen: set[str] = set()
    for number, values in flow.flow_file.number_values.items() if "variables" not in asked else ():
        for name in values.keys() - seen - flow.flow_file.variables.keys():
            seen.add(name)
            read = not flow.report.has_error_at(("numbers", number, name))
            if read and f"variables.{name}" not in asked and not uncertain_names.is_mentioned(name):
                message, fix = f"numbers: nothing uses {name!r}", f"use it as variables.{name}, or take it out"
                flow.report.warning(("numbers", number, name), "unused", message, fix, key=True)
    _check_received_names(flow, {name.partition(".")[0] for name in asked}, uncertain_names)
    if flow.flow_file.directory and not flow.uses_directory and not uncertain_names.is_mentioned("directory"):
        message, fix = "directory: nothing uses it", "take an extension with collect: {directory: true, …}, or take it out"
        flow.report.warning(("directory",), "unused", message, fix, key=True)
    for name in flow.flow_file.groups.keys() - flow.used_groups:
        if not uncertain_names.is_mentioned(name):
            _warn_unused(flow, "groups", name, f"dial: {name}")


def _check_received_names(flow: CompilingFlow, used_names: AbstractSet[str], uncertain_names: UncertainNames) -> None:
    """Report values of other flows that nothing uses."""
    for index, name in enumerate(flow.flow_file.receives):
        is_valid = not flow.report.has_error_at(("receives", index))
        if is_valid and name not in used_names and not uncertain_names.is_mentioned(name):
            message, fix = f"receives: nothing uses {name!r}", f"use it as {{{{ {name} }}}}, or take it out"
            flow.report.warning(("receives", index), "unused", message, fix)


def _check_languages(flow: CompilingFlow) -> None:
    """Report languages that no step chooses, and texts that stay in the default language after a choice."""
    if len(flow.languages) < 2:  # noqa: PLR2004 - there is no choice
        return
    if (
        not flow.language_changes
        and CALL_LANGUAGE not in flow.flow_file.receives
        and not flow.report.has_error_at(("nodes",))
    ):  # it may have lost the step that sets it
        message = "languages: nothing sets the language: callers hear the first one only"
        fix = f"as set: {{language: {[*flow.languages][1]}}}, where a caller has chosen it"
        flow.report.warning(("languages",), "unused", message, fix, key=True)
    reached = flow.graph.find_steps_after(flow.language_changes)
    default = next(iter(flow.languages))
    others = ", ".join([*flow.languages][1:])
    for path, node, step in flow.untranslated_texts.values():
        if step >= reached.get(node, step + 1):
            message = f"the text has no translation: callers who chose {others} hear it in {default}"
            fix = f"write it for each language: {{{default}: …, {[*flow.languages][1]}: …}}"
            flow.report.warning(path, "no-translation", message, fix)


def _warn_unused(flow: CompilingFlow, kind: str, name: str, use: str) -> None:
    if flow.report.is_included((kind, name)) or (kind == "hours" and flow.report.has_error_at((kind, name))):
        return  # another flow uses it, or its name is to be changed
    message = f"{kind}: nothing uses {name!r}"
    flow.report.warning((kind, name), "unused", message, f"use it as {use}, or take it out", key=True)


def _check_country_codes(flow: CompilingFlow) -> None:
    """Report numbers without country code."""
    others = [other for other in flow.flow_file.numbers if other.strip().startswith(("+", "00"))]
    for index, written in enumerate(flow.flow_file.numbers):
        path: SourcePath = ("numbers", index) if ("numbers", index) in flow.report.positions else ("numbers",)
        if lacks_code_of_prefix(written, others) or (lacks_country_code(written) and parse_e164(written)):
            flow.report.warning(
                path,
                "number-country",
                f"numbers: {MISSING_COUNTRY_CODE_MESSAGE.format(written)}",
                suggest_country_code(written, others if written.strip().endswith("*") else flow.flow_file.numbers),
            )


def _check_hours_not_asked(flow: CompilingFlow, uncertain_names: UncertainNames) -> None:
    """Report opening hours that are used without a check of ``open``."""
    asked = {name for names in flow.graph.used_names.values() for name in names}
    sources = "\n".join(iterate_texts([flow.flow_file.nodes, flow.flow_file.messages, flow.flow_file.ended]))
    for name in flow.sections.hours:
        opens = re.compile(rf"""\bhours\s*(?:\.\s*|\[\s*["']){name}(?:["']\s*\])?\s*(?:\.\s*|\[\s*["'])(?:open|status)\b""")
        if (
            f"hours.{name}" in asked
            and not flow.report.is_included(("hours", name))
            and not opens.search(sources)
            and not uncertain_names.is_any_uncertain(name, "open", "hours")
        ):
            message = f"hours: nothing asks whether {name} is open, so that callers fare alike when it is closed"
            fix = f"as - when: not hours.{name}.open, and below it goto: closed"
            flow.report.warning(("hours", name), "hours-not-asked", message, fix, key=True)


_KNOWS_NO_ATTESTATION: Final = re.compile(
    r"""not\s+call\.attestation(?!\s+(?:not\s+)?in\b)|attestation\s*(?:==|!=)\s*(?:""|'')|attestation\s+and\b"""
    r"""|attestation\s*\|\s*default"""
)
"""A condition that has a case for calls without an attestation."""


def _knows_no_attestation(text: str) -> bool:
    return ("attestation" in text and "unknown" in text) or _KNOWS_NO_ATTESTATION.search(text) is not None


def _check_attestation(flow: CompilingFlow) -> None:
    """Report the use of ``call.attestation`` without a case for ``unknown``."""
    path = flow.graph.first_attestation_use
    if path is None or any(map(_knows_no_attestation, iterate_texts(flow.flow_file.nodes))):
        return
    message = "call.attestation is empty where Opentact does not tell it: never with GET"
    fix = 'set POST in Opentact, and say what holds then: call.attestation == "C" or not call.attestation'
    flow.report.warning(path, "attestation", message, fix)
