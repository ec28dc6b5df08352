"""Answers the line in documents that templates and programs write.

The compiler of nodes knows before a call where the line must be answered (``DocumentWriter.ensure_answered``). A template
or a program writes a whole document, so ``<Answer/>`` is inserted when the document is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE
from callflows.flows.compiler.line_answering import VERBS_NEEDING_ANSWER
from callflows.language import Answer, Callback, Response, from_xml, to_xml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from callflows.language import Dialect, Extensions
    from callflows.language.element import Element
    from callflows.telephony.turn import Turn


class AnswerInserter:
    """Inserts ``<Answer/>`` before the first verb that needs an answered line, on each way through a document."""

    def __init__(self, dialect: Dialect, extensions: Extensions, mode: str = "auto") -> None:
        """``mode`` is ``auto_answer`` of the flow file. The classic dialect has no Answer: its apps answer themselves."""
        self._extensions = extensions
        self._is_possible = dialect == "reference" and mode != "false"
        self._is_unconditional = mode == "true"

    def is_needed(self, turn: Turn) -> bool:
        """Return True if our documents must answer the line of a call that is not answered yet."""
        return self._is_possible and (self._is_unconditional or not turn.auto_answer)

    def answer_in_content(self, content: str, rewrite_url: Callable[[str], str] = str) -> str:
        """Return the content of a Response in which the line is answered.

        ``rewrite_url`` returns the URL for a Callback at which the line is not answered. Raises DocumentReadError for
        content that is no document.
        """
        if not self._is_possible:
            return content
        response = from_xml(f"{DOCUMENT_PROLOGUE}{content}{DOCUMENT_EPILOGUE}".encode(), extensions=self._extensions)
        children = self._answer_in_sequence(response.children, rewrite_url)
        if children == response.children:
            return content
        written = to_xml(Response(*children), "reference", extensions=self._extensions).decode()  # type: ignore[arg-type]
        return written.removeprefix(DOCUMENT_PROLOGUE).removesuffix(DOCUMENT_EPILOGUE)

    def _answer_in_sequence(self, elements: Iterable[Element], rewrite_url: Callable[[str], str]) -> tuple[Element, ...]:
        answered_elements: list[Element] = []
        is_answered = False
        for element in elements:
            if isinstance(element, VERBS_NEEDING_ANSWER) and not is_answered:
                answered_elements.append(Answer())
                is_answered = True
            # a Dial rings before the line is answered, and its Error runs if nobody answered
            answered_elements.append(element if is_answered else self._answer_in_branches(element, rewrite_url))
            is_answered = is_answered or isinstance(element, Answer)
        return tuple(answered_elements)

    def _answer_in_branches(self, element: Element, rewrite_url: Callable[[str], str]) -> Element:
        children = self._answer_in_sequence(element.children, rewrite_url)
        attributes: dict[str, Any] = dict(element.attributes)
        if isinstance(element, Callback):
            attributes["url"] = rewrite_url(str(attributes["url"]))
        if children == element.children and attributes == element.attributes:
            return element
        return element.from_checked_parts(children, attributes, dict(element.extra))
