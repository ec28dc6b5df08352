"""Python flows: a problem has the line of the program, and never affects other flows."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import pytest
from flow_harness import APOLOGY, SIGNER, answer_as_xml

from callflows.errors import VerbBuildError
from callflows.flows import python_flow
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.compiler.program_check import find_program_problems
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.python_flow import PythonFlowError, PythonNodeJob, load_python_flow
from callflows.language import Extensions
from each_case import each_case
from waiting import run_bounded, wait_until

HEAD = "from callflows import Hangup, Response, Say, Turn, flow\nacme = flow('acme', numbers=['+12015550123'])\n"
NODE = "@acme.node\nasync def start(turn: Turn) -> Response:\n    return Response(Say('Hi.'), Hangup())\n"


def program(source: str):
    made = compile_flow("acme", source.encode(), str(Path("acme.py")), CompilerOptions(SIGNER, APOLOGY))
    assert "defect" not in [problem.rule for problem in made.problems], made.problems
    return made


def document_of(verb: str, **request_fields: str) -> str:
    """The document of a program whose only node writes a verb."""
    node = f"@acme.node\nasync def start(turn: Turn) -> Response:\n    return Response({verb})\n"
    told = {"from": "+12015550999", "to": "+12015550123", **request_fields}
    what = {"values": {"pin": "12"}, "base_url": "https://a.example", "auto_answer": None, "timestamp": 0.0, "zone": ""}
    job = PythonNodeJob("acme.py", HEAD + node, "1", "start", "reference", Extensions(), told, **what)  # type: ignore[arg-type]
    return str(run_bounded(job.run())["document"])


def test_a_right_program_is_a_flow():
    made = program(HEAD + NODE)
    assert made.flow is not None
    assert [*made.flow.fragments_by_node] == ["start"]


@pytest.mark.parametrize(
    "noise",
    [
        "print('loud', end='')",
        "import sys; sys.stdout.buffer.write(b'\\xff\\n{}')",
        "import sys; sys.stderr.write('x' * 99999)",
        "import atexit; atexit.register(print, '\\n{}', end='')",
        "import subprocess; subprocess.Popen(['sleep', '30'])",
    ],
)
def test_what_a_program_prints_is_not_taken_for_what_it_is(noise):
    assert program(f"{HEAD}{noise}\n{NODE}").flow is not None


@each_case(
    ("source", "line", "said"),
    [
        (f"{HEAD}1 / 0\n{NODE}", 3, "ZeroDivisionError"),
        (f"{HEAD}def (\n", 3, "SyntaxError"),
        (f"{HEAD}raise SystemExit(0)\n", 3, "SystemExit"),
        (f"{HEAD}import no_such_thing_at_all\n", 3, "ModuleNotFoundError"),
        (f"{HEAD}import os; os._exit(0)\n", 1, "ends Python"),
        (f"{HEAD}@acme.node\ndef start(turn):\n    return None\n", 3, "async"),
        ("x = 1\n", 1, "must make one"),
        (HEAD + HEAD.replace("acme =", "two =") + NODE, 1, "must make one"),
        (HEAD.replace("'acme'", "'other'") + NODE, 1, "is named 'other'"),
        (HEAD, 1, "start"),
        (HEAD.replace("['+12015550123']", "[12015550123]") + NODE, 2, "list of texts"),
        (HEAD.replace("['+12015550123']", "'+12015550123'") + NODE, 2, "list"),
        (HEAD.replace("numbers=", "dialect='klassic', numbers=") + NODE, 2, "reference or classic"),
        (HEAD.replace("numbers=", "timezone='Mars/Base', numbers=") + NODE, 1, "zone"),
    ],
)
def test_a_wrong_program_is_an_error_at_its_own_line(source, line, said):
    made = program(source)
    assert made.flow is None
    assert said in made.problems[0].message
    assert made.problems[0].line == line


def test_a_file_that_never_ends_is_stopped(monkeypatch):
    monkeypatch.setattr(python_flow, "DESCRIBE_TIMEOUT_SECONDS", 1.5)
    for silenced in ("", "import os\nos.close(1)\nos.close(2)\n"):
        made = program(f"{silenced}while True:\n    pass\n")
        assert re.search("does not come to its end", made.problems[0].message), silenced


def test_a_file_that_prints_without_end_is_stopped_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(python_flow, "DESCRIBE_TIMEOUT_SECONDS", 15)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made = program(f"{HEAD}for _ in range(6000):\n    print('x' * 100_000)\n{NODE}")
    assert "prints more than 4,194,304 bytes" in made.problems[0].message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_file_that_takes_all_memory_is_an_error():
    assert "MemoryError" in program(f"{HEAD}x = [b'x' * 100_000_000 for _ in range(100)]\n{NODE}").problems[0].message


def test_processes_that_a_file_has_started_end_with_its_description(tmp_path, monkeypatch):
    monkeypatch.setattr(python_flow, "DESCRIBE_TIMEOUT_SECONDS", 1.5)
    for ending in ("while True: pass", ""):
        note = tmp_path / f"child{len(ending)}"
        start = "import subprocess\nstarted = subprocess.Popen(['sleep', '600'])\n"
        program(f"{HEAD}{start}open('{note}', 'w').write(str(started.pid))\n{ending}\n{NODE}")
        wait_until(lambda note=note: not _is_running(int(note.read_text())), "the process to end")


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("text", ["{}", "[]", '{"error": 1}', '{"name": 5}', "5", "[" * 5000])
def test_a_file_that_forges_its_description_is_an_error(text):
    made = program(f"{HEAD}import json\njson.dumps = lambda *_: {text!r}\n{NODE}")
    assert made.flow is None
    assert re.search("cannot be read|ends Python", made.problems[0].message)


@each_case(
    ("line", "found"),
    [
        ("Dial('a@b.example', timeout=20)", "timeout of Dial is 20 ms"),
        ("Gather(DTMF('1', Dial('a@b.example', timeout=RING)), dtmf_length=1)", "timeout of Dial is 25 ms"),
        ("Dial('a@b.example', Error(Pause(length=2)))", "length of Pause is 2 ms"),
        ("callflows.Pause(length=2)", "length of Pause is 2 ms"),
        ("Wait(length=1 * 3)", "length of Pause is 3 ms"),
        ("Pause(**{'length': 5})", "length of Pause is 5 ms"),
        ("Dial('a@b.example', timeout=20_000)", ""),
        ("Dial('a@b.example', timeout=20 * 1000)", ""),
        ("Pause(length=timedelta(seconds=2))", ""),
        ("Pause(length=0)", "0 is no time"),
        ("Other(timeout=2)", ""),
        ("Pause(length=len(turn.digits))", ""),
    ],
)
def test_times_of_a_program_that_look_like_seconds_are_doubted_also_in_branches(line, found):
    imports = "import callflows\nfrom datetime import timedelta\nfrom callflows import DTMF, Dial, Error, Gather, Pause\n"
    more = "from callflows import Pause as Wait\nRING = 25\n\n\ndef Other(timeout): return Hangup()\n\n\n"
    node = f"@acme.node\nasync def start(turn: Turn) -> Response:\n    return Response(Say('Hi.'), {line}, Hangup())\n"
    source = f"{HEAD}{imports}{more}{node}"
    problems = [problem for problem in find_program_problems(source, "acme.py") if problem.severity != "note"]
    assert [problem.rule for problem in problems] == ["duration-doubtful"] * bool(found)
    assert all(found in problem.message and problem.line == source.count("\n") for problem in problems)


@each_case(
    ("verb", "severity", "found"),
    [
        ("Say('Hello', gender='robot')", "error", "<Say> gender: must be MALE or FEMALE"),
        ("Say('Hello', loop=-1)", "error", "<Say> loop: must be a whole number"),
        ("Dial('a@b.example', timeot=20_000)", "error", "<Dial> has no attribute timeot"),
        ("Play(SOUND)", "warning", "neither an mp3 nor a wav file"),
        ("Play('nowhere')", "error", "<Play> url: must be an http or https URL"),
        ("Gather(DTMF('12', Hangup()), dtmf_length=1)", "warning", "12 has 2 keys, and the input ends after 1"),
        ("Gather(DTMF('#', Hangup()), dtmf_stop='#')", "warning", "which ends the input"),
        ("Dial('a@b.example', timeout=20_000)", "note", "the timeout of <Dial> is not documented"),
        ("Say(text, gender='MALE')", "", ""),
        ("Say(f'Hello {turn.caller.name}')", "", ""),
        ("Play(f'https://a.example/{turn.caller.number}.ogg')", "", ""),
    ],
)
def test_an_attribute_in_a_program_has_the_verdict_of_the_same_attribute_in_a_flow_file(verb, severity, found):
    imports = "from callflows import DTMF, Dial, Gather, Play\nSOUND = 'https://a.example/hello.ogg'\n"
    source = f"{HEAD}{imports}\n\n@acme.node\nasync def start(turn):\n    return Response({verb}, Hangup())\n"
    problems = find_program_problems(source, "acme.py")
    assert [(problem.severity, problem.line) for problem in problems] == [(severity, source.count("\n"))] * bool(found)
    assert all(found in problem.message for problem in problems)


def test_doubtful_times_of_a_program_are_warned_of_when_it_is_loaded():
    made = program(HEAD + NODE.replace("Hangup()", "Hangup(), callflows.Pause(length=2)") + "import callflows\n")
    assert made.flow is not None
    assert [(problem.rule, problem.severity) for problem in made.problems] == [("duration-doubtful", "warning")]


@each_case(
    ("response", "rules"),
    [
        ("Response()", ["says-nothing"]),
        ("Response(Pause(length=1000))", ["says-nothing"]),
        ("Response(Geo(Say('Hi.'), states='NY'))", ["says-nothing"]),
        ("Response(Dial('+12015550188'))", ["no-way-out"]),
        ("Response(Dial('+12015550188'), Pause(length=1000))", ["no-way-out"]),
        ("Response(Dial('+12015550188', Error(Pause(length=1000))))", ["no-way-out"]),
        ("Response(Say('Press 1.'), Gather(DTMF('1', Say('One.'))))", ["no-way-out"]),
        ("Response(Hangup())", []),
        ("Response(Callback('https://x.example.com'))", []),
        ("Response(Geo(Say('Hi.')))", []),
        ("Response(Dial('+12015550188'), Hangup())", []),
        ("Response(Dial('+12015550188', Error(Say('Nobody.'))))", []),
        ("Response(Dial('+12015550188', *others))", []),
        ("Response(Say('Press 1.'), Gather(DTMF('1', Say('One.')), url=turn.url('start')))", []),
        ("Response(*commands)", []),
        ("build()", []),
    ],
)
def test_a_document_of_a_program_of_which_callers_hear_nothing_is_warned_of(response, rules):
    source = f"{HEAD}from callflows import *\n\n@acme.node\nasync def start(turn):\n    return {response}\n"
    assert [problem.rule for problem in find_program_problems(source, "acme.py") if problem.severity != "note"] == rules


@each_case(
    ("body", "found"),
    [
        ("return 'Hello'", [("error", 4, "gives a text, not a Response")]),
        ("return f'Hello {turn.caller}'", [("error", 4, "gives a text")]),
        ("return None", [("error", 4, "gives nothing")]),
        ("return", [("error", 4, "gives nothing")]),
        ("return [Say('Hi.')]", [("error", 4, "gives a list")]),
        ("return Say('Hi.')", [("error", 4, "return Response(Say('Hi.'))")]),
        ("return 5", [("error", 4, "gives int")]),
        ("Response(Say('Hi.'))", [("error", 3, "has no return")]),
        ("if turn.digits:\n        return Response(Say('Hi.'))", [("warning", 3, "may come to its end")]),
        ("for _ in turn.digits:\n        return Response(Say('Hi.'))", [("warning", 3, "may come to its end")]),
        (
            "try:\n        return Response(Say('Hi.'))\n    except OSError:\n        pass",
            [("warning", 3, "may come to its end")],
        ),
        (
            "match turn.digits:\n        case '1':\n            return other()",
            [("warning", 3, "may come to its end")],
        ),
        ("return Response(Say('Hi.'), Callback(url=turn.url('strat')))", [("error", 4, "did you mean 'start'?")]),
        ("return Response(Say('Hi.'), Callback(url=turn.url('lunch', name='Ann')))", [("error", 4, "there are start")]),
        ("return Response(Say('Hi.'), Callback(url=turn.url('start')))", []),
        ("return Response(Say('Hi.'), Callback(url=turn.url(turn.digits)))", []),
        ("if turn.digits:\n        return Response(Say('1'))\n    return Response(Say('2'))", []),
        ("if turn.digits:\n        return Response(Say('1'))\n    else:\n        raise ValueError", []),
        ("while True:\n        return Response(Say('1'))", []),
        ("async with turn:\n        return Response(Say('1'))", []),
        ("try:\n        return Response(Say('1'))\n    except OSError:\n        return other()", []),
        (
            "match turn.digits:\n        case '1':\n            return x()\n        case _:\n            return x()",
            [],
        ),
        ("def text():\n        return 'Hi.'\n    return Response(Say(text()))", []),
        ("return await other(turn)", []),
        ("return other", []),
    ],
)
def test_a_node_that_gives_no_response_or_the_url_of_no_node_is_told_before_a_call(body, found):
    source = f"from callflows import *\n@acme.node\nasync def start(turn):\n    {body}\n"
    problems = find_program_problems(source, "acme.py", ["start"])
    assert [(problem.severity, problem.line) for problem in problems] == [(severity, line) for severity, line, _ in found]
    assert all(said in str(problem) for problem, (*_, said) in zip(problems, found, strict=True))


def test_a_function_that_is_no_node_may_give_what_it_wants():
    source = f"{HEAD}{NODE}\nasync def other(turn):\n    return 'Hello'\n"
    made = program(source)
    assert (made.flow is not None, made.problems) == (True, ())


@each_case("response", ["Response()", "Response(Answer())"])
def test_callers_hear_the_fallback_instead_of_an_empty_document_of_a_program(response):
    source = f"{HEAD}from callflows import Answer\n\n@acme.node\nasync def start(turn):\n    return {response}\n"
    flow = program(source).flow
    assert flow is not None
    assert answer_as_xml(flow) == f"<Answer/><Say>{APOLOGY}</Say><Hangup/>"


def test_an_empty_fallback_of_a_program_is_the_apology():
    source = HEAD.replace("numbers=", "fallback=Response(), numbers=") + NODE
    flow = program(source).flow
    assert flow is not None
    assert APOLOGY.encode() in flow.fallback


@each_case(
    ("told", "heard"),
    [
        ({"name": "Ann", "call": "c-1"}, "Hello Ann, pin: 12, c-1."),
        ({"call": "c-1"}, "Hello (201) 555-0999, pin: 12, c-1."),
        ({"from": "anonymous"}, "Hello , pin: 12, unknown."),
    ],
)
def test_the_objects_of_a_turn_are_plain_texts_in_a_program(told, heard):
    assert f"<Say>{heard}</Say>" in document_of("Say(f'Hello {turn.caller}, {turn.values}, {turn.call}.')", **told)


@each_case("value", ["turn", "object()", "start", "turn.url", "(turn,)", "acme"])
def test_a_python_object_in_a_text_is_an_error_and_never_heard(value):
    with pytest.raises(PythonFlowError, match="name one of its fields"):
        document_of(f"Say(f'Hello {{{value}}}.')")


def test_nothing_is_no_text_of_a_program():
    with pytest.raises(VerbBuildError, match="not None"):
        document_of("Say(turn.values.get('gone'))")


@pytest.fixture
def folder(tmp_path):
    """A folder with a program that imports two files beside it."""
    (tmp_path / "acme.py").write_text(HEAD + "from _texts import GREETING\nimport _lib.hours\n" + NODE, encoding="utf-8")
    (tmp_path / "_texts.py").write_text("GREETING = 'Hi.'\n", encoding="utf-8")
    (tmp_path / "_lib").mkdir()
    (tmp_path / "_lib" / "hours.py").write_text("", encoding="utf-8")
    return tmp_path


def compile_program(file: Path):
    return compile_flow("acme", file.read_bytes(), str(file), CompilerOptions(SIGNER, APOLOGY))


def test_a_program_imports_what_stands_beside_it_and_is_another_version_after_a_change_of_it(folder):
    first = compile_program(folder / "acme.py")
    assert first.flow is not None, first.problems
    assert first.dependencies == (folder / "_lib" / "hours.py", folder / "_texts.py")
    (folder / "_texts.py").write_text("GREETING = 'Good morning.'\n", encoding="utf-8")
    assert compile_program(folder / "acme.py").flow.version != first.flow.version


def test_a_module_that_is_missing_is_waited_for(folder):
    (folder / "_texts.py").unlink()
    made = compile_program(folder / "acme.py")
    assert "No module named '_texts'" in made.problems[0].message
    assert "beside" in made.problems[0].fix
    assert folder / "_texts.py" in made.dependencies


def test_a_file_beside_a_program_never_shadows_a_library(folder):
    (folder / "json.py").write_text("1 / 0", encoding="utf-8")
    (folder / "callflows.py").write_text("1 / 0", encoding="utf-8")
    assert compile_program(folder / "acme.py").flow is not None


def test_another_version_of_a_program_runs_the_files_beside_it_anew(folder, monkeypatch):
    monkeypatch.setattr("sys.path", [*sys.path])
    source = f"from _texts import GREETING\n{HEAD}{NODE}"
    file = str(folder / "acme.py")
    load_python_flow(file, source, "1")
    assert sys.modules["_texts"].GREETING == "Hi."
    (folder / "_texts.py").write_text("GREETING = 'Good morning.'\n", encoding="utf-8")
    load_python_flow(file, source, "2")
    assert sys.modules.pop("_texts").GREETING == "Good morning."
