"""The rules under ``messages``, from what an author writes to what is done about a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.flows.expressions.scope import LEAF, MOMENT, SCOPE
from app.flows.files import claims_at
from app.flows.messages.forwarding import forwarding
from app.flows.messages.message import PLAINLY, STOP, words_of
from app.flows.messages.paper import Beside
from app.flows.messages.rule import ACTIONS, Rule
from app.flows.messages.rules import MESSAGES, Messages, Wanted, Way, described, texted
from app.flows.shapes import validate
from app.flows.steps import STEPS
from app.flows.trail import Mark
from app.flows.words.lengths import look_at_length
from app.flows.words.outside import Notice, data_of, url_of
from app.outside import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.calls import Turn
    from app.flows.compiler import Compiler
    from app.flows.expressions.scope import Scope
    from app.flows.messages.message import Message
    from app.flows.messages.rules import Act
    from app.flows.places import Path
    from app.flows.prompts import Condition

SEEN: Final[Scope] = {
    "message": dict.fromkeys(("text", "keyword", "words"), LEAF),
    "caller": dict.fromkeys(("number", "national", "region", "state"), LEAF),
    "number": SCOPE["number"],
    "now": MOMENT,
}
"""What rules see of a text, by name: ``caller`` is who wrote, ``number`` is ours."""
_KEYWORDS: Final = frozenset({"message.keyword"})


def messages_of(compiler: Compiler) -> Messages:
    """The rules of a file; what is wrong with them is said."""
    reading = _Reading(compiler)
    ways = [way for index, given in enumerate(compiler.file.messages) if (way := reading.way(index, given)) is not None]
    if compiler.file.messages and not (reading.ended or reading.unsure):
        message = "messages: a text that meets none of the rules is answered by nothing"
        mend = "end with a rule without keyword and when, as - ignore: true"
        compiler.report.warning(("messages",), "message-else", message, mend, key=True)
    none = None
    if compiler.file.messages and not reading.ended:
        none = Mark(MESSAGES, -1, "rule", "none", frozenset(), compiler.secrets)
        compiler.noted.decided((MESSAGES, -1, "rule", True), "no rule", ("messages",), key=True)
    forwards = claims_at(reading.forwards, compiler.report)
    return Messages(compiler.name, tuple(ways), forwards, reading.run.prompts.apart, none)


class _Reading:
    """Reads rules in order."""

    def __init__(self, compiler: Compiler) -> None:
        self.run = Beside.seeing(compiler, MESSAGES, SEEN)
        self.forwards: dict[Path, str] = {}
        self.ended = False
        self.unsure = False
        """Whether a rule that is wrong may be meant for all texts."""
        self._taken: dict[str, int] = {}
        self._rule: Path = ()

    def way(self, index: int, given: object) -> Way | None:
        """A rule; None where it is none, which is said."""
        path: Path = ("messages", index)
        self.run.step = index
        if not isinstance(given, dict):
            self.run.error(path, "shape", "messages: a rule is keyword, when and what is done", "as - reply: Thank you.")
            self.unsure = True
            return None
        self._of_steps(given, path)
        known = {key: value for key, value in given.items() if key in Rule.model_fields or key not in STEPS}
        rule: Rule | None = validate(Rule, known, path, self.run.compiler.report)
        if rule is None:
            self.unsure = True
            return None
        keywords = self._keywords(rule, path)
        condition = self.run.expression(rule.when, (*path, "when"), "when") if rule.when else None
        right = given.keys() <= Rule.model_fields.keys() and not self.run.compiler.report.wrong_at(path)
        self._reached(rule, keywords, path, right=right)
        if right:
            self._does(rule, path)
        acts = [*self._acts(rule, path)]
        noted, said = self.run.compiler.noted, described(given, keywords)
        noted.decided((MESSAGES, index, "rule", True), f"rule {said}", path)
        if condition is not None and not keywords:
            noted.decided((MESSAGES, index, "rule", False), f"rule {said} does not hold", path)
        return Way(
            index=index,
            keywords=frozenset(keywords),
            holds=condition.holds if condition is not None else None,
            mark=self.run.mark_of("rule", said, _uses(keywords, condition)),
            acts=tuple(acts),
            replies=rule.reply is not None,
            ignores=rule.ignore,
        )

    def _of_steps(self, given: dict[Any, Any], path: Path) -> None:
        """Say of a step of a node that it is none of a rule."""
        for key in given:
            if key in STEPS and key not in Rule.model_fields:
                message = f"messages: {key!r} is a step of calls, and nothing that is done about a text"
                near = {"sms": "did you mean 'reply'?", "dial": "did you mean 'forward'?"}.get(str(key), "")
                mend = near or f"there are {', '.join(ACTIONS)}"
                self.run.error((*path, key), "unknown-key", message, mend, key=True)

    def _keywords(self, rule: Rule, path: Path) -> list[str]:
        """The keywords as they are compared."""
        made: list[str] = []
        for index, written in enumerate(rule.keyword):
            here = self._at((*path, "keyword"), index)
            words = words_of(written)
            if len(words) != 1:
                mend = f"several are a list: [{', '.join(words)}]" if words else "as hours"
                self.run.error(here, "message-keyword", f"keyword: {written!r} is not one word", mend)
            elif words[0] in self._taken or words[0] in made:
                said = f"keyword: {words[0]!r} is taken by a rule above, so that this one is never met by it"
                self.run.error(here, "keyword-twice", said, "take it out of one of the two, or give the first a when")
            else:
                made.append(words[0])
        plain = {*made} & STOP and not {*made} & PLAINLY
        if plain:
            word = next(word for word in made if word in STOP)
            message = f"keyword: a text of nothing but {word!r} ends all messages to its sender, as carriers want it"
            self.run.warning(
                (*path, "keyword"), "message-keyword", message, "list stop too if that is meant, or take another"
            )
        return made

    def _reached(self, rule: Rule, keywords: list[str], path: Path, *, right: bool) -> None:
        """Say of a rule that no text gets to it; note what none gets beyond, where its keys are ``right``."""
        if self.ended and not {*keywords} & PLAINLY:
            mend = "put the rule without keyword and when last"
            self.run.error(path, "message-unreached", "messages: no text ever gets to this rule", mend)
        if not rule.when:
            self._taken |= dict.fromkeys(keywords, self.run.step)
            self.ended = self.ended or (right and not rule.keyword)
            self.unsure = self.unsure or not right

    # What is done

    def _does(self, rule: Rule, path: Path) -> None:
        """Say of a rule that it does nothing, or two things that exclude each other."""
        does = [key for key in ACTIONS if key in rule.model_fields_set and (key != "ignore" or rule.ignore)]
        if not does:
            mend = f"it takes {', '.join(ACTIONS)}; ignore: true says that nothing is meant"
            self.run.error(path, "missing-key", "messages: this rule does nothing", mend)
        elif rule.ignore and len(does) > 1:
            said = f"messages: ignore and {does[0]} cannot both be meant"
            self.run.error((*path, "ignore"), "shape", said, "take one of the two out", key=True)

    def _acts(self, rule: Rule, path: Path) -> Iterator[Act]:
        if rule.reply is not None:
            yield from self._reply(rule.reply, (*path, "reply"))
        if rule.forward:
            yield from forwarding(self.run, rule.forward, (*path, "forward"), self.forwards, self._at)
        if rule.notify is not None:
            yield from self._notify(rule.notify, (*path, "notify"))

    def _reply(self, source: str, path: Path) -> Iterator[Act]:
        run = self.run
        run.whole(path)
        text = run.template(source, path)
        if text is None:
            return
        if text.constant is not None:
            look_at_length(text.constant, run, path, "reply")
        mark, place, flow = run.mark_of("reply", source, text.uses), f"{run.step}/reply", run.compiler.name
        yield lambda turn, message: iter([texted(flow, message, place, mark, text.plain(turn))])

    def _notify(self, given: object, path: Path) -> Iterator[Act]:
        run = self.run
        notice = validate(Notice, given if isinstance(given, dict) else {"url": given}, path, run.compiler.report)
        if notice is None:
            return
        inside = isinstance(given, dict)
        url = url_of(notice.url, run, (*path, "url") if inside else path)
        data = data_of(notice.payload, run, (*path, "payload"))
        if url is None:
            return
        mark, step, flow = run.mark_of("notify", notice.url.partition("?")[0]), run.step, run.compiler.name

        def told(turn: Turn, message: Message) -> Iterator[Wanted]:
            body = {"type": "message", "timestamp": str(turn.now), "flow": flow, **_about(message), "data": data(turn)}
            key = f"{message.id}/{flow}/messages/{step}/notify"
            yield Wanted(Effect("notify", key, {"url": url(turn), "body": body}), mark)

        yield told

    def _at(self, path: Path, index: int) -> Path:
        """Where a part of a list stands; where it is no list, the value itself."""
        listed = (*path, index)
        return listed if listed in self.run.compiler.report.places else path


def _about(message: Message) -> dict[str, Any]:
    """A message as webhooks tell of it."""
    return {"message": {"id": message.id, "from": message.sender, "to": message.number, "text": message.text}}


def _uses(keywords: list[str], condition: Condition | None) -> frozenset[str]:
    return (_KEYWORDS if keywords else frozenset()) | (condition.uses if condition is not None else frozenset())
