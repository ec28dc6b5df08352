"""Continued calls through the call door: digits, values, lookups and effects."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from in_process_server import (
    CALL_FIELDS,
    MONDAY,
    InProcessServer,
    is_fallback,
    list_callback_urls,
    list_spoken_texts,
    read_document,
    send_request,
)

from callflows.language import Gather, Say
from callflows.telephony.ports import LookupResult
from waiting import run_bounded

ACCOUNT = """
numbers: +12015550123
timezone: America/New_York
dial_policy: {regions: [US]}
nodes:
  start:
    - collect: {into: account, digits: 6, prompt: Your account., no_match: Six digits please., otherwise: end}
    - lookup:
        url: "https://crm.example.com/{{ account }}?from={{ caller.number }}"
        into: customer
        default: {vip: false}
    - choose:
        - when: customer.vip
          goto: vip
        - goto: end
  vip:
    - dial: {to: "{{ customer.agent }}", no_answer: end}
  end:
    - notify: {url: "https://hooks.example.com/calls", payload: {account: "{{ account }}", done: true}}
    - say: Goodbye {{ customer.name | default("friend") }}.
fallback:
  - say: The desk is sorry.
"""
CRM = "https://crm.example.com/123456?from=%2B12015550999"


def gathered(door: InProcessServer, pressed: str, **more: str) -> object:
    """The answer to digits pressed at the first question."""
    url = list_callback_urls(door.send_request())[0]
    return (
        send_request(door.app, url, params=None)
        if pressed is None
        else send_request(door.app, f"{url}&dtmf={pressed}", **more)
    )


def test_digits_are_looked_up_and_the_answer_is_used(tmp_path):
    door = InProcessServer(tmp_path, ACCOUNT)
    door.effect_sender.lookup_results[CRM] = LookupResult(
        {"vip": True, "agent": "+12015550188", "name": "Ann"}, ok=True, status=200
    )
    reply = gathered(door, "123456")
    assert [asked.url for asked in door.effect_sender.lookups] == [CRM]
    assert b"<To>+12015550188</To>" in reply.content
    assert not door.effect_sender.effects, "nobody came to the end yet"


def test_a_target_that_the_policy_forbids_is_not_rung(tmp_path):
    door = InProcessServer(tmp_path, ACCOUNT)
    for agent in ("+19005550188", "+18765550188", "+442079460018", "x@evil.example", "</To><Say>x</Say>"):
        door.effect_sender.lookup_results[CRM] = LookupResult({"vip": True, "agent": agent}, ok=True, status=200)
        reply = gathered(door, "123456")
        assert b"<Dial" not in reply.content, agent
        assert "/call/desk/end?" in list_callback_urls(reply)[0], agent


def test_nobody_answers_a_lookup_and_the_default_is_used(tmp_path):
    door = InProcessServer(tmp_path, ACCOUNT)
    assert list_spoken_texts(read_document(gathered(door, "123456"))) == ["Goodbye friend."]
    (effect,) = door.effect_sender.effects
    assert effect.payload["url"] == "https://hooks.example.com/calls"
    assert effect.payload["body"]["data"] == {"account": "123456", "done": True}


def test_digits_that_do_not_fit_are_asked_for_again_and_never_looked_up(tmp_path):
    door = InProcessServer(tmp_path, ACCOUNT)
    for pressed in ("12", "1234567", "12345*", "12%2F456", "١٢٣٤٥٦", ""):
        said = list_spoken_texts(read_document(gathered(door, pressed)))
        assert said[0] == ("Six digits please." if pressed else "Your account."), pressed
    assert not door.effect_sender.lookups


def test_an_effect_is_queued_once_a_turn_and_before_the_answer(tmp_path):
    door = InProcessServer(tmp_path, ACCOUNT)
    order = []
    door.effect_sender.queue_effect = lambda effect: order.append(effect.kind)
    url = list_callback_urls(door.send_request())[0]

    async def send(message):
        order.append(message["type"])

    path, _, query = url.removeprefix("http://flows.localhost").partition("?")
    scope = {"type": "http", "method": "GET", "path": path, "query_string": f"{query}&dtmf=123456".encode(), "headers": []}
    run_bounded(door.app({**scope, "client": ("127.0.0.1", 1), "server": None, "scheme": "http"}, None, send))
    assert order == ["notify", "http.response.start", "http.response.body"]


def test_a_value_is_carried_from_turn_to_turn_and_a_secret_one_sealed(tmp_path):
    flow = (
        ACCOUNT.replace("digits: 6,", "digits: 6, secret: true,").replace("- goto: end", "- goto: more")
        + """
messages_unused: x
"""
    )
    flow = flow.replace("messages_unused: x\n", "").replace(
        "  vip:",
        "  more:\n    - menu: {prompt: Sure?, keys: {1: spoken, 2: more}, otherwise: end}\n"
        "  spoken:\n    - set: {seen: account}\n    - say: It was {{ account | digits }}.\n  vip:",
    )
    door = InProcessServer(tmp_path, flow)
    reply = gathered(door, "123456")
    url = next(url for url in list_callback_urls(reply) if "/spoken" in url)
    assert "123456" not in reply.text
    state = door.signer.read_ticket("desk/spoken", url.partition("ticket=")[2])
    assert state["s"]["account"] == "123456"
    assert "MTIzNDU2" not in url
    assert list_spoken_texts(read_document(send_request(door.app, url))) == ["It was 1 2 3 4 5 6."]
    assert "123456" not in json.dumps(door.read_log_lines())


def test_the_calls_of_a_caller_are_counted_by_day(tmp_path):
    flow = """
numbers: +12015550123
timezone: America/New_York
nodes:
  start:
    - when: caller.calls_today > 2
      goto: enough
    - say: Call {{ caller.calls_today }}.
  enough:
    - say: You have called {{ caller.calls_today }} times today.
"""
    days = [MONDAY]
    door = InProcessServer(tmp_path, flow, clock=lambda: days[-1])
    said = []
    for _ in range(4):
        said.append(list_spoken_texts(read_document(door.send_request()))[0])
        days.append(days[-1] + timedelta(minutes=1))
    assert said == [
        "Call 1.",
        "Call 2.",
        "You have called 3 times today.",
        "You have called 4 times today.",
    ]
    assert list_spoken_texts(read_document(door.send_request(params={**CALL_FIELDS, "from": "+12015550998"}))) == [
        "Call 1."
    ]
    days.append(MONDAY + timedelta(days=1))
    assert list_spoken_texts(read_document(door.send_request())) == ["Call 1."]
    days.append(days[-1] + timedelta(minutes=1))
    assert list_spoken_texts(read_document(door.send_request(params={**CALL_FIELDS, "calls": "9"}))) == ["Call 2."], (
        "no caller tells us his count"
    )


def test_hours_and_lists_are_asked_as_it_is_now(tmp_path):
    (tmp_path / "spam.csv").write_text("+12015550998,robocalls,\n+1202*,a campaign,2026-11-22\n", encoding="utf-8")
    flow = """
numbers: +12015550123
timezone: America/New_York
hours: {office: {mon-fri: 09:00-17:00}}
lists: {spam: spam.csv}
nodes:
  start:
    - when: caller in lists.spam
      hangup: {tag: spam}
    - when: hours.office.open
      say: Open until {{ hours.office.next_closing.time }}.
    - when: not hours.office.open
      say: We open {{ hours.office.next_opening | spoken }}.
"""
    moment = [MONDAY]
    door = InProcessServer(tmp_path, flow, clock=lambda: moment[0])
    assert list_spoken_texts(read_document(door.send_request())) == ["Open until 17:00."]
    assert b'<Hangup tag="spam"/>' in door.send_request(params={**CALL_FIELDS, "from": "+12015550998"}).content
    assert list_spoken_texts(read_document(door.send_request(params={**CALL_FIELDS, "from": "+12025550100"}))) == [
        "Open until 17:00."
    ], "expired"
    moment[0] = MONDAY + timedelta(hours=8)
    assert list_spoken_texts(read_document(door.send_request())) == ["We open tomorrow at 9 AM."]


def test_a_lookup_in_each_of_many_turns_is_asked_once(tmp_path):
    door = InProcessServer(tmp_path, ACCOUNT)
    for _ in range(3):
        gathered(door, "123456")
    assert len(door.effect_sender.lookups) == 3


def test_a_lookup_that_breaks_in_our_own_hands_costs_the_fallback(tmp_path):
    door = InProcessServer(tmp_path, ACCOUNT)

    async def broken(_asked):
        raise RuntimeError("the world is gone")

    door.effect_sender.run_lookup = broken
    assert is_fallback(gathered(door, "123456"))


@pytest.mark.parametrize("dialect", ["reference", "classic"])
def test_both_dialects_go_on_with_what_was_pressed(tmp_path, dialect):
    door = InProcessServer(tmp_path, ACCOUNT.replace("nodes:", f"dialect: {dialect}\nnodes:"))
    reply = door.send_request()
    gathers = [verb for verb in read_document(reply).children if isinstance(verb, Gather)]
    assert len(gathers) == 3
    url = str(gathers[0].attributes["url"])
    more = "dtmf=000042" if dialect == "reference" else "code=42&attempts=1&success=true"
    send_request(door.app, f"{url}&{more}")
    assert [asked.url.partition("?")[0] for asked in door.effect_sender.lookups] == ["https://crm.example.com/000042"]
    prompts = [verb for verb in gathers[0].children if isinstance(verb, Say)]
    assert bool(prompts) == (dialect == "classic"), "prompts stand inside in the one, before it in the other"


@pytest.mark.parametrize(("allow", "is_rung"), [("[]", False), ("[+12015560188]", True), ("[+120155601*]", True)])
def test_a_computed_number_within_a_prefix_of_ours_is_rung_only_if_the_author_allows_it(tmp_path, allow, is_rung):
    flow = f"""
numbers: +1201556*
dial_policy: {{regions: [US], allow: {allow}}}
nodes:
  start:
    - collect: {{into: x, digits: 4, prompt: Whom., otherwise: end}}
    - dial: {{to: "+1201556{{{{ x }}}}", no_answer: end}}
  end: [say: Goodbye.]
"""
    door = InProcessServer(tmp_path, flow)
    reply = door.send_request(params={**CALL_FIELDS, "to": "12015560123"})
    document = send_request(door.app, f"{list_callback_urls(reply)[0]}&dtmf=0188").text
    assert ("<Dial" in document) is is_rung


def test_a_flow_for_the_rest_makes_no_number_one_of_ours(tmp_path):
    flow = """
numbers: rest
dial_policy: {regions: [US]}
nodes: {start: [dial: {to: "+1201556{{ digits or '0188' }}"}]}
"""
    assert "+12015560188" in InProcessServer(tmp_path, flow).send_request().text
