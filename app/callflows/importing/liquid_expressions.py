"""Translates Liquid, in which Twilio Studio writes values, to the expressions of flow files."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callflows.importing.flow_draft import MAX_TEXT_CHARACTERS, clean_text_part, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LiquidPath: TypeAlias = "tuple[str, ...]"
"""A value of Liquid: ``flow.variables.name`` as its parts."""
_MAX_TOKENS: Final = 300


class LiquidSyntaxError(Exception):
    """A part of Liquid that has no form in a flow."""


class LiquidTranslator:
    """Translates texts, values and conditions.

    ``resolve_path`` returns the expression of a value, or None if a flow does not have the value. ``note_loss`` is called
    with each part that is left out.
    """

    def __init__(self, resolve_path: Callable[[LiquidPath], str | None], note_loss: Callable[[str], None]) -> None:
        self._resolve_path = resolve_path
        self._note_loss = note_loss

    def translate_text(self, text: str) -> str:
        """Return a text with values in braces as a flow file has them."""
        if len(text) > MAX_TEXT_CHARACTERS:
            self._note_loss(f"the text has {len(text)} characters and is cut after {MAX_TEXT_CHARACTERS}")
            text = text[:MAX_TEXT_CHARACTERS]
        parts: list[str] = []
        open_tags: list[str] = []
        is_comment = False
        for kind, source in split_liquid(text):
            if kind == "tag":
                word = source.partition(" ")[0]
                is_comment = word == "comment" or (is_comment and word != "endcomment")
                parts.append(self._translate_tag(word, source.partition(" ")[2], open_tags))
            elif is_comment:
                continue
            elif kind == "value":
                expression = self._translate_output(source)
                parts.append(f"{{{{ {expression} }}}}" if expression else "")
            else:
                parts.append(clean_text_part(source))
        parts += ["{% endif %}"] * len(open_tags)
        return "".join(parts).strip()

    def translate_value(self, text: str) -> str:
        """Return the value of a text as an expression: ``"Hello " ~ name``; numbers stay numbers."""
        if _PLAIN_NUMBER.fullmatch(text.strip()):
            return text.strip()
        parts = [*split_liquid(text[:MAX_TEXT_CHARACTERS])]
        if any(kind == "tag" for kind, _ in parts):
            self._note_loss("the value has tags in {% %}, of which only the text is kept")
        translated_parts = []
        for kind, source in parts:
            if kind == "value":
                translated_parts.append(self._translate_output(source) or '""')
            elif kind == "text" and (source.strip() or len(parts) > 1):
                translated_parts.append(quote_text_literal(clean_text_part(source)))
        return " ~ ".join(translated_parts) if translated_parts else '""'

    def translate_single_value(self, text: str) -> str | None:
        """Return the expression of a text that is one value in braces; None for any other text."""
        parts = [part for part in split_liquid(text.strip()) if part[0] != "text" or part[1].strip()]
        if len(parts) != 1 or parts[0][0] != "value":
            return None
        return self._translate_output(parts[0][1]) or None

    def _translate_output(self, source: str) -> str:
        try:
            return _LiquidParser(source, self._resolve_path).parse_output()
        except LiquidSyntaxError as error:
            self._note_loss(f"{{{{ {shorten(source, 60)} }}}} is left out: {error}")
            return ""

    def _translate_tag(self, word: str, source: str, open_tags: list[str]) -> str:
        try:
            if word in {"if", "unless"}:
                condition = _LiquidParser(source, self._resolve_path).parse_condition()
                open_tags.append(word)
                return f"{{% if {condition} %}}" if word == "if" else f"{{% if not ({condition}) %}}"
            if word == "elsif" and open_tags and open_tags[-1] != "else":
                return f"{{% elif {_LiquidParser(source, self._resolve_path).parse_condition()} %}}"
            if word == "else" and open_tags and open_tags[-1] != "else":
                open_tags[-1] = "else"
                return "{% else %}"
        except LiquidSyntaxError as error:
            self._note_loss(f"{{% {word} {shorten(source, 60)} %}} is left out: {error}")
            if word in {"if", "unless"}:
                open_tags.append(word)
                return "{% if true %}"
            return ""
        if word in {"endif", "endunless"} and open_tags:
            open_tags.pop()
            return "{% endif %}"
        if word not in {"comment", "endcomment"}:
            self._note_loss(f"{{% {shorten(word, 30)} %}} is left out: flows have if, elif and else")
        return ""


_PLAIN_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,14}")


def split_liquid(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a text: ``text``, ``value`` in two braces, or ``tag`` in braces with %."""
    at = 0
    while True:
        start = _OPENING.search(text, at)
        if start is None:
            break
        end = text.find("}}" if start[0] == "{{" else "%}", start.end())
        if end < 0:
            break
        if start.start() > at:
            yield "text", text[at : start.start()]
        yield ("value" if start[0] == "{{" else "tag"), text[start.end() : end].strip("- \t\r\n")
        at = end + 2
    if at < len(text):
        yield "text", text[at:]


def quote_text_literal(text: str) -> str:
    """Return a text as a literal of an expression."""
    return json.dumps(text, ensure_ascii=False)


_OPENING: Final = re.compile(r"\{\{|\{%")
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<number>-?[0-9]+(?:\.[0-9]+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_-]*)"""
    r"""|(?P<sign>==|!=|<>|<=|>=|<|>|[.|:,\[\]?]))"""
)
_COMPARISONS: Final = {"==": "==", "!=": "!=", "<>": "!=", "<=": "<=", ">=": ">=", "<": "<", ">": ">"}
_CONSTANTS: Final = {"true": "true", "false": "false", "nil": '""', "null": '""', "empty": '""', "blank": '""'}


class _LiquidParser:
    """Parses one expression of Liquid and writes it as an expression of a flow."""

    def __init__(self, source: str, resolve_path: Callable[[LiquidPath], str | None]) -> None:
        self._resolve_path = resolve_path
        self._tokens = [*_read_tokens(source)]
        self._at = 0

    def parse_output(self) -> str:
        if not self._tokens:
            raise LiquidSyntaxError("it is empty")
        expression = self._parse_value()
        while self._take("|"):
            expression = self._parse_filter(expression)
        self._require_end()
        return expression

    def parse_condition(self) -> str:
        expression = self._parse_comparison()
        while (word := self._peek()) in {"and", "or"}:
            self._at += 1
            expression = f"{expression} {word} {self._parse_comparison()}"
        self._require_end()
        return expression

    def _parse_comparison(self) -> str:
        left = self._parse_value()
        sign = self._peek()
        if sign in _COMPARISONS:
            self._at += 1
            return f"{left} {_COMPARISONS[sign]} {self._parse_value()}"
        if sign == "contains":
            self._at += 1
            return f"{self._parse_value()} in {left}"
        return left

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, sign: str) -> bool:
        if self._peek() == sign:
            self._at += 1
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise LiquidSyntaxError("it has no end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _require_end(self) -> None:
        if self._at < len(self._tokens):
            raise LiquidSyntaxError(f"{shorten(self._peek(), 20)!r} has no meaning here")

    def _parse_value(self) -> str:
        kind, text = self._next()
        if kind == "text":
            return quote_text_literal(text[1:-1])
        if kind == "number":
            return text
        if kind != "word":
            raise LiquidSyntaxError(f"a value is missing before {text!r}")
        if text in _CONSTANTS and self._peek() not in {".", "["}:
            return _CONSTANTS[text]
        path = [text]
        while self._peek() in {".", "["}:
            if self._take("."):
                path.append(self._next()[1])
            else:
                self._at += 1
                kind, key = self._next()
                path.append(key[1:-1] if kind == "text" else key)
                if not self._take("]"):
                    raise LiquidSyntaxError("a ] is missing")
            self._take("?")
        resolved = self._resolve_path(tuple(path))
        if resolved is None:
            raise LiquidSyntaxError("a flow does not have this value")
        return resolved

    def _parse_filter(self, value: str) -> str:
        _, name = self._next()
        arguments = []
        if self._take(":"):
            arguments.append(self._parse_value())
            while self._take(","):
                arguments.append(self._parse_value())
        make_expression = _FILTERS.get(name)
        if make_expression is None:
            raise LiquidSyntaxError(f"flows have no filter {name}")
        try:
            return str(make_expression(value, *arguments))
        except (TypeError, ValueError):
            raise LiquidSyntaxError(f"the filter {name} has other arguments") from None


def _read_tokens(source: str) -> Iterator[tuple[str, str]]:
    at = 0
    count = 0
    while source[at:].strip():
        found = _TOKEN.match(source, at)
        count += 1
        if found is None or count > _MAX_TOKENS:
            raise LiquidSyntaxError("it cannot be read")
        yield str(found.lastgroup), found[str(found.lastgroup)]
        at = found.end()


def _apply_plain(name: str) -> Callable[[str], str]:
    return lambda value: f"{_wrap(value)} | {name}"


def _apply_default(value: str, instead: str = '""', *_rest: str) -> str:
    return f"{_wrap(value)} | default({instead})"


def _wrap(value: str) -> str:
    """Return a value in brackets if it has several parts."""
    depths = [*itertools.accumulate({"(": 1, ")": -1}.get(sign, 0) for sign in value)]
    is_wrapped = value.startswith("(") and 0 not in depths[:-1]
    return f"({value})" if " " in value and not is_wrapped else value


def _slice_text(value: str, start: str, length: str = "1") -> str:
    first, count = int(start), int(length)
    last = first + count
    return f"{_wrap(value)}[{first}:{last if last or first >= 0 else ''}]"


def _format_date(value: str, pattern: str) -> str:
    if value not in {'"now"', "now"}:
        raise ValueError(pattern)
    return _DATE_FIELDS[json.loads(pattern)]


class _DateFields(dict[str, str]):
    def __missing__(self, key: str) -> str:
        raise ValueError(key)


_DATE_FIELDS: Final = _DateFields(
    {
        "%H": "now.hour",
        "%k": "now.hour",
        "%M": "now.minute",
        "%H:%M": "now.time",
        "%Y-%m-%d": "now.date",
        "%F": "now.date",
        "%R": "now.time",
        "%d": "now.day",
        "%e": "now.day",
        "%m": "now.month",
        "%Y": "now.year",
        "%A": "now.weekday",
    }
)
_FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "upcase": _apply_plain("upper"),
    "downcase": _apply_plain("lower"),
    "capitalize": _apply_plain("capitalize"),
    "strip": _apply_plain("trim"),
    "lstrip": _apply_plain("trim"),
    "rstrip": _apply_plain("trim"),
    "size": _apply_plain("length"),
    "first": _apply_plain("first"),
    "last": _apply_plain("last"),
    "abs": _apply_plain("abs"),
    "sort": _apply_plain("sort"),
    "reverse": _apply_plain("reverse"),
    "uniq": _apply_plain("unique"),
    "url_encode": _apply_plain("urlencode"),
    "escape": _wrap,
    "escape_once": _wrap,
    "strip_newlines": _wrap,
    "newline_to_br": _wrap,
    "json": _wrap,
    "to_json": _wrap,
    "default": _apply_default,
    "append": lambda value, more: f"{value} ~ {more}",
    "prepend": lambda value, more: f"{more} ~ {value}",
    "plus": lambda value, more: f"({_wrap(value)} + {more})",
    "minus": lambda value, less: f"({_wrap(value)} - {less})",
    "times": lambda value, by: f"({_wrap(value)} * {by})",
    "divided_by": lambda value, by: f"({_wrap(value)} // {by})",
    "modulo": lambda value, by: f"({_wrap(value)} % {by})",
    "round": lambda value, digits="0": f"{_wrap(value)} | round({digits})",
    "ceil": lambda value: f'{_wrap(value)} | round(0, "ceil")',
    "floor": lambda value: f'{_wrap(value)} | round(0, "floor")',
    "join": lambda value, between='" "': f"{_wrap(value)} | join({between})",
    "replace": lambda value, old, new='""': f"{_wrap(value)} | replace({old}, {new})",
    "replace_first": lambda value, old, new='""': f"{_wrap(value)} | replace({old}, {new}, 1)",
    "remove": lambda value, old: f'{_wrap(value)} | replace({old}, "")',
    "remove_first": lambda value, old: f'{_wrap(value)} | replace({old}, "", 1)',
    "truncate": lambda value, length="50", end='"..."': f"{_wrap(value)} | truncate({length}, true, {end}, 0)",
    "slice": _slice_text,
    "date": _format_date,
}
