from __future__ import annotations

from in_process_server import CALL_FIELDS, KEY, MONDAY, InProcessServer

from callflows.flows.decisions import describe_decisions


def test_every_answer_is_handed_on_with_its_turn_once_it_is_on_its_way(tmp_path):
    answers = []
    door = InProcessServer(tmp_path, clock=lambda: MONDAY, record_answer=answers.append)
    reply = door.send_request()
    (answered,) = answers
    assert (answered.method, answered.path, answered.status) == ("GET", "/call", 200)
    assert answered.query == b"from=%2B12015550999&to=12015550123"
    assert answered.document == reply.content
    assert answered.request_fields["from"] == CALL_FIELDS["from"]
    assert (answered.outcome.kind, answered.outcome.flow, answered.outcome.node) == ("answered", "desk", "start")
    assert answered.outcome.version == door.flow_versions.book.flows["desk"].version
    assert answered.answer_seconds > 0


def test_what_was_decided_can_be_told_of_an_answer(tmp_path):
    answers = []
    flow = "numbers: rest\nnodes:\n  start:\n    - when: caller.anonymous\n      say: Who are you?\n    - say: Hello.\n"
    InProcessServer(tmp_path, flow, record_answer=answers.append).send_request()
    (decision,) = describe_decisions(answers[0].turn)
    assert decision["outcome"] is False


def test_a_stranger_and_an_unknown_number_are_handed_on_too(tmp_path):
    answers = []
    door = InProcessServer(tmp_path, token=(KEY,), record_answer=answers.append)
    door.send_request()
    door.send_request(params={"from": "+12015550999", "to": "12015550199", "token": KEY})
    assert [(answer.status, answer.outcome.kind) for answer in answers] == [(403, "refused"), (200, "unknown-number")]
    assert answers[0].turn is None
