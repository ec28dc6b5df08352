"""Each wrong file gives exactly the messages in its first lines, or in ``messages.txt`` beside several files."""

from __future__ import annotations

from pathlib import Path

from flow_harness import APOLOGY, SIGNER, compile_text

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.check_runner import check_paths
from callflows.flows.source.positions import DATA_FILE_RULES
from each_case import each_case

BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.yaml"))
FOLDERS = sorted(path for path in BAD.iterdir() if path.is_dir())
OPTIONS = CompilerOptions(SIGNER, APOLOGY)


def expected(text: str) -> list[str]:
    lines = text.splitlines()
    return [line.removeprefix("# ") for line in lines if line.startswith("# ")][: _head(lines)]


def _head(lines: list[str]) -> int:
    return next(index for index, line in enumerate(lines) if not line.startswith("# "))


@each_case("file", FILES, ids=lambda file: file.stem)
def test_of_a_bad_file_is_said_what_its_first_lines_say(file):
    text = file.read_text(encoding="utf-8")
    problems = sorted(compile_text(text).problems, key=lambda problem: (problem.line, problem.column))
    assert [str(problem).removeprefix("acme.yaml:") for problem in problems] == expected(text)


@each_case("folder", FOLDERS, ids=lambda folder: folder.name)
def test_of_a_folder_of_bad_files_is_said_what_its_messages_say(folder):
    problems = check_paths([folder], OPTIONS)
    said = [str(problem).replace(f"{folder}/", "") for problem in problems]
    assert said == (folder / "messages.txt").read_text(encoding="utf-8").splitlines()


def test_a_file_with_an_error_is_no_flow_and_one_with_warnings_is():
    for file in FILES:
        made = compile_text(file.read_bytes())
        wrong = any(problem.severity == "error" and problem.rule not in DATA_FILE_RULES for problem in made.problems)
        assert (made.flow is None) is wrong, file
        assert made.problems, file


def test_every_error_is_found_in_one_pass():
    text = """\
numbers: [x, +12015550123]
timezone: Mars/Olympus
voice: {gander: MALE, lang: english_us}
dialect: both
hour: 9
nodes:
  start:
    - saay: Hello.
    - say: Hello {{ caller.nmae }}.
    - pause: 2
    - menu: {prompt: Press 1., keys: {x: start}, atempts: 3}
    - dial: {to: bob, no_answer: nowhere}
    - say: {text: Hello., lop: 2, loop: 0}
    - when: now.houre
      hangup:
    - say: Dial #1 now
    - say: Hello.
      say: Goodbye.
  a b: [hangpu]
fallback:
  - goto: start
"""
    found = {(problem.line, problem.rule) for problem in compile_text(text).problems}
    assert found >= {
        (1, "number"),
        (2, "timezone"),
        (3, "unknown-key"),
        (3, "value"),
        (4, "value"),
        (5, "unknown-key"),
        (8, "unknown-step"),
        (9, "template"),
        (10, "value"),
        (11, "value"),
        (11, "unknown-key"),
        (12, "dial-target"),
        (12, "unknown-node"),
        (13, "unknown-key"),
        (13, "value"),
        (14, "expression"),
        (16, "comment-in-text"),
        (18, "key-twice"),
        (19, "node-name"),
        (19, "unknown-step"),
        (21, "fallback-not-static"),
    }


def test_nothing_is_said_twice_though_a_node_is_written_in_many_places():
    start = "{menu: {prompt: a, keys: {1: other, 2: other}}}, {goto: other}"
    text = f"nodes:\n  start: [{start}]\n  other: [{{say: '{{{{ x }}}}'}}, {{pause: 2}}]\n"
    problems = compile_text(text).problems
    assert len(problems) == len(set(problems)) == 2


def test_a_name_that_cannot_be_a_flow_is_an_error():
    for name in ("a b", "ä", "-a", "a.b", "x" * 65, ""):
        made = compile_flow(name, b"nodes: {start: [hangup]}\n", f"{name}.yaml", CompilerOptions(SIGNER, APOLOGY))
        assert made.flow is None
        assert [problem.rule for problem in made.problems] == ["file-name"]
