"""A caller's name, number and all else that comes from outside is text, whatever it looks like."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process_server import InProcessServer, list_callback_urls, list_spoken_texts, read_document, send_asgi_request

from callflows.language.element import walk_elements
from callflows.text import clean_text
from document_strategies import HOSTILE_TEXTS

FLOW = """
numbers: rest
timezone: America/New_York
nodes:
  start:
    - say: "Hello {{ caller.name }}"
    - say: {text: "Hello {{ caller.name }} at {{ caller.national }}, {{ number }}.", tag: "{{ caller.number }}"}
    - play: "https://media.example.com/{{ caller.name }}.mp3?from={{ caller.number }}&to={{ number }}"
    - when: caller.name in ["Eve", "Bob"]
      say: Never.
    - menu:
        prompt: "{% if caller.name %}{{ caller.name | upper }}{% else %}You{% endif %}, press 1."
        keys: {1: again}
        no_match: "Not {{ caller.name }}?"
        attempts: 2
    - meta: {name: who, value: "{{ caller.name }}"}
    - curl: "https://crm.example.com/?who={{ caller.name }}&call={{ call.id }}"
  again:
    - say: "{{ caller.name }} {{ call.app }} {{ call.attestation }} {{ call.started }}"
    - goto: start
fallback:
  - say: The desk is sorry.
"""

MORE = (
    *HOSTILE_TEXTS,
    "Bob</Say><Dial><To>+88299123456</To></Dial><Say>",
    "\x00\x01\x08\x0b\x0c\x1f\x7f",
    "\ud800\udfff lone",
    "\ufffe\uffff",
    "\ufdd00\ufdd1",
    "http://\ufdd2\ufdd00\ufdd1",
    "<Say>\ufdd00\ufdd1</Say>",
    "../../etc/passwd",
    "a b&c=d#e?f/g%00%2F",
    "javascript:alert(1)",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe",
    "\N{REGIONAL INDICATOR SYMBOL LETTER U}\N{REGIONAL INDICATOR SYMBOL LETTER S}",
    "{{ caller.number }}{% raw %}",
    "\N{GRINNING FACE}" * 60,
)


@pytest.fixture(scope="module")
def door(tmp_path_factory) -> InProcessServer:
    return InProcessServer(tmp_path_factory.mktemp("flows"), FLOW)


def shape(response) -> list[str]:
    """A document's elements with their attributes' names: all that a caller must not change."""
    return [f"{path} {' '.join(verb.attributes)}" for path, verb in walk_elements(response)]


def plain(door: InProcessServer):
    return door.send_request(method="POST", json=entity("Ann"))


def entity(text: str) -> dict:
    """A call entity that has a text wherever one can stand."""
    return {
        "uuid": text,
        "from": text,
        "to": text,
        "meta": {"cid_name": text},
        "created_on": text,
        "stir_shaken_attest_level": text,
        "sip_control_app": {"uuid": text},
    }


def check(door: InProcessServer, reply) -> None:
    """A document is as long and as wide as for anybody, and its URLs lead to where they always lead."""
    assert shape(read_document(reply)) == shape(read_document(plain(door)))
    for url in re.findall(r'url="(https://[^"]*)"|>(https://[^<]*)<', reply.text):
        written = "".join(url).replace("&amp;", "&")
        assert re.fullmatch(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*", written), written
        assert urlsplit(written).hostname in ("media.example.com", "crm.example.com")
    (asked,) = re.findall(r'url="(https://crm[^"]*)"', reply.text)
    query = parse_qs(urlsplit(asked.replace("&amp;", "&")).query, keep_blank_values=True, errors="strict")
    assert [*query] == ["who", "call"]
    assert len(query["who"]) == len(query["call"]) == 1


@pytest.mark.parametrize("text", MORE, ids=lambda text: ascii(text)[:40])
def test_a_caller_of_any_name_in_a_body_gets_a_document_of_the_same_shape(door, text):
    reply = door.send_request(method="POST", params={}, content=json.dumps(entity(text)).encode())
    check(door, reply)


@pytest.mark.parametrize("text", MORE, ids=lambda text: ascii(text)[:40])
def test_a_caller_of_any_name_in_a_query_gets_a_document_of_the_same_shape(door, text):
    fields = dict.fromkeys(("from", "to", "tn", "call", "sca", "dtmf", "tag", "state"), text)
    query = urlencode(fields, errors="replace").encode()
    _, headers, body = send_asgi_request(door.app, query_string=query, method="GET")
    check(door, httpx.Response(200, headers=headers, content=body))


@given(st.text(max_size=80))
def test_any_text_at_all_stays_a_text(door, text):
    content = json.dumps(entity(text), ensure_ascii=True).encode()
    reply = door.send_request(method="POST", params={}, content=content)
    check(door, reply)
    assert list_spoken_texts(read_document(reply))[0] == f"Hello {clean_text(text)}"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_what_a_caller_is_called_is_spoken_as_it_was_told_again_and_again(door, name):
    reply = door.send_request(method="POST", params={"from": "ann", "to": "1"}, json={"meta": {"cid_name": name}})
    (url, *_) = list_callback_urls(reply)
    later = door.send_request(f"{url}&from=mallory")
    assert list_spoken_texts(read_document(later))[0] == f"Hello {clean_text(name)}"


def test_a_part_of_a_url_is_percent_encoded_and_comes_back_as_it_was(door):
    name = "A&B=C #1/2?\N{GRINNING FACE} 100% \"'<>"
    reply = door.send_request(method="POST", json={"meta": {"cid_name": name}})
    (asked,) = re.findall(r'url="(https://crm[^"]*)"', reply.text)
    assert parse_qs(urlsplit(asked.replace("&amp;", "&")).query)["who"] == [name]


def test_ten_thousand_characters_are_cut_to_what_can_be_real(door):
    reply = door.send_request(method="POST", params={}, json=entity("x" * 10_000))
    assert len(reply.content) < 20_000


@pytest.mark.parametrize("value", [0, -1, 1.5, True, False, None, [], {}, ["x"], {"x": "y"}, 10**300])
def test_what_is_no_text_where_one_is_expected_harms_nothing(door, value):
    check(door, door.send_request(method="POST", params={}, json=entity(value)))
