"""Small sound files for tests."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_wav(seconds: float = 0.5, *, code: int = 1, rate: int = 8000) -> bytes:
    """A WAV file of silence with 8 bits a sample."""
    data = b"\x80" * int(seconds * rate)
    form = struct.pack("<HHIIHH", code, 1, rate, rate, 1, 8)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def make_mp3(frames: int = 50, *, tag: int = 0) -> bytes:
    """An MP3 file of 128 kbit/s, 44100 Hz; with a tag of that many bytes before it."""
    head = (
        b"ID3\x04\x00\x00" + bytes([tag >> 21 & 127, tag >> 14 & 127, tag >> 7 & 127, tag & 127]) + b"\xff" * tag
        if tag
        else b""
    )
    return head + (b"\xff\xfb\x90\xc4" + b"\0" * 413) * frames


def put_sound(folder: Path, name: str, content: bytes = b"") -> Path:
    """A sound in the folder of the sounds beside flow files."""
    file = folder / "sounds" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content or make_wav())
    return file
