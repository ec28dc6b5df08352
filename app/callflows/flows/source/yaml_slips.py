"""Finds frequent slips in the text of a YAML file that the error of YAML itself does not name, or names elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

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
        return (
            _find_glued_brackets(text, begin, mark)
            or _find_strange_beginning(error, text)
            or _find_deeper_line(error, text, begin)
        )
    return (
        _find_cutting_comment(text, mark.line)
        or _find_semicolon(text, begin, mark)
        or _find_equals(text, begin, mark)
        or _find_lone_comma(text, mark)
        or _find_unclosed_bracket(error, text, line)
        or _find_missing_comma(text, begin, mark)
    )


class KeySlip(NamedTuple):
    """A key and its value, between which another sign stands than a colon and a blank."""

    key: str
    sign: str
    value: str

    @property
    def message(self) -> str:
        if self.sign == ":":
            return f"a blank is missing after the colon of {self.key}"
        return f"a colon stands after {self.key}, and no {self.sign}"

    @property
    def fix(self) -> str:
        return f"write {self.key}: {self.value:.60}"


def find_key_slip(word: str) -> KeySlip | None:
    """Return key, sign and value of a text like ``2:start``, ``2 = start`` or ``2 => start``."""
    found = _GLUED_KEY.fullmatch(word) or _KEY_BEFORE_SIGN.fullmatch(word)
    return KeySlip(found["key"], found["sign"].strip(), found["value"]) if found else None


def guess_wide_encoding(text: bytes) -> str:
    """Return UTF-16 or UTF-32 for a text in which every second byte, or three of four, are zero."""
    share = text.count(0) / max(len(text), 1)
    return "UTF-32" if share > _UTF_32_SHARE else "UTF-16" if share > _UTF_16_SHARE else ""


_UTF_16_SHARE: Final = 0.3
_UTF_32_SHARE: Final = 0.6
_GLUED_KEY: Final = re.compile(r"(?P<key>[a-z_]+|[0-9*]|hash|star)(?P<sign>:)(?P<value>(?!//)\S.*)", re.DOTALL)
_KEY_BEFORE_SIGN: Final = re.compile(
    r"(?P<key>[A-Za-z_][\w-]*|[0-9*]) {0,9}(?P<sign>=>|->|=(?!=)) {0,9}(?P<value>\S.*)", re.DOTALL
)


def _find_strange_beginning(error: yaml.YAMLError, text: str) -> SourceFault | None:
    """Return the first line near an error that begins with a sign that YAML does not know there.

    The error itself is often on the next line: up to it, YAML takes the line for a text.
    """
    mark: Any = getattr(error, "problem_mark", None)
    context: Any = getattr(error, "context_mark", None)
    lines = text.split("\n")[: mark.line + 1]
    first = min(mark.line, context.line if context is not None else mark.line)
    while first > 0 and mark.line - first < _MAX_LINES_ABOVE:
        first -= 1
        if lines[first].strip():
            break
    for number in range(max(first, mark.line - _MAX_LINES_ABOVE), min(mark.line + 1, len(lines))):
        line = lines[number]
        if len(line) > _MAX_LINE_CHARACTERS:
            continue
        place = (number + 1, len(line) - len(line.lstrip()) + 1)
        comment = _FOREIGN_COMMENT.match(line)
        if comment is not None:
            return (*place, f"{comment['sign']} begins no comment here", "begin a comment with #")
        bullet = _FOREIGN_BULLET.match(line)
        if bullet is not None:
            return (*place, f"a step begins with -, and not with {bullet['sign']}", f"write - {bullet['word']}")
        dash = _GLUED_DASH.match(line)
        if dash is not None:
            return (*place, f"a blank is missing after the - of {dash['word']}", f"write - {dash['word']}")
    return None


_FOREIGN_COMMENT: Final = re.compile(r"\s*(?P<sign>//|/\*|--(?= )|;|<!--)")
_FOREIGN_BULLET: Final = re.compile(
    r"\s*(?P<sign>[\u2010-\u2015\u2022\u2023\u2043\u00b7\u2212*+]|[0-9]{1,2}[.)])\s+(?P<word>[a-z_]+:?)(?=\s|$)"
)
_GLUED_DASH: Final = re.compile(r"\s*-(?P<word>[a-z_]+:?)(?=\s|$)")


def _find_deeper_line(error: yaml.YAMLError, text: str, begin: int) -> SourceFault | None:
    """Return the key that is indented further than the key above it, so that YAML takes it for a part of its text."""
    mark: Any = getattr(error, "problem_mark", None)
    own = _KEY_AT_BEGIN.fullmatch(text[begin : mark.index])
    if own is None or "mapping values are not allowed" not in str(getattr(error, "problem", "")):
        return None
    above = text[max(begin - _MAX_LINE_CHARACTERS, 0) : begin].rstrip().rpartition("\n")[2]
    before = _KEY_WITH_TEXT.match(above)
    if before is None or len(own["indent"]) <= len(before["indent"]):
        return None
    place = (mark.line + 1, len(own["indent"]) + 1)
    message = f"{own['key']} is indented further than {before['key']} above it, and so belongs to its text"
    fix = f"indent it as far as {before['key']}"
    if own["dash"]:
        fix = f"indent its - as far as {'that of ' if before['dash'] else ''}{before['key']}"
    return (*place, message, fix)


_KEY_AT_BEGIN: Final = re.compile(r"(?P<indent> *(?P<dash>- +)?)(?P<key>[a-z_]+|[0-9*])")
_KEY_WITH_TEXT: Final = re.compile(r"(?P<indent> *(?P<dash>- +)?)(?P<key>[\w-]+): +[^\s|>{\[\"'#&*!]")


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


def _find_equals(text: str, begin: int, mark: Any) -> SourceFault | None:  # noqa: ANN401 - PyYAML has no types
    """Return the first key in braces after which a = stands."""
    found = _EQUALS_IN_BRACES.search(text[begin : mark.index])
    if found is None:
        return None
    slip = KeySlip(found["key"], "=", "…")
    return mark.line + 1, found.start("key") + 1, slip.message, slip.fix


_EQUALS_IN_BRACES: Final = re.compile(r"[{,] {0,9}(?P<key>[a-z_]+) {0,9}=(?![=>])")


def _find_lone_comma(text: str, mark: Any) -> SourceFault | None:  # noqa: ANN401 - as above
    """Return the comma before which no value stands."""
    if text[mark.index : mark.index + 1] != "," or text[: mark.index].rstrip()[-1:] not in (",", "[", "{"):
        return None
    message = "a comma stands where a value belongs"
    return mark.line + 1, mark.column + 1, message, "take it out, or write the value before it"


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
