"""Reports of Opentact's, read off the samples and made in numbers; the shape in which the journal takes them."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callflows.telephony.events import PlatformEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES = Path(__file__).parent / "samples"
CALLER, NUMBER = "+12015550999", "+12015550123"
CALL = "3b206fb6-a5b7-4d62-8a3a-02d9e1880001"
START = datetime(2026, 2, 19, 16, 24, 45, 961000, tzinfo=UTC).timestamp()
SECONDS_BETWEEN_CALLS = 7
"""Seconds between two calls of many."""


def load_sample(name: str) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return sample


def build_platform_event(raw: dict[str, Any], source: str = "wss") -> PlatformEvent:
    """A report in either envelope, as the reader of events makes it."""
    payload = raw.get("payload") if isinstance(raw.get("payload"), dict) else {}
    old = "timestamp" in raw
    call = raw.get("call") or payload.get("call") or (payload if raw["type"] == "call_state" and old else {})
    sms = payload if raw["type"] == "sms" else {}
    state = payload.get("state") or call.get("state") or sms.get("state") or ""
    at = datetime.fromisoformat(raw.get("timestamp") or raw["created_on"]).timestamp()
    key = raw.get("uuid") or f"{raw['type']}/{call.get('uuid') or sms.get('uuid')}/{state}/{raw['timestamp']}"
    seconds = None if old else payload.get("duration")
    step = raw.get("call_flow") or payload.get("command") or {}
    return PlatformEvent(raw["type"], key, at, raw, raw.get("message", ""), state, seconds, call, step, sms, source)


def load_sample_events() -> list[PlatformEvent]:
    """Every sample that is an event."""
    return [build_platform_event(load_sample(file.stem)) for file in sorted(SAMPLES.glob("event-*.json"))]


def generate_platform_events(count: int, calls: int = 0) -> Iterator[PlatformEvent]:
    """Reports of calls that come one after another, five of each call, with a uuid, a caller and a moment of its own."""
    shapes = [load_sample(name) for name in ("event-2024-call-init", "event-2024-call-live", "event-2024-call-destroyed")]
    shapes = [shapes[0], shapes[1], load_sample("event-2024-call-flow-dial-failed"), shapes[1], shapes[2]]
    for number in range(count):
        call, step = divmod(number, len(shapes))
        raw = copy.copy(shapes[step])
        raw["uuid"] = f"event-{calls + call}-{step}"
        caller = f"+1201555{call % 10_000:04}"
        raw["call"] = {
            **raw["call"],
            **_shift_moments(raw["call"], call * SECONDS_BETWEEN_CALLS),
            "uuid": f"call-{calls + call}",
            "from": caller,
        }
        yield build_platform_event(raw)


def _shift_moments(call: dict[str, Any], seconds: int) -> dict[str, str]:
    """A call's moments, some seconds later."""
    return {
        name: (datetime.fromisoformat(at) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
        for name, at in call.items()
        if name.endswith("_on") and at
    }
