"""What each verb does on the line, but for Gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.language import Call, Error, Geo, Meta, RecordStart, RecordWait, Reject, To
from app.rehearsal import platform
from app.rehearsal.conditions import caller_is_in, field_is, is_scheduled
from app.rehearsal.line import NOT_OK, OK, PATIENCE, Ends, Failed, GoesOn, tagged

if TYPE_CHECKING:
    from app.language import (
        Answer,
        Callback,
        Curl,
        Dial,
        Hangup,
        Hold,
        Pause,
        Play,
        Record,
        RecordStop,
        Say,
        Schedule,
        Tone,
    )
    from app.language.element import Element
    from app.rehearsal.interpreter import Interpreter


async def answer(line: Interpreter, command: Answer, path: str) -> None:
    """The line is answered; the delay is waited for behind that."""
    await line.hear("Answer", path, **tagged(command))
    await line.lift()
    await line.lasts("Answer", path, _seconds(command, "delay", 0.0))


async def say(line: Interpreter, command: Say, path: str) -> None:
    """A text is spoken."""
    text = str(command.attributes.get("text", ""))
    voice = {name: command.attributes[name] for name in ("lang", "gender") if name in command.attributes}
    await line.hear("Say", path, text=text, **voice, **_times(command), **_early(line), **tagged(command))
    await line.lasts("Say", path, len(text) * platform.SPEAKING * _loop(command))


async def play(line: Interpreter, command: Play, path: str) -> None:
    """A sound, or a recording of this call. Raises Failed where there is no such recording."""
    recording = command.attributes.get("record")
    if recording is None:
        url = command.attributes["url"]
        await line.hear("Play", path, url=url, **_times(command), **_early(line), **tagged(command))
        await line.lasts("Play", path, platform.PLAYING * _loop(command))
        return
    if recording not in line.recordings:
        raise Failed(f"there is no recording {recording!r}")
    await line.hear("Play", path, record=recording, **_times(command), **tagged(command))
    await line.lasts("Play", path, line.recordings[recording] * _loop(command))


async def pause(line: Interpreter, command: Pause, path: str) -> None:
    """Silence, which a key may end; other keys are kept for the next Gather."""
    length, stop = _seconds(command, "length", 1.0), str(command.attributes.get("dtmf_stop", ""))
    began = line.at
    step = await line.hear("Pause", path, seconds=length, **tagged(command))
    if stop and line.buffer:
        line.rules.decide(platform.EARLY_KEYS)
    over = False
    try:
        if stop:
            over = not await _stopped(line, path, began + length, stop)
            step.update({"result": "over"} if over else {"result": "stopped", "digits": stop})
        else:
            await line.lasts("Pause", path, length)
            over = True
    finally:
        if not over and (stop or line.at > began):  # what is too long to be waited for stays as it was asked for
            step["seconds"] = round(line.at - began, 3)


async def _stopped(line: Interpreter, path: str, until: float, stop: str) -> bool:
    """Whether the key is pressed in time."""
    while True:
        before, key, after = line.buffer.partition(stop)
        if key:
            line.buffer = before + after
            return True
        left = until - line.at
        if left <= 0 or not (pressed := await line.pressed("Pause", path, left, stop)):
            return False
        line.buffer += pressed


async def tone(line: Interpreter, command: Tone, path: str) -> None:
    """A tone, for its cadence as often as it is repeated, at the most its timeout."""
    longest = _seconds(command, "timeout", platform.SOUNDING)
    cadence = _seconds(command, "don", 0.0) + _seconds(command, "doff", 0.0)
    hz = {"hz": command.attributes["hz"]} if "hz" in command.attributes else {}
    await line.hear("Tone", path, **hz, **_early(line), **tagged(command))
    await line.lasts("Tone", path, min(longest, cadence * _loop(command)) if cadence else longest)


async def hold(line: Interpreter, command: Hold, path: str) -> None:
    """The call is held until the timeout, unless a document is pushed, or the caller hangs up."""
    line.rules.decide(platform.HOLD)
    longest = _seconds(command, "timeout", platform.HOLDING)
    began = line.at
    step = await line.hear("Hold", path, seconds=longest, **tagged(command))
    try:
        await line.lasts("Hold", path, longest, sound=False)
    finally:
        step["seconds"] = round(line.at - began, 3)


async def hang_up(line: Interpreter, command: Hangup | Reject, path: str) -> None:
    """The call ends. Raises Ends."""
    if isinstance(command, Reject):
        line.rules.decide(platform.REJECT)
    await line.hear(command.row.name, path, **tagged(command))
    raise Ends("hung-up")


async def record(line: Interpreter, command: Record, path: str) -> None:
    """A recording runs while the commands inside do."""
    tag = str(command.attributes.get("tag", ""))
    longest = _seconds(command, "timeout", float("inf"))
    asr = {"asr": True} if command.attributes.get("asr") else {}
    step = await line.hear("Record", path, **_early(line), **asr, **tagged(command))
    began = line.at
    inside = [child for child in command.children if not isinstance(child, (Error, Meta))]
    try:
        if inside:
            await line.branch(command, path)
        else:
            line.rules.decide(platform.RECORD_EMPTY)
            await line.lasts("Record", path, min(longest, platform.EMPTY_RECORD), sound=False)
    finally:
        seconds = min(line.at - began, longest)
        line.recordings[tag] = seconds
        step["seconds"] = round(seconds, 3)


async def recorder(line: Interpreter, command: RecordStart | RecordStop | RecordWait, path: str) -> None:
    """A recording begins, ends, or is waited for. Raises Failed where none of this tag runs."""
    line.rules.decide(platform.RECORDING)
    tag = str(command.attributes.get("tag", ""))
    if isinstance(command, RecordStart):
        line.recording[tag] = line.at
        await line.hear("RecordStart", path, **tagged(command))
        return
    tag = tag or next(reversed([*line.recordings, *line.recording]), "")  # without one: the last that began
    if tag not in line.recording and tag not in line.recordings:
        raise Failed(f"there is no recording {tag!r}" if tag else "there is no recording")
    step = await line.hear(command.row.name, path, **({"tag": tag} if tag else {}))
    if tag not in line.recording:
        step["result"] = "over already"
        return
    if isinstance(command, RecordWait):
        await line.lasts("RecordWait", path, platform.EMPTY_RECORD, sound=False)
    line.recordings[tag] = line.at - line.recording.pop(tag)
    step["seconds"] = round(line.recordings[tag], 3)


async def dial(line: Interpreter, command: Dial, path: str) -> None:
    """All targets are rung; one that answers is talked to. Raises Failed where none does."""
    if not line.answered:
        line.rules.decide(platform.DIAL_UNANSWERED)
    line.rules.decide(platform.CALLER_ID)
    targets = [str(child.attributes["target"]) for child in command.children if isinstance(child, To)]
    rings = _seconds(command, "timeout", platform.RINGING)
    shown = {"caller_id": line.ringing.from_}
    step = await line.hear("Dial", path, to=targets, **shown, **_recorded(command), **tagged(command))
    taken = await line.callees.ring(targets, path)
    try:
        await line.lasts(
            "Dial", path, rings if taken.result == "no-answer" else min(rings, platform.PICKING_UP), sound=False
        )
    except (Ends, GoesOn):
        step["result"] = "cancelled"
        raise
    step["result"] = taken.result
    if taken.result != "answered":
        cause = "USER_BUSY" if taken.result == "busy" else "NO_USER_RESPONSE"
        many = len(targets)
        raise Failed(f"[originate] ERR {cause}. no any destinations are accept the call {many}/{many}")
    step["by"] = taken.by
    await line.lift()
    began = line.at
    try:
        await line.lasts("Dial", path, taken.talks, sound=False)
    finally:
        step["seconds"] = round(line.at - began, 3)


async def callback(line: Interpreter, command: Callback, path: str) -> None:
    """The next document is fetched. Raises GoesOn, or Failed where there is none."""
    tag = str(command.attributes.get("tag", ""))
    url, method = line.url(str(command.attributes["url"]), None, tag), str(command.attributes.get("method", "GET"))
    await line.hear("Callback", path, url=str(command.attributes["url"]), **tagged(command))
    body = line.ringing.body() if command.attributes.get("body") else None
    raise GoesOn(await line.fetched(method, url, body, _seconds(command, "timeout", PATIENCE)))


async def curl(line: Interpreter, command: Curl, path: str) -> None:
    """A server is asked, its answer dropped. Raises Failed where it does not answer."""
    line.rules.decide(platform.CURL)
    url, method = str(command.attributes["url"]), str(command.attributes.get("method", "GET"))
    step = await line.hear("Curl", path, url=url, **tagged(command))
    if not line.curls:
        step["result"] = "not asked"
        return
    reply = await line.asked(method, url, None, _seconds(command, "timeout", PATIENCE))
    if reply.error or not OK <= reply.status < NOT_OK:
        raise Failed(reply.error or f"the status is {reply.status}")
    step["result"] = "asked"


async def condition(line: Interpreter, command: Call | Geo | Schedule, path: str) -> None:
    """The commands inside run where the condition holds."""
    if isinstance(command, Call):
        holds = field_is(line.ringing, command)
    elif isinstance(command, Geo):
        line.rules.decide(platform.GEO)
        holds = caller_is_in(line.ringing, command)
    else:
        line.rules.decide(platform.SCHEDULE)
        holds = is_scheduled(line.clock.now(), line.zone, command)
    await line.hear(command.row.name, path, result="holds" if holds else "does not hold", **tagged(command))
    if holds:
        await line.branch(command, path)


def meta(line: Interpreter, command: Meta) -> None:
    """A variable is kept, for the URLs that are asked later."""
    line.ringing.meta[str(command.attributes["name"])] = str(command.attributes.get("value", ""))


def _seconds(command: Element, name: str, otherwise: float) -> float:
    found = command.attributes.get(name)
    return otherwise if found is None else float(found) / 1000


def _loop(command: Element) -> int:
    return max(1, int(command.attributes.get("loop", 1)))


def _times(command: Element) -> dict[str, Any]:
    return {"loop": _loop(command)} if _loop(command) > 1 else {}


def _early(line: Interpreter) -> dict[str, Any]:
    """Marks what is sounded before the line is answered: whether a caller hears it is not documented."""
    return {} if line.answered else {"unanswered": True}


def _recorded(command: Dial) -> dict[str, Any]:
    return {"record": command.attributes["record"]} if "record" in command.attributes else {}
