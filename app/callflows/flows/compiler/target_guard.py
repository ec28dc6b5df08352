"""Judges the targets in documents that templates and programs write, before such a document leaves the server.

A step ``dial`` judges its computed targets itself. A template or a program writes a whole document, in which a target may
come from the caller's digits, so every target is judged that the author did not write out. The URL of the next document
is judged too: whoever writes that document rings whom he likes.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from jinja2 import nodes as jinja_nodes

from callflows.errors import DocumentReadError
from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE
from callflows.flows.decisions import DecisionOrigin
from callflows.flows.entry_points import START_NODE
from callflows.language import Callback, Dial, Error, Gather, Record, Response, To, from_xml, to_xml
from callflows.telephony.phone_numbers import mask_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callflows.flows.dial_policy.target_policy import DialPolicy
    from callflows.language import Dialect, Extensions
    from callflows.language.element import Element
    from callflows.telephony.turn import Turn


_TARGET_ELEMENT: Final = re.compile(r"<(To|Number|Sip|Dial)\b[^<>]*+>\s*([^<>\s]++(?:\s++[^<>\s]++)*+)\s*</\1\s*>")
_TARGET_END: Final = re.compile(r"</(?:To|Number|Sip)\s*>")
_IGNORED_MARKUP: Final = re.compile(r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
_URL_HOST: Final = re.compile(r"https?://([^\s/?#\"'<>{}\\]+)", re.IGNORECASE)
_HOST_SEPARATOR: Final = re.compile(r"[^\w.\-]+")
_MIN_HOST_PART_CHARACTERS: Final = 4
"""Shorter parts of names and numbers stand in many hosts by chance."""
_JUDGED_ELEMENTS: Final = re.compile("<(?:Dial|Callback|Gather) ?")
_NO_NAMES: Final[frozenset[str]] = frozenset()


class TargetGuard:
    """Removes from a document the targets that the dial policy refuses. A Dial without targets becomes its Error."""

    def __init__(
        self,
        policy: DialPolicy,
        literal_targets: Iterable[str],
        url_hosts: frozenset[str] | None,
        dialect: Dialect,
        extensions: Extensions,
    ) -> None:
        """``literal_targets`` are the targets that the author wrote out, ``url_hosts`` the hosts of documents.

        If ``url_hosts`` is None, only hosts that the caller has brought, wholly or in part, are refused.
        """
        self._literal_texts = tuple(literal_targets)
        self._policy = policy
        self._literal_targets = frozenset(map(policy.make_comparison_key, self._literal_texts))
        self._url_hosts = url_hosts
        self._written_hosts = frozenset(host for text in self._literal_texts for host in find_url_hosts(text))
        self._dialect = dialect
        self._extensions = extensions

    def guard_document(self, content: str, turn: Turn, node: str = START_NODE) -> str:
        """Return the content of a Response without refused targets, and record each refusal in the trail of the turn.

        Raises DocumentReadError for content that is no document, because an unread target could be rung, and for a URL
        that lets others decide how the call goes on.
        """
        if not _JUDGED_ELEMENTS.search(content):
            return content
        response = from_xml(f"{DOCUMENT_PROLOGUE}{content}{DOCUMENT_EPILOGUE}".encode(), extensions=self._extensions)
        refusals: list[tuple[str, str]] = []
        guarded = [*self._guard_elements(response, turn, refusals)]
        if not refusals:
            return content
        for target, reason in refusals:
            origin = DecisionOrigin(node, 0, Dial.spec.name.lower(), "a target of the document", _NO_NAMES, _NO_NAMES)
            turn.trail.append((origin, "refused", turn.values, {"target": mask_number(target), "refused": reason}))
        written = to_xml(Response(*guarded), self._dialect, extensions=self._extensions).decode()  # type: ignore[arg-type]
        if not written.endswith(DOCUMENT_EPILOGUE):
            return ""  # nothing is left: <Response/>
        return written.removeprefix(DOCUMENT_PROLOGUE).removesuffix(DOCUMENT_EPILOGUE)

    def _guard_elements(self, element: Element, turn: Turn, refusals: list[tuple[str, str]]) -> Iterator[Element]:
        """Yield the children of an element, guarded."""
        for child in element.children:
            if isinstance(child, Dial):
                yield from self._guard_dial(child, turn, refusals)
                continue
            if isinstance(child, Callback | Gather):
                self._check_document_url(str(child.attributes.get("url", "")), turn)
            inside = [*self._guard_elements(child, turn, refusals)]
            if tuple(inside) == child.children:
                yield child
            elif isinstance(child, Record) and not inside:
                continue  # an empty Record would record the caller instead of the conversation
            else:
                yield child.from_checked_parts(tuple(inside), dict(child.attributes), dict(child.extra))

    def _guard_dial(self, dial: Dial, turn: Turn, refusals: list[tuple[str, str]]) -> Iterator[Element]:
        allowed: list[Element] = []
        for child in dial.children:
            refusal = self._find_refusal(child, turn) if isinstance(child, To) else ""
            if refusal:
                refusals.append((str(child.attributes.get("target", "")), refusal))
            elif isinstance(child, Error):
                inside = tuple(self._guard_elements(child, turn, refusals))
                allowed.append(child.from_checked_parts(inside, dict(child.attributes), dict(child.extra)))
            else:
                allowed.append(child)
        if any(isinstance(child, To) for child in allowed):
            yield dial.from_checked_parts(tuple(allowed), dict(dial.attributes), dict(dial.extra))
        else:
            for child in allowed:
                yield from child.children if isinstance(child, Error) else ()

    def _find_refusal(self, target: To, turn: Turn) -> str:
        written = str(target.attributes.get("target", ""))
        is_literal = self._policy.make_comparison_key(written) in self._literal_targets
        return "" if is_literal else self._policy.find_call_refusal(written, turn)

    def _check_document_url(self, url: str, turn: Turn) -> None:
        """Raise DocumentReadError if the next document would come from a host that the author did not choose."""
        if not url or url.startswith(f"{turn.base_url}/"):
            return
        try:
            parts = urlsplit(url)
        except ValueError:
            raise DocumentReadError(1, 1, "the next document would come from a URL without a valid host") from None
        host = parts.netloc.lower()
        if self._url_hosts is not None:
            is_chosen = host in self._url_hosts or host in find_url_hosts(str(turn.variables))
        else:
            is_chosen = host in self._written_hosts or not _is_host_of_request(parts.hostname or "", turn)
        if not is_chosen:
            raise DocumentReadError(1, 1, "the next document would come from a host that is not written out")


def _is_host_of_request(host: str, turn: Turn) -> bool:
    """Return True if a host contains a part of a request's field, or is contained in one."""
    parts = [part for value in turn.request_fields.values() for part in _HOST_SEPARATOR.split(str(value).lower())]
    return any(host in part or (len(part) >= _MIN_HOST_PART_CHARACTERS and part in host) for part in parts)


def find_targets_in_template(template: jinja_nodes.Template) -> dict[str, int]:
    """Return the targets that a template has written out, with their lines. A target with any braces in it is computed."""
    return {
        match[2]: data.lineno + data.data.count("\n", 0, match.start(2))
        for data in template.find_all(jinja_nodes.TemplateData)
        for match in _TARGET_ELEMENT.finditer(_blank_ignored_markup(data.data))
    }


def _blank_ignored_markup(text: str) -> str:
    """Replace comments and character data, in which nothing is an element, by spaces; lines stay where they are."""
    return _IGNORED_MARKUP.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def find_url_hosts(text: str) -> frozenset[str]:
    """Return the hosts of the URLs that a text has written out."""
    return frozenset(host.lower() for host in _URL_HOST.findall(text))


def has_computed_targets(template: jinja_nodes.Template) -> bool:
    """Return True if a template may dial a target that is not written out."""
    texts = [data.data for data in template.find_all(jinja_nodes.TemplateData)]
    dials = sum(text.count("<Dial") for text in texts)
    targets = sum(len(_TARGET_END.findall(text)) for text in texts)
    return max(dials, targets) > sum(len(_TARGET_ELEMENT.findall(text)) for text in texts)


def find_texts_in_program(source: str) -> dict[str, int]:
    """Return the texts that a program has written out as wholes, with their lines.

    Parts of f-strings are none, and neither are the numbers of a ``dial_policy``, which may be those to deny.
    """
    tree = ast.parse(source)
    parts = {id(part) for joined in ast.walk(tree) if isinstance(joined, ast.JoinedStr) for part in joined.values}
    parts |= {
        id(part)
        for argument in ast.walk(tree)
        if isinstance(argument, ast.keyword) and argument.arg == "dial_policy"
        for part in ast.walk(argument.value)
    }
    return {
        node.value: node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value and id(node) not in parts
    }
