"""Describes syntax errors in texts and templates: the braces that are wrong, and what to write instead.

Jinja names the token at which it gave up, which is often far from the mistake, in words that only programmers know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jinja2 import TemplateSyntaxError
from jinja2.parser import Parser

from callflows.errors import ExpressionError
from callflows.flows.expressions.jinja_sandbox import get_parsing_environment
from callflows.text import find_nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def describe_syntax_error(error: TemplateSyntaxError, source: str) -> ExpressionError:
    """Return the error of a text whose braces cannot be read, with message, fix and place."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")  # as Jinja reads it
    mistake = _find_mistake(source, error)
    if mistake is None:
        return ExpressionError(*_describe_unknown_mistake(error, source), line=error.lineno)
    line = source.count("\n", 0, mistake.offset) + 1
    column = mistake.offset - source.rfind("\n", 0, mistake.offset)
    return ExpressionError(mistake.message, mistake.fix, line, column)


class _Mistake(NamedTuple):
    offset: int
    message: str
    fix: str


def _find_mistake(source: str, error: TemplateSyntaxError) -> _Mistake | None:
    if "Missing end of comment tag" in (error.message or ""):
        fix = "write #} where the comment ends"
        return _Mistake(source.rfind("{#"), "{# begins a comment, which is not closed by #}", fix)
    found = [*_iterate_mistaken_values(source), *_iterate_mistaken_statements(source)]
    return min(found, default=None)


class _OpenStatement(NamedTuple):
    word: str
    offset: int


def _iterate_mistaken_statements(source: str) -> Iterator[_Mistake]:
    """Yield the first statement that cannot be read, or closes or belongs to no statement before it."""
    opened: list[_OpenStatement] = []
    at = 0
    if len(source) > _MAX_CHARACTERS:
        return
    while found := _STATEMENT_OR_OTHER.search(source, at):
        at = found.end()
        if found["statement"] is None:
            continue
        mistake = _find_mistake_in_statement(found, source, opened)
        if mistake is not None:
            yield _Mistake(found.start(), *mistake)
            return
        word, _, rest = found["statement"].strip(_STATEMENT_EDGE).partition(" ")
        if word.startswith("end") and word[3:] in _BLOCKS:
            opened.pop()
        elif word in _BLOCKS and not (word == "set" and "=" in rest):
            opened.append(_OpenStatement(word, found.start()))
    if opened:
        message = f"{{% {opened[-1].word} … %}} is not closed"
        yield _Mistake(opened[-1].offset, message, f"write {{% end{opened[-1].word} %}} after it")


def _find_mistake_in_statement(
    found: re.Match[str], source: str, opened: Sequence[_OpenStatement]
) -> tuple[str, str] | None:
    """Return message and fix for a statement; ``opened`` are those around it."""
    written = found["statement"]
    inner = _OTHER_BRACES.search(QUOTED_TEXT.sub(lambda quoted: " " * len(quoted[0]), written))
    if inner is not None:
        begin = written[: inner.start()].strip(_STATEMENT_EDGE)
        return f"{{% {begin:.40} is not closed by %}}", f"write {{% {begin:.40} %}}"
    word, _, rest = written.strip(_STATEMENT_EDGE).partition(" ")
    rest = rest.strip()
    fix = _suggest_statement(word, rest, opened[-1].word if opened else "")
    shown = f"{{% {written.strip(_STATEMENT_EDGE):.40} %}}"
    if fix:
        return f"{shown} {'decides nothing' if fix == _VALUE_FIX else 'cannot be read'}", fix
    owners = _PARTS_OF_STATEMENTS.get(word, ())
    if owners and not (opened and opened[-1].word in owners):
        return f"{shown} belongs to no {' or '.join(owners)}", _NO_BEGIN_FIX
    if word.startswith("end"):
        return _find_wrong_end(shown, word[3:], source, opened)
    return _find_mistaken_condition(word, rest)


def _find_wrong_end(shown: str, word: str, source: str, opened: Sequence[_OpenStatement]) -> tuple[str, str] | None:
    """Return message and fix for a statement that closes nothing, or another one than the last."""
    if not opened:
        return f"{shown} closes nothing", _NO_BEGIN_FIX
    last = opened[-1]
    if last.word == word:
        return None
    line = source.count("\n", 0, last.offset) + 1
    message = f"{shown} stands where {{% {last.word} … %}} of line {line} is to be closed"
    return message, f"write {{% end{last.word} %}} before it, or for it"


def _suggest_statement(word: str, rest: str, opened: str) -> str:
    """Return the fix for a statement that another language has; an empty text for one of Jinja."""
    lower = word.lower()
    if lower in ("elseif", "elsif", "elsf", "elif") or (lower == "else" and rest.lower().startswith("if ")):
        condition = rest[3:].strip() if lower == "else" else rest
        return f"write {{% elif {condition:.40} %}}" if word != "elif" else ""
    if lower in ("end", "fi", "done", "close") or (lower.startswith(("end", "/")) and word[3:] not in _BLOCKS and opened):
        return f"write {{% end{opened} %}}" if opened else _NO_BEGIN_FIX
    if word in _STATEMENTS or word[3:] in _BLOCKS:
        return ""
    if lower in _STATEMENTS:
        return f"write {lower} in small letters"
    foreign = _FOREIGN_STATEMENTS.get(lower, "")
    near = find_nearest(lower, _STATEMENTS)
    if foreign or near:
        return foreign or f"did you mean {near}?"
    return _VALUE_FIX


def _find_mistaken_condition(word: str, rest: str) -> tuple[str, str] | None:
    """Return message and fix for an expression in a statement that cannot be read."""
    shown = f"{{% {word} {rest:.40} %}}"
    if word == "for" and (loop := re.match(r"(\w+)\s+(of|from)\s", rest)):
        return f"{shown} cannot be read", f"write {{% for {loop[1]} in … %}}"
    if word == "macro" and "(" not in rest:
        return f"{shown} cannot be read", f"write {{% macro {rest:.40}() %}}"
    expression = rest
    if word == "set" and "=" in rest:
        expression = rest.partition("=")[2]
        if expression.startswith("="):
            return f"{shown} cannot be read", "a value is set with one =, as {% set greeting = caller.name %}"
    elif word not in ("if", "elif"):
        return None
    if not expression.strip():
        return f"{{% {word} %}} has no condition", f"write it, as {{% {word} caller.name %}}"
    problem = _find_unreadable_part(expression.removesuffix(":"))
    return (f"{shown} cannot be read{problem[0]}", problem[1]) if problem else None


def _find_unreadable_part(expression: str) -> tuple[str, str] | None:
    """Return what is wrong with an expression, and the fix; None if it can be read."""
    try:
        parser = Parser(get_parsing_environment(), expression, state="variable")
        parser.parse_expression()
        if parser.stream.eos or parser.stream.current.type == "comma":
            return None  # {% set a, b = … %}, {% set a = 1, 2 %}
        word = str(parser.stream.current.value)
        problem = f": it ends before {word!r}"
    except TemplateSyntaxError as error:
        word = ""
        problem = f": {_describe_token_error(error.message or '')}"
        problem = "" if "expected token" in problem else problem
    fix = suggest_syntax(expression) or _TRAILING_WORDS.get(word, "")
    if not fix and len(re.findall(r"(?<!\\)'", _DOUBLEQUOTED_TEXT.sub("", expression))) % 2:
        fix = "a quote is not closed; a text with an apostrophe stands in double quotes"
    return problem, fix or "did you forget and, or, ==?"


def _describe_token_error(message: str) -> str:
    """Return a message of Jinja about a token in words for people."""
    unexpected = re.match(r"unexpected char '(.+)' at|unexpected char \"(')\" at", message)
    if unexpected:
        return f"the sign {unexpected[1] or unexpected[2]} has no meaning there"
    if "end of print statement" in message or message.endswith("end of template"):
        return "something is missing at its end"
    return message


def _describe_unknown_mistake(error: TemplateSyntaxError, source: str) -> tuple[str, str]:
    """Return message and fix for an error that no braces explain by themselves."""
    message = error.message or "not a template"
    is_open = source.rfind("{{") > source.rfind("}}")
    if is_open or "end of print statement" in message or message == "unexpected '}'":
        return "{{ is not closed by }}", "write the name between two braces on each side: {{ caller.name }}"
    if "unexpected end of template" in message or "Unexpected end of template" in message:
        return "{% is not closed by %}", "write what is decided between {% and %}"
    if "{{{" in source:
        return "there are three braces", "write two on each side: {{ caller.name }}"
    return _describe_token_error(message), "a value stands in two braces, as {{ caller.name }}"


def _iterate_mistaken_values(source: str) -> Iterator[_Mistake]:
    """Yield two braces around what is no value: two words, a statement, signs of other languages."""
    for found in CLOSED_BRACES.finditer(source):
        words = found[1].strip(" -")
        statement = _STATEMENT_AS_VALUE.match(words)
        filter_of_liquid = _LIQUID_FILTER.search(words)
        message, fix = f"{{{{ {words:.40} }}}}", ""
        if statement:
            is_loop = (statement[1] or "").lower() in ("for", "each", "endfor")
            message, fix = f"{message} is no value", _FOR_FIX if is_loop else _IF_FIX
        elif _TWO_WORDS.fullmatch(words):
            fix = f"a field stands after a dot, as caller.name; a word for a missing value after or: {_OR_EXAMPLE}"
            message = f"{message} has two words"
        elif problem := _find_unreadable_part(words):
            message, fix = f"{message} cannot be read{problem[0]}", problem[1]
            if filter_of_liquid:
                fix = f"write | {filter_of_liquid[1]}({filter_of_liquid[2].strip():.40})"
        if fix:
            yield _Mistake(found.start(), message, fix)


CLOSED_BRACES: Final = re.compile(r"\{\{([^{}]*)\}\}")
_STATEMENT_AS_VALUE: Final = re.compile(
    r"[#/]?\s*(if|unless|else|elif|elsif|endif|end|for|each|endfor)\b(?!\s*[|.(])|[#/](\w*)", re.IGNORECASE
)
_TWO_WORDS: Final = re.compile(r"(?!not\b)[a-z_][\w.]*\s+(?!(?:or|and|if|in|is|not)\b)[a-z_][\w.]*", re.IGNORECASE)
_LIQUID_FILTER: Final = re.compile(r"\|\s*(\w+)\s*:\s*([^|]+)")
_OR_EXAMPLE: Final = "{{ caller.name or 'you' }}"
_IF_FIX: Final = "it stands between {% and %}: {% if caller.name %}…{% else %}…{% endif %}"
_FOR_FIX: Final = "it stands between {% and %}: {% for one in customer.orders %}{{ one }} {% endfor %}"
_VALUE_FIX: Final = "a value stands in two braces, as {{ caller.name }}; {% begins if, for or set"
_NO_BEGIN_FIX: Final = "take it out, or begin with {% if caller.name %}"
_STATEMENT_OR_OTHER: Final = re.compile(
    r"\{#.*?#\}|\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{\{.*?\}\}|\{%(?P<statement>.*?)%\}", re.DOTALL
)
_MAX_CHARACTERS: Final = 10_000
"""Statements are not looked at in longer templates: each that is not closed would be looked for to the end."""
_STATEMENT_EDGE: Final = "-+ \t\n"
_OTHER_BRACES: Final = re.compile(r"\}\}|\{[{%]")
_BLOCKS: Final = frozenset({"if", "for", "macro", "set", "filter", "with", "call", "block", "autoescape", "raw"})
_STATEMENTS: Final = _BLOCKS | {"elif", "else", "print", "do", "include", "import", "from", "extends", "trans"}
_PARTS_OF_STATEMENTS: Final = {"elif": ("if",), "else": ("if", "for")}
_FOREIGN_STATEMENTS: Final = {
    "unless": "write {% if not … %}, with {% endif %}",
    "while": "there is no while: {% for … in … %} repeats",
    **dict.fromkeys(("foreach", "each"), "write {% for … in … %}, with {% endfor %}"),
    **dict.fromkeys(("switch", "case", "when", "match"), "write {% if … %}, {% elif … %}, {% else %} and {% endif %}"),
    **dict.fromkeys(("let", "var", "const", "assign", "capture"), "write {% set name = … %}"),
    "comment": "write a comment between {# and #}",
    **dict.fromkeys(("break", "continue"), "a loop runs to its end: decide by {% if … %} what it writes"),
    "function": "write {% macro name(value) %}, with {% endmacro %}",
}
_TRAILING_WORDS: Final = {"then": "take then out", "do": "take do out"}
_DOUBLEQUOTED_TEXT: Final = re.compile(r'"[^"]*"')


def suggest_syntax(source: str) -> str:
    """Return the fix for signs and words of other languages in an expression, as ``&&`` or ``$caller``."""
    plain = QUOTED_TEXT.sub("''", source)
    found = {match.start(): fix for pattern, fix in _SYNTAX_FIXES.items() if (match := re.search(pattern, plain))}
    return found[min(found)] if found else ""


QUOTED_TEXT: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
_SYNTAX_FIXES: Final = {
    r"&&?": "write and",
    r"\|\|": "write or",
    r"!(?!=)": "write not",
    r"===|<>": "write == or !=",
    r"\$": "names stand without $, as caller.number",
    r"\bis\s+(?:not\s+)?(?:''|[0-9])": "compare with == or !=",
    r"[=~]~|~=|\b(?:matches|like)\b": "write a whole text, or compare a part: caller.number[:5] == '+1201'",
    r"(?<![=!<>~])=(?![=~])": "write ==",
    r"\?\?": "write or",
    "[\u2018-\u201f\u00ab\u00bb\u2039\u203a]": 'write straight quotes, as "US"',
    r"\b(?:contains|includes)\b": 'write it the other way round, as "Ann" in caller.name',
    r"\bbetween\b|\.\.": "write two comparisons, as 9 <= now.hour and now.hour < 17",
    r"\b(?:AND|OR|NOT|IN|IS)\b": "write it in small letters: and, or, not, in",
    r"\b[0-9]{1,2}:[0-9]{2}\b": 'a time is a text: compare now.time with "09:00", in quotes',
    r"(?i:\b[0-9]{1,2}\s?(?:am|pm)\b)": 'write the hour on a clock of 24 hours, as now.hour < 17, or now.time < "17:30"',
    r"(?<![\w.:])0[0-9]+\b(?!:)": "write a number without a zero before it, and a time in quotes: now.hour >= 9",
    r"(?<!\?)[;?](?!\?)": "an expression is one condition, with and, or, not",
}
