"""Makes a draft of a list of verbs in JSON: the verbs of jambonz, and the actions of Vonage (NCCO)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from callflows.errors import ImportSourceError
from callflows.flows.twiml.twiml_document import MAX_GATHERED_DIGITS, read_count, read_language
from callflows.importing.draft_steps import (
    add_collect,
    add_dial,
    add_sms,
    add_voicemail,
    note_lost_tags,
    note_missing_target,
    note_speech_input,
)
from callflows.importing.flow_draft import (
    MAX_PARTS,
    FlowDraft,
    SpokenText,
    clean_spoken_text,
    format_flow_duration,
    has_tags,
    is_url,
    merge_data,
    shorten,
)
from callflows.importing.json_source import JsonObject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from callflows.importing.flow_draft import DraftNode


def find_verb_list(data: Any, key: str, known: Mapping[str, Any]) -> list[JsonObject] | None:  # noqa: ANN401 - JSON
    """Return the verbs of a list, or of a list within an object; None if the JSON is something else.

    ``key`` names a verb, and at least one verb must be among ``known``.
    """
    if isinstance(data, JsonObject) and key not in data:
        data = next((part for part in data.values() if isinstance(part, list)), None)
    verbs = [data] if isinstance(data, JsonObject) else data
    if not isinstance(verbs, list):
        return None
    found = [verb for verb in verbs if isinstance(verb, JsonObject) and isinstance(verb.get(key), str)]
    return found if any(verb[key] in known for verb in found) else None


def find_jambonz_verbs(data: Any) -> list[JsonObject] | None:  # noqa: ANN401 - JSON
    return find_verb_list(data, "verb", {**_JambonzReader.readers, **_JambonzReader.unmapped})


def find_ncco_actions(data: Any) -> list[JsonObject] | None:  # noqa: ANN401 - JSON
    return find_verb_list(data, "action", {**_NccoReader.readers, **_NccoReader.unmapped})


def draft_jambonz_flow(verbs: Sequence[JsonObject]) -> FlowDraft:
    """Make a draft of jambonz verbs."""
    return _JambonzReader(verbs).read_flow()


def draft_ncco_flow(verbs: Sequence[JsonObject]) -> FlowDraft:
    """Make a draft of an NCCO."""
    return _NccoReader(verbs).read_flow()


class _VerbListReader:
    """Reads verbs in order. A verb whose answer comes from a program ends the node."""

    format_name = ""
    key = ""
    readers: Mapping[str, Any] = {}
    unmapped: Mapping[str, str] = {}

    def __init__(self, verbs: Sequence[JsonObject]) -> None:
        if len(verbs) > MAX_PARTS:
            raise ImportSourceError(*verbs[0].place, f"the list has more than {MAX_PARTS} verbs")
        self.draft = FlowDraft(self.format_name)
        self._verbs = verbs
        self._counts: dict[str, int] = {}
        self.prompt: SpokenText | None = None
        """The text before a question, which becomes its prompt."""

    def read_flow(self) -> FlowDraft:
        self.draft.claim_start("start")
        node = self.draft.add_node("start")
        for index, verb in enumerate(self._verbs):
            kind = verb.get_text(self.key)
            number = self._counts[kind] = self._counts.get(kind, 0) + 1
            part = self.draft.add_part(f"{kind}-{number}", kind, verb.place)
            part.node, node.part = node.name, part
            following = self._verbs[index + 1] if index + 1 < len(self._verbs) else None
            read: Callable[[Any, JsonObject, DraftNode, JsonObject | None], bool] | None = self.readers.get(kind)
            if read is None:
                node.skip_part(self.unmapped.get(kind, f"flows have nothing like {shorten(kind, 40)}"))
            elif read(self, verb, node, following):
                return self.draft
        node.part = None
        node.add_hangup()
        return self.draft

    def count_verb(self, kind: str) -> int:
        return self._counts.get(kind, 1)

    def read_sounds(self, urls: Sequence[str], node: DraftNode, loop: int) -> None:
        for url in urls:
            node.add_play(url.replace(" ", "%20"), loop)

    def read_loop(self, verb: JsonObject, node: DraftNode) -> int:
        if verb.get_text("loop") in {"0", "forever"}:
            node.note_loss("loop: without end in the original, here 100 times")
            return 100
        return read_count(verb.get("loop"), 1, 100)

    def read_text(self, text: str, node: DraftNode, language: str, gender: str = "") -> SpokenText:
        if has_tags(text):
            note_lost_tags(node)
        return SpokenText(clean_spoken_text(text), read_language(language), gender)

    def add_question(self, node: DraftNode, speech: SpokenText, digits: tuple[int, int], stop: str, name: str) -> None:
        """Add a collect whose digits the flow itself cannot use yet."""
        add_collect(node, speech, into=self.draft.name_value("digits", name), digits=digits, stop=stop)

    def find_dial_target(self, target: JsonObject, node: DraftNode, keys: Sequence[str], known_types: Sequence[str]) -> str:
        """Return the number or SIP address under the first of ``keys``; an empty text, with a note, if there is none."""
        kind = target.get_text("type")
        written = next((target.get_text(key) for key in keys if target.get_text(key)), "")
        found = node.read_target(written) if kind in known_types else ""
        if not found:
            note_missing_target(node, shorten(f"{kind} {written}", 60))
        return found

    def add_dial_verb(self, verb: JsonObject, node: DraftNode, targets: Sequence[str], losses: Mapping[str, str]) -> None:
        """Add a dial of the targets that are not empty. ``losses`` are reasons by the key that a flow does not have."""
        known_targets = [target for target in targets if target]
        for key, reason in losses.items():
            if verb.get(key):
                node.note_loss(f"{key}: {reason}")
        if known_targets:
            add_dial(node, known_targets, timeout=verb.get("timeout"))
        else:
            node.skip_part("nobody is rung here")

    def note_program(self, node: DraftNode, url: str, reason: str) -> None:
        """Note that a program outside the file decides how the call goes on."""
        if url:
            node.note_loss(f"{reason} {shorten(url)}, whose answer is not in the file: write here how the call goes on")


class _JambonzReader(_VerbListReader):
    format_name = "jambonz"
    key = "verb"

    def read_say(self, verb: JsonObject, node: DraftNode, following: JsonObject | None) -> bool:
        speech = self._read_speech(verb, node)
        is_prompt = following is not None and following.get_text("verb") == "gather"
        if is_prompt and not (following or verb).get_object("say") and not (following or verb).get_object("play"):
            self.prompt = speech
        else:
            node.add_say(speech, self.read_loop(verb, node))
        return False

    def _read_speech(self, verb: JsonObject, node: DraftNode) -> SpokenText:
        synthesizer = verb.get_object("synthesizer")
        gender = synthesizer.get_text("gender").upper()
        texts = verb.get_texts("text")
        if len(texts) > 1:
            node.note_loss("the original says one of several texts at random; here the first")
        text = texts[0] if texts else ""
        return self.read_text(text, node, synthesizer.get_text("language"), gender if gender in _GENDERS else "")

    def read_play(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        self.read_sounds(verb.get_texts("url"), node, self.read_loop(verb, node))
        return False

    def read_pause(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        node.add_step("pause", format_flow_duration(verb.get("length"), 0.1, 1800) or "1s")
        return False

    def read_hangup(self, _verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        node.add_hangup()
        return True

    def read_decline(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        status = shorten(f"{verb.get_text('status')} {verb.get_text('reason')}", 40)
        node.note_loss(f"the call is hung up on, not declined with {status}: Opentact tells no reason")
        node.add_hangup()
        return True

    def read_redirect(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        self.note_program(node, verb.get_text("actionHook") or "a program", "the call goes on at")
        node.add_hangup()
        return True

    def read_gather(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        inputs = verb.get_texts("input") or ["digits"]
        if "speech" in inputs or "digits" not in inputs:
            note_speech_input(node, takes_keys="digits" in inputs)
        speech, self.prompt = self.prompt or SpokenText(""), None
        if verb.get_object("say"):
            speech = self._read_speech(verb.get_object("say"), node)
        elif verb.get_object("play"):
            self.read_sounds(verb.get_object("play").get_texts("url"), node, 1)
        most = read_count(verb.get("numDigits") or verb.get("maxDigits"), MAX_GATHERED_DIGITS, MAX_GATHERED_DIGITS)
        least = read_count(verb.get("numDigits") or verb.get("minDigits"), 1, most)
        number = self.count_verb("gather")
        name = f"digits_{number}" if number > 1 else "pressed"
        self.add_question(node, speech, (least, most), verb.get_text("finishOnKey"), name)
        self.note_program(node, verb.get_text("actionHook"), "the digits go to")
        return False

    def read_dial(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        targets = [self._read_target(target, node) for target in verb.get_objects("target")]
        self.add_dial_verb(verb, node, targets, _LOST_OF_JAMBONZ_DIAL)
        self.note_program(node, verb.get_text("actionHook"), "how the dial ended goes to")
        return False

    def _read_target(self, target: JsonObject, node: DraftNode) -> str:
        return self.find_dial_target(target, node, ("number", "sipUri", "name"), ("phone", "sip", "user", ""))

    def read_message(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        target = node.read_target(verb.get_text("to"))
        add_sms(node, clean_spoken_text(verb.get_text("text")), target or None)
        return False

    def skip_setting(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        if verb.get_text("verb") != "answer":  # a flow answers by itself
            node.note_loss(f"{shorten(verb.get_text('verb'), 20)} has no meaning in a flow")
        return False

    readers = {  # noqa: RUF012 - never changed
        "say": read_say,
        "play": read_play,
        "pause": read_pause,
        "hangup": read_hangup,
        "sip:decline": read_decline,
        "redirect": read_redirect,
        "gather": read_gather,
        "dial": read_dial,
        "message": read_message,
        "answer": skip_setting,
        "config": skip_setting,
        "tag": skip_setting,
    }
    unmapped = {  # noqa: RUF012 - never changed
        "enqueue": "Opentact has no queue: ring a group of people with dial instead",
        "dequeue": "Opentact has no queue",
        "leave": "Opentact has no queue to leave",
        "conference": "Opentact has no conferences",
        "listen": "Opentact does not stream the sound of a call",
        "stream": "Opentact does not stream the sound of a call",
        "transcribe": "a call is not transcribed: a voicemail can be, with transcribe: true",
        "llm": "Opentact has no speech bot",
        "lex": "Opentact has no speech bot",
        "dialogflow": "Opentact has no speech bot",
        "rasa": "Opentact has no speech bot",
        "dub": "Opentact plays no second sound",
        "dtmf": "flows play no keys",
        "sip:refer": "Opentact does not hand a call over: dial rings the person",
        "sip:request": "flows send no SIP requests",
        "rest:dial": "a flow does not begin calls: see callflows opentact batch",
    }


class _NccoReader(_VerbListReader):
    format_name = "Vonage NCCO"
    key = "action"

    def read_talk(self, verb: JsonObject, node: DraftNode, following: JsonObject | None) -> bool:
        speech = self.read_text(verb.get_text("text"), node, verb.get_text("language"))
        if following is not None and following.get_text("action") == "input":
            self.prompt = speech
        else:
            node.add_say(speech, self.read_loop(verb, node))
        return False

    def read_stream(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        self.read_sounds(verb.get_texts("streamUrl"), node, self.read_loop(verb, node))
        return False

    def read_input(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        kinds = verb.get_texts("type") or (["dtmf"] if verb.get_object("dtmf") else [])
        if "speech" in kinds:
            note_speech_input(node, takes_keys="dtmf" in kinds)
        speech, self.prompt = self.prompt or SpokenText(""), None
        keys = verb.get_object("dtmf")
        most = read_count(keys.get("maxDigits", verb.get("maxDigits")), 4, MAX_GATHERED_DIGITS)
        number = self.count_verb("input")
        self.add_question(node, speech, (1, most), "", f"digits_{number}" if number > 1 else "pressed")
        url = next(iter(verb.get_texts("eventUrl")), "a program")
        self.note_program(node, url, "the digits go to")
        return False

    def read_connect(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        targets = [self._read_endpoint(target, node) for target in verb.get_objects("endpoint")]
        self.add_dial_verb(verb, node, targets, _LOST_OF_CONNECT)
        return False

    def _read_endpoint(self, target: JsonObject, node: DraftNode) -> str:
        found = self.find_dial_target(target, node, ("number", "uri", "user", "extension"), ("phone", "sip"))
        for key in ("onAnswer", "dtmfAnswer"):
            if target.get(key):
                node.note_loss(f"{key}: who is rung hears nothing before the conversation")
        return found

    def read_record(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        add_voicemail(
            node,
            max_seconds=verb.get("timeOut"),
            stop=verb.get_text("endOnKey"),
            transcribe=bool(verb.get_object("transcription")),
            report_url=next(iter(verb.get_texts("eventUrl")), ""),
        )
        if verb.get("split") or not (verb.get("endOnKey") or verb.get("endOnSilence")):
            node.note_loss("the original may record the whole call; here the caller leaves a message")
        return False

    def read_notify(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        url = next(iter(verb.get_texts("eventUrl")), "")
        if not is_url(url):
            node.skip_part(f"the address {shorten(url) or 'of the webhook'} cannot be asked")
            return False
        node.note_loss("the webhook has another shape (Standard Webhooks)")
        payload = {key: verb.get_object("payload").get_text(key) for key in verb.get_object("payload")}
        plain = {key: clean_spoken_text(text) for key, text in payload.items() if key.isprintable() and key}
        node.add_step("notify", merge_data({"url": url, "payload": plain}) if plain else url)
        return False

    def read_wait(self, verb: JsonObject, node: DraftNode, _following: JsonObject | None) -> bool:
        node.add_step("pause", format_flow_duration(verb.get("timeout", 10), 0.1, 1800) or "10s")
        return False

    readers = {  # noqa: RUF012 - never changed
        "talk": read_talk,
        "stream": read_stream,
        "input": read_input,
        "connect": read_connect,
        "record": read_record,
        "notify": read_notify,
        "wait": read_wait,
    }
    unmapped = {  # noqa: RUF012 - never changed
        "conversation": "Opentact has no conferences",
        "pay": "Opentact takes no payments",
        "transfer": "Opentact has no conferences to move a call to",
    }


_GENDERS: Final = frozenset({"MALE", "FEMALE"})
_LOST_OF_JAMBONZ_DIAL: Final = {
    "callerId": "who is rung sees the caller's number",
    "timeLimit": "a conversation has no time limit",
    "confirmHook": "who is rung hears nothing before the conversation",
    "dialMusic": "the caller hears the usual ringing tone",
    "dtmfCapture": "no key changes a conversation",
    "listen": "Opentact does not stream the sound of a call",
    "transcribe": "a conversation is not transcribed",
    "amd": "an answering machine counts as an answer",
}
_LOST_OF_CONNECT: Final = {
    "from": "who is rung sees the caller's number",
    "limit": "a conversation has no time limit",
    "machineDetection": "an answering machine counts as an answer",
    "advancedMachineDetection": "an answering machine counts as an answer",
    "ringbackTone": "the caller hears the usual ringing tone",
    "eventUrl": "how the dial went is in Opentact's events",
}
