"""The journal never stores tokens, tickets, and the digits of secret steps."""

from __future__ import annotations

import json
import re
import zlib

import pytest
from in_process_server import KEY, InProcessServer

from callflows.journal.journal_rows import build_journal_entries

PIN = "48151"
ASK = "collect: {{into: pin, digits: 5, prompt: Your number., attempts: 1, otherwise: wrong{more}}}"
FLOW = """
numbers: +12015550123
dialect: {dialect}
variables: {{right: "48151"}}
nodes:
  start:
    - {ask}
    - goto: look
  look:
    - when: pin == variables.right
      goto: inside
    - goto: wrong
  inside:
    - set: {{doubled: pin ~ pin}}
    - say: You pressed {{{{ pin }}}}.
    - goto: menu
  menu:
    - menu: {{prompt: Press 1 to hear it again., keys: {{1: menu, 2: again}}, attempts: 1, otherwise: wrong}}
  again:
    - say: It is {{{{ pin }}}}, twice {{{{ doubled }}}}.
  wrong:
    - say: That is not it.
"""
SECRET = ", secret: true"  # noqa: S105 - a key of a step


def back(reply):
    """The URLs of a document that lead back, in either dialect."""
    return [url.replace("&amp;", "&") for url in re.findall(r'(?:url|callback)="([^"]*/call/[^"]*)"', reply.text)]


class Kept:
    """A door whose answers are put into rows, as the journal does."""

    def __init__(self, folder, more="", dialect="reference", flow=FLOW, **given):
        self.answers = []
        flow = flow.format(ask=ASK.format(more=more), dialect=dialect) if flow is FLOW else flow
        self.door = InProcessServer(folder, flow, record_answer=self.answers.append, **given)

    def turn(self, number=-1):
        rows = dict(build_journal_entries(self.answers[number]))
        return rows["turns"]

    def everything(self):
        """All that is kept, documents too."""
        rows = [row for answer in self.answers for _, row in build_journal_entries(answer)]
        values = [value for row in rows for value in row.values()]
        return "\n".join(zlib.decompress(v).decode() if isinstance(v, bytes) else str(v) for v in values)

    def walk(self, **pressed):
        """From the first turn through each that the documents lead to."""
        reply = self.door.send_request()
        seen = set()
        while fresh := [url for url in back(reply) if url.partition("?")[0] not in seen]:
            seen.add(fresh[0].partition("?")[0])
            reply = self.press(fresh[0], **pressed)
            pressed = {}

    def press(self, url, **fields):
        return self.door.send_request("&".join([url, *(f"{name}={value}" for name, value in fields.items())]))


def test_the_digits_of_a_secret_step_are_nowhere(tmp_path):
    kept = Kept(tmp_path, SECRET)
    kept.walk(dtmf=PIN)
    assert len(kept.answers) >= 3
    everything = kept.everything()
    assert PIN not in everything
    assert "dtmf=••••" in everything
    assert kept.turn(1)["pressed"] == "••••"


def test_the_digits_of_a_secret_step_are_nowhere_in_classic_either(tmp_path):
    kept = Kept(tmp_path, SECRET, "classic")
    kept.walk(code=PIN, success="true")
    assert PIN not in kept.everything()
    assert kept.turn(1)["pressed"] == "••••"


@pytest.mark.parametrize(
    "steps",
    [
        "- set: {a: 'pin ~ \" x\"'}\n    - when: a - 1 > 0\n      say: Never.",
        "- set: {a: 'pin ~ \" x\"', b: '-a'}\n    - say: '{{ b }}'",
        "- say: '{{ (pin ~ \"x\") * 1.5 }}'",
        "- say: '{{ [pin] + 1 }}'",
    ],
)
def test_an_error_about_a_secret_does_not_tell_it(tmp_path, steps):
    flow = f"""numbers: [+12015550123]
nodes:
  start:
    - collect: {{into: pin, digits: 8, prompt: Pin., secret: true, attempts: 1, otherwise: last}}
    {steps}
  last: [say: Bye.]
"""
    kept = Kept(tmp_path, flow=flow)
    kept.walk(dtmf="86429731")
    logged = json.dumps(kept.door.read_log_lines())
    assert "TypeError" in logged
    assert "86429731" not in logged + kept.everything()


def test_the_digits_of_a_step_that_is_not_secret_are_kept(tmp_path):
    kept = Kept(tmp_path)
    kept.walk(dtmf=PIN)
    assert kept.turn(1)["pressed"] == PIN
    assert f"dtmf={PIN}" in kept.turn(1)["query"]
    assert f"You pressed {PIN}." in kept.everything()


@pytest.mark.parametrize("wrong", ["481", "48152", "4815148"])
def test_digits_that_are_not_what_a_secret_step_wants_are_secret_too(tmp_path, wrong):
    kept = Kept(tmp_path, SECRET)
    kept.walk(dtmf=wrong)
    assert f"={wrong}" not in kept.everything()
    assert kept.turn(1)["pressed"] == "••••"


def test_digits_for_a_version_that_is_gone_or_a_turn_that_broke_are_taken_for_secret(tmp_path):
    kept = Kept(tmp_path, SECRET)
    (url,) = back(kept.door.send_request())
    for second in range(25):
        flow = FLOW.format(ask=f"set: {{pin: now.second + {second}}}", dialect="reference")
        (tmp_path / "desk.yaml").write_text(flow, encoding="utf-8")
        kept.door.flow_versions.replace_book(kept.door.load_flows().book)
    kept.press(url, dtmf=PIN)
    broken = FLOW.format(ask=ASK.format(more=SECRET), dialect="reference").replace(
        "pin == variables.right", "1 - caller.name"
    )
    (tmp_path / "desk.yaml").write_text(broken, encoding="utf-8")
    kept.door.flow_versions.replace_book(kept.door.load_flows().book)
    kept.press(back(kept.door.send_request())[0], dtmf=PIN)
    assert PIN not in kept.everything()


def test_a_token_and_a_ticket_are_nowhere(tmp_path):
    kept = Kept(tmp_path, token=("sesame-open",))
    reply = kept.door.send_request(params={"from": "+12015550999", "to": "12015550123", "token": "sesame-open"})
    (url,) = back(reply)
    ticket = url.partition("ticket=")[2].partition("&")[0]
    kept.press(url, dtmf=PIN, token="sesame-open")  # noqa: S106 - of the test
    everything = kept.everything()
    for secret in ("sesame-open", ticket, ticket.split(".")[1], KEY):
        assert secret not in everything
    assert "ticket=••••" in everything
    assert "token=••••" in everything


def test_the_document_is_kept_but_for_its_tickets(tmp_path):
    kept = Kept(tmp_path)
    reply = kept.door.send_request()
    document = zlib.decompress(kept.turn()["document"]).decode()
    assert "Your number." in document
    assert document.count("ticket=") == reply.text.count("ticket=") == 1


def test_what_strangers_ask_is_not_kept(tmp_path):
    kept = Kept(tmp_path, token=("sesame",))
    kept.door.send_request(params={"from": "+12015550999", "to": "12015550123", "token": "guessed"})
    assert build_journal_entries(kept.answers[0]) == []
