"""Searches the package's regular expressions for super-linear running time, with texts made from each pattern.

As a program it prints a line for each pattern that takes too long: its name, the method and the text.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import pkgutil
import re
import signal
import sys
import time
from pathlib import Path
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

import callflows

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTACK_CHARACTERS = 4_000
MOST_SECONDS = 0.015
"""Processor time for one text, in the best of three tries. Linear time is 0.1 ms, quadratic time 0.02 seconds or more."""
SKIPPED_MODULES = ("benchmark", "settings", "stand_in")
"""Modules that read nothing of an author or a caller."""
SKIPPED_PATTERNS = frozenset(
    {
        "callflows.flows.expressions.syntax_mistakes._STATEMENT_OR_OTHER",  # 10,000 characters
        "callflows.flows.messages.message_signatures._ADDRESS",  # 400 characters
        "callflows.flows.messages.message_signatures._BEFORE_NAME",
        "callflows.flows.source.yaml_slips._GLUED_BRACKET",  # 1,000 characters
        "callflows.flows.source.yaml_slips._KEY_IN_TEXT",
        "callflows.flows.source.yaml_slips._SEMICOLON_BETWEEN",
    }
)
"""Patterns for texts that are shorter than the attacks, or not much longer."""
_SCANNING = frozenset({"search", "sub", "subn", "split", "findall", "finditer"})
_METHODS = frozenset({*_SCANNING, "match", "fullmatch"})
_CATEGORY_SAMPLES = {
    codes.CATEGORY_SPACE: " \n",
    codes.CATEGORY_NOT_SPACE: "a0",
    codes.CATEGORY_WORD: "a0",
    codes.CATEGORY_NOT_WORD: " -",
    codes.CATEGORY_DIGIT: "0",
    codes.CATEGORY_NOT_DIGIT: " a",
}
_COMMON_CHARACTERS = " a0A{}<>\"'-.,:/@(\n\\%&+;=[|_\x00\ufdd0"
_SUFFIXES = ("", "!", " x")


class TooSlowError(Exception):
    """A pattern takes longer than allowed."""


def iterate_patterns() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """Yield name, pattern and used methods of each compiled pattern in a module of the package."""
    uses = _find_used_methods()
    for module in pkgutil.walk_packages(callflows.__path__, "callflows."):
        if module.name.split(".")[1] in SKIPPED_MODULES or module.name.endswith(("__main__", "migrations.env")):
            continue
        values = vars(importlib.import_module(module.name))
        for name, value in sorted(values.items()):
            for place, pattern in _find_patterns_in(value):
                key = (module.name if name.startswith("_") else "", name)
                yield f"{module.name}.{name}{place}", pattern, uses.get(key) or {"search", "match", "fullmatch"}


def _find_patterns_in(value: object) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern):
        yield "", value
    elif isinstance(getattr(value, "__self__", None), re.Pattern):
        yield "", value.__self__  # type: ignore[attr-defined]
    elif isinstance(value, dict):
        yield from _find_patterns_among([*value.keys(), *value.values()])
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from _find_patterns_among([*value])


def _find_patterns_among(values: list[object]) -> Iterator[tuple[str, re.Pattern[Any]]]:
    for index, part in enumerate(values):
        yield from ((f"[{index}]{place}", pattern) for place, pattern in _find_patterns_in(part))


def _find_used_methods() -> dict[tuple[str, str], set[str]]:
    """Return the methods of patterns that the package calls, by module and name; public names have no module."""
    uses: dict[tuple[str, str], set[str]] = {}
    folder = Path(callflows.__path__[0])
    for file in folder.rglob("*.py"):
        module = ".".join(("callflows", *file.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in _METHODS:
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
                uses.setdefault((module if name.startswith("_") else "", name), set()).add(
                    "search" if node.attr in _SCANNING else node.attr
                )
    return uses


def _iterate_written_patterns() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """Yield place, pattern and method of each call such as ``re.sub(" +", …)``."""
    folder = Path(callflows.__path__[0])
    for file in sorted(folder.rglob("*.py")):
        if file.relative_to(folder).with_suffix("").parts[0] in SKIPPED_MODULES:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("re"), attr=method),
                    args=[ast.Constant(str() | bytes() as source), *_],
                ) if method in _METHODS:
                    used = "search" if method in _SCANNING else method
                    yield f"{file.relative_to(folder)}:{node.lineno}", re.compile(source), {used}


def make_attacks(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Yield texts with a repeated part, for each repetition in the pattern."""
    tree = parser.parse(pattern.pattern, pattern.flags)
    alphabet = [*dict.fromkeys(itertools.chain(_iterate_characters(tree), " a0"))][:24]
    seen: set[tuple[str, str]] = set()
    for before, body in _iterate_repetitions(tree, ("",)):
        pieces = [*body, *(sample for sample in before if sample), *(b + c for b in body[:2] for c in alphabet[:6])]
        for prefix, piece in itertools.product(before[:3], pieces):
            if piece and (prefix, piece) not in seen:
                seen.add((prefix, piece))
                pumped = prefix + piece * (ATTACK_CHARACTERS // len(piece))
                yield from (pumped + suffix for suffix in _SUFFIXES)


def _iterate_repetitions(tree: Any, before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield for each unbounded repetition texts that lead to it, and texts of one round."""
    for op, argument in tree:
        if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            _low, high, body = argument
            if high > 64:
                yield before, _sample_sequence(body)
            yield from _iterate_repetitions(body, before)
        else:
            for branch in _list_branches(op, argument):
                yield from _iterate_repetitions(branch, before)
        samples = _sample_item(op, argument)
        before = tuple(dict.fromkeys(a + b for a in before[:3] for b in samples[:3]))[:6]


def _list_branches(op: Any, argument: Any) -> list[Any]:
    if op is codes.SUBPATTERN:
        return [argument[-1]]
    if op is codes.ATOMIC_GROUP:
        return [argument]
    if op is codes.BRANCH:
        return [*argument[1]]
    if op in (codes.ASSERT, codes.ASSERT_NOT):
        return [argument[1]]
    return []


def _sample_sequence(tree: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = ("",)
    for op, argument in tree:
        found = tuple(dict.fromkeys(a + b for a in found for b in _sample_item(op, argument)))[:12]
    return found


def _sample_item(op: Any, argument: Any) -> tuple[str, ...]:
    """Return some short texts that a part of a pattern matches."""
    if op is codes.LITERAL:
        return (chr(argument),)
    if op is codes.NOT_LITERAL:
        return tuple(sign for sign in _COMMON_CHARACTERS if sign != chr(argument))[:6]
    if op is codes.ANY:
        return tuple(" a{<")
    if op is codes.IN:
        return tuple(_sample_class(argument))
    if op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
        low, _, body = argument
        once = _sample_sequence(body)
        return tuple(text * low for text in once) if low else ("", *once)[:4]
    if op is codes.BRANCH:
        return tuple(dict.fromkeys(text for branch in argument[1] for text in _sample_sequence(branch)[:2]))[:12]
    if op in (codes.SUBPATTERN, codes.ATOMIC_GROUP):
        return _sample_sequence(_list_branches(op, argument)[0])
    if op is codes.ASSERT:
        return ("", *_sample_sequence(argument[1])[:1]) if argument[0] < 0 else ("",)
    return ("",)


def _sample_class(members: Any) -> list[str]:
    is_negated = members[0][0] is codes.NEGATE
    found: list[str] = []
    for op, argument in members:
        if op is codes.LITERAL:
            found.append(chr(argument))
        elif op is codes.RANGE:
            found.append(chr(argument[0]))
        elif op is codes.CATEGORY:
            found += _CATEGORY_SAMPLES.get(argument, "a")
    if not is_negated:
        return found[:8]
    source = "".join(f"\\x{ord(sign):02x}" if ord(sign) < 256 else sign for sign in found)
    ranges = [argument for op, argument in members if op is codes.RANGE]
    excluded = {*found} if source else set()
    return [
        sign
        for sign in _COMMON_CHARACTERS
        if sign not in excluded and not any(low <= ord(sign) <= high for low, high in ranges)
    ][:6]


def _iterate_characters(tree: Any) -> Iterator[str]:
    for op, argument in tree:
        if op is codes.LITERAL:
            yield chr(argument)
        elif op is codes.IN:
            yield from _sample_class(argument)
        elif op in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            yield from _iterate_characters(argument[2])
        else:
            for branch in _list_branches(op, argument):
                yield from _iterate_characters(branch)


def _raise_too_slow(*_: object) -> None:
    raise TooSlowError


def measure(pattern: re.Pattern[Any], method: str, text: str) -> float:
    """Return the processor time in seconds that a method takes, at most about ``MOST_SECONDS``."""
    subject: Any = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
    began = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, 2 * MOST_SECONDS)
    try:
        if method == "search":
            for _ in pattern.finditer(subject):
                pass
        else:
            getattr(pattern, method)(subject)
    except TooSlowError:
        pass
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return time.process_time() - began


def find_slow_text(pattern: re.Pattern[Any], method: str) -> str | None:
    """Return a text for which a method of a pattern takes too long; None if there is none."""
    for text in make_attacks(pattern):
        if all(measure(pattern, method, text) > MOST_SECONDS for _ in range(3)):
            return text
    return None


def main() -> None:
    """Print each pattern that takes too long."""
    signal.signal(signal.SIGPROF, _raise_too_slow)
    count = 0
    for name, pattern, methods in itertools.chain(iterate_patterns(), _iterate_written_patterns()):
        count += 1
        for method in sorted(methods) if name not in SKIPPED_PATTERNS else ():
            text = find_slow_text(pattern, method)
            if text is not None:
                shown = f"{text[:40]!r}...{text[-10:]!r}"
                sys.stdout.write(f"{name}.{method}: {shown}: {str(pattern.pattern)[:120]!r}\n")
    sys.stdout.write(f"{count} patterns\n")


if __name__ == "__main__":
    main()
