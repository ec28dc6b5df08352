"""Makes a draft of a flow of Twilio Studio: a node for each widget, a way for each transition."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import ImportSourceError
from callflows.flows.twiml.twiml_document import MAX_GATHERED_DIGITS, read_count, read_gender, read_language
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
    ImportOutcome,
    SpokenText,
    clean_text_part,
    has_tags,
    is_url,
    merge_data,
    shorten,
)
from callflows.importing.json_source import JsonObject
from callflows.importing.liquid_expressions import LiquidTranslator, quote_text_literal, split_liquid
from callflows.importing.regex_keys import find_matching_keys, find_matching_length

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.importing.flow_draft import DraftNode
    from callflows.importing.liquid_expressions import LiquidPath


def find_studio_definition(data: Any) -> JsonObject | None:  # noqa: ANN401 - JSON
    """Return the definition of a Studio flow; None if the JSON is something else."""
    if isinstance(data, list) and len(data) == 1:
        data = data[0]
    if isinstance(data, JsonObject) and isinstance(data.get("definition"), JsonObject):
        data = data["definition"]
    if isinstance(data, JsonObject) and isinstance(data.get("states"), list) and "transitions" not in data:
        return data
    return None


def draft_studio_flow(definition: JsonObject) -> FlowDraft:
    """Make a draft of a Studio flow. Raises ImportSourceError if there is no widget that can begin a call."""
    return _StudioReader(definition).read_flow()


class _Widget:
    """A widget with its transitions: the next widget for each event, and for each condition."""

    def __init__(self, state: JsonObject) -> None:
        self.name = state.get_text("name")
        self.kind = state.get_text("type")
        self.place = state.place
        self.properties = state.get_object("properties")
        self.transitions = state.get_objects("transitions")
        self.next: dict[str, str] = {}
        for transition in self.transitions:
            target = transition.get_text("next")
            if target and not transition.get_objects("conditions"):
                self.next.setdefault(transition.get_text("event"), target)

    def find_next(self, *events: str) -> str:
        """Return the widget after the first of these events that leads anywhere."""
        return next((self.next[event] for event in events if event in self.next), "")


class _StudioReader:
    def __init__(self, definition: JsonObject) -> None:
        self._definition = definition
        self._draft = FlowDraft("Twilio Studio")
        states = definition.get_objects("states")
        if len(states) > MAX_PARTS:
            raise ImportSourceError(*definition.place, f"the flow has more than {MAX_PARTS} widgets")
        self._widgets: dict[str, _Widget] = {}
        self._mapped_messages: set[str] = set()
        """Widgets that became rules on text messages."""
        for state in states:
            widget = _Widget(state)
            if widget.name:
                self._widgets.setdefault(widget.name, widget)
        self._status_names = {found for text in _iterate_source_texts(definition) for found in _DIAL_STATUS.findall(text)}

    def read_flow(self) -> FlowDraft:
        first = self._find_first_widget()
        if first == "start":
            self._draft.claim_start(first)
        self._name_values()
        if first != "start":
            start = self._draft.add_start_node()
            if first:
                start.add_goto(self._name_target(first))
            else:
                self._end_without_call(start)
        skipped = self._find_message_widgets(first)
        for widget in self._widgets.values():
            if widget.name in skipped:
                part = self._draft.add_part(widget.name, widget.kind, widget.place)
                if widget.name not in self._mapped_messages:
                    part.outcome = ImportOutcome.not_mapped
                    part.reasons.append(
                        "no call gets here: the widget answers text messages, or calls that a program begins"
                    )
            elif widget.kind != "trigger":
                self._read_widget(widget)
        return self._draft

    def _find_message_widgets(self, first: str) -> set[str]:
        """Return the widgets that only other triggers than a call lead to."""
        others = [
            target for widget in self._widgets.values() if widget.kind == "trigger" for target in widget.next.values()
        ]
        return self._find_reachable(others) - self._find_reachable([first])

    def _find_reachable(self, targets: list[str]) -> set[str]:
        reachable: set[str] = set()
        left = targets
        while left:
            target = left.pop()
            if target in self._widgets and target not in reachable:
                reachable.add(target)
                left += [one.get_text("next") for one in self._widgets[target].transitions]
        return reachable

    def _find_first_widget(self) -> str:
        """Return the widget in which a call begins."""
        trigger = next((widget for widget in self._widgets.values() if widget.kind == "trigger"), None)
        if trigger is None:
            initial = self._definition.get_text("initial_state")
            return initial if initial in self._widgets else next(iter(self._widgets), "")
        part = self._draft.add_part(trigger.name, trigger.kind, trigger.place)
        part.node = "start"
        target = trigger.find_next("incomingCall")
        if not target and trigger.find_next("incomingRequest"):
            part.reasons.append("the original begins with a request to its API; here it begins with a call")
            target = trigger.find_next("incomingRequest")
        if trigger.find_next("incomingMessage", "incomingConversationMessage"):
            reply = self._read_message_rule(trigger.find_next("incomingMessage", "incomingConversationMessage"))
            if not reply:
                part.reasons.append("what happens with text messages is not mapped: write rules under messages")
        return target if target in self._widgets else ""

    def _end_without_call(self, start: DraftNode) -> None:
        start.skip_part("nothing in the original begins with a call")
        start.add_hangup()

    def _read_message_rule(self, target: str) -> bool:
        """Write a rule on text messages if the original only sends a fixed answer."""
        widget = self._widgets.get(target)
        if widget is None or widget.kind != "send-message":
            return False
        body = clean_text_part(widget.properties.get_text("body")).strip()
        if not body or any(kind != "text" for kind, _ in split_liquid(body)):
            return False
        self._draft.messages.append({"reply": body})
        self._mapped_messages.add(target)
        return True

    def _name_values(self) -> None:
        """Give a name to each value that the flow will know, before expressions ask for them."""
        for widget in self._widgets.values():
            if widget.kind == "gather-input-on-call":
                self._draft.name_value("digits", widget.name)
            elif widget.kind in {"make-http-request", "run-function"}:
                self._draft.name_value("answer", widget.name)
            elif widget.kind == "connect-call-to" and widget.name in self._status_names:
                self._draft.name_value("dial status", widget.name)
            elif widget.kind == "set-variables":
                for variable in widget.properties.get_objects("variables"):
                    if variable.get_text("key"):
                        self._draft.name_value("variable", variable.get_text("key"))

    def _name_target(self, target: str) -> str:
        """Return the node of a widget; the end of the call for a widget that does not exist."""
        if target in self._widgets and self._widgets[target].kind != "trigger":
            return self._draft.name_node(target)
        return self._draft.get_end_node()

    def _read_widget(self, widget: _Widget) -> None:
        part = self._draft.add_part(widget.name, widget.kind, widget.place)
        node = self._draft.add_node(widget.name, part)
        read: Callable[[_Widget, DraftNode], None] | None = {
            "say-play": self._read_say_play,
            "gather-input-on-call": self._read_gather,
            "split-based-on": self._read_split,
            "connect-call-to": self._read_connect,
            "record-voicemail": self._read_voicemail,
            "send-message": self._read_message,
            "make-http-request": self._read_request,
            "run-function": self._read_request,
            "set-variables": self._read_variables,
        }.get(widget.kind)
        if read is not None:
            read(widget, node)
            return
        node.skip_part(_UNMAPPED_WIDGETS.get(widget.kind, f"flows have nothing like the widget {shorten(widget.kind, 40)}"))
        # The way of a failure tells callers that something is not possible; other ways promise that it was done.
        target = next((widget.next[event] for event in widget.next if "fail" in event.lower()), "")
        self._go_on(node, target or next(iter(widget.next.values()), ""))

    def _go_on(self, node: DraftNode, target: str) -> None:
        if target:
            node.add_goto(self._name_target(target))
        else:
            node.add_hangup()

    # Expressions

    def _translator(self, node: DraftNode) -> LiquidTranslator:
        return LiquidTranslator(self._resolve_path, node.note_loss)

    def _translate_text(self, text: str, node: DraftNode) -> str:
        if has_tags(text):
            note_lost_tags(node)
        return self._translator(node).translate_text(text)

    def _resolve_path(self, path: LiquidPath) -> str | None:
        """Return the expression of a Studio value; None if flows do not have it."""
        match path:
            case ("flow", "variables", name, *rest):
                return _add_fields(self._get_value("variable", name), rest)
            case ("trigger", "call" | "parent", field) if field in _CALL_FIELDS:
                return _CALL_FIELDS[field]
            case ("contact", "channel", "address"):
                return "caller.number"
            case ("flow", "channel", "address"):
                return "number"
            case ("widgets", name, "Digits"):
                return self._get_value("digits", name)
            case ("widgets", name, "DialCallStatus"):
                return self._get_value("dial status", name)
            case ("widgets", name, "parsed" | "body", *rest):
                return _add_fields(self._get_value("answer", name), rest)
        return None

    def _get_value(self, kind: str, original: str) -> str | None:
        return self._draft.name_value(kind, original) if self._draft.has_value(kind, original) else None

    # Widgets

    def _read_speech(self, widget: _Widget, node: DraftNode) -> SpokenText:
        """Return the text of a widget with the language and the gender of its voice."""
        properties = widget.properties
        text = self._translate_text(properties.get_text("say"), node)
        language = properties.get_text("language")
        return SpokenText(text, read_language(language), read_gender(properties.get_text("voice")))

    def _read_say_play(self, widget: _Widget, node: DraftNode) -> None:
        properties = widget.properties
        loop = read_count(properties.get("loop"), 1, 100)
        if properties.get_text("play"):
            node.add_play(self._translate_url(properties.get_text("play"), node), loop)
        elif properties.get_text("say"):
            node.add_say(self._read_speech(widget, node), loop)
        if properties.get_text("digits"):
            node.note_loss(f"the keys {shorten(properties.get_text('digits'), 30)} are not sent: flows play no keys")
        self._go_on(node, widget.find_next("audioComplete"))

    def _translate_url(self, url: str, node: DraftNode) -> str:
        return (
            self._translator(node).translate_text(url).replace(" ", "%20") if "{{" not in url else self._keep_url(url, node)
        )

    def _keep_url(self, url: str, node: DraftNode) -> str:
        """Translate a URL with values; blanks stay only within braces."""
        translated_url = self._translator(node).translate_text(url)
        return "".join(part if part.startswith("{{") else part.replace(" ", "%20") for part in _VALUE.split(translated_url))

    def _read_gather(self, widget: _Widget, node: DraftNode) -> None:
        properties = widget.properties
        name = self._draft.name_value("digits", widget.name)
        no_input = widget.find_next("timeout")
        if widget.find_next("speech"):
            note_speech_input(node, takes_keys=bool(widget.find_next("keypress")))
        stop = properties.get_text("finish_on_key")
        most = read_count(properties.get("number_of_digits"), MAX_GATHERED_DIGITS if stop else 1, MAX_GATHERED_DIGITS)
        speech = self._read_speech(widget, node)
        sound = properties.get_text("play")
        add_collect(
            node,
            speech,
            self._translate_url(sound, node) if sound and not speech.text else "",
            into=name,
            digits=(1, most),
            stop=stop,
            attempts=read_count(properties.get("loop"), 1, 10),
            otherwise=self._name_target(no_input) if no_input else self._draft.get_end_node(),
        )
        self._go_on(node, widget.find_next("keypress", "speech"))

    def _read_split(self, widget: _Widget, node: DraftNode) -> None:
        ways = []
        source = widget.properties.get_text("input")
        for transition in widget.transitions:
            for condition in transition.get_objects("conditions"):
                expression = self._read_condition(condition, source, node)
                if expression is not None:
                    ways.append((expression, self._name_target(transition.get_text("next"))))
        other = widget.find_next("noMatch")
        node.add_choose(ways, self._name_target(other) if other else self._draft.get_end_node())

    def _read_condition(self, condition: JsonObject, source: str, node: DraftNode) -> str | None:
        """Return a condition as an expression; None, with a note, if flows cannot express it."""
        shown = shorten(f"{condition.get_text('type')} {condition.get_text('value')}", 60)
        argument = next(iter(condition.get_texts("arguments")), "") or source
        left = self._translator(node).translate_single_value(argument)
        if left is None:
            if not any(kind == "value" for kind, _ in split_liquid(argument)):
                node.note_loss(f"the condition {shown} asks for {shorten(argument, 40) or 'nothing'}")
            else:
                node.note_loss(f"the way of {shown} is left out")
            return None
        kind, value = condition.get_text("type"), condition.get_text("value")
        is_lower = argument.strip("{} ").endswith((".Digits", ".DialCallStatus"))
        expression = translate_comparison(left, kind, value, self._translator(node), is_lower=is_lower)
        if expression is None:
            node.note_loss(f"the condition {shown} has no form in a flow")
        elif kind == "regex":
            node.note_loss(f"the pattern {shorten(value, 40)} is written out as the keys that it fits")
        return expression

    def _read_connect(self, widget: _Widget, node: DraftNode) -> None:
        properties = widget.properties
        noun = properties.get_text("noun") or "number"
        targets = self._read_targets(noun, properties, node)
        if properties.get_text("caller_id") and "channel.address" not in properties.get_text("caller_id"):
            caller_id = shorten(properties.get_text("caller_id"), 40)
            node.note_loss(f"who is rung sees the caller's number, not {caller_id}")
        after = widget.find_next("callCompleted", "hangup")
        after_node = self._name_target(after) if after else self._draft.get_end_node()
        if not targets:
            node.skip_part("nobody is rung here")
            node.add_goto(after_node)
            return
        timeout = properties.get("timeout")
        record = properties.get("record") is True or properties.get_text("record").startswith("record")
        status = self._get_value("dial status", widget.name)
        if status is None:
            add_dial(node, targets, timeout=timeout, record=record, no_answer=after_node)
        else:
            node.note_loss("busy, failed and no-answer are one: DialCallStatus is completed or no-answer")
            nobody = self._draft.add_helper_node(f"{node.name}-no-answer")
            nobody.add_step("set", {status: '"no-answer"'})
            nobody.add_goto(after_node)
            add_dial(node, targets, timeout=timeout, record=record, no_answer=nobody.name)
            node.add_step("set", {status: '"completed"'})
        node.add_goto(after_node)

    def _read_targets(self, noun: str, properties: JsonObject, node: DraftNode) -> list[str]:
        written = properties.get_text("to") or properties.get_text("sip_endpoint")
        targets = []
        for target in written.split(",") if noun == "number-multi" else [written]:
            dial_target = self._translate_target(target.strip(), noun, node)
            if dial_target:
                targets.append(dial_target)
        return targets

    def _translate_target(self, target: str, noun: str, node: DraftNode) -> str:
        if noun == "sip" and not target.lower().startswith("sip") and target:
            target = f"sip:{target}"
        if "{{" in target and noun != "client":
            return self._translator(node).translate_text(target).replace("sip: ", "sip:")
        found = node.read_target(target) if noun in {"number", "number-multi", "sip", "sim"} else ""
        if not found:
            note_missing_target(node, f"{noun} {shorten(target, 60)}")
        return found

    def _read_voicemail(self, widget: _Widget, node: DraftNode) -> None:
        properties = widget.properties
        report = properties.get_text("recording_status_callback_url") or properties.get_text("transcription_callback_url")
        add_voicemail(
            node,
            max_seconds=properties.get("max_length"),
            stop=properties.get_text("finish_on_key"),
            transcribe=properties.get("transcribe") is True or properties.get_text("transcribe") == "true",
            report_url=report,
        )
        self._go_on(node, widget.find_next("recordingComplete", "hangup", "noAudio"))

    def _read_message(self, widget: _Widget, node: DraftNode) -> None:
        properties = widget.properties
        text = self._translator(node).translate_text(properties.get_text("body"))
        to = properties.get_text("to")
        is_caller = not to or "contact.channel.address" in to
        target = "" if is_caller else self._translate_target(to, "number", node) or None
        if properties.get_text("media_url"):
            node.note_loss("the picture is left out: a text message is text")
        add_sms(node, text, target)
        self._go_on(node, widget.find_next("sent", "failed"))

    def _read_request(self, widget: _Widget, node: DraftNode) -> None:
        properties = widget.properties
        url = self._translate_url(properties.get_text("url"), node)
        failed = widget.find_next("failed", "fail")
        if not is_url(_VALUE.sub("x", url).replace(" ", "")):
            node.skip_part(f"the address {shorten(url)} of the request cannot be asked by a flow")
            self._set_missing_answer(widget, node)
            self._go_on(node, failed or widget.find_next("success"))
            return
        if widget.kind == "run-function":
            node.note_loss("the function is asked by its URL, without Twilio's signature")
        method = properties.get_text("method").upper()
        body, headers = self._read_request_body(properties, node)
        asked = {
            "url": url,
            "into": self._draft.name_value("answer", widget.name),
            "method": method if method in {"POST", "PUT", "PATCH"} else "POST" if body else "",
            "headers": headers,
            "body": body,
            "timeout": "5s",
            "otherwise": self._name_target(failed) if failed else "",
        }
        node.add_step("lookup", merge_data(asked))
        self._go_on(node, widget.find_next("success") or failed)

    def _set_missing_answer(self, widget: _Widget, node: DraftNode) -> None:
        """Store an empty answer, so that the texts that use it can be read."""
        node.add_step("set", {self._draft.name_value("answer", widget.name): '""'})

    def _read_request_body(self, properties: JsonObject, node: DraftNode) -> tuple[Any, dict[str, str]]:
        parameters = {
            one.get_text("key"): self._translator(node).translate_text(one.get_text("value"))
            for one in properties.get_objects("parameters")
            if one.get_text("key")
        }
        if parameters:
            node.note_loss("the parameters are sent as JSON, not as a form")
            return parameters, {}
        body = properties.get_text("body")
        kind = re.sub(r"[^A-Za-z0-9/+.;=\- ]", "", properties.get_text("content_type"))
        if not body:
            return "", {}
        return self._translator(node).translate_text(body), {"content-type": kind} if kind else {}

    def _read_variables(self, widget: _Widget, node: DraftNode) -> None:
        values = {}
        for variable in widget.properties.get_objects("variables"):
            key = variable.get_text("key")
            if key:
                value = self._translator(node).translate_value(variable.get_text("value"))
                values[self._draft.name_value("variable", key)] = value
        if values:
            node.add_step("set", values)
        self._go_on(node, widget.find_next("next"))


_DIAL_STATUS: Final = re.compile(r"widgets\.([A-Za-z0-9_-]+)\.DialCallStatus")
_VALUE: Final = re.compile(r"(\{\{.*?(?:\}\}|\Z))", re.DOTALL)
_CALL_FIELDS: Final[Mapping[str, str]] = {
    "From": "caller.number",
    "Caller": "caller.number",
    "To": "number",
    "Called": "number",
    "CallSid": "call.id",
    "CallerName": "caller.name",
    "FromState": "caller.state",
    "CallerState": "caller.state",
    "FromCountry": "caller.region",
    "CallerCountry": "caller.region",
    "StirVerstat": "call.attestation",
}
_UNMAPPED_WIDGETS: Final[Mapping[str, str]] = {
    "enqueue-call": "Opentact has no queue: ring a group of people with dial instead",
    "send-to-flex": "Opentact has no queue of agents: ring a group of people with dial instead",
    "add-twiml-redirect": "the program behind the URL is not in the file",
    "run-subflow": "the other flow is not in the file: import it, and put its nodes here",
    "capture-payments": "Opentact takes no payments",
    "make-outgoing-call": "a flow does not begin calls: see callflows opentact batch",
    "make-outgoing-call-v1": "a flow does not begin calls: see callflows opentact batch",
    "make-outgoing-call-v2": "a flow does not begin calls: see callflows opentact batch",
    "send-and-wait-for-reply": "a call does not wait for a text message: write rules under messages",
    "call-recording": "the whole call is not recorded: a dial can be, with record: true",
    "record-call": "the whole call is not recorded: a dial can be, with record: true",
    "fork-stream": "Opentact does not stream the sound of a call",
}


def _iterate_source_texts(value: object) -> list[str]:
    left, texts = [value], []
    while left:
        part = left.pop()
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            left += part.values()
        elif isinstance(part, list):
            left += part
    return texts


def _add_fields(name: str | None, fields: list[str]) -> str | None:
    """Return a value with the fields that an expression asks for."""
    if name is None:
        return None
    for field in fields:
        plain = re.fullmatch("[A-Za-z][A-Za-z0-9_]*", field)
        name += f".{field}" if plain else f"[{field}]" if field.isdecimal() else f"[{quote_text_literal(field)}]"
    return name


def translate_comparison(
    left: str, kind: str, value: str, translator: LiquidTranslator, *, is_lower: bool = False
) -> str | None:
    """Return a comparison of Studio as an expression; None if flows have none like it.

    ``is_lower``: the value has no capitals, so that case does not matter.
    """
    text = translator.translate_value(value) if "{" in value else quote_text_literal(clean_text_part(value).strip())
    number = value.strip() if _NUMBER.fullmatch(value.strip()) else text
    listed = ", ".join(quote_text_literal(one.strip()) for one in value.split(","))
    is_folded = "{" not in value and value.lower() != value.upper() and not is_lower
    folded, lower = (f"({left} | lower)", text.lower()) if is_folded else (left, text)
    wrapped = f"({left})" if " " in left else left
    if kind == "regex":
        length = find_matching_length(value)
        if length is not None:
            least, most = length
            counted = f"{wrapped} | length"
            return f"{counted} == {least}" if least == most else f"{counted} >= {least} and {counted} <= {most}"
        keys = find_matching_keys(value)
        return f"{wrapped} in [{', '.join(map(quote_text_literal, keys))}]" if keys else None
    if kind in {"less_than", "greater_than"} and not _NUMBER.fullmatch(value.strip()) and "{{" not in value:
        return None
    expressions = {
        "equal_to": f"{folded} == {lower}",
        "not_equal_to": f"{folded} != {lower}",
        "matches_any_of": f"{wrapped} in [{listed}]",
        "does_not_match_any_of": f"{wrapped} not in [{listed}]",
        "is_blank": f'{wrapped} == ""',
        "is_not_blank": f'{wrapped} != ""',
        "contains": f"{text} in {wrapped}",
        "does_not_contain": f"{text} not in {wrapped}",
        "starts_with": f"{wrapped}[:{len(value)}] == {text}",
        "does_not_start_with": f"{wrapped}[:{len(value)}] != {text}",
        "less_than": f"{wrapped} < {number}",
        "greater_than": f"{wrapped} > {number}",
        "is_before_time": f"now.time < {quote_text_literal(value)}",
        "is_after_time": f"now.time > {quote_text_literal(value)}",
        "is_before_date": f"now.date < {quote_text_literal(value)}",
        "is_after_date": f"now.date > {quote_text_literal(value)}",
    }
    return expressions.get(kind)


_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
