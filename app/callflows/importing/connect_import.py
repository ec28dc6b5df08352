"""Makes a draft of a flow of Amazon Connect: a node for each action, a way for each transition."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from callflows.errors import ImportSourceError
from callflows.flows.twiml.twiml_document import MAX_GATHERED_DIGITS, read_count, read_language
from callflows.importing.connect_actions import (
    SETTING_KINDS,
    UNMAPPED_KINDS,
    ConnectAction,
    read_connect_actions,
)
from callflows.importing.draft_steps import add_collect, add_dial, note_lost_tags
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
from callflows.importing.liquid_expressions import quote_text_literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callflows.importing.flow_draft import DraftNode


def find_connect_content(data: Any) -> JsonObject | None:  # noqa: ANN401 - JSON
    """Return the content of an Amazon Connect flow, of the language of 2019 or of the older export; None otherwise."""
    for place in (data, data.get("Content") if isinstance(data, JsonObject) else None):
        if isinstance(place, JsonObject) and (
            (isinstance(place.get("Actions"), list) and "StartAction" in place) or isinstance(place.get("modules"), list)
        ):
            return place
    return None


def draft_connect_flow(content: JsonObject) -> FlowDraft:
    """Make a draft of an Amazon Connect flow. Raises ImportSourceError if the flow is too large."""
    first, actions = read_connect_actions(content)
    if len(actions) > MAX_PARTS:
        raise ImportSourceError(*content.place, f"the flow has more than {MAX_PARTS} actions")
    return _ConnectReader(first, actions).read_flow()


class _ConnectReader:
    def __init__(self, first: str, actions: Mapping[str, ConnectAction]) -> None:
        self._draft = FlowDraft("Amazon Connect")
        self._first = first if first in actions else next(iter(actions), "")
        self._actions = actions
        self._voice = self._find_common_voice()
        self._queues = self._find_queues()
        self._value_ends = {("attribute", key) for action in actions.values() for key in _list_attributes(action)}

    def read_flow(self) -> FlowDraft:
        if self._first and self._actions[self._first].name == "start":
            self._draft.claim_start(self._first)
        self._name_nodes()
        for _, key in sorted(self._value_ends):
            self._draft.name_value("attribute", key)
        kinds = {action.kind for action in self._actions.values()}
        if "InvokeLambdaFunction" in kinds:
            self._draft.name_value("answer", "external")
        if any(action.is_storing for action in self._actions.values()):
            self._draft.name_value("stored", "stored_input")
        if self._first and self._draft.name_node(self._first) != "start":
            self._draft.add_start_node().add_goto(self._draft.name_node(self._first))
        elif not self._first:
            start = self._draft.add_start_node()
            start.skip_part("the original has no action")
            start.add_hangup()
        for action in self._actions.values():
            self._read_action(action)
        return self._draft

    def _name_nodes(self) -> None:
        """Give each action a node: its own name, or its kind and a number."""
        for key, action in self._actions.items():
            if key != self._first or action.name != "start":
                self._draft.name_node_as(key, action.name)

    def _name_target(self, target: str) -> str:
        return self._draft.name_node(target) if target in self._actions else self._draft.get_end_node()

    def _read_action(self, action: ConnectAction) -> None:
        part = self._draft.add_part(action.key, action.kind, action.place)
        node = self._draft.add_node(action.key, part)
        read = _READERS.get(action.kind)
        if read is not None:
            read(self, action, node)
        elif action.kind in SETTING_KINDS:
            if SETTING_KINDS[action.kind]:
                node.note_loss(SETTING_KINDS[action.kind])
            self._go_on(node, action)
        else:
            unknown = f"flows have nothing like {shorten(action.kind, 40) or 'an action without a type'}"
            node.skip_part(UNMAPPED_KINDS.get(action.kind, unknown))
            # The way of an error tells callers that something is not possible; other ways promise that it was done.
            node.add_goto(self._name_target(action.error or action.next))

    def _go_on(self, node: DraftNode, action: ConnectAction) -> None:
        if action.next:
            node.add_goto(self._name_target(action.next))
        else:
            node.add_hangup()

    # Texts and values

    def _find_common_voice(self) -> dict[str, str]:
        """Return the language and the gender of the voice if the flow sets only one."""
        voices = [
            (action.parameters.get_text("TextToSpeechVoice"), action.parameters.get_text("LanguageCode"))
            for action in self._actions.values()
            if action.kind == "UpdateContactTextToSpeechVoice"
        ]
        if not voices or any(voice != voices[0] for voice in voices):
            return {}
        name, language = voices[0]
        known_language, gender = _VOICES.get(name, ("", ""))
        return merge_data({"lang": read_language(language or known_language), "gender": gender})

    def _read_speech(self, action: ConnectAction, node: DraftNode) -> SpokenText:
        parameters = action.parameters
        text = parameters.get_text("Text") or parameters.get_text("SSML")
        if has_tags(text):
            note_lost_tags(node)
        spoken = self._translate_text(clean_spoken_text(text), node)
        if parameters.get_text("PromptId") and not text:
            node.note_loss(f"the sound {shorten(parameters.get_text('PromptId'), 90)} is kept at Amazon: play: https://…")
        return SpokenText(spoken, self._voice.get("lang", ""), self._voice.get("gender", ""))

    def _translate_text(self, text: str, node: DraftNode) -> str:
        """Return a text with the values of JSONPath in braces."""

        def replace_path(found: re.Match[str]) -> str:
            name = self._resolve_path(found[0])
            if name is None:
                node.note_loss(f"{shorten(found[0], 60)} is left out: a flow does not have this value")
                return ""
            return f"{{{{ {name} }}}}"

        return _INLINE_PATH.sub(replace_path, text)

    def _resolve_path(self, path: str) -> str | None:
        """Return the expression of a value; None if a flow does not have it."""
        if path in _KNOWN_PATHS:
            return _KNOWN_PATHS[path]
        parts = re.findall(r"\w[\w-]*", path)
        if parts[:1] == ["Attributes"] and len(parts) > 1:
            name = " ".join(parts[1:]) if ("attribute", " ".join(parts[1:])) in self._value_ends else parts[1]
            return self._draft.name_value("attribute", name) if ("attribute", name) in self._value_ends else None
        if parts[:1] == ["External"] and self._draft.has_value("answer", "external"):
            fields = [
                f"[{quote_text_literal(part)}]" if "-" in part or part[0].isdigit() else f".{part}" for part in parts[1:]
            ]
            return self._draft.name_value("answer", "external") + "".join(fields)
        if parts[:1] == ["StoredCustomerInput"] and self._draft.has_value("stored", "stored_input"):
            return self._draft.name_value("stored", "stored_input")
        return None

    def _translate_value(self, text: str, node: DraftNode) -> str:
        """Return a value as an expression: a path, or a text."""
        if text.startswith("$."):
            name = self._resolve_path(text)
            if name is None:
                node.note_loss(f"{shorten(text, 60)} is empty here: a flow does not have this value")
            return name or '""'
        return quote_text_literal(clean_spoken_text(text))

    # Actions

    def _read_message(self, action: ConnectAction, node: DraftNode) -> None:
        media = action.parameters.get_object("Media").get_text("Uri")
        if is_url(media):
            node.add_play(media)
        else:
            node.add_say(self._read_speech(action, node))
        self._go_on(node, action)

    def _read_messages(self, action: ConnectAction, node: DraftNode) -> None:
        node.note_loss("the texts are said once, not again and again")
        for message in action.parameters.get_objects("Messages"):
            text = clean_spoken_text(message.get_text("Text"))
            node.add_say(SpokenText(self._translate_text(text, node), **self._voice))
            if message.get_text("PromptId"):
                node.note_loss("a sound is kept at Amazon: play: https://…")
        self._go_on(node, action)

    def _read_input(self, action: ConnectAction, node: DraftNode) -> None:
        speech = self._read_speech(action, node)
        no_input = action.errors.get("InputTimeLimitExceeded") or action.error
        if not action.is_storing and speech.text and self._add_menu(action, node, speech, no_input):
            return
        keys = [operand for condition in action.conditions for operand in condition.operands]
        if action.is_storing:
            name = self._draft.name_value("stored", "stored_input")
            validation = action.parameters.get_object("InputValidation")
            most = read_count(validation.get_object("CustomValidation").get_text("MaximumLength"), 20, MAX_GATHERED_DIGITS)
            if action.parameters.get_object("InputEncryption"):
                node.note_loss("the digits are not encrypted with a key of yours: secret: true keeps them from logs")
        else:
            name = self._draft.name_value("digits", action.name)
            most = max([1, *(len(key) for key in keys if _KEYS.fullmatch(key))])
        stop = next((key for key in "#*0" if not any(key in one for one in keys)), "#")
        nobody = self._name_target(no_input or action.next)
        add_collect(node, speech, into=name, digits=(1, most), stop=stop, otherwise=nobody)
        ways = []
        for condition in action.conditions:
            pressed = [key for key in condition.operands if _KEYS.fullmatch(key)]
            if not pressed:
                shown = shorten(" ".join(condition.operands), 40)
                node.note_loss(f"the way of {shown or 'a condition'} is no key")
                continue
            listed = ", ".join(map(quote_text_literal, pressed))
            ways.append((f"{name} == {listed}" if len(pressed) == 1 else f"{name} in [{listed}]", condition.target))
        other = (
            action.next if action.is_storing else action.errors.get("NoMatchingCondition") or action.error or action.next
        )
        node.add_choose([(when, self._name_target(target)) for when, target in ways], self._name_target(other))

    def _add_menu(self, action: ConnectAction, node: DraftNode, speech: SpokenText, no_input: str) -> bool:
        """Add a menu if every condition is a key of the phone; return False otherwise."""
        keys: dict[str, str] = {}
        for condition in action.conditions:
            for key in condition.operands:
                if not _KEYS.fullmatch(key):
                    return False
                keys.setdefault({"*": "star", "#": "hash"}.get(key, key), self._name_target(condition.target))
        if not keys:
            return False
        wrong = action.errors.get("NoMatchingCondition") or action.error or action.next
        ways = {"no_input": self._name_target(no_input or action.next), "no_match": self._name_target(wrong)}
        node.add_step("menu", {"prompt": speech.text, "keys": keys, **merge_data({"voice": speech.voice}), **ways})
        return True

    def _read_end(self, _action: ConnectAction, node: DraftNode) -> None:
        node.add_hangup()

    def _read_hours(self, action: ConnectAction, node: DraftNode) -> None:
        original = action.parameters.get_text("HoursOfOperationId") or "office"
        note = f"with loss: the times of {shorten(original, 60)} are kept at Amazon Connect: write them, and your zone"
        name = self._draft.name_hours(_find_short_name(original) or "office", note)
        node.note_loss("the times are kept at Amazon Connect: write them under hours")
        targets = {operand.lower(): way.target for way in action.conditions for operand in way.operands}
        node.add_choose(
            [(f"hours.{name}.open", self._name_target(targets.get("true", action.next)))],
            self._name_target(targets.get("false") or action.error or action.next),
        )

    def _read_queue(self, action: ConnectAction, node: DraftNode) -> None:
        if self._needs_queue_value():
            name = self._draft.name_value("queue", "queue")
            node.add_step("set", {name: quote_text_literal(_name_queue(action))})
        self._go_on(node, action)

    def _needs_queue_value(self) -> bool:
        return any(len(queues) > 1 for queues in self._queues.values())

    def _find_queues(self) -> dict[str, set[str]]:
        """Return the queues that may be set when a transfer is reached, by the key of the transfer."""
        found: dict[str, set[str]] = {}
        for action in self._actions.values():
            if action.kind != "UpdateContactTargetQueue":
                continue
            queue, seen, left = _name_queue(action), {action.key}, [*action.targets]
            while left:
                here = self._actions.get(left.pop())
                if here is None or here.key in seen:
                    continue
                seen.add(here.key)
                if here.kind == "TransferContactToQueue":
                    found.setdefault(here.key, set()).add(queue)
                elif here.kind != "UpdateContactTargetQueue":
                    left += here.targets
        return found

    def _read_transfer_to_queue(self, action: ConnectAction, node: DraftNode) -> None:
        node.note_loss("Opentact has no queue: the people of the group are rung")
        nobody = self._name_target(action.error or action.errors.get("QueueAtCapacity", ""))
        queues = sorted(self._queues.get(action.key, ())) or ["queue"]
        if len(queues) == 1:
            self._add_group_dial(node, queues[0], nobody)
            return
        value = self._draft.name_value("queue", "queue")
        ways = []
        for queue in queues:
            ringing = self._draft.add_helper_node(f"{node.name}-{queue}")
            self._add_group_dial(ringing, queue, nobody)
            ways.append((f"{value} == {quote_text_literal(queue)}", ringing.name))
        node.add_choose(ways, nobody)

    def _add_group_dial(self, node: DraftNode, queue: str, nobody: str) -> None:
        note = f"with loss: who answers {shorten(queue, 60)} is kept at Amazon Connect: write their numbers"
        add_dial(node, [self._draft.name_group(queue, note)], no_answer=nobody)
        node.add_hangup()

    def _read_third_party(self, action: ConnectAction, node: DraftNode) -> None:
        parameters = action.parameters
        written = parameters.get_text("ThirdPartyPhoneNumber")
        target = node.read_target(written)
        if written.startswith("$."):
            name = self._resolve_path(written)
            target = f"{{{{ {name} }}}}" if name else ""
        failed = action.errors.get("CallFailed") or action.errors.get("ConnectionTimeLimitExceeded") or action.error
        if not target:
            node.skip_part(f"nobody is rung at {shorten(written, 60)}: write a number, as dial: +12015550188")
            node.add_goto(self._name_target(failed or action.next))
            return
        timeout = parameters.get("ThirdPartyConnectionTimeLimitSeconds")
        add_dial(node, [target], timeout=timeout, no_answer=self._name_target(failed or action.next))
        self._go_on(node, action)

    def _read_attributes(self, action: ConnectAction, node: DraftNode) -> None:
        contact_attributes = action.parameters.get_object("Attributes")
        values = {
            self._draft.name_value("attribute", key): self._translate_value(contact_attributes.get_text(key), node)
            for key in contact_attributes
            if key
        }
        if values:
            node.add_step("set", values)
        self._go_on(node, action)

    def _read_compare(self, action: ConnectAction, node: DraftNode) -> None:
        written = action.parameters.get_text("ComparisonValue")
        value = self._resolve_path(written) if written.startswith("$.") else None
        other = self._name_target(action.errors.get("NoMatchingCondition") or action.error or action.next)
        if value is None:
            node.skip_part(f"a flow does not have the value {shorten(written, 60)}")
            node.add_goto(other)
            return
        ways = []
        for condition in action.conditions:
            expression = _translate_operator(value, condition.operator, condition.operands)
            if expression is None:
                shown = shorten(f"{condition.operator} {' '.join(condition.operands)}", 60)
                node.note_loss(f"the condition {shown} has no form in a flow")
            else:
                ways.append((expression, self._name_target(condition.target)))
        node.add_choose(ways, other)

    def _read_function(self, action: ConnectAction, node: DraftNode) -> None:
        arn = action.parameters.get_text("LambdaFunctionARN")
        function = _find_short_name(arn) or "function"
        node.note_loss(
            f"the function {shorten(arn, 90)} is asked by a URL: write the address of a server that does its work"
        )
        asked = {
            "url": f"https://lambda.example.com/{function}",
            "into": self._draft.name_value("answer", "external"),
            "timeout": format_flow_duration(action.parameters.get("InvocationTimeLimitSeconds"), 0.1, 5) or "5s",
            "otherwise": self._name_target(action.error) if action.error else "",
        }
        node.add_step("lookup", merge_data(asked))
        self._go_on(node, action)

    def _read_wait(self, action: ConnectAction, node: DraftNode) -> None:
        seconds = action.parameters.get("TimeLimitSeconds") or action.parameters.get("TimeoutSeconds")
        node.add_step("pause", format_flow_duration(seconds, 0.1, 1800) or "1s")
        done = next((way.target for way in action.conditions if "WaitCompleted" in way.operands), "")
        node.add_goto(self._name_target(done or action.next))

    def _read_loop(self, action: ConnectAction, node: DraftNode) -> None:
        count = read_count(action.parameters.get_text("LoopCount"), 1, 100)
        name = self._draft.name_value("loop", f"{action.name}_count")
        ways = {operand: way.target for way in action.conditions for operand in way.operands}
        again = self._name_target(ways.get("ContinueLooping", action.next))
        done = self._draft.add_helper_node(f"{node.name}-done")
        done.add_step("set", {name: "0"})
        done.add_goto(self._name_target(ways.get("DoneLooping", action.error)))
        node.add_step("set", {name: f"{name} + 1"})
        node.add_choose([(f"{name} <= {count}", again)], done.name)

    def _read_percentage(self, action: ConnectAction, node: DraftNode) -> None:
        node.note_loss("calls are spread by the second of the clock, not by chance")
        ways = []
        for condition in action.conditions:
            share = next((int(one) for one in condition.operands if _PERCENTAGE.fullmatch(one)), None)
            if share is not None:
                ways.append((f"now.second < {min(round((share - 1) * 0.6), 60)}", self._name_target(condition.target)))
        other = action.errors.get("NoMatchingCondition") or action.error or action.next
        node.add_choose(ways, self._name_target(other))


_READERS: Final[Mapping[str, Callable[[_ConnectReader, ConnectAction, DraftNode], None]]] = {
    "MessageParticipant": _ConnectReader._read_message,  # noqa: SLF001 - the reader's own table
    "MessageParticipantIteratively": _ConnectReader._read_messages,  # noqa: SLF001
    "GetParticipantInput": _ConnectReader._read_input,  # noqa: SLF001
    "DisconnectParticipant": _ConnectReader._read_end,  # noqa: SLF001
    "EndFlowExecution": _ConnectReader._read_end,  # noqa: SLF001
    "CheckHoursOfOperation": _ConnectReader._read_hours,  # noqa: SLF001
    "UpdateContactTargetQueue": _ConnectReader._read_queue,  # noqa: SLF001
    "TransferContactToQueue": _ConnectReader._read_transfer_to_queue,  # noqa: SLF001
    "TransferParticipantToThirdParty": _ConnectReader._read_third_party,  # noqa: SLF001
    "UpdateContactAttributes": _ConnectReader._read_attributes,  # noqa: SLF001
    "Compare": _ConnectReader._read_compare,  # noqa: SLF001
    "InvokeLambdaFunction": _ConnectReader._read_function,  # noqa: SLF001
    "Wait": _ConnectReader._read_wait,  # noqa: SLF001
    "Loop": _ConnectReader._read_loop,  # noqa: SLF001
    "DistributeByPercentage": _ConnectReader._read_percentage,  # noqa: SLF001
}
_PERCENTAGE: Final = re.compile("[0-9]{1,3}")
_KEYS: Final = re.compile("[0-9*#]{1,10}")
_INLINE_PATH: Final = re.compile(r"\$(?:\.[A-Za-z][\w-]*|\[['\"][\w .-]{1,60}['\"]\])+")
_KNOWN_PATHS: Final = {
    "$.CustomerEndpoint.Address": "caller.number",
    "$.SystemEndpoint.Address": "number",
    "$.ContactId": "call.id",
    "$.InitialContactId": "call.id",
}
_VOICES: Final = {
    "Joanna": ("en-US", "FEMALE"),
    "Matthew": ("en-US", "MALE"),
    "Kendra": ("en-US", "FEMALE"),
    "Kimberly": ("en-US", "FEMALE"),
    "Salli": ("en-US", "FEMALE"),
    "Ivy": ("en-US", "FEMALE"),
    "Joey": ("en-US", "MALE"),
    "Justin": ("en-US", "MALE"),
    "Ruth": ("en-US", "FEMALE"),
    "Stephen": ("en-US", "MALE"),
    "Amy": ("en-GB", "FEMALE"),
    "Emma": ("en-GB", "FEMALE"),
    "Brian": ("en-GB", "MALE"),
    "Nicole": ("en-AU", "FEMALE"),
    "Olivia": ("en-AU", "FEMALE"),
    "Lupe": ("es-US", "FEMALE"),
    "Penelope": ("es-US", "FEMALE"),
    "Miguel": ("es-US", "MALE"),
    "Pedro": ("es-US", "MALE"),
    "Mia": ("es-MX", "FEMALE"),
    "Conchita": ("es-ES", "FEMALE"),
    "Lucia": ("es-ES", "FEMALE"),
    "Enrique": ("es-ES", "MALE"),
    "Celine": ("fr-FR", "FEMALE"),
    "Lea": ("fr-FR", "FEMALE"),
    "Mathieu": ("fr-FR", "MALE"),
    "Chantal": ("fr-CA", "FEMALE"),
    "Gabrielle": ("fr-CA", "FEMALE"),
    "Marlene": ("de-DE", "FEMALE"),
    "Vicki": ("de-DE", "FEMALE"),
    "Hans": ("de-DE", "MALE"),
    "Daniel": ("de-DE", "MALE"),
    "Carla": ("it-IT", "FEMALE"),
    "Bianca": ("it-IT", "FEMALE"),
    "Camila": ("pt-BR", "FEMALE"),
    "Vitoria": ("pt-BR", "FEMALE"),
}
"""Language and gender of voices by name."""


def _list_attributes(action: ConnectAction) -> Iterable[str]:
    if action.kind != "UpdateContactAttributes":
        return ()
    return [key for key in action.parameters.get_object("Attributes") if key]


def _find_short_name(original: str) -> str:
    """Return the readable end of an ARN; empty for an id without one."""
    last = re.split("[:/]", original)[-1].strip()
    plain = re.sub("[^A-Za-z0-9_-]+", "-", last).strip("-")[:40]
    return "" if _UUID.fullmatch(last) else plain


_UUID: Final = re.compile("[0-9a-fA-F-]{32,40}")


def _name_queue(action: ConnectAction) -> str:
    """Return the name of a queue: its own, or the end of its id."""
    written = action.parameters.get_text("QueueName") or action.parameters.get_text("QueueId")
    written = written or action.parameters.get_text("AgentId")
    return _find_short_name(written) or f"queue_{re.split('[:/]', written)[-1][:8]}".strip("_")


def _translate_operator(value: str, operator: str, operands: list[str]) -> str | None:
    """Return a comparison of Amazon Connect as an expression; None if flows have none like it."""
    if not operands:
        return None
    texts = [quote_text_literal(clean_spoken_text(operand)) for operand in operands]
    first = texts[0]
    is_number = re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", operands[0]) is not None
    number = operands[0]
    expressions = {
        "Equals": f"{value} == {first}" if len(texts) == 1 else f"{value} in [{', '.join(texts)}]",
        "TextStartsWith": f"{value}[:{len(operands[0])}] == {first}",
        "TextEndsWith": f"{value}[-{len(operands[0])}:] == {first}",
        "TextContains": f"{first} in {value}",
    }
    if is_number:
        expressions |= {
            "NumberLessThan": f"{value} < {number}",
            "NumberLessOrEqualTo": f"{value} <= {number}",
            "NumberGreaterThan": f"{value} > {number}",
            "NumberGreaterOrEqualTo": f"{value} >= {number}",
        }
    return expressions.get(operator)
