"""Generated sounds for dialects without a tone."""

from __future__ import annotations

import io
import math
import struct
import wave

from fastapi import APIRouter
from fastapi.responses import Response


class _WaveResponse(Response):
    media_type = "audio/wav"


def create_sound_router(beep_path: str) -> APIRouter:
    """Serve the beep under ``/media/…``."""
    router = APIRouter()
    sound = render_beep()

    @router.get(beep_path, summary="A beep, for a dialect without a tone", response_class=_WaveResponse)
    async def media_beep() -> Response:
        return _WaveResponse(sound, headers={"cache-control": "public, max-age=86400"})

    return router


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
