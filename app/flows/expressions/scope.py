"""What texts and conditions may look at, by name. Names and fields that cannot exist are refused at load."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from jinja2 import nodes

from app.calls import Call, Caller, Now
from app.errors import ExpressionError, suggestion
from app.flows.expressions.filters import PLAIN
from app.flows.expressions.functions import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from jinja2 import Environment

    from app.calls import Turn

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


class Names:
    """The names of a scope, with the filters and tests of an environment."""

    def __init__(self, scope: Scope, environment: Environment) -> None:
        self._scope = scope
        self._environment = environment

    def look(self, tree: nodes.Node, refused: tuple[type[nodes.Node], ...] | None = None) -> frozenset[str]:
        """Refuse what cannot exist; gives the names that are looked at."""
        for banned in every(tree, refused or _BANNED):
            said = type(banned).__name__.lower()
            mend = "values are plain; filters are written with |"
            raise ExpressionError(f"{said} has no place in a flow", mend, banned.lineno)
        self._known_words(tree)
        own = {name.name for name in named(tree, "store")} | {macro.name for macro in every(tree, (nodes.Macro,))}
        own |= {"loop", "caller"} & {name.name for name in named(tree, "load")} if refused and own else set()
        own -= {*self._scope}
        uses: set[str] = set()
        within: set[int] = set()
        for node in every(tree, _FIELD):
            if id(node) not in within:
                root, keys = _chain(node, within)
                uses |= self._looked_at(root, keys, own, node.lineno)
        for name in named(tree, "load"):
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
        for word in every(tree, (nodes.Filter, nodes.Test)):
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
FETCHING: Final = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block, nodes.CallBlock)
_BANNED: Final = (nodes.Call, nodes.Macro, *FETCHING)


def every(tree: nodes.Node, kinds: tuple[type[Any], ...]) -> list[Any]:
    """Every node of these kinds, the tree itself included."""
    return [*([tree] if isinstance(tree, kinds) else []), *tree.find_all(kinds)]


def named(tree: nodes.Node, context: str) -> Iterable[nodes.Name]:
    """Every name that is looked at (``load``), or that is given a value."""
    return [name for name in every(tree, (nodes.Name,)) if (name.ctx == "load") == (context == "load")]


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
