"""Compiles the rules under ``messages`` of a flow file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from callflows.flows.decisions import DecisionOrigin
from callflows.flows.expressions.expression_scope import CALL_SCOPE, MOMENT_SCOPE, SCOPE_LEAF
from callflows.flows.messages.carrier_keywords import STOP_WORDS, UNAMBIGUOUS_KEYWORDS
from callflows.flows.messages.message_forwarding import compile_forwards
from callflows.flows.messages.message_rules import (
    MESSAGE_ACTIONS,
    MESSAGES_NODE,
    CompiledMessageRule,
    MessageRule,
    MessageRules,
    RequestedEffect,
    describe_rule_condition,
    make_text_effect,
)
from callflows.flows.messages.message_words import split_message_words
from callflows.flows.messages.rule_compiler import make_rule_compiler
from callflows.flows.source.flow_file import build_number_claims
from callflows.flows.source.shape_validation import validate_shape
from callflows.flows.steps.dial_step import DialStep
from callflows.flows.steps.effect_data import compile_data
from callflows.flows.steps.mail_step import MailNotice, compile_mail
from callflows.flows.steps.notify_step import WebhookNotice, compile_notice
from callflows.flows.steps.sms_step import SmsStep, check_sms_length
from callflows.flows.steps.step_table import STEP_COMPILERS
from callflows.telephony.ports import Effect
from callflows.text import Suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callflows.flows.compiler.step_context import FlowNodes
    from callflows.flows.expressions.expression_scope import ExpressionScope
    from callflows.flows.expressions.jinja_compiler import CompiledCondition
    from callflows.flows.messages.message_rules import MessageAction
    from callflows.flows.messages.text_message import TextMessage
    from callflows.flows.source.positions import SourcePath
    from callflows.flows.steps.notify_step import BuildNotice
    from callflows.telephony.turn import Turn


MESSAGE_SCOPE: Final[ExpressionScope] = {
    "message": dict.fromkeys(("text", "keyword", "words"), SCOPE_LEAF),
    "caller": dict.fromkeys(("number", "national", "region", "state"), SCOPE_LEAF),
    "number": CALL_SCOPE["number"],
    "now": MOMENT_SCOPE,
}
"""Names visible to message rules: ``caller`` is the sender, ``number`` our number."""
_KEYWORD_NAMES: Final = frozenset({"message.keyword"})
_ACTIONS_BY_STEP: Final = {
    SmsStep.step_key: "reply",
    "say": "reply",
    DialStep.step_key: "forward",
    "hangup": "ignore",
}
"""What is done about a text, by the step of calls that an author may write instead."""


def compile_message_rules(nodes: FlowNodes) -> MessageRules:
    """Compile the rules of a file and report their problems."""
    flow = nodes.flow
    reader = _MessageRulesReader(nodes)
    rules = [
        rule
        for index, source in enumerate(flow.flow_file.messages)
        if (rule := reader.read_rule(index, source)) is not None
    ]
    if flow.flow_file.messages and not (reader.catches_all or reader.may_catch_all):
        message = "messages: a text that meets none of the rules is answered by nothing"
        fix = "end with a rule without keyword and when, as - ignore: true"
        flow.report.warning(("messages",), "message-else", message, fix, key=True)
    no_match_origin = None
    if flow.flow_file.messages and not reader.catches_all:
        no_match_origin = DecisionOrigin(MESSAGES_NODE, -1, "rule", "none", frozenset(), flow.secret_names)
        flow.coverage_recorder.record_decision((MESSAGES_NODE, -1, "rule", True), "no rule", ("messages",), key=True)
    forwards = build_number_claims(reader.forward_numbers, flow.report)
    needs_worker = reader.compiler.texts.expression_compiler.needs_worker
    policy = flow.dial_policy if flow.flow_file.dial_policy else None
    return MessageRules(flow.name, tuple(rules), forwards, needs_worker, no_match_origin, policy)


class _MessageRulesReader:
    """Reads the rules in order, because an earlier rule can make a later one unreachable."""

    def __init__(self, nodes: FlowNodes) -> None:
        self.compiler = make_rule_compiler(nodes, MESSAGES_NODE, MESSAGE_SCOPE)
        self.forward_numbers: dict[SourcePath, str] = {}
        self.catches_all = False
        self.may_catch_all = False
        """True if a faulty rule may be meant for all texts."""
        self._rules_by_keyword: dict[str, int] = {}
        self._rule: SourcePath = ()

    def read_rule(self, index: int, data: object) -> CompiledMessageRule | None:
        """Compile a rule; return None, with an error, if the data is not a valid rule."""
        path: SourcePath = ("messages", index)
        self.compiler.document.step_index = index
        if not isinstance(data, dict):
            self.compiler.report.error(
                path, "shape", "messages: a rule is keyword, when and what is done", "as - reply: Thank you."
            )
            self.may_catch_all = True
            return None
        self._report_step_keys(data, path)
        known = {key: value for key, value in data.items() if key in MessageRule.model_fields or key not in STEP_COMPILERS}
        rule: MessageRule | None = validate_shape(MessageRule, known, path, self.compiler.report)
        if rule is None:
            self.may_catch_all = True
            return None
        keywords = self._read_keywords(rule, path)
        condition = self.compiler.texts.compile_condition(rule.when, (*path, "when"), "when") if "when" in data else None
        right = data.keys() <= MessageRule.model_fields.keys() and not self.compiler.report.has_error_at(path)
        self._check_reachable(rule, keywords, path, is_valid=right)
        if right:
            self._check_actions(rule, path)
        acts = [*self._compile_actions(rule, path)]
        noted, described_condition = self.compiler.flow.coverage_recorder, describe_rule_condition(data, keywords)
        noted.record_decision((MESSAGES_NODE, index, "rule", True), f"rule {described_condition}", path)
        if condition is not None and not keywords:
            noted.record_decision((MESSAGES_NODE, index, "rule", False), f"rule {described_condition} does not hold", path)
        return CompiledMessageRule(
            index=index,
            keywords=frozenset(keywords),
            condition=condition.evaluate if condition is not None else None,
            origin=self.compiler.document.make_decision_origin(
                "rule", described_condition, _find_used_names(keywords, condition)
            ),
            actions=tuple(acts),
            has_reply=rule.reply is not None,
            ignores_message=rule.ignore,
        )

    def _report_step_keys(self, data: dict[Any, Any], path: SourcePath) -> None:
        """Report steps of calls, which message rules do not have."""
        for key in data:
            if key in STEP_COMPILERS and key not in MessageRule.model_fields:
                message = f"messages: {key!r} is a step of calls, and nothing that is done about a text"
                near = Suggestion(_ACTIONS_BY_STEP.get(str(key), ""))
                fix = near or f"there are {', '.join(MESSAGE_ACTIONS)}"
                self.compiler.report.error((*path, key), "unknown-key", message, fix, key=True)

    def _read_keywords(self, rule: MessageRule, path: SourcePath) -> list[str]:
        """Return the normalized keywords; report invalid and repeated ones."""
        keywords: list[str] = []
        if "keyword" in rule.model_fields_set and not rule.keyword:
            fix = "as hours; a rule for all texts has no keyword"
            self.compiler.report.error((*path, "keyword"), "message-keyword", "keyword: names no word", fix)
        for index, written in enumerate(rule.keyword):
            here = self._locate_item((*path, "keyword"), index)
            words = split_message_words(written)
            if len(words) != 1:
                fix = f"several are a list: [{', '.join(words)}]" if words else "as hours"
                self.compiler.report.error(here, "message-keyword", f"keyword: {written!r} is not one word", fix)
            elif words[0] in keywords:
                conflict = f"keyword: {words[0]!r} stands twice in this rule; case, accents and signs make no difference"
                self.compiler.report.error(here, "keyword-twice", conflict, "take one of the two out")
            elif words[0] in self._rules_by_keyword:
                conflict = f"keyword: {words[0]!r} is taken by a rule above, so that this one is never met by it"
                self.compiler.report.error(
                    here, "keyword-twice", conflict, "take it out of one of the two, or give the first a when"
                )
            else:
                keywords.append(words[0])
        plain = {*keywords} & STOP_WORDS and not {*keywords} & UNAMBIGUOUS_KEYWORDS
        if plain:
            word = next(word for word in keywords if word in STOP_WORDS)
            message = f"keyword: a text of nothing but {word!r} ends all messages to its sender, as carriers want it"
            self.compiler.report.warning(
                (*path, "keyword"), "message-keyword", message, "list stop too if that is meant, or take another"
            )
        return keywords

    def _check_reachable(self, rule: MessageRule, keywords: list[str], path: SourcePath, *, is_valid: bool) -> None:
        """Report a rule that no text can reach, and remember the texts caught by this rule.

        ``is_valid``: the keys of the rule are correct.
        """
        if self.catches_all and not {*keywords} & UNAMBIGUOUS_KEYWORDS:
            fix = "put the rule without keyword and when last"
            self.compiler.report.error(path, "message-unreached", "messages: no text ever gets to this rule", fix)
        if not rule.when:
            self._rules_by_keyword |= dict.fromkeys(keywords, self.compiler.step_index)
            self.catches_all = self.catches_all or (is_valid and not rule.keyword)
            self.may_catch_all = self.may_catch_all or not is_valid

    # Actions

    def _check_actions(self, rule: MessageRule, path: SourcePath) -> None:
        """Report a rule without action, or with contradictory actions."""
        does = [key for key in MESSAGE_ACTIONS if key in rule.model_fields_set and (key != "ignore" or rule.ignore)]
        if not does:
            fix = f"it takes {', '.join(MESSAGE_ACTIONS)}; ignore: true says that nothing is meant"
            self.compiler.report.error(path, "missing-key", "messages: this rule does nothing", fix)
        elif rule.ignore and len(does) > 1:
            message = f"messages: ignore and {does[0]} cannot both be meant"
            self.compiler.report.error((*path, "ignore"), "shape", message, "take one of the two out", key=True)

    def _compile_actions(self, rule: MessageRule, path: SourcePath) -> Iterator[MessageAction]:
        if rule.reply is not None:
            yield from self._compile_reply(rule.reply, (*path, "reply"))
        if rule.forward:
            yield from compile_forwards(
                self.compiler, rule.forward, (*path, "forward"), self.forward_numbers, self._locate_item
            )
        if rule.notify is not None:
            yield from self._compile_notify(rule.notify, (*path, "notify"))
        if rule.mail is not None:
            yield from self._compile_mail(rule.mail, (*path, "mail"))

    def _compile_reply(self, source: str, path: SourcePath) -> Iterator[MessageAction]:
        self.compiler.texts.check_not_cut(path)
        text = self.compiler.texts.compile_text(source, path)
        self.compiler.texts.check_truth_in_text(source, path)
        if text is None:
            return
        if text.constant_text is not None:
            check_sms_length(text.constant_text, self.compiler, path, "reply")
        origin, place, flow = (
            self.compiler.document.make_decision_origin("reply", source, text.used_names),
            f"{self.compiler.step_index}/reply",
            self.compiler.flow.name,
        )
        yield lambda turn, message: iter([make_text_effect(flow, message, place, origin, text.render_plain(turn))])

    def _compile_notify(self, data_or_url: object, path: SourcePath) -> Iterator[MessageAction]:
        notice = validate_shape(
            WebhookNotice,
            data_or_url if isinstance(data_or_url, dict) else {"url": data_or_url},
            path,
            self.compiler.report,
        )
        if notice is None:
            return
        inside = isinstance(data_or_url, dict)
        build_notice = compile_notice(notice, self.compiler, path, (*path, "url") if inside else path)
        data = compile_data(notice.payload, self.compiler, (*path, "payload"))
        if build_notice is not None:
            yield self._make_notice_action("notify", notice.url.partition("?")[0], build_notice, data)

    def _compile_mail(self, data_or_address: object, path: SourcePath) -> Iterator[MessageAction]:
        section = data_or_address if isinstance(data_or_address, dict) else {"to": data_or_address}
        notice: MailNotice | None = validate_shape(MailNotice, section, path, self.compiler.report)
        if notice is None:
            return
        build_notice = compile_mail(notice, self.compiler, path, has_recordings=False)
        if build_notice is not None:
            yield self._make_notice_action("mail", ", ".join(notice.to), build_notice, lambda _turn: {})

    def _make_notice_action(
        self,
        kind: Literal["notify", "mail"],
        rule_text: str,
        build_notice: BuildNotice,
        build_data: Callable[[Turn], Any],
    ) -> MessageAction:
        origin = self.compiler.document.make_decision_origin(kind, rule_text)
        step, flow = self.compiler.step_index, self.compiler.flow.name

        def tell(turn: Turn, message: TextMessage) -> Iterator[RequestedEffect]:
            event = {
                "type": "message",
                "timestamp": str(turn.now),
                "flow": flow,
                **_message_for_webhook(message),
                "data": build_data(turn),
            }
            payload = build_notice(turn, event)
            refusal = payload.pop("", "")
            yield RequestedEffect(Effect(kind, f"{message.id}/{flow}/messages/{step}/{kind}", payload), origin, refusal)

        return tell

    def _locate_item(self, path: SourcePath, index: int) -> SourcePath:
        """Return the position of an item, or of the value itself if the value is not a list."""
        listed = (*path, index)
        return listed if listed in self.compiler.report.positions else path


def _message_for_webhook(message: TextMessage) -> dict[str, Any]:
    """Return a message in the shape of webhook bodies."""
    return {"message": {"id": message.id, "from": message.sender, "to": message.number, "text": message.text}}


def _find_used_names(keywords: list[str], condition: CompiledCondition | None) -> frozenset[str]:
    return (_KEYWORD_NAMES if keywords else frozenset()) | (condition.used_names if condition is not None else frozenset())
