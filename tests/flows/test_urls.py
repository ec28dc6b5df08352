"""Whatever a caller brings stays within its place in a URL, on each way by which a URL leaves."""

from __future__ import annotations

import posixpath
import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from flow_harness import (
    APOLOGY,
    SIGNER,
    Conversation,
    answer_node,
    compile_text,
    compile_valid_flow,
    make_flow_text,
    make_turn,
)

from callflows.flows.compiler.compiling_flow import CompilerOptions
from callflows.flows.entry_points import START_NODE
from callflows.flows.expressions.jinja_rendering import disarm_dot_segments
from callflows.flows.flow_compilation import compile_flow
from callflows.sandbox.deferred_jobs import NeedsResult
from callflows.telephony.ports import LookupRequest
from each_case import each_case

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE_NAMES = [
    "..", ".", "%2e%2e", ".%2e", "%2E.", "../..", "../../../admin", "..\\..", "..;", "..;x=1", ". .", " ..", "..%00",
    "..\t", "\uff0e\uff0e", "\u2024\u2024", "\u2025", "..%2f..", "a/../..", "/", "//evil.example.com", "?vip=1", "#x",
    "..?", "a?b#c", "..#", "&vip=1", "@evil.example.com", ":80", "%252e%252e", "x/..", "\u200b..", "%", "%zz", "..%",
    "\\", "..%5c",
]  # fmt: skip
WAYS = pytest.mark.parametrize(
    "way", ["lookup", "rare lookup", "notify", "voicemail", "play", "gather", "template", "filtered template"]
)
PATH = "/v1/customers/{{ caller.name }}/vip?a={{ caller.name }}&b=2"


def url_of(way: str, name: str, folder: Path, path: str = PATH) -> str:
    """The URL that leaves for a caller of this name."""
    url = f"https://crm.example.com{path}"
    turn = make_turn(name=name)
    if "template" in way:
        url = url.replace("&", "&amp;").replace("}}", "| urlencode }}" if way.startswith("filtered") else "}}")
        (folder / "acme.xml.j2").write_text(f"<Response><Play>{url}</Play></Response>")
        made = compile_flow(
            "acme", b"numbers: rest\ntemplate: acme.xml.j2\n", str(folder / "acme.yaml"), CompilerOptions(SIGNER, APOLOGY)
        )
        assert made.flow is not None, made.problems
        return find_url(answer_node(made.flow, START_NODE, turn).decode())
    steps = {
        "lookup": f"lookup: {{url: '{url}', into: x}}",
        "rare lookup": f"lookup: {{url: '{url.replace('caller.name', 'caller.name[:]')}', into: x}}",
        "notify": f"notify: '{url}'",
        "voicemail": f"voicemail: {{greeting: G., notify: {{url: '{url}'}}}}",
        "play": f"play: '{url}'",
        "gather": f"gather: {{dtmf_length: 1, url: '{url}'}}",
    }
    flow = compile_valid_flow(make_flow_text(f"- {steps[way]}\n- say: Bye."))
    if way in ("notify", "voicemail"):
        (effect,) = Conversation(flow, name=name).effects
        return str(effect.payload.get("url") or effect.payload["notify"]["url"])
    if "lookup" not in way:
        return find_url(answer_node(flow, START_NODE, turn).decode())
    while True:
        with pytest.raises(NeedsResult) as pending:
            flow.answer(START_NODE, turn)
        if isinstance(pending.value.job, LookupRequest):
            return pending.value.job.url
        turn.deferred_results.append(pending.value.job.run())
        turn.reset_progress()


def find_url(xml: str) -> str:
    (url,) = re.findall(r"https://crm[^<\"]*", xml)
    return unescape(url)


@WAYS
def test_a_callers_name_moves_no_request_to_another_path(way, tmp_path):
    for name in HOSTILE_NAMES:
        url = url_of(way, name, tmp_path)
        parts = urlsplit(url)
        assert (parts.netloc, parts.fragment) == ("crm.example.com", ""), url
        assert re.fullmatch("/v1/customers/[^/]*/vip", parts.path), url
        assert re.fullmatch("a=[^&=]*&b=2", parts.query), url
        assert httpx.URL(url).raw_path.decode() == f"{parts.path}?{parts.query}"  # no client shortens the path
        decoded = re.split(r"[/\\]", unquote(parts.path))
        assert not {".", ".."} & {*decoded}, url
        assert posixpath.normpath(unquote(parts.path).replace("\\", "/")).startswith("/v1/customers"), url


@WAYS
def test_an_ordinary_name_is_sent_as_it_is(way, tmp_path):
    assert urlsplit(url_of(way, "Jo.e Ünder...", tmp_path)).path == "/v1/customers/Jo.e%20%C3%9Cnder.../vip"


@WAYS
def test_a_dot_beside_an_authors_dot_moves_nothing(way, tmp_path):
    url = url_of(way, ".", tmp_path, "/a/b/.{{ caller.name }}/c")
    assert httpx.URL(url).path.startswith("/a/b/")


def test_a_path_is_left_alone_unless_a_segment_moves_it():
    for url in ("https://a.example/x.y/..z/...?q=/../#/../", "https://a.example", "https://a.example?/../", "", "/../x"):
        assert disarm_dot_segments(url) == url
    assert disarm_dot_segments("https://a.example/x/%2e%2E/y?../") == "https://a.example/x/%252E%252E/y?../"


def test_a_templates_own_text_and_urls_without_values_are_left_alone(tmp_path):
    template = (
        "<Response><Say>{{ caller.name }}/{{ caller.name }}</Say><Play>https://a.example/x.wav</Play>"
        '<Gather dtmf_length="1" url="{{ here }}"><Error><Say>No.</Say></Error></Gather></Response>'
    )
    (tmp_path / "acme.xml.j2").write_text(template)
    file = b"numbers: rest\ntemplate: acme.xml.j2\n"
    made = compile_flow("acme", file, str(tmp_path / "acme.yaml"), CompilerOptions(SIGNER, APOLOGY))
    xml = answer_node(made.flow, START_NODE, make_turn(name="a b")).decode()
    assert "<Say>a b/a b</Say><Play>https://a.example/x.wav</Play>" in xml
    assert re.search(r'url="https?://[^"]*/call/acme/start\?ticket=', xml)


def test_a_program_that_puts_a_name_into_a_path_moves_no_request_either(tmp_path):
    source = (
        "from callflows import Play, Response, Turn, flow\n"
        "acme = flow('acme', numbers=['+12015550123'])\n"
        "@acme.node\n"
        "async def start(turn: Turn) -> Response:\n"
        "    return Response(Play(f'https://crm.example.com/v1/{turn.caller.name}/vip.wav'))\n"
    )
    made = compile_flow("acme", source.encode(), str(tmp_path / "acme.py"), CompilerOptions(SIGNER, APOLOGY))
    assert made.flow is not None, made.problems
    assert find_url(answer_node(made.flow, START_NODE, make_turn(name="..")).decode()) == (
        "https://crm.example.com/v1/%252E%252E/vip.wav"
    )


@each_case(
    ("url", "said"),
    [
        ("https://a.example/x/../{{ caller.name }}", "its path has . or .. in it"),
        ("https://{{ caller.name }}.example/x", "the host of a server that is asked is written out"),
        ("https://a.example{{ caller.name }}", "the host of a server that is asked is written out"),
    ],
)
@each_case("step", ["lookup: {url: '%s', into: x}", "notify: '%s'", "play: '%s'"])
def test_a_url_whose_server_or_path_could_move_is_an_error(url, said, step):
    made = compile_text(make_flow_text(f"- {step % url}\n- say: Bye."))
    assert [problem.message for problem in made.problems if problem.severity == "error"] == [f"url: {said}"]
