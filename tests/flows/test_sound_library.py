"""Sound files: their names, length and content, and links that lead out of their folder."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callflows.flows.source.sound_library import (
    MAX_SOUND_BYTES,
    explain_bad_sound_name,
    find_sound_file,
    inspect_sound,
    make_sound_path,
    parse_sound_url,
)
from sound_makers import make_mp3, make_wav, put_sound


@pytest.mark.parametrize(
    ("content", "name", "seconds"),
    [
        (make_wav(2.5), "a.wav", 2.5),
        (make_wav(0.25, code=7), "a.WAV", 0.25),
        (make_wav(1)[:-4000], "cut.wav", 0.5),
        (make_wav(1).replace(struct.pack("<I", 8000) + b"\x80", b"\xff\xff\xff\x7f\x80", 1), "streamed.wav", 1.0),
        (make_mp3(100), "a.mp3", 2.6),
        (make_mp3(100, tag=5000), "tagged.mp3", 2.6),
        (make_mp3(1), "one.mp3", 0.0),
    ],
)
def test_the_length_of_a_sound_is_read(tmp_path, content, name, seconds):
    put_sound(tmp_path, name, content)
    found = inspect_sound(tmp_path, name)
    assert found.is_playable
    assert found.seconds == pytest.approx(seconds, abs=0.05)


def test_an_mp3_of_changing_bit_rate_tells_the_number_of_its_frames(tmp_path):
    first = bytearray(make_mp3(1))
    first[36:48] = b"Xing" + struct.pack(">II", 1, 1000)
    put_sound(tmp_path, "a.mp3", bytes(first) + make_mp3(20))
    assert inspect_sound(tmp_path, "a.mp3").seconds == pytest.approx(26.12, abs=0.01)


@given(
    content=st.binary(max_size=300),
    begins=st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt ", b"ID3", b"\xff\xfb"]),
)
def test_no_content_breaks_the_reading(tmp_path_factory, content, begins):
    folder = tmp_path_factory.mktemp("any")
    put_sound(folder, "a.wav", begins + content or b"x")
    found = inspect_sound(folder, "a.wav")
    assert found.is_playable is not any(problem.is_error for problem in found.problems)


@pytest.mark.parametrize(
    "name",
    [
        "../a.wav",
        "a/../../b.wav",
        "/etc/a.wav",
        "~/a.wav",
        "a\\b.wav",
        "a\0.wav",
        ".hidden.wav",
        "a//b.wav",
        "a.wav/",
        "a.ogg",
        "",
        "a?.wav",
        "a" * 300 + ".wav",
        "c:a.wav",
    ],
)
def test_a_name_that_is_none_is_refused(tmp_path, name):
    put_sound(tmp_path, "a.wav")
    assert explain_bad_sound_name(name)
    assert find_sound_file(tmp_path, name) is None
    assert not inspect_sound(tmp_path, name).is_playable


@pytest.mark.parametrize("name", ["a.wav", "es/saludo número 1.mp3", "A_B-1.WAV", "a'b&c.mp3"])
def test_a_name_is_found_again_in_its_url(name):
    url = f"https://calls.example.com{make_sound_path(name)}"
    assert parse_sound_url(url, "https://calls.example.com") == name
    assert parse_sound_url(url, "https://other.example.com") == ""


def test_links_out_of_the_folder_and_huge_files_are_no_sounds(tmp_path):
    inside = put_sound(tmp_path, "a.wav")
    (tmp_path / "secret.wav").write_bytes(make_wav())
    (tmp_path / "sounds" / "out.wav").symlink_to(tmp_path / "secret.wav")
    (tmp_path / "sounds" / "in.wav").symlink_to(inside)
    (tmp_path / "sounds" / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "sounds" / "folder.wav").mkdir()
    with (tmp_path / "sounds" / "huge.wav").open("wb") as huge:
        huge.truncate(MAX_SOUND_BYTES + 1)
    assert find_sound_file(tmp_path, "in.wav") == inside
    for name in ("out.wav", "loop.wav", "folder.wav", "huge.wav", "a.wav/b.wav"):
        assert find_sound_file(tmp_path, name) is None, name
        assert not inspect_sound(tmp_path, name).is_playable, name
