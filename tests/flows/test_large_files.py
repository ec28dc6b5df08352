"""A file, or a folder, that is twice as large takes about twice the work: counted in calls of functions."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from flow_harness import SIGNER, compile_text

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.check_runner import check_paths
from each_case import each_case
from function_calls import count_function_calls

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, MANY = 120, 240
MAX_GROWTH = 2.4
"""A little more than two; four times the work for twice the size is what is looked for."""
OPTIONS = CompilerOptions(SIGNER, "sorry")
HEAD = "numbers: [+12015550123]\ntimezone: America/New_York\n"
START = "nodes: {start: [say: Hello.]}\n"


def list_rows(row: Callable[[int], str], first: int, count: int) -> str:
    return "".join(f"{row(number)}\n" for number in range(first, first + count))


def join_numbers(first: int, count: int) -> str:
    numbers = [f'"+1201{2_000_000 + number}"' for number in range(first, first + count)]
    return f"[{', '.join(numbers)}]"


def list_nodes(row: Callable[[int], str], first: int, count: int) -> str:
    return f"{HEAD}nodes:\n  start: [goto: n{first}]\n  n{first + count}: [hangup]\n{list_rows(row, first, count)}"


def list_numbers(row: Callable[[int], str], first: int, count: int) -> str:
    return f"numbers:\n{list_rows(row, first, count)}{START}"


LARGE_FILES: dict[str, Callable[[int, int], str]] = {
    "numbers": lambda first, count: list_numbers(lambda n: f"  - +1201{2_000_000 + n}", first, count),
    "numbers without plus": lambda first, count: list_numbers(lambda n: f"  - 1201{2_000_000 + n}", first, count),
    "numbers without country": lambda first, count: list_numbers(lambda n: f"  - 201{2_000_000 + n}", first, count),
    "numbers of no country": lambda first, count: list_numbers(lambda n: f"  - 020{2_000 + n}", first, count),
    "prefixes": lambda first, count: list_numbers(lambda n: f"  - +1201{2_000 + n}*", first, count),
    "prefixes without plus, and numbers": lambda first, count: list_numbers(
        lambda n: f"  - 201{2_000 + n}*\n  - +3312{1_000_000 + n}", first, count
    ),
    "numbers with variables": lambda first, count: list_numbers(
        lambda n: f"  +1201{2_000_000 + n}: {{team: sales {n}, desk: +1202{2_000_000 + n}}}", first, count
    ),
    "numbers in a condition": lambda first, count: (
        f"{HEAD}nodes:\n  start:\n    - when: caller.number in {join_numbers(first, count)}\n      goto: other\n"
        "    - hangup\n  other: [say: Hello.]\n"
    ),
    "prefixes of a policy": lambda first, count: (
        f"{HEAD}dial_policy:\n  allow:\n{list_rows(lambda n: f'    - +44{10_000_000 + n}*', first, count)}{START}"
    ),
    "nodes": lambda first, count: list_nodes(lambda n: f"  n{n}: [say: Hello {n}., goto: n{n + 1}]", first, count),
    "nodes that nothing reaches": lambda first, count: list_nodes(
        lambda n: f"  m{n}: [say: Hello {n}., hangup]", first, count
    ),
    "menus": lambda first, count: list_nodes(
        lambda n: f"  n{n}: [menu: {{prompt: Press 1., keys: {{1: n{n + 1}, 2: n{first}}}, otherwise: n{n + 1}}}]",
        first,
        count,
    ),
    "steps": lambda first, count: f"{HEAD}nodes:\n  start:\n{list_rows(lambda n: f'    - say: Hello {n}.', first, count)}",
    "conditions": lambda first, count: (
        f"{HEAD}nodes:\n  start:\n"
        f"{list_rows(lambda n: f'    - {{when: now.minute == {n % 60}, goto: other}}', first, count)}"
        "    - hangup\n  other: [say: Hello.]\n"
    ),
    "variables": lambda first, count: f"{HEAD}variables:\n{list_rows(lambda n: f'  v{n}: text {n}', first, count)}{START}",
    "values": lambda first, count: (
        f"{HEAD}nodes:\n  start:\n{list_rows(lambda n: f'    - set: {{v{n}: now.hour}}', first, count)}    - hangup\n"
    ),
    "hours": lambda first, count: (
        f"{HEAD}hours:\n{list_rows(lambda n: f'  h{n}: {{mon-fri: 09:00-17:00}}', first, count)}{START}"
    ),
    "rules for messages": lambda first, count: (
        f"{HEAD}messages:\n{list_rows(lambda n: f'  - {{keyword: word{n}, reply: Hello {n}.}}', first, count)}{START}"
    ),
    "a text": lambda first, count: f"{HEAD}nodes: {{start: [say: '{'Hello {{ caller.name }} ' * count}{first}']}}\n",
    "steps with a wrong name": lambda first, count: list_nodes(lambda n: f"  n{n}: [sya: Hello {n}.]", first, count),
    "nodes that are not there": lambda first, count: list_nodes(lambda n: f"  n{n}: [goto: elsewhere{n}]", first, count),
}


@each_case("name", [*LARGE_FILES])
def test_a_file_that_is_twice_as_large_takes_about_twice_the_work(name):
    make_text = LARGE_FILES[name]
    compile_text(make_text(5_000, 3))  # what is loaded or computed once
    few, many = (
        count_function_calls(functools.partial(compile_text, make_text(first, count)))
        for first, count in ((1_000, FEW), (3_000, MANY))
    )
    assert many < MAX_GROWTH * few, f"{few:,} and {many:,}"


LARGE_FOLDERS: dict[str, Callable[[int, int], str]] = {
    "flows with a node that nothing reaches": lambda number, _: (
        f"numbers: [+1201{2_000_000 + number}]\nnodes: {{start: [say: Hello.], lost: [say: Lost.]}}\n"
    ),
    "flows without numbers": lambda _number, _: START,
    "flows with a number without country": lambda number, _: f"numbers: [201{2_000_000 + number}]\n{START}",
    "flows that go on in each other": lambda number, count: (
        f"numbers: [+1201{2_000_000 + number}]\nnodes: {{start: [say: Hello., goto: flow{(number + 1) % count}/start]}}\n"
    ),
    "flows that go on in a flow that is not there": lambda number, _: (
        f"numbers: [+1201{2_000_000 + number}]\nnodes: {{start: [say: Hello., goto: elsewhere/start]}}\n"
    ),
}


@each_case("name", [*LARGE_FOLDERS])
def test_a_folder_with_twice_as_many_flows_takes_about_twice_the_work(tmp_path, name):
    def check_folder(count: int) -> int:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        for number in range(count):
            (folder / f"flow{number}.yaml").write_text(LARGE_FOLDERS[name](number, count))
        return count_function_calls(lambda: check_paths([folder], OPTIONS))

    check_folder(3)  # what is loaded or computed once
    few, many = check_folder(FEW // 3), check_folder(MANY // 3)
    assert many < MAX_GROWTH * few, f"{few:,} and {many:,}"
