"""Calls in a user's own tests, with pytest and without."""

from __future__ import annotations

import sys

import pytest
from test_scenarios import FLOW

from callflows.errors import FlowFileError, ScenarioError
from callflows.testing import RehearsalPhone, rehearse
from waiting import run_bounded, run_process

NUMBER = "+12015550123"
AT = "2026-11-23 10:00"


@pytest.fixture
def flows(tmp_path):
    (tmp_path / "acme.yaml").write_text(FLOW)
    return tmp_path


def test_a_call_is_rung_in_one_line_and_tells_what_the_caller_met(flows):
    call = rehearse(flows, NUMBER, at=AT, keys=1, caller_name="Ann", lookups={"who": {"vip": True, "name": "Ann"}})
    call.says("Welcome to Acme, Ann", "/^Press 1/")
    call.never_says("closed")
    call.expects({"lookup": "who"}, {"dial": "sales"}, {"outcome": "hung-up"})
    assert call.dial_targets == [["+12015550188", "ann@acme.sip.opentact.org"]]
    assert call.nodes == ["start", "sales"]
    assert call.sms_messages[0]["text"] == "A VIP is calling: Ann"
    assert (call.flow, call.outcome, call.recording_tags, call.webhooks) == ("acme", "hung-up", [], [])
    assert call.spoken_texts[0].startswith("Welcome")


@pytest.mark.parametrize(
    ("keys", "collected"),
    [
        ("1234,1", "1234"),
        ("1234,,1", "1234"),
        (["1234", "1"], "1234"),
        ("1234#,1", "1234"),
        ("12345678,1", "12345678"),
        (["1234", {"wait": "1s"}, "5", "1"], "12345"),
        (["1234", {"wait": "8s"}, "1"], "1234"),
        ("12341", "12341"),
    ],
)
def test_a_comma_waits_for_the_end_of_an_input(tmp_path, keys, collected):
    (tmp_path / "acme.yaml").write_text(
        "numbers: [+12015550123]\nnodes:\n  start:\n"
        "    - collect: {into: pin, digits: 4-8, prompt: Your PIN., stop: '#', timeout: 5s}\n"
        "    - say: You said {{ pin }}.\n"
        "    - menu: {prompt: Press 1., keys: {1: one}}\n  one: [say: One it is.]\n"
    )
    call = rehearse(tmp_path, NUMBER, keys=keys)
    call.says(f"You said {collected}.")
    if keys in ("1234,1", "1234#,1", "12345678,1", ["1234", "1"]):
        call.says("Press 1.", "One it is.")


def test_a_caller_who_hangs_up_after_digits_is_heard_first(tmp_path):
    (tmp_path / "acme.yaml").write_text(
        "numbers: [+12015550123]\nnodes:\n  start:\n"
        "    - collect: {into: pin, digits: 4-8, prompt: Your PIN.}\n    - say: You said {{ pin }}.\n"
        "    - menu: {prompt: Press 1., keys: {1: one}}\n  one: [say: One it is.]\n"
    )
    rehearse(tmp_path, NUMBER, keys="1234,hangup").says("You said 1234.", "Press 1.")


@pytest.mark.parametrize("digits", ["2015550123", "2015550124"])
def test_a_call_that_would_dial_a_number_of_ours_goes_its_way_on(tmp_path, digits):
    (tmp_path / "acme.yaml").write_text(
        "numbers: [+12015550123]\ndial_policy: {regions: [US]}\nnodes:\n  start:\n"
        "    - collect: {into: wanted, digits: 10, prompt: Dial.}\n"
        "    - dial: {to: '+1{{ wanted }}', no_answer: nobody}\n  nobody: [say: Nobody is there.]\n"
    )
    (tmp_path / "other.yaml").write_text("numbers: [+12015550124]\nnodes: {start: [say: Hello.]}\n")
    call = rehearse(tmp_path, NUMBER, keys=digits)
    assert call.dial_targets == []
    call.says("Nobody is there.")
    assert rehearse(tmp_path, NUMBER, keys="2015550188").dial_targets == [["+12015550188"]]


@pytest.mark.parametrize("answer", [{"error": "no such customer"}, "<html>Log in</html>", "", None, [1]])
def test_an_answer_of_another_shape_fails_in_a_rehearsal_as_in_a_live_call(tmp_path, answer):
    (tmp_path / "acme.yaml").write_text(
        "numbers: [+12015550123]\nnodes:\n  start:\n"
        "    - lookup: {url: 'https://crm.example.com/', into: who, default: {vip: false}, otherwise: down}\n"
        "    - say: Found.\n  down: [say: Not found.]\n"
    )
    rehearse(tmp_path, NUMBER, lookups={"who": answer}).says("Not found.")
    rehearse(tmp_path, NUMBER, lookups={"who": {"vip": True}}).says("Found.")


def test_what_is_not_so_is_told_with_the_whole_call(flows):
    call = rehearse(flows, NUMBER, at=AT, keys="2", callee="busy")
    with pytest.raises(AssertionError, match=r"(?s)expected say: Goodbye: the nearest Say.*0:00  “Welcome"):
        call.says("Goodbye")
    with pytest.raises(AssertionError, match="the call has this step"):
        call.never_says("Leave a message")
    with pytest.raises(ScenarioError, match="did you mean 'dial'"):
        call.expects({"dail": "sales"})


def test_what_is_used_wrongly_is_told(flows):
    for given, said in [
        ({"key": "1"}, "did you mean 'keys'"),
        ({"keys": "x"}, "are not keys"),
        ({"at": "noon"}, "is not a time"),
        ({"callee": "never"}, "not an action of a callee"),
    ]:
        with pytest.raises(ScenarioError, match=said):
            rehearse(flows, NUMBER, **given)
    with pytest.raises(ScenarioError, match="no flow answers"):
        rehearse(flows, "+12015550199")


def test_a_flow_that_is_wrong_or_falls_is_an_error(flows):
    (flows / "acme.yaml").write_text(FLOW.replace("otherwise: message", "otherwise: massage"))
    with pytest.raises(FlowFileError, match="no node is named 'massage'"):
        rehearse(flows, NUMBER)
    (flows / "acme.yaml").write_text('numbers: rest\nnodes: {start: [say: "{{ 1 / (caller.calls_today - 1) }}"]}\n')
    with pytest.raises(AssertionError, match="the caller got the fallback"):
        rehearse(flows, NUMBER)


def test_a_program_is_rung_like_any_flow_also_from_a_loop_that_runs(tmp_path):
    (tmp_path / "acme.py").write_text(
        'from callflows import Response, Say, Turn, flow\nacme = flow("acme", numbers=["+12015550124"])\n'
        '@acme.node\nasync def start(turn: Turn) -> Response:\n    return Response(Say(f"Hello {turn.caller.name}."))\n'
    )
    calls = RehearsalPhone(tmp_path)

    async def inside():
        return calls.ring("+12015550124", caller_name="Ann")

    assert run_bounded(inside()).spoken_texts == ["Hello Ann."]
    assert calls.ring("+12015550124").nodes == ["start"]


def test_pytest_has_the_fixture(flows, tmp_path_factory):
    written = tmp_path_factory.mktemp("their") / "test_acme.py"
    written.write_text(
        "def test_sales(rehearse):\n"
        f"    rehearse('{NUMBER}', flows='{flows}', at='{AT}', keys='1').says('Welcome')\n"
        "def test_wrong(rehearse):\n"
        f"    rehearse('{NUMBER}', flows='{flows}', at='{AT}', keys='1').says('Nonsense')\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", str(written)]
    done = run_process(command, cwd=flows)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "expected say: Nonsense" in done.stdout
