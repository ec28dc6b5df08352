"""Reads YAML as mappings, lists and texts, each with a position.

Every scalar stays text, also ``22:00``, ``+1201…`` and ``no``. Content that YAML would drop without a message is an error.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from callflows.flows.source.positions import ProblemReport, SourcePath, SourcePosition
from callflows.flows.source.yaml_slips import find_key_slip, find_slip, guess_wide_encoding
from callflows.text import XML_FORBIDDEN_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.flows.source.yaml_slips import SourceFault


MAX_FLOW_FILE_BYTES: Final = 4_000_000
"""A larger flow file is refused."""
_MAX_NODES: Final = 300_000
_MAX_CHARACTERS: Final = 2 * MAX_FLOW_FILE_BYTES
"""Characters of all texts, counted again for every alias that repeats them."""
_MAX_DEPTH: Final = 60
_YAML_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: bytes, report: ProblemReport) -> Any:  # noqa: ANN401 - dicts, lists and texts
    """Return a YAML file as dicts, lists and texts, and add the positions to ``report``.

    Returns None for an unreadable file.
    """
    if len(text) > MAX_FLOW_FILE_BYTES:
        report.error((), "yaml", f"the file has {len(text)} bytes, more than {MAX_FLOW_FILE_BYTES}")
        return None
    wide = guess_wide_encoding(text)
    if wide:
        report.error((), "yaml", f"the file is {wide}, not UTF-8", "save it as UTF-8")
        return None
    try:
        decoded = text.decode("utf-8-sig")
        if _report_strange_line(decoded, report):
            return None
        _refuse_deep_nesting(decoded)
        root = yaml.compose(decoded, Loader=_YAML_LOADER)
    except UnicodeDecodeError as error:
        report.positions[()] = SourcePosition(text[: error.start].count(b"\n") + 1, 1)
        report.error((), "yaml", "the file is not UTF-8", "save it as UTF-8")
        return None
    except yaml.YAMLError as error:
        _report_yaml_error(error, decoded, report)
        return None
    if root is None:
        report.error((), "shape", "the file is empty", "it needs numbers and nodes")
        return None
    _report_lost_keys(decoded, report)
    lost = _report_lost_names(decoded, root, report)
    try:
        return _YamlConverter(decoded, report, lost).convert_node(root, (), 0)
    except _FileTooComplex as much:
        message = "the file is nested too deeply, or repeats itself without end"
        report.error(much.path, "yaml", message, "write out what an alias stands for")
        return None


def _report_lost_keys(text: str, report: ProblemReport) -> None:
    lines = enumerate(text.split("\n"), 1) if "#" in text else ()
    found = ((line, lost) for line, written in lines if (lost := _LOST_KEY.match(written)))
    for line, lost in itertools.islice(found, _MAX_LOST_KEYS):
        report.positions["#", line] = SourcePosition(line, 1)
        message = f"YAML takes {lost[0].strip()!r} for a comment, and the key is lost"
        report.error(("#", line), "key-lost", message, "write hash for the # key")


def _report_strange_line(text: str, report: ProblemReport) -> bool:
    """Report the first line that makes the whole file unreadable, and that YAML itself explains in no useful way."""
    found = _STRANGE_LINE.search(text)
    if found is None:
        return False
    report.positions[()] = SourcePosition(text.count("\n", 0, found.start()) + 1, 1)
    if found["fence"]:
        report.error((), "yaml", "the line is of Markdown, in which the flow stood", "take the lines with ``` out")
    elif found["blank"]:
        message = f"the line is indented with U+{ord(found['blank']):04X}, which is no space, as web pages have it"
        report.error((), "yaml", message, "indent with spaces")
    else:
        fix = "choose one of both versions, and take the lines with <<<<<<<, ======= and >>>>>>> out"
        report.error((), "yaml", "the file has an unresolved conflict of a merge (git)", fix)
    return True


_STRANGE_LINE: Final = re.compile(
    r"^(?:(?P<fence>```)|(?P<blank>[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000])|<{7} |>{7} )", re.MULTILINE
)


def _report_lost_names(text: str, root: yaml.Node, report: ProblemReport) -> frozenset[int]:
    """Report tags and anchors that are the beginning of a text: YAML drops them without a word.

    Returns the places of the texts that are not whole.
    """
    lost: list[tuple[Any, str]] = []
    if "!" in text:
        lost += [(node.start_mark, node.tag) for node in _iterate_scalars(root) if not node.tag.startswith("tag:yaml.org,")]
    if "&" in text:
        tokens = [*yaml.scan(text, Loader=_YAML_LOADER)]
        aliases = {token.value for token in tokens if isinstance(token, yaml.AliasToken)}
        lost += [
            (token.start_mark, f"&{token.value}")
            for token, following in itertools.pairwise(tokens)
            if isinstance(token, yaml.AnchorToken)
            and isinstance(following, yaml.ScalarToken)
            and token.value not in aliases
        ]
    for mark, word in lost[:_MAX_LOST_KEYS]:
        report.positions["&", mark.index] = SourcePosition(mark.line + 1, mark.column + 1)
        message = f"YAML takes {word:.40} for a name of its own, and drops it from the text"
        fix = f'quote the text: "{word:.40} …"'
        if word.startswith("!") and text[: mark.index].endswith("when: "):
            fix = f"write not {word[1:]:.40}"
        report.error(("&", mark.index), "yaml", message, fix)
    return frozenset(mark.index for mark, _ in lost)


def _iterate_scalars(root: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """Yield every text of a file once, also keys."""
    waiting, seen = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.ScalarNode):
            yield node
            continue
        parts = itertools.chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
        for part in parts:
            if id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)


def iterate_texts(value: object) -> Iterator[str]:
    """Yield every text in plain data, except keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value if isinstance(value, list) else value.values():
            yield from iterate_texts(part)


class _NestingTooDeep(yaml.MarkedYAMLError):
    pass


class _FileTooComplex(Exception):
    def __init__(self, path: SourcePath) -> None:
        self.path = path


def _refuse_deep_nesting(text: str) -> None:
    """Refuse nesting so deep that the reader might crash. Most files are flat enough to skip the second parsing."""
    if _is_surely_flat(text):
        return
    depth = 0
    for event in yaml.parse(text, Loader=_YAML_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _NestingTooDeep(
                    problem=f"more than {_MAX_DEPTH} values inside each other",
                    problem_mark=event.start_mark,  # type: ignore[arg-type]
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _is_surely_flat(text: str) -> bool:
    """Return True if deep nesting is impossible: each level needs a bracket or more indentation."""
    if "&" in text or "!" in text:
        return False
    furthest = max((len(found) for found in _LINE_BEGINNING.findall(text)), default=0)
    return 2 * (furthest + 1) + 2 * (text.count("[") + text.count("{")) < _MAX_DEPTH


def _report_yaml_error(error: yaml.YAMLError, text: str, report: ProblemReport) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        report.positions[()] = SourcePosition(mark.line + 1, mark.column + 1)
    if isinstance(error, yaml.reader.ReaderError):
        # The position of the error is in bytes or in characters, depending on the loader.
        found = yaml.reader.Reader.NON_PRINTABLE.search(text)
        position = found.start() if found else min(error.position, len(text) - 1)
        before = text[:position]
        report.positions[()] = SourcePosition(before.count("\n") + 1, position - before.rfind("\n"))
        report.error((), "yaml", f"the file cannot be read here: it holds U+{ord(text[position]):04X}", "take it out")
        return
    fault = (
        _find_quote_fault(error, text)
        or _find_brace_fault(error, text)
        or find_slip(error, text)
        or _find_plain_text_fault(error, text)
        or _find_open_bracket(error, text)
        or _find_text_after_end(error, text)
        or _find_missing_colon(error, text)
    )
    if fault is not None:
        line, column, message, fix = fault
        report.positions[()] = SourcePosition(line, column)
        report.error((), "yaml", message, fix)
        return
    problem = str(getattr(error, "problem", None) or error)
    yaml_message = f"{getattr(error, 'context', '')} {problem}"
    fix = next((fix for known, fix in _YAML_ERROR_FIXES.items() if known in yaml_message), "")
    lines = text.splitlines()
    if mark is not None and mark.line < len(lines) and _UNQUOTED_BRACES.search(lines[mark.line]):
        fix = _QUOTE_BRACES_FIX
    elif mark is not None and _SIGN_ERROR.search(yaml_message) and text[mark.index : mark.index + 1] in _TEXT_SIGNS:
        sign = text[mark.index]
        problem, fix = f"no text begins with {sign} without quotes", f'quote the text, as "{sign}…"'
    words = next((words for known, words in _YAML_ERROR_WORDS.items() if known in yaml_message), problem)
    if "expected <document start>" in yaml_message and not _END_OF_FILE_LINE.search(text):
        words, fix = "what stands before it is no flow", "a flow file is keys with values, as numbers: +12015550123"
    if mark is not None and text[mark.index : mark.index + 1] == "\t":
        words, fix = "the line begins with a tab", "indent with spaces, not tabs"
    report.error((), "yaml", f"the file cannot be read here: {words}", fix)


def _find_plain_text_fault(error: yaml.YAMLError, text: str) -> SourceFault | None:
    """Return the place where a text without quotes cannot go on, or where a line before it lacks its colon."""
    mark: Any = getattr(error, "problem_mark", None)
    if mark is None:
        return None
    problem, context = str(getattr(error, "problem", "")), str(getattr(error, "context", ""))
    begin = text.rfind("\n", 0, mark.index) + 1
    line, sign = text[begin:].partition("\n")[0], text[mark.index : mark.index + 1]
    place = (mark.line + 1, mark.column + 1)
    braces = _UNQUOTED_BRACES.search(line)
    if braces is not None and "flow" not in context:
        message = f"a text with {braces['braces']} is not quoted, and YAML takes the braces for its own"
        fix = _QUOTE_BRACES_FIX if braces["braces"] == "{{" else 'a text that begins with {% must be quoted: "{% … %}"'
        return mark.line + 1, braces.start("braces") + 1, message, fix
    if "mapping values are not allowed" in problem:
        curly = _CURLY_QUOTE.search(line)
        if curly is not None and curly.end() <= mark.column:
            message = f"{curly['quote']} is no quote of YAML, and the text is not quoted"
            return mark.line + 1, curly.start("quote") + 1, message, 'write plain quotes: "…"'
        return _find_line_without_colon(text[:begin], line, mark.line)
    if "did not find expected ',' or '}'" in problem and sign in (":", "[", "{"):
        key = _LAST_KEY.search(text[begin : mark.index])
        word = key[1] if key else "key"
        if sign == ":":
            return (*place, "within braces a text with a colon is not quoted", f'quote the text: {word}: "…: …"')
        message = f"within braces a text with {sign} is not quoted, and YAML takes the {sign} for its own"
        fix = f'quote the text: {word}: \'… in ["US", "CA"]\'' if word == "when" else f'quote the text: {word}: "… {sign}…"'
        return (*place, message, fix)
    if "did not find expected node content" in problem and sign == "-":
        return (*place, "within braces a list has no dashes", "write it in brackets: to: [+12015550188, +12015550190]")
    found = _NAME_SIGN.search(line) if "alphabetic or numeric character" in problem else None
    if found is not None:
        fix = f'quote the text, as "{found["sign"]}…"'
        if found["sign"] == "*":
            fix = "write star for the * key" if line[found.end() :].startswith(":") else f"{fix}; the * key is star"
        return mark.line + 1, found.start("sign") + 1, f"no text begins with {found['sign']} without quotes", fix
    return None


def _find_line_without_colon(before: str, line: str, number: int) -> SourceFault | None:
    """Return the key on the line before ``line`` that stands alone, or before an = sign; ``number``: how many are above."""
    above = before.rstrip("\n").rpartition("\n")[2]
    indentation = len(above) - len(above.lstrip(" -"))
    word = above[indentation:].strip()
    if len(line) - len(line.lstrip(" -")) < indentation or not word:
        return None
    slip = find_key_slip(word)
    if slip is not None:
        return number, indentation + 1, slip.message, slip.fix
    if _LONE_KEY.fullmatch(word):
        return number, indentation + 1, f"a : is missing after {word!r}", f"write {word}:"
    return None


_CURLY_QUOTE: Final = re.compile("[:\\-] +(?P<quote>[\u2018\u2019\u201a\u201c\u201d\u201e\u00ab])")
_NAME_SIGN: Final = re.compile(r"(?:^|[:\-,\[{]) *(?P<sign>[*&])")
_LAST_KEY: Final = re.compile(r"(?<![\w-])([\w-]++): [^:]*$")
_LONE_KEY: Final = re.compile(r"[A-Za-z][\w-]*")


def _find_quote_fault(error: yaml.YAMLError, text: str) -> SourceFault | None:
    """Return the quote that made the file unreadable: not closed, or closed within its text."""
    for token in _iterate_quoted_tokens(text):
        quote, end = token.style, token.end_mark
        line = text[end.index : end.index + _SHOWN_CHARACTERS].partition("\n")[0]
        if not _TEXT_AFTER_QUOTE.match(line):
            continue
        place = (token.start_mark.line + 1, token.start_mark.column + 1)
        if token.start_mark.line != end.line:
            return (*place, *_describe_open_quote(quote))
        after = line.strip()[:20]
        message = f"the text in {quote} ends before {after!r}, because a {quote} within it closes it"
        if quote == "'":
            return (*place, message, "write an apostrophe twice ('') within '…', or put the text in \"…\"")
        return (*place, message, 'write \\" within "…", or put the text in \'…\'')
    if "while scanning a quoted scalar" in str(getattr(error, "context", "")):
        opened = getattr(error, "context_mark", None)
        if opened is not None:
            return (opened.line + 1, opened.column + 1, *_describe_open_quote(text[opened.index]))
    return None


def _describe_open_quote(quote: str) -> tuple[str, str]:
    fix = f"put a {quote} at the end of the text"
    if quote == "'":
        fix += ', or put a text that begins with an apostrophe in "…"'
    return f"the {quote} that opens here is not closed: the following lines are taken for its text", fix


def _iterate_quoted_tokens(text: str) -> Iterator[Any]:
    """Yield the quoted texts as far as YAML can be read."""
    try:
        for token in yaml.scan(text, Loader=_YAML_LOADER):
            if isinstance(token, yaml.ScalarToken) and token.style in ("'", '"'):
                yield token
    except yaml.YAMLError:
        return


def _find_brace_fault(error: yaml.YAMLError, text: str) -> SourceFault | None:
    """Return the first unquoted ``{{`` near an error of a mapping in braces or of a list in brackets."""
    mark = getattr(error, "problem_mark", None)
    opened: Any = getattr(error, "context_mark", None) or mark
    if mark is None or "flow" not in str(getattr(error, "context", "")):
        return None
    lines = text.splitlines()
    for number in range(opened.line, min(mark.line + 1, len(lines), opened.line + _MAX_FAULT_LINES)):
        plain = _QUOTED_PART.sub(lambda part: " " * len(part[0]), lines[number])
        found = _VALUE_BRACES.search(plain)
        if found is None:
            continue
        column = found.start("braces") + 1
        if "}}" not in plain[found.end() :] and "%}" not in plain[found.end() :]:
            message = f"{found['braces']} is not closed, and its text is not quoted"
            return number + 1, column, message, 'quote the text, and close the braces: "Hello {{ caller.name }}"'
        message = f"a text with {found['braces']} is not quoted, and YAML takes the braces for its own"
        return number + 1, column, message, 'quote the whole text: "Hello {{ caller.name }}"'
    return None


def _find_open_bracket(error: yaml.YAMLError, text: str) -> SourceFault | None:
    """Return the bracket or brace that opens and is never closed."""
    opened: Any = getattr(error, "context_mark", None)
    sign = text[opened.index : opened.index + 1] if opened is not None else ""
    if "while parsing a flow" not in str(getattr(error, "context", "")) or sign not in _CLOSING_SIGNS:
        return None
    rest = _QUOTED_PART.sub(lambda part: " " * len(part[0]), text[opened.index :])
    rest = _COMMENT.sub(lambda comment: " " * len(comment[0]), rest)
    unclosed: list[re.Match[str]] = []
    for found in re.finditer(r"[\[\]{}]", rest):
        if found[0] in _CLOSING_SIGNS:
            unclosed.append(found)
        elif _CLOSING_SIGNS[unclosed[-1][0]] != found[0]:
            break
        else:
            unclosed.pop()
            if not unclosed:
                return None
    last = unclosed[-1]
    index = opened.index + last.start()
    fix = f"put a {_CLOSING_SIGNS[last[0]]} where it ends; a # begins a comment, so write hash for the # key"
    place = (text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))
    return (*place, f"the {last[0]} that opens here is not closed", fix)


def _find_text_after_end(error: yaml.YAMLError, text: str) -> SourceFault | None:
    """Return the place where a text goes on after a closing quote or bracket, or where a bracket closes twice."""
    mark: Any = getattr(error, "problem_mark", None)
    if mark is None or "did not find expected key" not in str(getattr(error, "problem", "")):
        return None
    line_begin = text.rfind("\n", 0, mark.index) + 1
    before, sign = text[line_begin : mark.index].rstrip()[-1:], text[mark.index : mark.index + 1]
    place = (mark.line + 1, mark.column + 1)
    if sign in _CLOSING_SIGNS.values():
        return (*place, f"the {sign} closes nothing", "take it out, or quote the text that it belongs to")
    if before in ("'", '"') and before:
        return (*place, f"the text ends at the {before}, and more follows", "put the quotes around the whole text")
    if before == "}" and "{{" not in text[line_begin : mark.index]:
        return (*place, "the braces end at the }, and more follows", "take a } out before it, or quote the text")
    if before == "]" and "{{" not in text[line_begin : mark.index]:
        return (*place, "the list ends at the ], and more follows", 'a text that begins with [ is quoted: "[…] …"')
    return None


def _find_missing_colon(error: yaml.YAMLError, text: str) -> SourceFault | None:
    """Return the key that stands without a colon."""
    key: Any = getattr(error, "context_mark", None)
    if key is None or "could not find expected ':'" not in str(getattr(error, "problem", "")):
        return None
    word = text[key.index : key.index + _SHOWN_CHARACTERS].partition("\n")[0].strip()
    if _BLOCK_BEGIN.search(text[: key.index]):
        message = "the text that begins on the line before is not indented"
        return key.line + 1, key.column + 1, message, "indent it further than the key of the | or >"
    slip = find_key_slip(word)
    if slip is not None:
        return key.line + 1, key.column + 1, slip.message, slip.fix
    fix = f"write {word}: if what follows belongs to it; a text of several lines stands in quotes"
    return key.line + 1, key.column + 1, f"a : is missing after {word[:40]!r}", fix


_END_OF_FILE_LINE: Final = re.compile(r"^\.\.\.", re.MULTILINE)
_CLOSING_SIGNS: Final = {"[": "]", "{": "}"}
_BLOCK_BEGIN: Final = re.compile(r"[|>][-+]?\s*\Z")
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#.*", re.MULTILINE)
_SHOWN_CHARACTERS: Final = 200
_MAX_FAULT_LINES: Final = 1000
_TEXT_AFTER_QUOTE: Final = re.compile(r"[ \t]*[^\s#:,\]}]")
_QUOTED_PART: Final = re.compile(r""" "(?:[^"\\]|\\.)*" | '[^']*' """, re.VERBOSE)
_VALUE_BRACES: Final = re.compile(r"(?P<braces>\{\{|\{%)")
_LINE_BEGINNING: Final = re.compile(r"^[ \t]*(?:[-?:][ \t]+)*", re.MULTILINE)
"""Everything before the first word of a line: a block collection can only begin inside this text or right after."""
_TEXT_SIGNS: Final = frozenset("@`%?")
_SIGN_ERROR: Final = re.compile("cannot start any token|mapping keys are not allowed")
_UNQUOTED_BRACES: Final = re.compile(r"[:\-,\[{] *(?P<braces>\{[{%])")
_QUOTE_BRACES_FIX: Final = 'a text that begins with {{ must be quoted: "{{ … }}"'
_QUOTE_HASH_FIX: Final = "a # begins a comment: write hash for the # key; quote texts with special characters"
_YAML_ERROR_WORDS: Final = {
    "mapping values are not allowed": "there is one colon too many",
    "did not find expected key": "the line begins further left or right than those to which it belongs",
    "did not find expected '-' indicator": "a line of a list does not begin with -",
    "another document": "another file begins in it",
    "block sequence entries are not allowed": "a - begins a list, and none can begin here",
    "comment or line break": "a text stands on the same line as its > or |",
    "undefined alias": "a * stands for a part that is marked with &, and nothing is marked so",
    "expected <document start>": "the file has ended before this line",
    "unknown escape character": 'a \\ in "…" begins a sign of its own, and this is none',
    "expected hexdecimal number": 'a \\ in "…" begins a sign of its own, and this is none',
}
"""What PyYAML says of frequent mistakes, in words for people."""
_YAML_ERROR_FIXES: Final = {
    "'\\t'": "indent with spaces, not tabs",
    "a tab character": "indent with spaces, not tabs",
    "alphabetic or numeric character": "write star for the * key; a text that begins with * or & must be quoted",
    "undefined alias": "write star for the * key; a text that begins with * must be quoted",
    "another document": "a file is one flow: take the line --- out",
    "cannot start any token": "indent with spaces, not tabs; quote a text that begins with a special character",
    "block sequence entries are not allowed": 'a text that begins with "- " must be quoted; a list begins on the next line',
    "mapping values are not allowed": 'a text with ": " in it must be quoted',
    "did not find expected ',' or '}'": _QUOTE_HASH_FIX,
    "did not find expected node content": _QUOTE_HASH_FIX,
    "did not find expected key": "indent alike what belongs together",
    "did not find expected '-' indicator": "begin each step with - , and indent alike what belongs together",
    "comment or line break": "a text after > or | begins on the next line; one that begins with > or | must be quoted",
    "unknown escape character": "within \"…\" a backslash is written twice; or put the text in '…'",
    "expected hexdecimal number": "within \"…\" a backslash is written twice; or put the text in '…'",
    "expected <document start>": "take the line ... above it out; a flow file is YAML: numbers: +12015550123",
    "while scanning a quoted scalar": "a quote is not closed",
    "special characters are not allowed": "take the control character out",
}


_JSON_WORD: Final = re.compile("-?[0-9]+([.][0-9]+)?|true|false|null")
"""A text that would be another value of JSON without its quotes."""


class QuotedText(str):
    """A text in quotes, which stays a text also where an author's data is JSON: ``"12.50"``."""

    __slots__ = ()


yaml.SafeDumper.add_representer(QuotedText, yaml.SafeDumper.represent_str)


class _YamlConverter:
    """Converts YAML nodes to plain values. Records positions and reports ambiguous content."""

    def __init__(self, text: str, report: ProblemReport, cut_texts: frozenset[int] = frozenset()) -> None:
        """``cut_texts`` are the places of texts of which YAML drops the beginning."""
        self._cut_texts = cut_texts
        self._text = text
        self._lines = text.splitlines()
        self._has_hash = "#" in text
        self._has_only_allowed_characters = (
            "\\" not in text and not XML_FORBIDDEN_CHARACTERS.search(text) and not RESERVED_CHARACTERS.search(text)
        )
        self._report = report
        self._step_count = 0
        self._character_count = 0
        # An alias stands for the same node each time, so positions and merged items are found once for each node.
        self._position_of_node: dict[int, SourcePosition] = {}
        self._merged_items_of_node: dict[int, list[tuple[yaml.Node, yaml.Node]]] = {}
        self._merges_in_progress: set[int] = set()

    def _count_steps(self, steps: int, characters: int, path: SourcePath) -> None:
        """Count work that a few aliases may multiply. Raises _FileTooComplex above the limits."""
        self._step_count += steps
        self._character_count += characters
        if self._step_count > _MAX_NODES or self._character_count > _MAX_CHARACTERS:
            raise _FileTooComplex(path)

    def _find_position(self, node: yaml.Node) -> SourcePosition:
        known = self._position_of_node.get(id(node))
        if known is None:
            below = 1 if isinstance(node, yaml.ScalarNode) and node.style in _BLOCK_STYLES else 0
            comment = self._find_cutting_comment(node)
            known = SourcePosition(node.start_mark.line + 1, node.start_mark.column + 1, comment, below)
            self._position_of_node[id(node)] = known
        return known

    def convert_node(self, node: yaml.Node, path: SourcePath, depth: int) -> Any:  # noqa: ANN401
        if depth > _MAX_DEPTH:
            raise _FileTooComplex(path)
        self._count_steps(1, len(node.value) if isinstance(node, yaml.ScalarNode) else 0, path)
        self._report.positions[path] = self._find_position(node)
        if isinstance(node, yaml.MappingNode):
            plain = all(isinstance(key, yaml.ScalarNode) for key, _ in node.value)
            items = dict(self._convert_items(node, path, depth))
            return items if plain else UNREADABLE_VALUE
        if isinstance(node, yaml.SequenceNode):
            return [self.convert_node(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        if node.start_mark.index in self._cut_texts:
            # The whole text, so that nothing else is said of its rest; it is no expression.
            return UNREADABLE_VALUE if path[-1:] == ("when",) else self._text[node.start_mark.index : node.end_mark.index]
        text = self._check_text(str(node.value), path)
        is_quoted = isinstance(node, yaml.ScalarNode) and node.style in _QUOTED_STYLES
        return QuotedText(text) if is_quoted and _JSON_WORD.fullmatch(text) else text

    def _check_text(self, text: str, path: SourcePath, *, key: bool = False) -> str:
        """Return the text. Reports an error and returns an empty text for characters forbidden in XML."""
        if self._has_only_allowed_characters:
            return text
        found = XML_FORBIDDEN_CHARACTERS.search(text) or RESERVED_CHARACTERS.search(text)
        if found:
            code = f"U+{ord(found[0]):04X}"
            self._report.error(path, "text", f"the text holds {code}, which no document may hold", "take it out", key=key)
            return ""
        return text

    def _convert_items(self, node: yaml.MappingNode, path: SourcePath, depth: int) -> Iterator[tuple[str, Any]]:
        seen: dict[str, SourcePosition] = {}
        items = self._merge_items(node, path)
        is_cut = False
        for index, (key, value) in enumerate(items):
            place = SourcePosition(key.start_mark.line + 1, key.start_mark.column + 1)
            if not isinstance(key, yaml.ScalarNode):
                self._report_key_without_word(key, path, place)
                continue
            name = str(key.value)
            slip = find_key_slip(name) if node.flow_style and _has_no_value(key, value) else None
            if slip is not None:
                name = slip.key
                self._report.positions[(*path, name)] = self._report.key_positions[(*path, name)] = place
                self._report.error((*path, name), "yaml", slip.message, slip.fix, key=True)
                if name not in seen:
                    seen[name] = place
                    yield name, UNREADABLE_VALUE
                continue
            if is_cut and _has_no_value(key, value):
                continue  # it goes on with the text that a comma has cut
            is_cut = False
            if node.flow_style and index and _is_cut_by_comma(*items[index - 1], key, value):
                before = str(items[index - 1][0].value)
                if not _KEY_WORD.fullmatch(name):
                    self._report_cut_text(before, name, path, place)
                    is_cut = True
                    continue
                fix = f'if the comma belongs to the text of {before}, quote the text: {before}: "…, {name:.40}"'
                self._report.fixes_of_unknown_keys[(*path, name)] = fix
            self._report.key_positions[(*path, name)] = place
            if name in seen:
                first = seen[name].line
                self._report.error(
                    (*path, name),
                    "key-twice",
                    f"{name!r} is given twice, first on line {first}",
                    "the second would win in silence",
                    key=True,
                )
                continue
            seen[name] = place
            self._check_text(name, (*path, name), key=True)
            yield name, self.convert_node(value, (*path, name), depth + 1)

    def _report_key_without_word(self, key: yaml.Node, path: SourcePath, place: SourcePosition) -> None:
        """Report a key that is a list or a mapping."""
        self._report.positions[(*path, "?")] = place
        message, fix = "a key must be a word", ""
        if isinstance(key, yaml.MappingNode) and key.flow_style:
            message = "a text with {{ is not quoted, and YAML takes the braces for its own"
        if isinstance(key, yaml.SequenceNode):
            message = "a list cannot be a key"
            names = [str(one.value) for one in key.value if isinstance(one, yaml.ScalarNode)]
            fix = f"write a line for each: {', '.join(f'{name}: …' for name in names):.60}"
        else:
            is_expression = path[-1:] == ("when",) or path[-2:-1] == ("set",)
            fix = "write the expression without the braces" if is_expression else _QUOTE_BRACES_FIX
        self._report.error((*path, "?"), "yaml", message, fix)

    def _report_cut_text(self, key: str, rest: str, path: SourcePath, place: SourcePosition) -> None:
        cut_path = (*path, f"{key},{rest}")
        self._report.positions[cut_path] = place
        message = f"the comma ends the text of {key!r}, and {rest!r:.60} is taken for a key"
        fix = f'within braces quote a text with a comma: {key}: "…, {rest:.40}"'
        if not re.search(r"[^\W\d_]", rest):
            fix = f"several are a list: {key}: […, {rest:.40}]"
        self._report.error(cut_path, "yaml", message, fix)

    def _merge_items(self, node: yaml.MappingNode, path: SourcePath) -> list[tuple[yaml.Node, yaml.Node]]:
        """Return the items of a mapping, including mappings merged with ``<<``. The mapping's own items win."""
        known = self._merged_items_of_node.get(id(node))
        if known is not None:
            return known
        own = [(key, value) for key, value in node.value if not _is_merge_key(key, value)]
        if len(own) == len(node.value):
            return own
        if id(node) in self._merges_in_progress or len(self._merges_in_progress) > _MAX_DEPTH:
            raise _FileTooComplex(path)
        self._merges_in_progress.add(id(node))
        names = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
        for _, value in (item for item in node.value if _is_merge_key(*item)):
            for other in [value] if isinstance(value, yaml.MappingNode) else value.value:
                merged = self._merge_items(other, path)
                self._count_steps(len(merged) + 1, 0, path)
                items = [item for item in merged if not isinstance(item[0].value, str) or item[0].value not in names]
                names |= {key.value for key, _ in items if isinstance(key, yaml.ScalarNode)}
                own += items
        self._merges_in_progress.discard(id(node))
        self._merged_items_of_node[id(node)] = own
        return own

    def _find_cutting_comment(self, node: yaml.Node) -> str:
        """Return the YAML comment that follows a plain text on the same line."""
        if not self._has_hash or not isinstance(node, yaml.ScalarNode) or node.style in _QUOTED_STYLES:
            return ""
        end = node.end_mark
        line = self._lines[end.line] if end.line < len(self._lines) else ""
        found = _TRAILING_COMMENT.match(line, end.column)
        return found[1].rstrip() if found else ""


def _is_cut_by_comma(previous_key: yaml.Node, previous: yaml.Node, key: yaml.ScalarNode, value: yaml.Node) -> bool:
    """Return True if a key without a value may be the rest of the plain text before it, cut by a comma."""
    return (
        isinstance(previous_key, yaml.ScalarNode)
        and isinstance(previous, yaml.ScalarNode)
        and previous.style not in _QUOTED_STYLES
        and bool(previous.value)
        and _has_no_value(key, value)
    )


def _has_no_value(key: yaml.ScalarNode, value: yaml.Node) -> bool:
    """Return True if a key without quotes has no value."""
    return (
        isinstance(value, yaml.ScalarNode)
        and key.style not in _QUOTED_STYLES
        and value.style not in _QUOTED_STYLES
        and not value.value
    )


def _is_merge_key(key: yaml.Node, value: yaml.Node) -> bool:
    """Return True for YAML's merge key with one or several mappings."""
    several = value.value if isinstance(value, yaml.SequenceNode) else [value]
    plain = isinstance(key, yaml.ScalarNode) and key.value == "<<" and key.style not in _QUOTED_STYLES
    return plain and all(isinstance(one, yaml.MappingNode) for one in several)


RESERVED_CHARACTERS: Final = re.compile("[\ufdd0-\ufdd4]")
"""Unicode noncharacters, which mark holes during compilation, and values in tickets.

An author's text with such a character is refused.
"""
UNREADABLE_VALUE: Final = None
"""Replaces a value that could not be read. The error is already reported."""
_BLOCK_STYLES: Final = frozenset({"|", ">"})
_QUOTED_STYLES: Final = _BLOCK_STYLES | {"'", '"'}
_TRAILING_COMMENT: Final = re.compile(r"[ \t]+(#.*)")
_KEY_WORD: Final = re.compile(r"[a-z0-9_*#~<-]*|null")
_LOST_KEY: Final = re.compile(r"[ \t]*#[ \t]*:[ \t]+\S.*")
_MAX_LOST_KEYS: Final = 100
