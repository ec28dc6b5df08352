"""Conditions and texts: Jinja's language, looked at when a flow is loaded, evaluated as functions.

Names and fields that cannot exist are refused at load. The frequent forms become plain functions (in ``expressions``);
everything else is rendered by Jinja in its sandbox. There is nothing to call: values are plain.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from jinja2 import TemplateSyntaxError, nodes
from jinja2.exceptions import TemplateError
from jinja2.parser import Parser

from app.calls import Call, Caller, Now
from app.characters import FORBIDDEN, clean
from app.errors import ExpressionError, suggestion
from app.flows.apart import LANG, Rendering, environment, in_url, plain, result
from app.flows.expressions.doubts import Doubt, doubts, doubts_within
from app.flows.expressions.filters import PLAIN
from app.flows.expressions.functions import BY_NAME, shown, text_of, value_of
from app.language.markup import escape_attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from app.calls import Turn

    Value = Callable[[Turn], Any]

Seen: TypeAlias = "Mapping[str, Seen] | None"
"""What is seen under a name: the fields that there are, each with its own; None where any may be (plain data)."""
Scope: TypeAlias = "Mapping[str, Seen]"

LEAF: Final[Seen] = {}
MOMENT: Final[Seen] = dict.fromkeys(Now.FIELDS, LEAF)
SCOPE: Final[Scope] = {
    "call": dict.fromkeys(Call.FIELDS, LEAF),
    "caller": dict.fromkeys(Caller.FIELDS, LEAF),
    "number": dict.fromkeys(("national", "region"), LEAF),
    "now": MOMENT,
    "digits": None,
}
"""What every flow sees of a call, by name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression: ``holds(turn)`` gives its value; ``uses`` are the names it looks at, as ``caller.name``."""

    source: str
    holds: Value
    uses: frozenset[str]
    doubts: tuple[Doubt, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A compiled text: ``constant`` where nothing in it changes, else ``render(turn)``, which gives it escaped.

    ``plain(turn)`` gives it as it is, for what is no document.
    """

    source: str
    constant: str | None
    render: Callable[[Turn], str]
    uses: frozenset[str]
    plain: Callable[[Turn], str]
    doubts: tuple[Doubt, ...] = ()


class Prompts:
    """Compiles the conditions and texts of flows that see ``scope``."""

    def __init__(self, scope: Scope = SCOPE, lang: str = "en-US") -> None:
        self._scope = scope
        self._lang = lang
        self._environment = environment()
        self.apart = False
        """Whether something was compiled that is worked out apart."""

    def condition(self, source: str) -> Condition:
        """A bare expression. Raises ExpressionError."""
        try:
            return self._condition(source)
        except RecursionError:
            raise ExpressionError("the expression is too long", "ask in several steps") from None

    def _condition(self, source: str) -> Condition:
        if "{{" in source or "{%" in source:
            raise ExpressionError("when takes a bare expression, without braces", "leave the braces out")
        try:
            parser = Parser(self._environment, source, state="variable")
            tree = parser.parse_expression()
            if not parser.stream.eos:
                raise ExpressionError(
                    f"the expression ends before {parser.stream.current.value!r}", "did you forget and, or, ==?"
                )
            tree.set_environment(self._environment)
        except TemplateSyntaxError as error:
            raise ExpressionError(error.message or "not an expression") from None
        uses = self._look(tree)
        holds = value_of(tree, self._lang) or self._apart(tree, "value", source, uses)
        return Condition(source, holds, uses, doubts(tree))

    def _apart(self, tree: nodes.Node, kind: Literal["text", "url", "value"], source: str, uses: Iterable[str]) -> Value:
        """What is worked out apart: its form is rare, and its time may have no bound."""
        self.apart = True
        try:
            if kind == "value":
                self._environment.compile_expression(source)
        except TemplateError as error:
            raise ExpressionError(error.message or "not an expression") from None
        roots = {name.partition(".")[0] for name in uses}
        if "lists" in roots:
            raise ExpressionError(
                "lists are asked in plain conditions only", "as caller in lists.spam, in a when of its own"
            )
        spoken = any(word.name == "spoken" for word in _all(tree, (nodes.Filter,)))
        sights = tuple(sight_of(name) for name in sorted({*uses, *(["now"] if spoken else [])}))
        lang = self._lang

        def value(turn: Turn) -> Any:  # noqa: ANN401 - a text, or plain data
            seen: dict[str, Any] = {LANG: lang}
            for sight in sights:
                sight(turn, seen)
            return result(turn, Rendering(kind, source, seen))

        return value

    def text(self, source: str, *, url: bool = False) -> Text:
        """A text with ``{{ }}`` and ``{% %}``; in a URL each value is percent-encoded. Raises ExpressionError."""
        found = FORBIDDEN.search(source)
        if found:
            raise ExpressionError(f"the text holds U+{ord(found[0]):04X}, which XML forbids", "take it out")
        if "{" not in source:
            return Text(source, source, lambda _turn: escape_attribute(source), frozenset(), lambda _turn: source)
        try:
            tree = self._environment.parse(source)
            uses = self._look(tree)
            unescaped = text_of(tree.body, str, in_url if url else plain, self._lang)
            render = text_of(tree.body, escape_attribute, in_url if url else _in_text, self._lang)
            if unescaped is None or render is None:
                unescaped = self._apart(tree, "url" if url else "text", source, uses)
                render = _escaped(unescaped)
        except TemplateSyntaxError as error:
            raise ExpressionError(error.message or "not a template", line=error.lineno) from None
        except RecursionError:
            raise ExpressionError("the text is too long a template", "say it in several steps") from None
        data = [node.data for node in _output(tree) if isinstance(node, nodes.TemplateData)]
        constant = "".join(data) if len(data) == len([*_output(tree)]) else None
        return Text(source, constant, render, uses, unescaped, doubts_within(tree))

    def template(self, source: str, more: Scope) -> frozenset[str]:
        """The names that an XML template looks at, which also sees ``more``. Raises ExpressionError.

        A template may have macros of its own and call them; it cannot fetch other templates.
        """
        try:
            tree = self._environment.parse(source)
            return Prompts({**self._scope, **more}, self._lang)._look(tree, _FETCHING)  # noqa: SLF001 - another one of us
        except TemplateSyntaxError as error:
            raise ExpressionError(error.message or "not a template", line=error.lineno) from None
        except RecursionError:
            raise ExpressionError("the template is nested too deeply", "write it flatter") from None

    def _look(self, tree: nodes.Node, refused: tuple[type[nodes.Node], ...] | None = None) -> frozenset[str]:
        """Refuse what cannot exist; gives the names that are looked at."""
        for banned in _all(tree, refused or _BANNED):
            said = type(banned).__name__.lower()
            mend = "values are plain; filters are written with |"
            raise ExpressionError(f"{said} has no place in a flow", mend, banned.lineno)
        self._known_words(tree)
        own = {name.name for name in _names(tree, "store")} | {macro.name for macro in _all(tree, (nodes.Macro,))}
        own |= {"loop", "caller"} & {name.name for name in _names(tree, "load")} if refused and own else set()
        own -= {*self._scope}
        uses: set[str] = set()
        within: set[int] = set()
        for node in _all(tree, _FIELD):
            if id(node) not in within:
                root, keys = _chain(node, within)
                uses |= self._looked_at(root, keys, own, node.lineno)
        for name in _names(tree, "load"):
            if name.name not in own and id(name) not in within:
                self._exists(name)
                uses.add(name.name)
        return frozenset(uses)

    def _looked_at(self, root: nodes.Node, keys: Sequence[str | None], own: set[str], line: int) -> set[str]:
        """Refuse fields that cannot be; gives the name that is looked at."""
        if not isinstance(root, nodes.Name):
            if isinstance(root, nodes.Const):
                raise ExpressionError(f"a value has no {keys[0]!r}", _PLAINLY, line)
            return set()
        if root.name in own:
            return set()
        seen = self._exists(root)
        said = root.name
        for key in keys:
            if seen is None:
                return {f"{root.name}.{keys[0]}"} if keys[0] else {root.name}
            if key is None and (not seen or said in _TEXTS):
                return {said}
            seen = _under(seen, said, key, line)
            said = f"{said}.{key}"
        return {said if root.name not in BY_NAME else ".".join(said.split(".")[:2])}

    def _exists(self, name: nodes.Name) -> Seen:
        """Refuse a name that cannot be; gives what is seen under it."""
        if name.name not in self._scope:
            near = suggestion(name.name, [*self._scope]) or f"there are {', '.join(self._scope)}"
            raise ExpressionError(f"there is no {name.name!r}", near, name.lineno)
        return self._scope[name.name]

    def _known_words(self, tree: nodes.Node) -> None:
        """Refuse filters and tests that do not exist; Jinja itself asks for some only when a caller is there."""
        for word in _all(tree, (nodes.Filter, nodes.Test)):
            known = [*(self._environment.filters if isinstance(word, nodes.Filter) else self._environment.tests)]
            if word.name not in known:
                said = type(word).__name__.lower()
                raise ExpressionError(f"there is no {said} {word.name!r}", suggestion(word.name, known), word.lineno)
            if isinstance(word, nodes.Filter) and word.name in PLAIN:
                _takes(word)
        for output in tree.find_all(nodes.Output):
            for node in output.nodes:
                if isinstance(node, nodes.Name) and node.name in _NO_TEXTS and self._scope.get(node.name):
                    fields = ", ".join(sorted(self._scope[node.name] or ()))
                    raise ExpressionError(
                        f"{node.name} itself is no text", f"name one of its fields: {fields}", node.lineno
                    )


def _takes(word: nodes.Filter) -> None:
    """Refuse what a filter does not take; it would fail only when a caller is there."""
    try:
        given = {str(argument.key): argument.value for argument in word.kwargs}
        inspect.signature(PLAIN[word.name]).bind(word.node, *word.args, **given)
    except TypeError as error:
        raise ExpressionError(f"the filter {word.name}: {error}", "give it less, or more", word.lineno) from None


_ODD: Final = re.compile("[^ !#-%'-;=?-~\xa0-\ud7ff]").search
"""Finds a character that may not stand in a document as it is."""


def _in_text(value: object) -> str:
    """A value as it stands in a document."""
    text = shown(value)
    return escape_attribute(clean(text)) if _ODD(text) else text


def _escaped(render: Callable[[Turn], str]) -> Callable[[Turn], str]:
    return lambda turn: _in_text(render(turn))


def _under(seen: Mapping[str, Seen], said: str, key: str | None, line: int) -> Seen:
    """What is seen under a key of what is seen; refused where there is none."""
    if key is not None and key in seen:
        return seen[key]
    if not seen and said in BY_NAME:
        raise ExpressionError(f"the file has no {said}, and so none named {key!r}", f"name them under {said}:", line)
    if not seen:
        raise ExpressionError(f"a value has no {key!r}", _PLAINLY, line)
    fields = f"it has {', '.join(sorted(seen))}"
    if key is None:
        raise ExpressionError(f"a field of {said} must be named", fields, line)
    raise ExpressionError(f"{said} has no {key!r}", suggestion(key, sorted(seen)) or fields, line)


def sight_of(name: str) -> Callable[[Turn, dict[str, Any]], None]:
    """Puts what is seen under a name into what a rendering sees."""
    root, _, rest = name.partition(".")
    inner = rest.partition(".")[0]
    if root in BY_NAME:
        return lambda turn, seen: seen.setdefault(root, {}).update({inner: getattr(turn, root)[inner]} if inner else {})
    if root in _OURS:
        return lambda turn, seen: seen.update({root: getattr(turn, root)})
    return lambda turn, seen: seen.update({root: turn.values[root]})


_PLAINLY: Final = "values are plain; filters are written with |"
_OURS: Final = frozenset({*SCOPE, *BY_NAME} - {"digits"})
_NO_TEXTS: Final = frozenset({"call", "caller", *BY_NAME})
_TEXTS: Final = frozenset({"number", "now"})
_FIELD: Final = (nodes.Getattr, nodes.Getitem)
_FETCHING: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block, nodes.CallBlock)
_BANNED: Final = (nodes.Call, nodes.Macro, *_FETCHING)


def _all(tree: nodes.Node, kinds: tuple[type[Any], ...]) -> list[Any]:
    """Every node of these kinds, the tree itself included."""
    return [*([tree] if isinstance(tree, kinds) else []), *tree.find_all(kinds)]


def _names(tree: nodes.Node, context: str) -> Iterable[nodes.Name]:
    return [name for name in _all(tree, (nodes.Name,)) if (name.ctx == "load") == (context == "load")]


def _chain(node: nodes.Node, within: set[int]) -> tuple[nodes.Node, list[str | None]]:
    """``hours.office["open"]`` as its root and its keys, outermost last; a key that is worked out is None."""
    keys: list[str | None] = []
    while isinstance(node, _FIELD):
        within.add(id(node))
        if isinstance(node, nodes.Getattr):
            keys.insert(0, node.attr)
        else:
            named = isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
            keys.insert(0, node.arg.value if named else None)  # type: ignore[attr-defined]
        node = node.node
    if isinstance(node, nodes.Name):
        within.add(id(node))
    return node, keys


def _output(tree: nodes.Template) -> Iterable[nodes.Node]:
    for node in tree.body:
        yield from node.nodes if isinstance(node, nodes.Output) else [node]
