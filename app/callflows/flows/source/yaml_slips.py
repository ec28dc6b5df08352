"""Finds frequent slips in the text of a YAML file that the error of YAML itself does not name, or names elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import yaml


SourceFault: TypeAlias = "tuple[int, int, str, str]"
"""Line, column, message and fix."""


def find_slip(error: yaml.YAMLError, text: str) -> SourceFault | None:
    """Return the slip near the place of an error; None if there is none, or if it is not sure."""
    mark: Any = getattr(error, "problem_mark", None)
    if mark is None:
        return None
    is_flow = "flow" in str(getattr(error, "context", ""))
    begin = text.rfind("\n", 0, mark.index) + 1
    line = text[begin:].partition("\n")[0]
    if len(line) > _MAX_LINE_CHARACTERS:
        return None
    if not is_flow:
        return _find_glued_brackets(text, begin, mark) or _find_glued_dash(
            line, mark.line, str(getattr(error, "problem", ""))
        )
    return (
        _find_cutting_comment(text, mark.line)
        or _find_semicolon(text, begin, mark)
        or _find_unclosed_bracket(error, text, line)
        or _find_missing_comma(text, begin, mark)
    )


def find_glued_key(word: str) -> tuple[str, str] | None:
    """Return key and value of a text like ``2:start``, in which the blank after the colon is missing."""
    found = _GLUED_KEY.fullmatch(word)
    return (found["key"], found["value"]) if found else None


def guess_wide_encoding(text: bytes) -> str:
    """Return UTF-16 or UTF-32 for a text in which every second byte, or three of four, are zero."""
    share = text.count(0) / max(len(text), 1)
    return "UTF-32" if share > _UTF_32_SHARE else "UTF-16" if share > _UTF_16_SHARE else ""


_UTF_16_SHARE: Final = 0.3
_UTF_32_SHARE: Final = 0.6
_GLUED_KEY: Final = re.compile(r"(?P<key>[a-z_]+|[0-9*]|hash|star):(?P<value>(?!//)\S.*)", re.DOTALL)


def _find_glued_dash(line: str, number: int, problem: str) -> SourceFault | None:
    found = _GLUED_DASH.match(line)
    if found is None or ("expected '-'" not in problem and "expected key" not in problem and "expected ':'" not in problem):
        return None
    message = f"a blank is missing after the - of {found['word']}"
    return number + 1, len(found["before"]) + 1, message, f"write - {found['word']}"


_GLUED_DASH: Final = re.compile(r"(?P<before>\s*)-(?P<word>[a-z_]+:?)(?=\s|$)")


def _find_cutting_comment(text: str, line_number: int) -> SourceFault | None:
    """Return the # that hides the closing bracket of its line, at most some lines above an error."""
    lines = text.split("\n")[: line_number + 1]
    for number in range(len(lines) - 1, max(len(lines) - _MAX_LINES_ABOVE, 0) - 1, -1):
        plain = _QUOTED_TEXT.sub(lambda quoted: "x" * len(quoted[0]), lines[number])
        comment = _COMMENT.search(plain)
        if comment is None or _count_open(plain[: comment.start()]) <= 0 or _count_open(comment[0]) >= 0:
            continue
        fix = 'write hash for the # key, or "#"' if re.match(r"#\s*:", comment[0]) else 'quote a text with a #: "…# …"'
        message = "a # begins a comment: the rest of the line, with its closing bracket, is lost"
        return number + 1, comment.start() + 1, message, fix
    return None


def _count_open(text: str) -> int:
    """Return how many more brackets a text opens than it closes."""
    return len(_OPENING.findall(text)) - len(_CLOSING.findall(text))


def _find_glued_brackets(text: str, begin: int, mark: Any) -> SourceFault | None:  # noqa: ANN401 - a mark of PyYAML
    """Return a key whose value in brackets follows without a blank, as ``keys:{1: sales}``."""
    found = _GLUED_BRACKET.search(text[begin : mark.index + 2])
    if found is None:
        return None
    column = found.start("key") + 1
    message = f"a blank is missing after the colon of {found['key']}"
    return mark.line + 1, column, message, f"write {found['key']}: {found['bracket']}…"


_GLUED_BRACKET: Final = re.compile(r"(?P<key>\w+):(?P<bracket>[\[{])$")


def _find_semicolon(text: str, begin: int, mark: Any) -> SourceFault | None:  # noqa: ANN401
    """Return the ; between two keys in braces."""
    found = _SEMICOLON_BETWEEN.search(text[begin : mark.index])
    if found is None or text[mark.index : mark.index + 1] != ":":
        return None
    return mark.line + 1, found.start("sign") + 1, "a ; stands between two keys", "write a comma for it"


_SEMICOLON_BETWEEN: Final = re.compile(r"[\w*\"']+:\s[^,;\[\]{}]*(?P<sign>;)\s*[\w*\"']+$")


def _find_unclosed_bracket(error: yaml.YAMLError, text: str, line: str) -> SourceFault | None:
    """Return the bracket that is not closed before a line that begins with a key or a dash, as lines outside of it do."""
    opened: Any = getattr(error, "context_mark", None)
    mark: Any = getattr(error, "problem_mark", None)
    before = line[: mark.column]
    if opened is None or opened.line >= mark.line or not _BEGIN_OF_LINE.fullmatch(before):
        return None
    sign = text[opened.index : opened.index + 1]
    rest = _QUOTED_TEXT.sub(lambda quoted: "x" * len(quoted[0]), _COMMENT.sub("", text[opened.index :]))
    if sign not in _CLOSING_SIGNS or _closes(rest):
        return None
    message = f"the {sign} that opens here is not closed"
    return opened.line + 1, opened.column + 1, message, f"put a {_CLOSING_SIGNS[sign]} where it ends"


def _closes(text: str) -> bool:
    """Return True if the bracket at the begin of a text is closed later."""
    depth = 0
    for sign in _BRACKET.findall(text):
        depth += 1 if sign in _CLOSING_SIGNS else -1
        if depth == 0:
            return True
    return False


def _find_missing_comma(text: str, begin: int, mark: Any) -> SourceFault | None:  # noqa: ANN401
    """Return the place of a missing comma: between two keys in brackets, or at the end of the line before."""
    if text[mark.index : mark.index + 1] != ":":
        return None
    before = text[begin : mark.index]
    if _BEGIN_OF_LINE.fullmatch(before) and mark.line:
        above = text[:begin].rstrip()
        if above[-1:] in ("", ",", "[", "{", ":"):
            return None
        place = (above.count("\n") + 1, len(above) - above.rfind("\n"))
        return (*place, f"a comma is missing before {before.strip()}", "write a comma at the end of the line")
    found = _KEY_IN_TEXT.search(before)
    if found is None:
        return None
    message = f"within brackets a text with a colon is not quoted, or a comma is missing before {found['next']}"
    fix = f'quote the text: {found["key"]}: "…: …"; or write a comma before {found["next"]}'
    return mark.line + 1, mark.column + 1, message, fix


_KEY_IN_TEXT: Final = re.compile(r"(?P<key>[\w*]+):\s[^,\[\]{}]*\s(?P<next>[a-z][a-z_]*)$")
_BEGIN_OF_LINE: Final = re.compile(r"\s*(?:-\s+)?[\w*-]+")
_QUOTED_TEXT: Final = re.compile(r""" "(?:[^"\\\n]|\\.)*" | (?<=[\s:,\[{(])'[^'\n]*' """, re.VERBOSE)
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)
_OPENING: Final = re.compile(r"[\[{]")
_CLOSING: Final = re.compile(r"[\]}]")
_BRACKET: Final = re.compile(r"[\[{\]}]")
_CLOSING_SIGNS: Final = {"[": "]", "{": "}"}
_MAX_LINES_ABOVE: Final = 30
_MAX_LINE_CHARACTERS: Final = 1_000
"""Slips are not looked for in longer lines: no person has written them, and each key would be looked at for every other."""
