"""Makes a draft of a TwiML document: its verbs one after the other, with a node for each address that goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from callflows.errors import DocumentReadError, ImportSourceError
from callflows.importing.draft_steps import (
    add_collect,
    add_dial,
    add_sms,
    add_voicemail,
    note_lost_tags,
    note_missing_target,
    note_speech_input,
    read_gender,
)
from callflows.importing.flow_draft import (
    MAX_DIGITS,
    MAX_PARTS,
    FlowDraft,
    SpokenText,
    clean_spoken_text,
    format_seconds,
    read_count,
    read_language,
    shorten,
)
from callflows.importing.json_source import SourcePlace
from callflows.language.xml_reader import find_tag_positions, parse_safe_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from callflows.importing.flow_draft import DraftNode


def draft_twiml_flow(document: bytes) -> FlowDraft:
    """Make a draft of a TwiML document. Raises ImportSourceError with the place."""
    try:
        root = parse_safe_document(document)
    except DocumentReadError as error:
        raise ImportSourceError(error.line, error.column, error.reason) from None
    elements = [*root.iter("*")]
    if root.tag != "Response":
        raise ImportSourceError(1, 1, f"the document begins with <{shorten(str(root.tag), 30)}>, and TwiML with <Response>")
    if len(elements) > MAX_PARTS:
        raise ImportSourceError(1, 1, f"the document has more than {MAX_PARTS} elements")
    places = dict(zip(map(id, elements), find_tag_positions(document), strict=False))
    return _TwimlReader({key: SourcePlace(*place) for key, place in places.items()}).read_document(root)


class _TwimlReader:
    def __init__(self, places: Mapping[int, SourcePlace]) -> None:
        self._places = places
        self._draft = FlowDraft("TwiML")
        self._counts: dict[str, int] = {}

    def read_document(self, root: Any) -> FlowDraft:  # noqa: ANN401 - lxml's element
        self._draft.claim_start("start")
        self._read_verbs(self._draft.add_node("start"), list(root.iterchildren("*")))
        return self._draft

    def _read_verbs(self, node: DraftNode, verbs: Sequence[Any]) -> None:
        """Read verbs in order. Some end the node, and what follows goes on in another one."""
        for index, verb in enumerate(verbs):
            tag = _get_tag(verb)
            number = self._counts[tag] = self._counts.get(tag, 0) + 1
            part = self._draft.add_part(f"{tag}-{number}", tag, self._places.get(id(verb), SourcePlace(1, 1)))
            part.node = node.name
            node.part = part
            read: Callable[[_TwimlReader, Any, DraftNode, Sequence[Any]], bool] | None = _READERS.get(tag)
            if read is None:
                node.skip_part(_UNMAPPED_VERBS.get(tag, f"flows have nothing like <{shorten(tag, 40)}>"))
            elif read(self, verb, node, verbs[index + 1 :]):
                return
        node.part = None
        node.add_hangup()

    def _read_text(self, verb: Any, node: DraftNode) -> SpokenText:  # noqa: ANN401 - lxml's element
        if len(verb):
            note_lost_tags(node)
        text = clean_spoken_text("".join(verb.itertext()))
        voice = verb.get("voice", "")
        language = read_language(verb.get("language", ""))
        return SpokenText(text, language or _find_language_of_voice(voice), read_gender(voice))

    def _read_say(self, verb: Any, node: DraftNode, _rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        node.add_say(self._read_text(verb, node), _read_loop(verb, node))
        return False

    def _read_play(self, verb: Any, node: DraftNode, _rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        if verb.get("digits"):
            node.note_missing(f"the keys {shorten(verb.get('digits'), 30)} are not sent: flows play no keys")
        elif not (verb.text or "").strip():
            node.skip_part("the sound has no address")
        else:
            node.add_play(_clean_url(verb.text), _read_loop(verb, node))
        return False

    def _read_pause(self, verb: Any, node: DraftNode, _rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        node.add_step("pause", format_seconds(verb.get("length", "1"), 0.1, 1800) or "1s")
        return False

    def _read_hangup(self, _verb: Any, node: DraftNode, _rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        node.add_hangup()
        return True

    def _read_reject(self, verb: Any, node: DraftNode, _rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        reason = shorten(verb.get("reason", "rejected"), 20)
        node.note_loss(f"the call is hung up on, not rejected as {reason}: Opentact tells no reason")
        node.add_hangup()
        return True

    def _read_redirect(self, verb: Any, node: DraftNode, _rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        self._go_on_at_address(node, (verb.text or "").strip(), "the call goes on at")
        return True

    def _go_on_at_address(self, node: DraftNode, url: str, reason: str) -> None:
        """Go on at a node that stands for the program behind a URL."""
        node.note_missing(f"{reason} {shorten(url) or 'the same address'}, whose answer is not in the file: write it here")
        name = _name_address(url)
        target = self._draft.name_node(f"address {name}")
        if target not in self._draft.nodes:
            self._draft.add_node(f"address {name}").add_hangup()
        node.add_goto(target)

    def _read_gather(self, verb: Any, node: DraftNode, rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        number = self._counts["Gather"]
        modes = verb.get("input", "dtmf")
        if "speech" in modes:
            note_speech_input(node, takes_keys="dtmf" in modes)
        prompts = list(verb.iterchildren("*"))
        spoken = [index for index, prompt in enumerate(prompts) if _get_tag(prompt) == "Say"]
        last = spoken[-1] if spoken else -1
        for prompt in prompts[:last] if last >= 0 else prompts:
            self._read_prompt(prompt, node)
        speech = self._read_text(prompts[last], node) if last >= 0 else SpokenText("")
        for prompt in prompts[last + 1 :] if last >= 0 else ():
            if _get_tag(prompt) == "Play":
                node.note_loss(f"the sound {shorten(prompt.text or '')} after the text is left out")
        stop = verb.get("finishOnKey", "#")
        most = read_count(verb.get("numDigits"), MAX_DIGITS, MAX_DIGITS)
        after = self._draft.name_node(f"after {_get_tag(verb)}-{number}") if rest else self._draft.get_end_node()
        name = self._draft.name_value("digits", f"digits_{number}" if number > 1 else "pressed")
        add_collect(node, speech, into=name, digits=(1, most), stop=stop, otherwise=after)
        self._go_on_at_address(node, verb.get("action", ""), "the keys go to")
        if rest:
            self._read_verbs(self._draft.add_node(f"after {_get_tag(verb)}-{number}"), rest)
        return True

    def _read_prompt(self, prompt: Any, node: DraftNode) -> None:  # noqa: ANN401 - lxml's element
        read = {"Say": self._read_say, "Play": self._read_play, "Pause": self._read_pause}.get(_get_tag(prompt))
        if read is not None:
            read(prompt, node, ())
        else:
            node.note_missing(f"<{shorten(_get_tag(prompt), 30)}> is no question")

    def _read_dial(self, verb: Any, node: DraftNode, rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        targets = [made for name, text in _iterate_targets(verb) if (made := self._read_dial_target(name, text, node))]
        for name, reason in _LOST_OF_DIAL.items():
            if verb.get(name):
                node.note_loss(f"{name}: {reason}")
        if not targets:
            node.skip_part("nobody is rung here")
            if not verb.get("action"):
                return False
        else:
            is_last = not rest and not verb.get("action")
            record = verb.get("record", "false").startswith(("record", "true"))
            nobody = self._draft.get_end_node() if is_last else ""
            add_dial(node, targets, timeout=verb.get("timeout"), record=record, no_answer=nobody)
            if is_last:
                node.add_hangup()
                return True
        if verb.get("action"):
            self._go_on_at_address(node, verb.get("action"), "after the dial the call goes on at")
            return True
        return False

    def _read_dial_target(self, name: str, text: str, node: DraftNode) -> str:
        target = node.read_target(text) if name in {"", "Number", "Sip", "Sim"} else ""
        if not target:
            kind = f"<{name}> " if name else ""
            note_missing_target(node, f"{kind}{shorten(text, 60)}")
        return target

    def _read_record(self, verb: Any, node: DraftNode, _rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        report = verb.get("recordingStatusCallback", "") or verb.get("transcribeCallback", "")
        transcribe = verb.get("transcribe") == "true"
        stop = verb.get("finishOnKey", "#")
        add_voicemail(node, max_seconds=verb.get("maxLength"), stop=stop, transcribe=transcribe, report_url=report)
        if verb.get("playBeep") == "false":
            node.note_loss("playBeep: a voicemail begins with a tone")
        if verb.get("action"):
            self._go_on_at_address(node, verb.get("action"), "after the recording the call goes on at")
            return True
        return False

    def _read_message(self, verb: Any, node: DraftNode, _rest: Sequence[Any]) -> bool:  # noqa: ANN401 - lxml's element
        text = clean_spoken_text("".join(verb.itertext()))
        to = verb.get("to", "")
        add_sms(node, text, node.read_target(to) or None if to else "")
        return False


_READERS: Final[Mapping[str, Any]] = {
    "Say": _TwimlReader._read_say,  # noqa: SLF001 - the reader's own table
    "Play": _TwimlReader._read_play,  # noqa: SLF001
    "Pause": _TwimlReader._read_pause,  # noqa: SLF001
    "Hangup": _TwimlReader._read_hangup,  # noqa: SLF001
    "Reject": _TwimlReader._read_reject,  # noqa: SLF001
    "Redirect": _TwimlReader._read_redirect,  # noqa: SLF001
    "Gather": _TwimlReader._read_gather,  # noqa: SLF001
    "Dial": _TwimlReader._read_dial,  # noqa: SLF001
    "Record": _TwimlReader._read_record,  # noqa: SLF001
    "Sms": _TwimlReader._read_message,  # noqa: SLF001
    "Message": _TwimlReader._read_message,  # noqa: SLF001
}
_UNMAPPED_VERBS: Final[Mapping[str, str]] = {
    "Enqueue": "Opentact has no queue: ring a group of people with dial instead",
    "Queue": "Opentact has no queue: ring a group of people with dial instead",
    "Leave": "Opentact has no queue to leave",
    "Connect": "Opentact does not stream the sound of a call",
    "Start": "Opentact does not stream the sound of a call",
    "Stop": "Opentact does not stream the sound of a call",
    "Pay": "Opentact takes no payments",
    "Refer": "Opentact does not hand a call over: dial rings the person",
}
_LOST_OF_DIAL: Final = {
    "callerId": "who is rung sees the caller's number",
    "timeLimit": "a conversation has no time limit",
    "hangupOnStar": "the caller cannot end a conversation with a key",
    "ringTone": "the caller hears the usual ringing tone",
    "recordingStatusCallback": "recordings are reported by Opentact's events",
}


def _get_tag(element: Any) -> str:  # noqa: ANN401 - lxml's element
    """Return the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _iterate_targets(verb: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - lxml's element
    """Yield the kind and the text of each target of a Dial."""
    if (verb.text or "").strip():
        yield "", verb.text.strip()
    for child in verb.iterchildren("*"):
        yield _get_tag(child), "".join(child.itertext()).strip()


def _read_loop(verb: Any, node: DraftNode) -> int:  # noqa: ANN401 - lxml's element
    if verb.get("loop") == "0":
        node.note_loss("loop: without end in the original, here 100 times")
        return 100
    return read_count(verb.get("loop"), 1, 100)


_VOICE_LANGUAGE: Final = re.compile(r"(?:Google|Azure)\.([a-z]{2,3}-[A-Z]{2})\b.*")


def _find_language_of_voice(voice: str) -> str:
    """Return the language in the name of a voice, as Google.es-US-Wavenet-A."""
    found = _VOICE_LANGUAGE.fullmatch(voice)
    return found[1] if found else ""


def _clean_url(text: str) -> str:
    return text.strip().replace(" ", "%20")


def _name_address(url: str) -> str:
    """Return a name for the program behind a URL: the last part of its path."""
    try:
        path = urlsplit(url.strip()).path
    except ValueError:
        path = ""
    return path.rstrip("/").rpartition("/")[2].partition(".")[0] or "same"
