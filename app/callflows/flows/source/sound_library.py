"""Sound files of authors, in the folder ``sounds`` beside the flow files: names, URLs, and the check of their content."""

from __future__ import annotations

import functools
import os
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from callflows.atomic_files import open_plain_file
from callflows.language.attribute_doubts import SOUND_FILE_SUFFIXES
from callflows.text import find_nearest

if TYPE_CHECKING:
    from collections.abc import Iterator


SOUNDS_FOLDER: Final = "sounds"
"""Folder of the sounds, beside the flow files."""
MEDIA_URL_PREFIX: Final = "/media/"
"""Path under which the server serves the sounds."""
MAX_SOUND_BYTES: Final = 16 * 1024 * 1024
"""Size of the largest sound that is served: 17 minutes in telephone quality."""
_MAX_NAME_CHARACTERS: Final = 200
_MAX_LISTED_SOUNDS: Final = 2000
_MIN_NAME_SIMILARITY: Final = 0.85
_LONG_SOUND_SECONDS: Final = 300
_SHORT_SOUND_SECONDS: Final = 0.1
_FORBIDDEN_NAME_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f\\:{}?#%*|<>\"]")
_CONVERT_FIX: Final = "save it as WAV with 8000 Hz, mono, 16 bits: ffmpeg -i OLD -ar 8000 -ac 1 NEW.wav"


class SoundProblem(NamedTuple):
    """A problem of a sound. ``is_error``: the sound cannot be played at all."""

    rule: str
    message: str
    fix: str
    is_error: bool


class SoundInspection(NamedTuple):
    """The result of reading a sound. ``seconds`` is None if the length is not known."""

    seconds: float | None
    problems: tuple[SoundProblem, ...] = ()

    @property
    def is_playable(self) -> bool:
        return not any(problem.is_error for problem in self.problems)


def is_sound_name(value: object) -> bool:
    """Return True if a plain value of ``play`` names a sound; all other values are URLs."""
    return isinstance(value, str) and "://" not in value and bool(value.strip())


def suggest_sound_key(url: object) -> str:
    """Return the fix for a file under ``url`` that is a sound of the folder; an empty text for any other value."""
    if not isinstance(url, str) or not is_sound_name(url) or not url.lower().endswith(SOUND_FILE_SUFFIXES):
        return ""
    if "{" in url or _HOST_AND_PATH.fullmatch(url):
        return ""
    return f"a file of the folder {SOUNDS_FOLDER} is sound: {_strip_folder(url)}"


def _strip_folder(name: str) -> str:
    """Return a path without the folder of the sounds: ``./sounds/es/welcome.wav`` is ``es/welcome.wav``."""
    return name.lstrip("./").removeprefix(f"{SOUNDS_FOLDER}/")


def _suggest_sound_name(name: str) -> str:
    """Return the fix for a path of a sound, and for a URL without its scheme; an empty text for any other name."""
    if _HOST_AND_PATH.fullmatch(name):
        return f"a URL begins with its scheme: https://{name.removeprefix('//')}"
    plain = _strip_folder(name)
    is_path = (
        name.startswith(("./", f"{SOUNDS_FOLDER}/", f"/{SOUNDS_FOLDER}/"))
        and ".." not in name
        and not explain_bad_sound_name(plain)
    )
    return f"names are in the folder {SOUNDS_FOLDER}: write {plain}" if is_path else ""


_HOST_AND_PATH: Final = re.compile(r"(?://)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}(?::[0-9]+)?/.+")
"""A URL without its scheme: www.example.com/welcome.mp3."""


def explain_bad_sound_name(name: str) -> str:
    """Return the reason why a name cannot be the name of a sound; an empty text for a usable name."""
    parts = name.split("/")
    if "{{" in name or "{%" in name:
        return "changes from call to call: the name of a sound is written out"
    if name.startswith(("/", "~")) or ".." in parts:
        return "leads out of the folder sounds"
    found = _FORBIDDEN_NAME_CHARACTER.search(name)
    if found:
        return f"has the character {found[0]!r}"
    if any(not part.strip() or part.startswith(".") for part in parts) or len(name) > _MAX_NAME_CHARACTERS:
        return "cannot be the name of a file"
    if not name.lower().endswith(SOUND_FILE_SUFFIXES):
        return "ends neither with .mp3 nor with .wav"
    return ""


def make_sound_path(name: str) -> str:
    """Return the path of a sound's URL."""
    return f"{MEDIA_URL_PREFIX}{quote(name)}"


def parse_sound_url(url: str, origin: str) -> str:
    """Return the name of the sound behind a URL of the server at ``origin``; an empty text for any other URL."""
    parts = urlsplit(url)
    if f"{parts.scheme}://{parts.netloc}" != origin or not parts.path.startswith(MEDIA_URL_PREFIX):
        return ""
    name = unquote(parts.path.removeprefix(MEDIA_URL_PREFIX))
    return "" if explain_bad_sound_name(name) else name


def find_sound_file(folder: Path, name: str) -> Path | None:
    """Return the file of a sound in a folder of flows; None if there is none that may be served.

    A link that leads out of the folder of the sounds is no sound, and neither is a file above the limit.
    """
    if explain_bad_sound_name(name):
        return None
    sounds = folder / SOUNDS_FOLDER
    try:
        file = (sounds / name).resolve(strict=True)
        inside = file.is_relative_to(sounds.resolve(strict=True))
        return file if inside and file.is_file() and file.stat().st_size <= MAX_SOUND_BYTES else None
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return None


def inspect_sound(folder: Path, name: str) -> SoundInspection:
    """Read a sound of a folder of flows, and find its problems."""
    bad = explain_bad_sound_name(name)
    if bad:
        fix = "write the name of a file in the folder sounds: welcome.wav, es/welcome.wav; a URL begins with https://"
        return _refuse_sound("sound-name", f"{name!r} {bad}", _suggest_sound_name(name) or fix)
    path = folder / SOUNDS_FOLDER / name
    try:
        found = path.stat()
    except (OSError, ValueError):
        near = find_nearest(name, [*_iterate_sound_names(folder)], _MIN_NAME_SIMILARITY)
        fix = f"did you mean {near!r}?" if near else f"put the file into the folder {SOUNDS_FOLDER} beside the flow file"
        fix = _suggest_sound_name(name) or fix
        return _refuse_sound("sound-missing", f"there is no sound {name!r} in {SOUNDS_FOLDER}/", fix)
    if found.st_size > MAX_SOUND_BYTES:
        message = f"{name!r} has {found.st_size} bytes, more than {MAX_SOUND_BYTES}"
        return _refuse_sound("sound-format", message, _CONVERT_FIX)
    file = find_sound_file(folder, name)
    if file is None:
        message = f"{name!r} is no file inside {SOUNDS_FOLDER}/"
        return _refuse_sound("sound-missing", message, "put the file itself into the folder, no link to another place")
    return _inspect_cached_sound(file, name, (found.st_mtime_ns, found.st_size, found.st_ino))


def _refuse_sound(rule: str, message: str, fix: str) -> SoundInspection:
    return SoundInspection(None, (SoundProblem(rule, message, fix, is_error=True),))


def _iterate_sound_names(folder: Path) -> Iterator[str]:
    """Yield the names of the sounds in a folder of flows, as far as there are not too many files."""
    sounds, seen = folder / SOUNDS_FOLDER, 0
    for here, folders, files in os.walk(sounds):
        folders.sort()
        for file in sorted(files):
            seen += 1
            if seen > _MAX_LISTED_SOUNDS:
                return
            name = Path(here, file).relative_to(sounds).as_posix()
            if not explain_bad_sound_name(name):
                yield name


@functools.lru_cache(maxsize=4096)
def _inspect_cached_sound(file: Path, name: str, _file_signature: tuple[int, int, int]) -> SoundInspection:
    """Read a sound. The result is cached until the file changes."""
    try:
        with open_plain_file(file) as opened:
            return _inspect_content(name, opened, file.stat().st_size)
    except OSError as error:
        return _refuse_sound("sound-missing", f"{name!r} cannot be read: {error.strerror}", "allow the server to read it")


def _inspect_content(name: str, file: BinaryIO, size: int) -> SoundInspection:
    beginning = file.read(12)
    is_wav = beginning[:4] == b"RIFF" and beginning[8:] == b"WAVE"
    file.seek(0)
    mp3_seconds = None if is_wav else _measure_mp3(file, size)
    if not is_wav and mp3_seconds is None:
        what = "is empty" if not size else "is neither a WAV file nor an MP3 file"
        return _refuse_sound("sound-format", f"{name!r} {what}", _CONVERT_FIX)
    kind = ".wav" if is_wav else ".mp3"
    if not name.lower().endswith(kind):
        message = f"{name!r} is {'a WAV' if is_wav else 'an MP3'} file inside"
        return _refuse_sound("sound-format", message, f"rename it, so that it ends with {kind}")
    if is_wav:
        file.seek(12)
        return _inspect_wav(name, file, size)
    return _inspect_length(name, mp3_seconds or 0.0)


_MAX_WAV_CHUNKS: Final = 1000
_PLAYABLE_WAV_CODES: Final = {1: "PCM", 6: "A-law", 7: "µ-law"}
_EXTENSIBLE_WAV_CODE: Final = 0xFFFE
_WAV_FORMAT_BYTES: Final = 16
_EXTENDED_WAV_FORMAT_BYTES: Final = 26


def _inspect_wav(name: str, file: BinaryIO, size: int) -> SoundInspection:
    """Read the chunks of a WAV file after its header."""
    code = byte_rate = 0
    for _ in range(_MAX_WAV_CHUNKS):
        head = file.read(8)
        if len(head) < 8:  # noqa: PLR2004 - a chunk's name and length
            break
        length = struct.unpack("<I", head[4:])[0]
        if head[:4] == b"fmt ":
            data = file.read(min(length, 64))
            if len(data) < _WAV_FORMAT_BYTES:
                break
            code, _channels, _rate, byte_rate = struct.unpack("<HHII", data[:12])
            if code == _EXTENSIBLE_WAV_CODE and len(data) >= _EXTENDED_WAV_FORMAT_BYTES:
                code = struct.unpack("<H", data[24:26])[0]
            file.seek(length - len(data) + length % 2, os.SEEK_CUR)
        elif head[:4] == b"data":
            # a recorder that streams does not know the length, and writes the largest number
            length = min(length, size - file.tell())
            if not byte_rate:
                break
            return _inspect_length(name, length / byte_rate, _find_code_problems(name, code))
        else:
            file.seek(length + length % 2, os.SEEK_CUR)
    return _refuse_sound("sound-format", f"{name!r} is a WAV file without sound in it", _CONVERT_FIX)


def _find_code_problems(name: str, code: int) -> tuple[SoundProblem, ...]:
    if code in _PLAYABLE_WAV_CODES:
        return ()
    message = f"{name!r} is a WAV file of a rare kind (code {code}), which Opentact may not play"
    return (SoundProblem("sound-format", message, _CONVERT_FIX, is_error=False),)


def _inspect_length(name: str, seconds: float, problems: tuple[SoundProblem, ...] = ()) -> SoundInspection:
    if seconds <= 0:
        return _refuse_sound("sound-format", f"{name!r} has no sound in it", "record it again")
    if seconds > _LONG_SOUND_SECONDS:
        message = f"{name!r} lasts {seconds / 60:.0f} minutes"
        fix = "callers cannot skip it: make it shorter"
        return SoundInspection(seconds, (*problems, SoundProblem("sound-length", message, fix, is_error=False)))
    if seconds < _SHORT_SOUND_SECONDS:
        message = f"{name!r} lasts {seconds * 1000:.0f} ms: nobody hears it"
        return SoundInspection(
            seconds, (*problems, SoundProblem("sound-length", message, "record it again", is_error=False))
        )
    return SoundInspection(seconds, problems)


# MP3: frames with a header of four bytes. The first frame's bit rate counts for all, unless it tells their number.


_MP3_SEARCH_BYTES: Final = 65_536
_MP3_HEADER_BYTES: Final = 4
_ID3_HEADER_BYTES: Final = 10
_MP3_BIT_RATES: Final = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Kilobits per second by index, of MPEG 1 (True) and of MPEG 2 and 2.5, layer 3."""
_MP3_SAMPLE_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Samples per second by index, by the version in the header."""


class _Mp3Frame(NamedTuple):
    byte_count: int
    seconds: float
    bytes_per_second: float


def _measure_mp3(file: BinaryIO, size: int) -> float | None:
    """Return the length of an MP3 file in seconds; None if the file is no MP3."""
    tag = file.read(_ID3_HEADER_BYTES)
    begin = 0
    if tag[:3] == b"ID3" and len(tag) == _ID3_HEADER_BYTES:
        begin = _ID3_HEADER_BYTES + functools.reduce(lambda sum_, part: sum_ << 7 | part & 0x7F, tag[6:], 0)
    file.seek(begin)
    data = file.read(_MP3_SEARCH_BYTES)
    at = data.find(b"\xff")
    while 0 <= at <= len(data) - _MP3_HEADER_BYTES:
        frame = _read_mp3_header(data[at : at + _MP3_HEADER_BYTES])
        end = at + frame.byte_count if frame else 0
        # a single header may be chance; the next frame, or the end of the file, confirms it
        if frame and (end + begin == size or _read_mp3_header(data[end : end + _MP3_HEADER_BYTES])):
            count = _read_mp3_frame_count(data[at:end])
            return count * frame.seconds if count else (size - begin - at) / frame.bytes_per_second
        at = data.find(b"\xff", at + 1)
    return None


def _read_mp3_header(header: bytes) -> _Mp3Frame | None:
    if len(header) < _MP3_HEADER_BYTES or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:  # noqa: PLR2004 - sync, layer 3
        return None
    version, rate_index, sample_index = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    rates = _MP3_BIT_RATES[version == 3]  # noqa: PLR2004 - MPEG 1
    if version not in _MP3_SAMPLE_RATES or not 0 < rate_index < len(rates) or sample_index == 3:  # noqa: PLR2004 - reserved
        return None
    samples, sample_rate = (1152 if version == 3 else 576), _MP3_SAMPLE_RATES[version][sample_index]  # noqa: PLR2004
    bytes_per_second = rates[rate_index] * 125
    byte_count = samples * bytes_per_second // sample_rate + (header[2] >> 1 & 1)
    return _Mp3Frame(byte_count, samples / sample_rate, bytes_per_second)


def _read_mp3_frame_count(frame: bytes) -> int:
    """Return the number of frames of a file with a changing bit rate; 0 if the first frame does not tell it."""
    for mark in (b"Xing", b"Info"):
        at = frame.find(mark)
        if at > 0 and len(frame) >= at + 12 and frame[at + 7] & 1:
            return int.from_bytes(frame[at + 8 : at + 12], "big")
    at = frame.find(b"VBRI")
    return int.from_bytes(frame[at + 14 : at + 18], "big") if at > 0 else 0
