"""Reads the source of a Python flow for mistakes that can be seen before a call: times that look like seconds."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from callflows.errors import Problem
from callflows.language.plausible_durations import PLAUSIBLE_ATTRIBUTE_DURATIONS, describe_doubtful_milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_PACKAGES: Final = ("callflows", "callflows.language")
"""The packages from which programs import the classes of verbs."""
_VERB_NAMES: Final = frozenset(verb for verb, _ in PLAUSIBLE_ATTRIBUTE_DURATIONS)


def find_program_problems(source: str, file: str) -> list[Problem]:
    """Return the warnings about a program that can be parsed, with their places."""
    tree = ast.parse(source)
    verbs, constants = _find_verb_names(tree), _find_constants(tree)
    problems = []
    for call in ast.walk(tree):
        verb = verbs.get(ast.unparse(call.func)) if isinstance(call, ast.Call) and _is_name(call.func) else None
        for name, value in _iterate_arguments(call) if isinstance(call, ast.Call) and verb is not None else ():
            plausible = PLAUSIBLE_ATTRIBUTE_DURATIONS.get((str(verb), name))
            milliseconds = _evaluate_number(value, constants)
            if plausible is not None and milliseconds is not None and not plausible.contains(milliseconds):
                message, fix = describe_doubtful_milliseconds(f"{name} of {verb}", milliseconds, plausible)
                place = (value.lineno, value.col_offset + 1)
                problems.append(Problem(file, *place, "warning", "duration-doubtful", message, fix))
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


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


def _iterate_arguments(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield the named arguments of a call, also those in ``**{"timeout": 20}``."""
    for keyword in call.keywords:
        if keyword.arg is not None:
            yield keyword.arg, keyword.value
        elif isinstance(keyword.value, ast.Dict):
            for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
                if isinstance(key, ast.Constant):
                    yield str(key.value), value


def _evaluate_number(node: ast.expr, constants: Mapping[str, ast.expr], depth: int = 0) -> int | None:
    """Return the whole number that an expression is, as ``20``, ``20 * 1000`` or the name of a constant."""
    if depth > _MAX_DEPTH:
        return None
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name) if name in constants:
            return _evaluate_number(constants[name], constants, depth + 1)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            factors = [_evaluate_number(part, constants, depth + 1) for part in (left, right)]
            return factors[0] * factors[1] if factors[0] is not None and factors[1] is not None else None
    return None


_MAX_DEPTH: Final = 10
