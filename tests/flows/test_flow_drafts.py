"""A draft is checked before it is a file, goes live as a whole, and single values change nothing else."""

from __future__ import annotations

import difflib
import errno
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from callflows.errors import DraftConflictError, DraftRefusedError, ReadOnlyFlowsError, ValueEditError
from callflows.flows.authoring import flow_drafts, list_edits
from callflows.flows.authoring.flow_drafts import (
    check_and_publish,
    check_draft,
    hash_flow_text,
    publish_draft,
    read_flow_source,
)
from callflows.flows.authoring.list_edits import ListEntry
from callflows.flows.authoring.scenario_edits import add_scenario
from callflows.flows.authoring.value_edits import ValueEdit, edit_values, list_editable_values
from callflows.flows.caller_lists.caller_list_reader import read_caller_list
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.source.positions import ProblemReport
from callflows.flows.tickets import TicketSigner
from waiting import run_process

FLOW = """\
# Our front desk.
numbers: +12015550123
timezone: America/New_York

hours:
  office:   # as on the door
    mon-fri: 09:00-12:30, 13:30-18:00   # lunch
    sat: 10:00-14:00
    closed: [2026-12-24, 2026-12-31]
    open:
      2026-12-19: 10:00-16:00

groups:
  sales: {to: [ann@acme.sip.opentact.org, +12015550188], timeout: 25s}
  support:
    to:
      - +12015550190   # Ben
      - +12015550191   # Cleo
    timeout: 15s
  boss: +12015550111

nodes:
  start:
    - when: not hours.office.open
      goto: closed
    - say: "Welcome to Acme."   # the greeting
    - menu:
        prompt: "For sales press 1. For support press 2."
        keys: {1: sales, 2: support}
        otherwise: closed
  sales:
    - dial: {to: sales, no_answer: closed}
  support:
    - dial: {to: support, no_answer: closed}
  closed:
    - say: >
        We are closed.
        Please call again.

    - dial: boss
"""
OPTIONS = CompilerOptions(TicketSigner([b"key"]), "Sorry.")


def find_changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    lines = [*difflib.ndiff(before.splitlines(), after.splitlines())]
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


@pytest.mark.parametrize(
    ("edit", "gone", "new"),
    [
        (
            ValueEdit("set", ("nodes", "start", 1, "say"), "Hello, this is Acme: #1 in locks."),
            ['    - say: "Welcome to Acme."   # the greeting'],
            ['    - say: "Hello, this is Acme: #1 in locks."   # the greeting'],
        ),
        (
            ValueEdit("set", ("nodes", "start", 2, "menu", "prompt"), "Sales is 1, support is 2"),
            ['        prompt: "For sales press 1. For support press 2."'],
            ['        prompt: "Sales is 1, support is 2"'],
        ),
        (
            ValueEdit("set", ("hours", "office", "mon-fri"), "08:00-18:00"),
            ["    mon-fri: 09:00-12:30, 13:30-18:00   # lunch"],
            ["    mon-fri: 08:00-18:00   # lunch"],
        ),
        (ValueEdit("add", ("hours", "office", "sun"), "10:00-12:00"), [], ["    sun: 10:00-12:00"]),
        (ValueEdit("remove", ("hours", "office", "sat")), ["    sat: 10:00-14:00"], []),
        (
            ValueEdit("add", ("hours", "office", "closed"), "2027-01-01"),
            ["    closed: [2026-12-24, 2026-12-31]"],
            ["    closed: [2026-12-24, 2026-12-31, 2027-01-01]"],
        ),
        (
            ValueEdit("remove", ("hours", "office", "closed", 0)),
            ["    closed: [2026-12-24, 2026-12-31]"],
            ["    closed: [2026-12-31]"],
        ),
        (
            ValueEdit("add", ("hours", "office", "open", "2027-01-02"), "10:00-16:00"),
            [],
            ["      2027-01-02: 10:00-16:00"],
        ),
        (
            ValueEdit("remove", ("groups", "sales", "to", 1)),
            ["  sales: {to: [ann@acme.sip.opentact.org, +12015550188], timeout: 25s}"],
            ["  sales: {to: [ann@acme.sip.opentact.org], timeout: 25s}"],
        ),
        (ValueEdit("add", ("groups", "support", "to"), "+12015550192"), [], ["      - +12015550192"]),
        (ValueEdit("remove", ("groups", "support", "to", 0)), ["      - +12015550190   # Ben"], []),
        (
            ValueEdit("add", ("groups", "boss"), "+12015550112"),
            ["  boss: +12015550111"],
            ["  boss: [+12015550111, +12015550112]"],
        ),
        (
            ValueEdit("set", ("nodes", "closed", 0, "say"), "We are closed."),
            ["    - say: >", "        We are closed.", "        Please call again."],
            ["    - say: We are closed."],
        ),
    ],
    ids=lambda value: "-".join(map(str, value.path)) + f"-{value.action}" if isinstance(value, ValueEdit) else "",
)
def test_a_changed_value_changes_only_its_own_lines_and_comments_stay(tmp_path, edit, gone, new):
    assert check_draft(tmp_path, OPTIONS, "acme", FLOW).errors == []
    changed = edit_values(FLOW, [edit])
    assert find_changed_lines(FLOW, changed) == (gone, new)
    assert check_draft(tmp_path, OPTIONS, "acme", changed).errors == []


def test_what_people_may_change_is_listed_with_its_line():
    values = {".".join(map(str, value.path)): value for value in list_editable_values(FLOW)}
    assert values["nodes.start.1.say"][:1] + values["nodes.start.1.say"][2:] == ("text", "Welcome to Acme.", 26)
    assert values["groups.support.to"].value == ["+12015550190", "+12015550191"]
    assert (values["hours.office.closed"].kind, values["hours.office.open.2026-12-19"].kind) == ("dates", "hours")
    assert [value.line for value in values.values()] == sorted(value.line for value in values.values())


@pytest.mark.parametrize(
    "edit",
    [
        ValueEdit("set", ("nodes", "start", 9, "say"), "x"),
        ValueEdit("set", ("groups", "support", "to"), "x"),
        ValueEdit("remove", ("groups", "nobody")),
    ],
    ids=str,
)
def test_a_value_that_is_not_there_is_refused(edit):
    with pytest.raises(ValueEditError):
        edit_values(FLOW, [edit])


def test_a_value_that_stands_in_two_places_by_an_alias_is_refused():
    text = FLOW.replace('- say: "Welcome', '- say: &hello "Welcome').replace("- dial: boss", "- say: *hello")
    with pytest.raises(ValueEditError, match="cannot be changed by itself"):
        edit_values(text, [ValueEdit("set", ("nodes", "start", 1, "say"), "Hi.")])


def test_a_draft_goes_live_as_a_whole_file_unless_the_file_has_changed(tmp_path):
    file = tmp_path / "acme.yaml"
    file.write_text(FLOW, encoding="utf-8")
    begun = read_flow_source(tmp_path, "acme")
    text = FLOW.replace("Welcome", "Hello")
    draft = check_draft(tmp_path, OPTIONS, "acme", text)
    assert publish_draft(tmp_path, "acme", draft, text, begun.digest).text == FLOW
    assert file.read_text("utf-8") == text
    with pytest.raises(DraftConflictError, match="has changed meanwhile"):
        publish_draft(tmp_path, "acme", draft, text, begun.digest)
    assert [entry.name for entry in tmp_path.iterdir()] == ["acme.yaml"]


def test_a_draft_with_an_error_is_refused_at_its_line(tmp_path):
    text = FLOW.replace("2: support", "2: suport")
    draft = check_draft(tmp_path, OPTIONS, "acme", text)
    assert [(problem.line, problem.column, problem.rule) for problem in draft.errors] == [(29, 29, "unknown-node")]
    with pytest.raises(DraftRefusedError, match="suport"):
        publish_draft(tmp_path, "acme", draft, text, "")
    assert not (tmp_path / "acme.yaml").exists()


@pytest.mark.parametrize("ending", ["\n", ""])
def test_a_folder_that_cannot_be_written_gives_a_patch_that_git_applies(tmp_path, monkeypatch, ending):
    folder = tmp_path / "callflows"
    folder.mkdir()
    (folder / "acme.yaml").write_text(FLOW.rstrip("\n") + ending, encoding="utf-8")
    begun = read_flow_source(folder, "acme")
    monkeypatch.setattr(flow_drafts.os, "access", lambda *_arguments, **_options: False)
    for flow, text, digest in (("acme", FLOW.replace("boss\n", "boss"), begun.digest), ("new", FLOW, "")):
        with pytest.raises(ReadOnlyFlowsError, match="cannot be written: the folder is read-only") as refused:
            publish_draft(folder, flow, check_draft(folder, OPTIONS, flow, text), text, digest)
        if text == begun.text:
            continue
        run_process(["git", "apply"], cwd=tmp_path, input=refused.value.patch, check=True)
        assert hash_flow_text((folder / f"{flow}.yaml").read_text("utf-8")) == hash_flow_text(text)


def test_a_draft_takes_no_name_of_a_program(tmp_path):
    (tmp_path / "acme.py").write_text("", encoding="utf-8")
    draft = check_draft(tmp_path, OPTIONS, "acme", FLOW)
    assert [problem.rule for problem in draft.errors] == ["name-twice"]
    with pytest.raises(DraftRefusedError, match=r"acme\.py is named so already"):
        publish_draft(tmp_path, "acme", draft, FLOW, "")


def test_a_list_on_a_read_only_file_system_gives_a_patch_that_git_applies(tmp_path, monkeypatch):
    folder = tmp_path / "callflows"
    folder.mkdir()
    (folder / "acme.yaml").write_text(f"lists: {{spam: spam.csv}}\n{FLOW}", encoding="utf-8")
    (folder / "spam.csv").write_text("+12015550177,,\n", encoding="utf-8")

    def refuse_lock(file):
        raise OSError(errno.EROFS, "Read-only file system", str(file))

    monkeypatch.setattr(list_edits, "lock_file", refuse_lock)
    with pytest.raises(ReadOnlyFlowsError, match="Read-only file system") as refused:
        list_edits.change_list(folder, "acme", "spam", lambda text: list_edits.add_entry(text, ListEntry("+12015550178")))
    run_process(["git", "apply"], cwd=tmp_path, input=refused.value.patch, check=True)
    assert (folder / "spam.csv").read_text("utf-8") == "+12015550177,,\n+12015550178,,\n"


LIST = "number;reason;until\r\n# sellers\r\n+1202555*;sells warranties\r\n+12015550177;rang at night\r\n"


def test_an_entry_of_a_list_comes_and_goes_and_every_other_line_stays():
    longer = list_edits.add_entry(LIST, ListEntry("+1 201 555 0178", "sells; loudly", "2026-12-24"))
    assert longer == f'{LIST}+12015550178;"sells; loudly";2026-12-24\r\n'
    assert [entry.entry for entry in list_edits.list_entries(longer)] == ["+1202555*", "+12015550177", "+12015550178"]
    assert list_edits.remove_entry(longer, "+12015550178") == LIST
    for wrong in ("+1202555*", "201 555 0178"):
        with pytest.raises(ValueEditError):
            list_edits.add_entry(LIST, ListEntry(wrong))
    with pytest.raises(ValueEditError, match="is no date"):
        list_edits.add_entry(LIST, ListEntry("+12015550178", "", "2026-12-24\n+12015550179"))
    with pytest.raises(ValueEditError, match="is not in the list"):
        list_edits.remove_entry(LIST, "+12015550100")


def test_an_entry_goes_into_the_columns_that_the_header_names(tmp_path):
    text = "\ufeffname,phone,expires\nAnn,+12015550177,2026-12-01\n"
    assert [*list_edits.list_entries(text)] == [ListEntry("+12015550177", "", "2026-12-01", 2)]
    longer = list_edits.add_entry(text, ListEntry("+12015550178", "", "2026-12-24"))
    assert longer == f"{text},+12015550178,2026-12-24\n"
    file = tmp_path / "spam.csv"
    file.write_text(longer, encoding="utf-8")
    report = ProblemReport("acme.yaml")
    now = datetime(2026, 12, 24, 12, tzinfo=UTC)
    callers = read_caller_list("spam", file, report, ("lists", "spam"), now)
    assert report.problems == []
    listed = callers.at_moment(now, None)
    assert ["+12015550177" in listed, "+12015550178" in listed] == [False, True]
    with pytest.raises(ValueEditError, match="has no column 'reason'"):
        list_edits.add_entry(text, ListEntry("+12015550178", "sells"))


def test_of_two_flows_that_take_one_number_at_the_same_moment_one_goes_live(tmp_path):
    texts = {name: FLOW.replace("nodes:", f"variables: {{made_for: {name}}}\nnodes:") for name in ("acme", "zeta")}
    library = FlowLibrary(tmp_path, OPTIONS)

    def publish(name: str) -> str:
        try:
            check_and_publish(tmp_path, OPTIONS, name, texts[name], "", lambda: library.refresh().book)
        except DraftRefusedError as error:
            return str(error)
        return "live"

    with ThreadPoolExecutor() as threads:
        found = sorted(threads.map(publish, texts))
    assert found[1] == "live"
    assert "+12015550123 is claimed already" in found[0]
    assert len([*tmp_path.glob("*.yaml")]) == 1


SCENARIO = """\
  # keys: ? not known; this scenario hangs up there
  - name: a call comes to start
    from: '+12015550999'
    expect:
    - say: Welcome to Acme.
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nodes: {}\n", "nodes: {}\n\ntests:\n" + SCENARIO),
        ("tests:\nnodes: {}\n", "tests:\n" + SCENARIO + "nodes: {}\n"),
        (
            "tests:\n- name: one   # first\n  expect: [hangup]   # last\n\n# the end\nnodes: {}\n",
            "tests:\n- name: one   # first\n  expect: [hangup]   # last\n"
            + textwrap.dedent(SCENARIO)
            + "\n# the end\nnodes: {}\n",
        ),
        (
            "nodes: {}\r\ntests:\r\n  - name: one\r\n",
            "nodes: {}\r\ntests:\r\n  - name: one\r\n" + SCENARIO.replace("\n", "\r\n"),
        ),
    ],
)
def test_a_scenario_is_added_to_the_tests_and_every_other_line_stays(before, after):
    assert add_scenario(before, SCENARIO) == after


@pytest.mark.parametrize(
    ("text", "scenario", "message"),
    [
        ("tests: [{name: one}]\n", SCENARIO, "stands between brackets"),
        ("tests: common\n", SCENARIO, "is not a list"),
        ("nodes: {}\n", "hangup", "begins with - name:"),
        ("nodes: {}\n", "- name: a\n- name: b", "is one item"),
        ("nodes: {}\n", "- name: 'a", "is not closed"),
    ],
)
def test_a_scenario_that_cannot_be_added_is_refused(text, scenario, message):
    with pytest.raises(ValueEditError, match=message):
        add_scenario(text, scenario)


def test_a_value_of_a_file_with_crlf_is_changed_and_added_with_crlf():
    text = FLOW.replace("\n", "\r\n")
    edits = [
        ValueEdit("set", ("groups", "boss"), "+12015550112"),
        ValueEdit("add", ("groups", "support", "to"), "+12015550192"),
    ]
    assert edit_values(text, edits) == edit_values(FLOW, edits).replace("\n", "\r\n")


def test_a_date_with_hours_of_its_own_is_added_where_the_hours_have_none():
    before = "hours:\n  office:\n    mon-fri: 09:00-17:00   # the door\nnodes: {}\n"
    edits = [ValueEdit("add", ("hours", "office", "open", "2026-12-19"), "10:00-16:00")]
    assert find_changed_lines(before, edit_values(before, edits)) == ([], ["    open: {2026-12-19: 10:00-16:00}"])


def test_an_entry_whose_cells_go_over_lines_is_one_entry():
    text = 'number,reason\n+12015550911,"calls at night,\nand hangs up"\n+12015550912,"+12015550913\nasked for it"\n'
    assert [(entry.entry, entry.line) for entry in list_edits.list_entries(text)] == [
        ("+12015550911", 2),
        ("+12015550912", 4),
    ]
    assert list_edits.remove_entry(text, "+12015550911") == 'number,reason\n+12015550912,"+12015550913\nasked for it"\n'
    with pytest.raises(ValueEditError):
        list_edits.remove_entry(text, "+12015550913")
