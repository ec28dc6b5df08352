"""Reads the source of a Python flow for mistakes that can be seen before a call."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from callflows.errors import Problem, VerbBuildError
from callflows.flows.audible_verbs import CONDITIONAL_VERBS
from callflows.flows.compiler.program_nodes import find_node_problems
from callflows.flows.compiler.template_check import SILENT_END_TEXTS
from callflows.language import (
    DTMF,
    Answer,
    Curl,
    Default,
    Dial,
    Error,
    Gather,
    Meta,
    Pause,
    RecordStart,
    RecordStop,
    RecordWait,
    Response,
    Unhold,
)
from callflows.language.attribute_doubts import find_attribute_doubts, find_branch_doubts, find_element_doubts
from callflows.language.element import describe_unknown_attribute
from callflows.language.verbs import ELEMENT_CLASSES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from callflows.language.attribute_doubts import AttributeDoubt
    from callflows.language.element import Element


_PACKAGES: Final = ("callflows", "callflows.language")
"""The packages from which programs import the classes of verbs."""
_VERB_NAMES: Final = frozenset(ELEMENT_CLASSES)
_OWN_ARGUMENTS: Final = frozenset({"extra"})
"""Arguments that are no attributes: ``extra`` has those of extensions, which are judged when the document is written."""


def find_program_problems(source: str, file: str, nodes: Collection[str] = ()) -> list[Problem]:
    """Return what can be said before a call about a program that can be parsed, by place.

    Values that are written out are judged, also those of constants such as ``RING = 20``; every other value is known
    only when a call arrives. ``nodes`` are the names of those nodes whose ways are judged, too.
    """
    tree = ast.parse(source)
    verbs, constants = _find_verb_names(tree), _find_constants(tree)
    problems: dict[Problem, None] = {}
    for call in ast.walk(tree):
        name = verbs.get(ast.unparse(call.func)) if isinstance(call, ast.Call) and _is_name(call.func) else None
        if isinstance(call, ast.Call) and name is not None:
            for node, doubt in _judge_verb(call, ELEMENT_CLASSES[name], verbs, constants):
                place = (node.lineno, node.col_offset + 1)
                problems[Problem(file, *place, doubt.severity, doubt.rule, doubt.message, doubt.fix)] = None
    for returned in ast.walk(tree):
        for node, doubt in _judge_silence(returned, verbs) if isinstance(returned, ast.Return) else ():
            place = (node.lineno, node.col_offset + 1)
            problems[Problem(file, *place, doubt.severity, doubt.rule, doubt.message, doubt.fix)] = None
    problems |= dict.fromkeys(find_node_problems(tree, file, nodes, verbs))
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


class _ProgramDoubt(NamedTuple):
    severity: Literal["error", "warning"]
    rule: str
    message: str
    fix: str = ""


def _judge_verb(
    call: ast.Call, cls: type[Element], verbs: Mapping[str, str], constants: Mapping[str, ast.expr]
) -> Iterator[tuple[ast.expr, AttributeDoubt | _ProgramDoubt]]:
    """Yield mistakes in the arguments of a verb, and doubts about them."""
    yield from ((call, doubt) for doubt in find_element_doubts(cls))
    values: dict[str, object] = {}
    for name, node in _iterate_arguments(call, cls, constants):
        value = values[name] = _evaluate_constant(node, constants)
        if name in _OWN_ARGUMENTS:
            continue
        error = _find_argument_error(cls, name, value)
        if error:
            yield node, _ProgramDoubt("error", "verb", f"{error}: the call gets the fallback here")
            continue
        for doubt in find_attribute_doubts(cls, name, value):
            yield node, doubt._replace(message=f"{doubt.message.replace(f'{name} is', f'{name} of {cls.__name__} is', 1)}")
    if cls is Gather:
        branches = [(keys, node) for node in call.args for keys in [_find_branch_keys(node, verbs, constants)] if keys]
        length, stop = values.get("dtmf_length"), values.get("dtmf_stop")
        for keys, doubt in find_branch_doubts((keys for keys, _ in branches), length, stop):
            yield next(node for own, node in branches if own == keys), doubt


def _judge_silence(returned: ast.Return, verbs: Mapping[str, str]) -> Iterator[tuple[ast.expr, _ProgramDoubt]]:
    """Yield what callers do not hear of a Response that is written out: all of it, or the end after a dial or a menu."""
    call = returned.value
    if not isinstance(call, ast.Call) or _find_verb(call, verbs) != Response.__name__:
        return
    commands = [_find_verb(node, verbs) for node in call.args]
    conditions = [
        node for node in call.args if isinstance(node, ast.Call) and _find_verb(node, verbs) in _CONDITIONAL_VERBS
    ]
    # Several conditions may cover every call between them.
    if not all(commands) or len(conditions) > 1 or any(not node.keywords for node in conditions):
        return
    if all(command in _QUIET_VERBS for command in commands):
        message = "callers hear nothing: the document neither says, plays nor rings anything"
        if conditions:
            message = "a caller for whom the condition does not hold hears nothing"
        fix = "say something; a Hangup as the last command says that it is meant"
        yield call, _ProgramDoubt("warning", "says-nothing", message, fix)
        return
    last = next(node for node, command in reversed([*zip(call.args, commands, strict=True)]) if command not in _QUIET_VERBS)
    ways = _SILENT_WAYS.get(_find_verb(last, verbs))
    if ways is None or not isinstance(last, ast.Call) or not _is_way_missing(last, ways, verbs):
        return
    yield last, _ProgramDoubt("warning", "no-way-out", *SILENT_END_TEXTS[_find_verb(last, verbs)])


def _is_way_missing(call: ast.Call, ways: Sequence[str], verbs: Mapping[str, str]) -> bool:
    """Return True if a dial or a menu surely has no branch for one of these ways, or nothing is heard in the branch."""
    if any(isinstance(node, ast.Starred) for node in call.args) or any(
        keyword.arg in (None, "url", "callback") for keyword in call.keywords
    ):
        return False
    children = {_find_verb(node, verbs): node for node in call.args if not isinstance(node, ast.Constant)}
    return "" not in children and not all(way in children and _is_heard(children[way], verbs) for way in ways)


def _is_heard(node: ast.expr, verbs: Mapping[str, str]) -> bool:
    """Return True if something may be heard in a branch, or the call ends there."""
    if not isinstance(node, ast.Call) or node.keywords:
        return True
    return any(_find_verb(part, verbs) not in _QUIET_VERBS for part in node.args)


def _find_verb(node: ast.expr, verbs: Mapping[str, str]) -> str:
    """Return the verb that an expression makes; an empty text for any other expression."""
    return verbs.get(ast.unparse(node.func), "") if isinstance(node, ast.Call) and _is_name(node.func) else ""


_CONDITIONAL_VERBS: Final = frozenset(verb.__name__ for verb in CONDITIONAL_VERBS)
_QUIET_VERBS: Final = frozenset(
    element.__name__
    for element in (*CONDITIONAL_VERBS, Answer, Curl, Meta, Pause, RecordStart, RecordStop, RecordWait, Unhold)
)
"""Verbs of which a caller hears nothing, or nothing in some calls."""
_SILENT_WAYS: Final[Mapping[str, Sequence[str]]] = {
    Dial.__name__: (Error.__name__,),
    Gather.__name__: (Error.__name__, Default.__name__),
}
"""The branches of callers who get no answer, or who press nothing or another key."""


def _find_argument_error(cls: type[Element], name: str, value: object) -> str:
    """Return why the verb refuses the argument; an empty text if the value is fine, or not known yet."""
    check = cls.spec.value_checks.get(name)
    if check is None:
        return describe_unknown_attribute(cls.spec, name)
    if value is None:
        return ""
    try:
        check(value)
    except ValueError as error:
        return str(error) if type(error) is VerbBuildError else f"<{cls.spec.name}> {name}: {error}"
    return ""


def _find_branch_keys(node: ast.expr, verbs: Mapping[str, str], constants: Mapping[str, ast.expr]) -> str:
    """Return the keys of a DTMF that is written out within a Gather."""
    if isinstance(node, ast.Call) and _is_name(node.func) and verbs.get(ast.unparse(node.func)) == DTMF.__name__:
        keys = next(
            (
                _evaluate_constant(part, constants)
                for name, part in _iterate_arguments(node, DTMF, constants)
                if name == "value"
            ),
            "",
        )
        return keys if isinstance(keys, str) else ""
    return ""


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_name(node.value))


def _find_verb_names(tree: ast.Module) -> dict[str, str]:
    """Return the verbs by the names that the program has for them, as ``Dial`` or ``callflows.Dial``."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in _PACKAGES:
            for alias in node.names:
                names |= {verb: verb for verb in _VERB_NAMES} if alias.name == "*" else {}
                names |= {alias.asname or alias.name: alias.name} if alias.name in _VERB_NAMES else {}
                names |= _qualify_verbs(alias.asname or alias.name) if alias.name == "language" else {}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                names |= _qualify_verbs(alias.asname or alias.name) if alias.name in _PACKAGES else {}
    return names


def _qualify_verbs(package: str) -> dict[str, str]:
    return {f"{package}.{verb}": verb for verb in _VERB_NAMES}


def _find_constants(tree: ast.Module) -> Mapping[str, ast.expr]:
    """Return the values of names that are assigned once, as ``RING = 20``."""
    assigned: dict[str, list[ast.expr | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    assigned.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            assigned.setdefault(node.id, [])
    return {name: values[0] for name, values in assigned.items() if len(values) == 1 and values[0] is not None}


def _iterate_arguments(
    call: ast.Call, cls: type[Element], constants: Mapping[str, ast.expr]
) -> Iterator[tuple[str, ast.expr]]:
    """Yield the attributes in a call: a plain text, the named ones, and those in ``**{"timeout": 20}``."""
    first = call.args[0] if call.args else None
    if first is not None and cls.spec.positional_name and isinstance(_evaluate_constant(first, constants), str):
        yield cls.spec.positional_name, first
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
        elif isinstance(keyword.value, ast.Dict):
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value), value


def _evaluate_constant(node: ast.expr, constants: Mapping[str, ast.expr], depth: int = 0) -> str | int | float | None:
    """Return the value that an expression is, as ``20``, ``20 * 1000``, a text or the name of a constant."""
    if depth > _MAX_DEPTH:
        return None
    match node:
        case ast.Constant(value=str() | int() | float() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Name(id=name) if name in constants:
            return _evaluate_constant(constants[name], constants, depth + 1)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            first, second = (_evaluate_constant(part, constants, depth + 1) for part in (left, right))
            return first * second if isinstance(first, int) and isinstance(second, int) else None
    return None


_MAX_DEPTH: Final = 10
