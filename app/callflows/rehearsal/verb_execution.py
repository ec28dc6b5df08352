"""Executes every verb except Gather, including the native conditions Call, Geo and Schedule."""

from __future__ import annotations

from datetime import UTC, time
from typing import TYPE_CHECKING, Any

from callflows.language import Call, Error, Geo, Meta, RecordStart, RecordWait, Reject, To
from callflows.language.value_kinds import parse_loose_value
from callflows.rehearsal import undocumented_rules
from callflows.rehearsal.call_state import (
    DOCUMENT_TIMEOUT_SECONDS,
    REPLY_STATUS_OK,
    REPLY_STATUS_SUCCESS_END,
    CallEnd,
    CommandFailure,
    DocumentReplacement,
    tag_fields,
)
from callflows.telephony.calls import WEEKDAY_NAMES
from callflows.telephony.phone_numbers import PhoneNumber, parse_e164

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from callflows.language import (
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
    from callflows.language.element import Element
    from callflows.rehearsal.call_state import CallState
    from callflows.rehearsal.phone_call import PhoneCall


def matches_call_field(phone_call: PhoneCall, condition: Call) -> bool:
    """Compare a field of the call with a value; ignore case and a leading plus. reference: Call."""
    field_value = phone_call.get_field(str(condition.attributes["field"]))
    expected = parse_loose_value(str(condition.attributes["value"]))
    if expected is None or field_value is None:
        return expected is field_value
    return str(field_value).lstrip("+").lower() == str(condition.attributes["value"]).strip().lstrip("+").lower()


def matches_caller_state(phone_call: PhoneCall, condition: Geo) -> bool:
    """Return True if the caller's area code is in one of the states; a county never matches. reference: Geo."""
    states, county = condition.attributes.get("states"), condition.attributes.get("county")
    if not states and not county:
        return True
    if county:
        return False
    return PhoneNumber(parse_e164(phone_call.from_)).state in str(states).split(",")


def matches_schedule(now: datetime, zone: ZoneInfo | None, condition: Schedule) -> bool:
    """Return True if the time is within the days and hours, both ends included. reference: Schedule."""
    here = now.astimezone(zone or UTC)
    days, window = condition.attributes.get("dow"), condition.attributes.get("time")
    if days and WEEKDAY_NAMES[here.weekday()] not in str(days).split(","):
        return False
    if not window:
        return True
    first, last = (time.fromisoformat(part) for part in str(window).split("-"))
    at = here.time().replace(microsecond=0)
    return first <= at <= last if first <= last else at >= first or at <= last


# Execution of the verbs


async def execute_answer(call: CallState, command: Answer, path: str) -> None:
    """Answer the line, then wait for the delay."""
    await call.announce_step("Answer", path, **tag_fields(command))
    await call.answer_line()
    await call.pass_time("Answer", path, _attribute_seconds(command, "delay", 0.0))


async def execute_say(call: CallState, command: Say, path: str) -> None:
    text = str(command.attributes.get("text", ""))
    voice = {name: command.attributes[name] for name in ("lang", "gender") if name in command.attributes}
    await call.announce_step(
        "Say", path, text=text, **voice, **_loop_fields(command), **_unanswered_fields(call), **tag_fields(command)
    )
    await call.pass_time("Say", path, len(text) * undocumented_rules.SPEECH_SECONDS_PER_CHARACTER * _loop_count(command))


async def execute_play(call: CallState, command: Play, path: str) -> None:
    """Play a sound or a recording of this call. Raises CommandFailure if the recording does not exist."""
    recording = command.attributes.get("record")
    if recording is None:
        url = call.name_sound(str(command.attributes["url"]))
        await call.announce_step(
            "Play", path, url=url, **_loop_fields(command), **_unanswered_fields(call), **tag_fields(command)
        )
        await call.pass_time("Play", path, undocumented_rules.ASSUMED_SOUND_SECONDS * _loop_count(command))
        return
    if recording not in call.recordings:
        raise CommandFailure(f"there is no recording {recording!r}")
    await call.announce_step("Play", path, record=recording, **_loop_fields(command), **tag_fields(command))
    await call.pass_time("Play", path, call.recordings[recording] * _loop_count(command))


async def execute_pause(call: CallState, command: Pause, path: str) -> None:
    """Wait in silence; the stop key ends the pause, other keys stay buffered for the next Gather."""
    length, stop = _attribute_seconds(command, "length", 1.0), str(command.attributes.get("dtmf_stop", ""))
    began = call.elapsed_seconds
    step = await call.announce_step("Pause", path, seconds=length, **tag_fields(command))
    if stop and call.key_buffer:
        call.rules.apply_rule(undocumented_rules.EARLY_KEYS_RULE)
    over = False
    try:
        if stop:
            over = not await _wait_for_stop_key(call, path, began + length, stop)
            step.update({"result": "over"} if over else {"result": "stopped", "digits": stop})
        else:
            await call.pass_time("Pause", path, length)
            over = True
    finally:
        if not over and (stop or call.elapsed_seconds > began):  # a pause refused as endless keeps its requested length
            step["seconds"] = round(call.elapsed_seconds - began, 3)


async def _wait_for_stop_key(call: CallState, path: str, until: float, stop_key: str) -> bool:
    """Return True if the caller pressed the stop key in time."""
    while True:
        before, key, after = call.key_buffer.partition(stop_key)
        if key:
            call.key_buffer = before + after
            return True
        left = until - call.elapsed_seconds
        if left <= 0 or not (pressed := await call.wait_for_keys("Pause", path, left, stop_key)):
            return False
        call.key_buffer += pressed


async def execute_tone(call: CallState, command: Tone, path: str) -> None:
    """Play a tone for the repeated cadence, but at most until the timeout."""
    longest = _attribute_seconds(command, "timeout", undocumented_rules.TONE_VERB_SECONDS)
    cadence = _attribute_seconds(command, "don", 0.0) + _attribute_seconds(command, "doff", 0.0)
    hz = {"hz": command.attributes["hz"]} if "hz" in command.attributes else {}
    await call.announce_step("Tone", path, **hz, **_unanswered_fields(call), **tag_fields(command))
    await call.pass_time("Tone", path, min(longest, cadence * _loop_count(command)) if cadence else longest)


async def execute_hold(call: CallState, command: Hold, path: str) -> None:
    """Hold the call until the timeout, a pushed document or a hang-up."""
    call.rules.apply_rule(undocumented_rules.HOLD_RULE)
    longest = _attribute_seconds(command, "timeout", undocumented_rules.HOLD_VERB_SECONDS)
    began = call.elapsed_seconds
    step = await call.announce_step("Hold", path, seconds=longest, **tag_fields(command))
    try:
        await call.pass_time("Hold", path, longest, is_sound=False)
    finally:
        step["seconds"] = round(call.elapsed_seconds - began, 3)


async def execute_hang_up(call: CallState, command: Hangup | Reject, path: str) -> None:
    """Raises CallEnd."""
    if isinstance(command, Reject):
        call.rules.apply_rule(undocumented_rules.REJECT_RULE)
    await call.announce_step(command.spec.name, path, **tag_fields(command))
    raise CallEnd("hung-up")


async def execute_record(call: CallState, command: Record, path: str) -> None:
    """Record while the commands inside run."""
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
            call.rules.apply_rule(undocumented_rules.EMPTY_RECORD_RULE)
            await call.pass_time("Record", path, min(longest, undocumented_rules.EMPTY_RECORD_SECONDS), is_sound=False)
    finally:
        seconds = min(call.elapsed_seconds - began, longest)
        call.recordings[tag] = seconds
        step["seconds"] = round(seconds, 3)


async def execute_recording_control(call: CallState, command: RecordStart | RecordStop | RecordWait, path: str) -> None:
    """Start, stop or wait for a recording. Raises CommandFailure if no recording has this tag."""
    call.rules.apply_rule(undocumented_rules.RECORDING_CONTROL_RULE)
    tag = str(command.attributes.get("tag", ""))
    if isinstance(command, RecordStart):
        call.running_recordings[tag] = call.elapsed_seconds
        await call.announce_step("RecordStart", path, **tag_fields(command))
        return
    tag = tag or next(reversed([*call.recordings, *call.running_recordings]), "")  # without a tag: the latest recording
    if tag not in call.running_recordings and tag not in call.recordings:
        raise CommandFailure(f"there is no recording {tag!r}" if tag else "there is no recording")
    step = await call.announce_step(command.spec.name, path, **({"tag": tag} if tag else {}))
    if tag not in call.running_recordings:
        step["result"] = "over already"
        return
    if isinstance(command, RecordWait):
        await call.pass_time("RecordWait", path, undocumented_rules.EMPTY_RECORD_SECONDS, is_sound=False)
    call.recordings[tag] = call.elapsed_seconds - call.running_recordings.pop(tag)
    step["seconds"] = round(call.recordings[tag], 3)


async def execute_dial(call: CallState, command: Dial, path: str) -> None:
    """Ring all targets and bridge the first to answer. Raises CommandFailure if no target answers."""
    if not call.is_answered:
        call.rules.apply_rule(undocumented_rules.DIAL_UNANSWERED_RULE)
    call.rules.apply_rule(undocumented_rules.CALLER_ID_RULE)
    targets = [str(child.attributes["target"]) for child in command.children if isinstance(child, To)]
    rings = _attribute_seconds(command, "timeout", undocumented_rules.DIAL_RING_SECONDS)
    shown = {"caller_id": call.phone_call.from_}
    step = await call.announce_step("Dial", path, to=targets, **shown, **_record_fields(command), **tag_fields(command))
    taken = await call.callees.ring_targets(targets, path)
    try:
        await call.pass_time(
            "Dial",
            path,
            rings if taken.result == "no-answer" else min(rings, undocumented_rules.PICK_UP_SECONDS),
            is_sound=False,
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


async def execute_callback(call: CallState, command: Callback, path: str) -> None:
    """Fetch the next document. Raises DocumentReplacement, or CommandFailure without a document."""
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


async def execute_curl(call: CallState, command: Curl, path: str) -> None:
    """Send a request and ignore the content of the reply. Raises CommandFailure for an error or a status other than 2xx."""
    call.rules.apply_rule(undocumented_rules.CURL_RULE)
    url, method = str(command.attributes["url"]), str(command.attributes.get("method", "GET"))
    step = await call.announce_step("Curl", path, url=url, **tag_fields(command))
    if not call.sends_curl:
        step["result"] = "not asked"
        return
    reply = await call.send_request(method, url, None, _attribute_seconds(command, "timeout", DOCUMENT_TIMEOUT_SECONDS))
    if reply.error or not REPLY_STATUS_OK <= reply.status < REPLY_STATUS_SUCCESS_END:
        raise CommandFailure(reply.error or f"the status is {reply.status}")
    step["result"] = "asked"


async def execute_condition(call: CallState, command: Call | Geo | Schedule, path: str) -> None:
    """Run the commands inside if the condition holds."""
    if isinstance(command, Call):
        holds = matches_call_field(call.phone_call, command)
    elif isinstance(command, Geo):
        call.rules.apply_rule(undocumented_rules.GEO_RULE)
        holds = matches_caller_state(call.phone_call, command)
    else:
        call.rules.apply_rule(undocumented_rules.SCHEDULE_ZONE_RULE)
        holds = matches_schedule(call.clock.now(), call.zone, command)
    await call.announce_step(command.spec.name, path, result="holds" if holds else "does not hold", **tag_fields(command))
    if holds:
        await call.run_branch(command, path)


def store_meta_variable(call: CallState, command: Meta) -> None:
    """Store a variable for the URLs of later requests."""
    call.phone_call.meta_variables[str(command.attributes["name"])] = str(command.attributes.get("value", ""))


def _attribute_seconds(command: Element, name: str, default: float) -> float:
    attribute = command.attributes.get(name)
    return default if attribute is None else float(attribute) / 1000


def _loop_count(command: Element) -> int:
    return max(1, int(command.attributes.get("loop", 1)))


def _loop_fields(command: Element) -> dict[str, Any]:
    return {"loop": _loop_count(command)} if _loop_count(command) > 1 else {}


def _unanswered_fields(call: CallState) -> dict[str, Any]:
    """Mark a sound before the line is answered: the documentation does not say whether a caller hears early sounds."""
    return {} if call.is_answered else {"unanswered": True}


def _record_fields(command: Dial) -> dict[str, Any]:
    return {"record": command.attributes["record"]} if "record" in command.attributes else {}
