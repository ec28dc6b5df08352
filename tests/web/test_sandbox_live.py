"""Author code that never ends, on a server that also serves other calls."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING

import pytest
from in_process_server import CALL_FIELDS, list_spoken_texts, read_document
from test_serve_process import TOKEN, serving

from waiting import wait_until

if TYPE_CHECKING:
    import httpx

LOOPS = (
    "{% for a in 'xxxxxxxxxx' * 999 %}{% for b in 'xxxxxxxxxx' * 999 %}{% for c in 'xxxxxxxxxx' * 999 %}"
    "{% if c == 'y' %}z{% endif %}{% endfor %}{% endfor %}{% endfor %}"
)
SORRY = "fallback:\n  - say: {name} is sorry.\n"
FILES = {
    "loops.yaml": f'numbers: +12015550171\nnodes:\n  start:\n    - say: "{LOOPS}"\n' + SORRY.format(name="Loops"),
    "power.yaml": 'numbers: +12015550172\nnodes:\n  start:\n    - say: "{{ 9 ** (9 ** 9) }}"\n'
    + SORRY.format(name="Power"),
    "xml.yaml": "numbers: +12015550173\ntemplate: xml.xml.j2\n" + SORRY.format(name="Xml"),
    "xml.xml.j2": f"<Response>{LOOPS}</Response>",
    "stuck.py": """
from callflows import Response, Say, flow
stuck = flow("stuck", numbers=["+12015550174"], fallback=Response(Say("Stuck is sorry.")))

@stuck.node
async def start(turn):
    while True:
        pass
""",
    "fine.py": """
from callflows import Gather, Response, Say, flow
fine = flow("fine", numbers=["+12015550175"])

@fine.node
async def start(turn):
    return Response(Say(f"Hello {turn.caller.national}."), Gather(dtmf_length=1, url=turn.url("more", n=[1, "a"])))

@fine.node
async def more(turn):
    return Response(Say(f"{turn.digits} {turn.values['n']} {turn.caller.number}"))
""",
    "curious.py": """
import os
from callflows import Response, Say, flow
curious = flow("curious", numbers=["+12015550178"])
at_load = sum(name.startswith("CALLFLOWS_") for name in os.environ)

@curious.node
async def start(turn):
    return Response(Say(f"{at_load} {sum(name.startswith('CALLFLOWS_') for name in os.environ)}"))
""",
    "loud.xml.j2": "<Response><Say>Hello {{ caller.name }}<b>{{ digits }}</b></Say></Response>",
    "loud.yaml": "numbers: +12015550176\ntemplate: loud.xml.j2\n" + SORRY.format(name="Loud"),
    "good.xml.j2": "<Response>{% macro say(x) %}<Say>{{ x }}</Say>{% endmacro %}"
    "{{ say(caller.number ~ '<&>') }}</Response>",
    "good.yaml": "numbers: +12015550177\ntemplate: good.xml.j2\n",
}


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    folder = tmp_path_factory.mktemp("apart")
    with serving(folder, token=TOKEN, deadline_ms="2000") as served:
        for name in sorted(FILES, reverse=True):
            (folder / "callflows" / name).write_text(FILES[name], encoding="utf-8")
        files = sum(file.suffix in (".yaml", ".py") for file in (folder / "callflows").iterdir())

        def are_read() -> bool:
            # A file that is read while it is written may be broken for a moment.
            status = served.http.get("/readyz").json()
            return status["broken"] == ["loud"] and status["flows"] + len(status["broken"]) == files

        wait_until(are_read, "the flows")
        yield served.http


def rung(http: httpx.Client, number: str) -> httpx.Response:
    return http.get("/call", params={**CALL_FIELDS, "to": number, "token": TOKEN}, timeout=20)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("+12015550171", "Loops is sorry."),
        ("+12015550172", "Power is sorry."),
        ("+12015550173", "Xml is sorry."),
        ("+12015550174", "Stuck is sorry."),
        ("+12015550176", "Loud is sorry."),
    ],
)
def test_what_does_not_end_or_gives_no_document_costs_its_own_caller_the_fallback(http, number, said):
    assert list_spoken_texts(read_document(rung(http, number))) == [said]


def test_templates_and_programs_answer(http):
    assert list_spoken_texts(read_document(rung(http, "+12015550177"))) == ["+12015550999<&>"]
    reply = rung(http, "+12015550175")
    assert list_spoken_texts(read_document(reply)) == ["Hello (201) 555-0999."]
    url = reply.text.partition('url="')[2].partition('"')[0].replace("&amp;", "&")
    assert list_spoken_texts(read_document(http.get(f"{url}&dtmf=7&from=%2B12015550999"))) == ["7 [1, 'a'] +12015550999"]
    assert http.get(url.replace("/more?", "/start?")).status_code == 403


def test_a_program_sees_no_setting_and_so_no_key_of_the_installation(http):
    assert list_spoken_texts(read_document(rung(http, "+12015550178"))) == ["0 0"]


def test_others_are_answered_while_many_are_stuck(http):
    with concurrent.futures.ThreadPoolExecutor(max_workers=24) as crowd:
        stuck = [crowd.submit(rung, http, f"+1201555017{digit}") for digit in (1, 2, 3, 4) * 3]
        templates = []
        while not all(one.done() for one in stuck):
            assert list_spoken_texts(read_document(rung(http, "12015550123")))[0] == "Hello  from +12015550999."
            templates += list_spoken_texts(read_document(rung(http, "+12015550177")))
        assert "+12015550999<&>" in templates, "a busy machine is late for some, but not for all"
        assert all("is sorry." in list_spoken_texts(read_document(one.result()))[-1] for one in stuck)
    counted = http.get("/metrics", params={"token": TOKEN}).text
    replaced = next(
        line
        for line in counted.splitlines()
        if line.startswith('callflows_sandbox_processes_ended_total{cause="replaced"}')
    )
    assert float(replaced.split()[-1]) > 0, "what could not be stopped is counted"
