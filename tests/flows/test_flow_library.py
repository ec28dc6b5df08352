"""A folder of flow files after edits: only changed files are read, and correct flows stay."""

from __future__ import annotations

import dataclasses
import gc
import os
import shutil
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from flow_harness import SIGNER, make_turn, spoken_texts
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.flow_book import FlowBook
from callflows.flows.loader import flow_library
from callflows.flows.loader.flow_library import FlowLibrary
from callflows.flows.loader.flow_versions import MAX_EARLIER_VERSIONS, FlowVersions
from callflows.flows.loader.folder_loader import load_flow_folder, relax_garbage_collection
from callflows.flows.loader.folder_watcher import may_affect_flows
from callflows.flows.tickets import TICKET_LIFETIME_SECONDS
from each_case import each_case
from waiting import join_thread

if TYPE_CHECKING:
    from callflows.flows.flow import Flow

OPTIONS = CompilerOptions(SIGNER, "sorry")
ONE, TWO, THREE = "+12015550101", "+12015550102", "+12015550103"
WRONG = "numbers: +12015550101\nnodes: {start: [hangpu]}\n"


def put(folder: Path, name: str, numbers: str, text: str = "Hello") -> None:
    (folder / f"{name}.yaml").write_text(f"numbers: [{numbers}]\nnodes: {{start: [say: {text}.]}}\n")


def library_of(folder: Path) -> FlowLibrary:
    return FlowLibrary(folder, OPTIONS, settle_seconds=0)


def heard(book: FlowBook, number: str) -> str:
    """What a caller of a number hears; nothing where nobody answers."""
    flow = book.find_answering_flow(number)
    if flow is None:
        return ""
    document = flow.fallback if flow.problems else flow.answer("start", make_turn(to=number))
    return spoken_texts(document.decode().partition("<Response>")[2].removesuffix("</Response>"))[0]


def rules(library: FlowLibrary) -> list[str]:
    return [problem.rule for problem in library.loaded_flows.problems]


@pytest.fixture
def folder(tmp_path) -> Path:
    put(tmp_path, "a", ONE)
    put(tmp_path, "b", TWO)
    return tmp_path


# Edits


@pytest.mark.parametrize("is_restarted", [False, True])
def test_of_two_files_that_claim_one_number_the_same_answers_after_a_restart(is_restarted, folder, tmp_path_factory):
    options = dataclasses.replace(OPTIONS, data_folder=tmp_path_factory.mktemp("data"))
    put(folder, "zoo", "+12015550150", "zoo")
    library = FlowLibrary(folder, options, settle_seconds=0)
    put(folder, "ark", "+12015550150", "ark")
    put(folder, "bus", "+12015550151", "bus")
    library.refresh()
    put(folder, "bus", "[+12015550150, +12015550151]", "bus, edited")
    library.refresh()
    assert heard(library.loaded_flows.book, "+12015550150") == "zoo."
    if is_restarted:
        library = FlowLibrary(folder, options, settle_seconds=0)
    assert heard(library.loaded_flows.book, "+12015550150") == "zoo."
    assert library.loaded_flows.claim_conflicts
    (folder / "zoo.yaml").unlink()
    library.refresh()
    assert heard(library.loaded_flows.book, "+12015550150") == "ark."
    put(folder, "zoo", "+12015550150", "zoo")
    library = FlowLibrary(folder, options, settle_seconds=0)
    assert heard(library.loaded_flows.book, "+12015550150") == "ark."


def test_of_two_files_with_one_name_the_same_answers_after_a_restart(folder, tmp_path_factory):
    options = dataclasses.replace(OPTIONS, data_folder=tmp_path_factory.mktemp("data"))
    put(folder, "zoo", "+12015550150", "first")
    (folder / "zoo.yaml").rename(folder / "zoo.yml")
    FlowLibrary(folder, options, settle_seconds=0)
    library = FlowLibrary(folder, options, settle_seconds=0)
    put(folder, "zoo", "+12015550150", "second")
    for _ in range(2):
        library.refresh()
        assert heard(library.loaded_flows.book, "+12015550150") == "first."
        assert [problem.rule for problem in library.loaded_flows.claim_conflicts] == ["name-twice"]
        library = FlowLibrary(folder, options, settle_seconds=0)


def test_nothing_is_read_again_where_nothing_has_changed(folder):
    library = library_of(folder)
    before = library.loaded_flows
    assert library.refresh() is before
    (folder / "a.yaml").touch()
    assert library.refresh() is before
    (folder / "notes.txt").write_text("not a flow")
    assert library.refresh() is before


def test_an_edit_compiles_its_own_file_only(folder):
    library = library_of(folder)
    b = library.loaded_flows.book.flows["b"]
    put(folder, "a", ONE, "Edited")
    library.refresh()
    assert heard(library.loaded_flows.book, ONE) == "Edited."
    assert library.loaded_flows.book.flows["b"] is b


def test_an_edit_of_the_same_size_within_one_tick_of_the_clock_is_seen(folder):
    library = library_of(folder)
    for text in ("First", "Other", "Third"):
        seen = (folder / "a.yaml").stat()
        put(folder, "a", ONE, text)
        os.utime(folder / "a.yaml", ns=(seen.st_atime_ns, seen.st_mtime_ns))
        library.refresh()
        assert heard(library.loaded_flows.book, ONE) == f"{text}."


def test_the_book_of_before_stays_as_it_was(folder):
    library = library_of(folder)
    before = library.loaded_flows.book
    put(folder, "a", THREE, "Edited")
    library.refresh()
    assert (heard(before, ONE), heard(before, THREE)) == ("Hello.", "")
    assert (heard(library.loaded_flows.book, ONE), heard(library.loaded_flows.book, THREE)) == ("", "Edited.")


def test_files_that_are_new_renamed_or_deleted_are_followed(folder):
    library = library_of(folder)
    put(folder, "c", THREE, "New")
    library.refresh()
    assert heard(library.loaded_flows.book, THREE) == "New."
    (folder / "c.yaml").rename(folder / "d.yml")
    library.refresh()
    assert library.loaded_flows.book.find_answering_flow(THREE).name == "d"
    (folder / "d.yml").unlink()
    library.refresh()
    assert (heard(library.loaded_flows.book, THREE), sorted(library.loaded_flows.book.flows)) == ("", ["a", "b"])
    assert library.loaded_flows.problems == ()


def library_with_grace(folder: Path, seconds: float) -> FlowLibrary:
    return FlowLibrary(folder, OPTIONS, settle_seconds=0, removal_grace_seconds=seconds)


@pytest.mark.parametrize("names", [["a"], ["b"], ["a", "b"]])
def test_a_deploy_that_takes_files_away_and_puts_them_back_is_not_heard(folder, names):
    library = library_with_grace(folder, 60)
    for name in names:
        (folder / f"{name}.yaml").rename(folder / f"{name}.away")
    for _ in range(3):
        library.refresh()
        assert [heard(library.loaded_flows.book, number) for number in (ONE, TWO)] == ["Hello.", "Hello."]
        assert rules(library) == ["file-gone"] * len(names)
    for name in names:
        (folder / f"{name}.away").unlink()
        put(folder, name, ONE if name == "a" else TWO, "Deployed")
    library.refresh()
    said = ["Deployed." if name in names else "Hello." for name in ("a", "b")]
    assert [heard(library.loaded_flows.book, number) for number in (ONE, TWO)] == said
    assert library.loaded_flows.problems == ()


def test_the_numbers_of_a_file_that_stays_away_are_given_up_after_the_grace_time(folder):
    library = library_with_grace(folder, 0.3)
    (folder / "a.yaml").unlink()
    assert heard(library.refresh().book, ONE) == "Hello."
    time.sleep(0.35)
    assert (heard(library.refresh().book, ONE), heard(library.loaded_flows.book, TWO)) == ("", "Hello.")
    assert library.loaded_flows.problems == ()


def test_a_flow_whose_file_got_another_suffix_is_live_at_once(folder):
    library = library_with_grace(folder, 60)
    (folder / "a.yaml").unlink()
    (folder / "a.yml").write_text(f"numbers: [{ONE}]\nnodes: {{start: [say: Moved.]}}\n")
    assert heard(library.refresh().book, ONE) == "Moved."
    assert library.loaded_flows.problems == ()


def test_a_folder_that_is_gone_altogether_never_empties_the_book(folder):
    library = library_with_grace(folder, 0.1)
    for file in folder.iterdir():
        file.unlink()
    library.refresh()
    folder.rmdir()
    for _ in range(3):
        library.refresh()
        time.sleep(0.06)
    folder.mkdir()
    for _ in range(3):
        assert heard(library.refresh().book, ONE) == "Hello."
        assert "no-folder" in rules(library)
        time.sleep(0.06)
    put(folder, "a", ONE, "Back")
    assert heard(library.refresh().book, ONE) == "Back."


def test_the_only_file_may_be_deleted(tmp_path):
    put(tmp_path, "a", ONE)
    library = library_of(tmp_path)
    (tmp_path / "a.yaml").unlink()
    assert library.refresh().book.flows == {}


def test_an_edit_of_a_file_that_a_flow_reads_compiles_that_flow(folder):
    (folder / "pages").mkdir()
    page = folder / "pages" / "c.xml.j2"
    page.write_text("<Response><Say>First.</Say><Hangup/></Response>")
    (folder / "c.yaml").write_text(f"numbers: {THREE}\ntemplate: pages/c.xml.j2\n")
    library = library_of(folder)
    first = library.loaded_flows.book.flows["c"]
    assert library.loaded_flows.problems == ()
    page.write_text("<Response><Say>Second.</Say><Hangup/></Response>")
    second = library.refresh().book.flows["c"]
    assert second.version != first.version
    page.unlink()
    assert library.refresh().book.flows["c"] is second
    assert [*library.loaded_flows.stale_flows] == ["c"]
    page.write_text("<Response><Say>First.</Say><Hangup/></Response>")
    assert library.refresh().book.flows["c"].version == first.version
    assert library.loaded_flows.problems == ()


# Files that are wrong


@pytest.mark.parametrize("text", [WRONG, "", "numbers: [", "numbers: +12015550199\n"])
def test_a_broken_file_keeps_its_last_good_version_and_says_so(folder, text):
    library = library_of(folder)
    put(folder, "b", TWO, "Edited")
    (folder / "a.yaml").write_text(text)
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), heard(library.loaded_flows.book, TWO)) == ("Hello.", "Edited.")
    assert [*library.loaded_flows.stale_flows] == ["a"]
    assert library.loaded_flows.stale_flows["a"][0] in library.loaded_flows.problems
    assert library.loaded_flows.state_counts == {"live": 1, "stale": 1, "broken": 0}
    assert library.refresh() is library.loaded_flows
    put(folder, "a", ONE, "Mended")
    library.refresh()
    assert heard(library.loaded_flows.book, ONE) == "Mended."
    assert (library.loaded_flows.stale_flows, library.loaded_flows.problems) == ({}, ())


def test_a_file_that_was_never_right_has_only_its_fallback_until_it_is(folder):
    (folder / "c.yaml").write_text(f"numbers: {THREE}\nnodes: {{start: [hangpu]}}\nfallback: [say: Soon.]\n")
    library = library_of(folder)
    assert (heard(library.loaded_flows.book, THREE), library.loaded_flows.state_counts["broken"]) == ("Soon.", 1)
    put(folder, "c", THREE)
    library.refresh()
    assert (heard(library.loaded_flows.book, THREE), library.loaded_flows.state_counts["broken"]) == ("Hello.", 0)


def test_a_program_whose_process_was_killed_is_tried_again_and_not_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(flow_library, "_RETRY_PAUSES", (0.0, 0.0))
    tried = tmp_path / "tried"
    count = f"import os\nopen({str(tried)!r}, 'a').write('x')\n"
    kill_itself = f"if len(open({str(tried)!r}).read()) < FIRST_GOOD:\n    os.kill(os.getpid(), 9)\n"
    program = "@line.node\nasync def start(turn):\n    return Response(Say('Hi.'))\n"
    head = "from callflows import Response, Say, flow\nline = flow('line', numbers=['+12015550123'])\n"
    folder = tmp_path / "flows"
    folder.mkdir()
    for first_good, is_live in ((3, True), (9, False)):
        tried.unlink(missing_ok=True)
        source = count + kill_itself.replace("FIRST_GOOD", str(first_good)) + head + program
        (folder / "line.py").write_text(source, encoding="utf-8")
        library = library_of(folder)
        assert library.loaded_flows.broken_flows == ["line"]
        for _ in range(4):
            library.refresh()
        assert len(tried.read_text(encoding="utf-8")) == 3, "once, and again after each pause"
        assert (library.loaded_flows.broken_flows == []) is is_live


def test_a_file_that_cannot_be_read_keeps_its_last_good_version(folder):
    library = library_of(folder)
    text = (folder / "a.yaml").read_bytes()
    (folder / "a.yaml").unlink()
    (folder / "a.yaml").symlink_to(folder / "nowhere")
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), rules(library), [*library.loaded_flows.stale_flows]) == (
        "Hello.",
        ["unreadable"],
        ["a"],
    )
    (folder / "nowhere").write_bytes(text)
    assert library.refresh().problems == ()


def test_what_cannot_be_read_is_an_error_of_its_file_alone_and_holds_nobody_up(folder):
    library = library_of(folder)
    (folder / "circle.yaml").symlink_to("circle.yaml")
    (folder / "there.yaml").symlink_to("back.yaml")
    (folder / "back.yaml").symlink_to("there.yaml")
    (folder / "nowhere.yaml").symlink_to("gone")
    (folder / "endless.yaml").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.yaml")
    put(folder, "c", THREE)
    names = ["back", "circle", "endless", "nowhere", "pipe", "there"]
    for loaded in (library.refresh(), library_of(folder).loaded_flows):
        assert (heard(loaded.book, ONE), heard(loaded.book, THREE)) == ("Hello.", "Hello.")
        assert sorted(Path(problem.file).stem for problem in loaded.problems) == names
        assert {problem.rule for problem in loaded.problems} == {"unreadable"}


def test_a_file_that_became_a_pipe_keeps_its_last_good_version(folder):
    library = library_of(folder)
    (folder / "a.yaml").unlink()
    os.mkfifo(folder / "a.yaml")
    assert heard(library.refresh().book, ONE) == "Hello."
    assert [*library.loaded_flows.stale_flows] == ["a"]


def test_a_file_that_became_a_folder_is_gone(folder):
    library = library_of(folder)
    (folder / "a.yaml").unlink()
    (folder / "a.yaml").mkdir()
    assert [*library.refresh().book.flows] == ["b"]


def test_a_broken_file_that_is_deleted_is_gone(folder):
    library = library_of(folder)
    (folder / "a.yaml").write_text(WRONG)
    library.refresh()
    (folder / "a.yaml").unlink()
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), library.loaded_flows.stale_flows, library.loaded_flows.problems) == (
        "",
        {},
        (),
    )


def test_a_second_file_of_the_same_name_is_an_error_and_the_first_goes_on(folder):
    library = library_of(folder)
    (folder / "b.yml").write_text((folder / "b.yaml").read_text().replace("Hello", "Second"))
    library.refresh()
    assert (heard(library.loaded_flows.book, TWO), rules(library)) == ("Hello.", ["name-twice"])
    (folder / "b.yaml").unlink()
    library.refresh()
    assert (heard(library.loaded_flows.book, TWO), rules(library)) == ("Second.", [])


# Numbers


def test_an_edit_that_claims_the_number_of_another_flow_is_held_back_until_that_gives_it_up(folder):
    library = library_of(folder)
    put(folder, "a", f"{ONE}, {TWO}", "Greedy")
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), heard(library.loaded_flows.book, TWO)) == ("Hello.", "Hello.")
    (problem,) = library.loaded_flows.problems
    assert (problem.rule, problem.file, problem.column) == ("number-claimed-twice", str(folder / "a.yaml"), 25)
    assert [*library.loaded_flows.stale_flows] == ["a"]
    put(folder, "b", THREE)
    library.refresh()
    assert (heard(library.loaded_flows.book, TWO), heard(library.loaded_flows.book, THREE)) == ("Greedy.", "Hello.")
    assert (library.loaded_flows.stale_flows, library.loaded_flows.problems) == ({}, ())


@pytest.mark.parametrize("number", [TWO, "+1202*", "rest"])
def test_flows_may_exchange_numbers_at_once(tmp_path, number):
    put(tmp_path, "a", ONE, "A")
    put(tmp_path, "b", number, "B")
    library = library_of(tmp_path)
    put(tmp_path, "a", number, "A")
    put(tmp_path, "b", ONE, "B")
    library.refresh()
    asked = "+12025550100" if number.endswith("*") else TWO
    assert (heard(library.loaded_flows.book, ONE), heard(library.loaded_flows.book, asked)) == ("B.", "A.")
    assert library.loaded_flows.problems == ()


def test_an_edit_that_leans_on_one_that_is_held_back_is_held_back_too(folder):
    put(folder, "c", THREE)
    library = library_of(folder)
    put(folder, "a", THREE, "A")
    put(folder, "b", ONE, "B")
    library.refresh()
    assert sorted(library.loaded_flows.stale_flows) == ["a", "b"]
    assert [heard(library.loaded_flows.book, number) for number in (ONE, TWO, THREE)] == ["Hello.", "Hello.", "Hello."]
    put(folder, "c", "+12015550199", "C")
    library.refresh()
    assert [heard(library.loaded_flows.book, number) for number in (ONE, TWO, THREE)] == ["B.", "", "A."]


def test_a_new_file_takes_no_number_from_a_live_flow(folder):
    library = library_of(folder)
    put(folder, "0-first-by-name", f"{ONE}, {THREE}", "New")
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), heard(library.loaded_flows.book, THREE)) == ("Hello.", "New.")
    assert rules(library) == ["number-claimed-twice"]
    (folder / "a.yaml").unlink()
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), rules(library)) == ("New.", [])


def test_a_broken_flow_gives_its_number_to_one_that_is_right(folder):
    (folder / "c.yaml").write_text(f"numbers: {THREE}\nnodes: {{start: [hangpu]}}\n")
    library = library_of(folder)
    put(folder, "a", f"{ONE}, {THREE}")
    library.refresh()
    assert (library.loaded_flows.book.find_answering_flow(THREE).name, library.loaded_flows.stale_flows) == ("a", {})


def test_a_number_twice_in_one_file_is_an_error_of_that_file_alone(folder):
    library = library_of(folder)
    put(folder, "a", f"{ONE}, {ONE}", "Edited")
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), rules(library)) == ("Edited.", ["number-claimed-twice"])


# What concerns all flows


def test_a_declared_attribute_comes_and_goes_with_the_last_good_version_kept(folder):
    (folder / "a.yaml").write_text(f"numbers: {ONE}\nnodes: {{start: [{{say: {{text: Hi., wait: 5}}}}]}}\n")
    library = library_of(folder)
    assert library.loaded_flows.state_counts["broken"] == 1
    (folder / "extensions.yaml").write_text("Say: {wait: text}\n")
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), library.loaded_flows.problems) == ("Hi.", ())
    flows = library.loaded_flows.book.flows
    (folder / "extensions.yaml").write_text("Say: [wait: text}\n")
    library.refresh()
    assert (library.loaded_flows.book.flows, library.loaded_flows.has_errors, library.loaded_flows.stale_flows) == (
        flows,
        True,
        {},
    )
    (folder / "extensions.yaml").unlink()
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), [*library.loaded_flows.stale_flows]) == ("Hi.", ["a"])


HOURS = """
numbers: +12015550177
timezone: America/New_York
hours: {office: {daily: 00:00-24:00}}
nodes:
  start:
    - when: hours.office.open
      goto: open
    - say: Closed.
  open: [say: Open.]
"""


def test_an_override_holds_at_once_and_ends_when_it_is_taken_out_and_compiles_nothing(folder):
    (folder / "hours.yaml").write_text(HOURS, encoding="utf-8")
    library = library_of(folder)
    flow = library.loaded_flows.book.flows["hours"]
    said = []
    for text in ("", "- {flow: hours, hours: office, state: closed, until: 2099-01-01}\n", "- {flow: x}\n", ""):
        (folder / "overrides.yaml").write_text(text, encoding="utf-8")
        library.refresh()
        said.append((heard(library.loaded_flows.book, "+12015550177"), rules(library)))
    assert [words for words, _ in said] == ["Open.", "Closed.", "Open.", "Open."]
    assert [bool(wrong) for _, wrong in said] == [False, False, True, False]
    assert library.loaded_flows.book.flows["hours"] is flow


# The folder


def test_a_folder_that_vanishes_is_said_and_takes_no_flow_with_it(folder, tmp_path_factory):
    library, away = library_of(folder), tmp_path_factory.mktemp("away") / "flows"
    folder.rename(away)
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), rules(library)) == ("Hello.", ["no-folder"])
    assert library.refresh() is library.loaded_flows
    folder.mkdir()
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), rules(library)) == ("Hello.", ["no-folder"])
    put(folder, "a", ONE, "Back")
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), heard(library.loaded_flows.book, TWO), rules(library)) == (
        "Back.",
        "",
        [],
    )


def test_a_folder_that_comes_later_is_loaded_when_it_is_there(tmp_path):
    library = library_of(tmp_path / "flows")
    assert (rules(library), library.loaded_flows.book.flows) == (["no-folder"], {})
    (tmp_path / "flows").mkdir()
    put(tmp_path / "flows", "a", ONE)
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), rules(library)) == ("Hello.", [])


def test_links_are_followed_as_kubernetes_puts_them(tmp_path):
    folder = tmp_path / "mounted"
    folder.mkdir()
    for version in ("1", "2"):
        (folder / f"..{version}").mkdir()
        put(folder / f"..{version}", "a", ONE, f"Version {version}")
    (folder / "..data").symlink_to("..1")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    library = library_of(folder)
    (folder / "..new").symlink_to("..2")
    (folder / "..new").rename(folder / "..data")
    shutil.rmtree(folder / "..1")
    library.refresh()
    assert (heard(library.loaded_flows.book, ONE), rules(library)) == ("Version 2.", [])


def test_a_folder_that_is_a_link_may_be_turned_to_another(tmp_path):
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        put(tmp_path / version, "a", ONE, f"Version {version}")
    link = tmp_path / "current"
    link.symlink_to("1")
    library = library_of(link)
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").rename(link)
    library.refresh()
    assert heard(library.loaded_flows.book, ONE) == "Version 2."


# In the middle of a save


def test_a_save_in_several_writes_is_read_when_it_is_done(folder):
    library = FlowLibrary(folder, OPTIONS, settle_seconds=0.1)
    long = f"numbers: [{ONE}]\nnodes:\n  start:\n" + "    - say: Long.\n" * 50
    seen: set[int] = set()
    with (folder / "a.yaml").open("w") as file:

        def write() -> None:
            for start in range(0, len(long), 100):
                file.write(long[start : start + 100])
                file.flush()
                threading.Event().wait(0.02)

        writer = threading.Thread(target=write)
        writer.start()
        while writer.is_alive():
            library.refresh()
            seen.add(library.loaded_flows.book.find_answering_flow(ONE).answer("start", make_turn()).count(b"Long."))
        join_thread(writer)
    library.refresh()
    assert seen <= {0, 50}
    assert library.loaded_flows.problems == ()


def test_two_reloads_at_once_give_the_same(folder):
    library = library_of(folder)
    for turn in range(10):
        put(folder, "a", ONE, f"Turn {turn}")
        with ThreadPoolExecutor(4) as threads:
            found = [*threads.map(lambda _: library.refresh(), range(4))]
        assert heard(library.loaded_flows.book, ONE) == f"Turn {turn}."
        assert {id(loaded) for loaded in found} == {id(library.loaded_flows)}


@each_case(
    ("path", "concerns"),
    [
        ("/flows/acme.yaml", True),
        ("/flows/lists/spam.csv", True),
        ("/flows/..data", True),
        ("/flows/acme.xml.j2", True),
        ("/flows/acme.py", True),
        ("/flows/.acme.yaml.swp", False),
        ("/flows/acme.yaml~", False),
        ("/flows/.#acme.yaml", False),
        ("/flows/#acme.yaml#", False),
        ("/flows/4913", False),
        ("/flows/__pycache__/acme.cpython-311.pyc", False),
        ("/flows/__pycache__", False),
    ],
)
def test_what_editors_leave_beside_their_files_wakes_nobody(path, concerns):
    assert may_affect_flows(path) is concerns


# Any sequence of edits gives what a fresh load gives


class Edit(NamedTuple):
    name: str
    numbers: tuple[str, ...]
    kind: str


NAMES = ["a", "b", "c", "d"]
CLAIMS = ["+1201555010*", "+12015550101", "+12015550102", "+12015550103", "+1201*", "rest"]
ASKED = ["+12015550101", "+12015550102", "+12015550103", "+12015550109", "+12015559999", "+442079460018"]
edits = st.builds(
    Edit,
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(CLAIMS), max_size=3, unique=True).map(tuple),
    st.sampled_from(["right", "right", "right", "broken", "deleted"]),
)


def apply(folder: Path, edit: Edit, turn: int) -> None:
    if edit.kind == "right":
        put(folder, edit.name, ", ".join(edit.numbers), f"{edit.name} {turn}")
    elif edit.kind == "broken":
        (folder / f"{edit.name}.yaml").write_text(f"numbers: [{', '.join(edit.numbers)}]\nnodes: {{start: [hangpu]}}\n")
    else:
        (folder / f"{edit.name}.yaml").unlink(missing_ok=True)


@given(st.lists(st.lists(edits, min_size=1, max_size=3), max_size=8))
def test_any_sequence_of_edits_gives_what_a_fresh_load_gives(tmp_path_factory, rounds):
    folder = tmp_path_factory.mktemp("flows")
    library = library_of(folder)
    for turn, made in enumerate(rounds):
        for edit in made:
            apply(folder, edit, turn)
        good = {name: flow for name, flow in library.loaded_flows.book.flows.items() if not flow.problems}
        loaded, fresh = library.refresh(), load_flow_folder(folder, OPTIONS)
        assert loaded.book.flows.keys() == fresh.book.flows.keys()
        for name in loaded.stale_flows:
            assert loaded.book.flows[name] is good[name]
        for name in good.keys() & loaded.book.flows.keys():
            assert not loaded.book.flows[name].problems, "what was right once is never broken"
        rebuilt = FlowBook(loaded.book.flows.values())
        clashing = any(problem.rule == "number-claimed-twice" for problem in (*loaded.problems, *fresh.problems))
        for number in ASKED:
            if not clashing:
                assert heard(loaded.book, number) == heard(rebuilt, number)
            if not clashing and not loaded.stale_flows:
                assert heard(loaded.book, number) == heard(fresh.book, number)
    for turn, name in enumerate(NAMES):
        put(folder, name, CLAIMS[turn + 1], f"{name} at last")
    assert library.refresh().problems == ()
    fresh = load_flow_folder(folder, OPTIONS)
    assert [heard(library.loaded_flows.book, number) for number in ASKED] == [heard(fresh.book, number) for number in ASKED]
    shutil.rmtree(folder)


# Versions


def versions(folder: Path, count: int) -> tuple[FlowVersions, list[Flow]]:
    library = library_of(folder)
    shelf, flows = FlowVersions(library.loaded_flows.book), [library.loaded_flows.book.flows["a"]]
    for turn in range(count):
        put(folder, "a", ONE, f"Version {turn}")
        shelf.replace_book(library.refresh().book)
        flows.append(shelf.book.flows["a"])
    return shelf, flows


def test_the_last_twenty_versions_of_a_flow_are_remembered_beside_its_newest(folder):
    shelf, flows = versions(folder, MAX_EARLIER_VERSIONS + 3)
    remembered = [shelf.find_version("a", flow.version) for flow in flows]
    assert remembered[:3] == [None, None, None]
    assert [flow.fragments_by_node for flow in remembered[3:]] == [flow.fragments_by_node for flow in flows[3:]]
    assert shelf.find_version("b", shelf.book.flows["b"].version) is shelf.book.flows["b"]
    assert shelf.find_version("a", "another") is None
    assert shelf.find_version("x", "another") is None


def test_a_version_that_comes_back_is_one(folder):
    library = library_of(folder)
    shelf = FlowVersions(library.loaded_flows.book)
    first = library.loaded_flows.book.flows["a"]
    for text in [*("Hello", "Other") * (MAX_EARLIER_VERSIONS + 5), "Other still"]:
        put(folder, "a", ONE, text)
        shelf.replace_book(library.refresh().book)
    assert shelf.find_version("a", first.version).fragments_by_node.keys() == first.fragments_by_node.keys()


def test_a_flow_that_is_gone_is_remembered_as_long_as_a_ticket_of_it_can_be_good(folder):
    now = [0.0]
    library = library_of(folder)
    shelf = FlowVersions(library.loaded_flows.book, lambda: now[0])
    flow = library.loaded_flows.book.flows["a"]
    (folder / "a.yaml").unlink()
    shelf.replace_book(library.refresh().book)
    now[0] = TICKET_LIFETIME_SECONDS - 1.0
    put(folder, "b", TWO, "Edited")
    shelf.replace_book(library.refresh().book)
    assert shelf.find_version("a", flow.version).fallback == flow.fallback
    assert shelf.find_newest("a").version == flow.version
    now[0] = TICKET_LIFETIME_SECONDS + 1.0
    put(folder, "b", TWO, "Edited again")
    shelf.replace_book(library.refresh().book)
    assert (shelf.find_version("a", flow.version), shelf.find_newest("a")) == (None, None)


def test_sixty_more_reloads_leave_no_more_in_memory(folder):
    library = library_of(folder)
    shelf = FlowVersions(library.loaded_flows.book)

    def reload(turn: int) -> None:
        put(folder, "a", ONE, f"Turn {turn:04}")
        shelf.replace_book(library.refresh().book)
        heard(shelf.book, ONE)

    tracemalloc.start()
    try:
        for turn in range(MAX_EARLIER_VERSIONS + 5):
            reload(turn)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for turn in range(60):
            reload(1000 + turn)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 50_000, "60 flows kept would be far more"


def test_an_old_flow_goes_without_the_collector(folder):
    library = library_of(folder)
    heard(library.loaded_flows.book, ONE)
    gc.collect()
    gc.disable()
    try:
        put(folder, "a", ONE, "Edited")
        documents = len([o for o in gc.get_objects() if type(o).__name__ == "Flow"])
        library.refresh()
        assert len([o for o in gc.get_objects() if type(o).__name__ == "Flow"]) == documents
    finally:
        gc.enable()


def test_what_is_old_is_not_searched_again_while_many_flows_are_loaded_and_is_as_ever_afterwards():
    before = gc.get_threshold()
    with relax_garbage_collection(5):
        assert gc.get_threshold() == before
    with relax_garbage_collection(1000):
        assert gc.get_threshold()[:2] == before[:2]
        assert gc.get_threshold()[2] > before[2]
    assert gc.get_threshold() == before
