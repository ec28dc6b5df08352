"""Keeps texts that are empty in a call from leaving the caller in silence.

A text like ``{{ customer.greeting }}`` is made of values only. If they are missing, the Say would speak nothing.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from callflows.flows.compiler.fragments import DOCUMENT_EPILOGUE, DOCUMENT_PROLOGUE


class SilentTextRemover:
    """Removes each Say that speaks nothing from a document. A way on which nothing else is heard leads to the fallback."""

    def __init__(self, fallback_content: str) -> None:
        """``fallback_content`` is the content of the fallback's Response, which ends the call."""
        self._fallback = fallback_content.replace("<Answer/>", "", 1)
        self._documents_instead_of_empty = {
            _wrap_content(""): _wrap_content(fallback_content),
            _wrap_content("<Answer/>"): _wrap_content(f"<Answer/>{self._fallback}"),
        }

    def remove_silent_texts(self, document: str) -> str:
        """Return a document without empty texts; the fallback instead of a document without any command.

        Any other document is returned unchanged, after one search.
        """
        document = self._documents_instead_of_empty.get(document, document)
        return document if EMPTY_SAY_PATTERN.search(document) is None else self._rewrite_document(document)

    def _rewrite_document(self, document: str) -> str:
        search = _SilenceSearch(self._fallback)
        # our own documents only: all texts are escaped, so that every < begins a tag or a comment
        for tag in _TAG.finditer(document):
            if tag["empty"] is not None:
                search.meet_silent_text(*tag.span())
            elif tag["name"] is not None:
                search.meet_tag(tag["name"], tag.start(), closes=bool(tag["closing"]), is_alone=bool(tag["alone"]))
        for begin, end, text in sorted(search.edits, reverse=True):
            document = f"{document[:begin]}{text}{document[end:]}"
        return document


def _wrap_content(content: str) -> str:
    return f"{DOCUMENT_PROLOGUE}{content}{DOCUMENT_EPILOGUE}"


class _SilenceSearch:
    """Walks through the tags of a document. ``edits`` are the places to replace: begin, end, new text."""

    def __init__(self, fallback: str) -> None:
        self.edits: list[tuple[int, int, str]] = []
        self._fallback = fallback
        self._sequences = [_Sequence(0, [], [])]

    def meet_silent_text(self, begin: int, end: int) -> None:
        self._sequences[-1].silent_texts.append(begin)
        self.edits.append((begin, end, ""))

    def meet_tag(self, name: str, begin: int, *, closes: bool, is_alone: bool) -> None:
        if closes:
            self._close_element(name)
            return
        around = self._sequences[-1]
        if name in _AUDIBLE_TAGS:
            around.audible_tags.append(name)
        elif name == _END_TAG:
            self._end_sequence(around)
        if not is_alone:
            self._sequences.append(_Sequence(begin, [], []))
        elif name == _QUESTION_TAG:
            self._end_sequence(around)

    def _close_element(self, name: str) -> None:
        inside = self._sequences.pop()
        if name == _QUESTION_TAG:  # prompts stand before the question, or inside it (classic)
            around = self._sequences[-1]
            silent_texts = [*around.silent_texts, *inside.silent_texts]
            asked = _Sequence(inside.begin, silent_texts, [*around.audible_tags, *inside.audible_tags])
            self._end_sequence(asked, at=inside.begin)
            around.audible_tags.append(name)
        elif name == _ROOT_TAG:
            self._end_sequence(inside)

    def _end_sequence(self, sequence: _Sequence, at: int | None = None) -> None:
        """Lead the call to the fallback if it ends, or is asked something, and has only met empty texts before."""
        if sequence.silent_texts and not sequence.audible_tags:
            begin = sequence.silent_texts[0] if at is None else at
            self.edits.append((begin, begin, self._fallback))
            sequence.audible_tags.append(_END_TAG)


class _Sequence(NamedTuple):
    """The commands of a document or a branch so far: the places of empty texts, and what the caller hears beside them."""

    begin: int
    silent_texts: list[int]
    audible_tags: list[str]


_ROOT_TAG: Final = "Response"
_END_TAG: Final = "Hangup"
_QUESTION_TAG: Final = "Gather"
_AUDIBLE_TAGS: Final = frozenset(
    {"Say", "Play", "Tone", "Hold", "Dial", "Record", "Callback", "Curl", "Call", "Geo", "Schedule"}
)
"""Elements after which a call is not silent, or goes on elsewhere."""
EMPTY_SAY_PATTERN: Final = re.compile(r"<Say(?:\s[^<>]*)?(?:/>|>[^\w<&]*</Say>)")
"""A Say of which nothing is spoken: no letter and no digit."""
_TAG: Final = re.compile(
    rf"<!--.*?(?:-->|\Z)|(?P<empty>{EMPTY_SAY_PATTERN.pattern})|<(?P<closing>/?)(?P<name>[A-Za-z]+)(?:\s[^<>]*?)?(?P<alone>/?)>",
    re.DOTALL,
)
