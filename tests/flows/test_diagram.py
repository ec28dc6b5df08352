"""A flow as an outline, as Mermaid and as SVG: true to the file, unbreakable by its texts, of any size."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from callflows.flows.authoring.diagram import FlowDiagram, build_flow_diagram, build_program_diagram
from callflows.flows.authoring.diagram_text import render_mermaid, render_outline
from callflows.flows.authoring.gallery import flow_templates
from callflows.flows.authoring.gallery.flow_templates import load_flow_templates
from callflows.flows.authoring.svg_drawing import render_svg
from callflows.flows.source.positions import ProblemReport
from each_case import each_case

SVG = "{http://www.w3.org/2000/svg}"
DESK = """
numbers: [+12015550123]
timezone: America/New_York
groups: {sales: {to: [+12015550188, ann@acme.sip.opentact.org], ring: in-turn, timeout: 25s}}
nodes:
  start:
    - when: now.hour < 9
      goto: closed
    - menu: {prompt: Press 1., keys: {1: sales, hash: start, 0: closed}, otherwise: closed}
  sales:
    - dial: {to: sales, no_answer: closed}
  closed:
    - gather: {dtmf_length: 1, dtmf: {1: [goto: sales], star: [say: Star., hangup]}, error: [say: Nothing.]}
    - choose:
        - {when: caller.anonymous, goto: sales}
        - goto: gone
fallback: [say: Sorry.]
"""


def drawn(text: str, file: str = "acme.yaml") -> FlowDiagram:
    report = ProblemReport(file)
    made = build_flow_diagram("acme", text.encode(), report)
    assert made is not None
    return made


def texts(picture: str) -> list[str]:
    return ["".join(text.itertext()) for text in etree.fromstring(picture.encode()).iter(f"{SVG}text")]


def test_the_outline_says_what_each_node_does_and_where_it_leads():
    assert render_outline(drawn(DESK)) == (
        "acme · +12015550123 · America/New_York\n\n"
        "start\n  when now.hour < 9 → closed\n  menu “Press 1.”\n    1 → sales\n    # → start\n    0 → closed\n"
        "    otherwise → closed\n\n"
        "sales\n  dial sales (+12015550188, ann@acme.sip.opentact.org), in turn, 25s\n    no answer → closed\n\n"
        "closed\n  gather dtmf_length 1\n    1 → sales\n    *\n      say “Star.”\n      hang up\n    no key\n"
        "      say “Nothing.”\n  when caller.anonymous → sales\n  otherwise → gone (there is no such node)\n\n"
        "when anything goes wrong\n  say “Sorry.”"
    )


@pytest.mark.parametrize(
    ("between", "lines"),
    [
        ("Please hold.", "      say “Please hold.”\n"),
        ("{play: 'https://example.com/hold.mp3'}", "      play https://example.com/hold.mp3\n"),
        (
            "[Please hold., {play: 'https://example.com/hold.mp3'}]",
            "      say “Please hold.”\n      play https://example.com/hold.mp3\n",
        ),
    ],
)
def test_the_outline_says_what_is_heard_between_the_rounds_of_a_dial(between, lines):
    dial = f"dial: {{to: +12015550188, rounds: 3, between: {between}, leave: {{1: bye}}, no_answer: bye}}"
    shown = render_outline(drawn(f"nodes: {{start: [{dial}], bye: [hangup]}}\n"))
    expected = f"  dial +12015550188, 3 rounds\n    no answer → bye\n    between the rounds\n{lines}    1 → bye\n"
    assert expected in shown


def test_two_ways_between_the_same_nodes_are_one_edge():
    edges = {(edge.start, edge.end): edge.labels for edge in drawn(DESK).edges}
    assert edges["start", "closed"] == ("now.hour < 9", "0", "otherwise")
    assert edges["start", "start"] == ("#",)
    assert edges["closed", "sales"] == ("1", "caller.anonymous")


def test_what_leads_nowhere_is_drawn_as_missing():
    root = etree.fromstring(render_svg(drawn(DESK)).encode())
    (missing,) = root.iterfind(f".//{SVG}g[@class='missing']")
    assert "gone" in "".join(missing.itertext())


@each_case("name", [*load_flow_templates()])
def test_every_template_can_be_shown(name):
    made = drawn(load_flow_templates()[name].text, flow_templates.__file__)  # beside the files that templates share
    names = {box.name for box in made.boxes}
    assert all(box.node_exists for box in made.boxes)
    assert {edge.end for edge in made.edges} | {"start"} == names, "each node is led to"
    assert names <= {*texts(render_svg(made))}
    assert render_mermaid(made).count("\n") == len(made.boxes) + len(made.edges)


@each_case(
    "text", ['"] end', "`x` **b** _i_", "a;b|c{d}e<f>&g#h", "--> n1", "1. first", "<script>x</script>", "%%{init}%%"]
)
def test_no_text_breaks_mermaid(text):
    quoted = text.replace("'", "''")
    label = render_mermaid(drawn(f"nodes:\n  start:\n    - say: '{quoted}'\n")).partition("say ")[2].removesuffix('")')
    assert re.fullmatch(r"(?:[\w\s,.?!:'()=“”-]|#[0-9]+;)*", label)
    assert re.sub(r"#([0-9]+);", lambda code: chr(int(code[1])), label) == f"“{text}”"


@given(st.lists(st.text(min_size=1, max_size=300), min_size=1, max_size=4))
def test_no_text_breaks_the_picture(said):
    steps = [{"say": text} for text in said] + [{"when": said[0], "goto": said[-1] or "x"}]
    report = ProblemReport("acme.yaml")
    made = build_flow_diagram(
        "acme", json.dumps({"nodes": {"start": steps, said[0]: [{"goto": "start"}]}}).encode(), report
    )
    if made is not None:
        assert etree.fromstring(render_svg(made).encode()).tag == f"{SVG}svg"
        assert render_outline(made)
        assert all(line.startswith(("flowchart TD", "  n")) for line in render_mermaid(made).splitlines())


@each_case(
    "text",
    [
        "nodes: {start: [hangup]}",
        "nodes: {start: 4, other: [[], 7, {say: [a], dial: {to: {}}}], 3: {a: b}}",
        "nodes: {}",
        "numbers: rest",
        "nodes: {start: [{menu: {keys: [1], otherwise: [a]}}, {choose: 3}, {goto: }, {gather: {dtmf: 4, error: {}}}]}",
        "groups: {a: 3}\nnodes: {start: [{dial: {to: [a, {b: c}]}}, {set: 3}, {lookup: x}]}",
        "template: acme.xml.j2",
    ],
)
def test_a_broken_file_is_shown_as_far_as_it_can_be(text):
    made = drawn(text)
    assert render_outline(made).startswith("acme")
    assert etree.fromstring(render_svg(made).encode()) is not None
    assert render_mermaid(made).startswith("flowchart TD")


def test_what_is_no_yaml_is_said():
    report = ProblemReport("acme.yaml")
    assert build_flow_diagram("acme", b"nodes: [", report) is None
    assert report.problems[0].rule == "yaml"


def test_a_program_shows_its_nodes(tmp_path):
    source = "from callflows import Hangup, Response\nfrom callflows.flows.python_flow import flow\n"
    source += 'acme = flow("acme", numbers=["+12015550123"])\n'
    source += "".join(
        f"@acme.node\nasync def {node}(turn):\n    return Response(Hangup())\n" for node in ("start", "sales")
    )
    file = tmp_path / "acme.py"
    file.write_text(source)
    made = build_program_diagram(file, source)
    assert isinstance(made, FlowDiagram)
    assert [box.name for box in made.boxes] == ["start", "sales"]
    assert "sales" in texts(render_svg(made))


def test_secrets_of_a_url_are_not_shown():
    steps = "{lookup: {url: 'https://crm.example.com/a?key=s3cret', into: x}}, {notify: https://h.example.com/s3cret}"
    made = drawn(f"nodes: {{start: [{steps}]}}")
    assert "s3cret" not in render_outline(made) + render_mermaid(made) + render_svg(made)
    assert "look up x at crm.example.com" in render_outline(made)


def test_two_hundred_nodes_in_a_ring_are_drawn():
    names = ["start", *(f"n{at}" for at in range(1, 200))]
    nodes = [f"  {name}: [{{goto: {after}}}]\n" for name, after in zip(names, [*names[1:], "start"], strict=True)]
    picture = render_svg(drawn(f"nodes:\n{''.join(nodes)}"))
    assert len([text for text in texts(picture) if text.startswith("n")]) == 199


def test_what_is_done_about_texts_and_ended_calls_stands_below_the_nodes():
    text = (
        "nodes: {start: [hangup]}\nmessages:\n  - keyword: [hours, open]\n    when: now.hour < 9\n    reply: Soon.\n"
        "  - forward: team\n    notify: {url: 'https://a.example/secret'}\n  - ignore: true\nended:\n  - sms: Sorry.\n"
    )
    made = build_flow_diagram("acme", text.encode(), ProblemReport("acme.yaml"))
    assert render_outline(made).split("\n\n", 2)[2] == (
        "when a text comes in\n"
        "  hours, open, when now.hour < 9: reply “Soon.”\n"
        "  any other text: forward to team, notify a.example\n"
        "  any other text: nothing\n"
        "\n"
        "when a call has ended\n"
        "  text message “Sorry.”"
    )


@pytest.mark.parametrize(
    "odd", ["messages: hello", "messages: [hello, [1]]", "messages: [{reply: {a: b}}]", "ended: {a: b}"]
)
def test_rules_that_are_none_are_drawn_all_the_same(odd):
    assert render_outline(
        build_flow_diagram("acme", f"nodes: {{start: [hangup]}}\n{odd}\n".encode(), ProblemReport("acme.yaml"))
    ).startswith("acme")
