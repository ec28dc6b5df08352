"""Recordings for the player of a page: fetched once by the server, then served in ranges. No page has Opentact's URL."""

from __future__ import annotations

import asyncio
import collections
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import Response

from callflows.errors import BlockedRequestError, OutboundRequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.settings import IPNetwork


MAX_RECORDING_BYTES: Final = 30_000_000
_MAX_KEPT_BYTES: Final = 60_000_000
_FETCH_SECONDS: Final = 20.0
_MAX_REDIRECTS: Final = 3
_RANGE_PATTERN: Final = re.compile(r"bytes=(\d{0,12})-(\d{0,12})")
_TYPES_BY_BEGINNING: Final = (
    (b"RIFF", "audio/wav"), (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"),
    # Frames of MP3 without tags: MPEG 1, MPEG 2 and MPEG 2.5, the last for the 8 kHz of telephones.
    *((bytes([0xFF, second]), "audio/mpeg") for second in (0xFA, 0xFB, 0xF2, 0xF3, 0xE2, 0xE3)),
)  # fmt: skip
"""The first bytes of kinds of sounds: a page of another server is never passed on as a sound."""


class Recording(NamedTuple):
    body: bytes
    media_type: str


class RecordingFetcher:
    """Fetches recordings, and keeps the last ones in memory for further ranges of the same player."""

    def __init__(self, private_networks: Sequence[IPNetwork]) -> None:
        self._private_networks = private_networks
        self._kept: collections.OrderedDict[str, Recording] = collections.OrderedDict()
        self._lock = asyncio.Lock()

    async def serve_recording(self, id_: str, url: str, range_header: str) -> Response:
        """Answer a request of a player. Raises HTTPException if the recording cannot be had."""
        recording = self._kept.get(id_)
        if recording is None:
            async with self._lock:  # one fetch, also if a player asks for several ranges at once
                recording = self._kept.get(id_)
                if recording is None:
                    recording = await self._fetch_recording(url)
                    self._keep(id_, recording)
        return _build_range_response(recording, range_header)

    def _keep(self, id_: str, recording: Recording) -> None:
        self._kept[id_] = recording
        while len(self._kept) > 1 and sum(len(stored.body) for stored in self._kept.values()) > _MAX_KEPT_BYTES:
            self._kept.popitem(last=False)

    async def _fetch_recording(self, url: str) -> Recording:
        from callflows.effects.address_guard import AddressGuard  # noqa: PLC0415 - heavy, and few ask for recordings
        from callflows.effects.guarded_http import GuardedClient  # noqa: PLC0415 - as above

        client = GuardedClient(AddressGuard(self._private_networks), max_connections=2, max_per_host=2)
        try:
            target = client.parse_url(url)
            for _ in range(_MAX_REDIRECTS + 1):
                answer = await client.send_request(
                    "GET", target, {"host": target.netloc}, b"", max_bytes=MAX_RECORDING_BYTES, seconds=_FETCH_SECONDS
                )
                next_target = client.find_redirect_target(target, answer)
                if next_target is None:
                    break
                target = next_target
        except (BlockedRequestError, OutboundRequestError) as error:
            raise HTTPException(502, f"The recording cannot be fetched: {error}.") from None
        finally:
            await client.close()
        media_type = next((kind for first, kind in _TYPES_BY_BEGINNING if answer.body.startswith(first)), "")
        if not answer.is_success or not media_type:
            reason = "it is no sound" if answer.is_success else f"its server answers with status {answer.status}"
            raise HTTPException(502, f"The recording cannot be fetched: {reason}.")
        return Recording(answer.body, media_type)


def _build_range_response(recording: Recording, range_header: str) -> Response:
    """Answer with the asked part of a recording (RFC 9110), or with the whole."""
    headers = {"accept-ranges": "bytes", "cache-control": "private, no-store"}
    size = len(recording.body)
    asked = _RANGE_PATTERN.fullmatch(range_header.strip())
    if asked is None or not (asked[1] or asked[2]):
        return Response(recording.body, media_type=recording.media_type, headers=headers)
    first = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
    last = min(int(asked[2]), size - 1) if asked[1] and asked[2] else size - 1
    if first > last:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    return Response(recording.body[first : last + 1], 206, headers, recording.media_type)
