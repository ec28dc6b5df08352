"""Each template of ``callflows new`` is played: calls, keys, silence and closed days reach the right nodes."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from flow_harness import APOLOGY, BASE_URL, SIGNER, answer_node, make_turn, parse_response, spoken_texts

from callflows.errors import FlowCreationError
from callflows.flows.authoring.gallery.flow_templates import create_flow, load_flow_templates
from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.decisions import describe_decisions
from callflows.flows.entry_points import NodeEntry
from callflows.flows.flow_compilation import compile_flow
from callflows.flows.loader.check_runner import check_paths
from callflows.language import Response, to_xml
from callflows.language.element import walk_elements
from callflows.language.verbs import DTMF, Dial, Error, Gather, Hangup, Record, To
from callflows.telephony.call_record import CallRecord, ReportedLeg
from callflows.telephony.ports import LookupResult
from callflows.telephony.turn import Variables
from waiting import run_bounded

if TYPE_CHECKING:
    from callflows.flows.flow import Flow
    from callflows.telephony.turn import Turn

NEW_YORK = ZoneInfo("America/New_York")
OPEN, NIGHT = datetime(2026, 11, 23, 10, tzinfo=NEW_YORK), datetime(2026, 11, 23, 22, tzinfo=NEW_YORK)
SUNDAY, CHRISTMAS = datetime(2026, 11, 22, 11, tzinfo=NEW_YORK), datetime(2026, 12, 25, 10, tzinfo=NEW_YORK)
NAMES = [*load_flow_templates()]
_URL = re.compile(rf"{BASE_URL}/call/acme/([^/?]+)\?ticket=(.+)")


class Page(NamedTuple):
    """A document that a call got, and what the turn left behind."""

    xml: str
    turn: Turn

    @property
    def said(self) -> str:
        return " | ".join(spoken_texts(self.xml))

    @property
    def dials(self) -> list[list[str]]:
        found = [verb for _, verb in walk_elements(parse_response(self.xml)) if isinstance(verb, Dial)]
        return [[str(to.attributes["target"]) for to in dial.children if isinstance(to, To)] for dial in found]


class Line:
    """A telephone on which a template's flow is rung."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow

    def ring(self, at: datetime = OPEN, **told: str) -> Page:
        self.at, self.told = at, told
        return self._page("start", NodeEntry(), {}, {})

    def go(self, url: str, dtmf: str = "", **found: LookupResult) -> Page:
        """Where a signed URL of a document leads, with keys pressed."""
        node, ticket = _URL.fullmatch(url).groups()
        state = SIGNER.read_ticket(f"acme/{node}", ticket)
        step, attempt, line, *given = state.get("e", (0, 0, 1))
        kept = {**state.get("t", {}), **({"dtmf": dtmf} if dtmf else {})}
        return self._page(node, NodeEntry(step, attempt, bool(line), bool(given)), kept, state.get("s", {}), found)

    def _page(self, node: str, entry: NodeEntry, told: dict[str, str], kept: dict[str, Any], found: Any = None) -> Page:
        turn = make_turn(lambda: self.at, **{**self.told, **told})
        turn.earlier_values = Variables(kept)
        turn.reset_progress()
        written = answer_node(
            self.flow, node, turn, entry, {"https://crm.example.com/accounts/123456": found["crm"]} if found else None
        )
        xml = written.decode().partition("<Response>")[2].removesuffix("</Response>")
        parse_response(xml)
        return Page(xml, turn)


def line_of(template: str, folder: Path, dialect: str = "reference") -> Line:
    begun = create_flow(folder, "acme", template, "", {})
    options = CompilerOptions(SIGNER, APOLOGY, dialect)  # type: ignore[arg-type]
    made = compile_flow("acme", begun.file.read_bytes(), str(begun.file), options)
    assert made.problems == ()
    assert made.flow is not None
    return Line(made.flow)


def part(page: Page, kind: type, value: str = "", at: int = 0) -> Page:
    """A part of a document, the outermost first: what a key leads to, or an Error."""
    everything = sorted(walk_elements(parse_response(page.xml)), key=lambda found: str(found[0]).count("."))
    found = [v for _, v in everything if isinstance(v, kind) and (not value or v.attributes.get("value") == value)]
    inside = [child for child in found[at].children if not isinstance(child, To)]
    xml = to_xml(Response(*inside), "reference").decode().partition("<Response>")[2].removesuffix("</Response>")
    return Page(xml, page.turn)


def key(page: Page, value: str) -> Page:
    return part(page, DTMF, value)


def gather_url(page: Page, at: int = 0) -> str:
    return [
        str(v.attributes["url"])
        for _, v in walk_elements(parse_response(page.xml))
        if isinstance(v, Gather) and "url" in v.attributes
    ][at]


def links(page: Page) -> list[str]:
    return [str(v.attributes["url"]) for _, v in walk_elements(parse_response(page.xml)) if v.spec.name == "Callback"]


def records(page: Page) -> bool:
    return any(isinstance(v, Record) for _, v in walk_elements(parse_response(page.xml)))


# All of them


def test_there_are_templates_for_what_people_need():
    wanted = {"front-desk", "after-hours", "hunt-group", "on-call", "clinic", "pin-line", "survey", "text-address"}
    assert wanted <= {*NAMES}


def test_the_page_of_examples_has_each_template_once():
    page = (Path(__file__).parents[2] / "docs" / "examples.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == NAMES
    numbers = {20: "Twenty", 24: "Twenty-four", 30: "Thirty"}
    assert f"{numbers[len(NAMES)]} flows" in page


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dialect", ["reference", "classic"])
def test_a_template_has_no_problem_in_any_dialect(name, dialect, tmp_path):
    begun = create_flow(tmp_path, "acme", name, "", {})
    problems = check_paths([begun.file], CompilerOptions(SIGNER, APOLOGY, dialect))
    assert [problem for problem in problems if problem.severity != "note"] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_template_says_what_it_is_and_where_the_number_goes(name, tmp_path):
    found = load_flow_templates()[name]
    assert 30 < len(found.summary) < 124
    text = create_flow(tmp_path, "acme", name, "+442079460123", {}).file.read_text()
    assert re.search(r"^(numbers: \[|  )\+442079460123\b.*# your number", text, re.MULTILINE)
    assert "+12015550123" not in text


# One by one


def test_the_front_desk_rings_sales_by_key_and_takes_a_message_otherwise(tmp_path):
    line = line_of("front-desk", tmp_path)
    page = line.ring(name="Ann")
    assert page.said.startswith("Welcome to Acme, Ann. | For sales press 1.")
    assert key(page, "1").dials == [["+12015550188", "ann@acme.sip.opentact.org"]]
    assert key(page, "2").dials == [["+12015550190"], ["+12015550191"]]
    assert records(part(key(page, "1"), Error))
    assert "I did not hear a key." in page.said
    assert "That is not one of the choices." in page.said
    assert page.xml.rindex("<Record") > page.xml.rindex("<Gather"), "silence ends in a message"


@pytest.mark.parametrize("at", [NIGHT, SUNDAY, CHRISTMAS])
def test_the_front_desk_is_closed_at_night_on_sundays_and_on_holidays(at, tmp_path):
    page = line_of("front-desk", tmp_path).ring(at)
    assert page.said.startswith("We are closed. We open")
    assert records(page)
    assert page.dials == []


def test_after_hours_rings_while_it_is_open_and_tells_when_it_opens(tmp_path):
    line = line_of("after-hours", tmp_path)
    assert line.ring(OPEN).dials == [["+12015550188"]]
    lunch = line.ring(OPEN.replace(hour=13))
    assert lunch.dials == []
    assert "We are closed, and open today at 1:30 PM." in lunch.said
    assert line.ring(datetime(2026, 12, 24, 10, tzinfo=NEW_YORK)).dials == []
    assert line.ring(datetime(2026, 12, 19, 17, tzinfo=NEW_YORK)).dials != []


def test_the_hunt_group_rings_desks_at_once_then_mobiles_in_turn(tmp_path):
    page = line_of("hunt-group", tmp_path).ring()
    desks = ["ann@acme.sip.opentact.org", "bob@acme.sip.opentact.org"]
    assert [sorted(to) for to in page.dials] == [desks, ["+12015550188"], ["+12015550189"]]
    assert page.said.endswith("We will call you back at (201) 555-0999.")
    assert line_of("hunt-group", tmp_path / "2").ring(from_="anonymous").said.endswith("We will call you back.")


@pytest.mark.parametrize(
    ("at", "who"),
    [
        (datetime(2026, 11, 23, 3, tzinfo=NEW_YORK), "+12015550188"),
        (datetime(2026, 11, 27, 3, tzinfo=NEW_YORK), "+12015550189"),
        (datetime(2026, 12, 24, 3, tzinfo=NEW_YORK), "+12015550189"),
        (datetime(2027, 1, 1, 3, tzinfo=NEW_YORK), "+12015550188"),
        (datetime(2027, 1, 2, 3, tzinfo=NEW_YORK), "+12015550189"),
    ],
)
def test_the_one_on_call_is_rung_by_date_and_weekday(at, who, tmp_path):
    page = line_of("on-call", tmp_path).ring(at)
    assert key(page, "1").dials == [[who], ["+12015550190", "+12015550191"]]
    assert key(page, "2").dials == []


def test_a_message_on_the_on_call_line_pages_somebody_when_the_call_gets_there_and_not_before(tmp_path):
    line = line_of("on-call", tmp_path)
    page = line.ring()
    assert page.turn.effects == []
    message = line.go(links(key(page, "2"))[0])
    (effect,) = message.turn.effects
    assert effect.payload["body"]["data"] == {"severity": "high", "caller": "+12015550999"}
    assert records(message)


def test_the_clinic_speaks_two_languages(tmp_path):
    line = line_of("clinic", tmp_path)
    page = line.ring()
    assert "dial 9 1 1" in page.said
    assert "For English press 1. | Para español, oprima el dos." in page.said
    english, spanish = key(page, "1"), line.go(links(key(page, "2"))[0])
    assert key(english, "1").dials == [["+12015550188", "+12015550189"]]
    assert key(spanish, "1").dials == [["+12015550190"]]
    assert '<Say lang="es-US" gender="FEMALE">Para citas' in spanish.xml
    assert "For appointments" not in spanish.xml
    assert records(key(english, "2"))
    assert records(key(spanish, "2"))
    assert english.dials[-1] == ["+12015550188", "+12015550189"], "silence comes to the reception"
    closed = line.ring(SUNDAY)
    assert "The clinic is closed." in key(closed, "1").said
    assert "La clínica está cerrada. Abrimos mañana a las 8 de la mañana." in line.go(links(key(closed, "2"))[0]).said
    assert spanish.xml.count('<Say lang="es-US" gender="FEMALE">No oí ninguna tecla.</Say>') == 3


def test_the_right_pin_is_put_through_and_the_third_wrong_one_is_not(tmp_path):
    line = line_of("pin-line", tmp_path)
    ask = line.go(links(line.ring())[0]) if links(line.ring()) else line.ring()
    assert line.go(gather_url(ask), "4711").dials == [["+12015550188"]]
    page = ask
    for tries in (1, 2, 3):
        page = line.go(gather_url(page), "9999")
        assert page.dials == []
        assert ("That is not the PIN." in page.said) == (tries < 3)
        while tries < 3 and not any(isinstance(v, Gather) for _, v in walk_elements(parse_response(page.xml))):
            page = line.go(links(page)[0])
    assert page.said.endswith("Goodbye.")
    assert not any(isinstance(v, Gather) for _, v in walk_elements(parse_response(page.xml)))


def test_no_pin_stands_in_the_story_of_a_call(tmp_path):
    line = line_of("pin-line", tmp_path)
    ask = line.go(links(line.ring())[0]) if links(line.ring()) else line.ring()
    for pressed in ("4711", "9876"):
        page = line.go(gather_url(ask), pressed)
        story = str(describe_decisions(page.turn))
        assert "4711" not in story
        assert "9876" not in story
        assert pressed not in page.xml


def test_the_survey_sends_its_answers_once_at_the_end(tmp_path):
    line = line_of("survey", tmp_path)
    first = line.ring()
    wrong = line.go(gather_url(first), "9")
    assert "That is not from 1 to 5." in wrong.said
    second = line.go(gather_url(wrong), "2")
    assert second.turn.effects == []
    done = line.go(gather_url(second), "1")
    (effect,) = done.turn.effects
    data = effect.payload["body"]["data"]
    assert (data["service"], data["again"]) == ("2", "1")
    assert "We are sorry that it was not better." in done.said
    happy = line.go(gather_url(line.go(gather_url(line.ring()), "5")), "1")
    assert "sorry" not in happy.said
    silent = line.ring().said
    assert silent.endswith("That is fine. Goodbye.")


def test_the_address_goes_to_the_caller_or_to_the_number_typed(tmp_path):
    line = line_of("text-address", tmp_path)
    sent = line.go(links(key(line.ring(), "1"))[0])
    (effect,) = sent.turn.effects
    assert effect.payload["to"] == "+12015550999"
    assert effect.payload["text"].startswith("Acme, 12 Main Street")
    hidden = line.ring(from_="anonymous")
    ask = key(hidden, "1")
    ask = ask if any(isinstance(v, Gather) for _, v in walk_elements(parse_response(ask.xml))) else line.go(links(ask)[0])
    typed = line.go(gather_url(ask), "2015550142")
    assert [effect.payload["to"] for effect in typed.turn.effects] == ["+12015550142"]
    jamaica = line.go(gather_url(ask), "8765550142")
    assert jamaica.turn.effects == []
    assert key(line.ring(), "2").dials == [["+12015550188"]]


def test_a_missed_call_is_texted_back_once_a_day_and_never_at_night(tmp_path):
    line = line_of("text-back", tmp_path)
    assert "We will send you a text message" in line.ring().said
    assert records(line.ring(NIGHT))
    assert records(line.ring(from_="anonymous"))

    def texts(at=OPEN, from_="+12015550999", **how):
        call = CallRecord("c", from_, "12015550123", at.timestamp(), **{"calls_today": 1, **how})
        turn = run_bounded(line.flow.run_ended_call_steps(call, None))
        return [effect.payload["text"] for effect in turn.effects] if turn is not None else []

    (said,) = texts()
    assert said.startswith("This is Acme. Sorry that we missed your call.")
    assert texts(legs=(ReportedLeg("+12015550188", was_answered=False),)) == [said]
    assert texts(legs=(ReportedLeg("+12015550188", was_answered=True),)) == []
    assert texts(message="left") == []
    assert texts(calls_today=2) == []
    assert texts(NIGHT) == []
    assert texts(from_="anonymous") == []


@pytest.mark.parametrize(
    ("told", "rung", "said"),
    [
        ({"from": "+12015550142", "attestation": "C"}, True, ""),
        ({"from": "+4930123456"}, True, ""),
        ({"from": "+12025550111"}, False, ""),
        ({"from": "anonymous"}, True, "To be connected press 5."),
        ({"attestation": "C"}, True, "To be connected press 5."),
        ({"attestation": "A"}, True, ""),
        ({"calls": "11"}, False, "We have your earlier calls"),
    ],
)
def test_callers_are_screened(told, rung, said, tmp_path):
    page = line_of("screening", tmp_path).ring(**told)
    assert bool(page.dials) == rung
    assert page.said.startswith(said or "Please leave a message" * rung)


def test_an_account_leads_to_the_customers_own_contact_if_the_policy_allows_it(tmp_path):
    line = line_of("account-lookup", tmp_path)
    url = gather_url(line.ring())

    def found(**customer: Any) -> Page:
        return line.go(url, "123456", crm=LookupResult({"known": True, **customer}, ok=True, status=200))

    assert found(name="Ann", contact="+12015550142").dials[0] == ["+12015550142"]
    assert "Hello, Ann." in found(name="Ann", contact="+12015550142").said
    assert found(contact="+18765550142").dials[0] == ["+12015550190"], "Jamaica is no part of the US"
    assert found(contact="ann@acme.sip.opentact.org").dials[0] == ["ann@acme.sip.opentact.org"]
    assert found(contact="ann@evil.example.com").dials[0] == ["+12015550190"]
    assert found(owes=True).dials == [["+12015550192"]]
    nobody = line.go(url, "123456", crm=LookupResult(None, ok=False, reason="nobody answers"))
    assert nobody.dials == [["+12015550190"], ["+12015550191"]]
    assert "six digits" in line.go(url, "12").said


# Beginning


def test_what_is_in_the_way_is_refused_and_nothing_is_written(tmp_path):
    claimed = {"+12015550123": "callflows/other.yaml", "rest": "callflows/other.yaml"}
    for name, template, number, said in [
        ("../acme", "clinic", "", "cannot be a flow's name"),
        ("a" * 65, "clinic", "", "cannot be a flow's name"),
        ("overrides", "clinic", "", "cannot be a flow's name"),
        ("acme", "clinc", "", "did you mean 'clinic'?"),
        ("acme", "../clinic", "", "there is no template"),
        ("acme", "clinic", "sales", "is not a number"),
        ("acme", "clinic", "+1 201 555 0123", "is answered already, by callflows/other.yaml"),
        ("acme", "clinic", "rest", "is answered already"),
    ]:
        with pytest.raises(FlowCreationError, match=re.escape(said)):
            create_flow(tmp_path / "flows", name, template, number, claimed)
    assert not (tmp_path / "flows").exists()


def test_a_file_that_is_there_stays_but_for_force(tmp_path):
    file = create_flow(tmp_path, "acme", "clinic", "", {}).file
    with pytest.raises(FlowCreationError, match="is there already"):
        create_flow(tmp_path, "acme", "screening", "", {})
    assert "clinic" in file.read_text()
    create_flow(tmp_path, "acme", "screening", "+12015550123", {"+12015550123": str(file)}, force=True)
    assert "Screening" in file.read_text()
    (tmp_path / "two.py").write_text("")
    with pytest.raises(FlowCreationError, match=r"two\.py is named so already"):
        create_flow(tmp_path, "two", "clinic", "", {}, force=True)


def test_a_list_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "vip.csv").write_text("+12015550111,mine,\n")
    begun = create_flow(tmp_path, "acme", "screening", "", {})
    assert [file.name for file in begun.other_files] == ["unwanted.csv"]
    assert (tmp_path / "lists" / "vip.csv").read_text() == "+12015550111,mine,\n"


def test_a_flow_without_a_number_gets_one_that_no_other_has(tmp_path):
    assert create_flow(tmp_path, "acme", "clinic", "", {"+12015550123": "x", "+12015550100": "x"}).number == "+12015550101"


def test_a_template_hangs_up_in_the_end(tmp_path):
    page = line_of("hunt-group", tmp_path).ring()
    assert isinstance(parse_response(page.xml).children[-1], Hangup)
