"""Names and fields visible to texts and conditions. Unknown names and fields are refused at load."""

from __future__ import annotations

import contextlib
import inspect
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from jinja2 import nodes

from callflows.errors import ExpressionError, UnknownNameError
from callflows.flows.expressions.expression_functions import NAMED_SCOPE_ROOTS
from callflows.flows.expressions.text_filters import PLAIN_FILTERS
from callflows.telephony.calls import Caller, CurrentCall, LocalTime
from callflows.text import Suggestion, find_nearest, format_known_words, format_suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from jinja2 import Environment

    from callflows.telephony.turn import Turn


ScopeFields: TypeAlias = "Mapping[str, ScopeFields] | None"
"""Fields under a name, each with its own fields; None if any field is possible (plain data)."""
ExpressionScope: TypeAlias = "Mapping[str, ScopeFields]"
SCOPE_LEAF: Final[ScopeFields] = {}
LIST_SCOPE: Final[ScopeFields] = None
"""A list of the file: its parts are found by number."""
MOMENT_SCOPE: Final[ScopeFields] = dict.fromkeys(LocalTime.FIELDS, SCOPE_LEAF)
CALL_SCOPE: Final[ExpressionScope] = {
    "call": dict.fromkeys(CurrentCall.FIELDS, SCOPE_LEAF),
    "caller": dict.fromkeys(Caller.FIELDS, SCOPE_LEAF),
    "number": dict.fromkeys(("national", "region"), SCOPE_LEAF),
    "now": MOMENT_SCOPE,
    "digits": None,
}
"""Names of a call that every flow sees."""


LOOP_FIELDS: Final = frozenset(
    {"index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"}
)
"""Fields of ``loop`` within a loop of Jinja."""


class ScopeChecker:
    """Checks expressions against the names of a scope and the filters and tests of an environment."""

    def __init__(self, scope: ExpressionScope, environment: Environment) -> None:
        self._scope = scope
        self._environment = environment

    def check_names(
        self,
        tree: nodes.Node,
        forbidden_nodes: tuple[type[nodes.Node], ...] | None = None,
        *,
        is_condition: bool = False,
    ) -> frozenset[str]:
        """Return the names that an expression uses. Raises ExpressionError for unknown names and forbidden syntax.

        ``is_condition``: only the truth of the expression is used, not its value.
        """
        for banned in find_syntax_nodes(tree, forbidden_nodes or _FORBIDDEN_NODES):
            if isinstance(banned, nodes.Call):
                called = str(getattr(banned.node, "attr", "") or getattr(banned.node, "name", ""))
                fix = self._suggest_for_function(called, banned)
                raise ExpressionError(f"{called}(…) is a function, and flows have none", fix, banned.lineno)
            is_escaping = isinstance(banned, nodes.EvalContextModifier)
            construct = "autoescape" if is_escaping else type(banned).__name__.lower()
            raise ExpressionError(f"{construct} has no place in a flow", _PLAIN_VALUES_FIX, banned.lineno)
        self._check_filters_and_tests(tree)
        own = {name.name for name in find_name_nodes(tree, "store")} | {
            macro.name for macro in find_syntax_nodes(tree, (nodes.Macro,))
        }
        self._check_values(tree, own, is_condition=is_condition)
        # The name of a value of the call may be used before the text sets it.
        shadowing = own & {*self._scope}
        own |= {"caller"} & {name.name for name in find_name_nodes(tree, "load")} if forbidden_nodes and own else set()
        own -= {*self._scope}
        loops = set() if "loop" in own or "loop" in self._scope else _find_loop_names(tree)
        uses: set[str] = set()
        within: set[int] = set()
        for node in find_syntax_nodes(tree, _FIELD_NODES):
            if id(node) not in within:
                root, keys = _split_field_chain(node, within)
                if id(root) in loops:
                    _check_loop_field(keys[0], node.lineno)
                    continue
                with contextlib.suppress(ExpressionError) if _names_any(root, shadowing) else contextlib.nullcontext():
                    uses |= self._check_field_chain(root, keys, own, node.lineno)
        compared = {
            id(operand.expr) for comparison in find_syntax_nodes(tree, (nodes.Compare,)) for operand in comparison.ops
        }
        for name in find_name_nodes(tree, "load"):
            if id(name) in loops and id(name) not in within:
                _check_loop_field(None, name.lineno)
            elif name.name not in own and id(name) not in within:
                # A value that is nothing but a word was perhaps meant as a text.
                self._require_name(name, is_compared=id(name) in compared, is_whole=name is tree and not is_condition)
                uses.add(name.name)
        return frozenset(uses)

    def _check_field_chain(self, root: nodes.Node, keys: Sequence[str | None], own: set[str], line: int) -> set[str]:
        """Return the name that a chain of fields uses. Raises ExpressionError for an unknown field."""
        if not isinstance(root, nodes.Name):
            if isinstance(root, nodes.Const):
                raise ExpressionError(f"a value has no {keys[0]!r}", _PLAIN_VALUES_FIX, line)
            return set()
        if root.name in own:
            return set()
        seen = self._require_name(root)
        dotted_name = root.name
        for key in keys:
            if seen is None:
                return {f"{root.name}.{keys[0]}"} if keys[0] else {root.name}
            if key is None and (not seen or dotted_name in _NAMES_WITH_TEXT):
                return {dotted_name}
            seen = _descend_into_field(seen, dotted_name, key, line)
            dotted_name = f"{dotted_name}.{key}"
        return {dotted_name if root.name not in NAMED_SCOPE_ROOTS else ".".join(dotted_name.split(".")[:2])}

    def _require_name(self, name: nodes.Name, *, is_compared: bool = False, is_whole: bool = False) -> ScopeFields:
        """Return the fields of a name. Raises ExpressionError for an unknown name.

        ``is_whole``: the expression is nothing but the name, and its value is used.
        """
        if name.name not in self._scope:
            near = self._suggest_field(name.name) or _suggest_constant(name.name, is_compared=is_compared)
            near = near or self._suggest_name(name.name)
            quotes = f"; a text stands in quotes, as '{name.name}'" if is_compared else ""
            quotes = f"; a text stands in quotes of its own: '\"{name.name}\"'" if is_whole else quotes
            error = UnknownNameError(
                f"there is no {name.name!r}", near or f"{format_known_words(self._scope)}{quotes}", name.lineno
            )
            error.missing_name = "" if near else name.name
            raise error
        return self._scope[name.name]

    def _suggest_name(self, name: str) -> str:
        """Suggest a known name for a misspelt one, with its field if both are one word, as ``callerName``."""
        parts = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().split("_", 1)
        fields = self._scope.get(parts[0])
        if fields and len(parts) > 1:
            field = find_own_field(parts[1]) if find_own_field(parts[1]) in fields else find_nearest(parts[1], fields)
            if field:
                return Suggestion(f"{parts[0]}.{field}")
        return format_suggestion(name, [*self._scope])

    def _suggest_field(self, name: str) -> str:
        """Suggest the name in full for a field that stands alone, as ``ended.missed`` for ``missed``."""
        owners = [root for root, fields in self._scope.items() if fields and name in fields]
        owners += [f"hours.{one}" for one, fields in self._hours.items() if fields and name in fields]
        return Suggestion(f"{owners[0]}.{name}" if owners else "")

    @property
    def _hours(self) -> Mapping[str, ScopeFields]:
        return self._scope.get("hours") or {}

    def _suggest_for_function(self, function: str, call: nodes.Call) -> str:
        """Return the fix for a function: a field of opening hours, a list, or the filter of the same name."""
        named = [str(getattr(argument, "value", getattr(argument, "name", ""))) for argument in call.args]
        hours = next((name for name in [*named, *self._hours] if name in self._hours), "")
        word = function.lower().removeprefix("is").strip("_")
        field = {"opened": "open", "closed": "open"}.get(word, word)
        if hours and field in (self._hours[hours] or ()):
            return f"ask {'not ' if word == 'closed' else ''}hours.{hours}.{field}"
        if function in _FIXES_OF_FUNCTIONS:
            return _FIXES_OF_FUNCTIONS[function]
        lists = next((name for name in named if name in (self._scope.get("lists") or {})), "")
        if lists:
            return f"ask caller in lists.{lists}"
        return f"write it as a filter: … | {function}" if function in self._environment.filters else _PLAIN_VALUES_FIX

    def _check_filters_and_tests(self, tree: nodes.Node) -> None:
        """Raise ExpressionError for unknown filters and tests. Jinja reports some only during a call."""
        for word in find_syntax_nodes(tree, (nodes.Filter, nodes.Test)):
            known = [*(self._environment.filters if isinstance(word, nodes.Filter) else self._environment.tests)]
            if word.name not in known:
                kind = type(word).__name__.lower()
                fix = format_suggestion(word.name, known) or format_known_words(sorted(known))
                raise ExpressionError(f"there is no {kind} {word.name!r}", fix, word.lineno)
            if isinstance(word, nodes.Filter) and word.name in PLAIN_FILTERS:
                _check_filter_arguments(word)

    def _check_values(self, node: nodes.Node, own: Collection[str], *, is_condition: bool) -> None:
        """Raise ExpressionError for a name with fields, as ``caller``, that is used as a text or a value itself.

        In a condition and in a comparison the name may stand: ``condition_lint`` reports what is doubtful there.
        """
        if not is_condition:
            self._require_plain_value(node, own)
        for child in node.iter_child_nodes():
            self._check_values(child, own, is_condition=_is_used_as_condition(node, child, is_condition=is_condition))

    def _require_plain_value(self, node: nodes.Node, own: Collection[str]) -> None:
        root, keys = _split_field_chain(node, set())
        if (
            not isinstance(root, nodes.Name)
            or root.name in own
            or root.name not in _NAMES_WITHOUT_TEXT
            or root.ctx != "load"
        ):
            return
        named = [key for key in keys if key is not None]
        fields: ScopeFields = self._scope.get(root.name)
        for key in named:
            fields = (fields or {}).get(key)
        is_list = root.name == "lists" and len(keys) == 1 and fields is not None
        if (fields or is_list) and named[1:] not in (["next_opening"], ["next_closing"]):
            name = ".".join([root.name, *named])
            fix = f"ask caller in {name}" if is_list else f"name one of its fields: {', '.join(sorted(fields or ()))}"
            raise ExpressionError(f"{name} itself is no text", fix, node.lineno)


def _names_any(node: nodes.Node, names: Collection[str]) -> bool:
    return isinstance(node, nodes.Name) and node.name in names


def _find_loop_names(tree: nodes.Node) -> set[int]:
    """Return the identities of the nodes that name the ``loop`` around them."""
    bodies = [part for loop in find_syntax_nodes(tree, (nodes.For,)) for part in loop.body]
    return {id(name) for part in bodies for name in find_name_nodes(part, "load") if name.name == "loop"}


def _check_loop_field(key: str | None, line: int) -> None:
    """Raise ExpressionError unless ``loop`` has a field of this name."""
    if key not in LOOP_FIELDS:
        message = "loop itself is no text" if key is None else f"loop has no {key!r}"
        fix = format_suggestion(key or "", sorted(LOOP_FIELDS)) or f"it has {', '.join(sorted(LOOP_FIELDS))}"
        raise ExpressionError(message, fix, line)


def _suggest_constant(word: str, *, is_compared: bool) -> str:
    """Suggest ``true``, ``false`` or ``none`` for a word of YAML or of another language that means it."""
    if is_compared and word in _CODES_OF_PLACES:
        return ""
    return Suggestion(_CONSTANTS_BY_WORD.get(word.lower(), ""))


_CONSTANTS_BY_WORD: Final = {
    **dict.fromkeys(("true", "yes", "on"), "true"),
    **dict.fromkeys(("false", "no", "off"), "false"),
    **dict.fromkeys(("none", "null", "nil", "undefined"), "none"),
}
_CODES_OF_PLACES: Final = frozenset({"NO", "ON"})
"""Norway and Ontario, which were perhaps meant as texts."""


def _is_used_as_condition(node: nodes.Node, child: nodes.Node, *, is_condition: bool) -> bool:
    """Return True if a node needs only the truth, the fields or the identity of a part, not the part as a value."""
    if isinstance(node, (nodes.And, nodes.Or)):
        return is_condition
    if isinstance(node, (nodes.If, nodes.CondExpr)):
        return child is node.test or (is_condition and isinstance(node, nodes.CondExpr))
    return isinstance(node, (nodes.Not, nodes.Compare, nodes.Operand, nodes.Test, nodes.Assign, nodes.Call, *_FIELD_NODES))


def _check_filter_arguments(filter_node: nodes.Filter) -> None:
    """Raise ExpressionError for wrong arguments of a filter, before a call fails."""
    try:
        named_arguments = {str(argument.key): argument.value for argument in filter_node.kwargs}
        inspect.signature(PLAIN_FILTERS[filter_node.name]).bind(filter_node.node, *filter_node.args, **named_arguments)
    except TypeError as error:
        raise ExpressionError(
            f"the filter {filter_node.name}: {error}", "give it less, or more", filter_node.lineno
        ) from None


def _descend_into_field(fields_of_name: Mapping[str, ScopeFields], name: str, key: str | None, line: int) -> ScopeFields:
    """Return the fields of a field. Raises ExpressionError for an unknown field."""
    if key is not None and key in fields_of_name:
        return fields_of_name[key]
    if not fields_of_name and name in NAMED_SCOPE_ROOTS:
        raise UnknownNameError(f"the file has no {name}, and so none named {key!r}", f"name them under {name}:", line)
    if not fields_of_name:
        raise ExpressionError(f"a value has no {key!r}", _PLAIN_VALUES_FIX, line)
    fields = f"it has {', '.join(sorted(fields_of_name))}"
    if key is None:
        raise ExpressionError(f"a field of {name} must be named", fields, line)
    own_field = find_own_field(key)
    fix: str = Suggestion(own_field if own_field in fields_of_name else "")
    if name == "caller" and key.replace("_", "") == "areacode":
        fix = Suggestion("number[2:5]")
    fix = fix or format_suggestion(key, sorted(fields_of_name)) or fields
    if key == "closed" and "open" in fields_of_name:
        fix = f"write not {name}.open"
    error = UnknownNameError if name in NAMED_SCOPE_ROOTS else ExpressionError
    raise error(f"{name} has no {key!r}", fix, line)


def make_scope_reader(name: str) -> Callable[[Turn, dict[str, Any]], None]:
    """Return a function that copies a name from a turn into the values of a rendering."""
    root, _, rest = name.partition(".")
    inner = rest.partition(".")[0]
    if root in NAMED_SCOPE_ROOTS:
        return lambda turn, seen: seen.setdefault(root, {}).update({inner: getattr(turn, root)[inner]} if inner else {})
    if root in _TURN_NAMES:
        return lambda turn, seen: seen.update({root: getattr(turn, root)})
    return lambda turn, seen: seen.update({root: turn.values[root]})


_PLAIN_VALUES_FIX: Final = "values are plain; filters are written with |"
_FIXES_OF_FUNCTIONS: Final = {
    "startswith": 'compare the first characters, as caller.number[:5] == "+1201"',
    "endswith": 'compare the last characters, as caller.number[-4:] == "0188"',
    "upper": "write it as a filter: … | upper",
    "lower": "write it as a filter: … | lower",
    "strip": "write it as a filter: … | trim",
    "replace": 'write it as a filter: … | replace("a", "b")',
    "len": "write it as a filter: … | length",
    "int": "write it as a filter: … | int",
    "str": "write it as a filter: … | string",
    "get": "name the field: customer.name; one that is missing is empty",
    "format": 'write it as a filter: "%05d" | format(…)',
}
_FIELDS_BY_OTHER_WORD: Final = {
    "country": "region",
    "country_code": "region",
    "phone": "number",
    "phone_number": "number",
    "id": "number",
    "province": "state",
    "from": "from_",
    "caller": "from_",
    "dow": "weekday",
    "day_of_week": "weekday",
    "attest": "attestation",
    "stir": "attestation",
    "calls": "calls_today",
    "private": "anonymous",
    "withheld": "anonymous",
    "hidden": "anonymous",
    "body": "text",
    "is_open": "open",
}


def find_own_field(word: str) -> str:
    """Return the field for another word for it, as ``region`` for ``country``; "" if there is none."""
    return _FIELDS_BY_OTHER_WORD.get(word.lower(), "")


_TURN_NAMES: Final = frozenset({*CALL_SCOPE, *NAMED_SCOPE_ROOTS} - {"digits"})
_NAMES_WITHOUT_TEXT: Final = frozenset({"call", "caller", "ended", "message", *NAMED_SCOPE_ROOTS})
_NAMES_WITH_TEXT: Final = frozenset({"number", "now"})
_FIELD_NODES: Final = (nodes.Getattr, nodes.Getitem)
FORBIDDEN_TEMPLATE_NODES: Final = (
    nodes.Include,
    nodes.Import,
    nodes.FromImport,
    nodes.Extends,
    nodes.Block,
    nodes.CallBlock,
    nodes.EvalContextModifier,  # {% autoescape false %} would make markup of what callers bring
)
_FORBIDDEN_NODES: Final = (nodes.Call, nodes.Macro, *FORBIDDEN_TEMPLATE_NODES)


def find_syntax_nodes(tree: nodes.Node, kinds: tuple[type[Any], ...]) -> list[Any]:
    """Return every node of the given kinds, including the root of the tree."""
    return [*([tree] if isinstance(tree, kinds) else []), *tree.find_all(kinds)]


def find_name_nodes(tree: nodes.Node, context: str) -> Iterable[nodes.Name]:
    """Return the names read (``load``) or assigned (any other context)."""
    return [name for name in find_syntax_nodes(tree, (nodes.Name,)) if (name.ctx == "load") == (context == "load")]


def _split_field_chain(node: nodes.Node, within: set[int]) -> tuple[nodes.Node, list[str | None]]:
    """Split ``hours.office["open"]`` into root and keys, in source order; a computed key is None."""
    keys: list[str | None] = []
    while isinstance(node, _FIELD_NODES):
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
