"""Reads the constant parts of an XML template as a document, so that errors are known before a caller meets them.

The template is written out several times with a sample for each value, each time with other branches of its conditions.
"""

from __future__ import annotations

import html.entities
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import nodes

from callflows.errors import DocumentReadError, Problem
from callflows.flows.compiler.branch_nesting import find_nesting_errors
from callflows.flows.compiler.unreached_elements import find_unreached_elements
from callflows.flows.twiml.twiml_recognition import TWIML_MESSAGE, is_twiml
from callflows.language import find_document_errors
from callflows.language.dialects import TAG_MEANINGS
from callflows.language.verbs import DTMF, Default, Dial, Error, Gather, Meta, To
from callflows.language.xml_reader import parse_safe_document
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callflows.language import Extensions


_MAX_SAMPLES: Final = 8
_SAMPLE_TEXT: Final = "1"
_LONE_AMPERSAND: Final = re.compile(r"&(?!(?:#[0-9]+|#x[0-9A-Fa-f]+|amp|lt|gt|quot|apos);)")
_NAMED_ENTITY: Final = re.compile("&([A-Za-z][A-Za-z0-9]*);")
_IGNORED_MARKUP: Final = re.compile(r"<!\[CDATA\[.*?(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_OPENING_TAG: Final = re.compile(r"<([A-Za-z][\w.-]*)")
_MARKUP_NODES: Final = (nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock)
"""Parts of a template whose output may be markup that stands elsewhere in the source."""
_NESTING_REASON: Final = re.compile(r"<[^<>]*> is not closed")
_PLACEMENT_REASON: Final = re.compile("> is not allowed in <")
_ERRORS_OF_NAMES: Final = ("unknown element", " has no attribute ", " is not allowed in ")
"""Errors that hold whatever the values are."""

_DIAL: Final = Dial.spec.name
_GATHER: Final = Gather.spec.name
_DEFAULT: Final = Default.spec.name
_ERROR: Final = Error.spec.name
SILENT_END_TEXTS: Final = {
    _DIAL: (
        "a caller whom nobody answers is hung up on without a word",
        "write what they hear in an <Error> of the <Dial>, or after it; a <Hangup/> after it says that it is meant",
    ),
    _GATHER: (
        "a caller who presses nothing, or another key, is hung up on without a word",
        "write what they hear in an <Error> and a <Default>, or after it; a <Hangup/> after it says that it is meant",
    ),
}
"""Message and fix, by the name of the command."""
_OPENING_DIAL_OR_GATHER: Final = re.compile(rf"<(?:{'|'.join(SILENT_END_TEXTS)})(?=[\s/>])")
_PARTS_OF_COMMANDS: Final = frozenset(element.spec.name for element in (DTMF, Default, Error, Meta, To))
"""Elements that do not run after the command that stands before them: they belong to the command around them."""


_QUIET_TAGS: Final = frozenset(
    {"Answer", "Call", "Curl", "Geo", "Meta", "Pause", "RecordStart", "RecordStop", "Schedule", "Scheduler", "Unhold"}
)
"""Elements of which a caller hears nothing but their commands."""


class _Part(NamedTuple):
    text: str
    source_offset: int
    is_sample: bool


def find_template_errors(source: str, template: nodes.Template, file: Path, extensions: Extensions) -> list[Problem]:
    """Return the errors that the document has for every caller, or on one way through the template, with their places.

    A document without an error is also searched for dials and menus without a way out.
    """
    source = source.replace("\r\n", "\n").replace("\r", "\n")  # as Jinja reads it
    offsets = _find_data_offsets(source, template)
    found = dict.fromkeys(_find_ampersands(template, offsets))
    nesting_errors = find_nesting_errors(template, offsets)
    if any(True for _ in template.find_all(_MARKUP_NODES)):
        found |= dict.fromkeys(_find_unknown_tags(template, offsets))
    else:
        errors = _find_errors_of_samples(template, offsets, extensions, has_ampersand=bool(found))
        # Samples combine conditions in a few ways only, perhaps in none that is possible.
        is_nesting_known = nesting_errors is not None
        unsure = [_NESTING_REASON] if is_nesting_known else []
        unsure += [_PLACEMENT_REASON] if nesting_errors else []  # what follows an open element seems to be within it
        found |= dict.fromkeys(error for error in errors if not any(reason.search(error[1]) for reason in unsure))
    found |= dict.fromkeys((error.offset, error.reason, error.fix) for error in nesting_errors or ())
    if not found:
        warnings = [
            Problem(str(file), *_locate(source, offset), "warning", "no-way-out", *SILENT_END_TEXTS[name])
            for offset, name in sorted(_find_silent_ends(template, offsets))
        ]
        for texts in _join_constant_texts(template, offsets):
            warnings += find_unreached_elements(texts.text, str(file), _locate(source, texts.source_offset))
        return sorted(warnings, key=lambda warning: (warning.line, warning.column))
    problems = [
        Problem(
            str(file),
            *_locate(source, offset),
            "error",
            "document",
            reason,
            fix,
        )
        for offset, reason, fix in sorted(found)
    ]
    if is_twiml(source.encode()):
        fix = "an app that answers with TwiML is a flow by twiml: URL; a document is made a flow file by callflows import"
        problems.insert(0, Problem(str(file), 1, 1, "error", "document", TWIML_MESSAGE, fix))
    return problems


def _locate(source: str, offset: int) -> tuple[int, int]:
    """Return line and column of an offset."""
    return source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset)


def _find_data_offsets(source: str, template: nodes.Template) -> dict[int, int]:
    """Return the offset in the source of each constant text, by the identity of its node."""
    offsets: dict[int, int] = {}
    at = 0
    for data in template.find_all(nodes.TemplateData):
        begin = source.find(data.data, at)
        offsets[id(data)] = begin if begin >= 0 else at
        at = offsets[id(data)] + (len(data.data) if begin >= 0 else 0)
    return offsets


def _join_constant_texts(template: nodes.Template, offsets: dict[int, int]) -> Iterator[_Part]:
    """Yield the constant texts, those together between which there is no value and no condition."""
    for output in template.find_all(nodes.Output):
        joined: _Part | None = None
        for part in output.nodes:
            if not isinstance(part, nodes.TemplateData):
                yield from [joined] if joined else []
                joined = None
                continue
            before = joined or _Part("", offsets[id(part)], is_sample=False)
            gap = offsets[id(part)] - before.source_offset - len(before.text)  # a comment of Jinja
            joined = before._replace(text=before.text + " " * gap + part.data)
        yield from [joined] if joined else []


def _find_ampersands(template: nodes.Template, offsets: dict[int, int]) -> Iterator[tuple[int, str, str]]:
    for data in template.find_all(nodes.TemplateData):
        plain = _IGNORED_MARKUP.sub(lambda part: " " * len(part[0]), data.data)
        for match in _LONE_AMPERSAND.finditer(plain):
            named = _NAMED_ENTITY.match(plain, match.start())
            offset = offsets[id(data)] + match.start()
            if named is None:
                yield offset, "a & in a text or an attribute begins an entity, and this is none", "write &amp; for it"
                continue
            character = html.entities.html5.get(f"{named[1]};", "")
            fix = f"take it out, or write {''.join(f'&#{ord(one)};' for one in character)}" if character else "take it out"
            yield offset, f"there is no entity {named[0]} in XML", fix


def _find_unknown_tags(template: nodes.Template, offsets: dict[int, int]) -> Iterator[tuple[int, str, str]]:
    for data in template.find_all(nodes.TemplateData):
        plain = _IGNORED_MARKUP.sub(lambda part: " " * len(part[0]), data.data)
        for match in _OPENING_TAG.finditer(plain):
            if match[1] not in TAG_MEANINGS and match[1] != "Switch":
                near = format_suggestion(match[1], [*TAG_MEANINGS])
                yield offsets[id(data)] + match.start(), f"unknown element <{match[1]}>{f' ({near})' if near else ''}", ""


def _find_silent_ends(template: nodes.Template, offsets: dict[int, int]) -> set[tuple[int, str]]:
    """Return offset and name of those dials and menus that hang up without a word, in every sample.

    The caller is one whom nobody answers, or who presses nothing or another key.
    """
    if any(True for _ in template.find_all(_MARKUP_NODES)):
        return set()
    without, with_way_out = set[tuple[int, str]](), set[tuple[int, str]]()
    for parts in _write_samples(template, offsets):
        text = "".join(part.text for part in parts)
        skipped = len(text) - len(text.lstrip())
        document = text.strip()
        try:
            commands = [*parse_safe_document(document.encode("utf-8", "replace")).iter(*SILENT_END_TEXTS)]
        except DocumentReadError:
            continue  # a sample in which one branch opens what another closes
        plain = _IGNORED_MARKUP.sub(lambda part: " " * len(part[0]), document)
        tags = [*_OPENING_DIAL_OR_GATHER.finditer(plain)]
        if len(tags) != len(commands):
            continue  # the document has a namespace, so these are other elements
        for tag, command in zip(tags, commands, strict=True):
            place = (_find_source_offset(parts, tag.start() + skipped), command.tag)
            (with_way_out if _has_way_out(command) else without).add(place)
    return without - with_way_out


def _has_way_out(command: Any) -> bool:  # noqa: ANN401 - lxml's element
    """Return True if a dial or menu has branches for failure, asks a URL, or is followed by a command."""
    branches = [_ERROR] if command.tag == _DIAL else [_ERROR, _DEFAULT]
    if all(_has_branch(command, branch) for branch in branches) or command.get("url") or command.get("callback"):
        return True
    around = [command, *command.iterancestors()]
    following = (sibling for element in around for sibling in element.itersiblings(tag="*"))
    return any(sibling.tag not in _PARTS_OF_COMMANDS and _is_heard(sibling) for sibling in following)


def _is_heard(element: Any) -> bool:  # noqa: ANN401 - lxml's element
    """Return True if something in an element is heard by some caller, or ends the call."""
    return any(part.tag not in _QUIET_TAGS for part in element.iter("*"))


def _has_branch(command: Any, name: str) -> bool:  # noqa: ANN401 - lxml's element
    """Return True if a branch of this name has a command, or speaks the reason."""
    # The classic dialect has the branches in a Switch.
    branches = [*command.iterchildren(name), *command.iterfind(f"Switch/{name}")]
    return any(
        any(map(_is_heard, branch)) or branch.get("play", branch.get("say", "false")) != "false" for branch in branches
    )


def _find_errors_of_samples(
    template: nodes.Template, offsets: dict[int, int], extensions: Extensions, *, has_ampersand: bool
) -> Iterator[tuple[int, str, str]]:
    """Yield offset, reason and fix of the errors of a sample, unless another sample shows that the place can be right."""
    samples = _write_samples(template, offsets)
    errors = [[*_read_sample(parts, extensions)] for parts in samples]
    for number, found in enumerate(errors):
        for offset, reason, is_syntax in found:
            others = [other for other in range(len(samples)) if other != number]
            if is_syntax:
                # Branches may open an element that another branch closes: then some sample is well-formed.
                if not has_ampersand and all(any(syntax for *_, syntax in errors[other]) for other in others):
                    yield offset, reason, ""
            elif all(
                (offset, reason, False) in errors[other] or not _contains_offset(samples[other], offset) for other in others
            ):
                yield offset, reason, ""


def _write_samples(template: nodes.Template, offsets: dict[int, int]) -> list[list[_Part]]:
    """Write the template out several times, each time with other branches of its conditions."""
    branches = [2 + len(choice.elif_) for choice in template.find_all(nodes.If)]
    return [
        [*_write_sample(template.body, choice, offsets)] for choice in range(min(max(branches, default=1), _MAX_SAMPLES))
    ]


def _contains_offset(parts: list[_Part], offset: int) -> bool:
    return any(part.source_offset <= offset < part.source_offset + len(part.text) for part in parts if not part.is_sample)


def _write_sample(body: list[nodes.Node], choice: int, offsets: dict[int, int]) -> Iterator[_Part]:
    for node in body:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                if isinstance(part, nodes.TemplateData):
                    yield _Part(part.data, offsets[id(part)], is_sample=False)
                else:
                    yield _Part(_SAMPLE_TEXT, 0, is_sample=True)
        elif isinstance(node, nodes.If):
            ways = [node.body, *(other.body for other in node.elif_), node.else_]
            yield from _write_sample(ways[min(choice, len(ways) - 1)], choice, offsets)
        elif isinstance(node, nodes.For | nodes.With | nodes.Scope | nodes.ScopedEvalContextModifier):
            yield from _write_sample(node.body, choice, offsets)


def _read_sample(parts: list[_Part], extensions: Extensions) -> Iterator[tuple[int, str, bool]]:
    """Yield offset in the source and reason of each error, and whether the XML itself is broken."""
    text = "".join(part.text for part in parts)
    skipped = len(text) - len(text.lstrip())
    document = text.strip()
    if not document:
        return
    found = find_document_errors(document.encode("utf-8", "replace"), extensions=extensions)
    for error in sorted(found, key=lambda error: not error.reason.startswith("the root is ")):
        lines = document.split("\n")
        at = sum(len(line) + 1 for line in lines[: error.line - 1]) + error.column - 1
        is_named = any(name in error.reason for name in _ERRORS_OF_NAMES)
        end = document.find("<", document.find(">", at) + 1) if at < len(document) and document[at] == "<" else -1
        is_element = at < len(document) and _OPENING_TAG.match(document, at) is not None and "XML" not in error.reason
        if is_element and not is_named and _has_sample(parts, at + skipped, (end if end >= 0 else len(document)) + skipped):
            continue
        yield _find_source_offset(parts, at + skipped), error.reason, not is_element
        if error.reason.startswith("the root is "):
            return  # everything below is meant for another language


def _has_sample(parts: list[_Part], begin: int, end: int) -> bool:
    at = 0
    for part in parts:
        if part.is_sample and begin <= at < end:
            return True
        at += len(part.text)
    return False


def _find_source_offset(parts: list[_Part], offset: int) -> int:
    at, nearest = 0, 0
    for part in parts:
        if not part.is_sample:
            nearest = part.source_offset + min(max(offset - at, 0), max(len(part.text) - 1, 0))
            if offset < at + len(part.text):
                return nearest
        at += len(part.text)
        if at > offset:
            return nearest
    return nearest
