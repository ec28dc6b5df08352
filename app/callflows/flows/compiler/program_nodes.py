"""Finds returns and URLs in the nodes of a Python flow that surely lead a call to the fallback."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from callflows.errors import Problem
from callflows.language.verbs import ELEMENT_CLASSES, Response
from callflows.text import format_suggestion

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_FALLBACK: Final = "the call gets the fallback here"
_RESPONSE_FIX: Final = 'return a Response, as return Response(Say("Welcome."))'
_KINDS: Final[Mapping[type[ast.expr], str]] = {
    ast.JoinedStr: "a text",
    ast.List: "a list",
    ast.Tuple: "several values",
    ast.Dict: "a dict",
}


def find_node_problems(tree: ast.Module, file: str, nodes: Collection[str], verbs: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a problem for each return without a Response and each URL of an unknown node. ``nodes`` are the names of all.

    ``verbs`` are the classes of verbs by the names that the program has for them.
    """
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef) and function.name in nodes and _is_node(function):
            yield from _judge_returns(function, file, verbs)
            yield from _judge_urls(function, file, nodes)


def _is_node(function: ast.AsyncFunctionDef) -> bool:
    """Return True if the function has the decorator ``node`` of a flow, and no other."""
    return [decorator.attr for decorator in function.decorator_list if isinstance(decorator, ast.Attribute)] == [
        "node"
    ] and len(function.decorator_list) == 1


def _judge_returns(function: ast.AsyncFunctionDef, file: str, verbs: Mapping[str, str]) -> Iterator[Problem]:
    returns = [part for part in _iterate_own_parts(function) if isinstance(part, ast.Return)]
    for returned in returns:
        kind, fix = _name_other_value(returned.value, verbs)
        if kind:
            place = (returned.lineno, (returned.value or returned).col_offset + 1)
            message = f"the node {function.name!r} gives {kind}, not a Response: {_FALLBACK}"
            yield Problem(file, *place, "error", "python", message, fix)
    if not _always_ends(function.body):
        place = (function.lineno, function.col_offset + 1)
        message = f"the node {function.name!r} has no return: {_FALLBACK}"
        if returns:
            message = f"the node {function.name!r} may come to its end without a return: such a call gets the fallback"
        yield Problem(file, *place, "warning" if returns else "error", "python", message, _RESPONSE_FIX)


def _iterate_own_parts(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Yield the parts of a function without those of functions within it."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        part = waiting.pop(0)
        yield part
        if not isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(part)


def _name_other_value(value: ast.expr | None, verbs: Mapping[str, str]) -> tuple[str, str]:
    """Return what a value is that is surely no Response, and the fix; empty texts for any other value."""
    if isinstance(value, ast.Call):
        verb = verbs.get(ast.unparse(value.func), "") if isinstance(value.func, ast.Name | ast.Attribute) else ""
        is_other = verb in ELEMENT_CLASSES and verb != Response.__name__
        return (f"a {verb}", f"return Response({ast.unparse(value):.60})") if is_other else ("", "")
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return "nothing", _RESPONSE_FIX
    if isinstance(value, ast.Constant):
        return ("a text" if isinstance(value.value, str) else type(value.value).__name__), _RESPONSE_FIX
    return (_KINDS[type(value)], _RESPONSE_FIX) if type(value) in _KINDS else ("", "")


def _always_ends(body: list[ast.stmt]) -> bool:
    """Return True if no way leads to the end of these statements, as far as they can be judged."""
    return any(_ends(statement) for statement in body)


def _ends(statement: ast.stmt) -> bool:
    match statement:
        case ast.Return() | ast.Raise():
            return True
        case ast.If(body=body, orelse=orelse):
            return _always_ends(body) and _always_ends(orelse)
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return _always_ends(body)
        case ast.While(test=test, body=body, orelse=orelse):
            is_endless = isinstance(test, ast.Constant) and bool(test.value)
            return (is_endless or _always_ends(orelse)) and not _has_break(body)
        case ast.For(body=body, orelse=orelse) | ast.AsyncFor(body=body, orelse=orelse):
            return _always_ends(orelse) and not _has_break(body)
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            is_tried = _always_ends(body) or _always_ends(orelse)
            return _always_ends(finalbody) or (is_tried and all(_always_ends(handler.body) for handler in handlers))
        case ast.Match(cases=cases):
            has_rest = any(
                case.guard is None and isinstance(case.pattern, ast.MatchAs) and not case.pattern.pattern for case in cases
            )
            return has_rest and all(_always_ends(case.body) for case in cases)
    return False


def _has_break(body: list[ast.stmt]) -> bool:
    return any(isinstance(part, ast.Break) for statement in body for part in ast.walk(statement))


def _judge_urls(function: ast.AsyncFunctionDef, file: str, nodes: Collection[str]) -> Iterator[Problem]:
    """Yield the URLs of nodes that are not there."""
    arguments = [*function.args.posonlyargs, *function.args.args]
    turn = arguments[0].arg if arguments else ""
    for part in _iterate_own_parts(function):
        match part:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="url"), args=[ast.Constant(value=str() as node), *_]
            ):
                if name != turn or node in nodes:
                    continue
                fix = format_suggestion(node, [*nodes]) or f"there are {', '.join(nodes)}"
                place = (part.lineno, part.args[0].col_offset + 1)
                message = f"no node is named {node!r}: {_FALLBACK}"
                yield Problem(file, *place, "error", "unknown-node", message, fix)
