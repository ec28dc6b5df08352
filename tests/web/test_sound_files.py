"""Sounds over HTTP: what is served, how it is cached, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from in_process_server import DESK, OPENTACT_ADDRESS, build_settings, send_request

from callflows.server import create_app
from sound_makers import make_mp3, make_wav, put_sound

if TYPE_CHECKING:
    from pathlib import Path

    from callflows.web.call_endpoint import CallEndpoint


@pytest.fixture
def flows(tmp_path) -> Path:
    (tmp_path / "desk.yaml").write_text(DESK, encoding="utf-8")
    return tmp_path


@pytest.fixture
def app(flows) -> CallEndpoint:
    put_sound(flows, "welcome.wav", make_wav(1))
    put_sound(flows, "es/hola amigo.mp3", make_mp3())
    (flows / "secret.wav").write_bytes(make_wav())
    (flows / "sounds" / "link.wav").symlink_to(flows / "secret.wav")
    return create_app(build_settings(flows=flows, token=["t"]))


def test_a_sound_is_served_to_opentact_without_a_token(app):
    reply = send_request(app, "/media/welcome.wav", client=OPENTACT_ADDRESS)
    assert (reply.status_code, reply.content) == (200, make_wav(1))
    assert reply.headers["content-type"] == "audio/wav"
    reply = send_request(app, "/media/es/hola%20amigo.mp3", client=OPENTACT_ADDRESS)
    assert (reply.headers["content-type"], reply.content) == ("audio/mpeg", make_mp3())
    assert send_request(app, "/media/welcome.wav", method="HEAD").content == b""


def test_a_part_of_a_sound_is_served(app):
    reply = send_request(app, "/media/welcome.wav", headers={"range": "bytes=44-53"})
    assert (reply.status_code, reply.content) == (206, make_wav(1)[44:54])
    assert send_request(app, "/media/welcome.wav", headers={"range": "bytes=99999-"}).status_code == 416


def test_a_cache_asks_again_and_gets_a_replaced_sound(app, flows):
    first = send_request(app, "/media/welcome.wav")
    assert first.headers["cache-control"] == "no-cache"
    known = {"if-none-match": first.headers["etag"]}
    assert send_request(app, "/media/welcome.wav", headers=known).status_code == 304
    put_sound(flows, "welcome.wav", make_wav(2))
    again = send_request(app, "/media/welcome.wav", headers=known)
    assert (again.status_code, again.content) == (200, make_wav(2))


@pytest.mark.parametrize(
    "path",
    [
        "/media/nothing.wav",
        "/media/link.wav",
        "/media/../secret.wav",
        "/media/%2e%2e/secret.wav",
        "/media/..%2fsecret.wav",
        "/media//etc/passwd",
        "/media/es",
        "/media/welcome.wav%00",
        "/media/",
        "/media/" + "a" * 3000 + ".wav",
        "/media/acme.yaml",
    ],
)
def test_nothing_but_sounds_of_the_folder_is_served(app, path):
    reply = send_request(app, path)
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"


def test_a_sound_named_like_our_beep_takes_its_place(app, flows):
    assert len(send_request(app, "/media/beep.wav").content) > 1000
    put_sound(flows, "beep.wav", make_wav(0.3))
    assert send_request(app, "/media/beep.wav").content == make_wav(0.3)
