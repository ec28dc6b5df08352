"""The server as ``create_app`` builds it: the routes beside the call door, and wrong flows."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import wave
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from in_process_server import (
    CALL_FIELDS,
    DESK,
    OPENTACT_ADDRESS,
    build_settings,
    is_apology,
    list_callback_urls,
    list_spoken_texts,
    read_document,
    send_request,
)

from callflows.errors import SettingsError
from callflows.server import create_app
from shipped_flows import copy_shipped_flows
from waiting import run_bounded

if TYPE_CHECKING:
    from pathlib import Path

NO_FLOW = "numbers: [+12015550124\n"


@pytest.fixture
def flows(tmp_path) -> Path:
    (tmp_path / "desk.yaml").write_text(DESK, encoding="utf-8")
    return tmp_path


def log_of(app, capsys) -> str:
    """What a server has said, once it has ended."""
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict:
        return next(messages)

    async def send(message: dict) -> None:
        assert message["type"].endswith(".complete"), message

    run_bounded(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))
    return capsys.readouterr().err


def problem(reply) -> dict:
    assert reply.headers["content-type"] == "application/problem+json"
    return json.loads(reply.content)


# Alive and ready


def test_it_says_that_it_is_alive_to_anybody(flows):
    app = create_app(build_settings(flows=flows, token=["t"]))
    assert send_request(app, "/healthz", client="203.0.113.9").json() == {"status": "ok"}


def test_it_is_ready_when_it_has_a_flow(flows):
    reply = send_request(create_app(build_settings(flows=flows, token=["t"])), "/readyz", client="203.0.113.9")
    assert (reply.status_code, reply.json()["flows"]) == (200, 1)


@pytest.mark.parametrize("content", [None, {}, {"acme": NO_FLOW}])
def test_it_is_not_ready_without_any_flow(tmp_path, content):
    folder = tmp_path / "flows"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    app = create_app(build_settings(flows=folder))
    reply = send_request(app, "/readyz")
    assert (reply.status_code, reply.json()["flows"]) == (503, 0)
    assert send_request(app, "/healthz").status_code == 200
    assert is_apology(send_request(app, "/call", params=CALL_FIELDS))


def test_a_file_that_cannot_be_read_at_all_is_broken_beside_those_that_answer(tmp_path):
    (tmp_path / "desk.yaml").write_text(DESK, encoding="utf-8")
    (tmp_path / "torn.yaml").write_text("numbers: [", encoding="utf-8")
    app = create_app(build_settings(flows=tmp_path))
    ready = send_request(app, "/readyz").json()
    assert (ready["flows"], ready["broken"]) == (1, ["torn"])
    assert 'callflows_flows{state="broken"} 1.0' in send_request(app, "/metrics").text


def test_the_shipped_flows_are_served(capsys, tmp_path):
    app = create_app(build_settings(flows=copy_shipped_flows(tmp_path)))
    assert read_document(send_request(app, "/call", params=CALL_FIELDS))
    assert '"level": "error"' not in log_of(app, capsys)


def test_flows_that_send_mails_without_a_mail_server_are_named_at_the_start(tmp_path, capsys):
    mailing = DESK.replace("    - say: Hello", "    - mail: office@example.com\n    - say: Hello", 1)
    (tmp_path / "desk.yaml").write_text(mailing, encoding="utf-8")
    for url, warned in (("", [["desk"]]), ("smtp://mail.example.com", [])):
        app = create_app(build_settings(flows=tmp_path, smtp_url=url, mail_from="phone@example.com" if url else ""))
        lines = [json.loads(line) for line in log_of(app, capsys).splitlines()]
        assert [line["flows"] for line in lines if line["event"].startswith("CALLFLOWS_SMTP_URL is not set")] == warned


# The life of a server


def list_parts_left(work) -> set[str]:
    """The threads and tasks that a server has left behind, once its life has ended with an error."""
    threads = {thread.name for thread in threading.enumerate()}

    async def run() -> set[str]:
        with pytest.raises((SettingsError, ZeroDivisionError)):
            await work()
        own = {asyncio.current_task()}
        return {str(task.get_coro()) for task in asyncio.all_tasks() - own}

    tasks = run_bounded(run())
    return tasks | {thread.name for thread in threading.enumerate() if thread.name not in threads}


def test_an_answer_waits_less_than_a_millisecond_for_another_thread(flows, capsys):
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(0.005)  # as Python has it
        log_of(create_app(build_settings(flows=flows)), capsys)
        assert sys.getswitchinterval() < 0.001
    finally:
        sys.setswitchinterval(before)


def test_a_server_that_fails_stops_all_its_parts(flows):
    app = create_app(build_settings(flows=flows, public_url="http://127.0.0.1:9", line_check_seconds=60))

    async def fail() -> None:
        async with app._other_app.router.lifespan_context(app._other_app):  # noqa: SLF001 - as uvicorn does
            assert "watcher" in {thread.name for thread in threading.enumerate()}
            raise ZeroDivisionError

    assert list_parts_left(fail) == set()


def test_a_server_whose_last_part_cannot_start_stops_the_parts_before(flows):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        app = create_app(build_settings(flows=flows, console_port=other.getsockname()[1]))

        async def fail() -> None:
            async with app._other_app.router.lifespan_context(app._other_app):  # noqa: SLF001 - as uvicorn does
                raise AssertionError

        assert list_parts_left(fail) == set()


# Flows that are wrong


WRONG = {
    "yaml": NO_FLOW,
    "empty": "",
    "a text that is too long": f"numbers: +12015550124\nnodes: {{start: [say: {'x' * 1_100_000}]}}\n",
    "a menu without a prompt": "numbers: rest\nnodes:\n  start:\n    - menu: {prompt: [], keys: {1: start}}\n",
    "a time that is too long": "numbers: rest\nnodes:\n  start:\n    - dial: {to: a@b, timeout: 9999999h}\n",
    "too long a message": "numbers: rest\nnodes:\n  start:\n    - voicemail: {max: 9999999h}\n",
    "a reserved character": 'numbers: rest\nnodes:\n  start:\n    - geo: {county: "\\uFDD00\\uFDD1"}\n',
    "a reserved character in a target": 'numbers: rest\nnodes:\n  start:\n    - dial: "\\uFDD09\\uFDD1@b"\n',
    "a forbidden character in the voice": 'voice: {code: "\\x01"}\nnodes: {start: [menu: {prompt: a, keys: {1: start}}]}\n',
    "a nameless meta": 'numbers: rest\nnodes:\n  start:\n    - dial: {to: a@b, meta: {"": x}}\n',
    "a forbidden character in a meta": 'numbers: rest\nnodes:\n  start:\n    - say: {text: a, meta: {"\\x01": x}}\n',
    "an anchor of itself": "a: &a [*a, *a]\n",
    "not UTF-8": b"numbers: \xff\xfe\n".decode("latin-1"),
    "deep": "nodes: " + "[" * 5000,
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_file_that_is_wrong_costs_nothing_but_its_own_flow(flows, text, capsys):
    (flows / "wrong.yaml").write_text(text, encoding="latin-1")
    app = create_app(build_settings(flows=flows))
    assert (
        list_spoken_texts(read_document(send_request(app, "/call", params=CALL_FIELDS)))[0] == "Hello  from +12015550999."
    )
    assert is_apology(send_request(app, "/call", params={"to": "12015550999"}))
    errors = [line for line in log_of(app, capsys).splitlines() if json.loads(line)["level"] == "error"]
    assert any("wrong.yaml" in line for line in errors)


def test_a_number_claimed_twice_is_an_error_in_the_log_and_the_first_answers(flows, capsys):
    (flows / "wrong.yaml").write_text(DESK.replace("Hello", "Second"), encoding="utf-8")
    app = create_app(build_settings(flows=flows))
    assert (
        list_spoken_texts(read_document(send_request(app, "/call", params=CALL_FIELDS)))[0] == "Hello  from +12015550999."
    )
    assert "number-claimed-twice" in log_of(app, capsys)


def test_what_check_says_between_flows_the_server_says_too(flows, capsys):
    nodes = "nodes: {start: [dial: {to: ['911', +12015550123]}, say: '{{ caller.calls_today }}']}"
    (flows / "other.yaml").write_text(f"timezone: UTC\n{nodes}\n", encoding="utf-8")
    said = log_of(create_app(build_settings(flows=flows)), capsys)
    for rule in ("dial-doubtful", "dial-own", "no-numbers"):
        assert f"[{rule}]" in said


def test_a_server_without_a_token_says_so(flows, capsys):
    assert "CALLFLOWS_TOKEN" in log_of(create_app(build_settings(flows=flows)), capsys)
    assert "CALLFLOWS_TOKEN" not in log_of(create_app(build_settings(flows=flows, token=["t"])), capsys)


# Metrics


def test_the_counters_are_shown_with_a_token_or_on_this_machine(flows):
    app = create_app(build_settings(flows=flows, token=["t"]))
    send_request(app, "/call", params={**CALL_FIELDS, "token": "t"})
    for shown in (
        send_request(app, "/metrics", client=OPENTACT_ADDRESS, params={"token": "t"}),
        send_request(app, "/metrics", client=OPENTACT_ADDRESS, headers={"authorization": "Bearer t"}),
        send_request(app, "/metrics"),
    ):
        assert shown.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert 'callflows_answers_total{flow="desk",outcome="answered"} 1.0' in shown.text


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"params": {"token": "x"}},
        {"headers": {"authorization": "Bearer x"}},
        {"headers": {"authorization": "Basic t"}},
    ],
)
def test_the_counters_are_not_shown_to_strangers(flows, more):
    app = create_app(build_settings(flows=flows, token=["t"]))
    reply = send_request(app, "/metrics", client="203.0.113.9", **more)
    assert (reply.status_code, problem(reply)["status"]) == (403, 403)


def test_the_counters_are_not_shown_to_strangers_behind_a_proxy_on_this_machine(flows):
    app = create_app(build_settings(flows=flows, token=["t"]))
    assert send_request(app, "/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 403


def test_a_monitor_that_asks_with_head_is_answered(flows):
    app = create_app(build_settings(flows=flows, token=["t"], console_password="correct horse battery"))  # noqa: S106 - of the test
    for path in ("/healthz", "/readyz"):
        assert send_request(app, path, method="HEAD", client="203.0.113.9").status_code == 200
    reply = send_request(app, "/console/", method="HEAD")
    assert (reply.status_code, reply.headers["location"].startswith("/console/login")) == (303, True)


# All else


def test_what_is_not_here_is_said_as_problem_details(flows):
    app = create_app(build_settings(flows=flows))
    for path in ("/nothing", "/caller", "/media/nothing.wav"):
        reply = send_request(app, path)
        assert reply.status_code == 404
        assert problem(reply)["status"] == 404
    reply = send_request(app, "/healthz", method="POST")
    assert (reply.status_code, problem(reply)["status"]) == (405, 405)
    assert reply.headers["allow"] == "GET, HEAD"
    reply = send_request(app, "/console/login", method="DELETE")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, POST")


def test_the_beep_of_the_classic_dialect_is_a_sound(flows):
    reply = send_request(create_app(build_settings(flows=flows, token=["t"])), "/media/beep.wav", client=OPENTACT_ADDRESS)
    assert reply.headers["content-type"] == "audio/wav"
    with wave.open(BytesIO(reply.content)) as sound:
        assert (sound.getnchannels(), sound.getframerate()) == (1, 8000)
        assert 0.2 < sound.getnframes() / sound.getframerate() < 1
        assert max(sound.readframes(sound.getnframes())) > 0


def test_the_numbers_of_a_broken_file_are_answered_by_nobody_else(tmp_path):
    bad = "numbers: +12015550401\nnodes: {start: [sya: hi]}\nfallback: [say: We are mending this.]\n"
    for name, text in {"bad": bad, "rest": "numbers: rest\nnodes: {start: [say: Acme.]}\n"}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    app = create_app(build_settings(flows=tmp_path))
    assert "We are mending this." in send_request(app, "/call", params={"from": "+12015550999", "to": "12015550401"}).text
    assert "Acme." in send_request(app, "/call", params={"from": "+12015550999", "to": "12015550402"}).text


def test_the_log_says_that_a_flow_to_which_a_call_goes_on_has_mistakes(tmp_path, capsys):
    (tmp_path / "desk.yaml").write_text("numbers: rest\nnodes: {start: [goto: billing/pay]}\n", encoding="utf-8")
    (tmp_path / "billing.yaml").write_text("nodes: {pay: [goto: nowhere], start: [hangup]}\n", encoding="utf-8")
    app = create_app(build_settings(flows=tmp_path))
    (url,) = list_callback_urls(send_request(app, "/call", params=CALL_FIELDS))
    assert is_apology(send_request(app, url, params=None))
    assert "the flow billing has mistakes, and no good version of it is in use" in log_of(app, capsys)
