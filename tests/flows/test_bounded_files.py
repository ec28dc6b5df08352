"""Nothing that an author writes can hang the check or the server: sizes and steps are bounded, and time is."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest
from flow_harness import SIGNER, compile_text, compile_valid_flow, make_flow_text, request_document

from callflows.errors import LanguageError, ValueTooLongError
from callflows.flows import flow_compilation
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.compiler.flow_graph import FlowGraph, StepEdge, StoredValueEstimate
from callflows.flows.expressions.plain_values import MAX_VALUE_CHARACTERS
from callflows.flows.loader import folder_watcher
from callflows.flows.loader.check_runner import check_paths
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.loader.folder_loader import load_flow_folder
from callflows.flows.loader.folder_watcher import FolderWatcher
from callflows.flows.source.positions import MAX_PROBLEMS
from each_case import each_case
from waiting import join_thread, run_process, wait_until

OPTIONS = CompilerOptions(SIGNER, "sorry")
START = "nodes: {start: [say: Hello.]}\n"
MANY = 3000
ALIAS = "*a"
"""Apart from the texts, because other readers of YAML, to which tests give all texts, fail with a merge of itself."""


def _merge_levels(levels: int, item: str) -> str:
    rows = (f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}, *a{n - 1}]}}\n" for n in range(1, levels))
    return f"a0: &a0 {{{item}}}\n{''.join(rows)}{START}"


def _join(texts: itertools.chain[str] | map[str]) -> str:
    return ", ".join(texts)


HOSTILE = {
    "merges of merges": _merge_levels(26, "say: x"),
    "merges of merges of several keys": _merge_levels(40, "a: 1, b: 2, c: 3"),
    "a merge of itself": f"a: &a {{<<: [{ALIAS}, {ALIAS}], x: 1}}\n{START}",
    "two merges of each other": f"a: &a {{b: &b {{<<: {ALIAS}}}, <<: *b}}\n{START}",
    "a merge of many keys many times": (
        f"a: &a {{{_join(f'k{n}: 1' for n in range(MANY))}}}\nb: {{<<: [{_join(itertools.repeat('*a', MANY))}]}}\n{START}"
    ),
    "many mappings that merge many keys": (
        f"a: &a {{{_join(f'k{n}: 1' for n in range(MANY))}}}\nb: [{_join(itertools.repeat('{<<: *a}', MANY))}]\n{START}"
    ),
    "a long text repeated by aliases": (
        f'a: &a "\\x41{"x" * 500_000}"\nb: [{_join(itertools.repeat("*a", 10 * MANY))}]\n{START}'
    ),
    "one long line with a comment": f"nodes: {{start: [{_join(itertools.repeat('a', 20_000))}]}} # x\n",
    "lost keys": START + "  #: x\n" * 100_000,
    "a long word": f"nodes: {{start: [{'x' * 500_000}: a, goto: {'y' * 500_000}]}}\n",
    "unused names beside an error": (
        f"variables: {{{_join(f'v{n}: x' for n in range(MANY))}}}\n"
        f"nodes: {{start: [{_join(itertools.repeat('say: hello', MANY))}, goto: nowhere]}}\n"
    ),
    "many names that are nearly right": (
        f"nodes:\n  start: [{_join(f'goto: nod{n}' for n in range(1000))}]\n"
        + "".join(f"  node{n}: [hangup]\n" for n in range(MANY))
    ),
    "many unknown keys": "".join(f"key{n}: 1\n" for n in range(10_000)),
    "a long chain of nodes": (
        "nodes:\n  start: [goto: n0]\n"
        + "".join(f"  n{n}: [say: x, goto: n{n + 1}]\n" for n in range(MANY))
        + f"  n{MANY}: [hangup]\n"
    ),
    "many branches": (
        "nodes:\n  start:\n"
        + "".join(
            f"    - set: {{v{n}: \"'{'x' * 40}'\"}}\n    - menu: {{prompt: a, keys: {{1: n{n % 7}, 2: n{n % 5}}}}}\n"
            for n in range(300)
        )
        + "".join(f"  n{n}: [menu: {{prompt: '{{{{ v{n} }}}}', keys: {{1: start}}}}]\n" for n in range(7))
    ),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_that_multiplies_itself_is_read_or_refused_within_seconds(text):
    began = time.thread_time()
    made = compile_text(text)
    assert time.thread_time() - began < 12
    assert not {"defect", "too-slow"} & {*made.rules}
    assert len(made.problems) <= 2 * MAX_PROBLEMS + 2


def test_a_mapping_merged_many_times_is_still_merged():
    groups = "groups:\n  a0: &a0 {to: [+12015550188], timeout: 30s}\n" + "".join(
        f"  a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 26)
    )
    dials = "".join(f"    - dial: a{n}\n" for n in range(26))
    compile_valid_flow(f"numbers: rest\n{groups}nodes:\n  start:\n{dials}")


GROWING_VALUES = {
    "a text joined with itself": ("caller.number", "x ~ x ~ x ~ x"),
    "a text added to itself": ("caller.number", "x + x"),
    "a list added to itself": ("[1, 2]", "x + x"),
    "a list in a list": ("[1, 2]", "[x, x]"),
    "a list of texts as a text": ("caller.number", "[x, x, x] | join(', ')"),
    "a text between the characters of itself": ("caller.number", "x | join(x)"),
    "a repeated text": ("caller.name", "x * 5"),
    "a text replaced by more": ("caller.number", "x | replace('1', x)"),
    "a text in a text": ("caller.number", "'%s%s' | format(x, x)"),
    "blanks around a text": ("caller.number", "(x ~ x) | center(999999999)"),
    "blanks before lines": ("'a\\nb'", "x | indent(999999999)"),
    "a text before lines": ("'a\\nb'", "(x ~ x) | indent(x)"),
    "lines of one character": ("caller.number", "x | wordwrap(1, true, x)"),
    "lists of nothing": ("caller.number", "x | slice(999999999) | list"),
    "a list that is filled up": ("caller.number", "x | batch(999999999, '0') | list"),
    "data as JSON": ("caller.number", "[x, x] | tojson"),
}


@pytest.mark.parametrize(("first", "next_value"), GROWING_VALUES.values(), ids=GROWING_VALUES)
def test_a_value_that_grows_from_step_to_step_ends_the_document_before_it_fills_the_memory(first, next_value):
    growth = f'- set: {{x: "{next_value}"}}\n' * 20
    flow = compile_valid_flow(make_flow_text(f"- set: {{x: \"{first}\"}}\n{growth}- say: Hello.\n  when: x == '1'\n"))
    began = time.thread_time()
    with pytest.raises(ValueTooLongError, match="longer than"):
        request_document(flow, name="Ann")
    assert time.thread_time() - began < 5


def _grow_to_most(steps: str) -> str:
    """Steps that use ``x``, which has nearly as many characters as a value may have."""
    doubled = '- set: {x: "x ~ x"}\n' * 12
    return make_flow_text(f"- set: {{x: caller.number}}\n{doubled}{steps}")


def test_a_value_of_nearly_the_most_characters_is_used():
    xml = request_document(compile_valid_flow(_grow_to_most('- say: "{{ x }}"\n')))
    assert MAX_VALUE_CHARACTERS / 2 < len(xml) < MAX_VALUE_CHARACTERS


REPEATED_VALUES = {
    "in texts": "".join(f'- say: "{{{{ x }}}} {n}"\n' for n in range(200)),
    "in equal texts": '- say: "{{ x }}"\n' * 200,
    "in one text": f'- say: "{"{{ x }}" * 100}"\n',
    "in one long text": f'- say: "{"{{ x }}" * 1000}"\n',
    "in a webhook": (
        f'- notify: {{url: "https://x.example/", payload: {{t: "{"{{ x }}" * 100}"}}}}\n- say: Hello.\n- hangup\n'
    ),
    "in branches": "".join(f'- say: "{{{{ x }}}} {n}"\n  when: caller.name != "{n}"\n' for n in range(200)),
}


@pytest.mark.parametrize("steps", REPEATED_VALUES.values(), ids=REPEATED_VALUES)
def test_a_document_that_repeats_a_long_value_is_given_up_before_it_fills_the_memory(steps):
    flow = compile_valid_flow(_grow_to_most(steps))
    tracemalloc.start()
    try:
        with pytest.raises((LanguageError, ValueTooLongError)):
            request_document(flow)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


SLOW_TEXTS = {
    "a URL of many expressions": f'- say: "https://x.example/{"{{digits}}" * 22} for you"',
    "a number of many letters": f'- dial: {{to: "1201{"A" * 1000}!"}}',
    "an extension after many blanks": f'- dial: {{to: "1{" " * 8000}x"}}',
    "an address of many signs": f'- dial: {{to: "a<{"@" * 12_000}"}}',
    "many braces in a raw text": f'- say: "{{% raw %}}{"{{" * 15_000}{{% endraw %}}"',
    "a repeated word": (
        f'- say: hello\n  when: caller.name != "{"attestation " * 40_000}"\n- {{hangup: , when: call.attestation == "A"}}'
    ),
    "an expression of blanks": f'- say: "{{{{{" " * 4000}"',
}


@pytest.mark.parametrize("steps", SLOW_TEXTS.values(), ids=SLOW_TEXTS)
def test_a_text_that_nearly_matches_is_read_as_fast_as_any_other(steps):
    began = time.thread_time()
    compile_text(make_flow_text(steps))
    assert time.thread_time() - began < 1


@pytest.mark.parametrize("window", [f"9:00{' ' * 20_000}x", f"{' ' * 20_000}".join("9x5"), f"9-{' ' * 20_000}5"])
def test_hours_with_many_blanks_are_read_as_fast_as_any_other(window):
    began = time.thread_time()
    compile_text(
        f'timezone: UTC\nhours: {{office: {{"mon-fri": "{window}", "mon{" " * 20_000}x": "9:00-17:00"}}}}\n{START}'
    )
    assert time.thread_time() - began < 1


def test_no_pattern_takes_more_than_linear_time_for_a_text_made_to_slow_it_down():
    attacks = Path(__file__).with_name("pattern_attacks.py")
    *slow, count = run_process([sys.executable, str(attacks)], seconds=120).stdout.splitlines()
    assert slow == []
    assert int(count.split()[0]) > 350


def _find_nodes_by_every_path(edges: set[tuple[str, StepEdge]], stores: set[tuple[str, int]]) -> set[str]:
    """The nodes that a value set in step 0 of node 0 reaches, found without any shortcut."""
    fetched, seen, left = set(), set(), [("0", 0, 1)]
    while left:
        node, entry, first = left.pop()
        ends = min((at for where, at in stores if where == node and at >= first), default=99)
        for where, edge in edges:
            if where == node and entry <= edge.from_step <= ends:
                fetched |= {edge.target_node} if edge.is_fetched else set()
                state = (edge.target_node, edge.target_step, edge.target_step)
                if state not in seen:
                    seen.add(state)
                    left.append(state)
    return fetched


@each_case("seed", range(40))
def test_the_nodes_that_a_value_reaches_are_those_of_every_path(seed):
    import random  # noqa: PLC0415 - only here

    drawn = random.Random(seed)  # noqa: S311 - a test's graph
    names = [str(n) for n in range(5)]
    edges = {
        (drawn.choice(names), StepEdge(drawn.randrange(6), drawn.choice(names), drawn.randrange(6), drawn.random() < 0.5))
        for _ in range(14)
    }
    stores = {(drawn.choice(names), drawn.randrange(6)) for _ in range(4)}
    graph = FlowGraph(names, frozenset({"v"}))
    for node, edge in edges:
        graph.add_edge(node, edge)
    for node, step in stores:
        graph.record_store("v", node, step)
    found = graph.find_nodes_with_value(StoredValueEstimate("v", '"x"', "0", 0, 0, ()))
    assert found == _find_nodes_by_every_path(edges, stores)


def test_a_value_in_a_flow_of_many_branches_is_followed_once_along_each():
    graph = FlowGraph(["a", "b"], frozenset({"v"}))
    for step in range(20_000):
        graph.add_edge("a", StepEdge(step, "b", step, is_fetched=True))
        graph.add_edge("b", StepEdge(step, "a", step, is_fetched=True))
    began = time.thread_time()
    assert graph.find_nodes_with_value(StoredValueEstimate("v", '"x"', "a", 0, 0, ())) == {"a", "b"}
    assert time.thread_time() - began < 5


def _spin(*_: object) -> None:
    """A compilation that takes longer than any file may, for a test that must end all the same."""
    for _ in range(100_000_000):
        with contextlib.suppress(ZeroDivisionError):
            time.sleep(0)


@pytest.fixture
def spinning_file(monkeypatch):
    """A file named slow.yaml whose compilation never ends."""
    read = flow_compilation.read_flow

    def read_or_spin(name, *rest):
        return _spin() if name == "slow" else read(name, *rest)

    monkeypatch.setattr(flow_compilation, "read_flow", read_or_spin)
    monkeypatch.setattr(flow_compilation, "COMPILE_SECONDS", 0.3)


@pytest.mark.usefixtures("spinning_file")
def test_a_file_that_takes_too_long_is_given_up_and_every_other_file_is_read(tmp_path):
    for name, number in (("a", "+12015550101"), ("slow", "+12015550102"), ("z", "+12015550103")):
        (tmp_path / f"{name}.yaml").write_text(f"numbers: {number}\n{START}")
    loaded = load_flow_folder(tmp_path, OPTIONS)
    assert sorted(loaded.book.flows) == ["a", "z"]
    (problem,) = loaded.problems
    assert (problem.rule, problem.severity) == ("too-slow", "error")
    assert problem.file.endswith("slow.yaml")


PROFILED = """
import sys

from callflows.flows import flow_compilation
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.tickets import TicketSigner

def spin(*_arguments):
    while True:
        pass

flow_compilation.read_flow, flow_compilation.COMPILE_SECONDS = spin, 0.1
compiled = flow_compilation.compile_flow("slow", b"nodes: {}", "slow.yaml", CompilerOptions(TicketSigner([b"key"]), ""))
sys.setprofile(lambda *_event: None)
print([problem.rule for problem in compiled.problems])
"""


def test_a_file_that_was_given_up_leaves_an_interpreter_in_which_a_profiler_works():
    assert run_process([sys.executable, "-c", PROFILED], seconds=60).stdout == "['too-slow']\n"


PIPES = {
    "a flow file": ("acme.yaml", ""),
    "a program": ("acme.py", ""),
    "a template": ("acme.xml.j2", "numbers: +12015550123\ntemplate: acme.xml.j2\n"),
    "a sound": ("sounds/hello.wav", "numbers: +12015550123\nnodes: {start: [play: hello]}\n"),
    "a document": ("acme.xml", ""),
    "a file of another kind": ("acme.txt", ""),
    "overrides": ("overrides.yaml", f"numbers: +12015550123\n{START}"),
    "a caller list": ("vip.csv", "lists: {vip: vip.csv}\nnodes: {start: [{when: caller in lists.vip, hangup: }]}\n"),
}


@pytest.mark.parametrize(("pipe", "flow"), PIPES.values(), ids=PIPES)
def test_a_pipe_among_the_flows_is_not_waited_for(tmp_path, pipe, flow):
    (tmp_path / "sounds").mkdir()
    os.mkfifo(tmp_path / pipe)
    if flow:
        (tmp_path / "desk.yaml").write_text(flow)
    # A writer opens the pipe late, so that a reader that waits for it fails the test instead of hanging it.
    opened = threading.Event()

    def open_pipe() -> None:
        if not opened.wait(20):
            os.close(os.open(tmp_path / pipe, os.O_RDWR | os.O_NONBLOCK))

    opener = threading.Thread(target=open_pipe)
    opener.start()
    began = time.monotonic()
    load_flow_folder(tmp_path, OPTIONS)
    check_paths([tmp_path, tmp_path / pipe], OPTIONS)
    opened.set()
    join_thread(opener)
    assert time.monotonic() - began < 20


@pytest.mark.usefixtures("spinning_file")
def test_edits_of_other_files_are_taken_up_while_one_file_takes_too_long(tmp_path):
    (tmp_path / "a.yaml").write_text(f"numbers: +12015550101\n{START}")
    library = FlowLibrary(tmp_path, OPTIONS, settle_seconds=0)
    watcher = FolderWatcher(library, lambda _before, _after: None)
    (tmp_path / "slow.yaml").write_text(f"numbers: +12015550102\n{START}")
    watcher.refresh_library()
    (tmp_path / "b.yaml").write_text(f"numbers: +12015550103\n{START}")
    watcher.refresh_library()
    assert sorted(library.loaded_flows.book.flows) == ["a", "b"]
    assert [problem.rule for problem in library.loaded_flows.problems] == ["too-slow"]


def test_a_watcher_that_is_stuck_says_so_and_names_the_file(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text(f"numbers: +12015550101\n{START}")
    library = FlowLibrary(tmp_path, OPTIONS, settle_seconds=0)
    watcher = FolderWatcher(library, lambda _before, _after: None)
    watcher.refresh_library()
    assert watcher.get_status()["problem"] == ""
    monkeypatch.setattr(folder_watcher, "STUCK_SECONDS", 0.05)
    may_go_on = threading.Event()
    monkeypatch.setattr(library, "_compile_file", lambda *_, **__: may_go_on.wait(30))
    (tmp_path / "a.yaml").write_text("x")
    looking = threading.Thread(target=watcher.refresh_library)
    looking.start()
    wait_until(lambda: watcher.get_status()["problem"], "the watcher to say that it is stuck")
    status = watcher.get_status()
    may_go_on.set()
    join_thread(looking)
    assert "a.yaml" in status["problem"]
    assert not watcher.get_status()["problem"]
