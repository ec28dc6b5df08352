"""Serves sounds: those of authors, and a generated beep for dialects without a tone."""

from __future__ import annotations

import functools
import io
import math
import struct
import wave
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from callflows.flows.source.sound_library import MEDIA_URL_PREFIX, find_sound_file

if TYPE_CHECKING:
    from pathlib import Path


_SOUND_HEADERS: Final = {
    "cache-control": "no-cache",  # a cache may keep a sound, and asks by its ETag whether it was replaced
    "x-content-type-options": "nosniff",
}
_MEDIA_TYPES: Final = {".wav": "audio/wav", ".mp3": "audio/mpeg"}
_DESCRIPTION: Final[dict[str, Any]] = {"content": {media_type: {} for media_type in _MEDIA_TYPES.values()}}


def create_sound_router(flow_folder: Path, beep_path: str) -> APIRouter:
    """Serve the sounds of a folder of flows under ``/media/…``, and the beep unless the folder has one of its name."""
    router = APIRouter()
    beep = render_beep()
    static_files = StaticFiles(directory=flow_folder, check_dir=False)

    @router.get(
        MEDIA_URL_PREFIX + "{name:path}",
        summary="A sound of the folder sounds, or the beep",
        response_class=FileResponse,
        responses={200: _DESCRIPTION},
    )
    @router.head(MEDIA_URL_PREFIX + "{name:path}", include_in_schema=False)
    async def media_sound(name: str, request: Request) -> Response:
        file = await run_in_threadpool(find_sound_file, flow_folder, name)
        if file is None and f"{MEDIA_URL_PREFIX}{name}" == beep_path:
            return Response(beep, media_type="audio/wav", headers={"cache-control": "public, max-age=86400"})
        if file is None:
            raise HTTPException(404, "there is no such sound")
        sound = FileResponse(file, media_type=_MEDIA_TYPES[name[-4:].lower()], headers=_SOUND_HEADERS)
        try:
            sound.set_stat_headers(await run_in_threadpool(file.stat))
        except OSError:
            raise HTTPException(404, "there is no such sound") from None
        is_known = static_files.is_not_modified(sound.headers, request.headers)
        return NotModifiedResponse(sound.headers) if is_known else sound

    return router


@functools.cache
def render_beep(hz: int = 1000, seconds: float = 0.4, rate: int = 8000) -> bytes:
    """Return a WAV file of a tone; the tone fades in and out within 10 ms to avoid a click."""
    samples, fade = int(seconds * rate), rate // 100
    levels = (min(1.0, i / fade, (samples - 1 - i) / fade) * 0.4 for i in range(samples))
    wave_form = [int(32767 * level * math.sin(2 * math.pi * hz * i / rate)) for i, level in enumerate(levels)]
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(struct.pack(f"<{samples}h", *wave_form))
    return file.getvalue()
