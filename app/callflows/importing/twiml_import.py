"""Makes a draft of a TwiML document: its verbs one after the other, with a node for each address that goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from callflows.errors import DocumentReadError, ImportSourceError
from callflows.flows.twiml.twiml_document import (
    LOST_SMS_STATUS,
    TwimlDial,
    TwimlGather,
    TwimlHangup,
    TwimlPause,
    TwimlPlay,
    TwimlRecord,
    TwimlRedirect,
    TwimlSay,
    TwimlSms,
    TwimlUnmapped,
    read_twiml,
)
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
    FlowDraft,
    SpokenText,
    clean_spoken_text,
    format_flow_duration,
    shorten,
)
from callflows.importing.json_source import SourcePlace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callflows.flows.twiml.twiml_document import TwimlTarget, TwimlVerb
    from callflows.importing.flow_draft import DraftNode


def draft_twiml_flow(document: bytes) -> FlowDraft:
    """Make a draft of a TwiML document. Raises ImportSourceError with the place."""
    try:
        verbs = read_twiml(document)
    except DocumentReadError as error:
        raise ImportSourceError(error.line, error.column, error.reason) from None
    return _TwimlDrafter().draft_document(verbs)


class _TwimlDrafter:
    def __init__(self) -> None:
        self._draft = FlowDraft("TwiML")
        self._counts: dict[str, int] = {}

    def draft_document(self, verbs: Sequence[TwimlVerb]) -> FlowDraft:
        self._draft.claim_start("start")
        self._add_verbs(self._draft.add_node("start"), verbs)
        return self._draft

    def _add_verbs(self, node: DraftNode, verbs: Sequence[TwimlVerb]) -> None:
        """Add verbs in order. Some end the node, and what follows goes on in another one."""
        for index, verb in enumerate(verbs):
            tag = verb.tag
            number = self._counts[tag] = self._counts.get(tag, 0) + 1
            part = self._draft.add_part(f"{tag}-{number}", tag, SourcePlace(verb.line, verb.column))
            part.node = node.name
            node.part = part
            if self._add_verb(verb, node, verbs[index + 1 :]):
                return
        node.part = None
        node.add_hangup()

    def _add_verb(self, verb: TwimlVerb, node: DraftNode, rest: Sequence[TwimlVerb]) -> bool:
        """Add a verb; return True if it ends the node."""
        match verb:
            case TwimlSay() | TwimlPlay() | TwimlPause():
                _add_prompt(verb, node)
            case TwimlHangup():
                if verb.reason:
                    reason = shorten(verb.reason, 20)
                    node.note_loss(f"the call is hung up on, not rejected as {reason}: Opentact tells no reason")
                node.add_hangup()
                return True
            case TwimlRedirect():
                self._go_on_at_address(node, verb.url, "the call goes on at")
                return True
            case TwimlGather():
                self._add_gather(verb, node, rest)
                return True
            case TwimlDial():
                return self._add_dial(verb, node, rest)
            case TwimlRecord():
                return self._add_record(verb, node)
            case TwimlSms():
                _add_text_message(verb, node)
            case TwimlUnmapped():
                node.skip_part(verb.reason)
        return False

    def _go_on_at_address(self, node: DraftNode, url: str, reason: str) -> None:
        """Go on at a node that stands for the program behind a URL."""
        node.note_loss(f"{reason} {shorten(url) or 'the same address'}, whose answer is not in the file: write it here")
        name = _name_address(url)
        target = self._draft.name_node(f"address {name}")
        if target not in self._draft.nodes:
            self._draft.add_node(f"address {name}").add_hangup()
        node.add_goto(target)

    def _add_gather(self, verb: TwimlGather, node: DraftNode, rest: Sequence[TwimlVerb]) -> None:
        number = self._counts["Gather"]
        if verb.takes_speech:
            note_speech_input(node, takes_keys=verb.takes_keys)
        # A key ends each of these in the original, so they are one prompt here, too.
        first = len(node.steps)
        for prompt in verb.prompts:
            _add_prompt(prompt, node)
        parts = node.take_steps(first)
        only_text = verb.prompts[0] if len(verb.prompts) == 1 else None
        speech = SpokenText("")
        if isinstance(only_text, TwimlSay) and only_text.loop == 1:
            speech, parts = _make_spoken_text(only_text, node), []
        after = self._draft.name_node(f"after Gather-{number}") if rest else self._draft.get_end_node()
        name = self._draft.name_value("digits", f"digits_{number}" if number > 1 else "pressed")
        add_collect(node, speech, parts=parts, into=name, digits=(1, verb.max_digits), stop=verb.stop_key, otherwise=after)
        self._go_on_at_address(node, verb.url, "the keys go to")
        if rest:
            self._add_verbs(self._draft.add_node(f"after Gather-{number}"), rest)

    def _add_dial(self, verb: TwimlDial, node: DraftNode, rest: Sequence[TwimlVerb]) -> bool:
        targets = [dial_target for target in verb.targets if (dial_target := _read_target(target, node))]
        for loss in verb.losses:
            node.note_loss(loss)
        if not targets:
            node.skip_part("nobody is rung here")
            if not verb.url:
                return False
        else:
            is_last = not rest and not verb.url
            nobody = self._draft.get_end_node() if is_last else ""
            add_dial(node, targets, timeout=verb.timeout_seconds, record=verb.is_recorded, no_answer=nobody)
            if is_last:
                node.add_hangup()
                return True
        if verb.url:
            self._go_on_at_address(node, verb.url, "after the dial the call goes on at")
            return True
        return False

    def _add_record(self, verb: TwimlRecord, node: DraftNode) -> bool:
        add_voicemail(
            node,
            max_seconds=verb.max_seconds,
            stop=verb.stop_keys,
            transcribe=verb.is_transcribed,
            report_url=verb.status_url,
        )
        if not verb.has_beep:
            node.note_loss("playBeep: a voicemail begins with a tone")
        if verb.url:
            self._go_on_at_address(node, verb.url, "after the recording the call goes on at")
            return True
        return False


def _add_prompt(prompt: TwimlVerb, node: DraftNode) -> None:
    match prompt:
        case TwimlSay():
            spoken = _make_spoken_text(prompt, node)
            _note_endless_loop(prompt, node)
            node.add_say(spoken, prompt.loop)
        case TwimlPlay(keys=keys) if keys:
            node.note_loss(f"the keys {shorten(keys, 30)} are not sent: flows play no keys")
        case TwimlPlay(url=""):
            node.skip_part("the sound has no address")
        case TwimlPlay():
            _note_endless_loop(prompt, node)
            node.add_play(prompt.url, prompt.loop)
        case TwimlPause():
            node.add_step("pause", format_flow_duration(prompt.seconds, 0.1, 1800))
        case _:
            node.note_loss(f"<{shorten(prompt.tag, 30)}> is no question")


def _make_spoken_text(verb: TwimlSay, node: DraftNode) -> SpokenText:
    if verb.has_tags:
        note_lost_tags(node)
    return SpokenText(clean_spoken_text(verb.text), verb.language, verb.gender)


def _note_endless_loop(verb: TwimlSay | TwimlPlay, node: DraftNode) -> None:
    if verb.is_endless:
        node.note_loss(f"loop: without end in the original, here {verb.loop} times")


def _read_target(target: TwimlTarget, node: DraftNode) -> str:
    if not target.number:
        note_missing_target(node, shorten(target.text, 60))
        return ""
    return node.read_target(target.number if not target.lacks_country else target.text.rpartition("> ")[2])


def _add_text_message(verb: TwimlSms, node: DraftNode) -> None:
    if verb.reports_status:
        node.note_loss(LOST_SMS_STATUS)
    add_sms(node, clean_spoken_text(verb.text), node.read_target(verb.to) or None if verb.to else "")


def _name_address(url: str) -> str:
    """Return a name for the program behind a URL: the last part of its path."""
    try:
        path = urlsplit(url.strip()).path
    except ValueError:
        path = ""
    return path.rstrip("/").rpartition("/")[2].partition(".")[0] or "same"
