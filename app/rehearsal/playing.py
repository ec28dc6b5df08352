"""What each verb does on the line, but for Gather."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.language import Call, Error, Geo, Meta, RecordStart, RecordWait, Reject, To
from app.rehearsal import platform
from app.rehearsal.conditions import matches_call_field, matches_caller_state, matches_schedule
from app.rehearsal.line import (
    DOCUMENT_TIMEOUT_SECONDS,
    REPLY_STATUS_OK,
    REPLY_STATUS_SUCCESS_END,
    CallEnd,
    CommandFailure,
    DocumentReplacement,
    tag_fields,
)

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


async def execute_answer(call: Interpreter, command: Answer, path: str) -> None:
    """The line is answered; the delay is waited for behind that."""
    await call.announce_step("Answer", path, **tag_fields(command))
    await call.answer_line()
    await call.pass_time("Answer", path, _attribute_seconds(command, "delay", 0.0))


async def execute_say(call: Interpreter, command: Say, path: str) -> None:
    """A text is spoken."""
    text = str(command.attributes.get("text", ""))
    voice = {name: command.attributes[name] for name in ("lang", "gender") if name in command.attributes}
    await call.announce_step(
        "Say", path, text=text, **voice, **_loop_fields(command), **_unanswered_fields(call), **tag_fields(command)
    )
    await call.pass_time("Say", path, len(text) * platform.SPEECH_SECONDS_PER_CHARACTER * _loop_count(command))


async def execute_play(call: Interpreter, command: Play, path: str) -> None:
    """A sound, or a recording of this call. Raises Failed where there is no such recording."""
    recording = command.attributes.get("record")
    if recording is None:
        url = command.attributes["url"]
        await call.announce_step(
            "Play", path, url=url, **_loop_fields(command), **_unanswered_fields(call), **tag_fields(command)
        )
        await call.pass_time("Play", path, platform.ASSUMED_SOUND_SECONDS * _loop_count(command))
        return
    if recording not in call.recordings:
        raise CommandFailure(f"there is no recording {recording!r}")
    await call.announce_step("Play", path, record=recording, **_loop_fields(command), **tag_fields(command))
    await call.pass_time("Play", path, call.recordings[recording] * _loop_count(command))


async def execute_pause(call: Interpreter, command: Pause, path: str) -> None:
    """Silence, which a key may end; other keys are kept for the next Gather."""
    length, stop = _attribute_seconds(command, "length", 1.0), str(command.attributes.get("dtmf_stop", ""))
    began = call.elapsed_seconds
    step = await call.announce_step("Pause", path, seconds=length, **tag_fields(command))
    if stop and call.key_buffer:
        call.rules.apply_rule(platform.EARLY_KEYS_RULE)
    over = False
    try:
        if stop:
            over = not await _wait_for_stop_key(call, path, began + length, stop)
            step.update({"result": "over"} if over else {"result": "stopped", "digits": stop})
        else:
            await call.pass_time("Pause", path, length)
            over = True
    finally:
        if not over and (
            stop or call.elapsed_seconds > began
        ):  # what is too long to be waited for stays as it was asked for
            step["seconds"] = round(call.elapsed_seconds - began, 3)


async def _wait_for_stop_key(call: Interpreter, path: str, until: float, stop_key: str) -> bool:
    """Whether the key is pressed in time."""
    while True:
        before, key, after = call.key_buffer.partition(stop_key)
        if key:
            call.key_buffer = before + after
            return True
        left = until - call.elapsed_seconds
        if left <= 0 or not (pressed := await call.wait_for_keys("Pause", path, left, stop_key)):
            return False
        call.key_buffer += pressed


async def execute_tone(call: Interpreter, command: Tone, path: str) -> None:
    """A tone, for its cadence as often as it is repeated, at the most its timeout."""
    longest = _attribute_seconds(command, "timeout", platform.TONE_VERB_SECONDS)
    cadence = _attribute_seconds(command, "don", 0.0) + _attribute_seconds(command, "doff", 0.0)
    hz = {"hz": command.attributes["hz"]} if "hz" in command.attributes else {}
    await call.announce_step("Tone", path, **hz, **_unanswered_fields(call), **tag_fields(command))
    await call.pass_time("Tone", path, min(longest, cadence * _loop_count(command)) if cadence else longest)


async def execute_hold(call: Interpreter, command: Hold, path: str) -> None:
    """The call is held until the timeout, unless a document is pushed, or the caller hangs up."""
    call.rules.apply_rule(platform.HOLD_RULE)
    longest = _attribute_seconds(command, "timeout", platform.HOLD_VERB_SECONDS)
    began = call.elapsed_seconds
    step = await call.announce_step("Hold", path, seconds=longest, **tag_fields(command))
    try:
        await call.pass_time("Hold", path, longest, is_sound=False)
    finally:
        step["seconds"] = round(call.elapsed_seconds - began, 3)


async def execute_hang_up(call: Interpreter, command: Hangup | Reject, path: str) -> None:
    """The call ends. Raises Ends."""
    if isinstance(command, Reject):
        call.rules.apply_rule(platform.REJECT_RULE)
    await call.announce_step(command.spec.name, path, **tag_fields(command))
    raise CallEnd("hung-up")


async def execute_record(call: Interpreter, command: Record, path: str) -> None:
    """A recording runs while the commands inside do."""
    tag = str(command.attributes.get("tag", ""))
    longest = _attribute_seconds(command, "timeout", float("inf"))
    asr = {"asr": True} if command.attributes.get("asr") else {}
    step = await call.announce_step("Record", path, **_unanswered_fields(call), **asr, **tag_fields(command))
    began = call.elapsed_seconds
    inside = [child for child in command.children if not isinstance(child, (Error, Meta))]
    try:
        if inside:
            await call.run_branch(command, path)
        else:
            call.rules.apply_rule(platform.EMPTY_RECORD_RULE)
            await call.pass_time("Record", path, min(longest, platform.EMPTY_RECORD_SECONDS), is_sound=False)
    finally:
        seconds = min(call.elapsed_seconds - began, longest)
        call.recordings[tag] = seconds
        step["seconds"] = round(seconds, 3)


async def execute_recording_control(call: Interpreter, command: RecordStart | RecordStop | RecordWait, path: str) -> None:
    """A recording begins, ends, or is waited for. Raises Failed where none of this tag runs."""
    call.rules.apply_rule(platform.RECORDING_CONTROL_RULE)
    tag = str(command.attributes.get("tag", ""))
    if isinstance(command, RecordStart):
        call.running_recordings[tag] = call.elapsed_seconds
        await call.announce_step("RecordStart", path, **tag_fields(command))
        return
    tag = tag or next(reversed([*call.recordings, *call.running_recordings]), "")  # without one: the last that began
    if tag not in call.running_recordings and tag not in call.recordings:
        raise CommandFailure(f"there is no recording {tag!r}" if tag else "there is no recording")
    step = await call.announce_step(command.spec.name, path, **({"tag": tag} if tag else {}))
    if tag not in call.running_recordings:
        step["result"] = "over already"
        return
    if isinstance(command, RecordWait):
        await call.pass_time("RecordWait", path, platform.EMPTY_RECORD_SECONDS, is_sound=False)
    call.recordings[tag] = call.elapsed_seconds - call.running_recordings.pop(tag)
    step["seconds"] = round(call.recordings[tag], 3)


async def execute_dial(call: Interpreter, command: Dial, path: str) -> None:
    """All targets are rung; one that answers is talked to. Raises Failed where none does."""
    if not call.is_answered:
        call.rules.apply_rule(platform.DIAL_UNANSWERED_RULE)
    call.rules.apply_rule(platform.CALLER_ID_RULE)
    targets = [str(child.attributes["target"]) for child in command.children if isinstance(child, To)]
    rings = _attribute_seconds(command, "timeout", platform.DIAL_RING_SECONDS)
    shown = {"caller_id": call.phone_call.from_}
    step = await call.announce_step("Dial", path, to=targets, **shown, **_record_fields(command), **tag_fields(command))
    taken = await call.callees.ring_targets(targets, path)
    try:
        await call.pass_time(
            "Dial", path, rings if taken.result == "no-answer" else min(rings, platform.PICK_UP_SECONDS), is_sound=False
        )
    except (CallEnd, DocumentReplacement):
        step["result"] = "cancelled"
        raise
    step["result"] = taken.result
    if taken.result != "answered":
        cause = "USER_BUSY" if taken.result == "busy" else "NO_USER_RESPONSE"
        many = len(targets)
        raise CommandFailure(f"[originate] ERR {cause}. no any destinations are accept the call {many}/{many}")
    step["by"] = taken.answered_by
    await call.answer_line()
    began = call.elapsed_seconds
    try:
        await call.pass_time("Dial", path, taken.talk_seconds, is_sound=False)
    finally:
        step["seconds"] = round(call.elapsed_seconds - began, 3)


async def execute_callback(call: Interpreter, command: Callback, path: str) -> None:
    """The next document is fetched. Raises GoesOn, or Failed where there is none."""
    tag = str(command.attributes.get("tag", ""))
    url, method = (
        call.build_document_url(str(command.attributes["url"]), None, tag),
        str(command.attributes.get("method", "GET")),
    )
    await call.announce_step("Callback", path, url=str(command.attributes["url"]), **tag_fields(command))
    body = call.phone_call.build_post_body() if command.attributes.get("body") else None
    raise DocumentReplacement(
        await call.fetch_document(method, url, body, _attribute_seconds(command, "timeout", DOCUMENT_TIMEOUT_SECONDS))
    )


async def execute_curl(call: Interpreter, command: Curl, path: str) -> None:
    """A server is asked, its answer dropped. Raises Failed where it does not answer."""
    call.rules.apply_rule(platform.CURL_RULE)
    url, method = str(command.attributes["url"]), str(command.attributes.get("method", "GET"))
    step = await call.announce_step("Curl", path, url=url, **tag_fields(command))
    if not call.sends_curl:
        step["result"] = "not asked"
        return
    reply = await call.send_request(method, url, None, _attribute_seconds(command, "timeout", DOCUMENT_TIMEOUT_SECONDS))
    if reply.error or not REPLY_STATUS_OK <= reply.status < REPLY_STATUS_SUCCESS_END:
        raise CommandFailure(reply.error or f"the status is {reply.status}")
    step["result"] = "asked"


async def execute_condition(call: Interpreter, command: Call | Geo | Schedule, path: str) -> None:
    """The commands inside run where the condition holds."""
    if isinstance(command, Call):
        holds = matches_call_field(call.phone_call, command)
    elif isinstance(command, Geo):
        call.rules.apply_rule(platform.GEO_RULE)
        holds = matches_caller_state(call.phone_call, command)
    else:
        call.rules.apply_rule(platform.SCHEDULE_ZONE_RULE)
        holds = matches_schedule(call.clock.now(), call.zone, command)
    await call.announce_step(command.spec.name, path, result="holds" if holds else "does not hold", **tag_fields(command))
    if holds:
        await call.run_branch(command, path)


def store_meta_variable(call: Interpreter, command: Meta) -> None:
    """A variable is kept, for the URLs that are asked later."""
    call.phone_call.meta_variables[str(command.attributes["name"])] = str(command.attributes.get("value", ""))


def _attribute_seconds(command: Element, name: str, default: float) -> float:
    found = command.attributes.get(name)
    return default if found is None else float(found) / 1000


def _loop_count(command: Element) -> int:
    return max(1, int(command.attributes.get("loop", 1)))


def _loop_fields(command: Element) -> dict[str, Any]:
    return {"loop": _loop_count(command)} if _loop_count(command) > 1 else {}


def _unanswered_fields(call: Interpreter) -> dict[str, Any]:
    """Marks what is sounded before the line is answered: whether a caller hears it is not documented."""
    return {} if call.is_answered else {"unanswered": True}


def _record_fields(command: Dial) -> dict[str, Any]:
    return {"record": command.attributes["record"]} if "record" in command.attributes else {}
