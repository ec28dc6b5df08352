"""Rules on text messages, and on calls that nobody took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.flows.checks.rules.rule import CheckRule

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE_AND_MISSED_CALL_RULES: Final[Mapping[str, CheckRule]] = {
    "keyword-twice": CheckRule(
        "A word opens two rules on texts, and the first has no when: the second is never met by it.",
        "Let each word stand once, or give the first rule a when: - {keyword: hours, when: hours.office.open, reply: …}.",
    ),
    "message-else": CheckRule(
        "The rules on texts end without one for all others: who writes anything else hears nothing, and nobody is told.",
        "End with a rule without keyword and when: - reply: We call you back; or - ignore: true, if that is meant.",
    ),
    "message-keyword": CheckRule(
        "A keyword is not one word, or one that ends all messages, as carriers want it: the rule would not do as it says.",
        "Write one word, or a list: keyword: [hours, open]; beside cancel, end, quit or revoke list stop, or take others.",
    ),
    "message-loop": CheckRule(
        "Texts are sent on to a number that these flows answer themselves: they would go in circles, and are not sent.",
        "Name the number of a person: forward: +12015550188.",
    ),
    "message-text": CheckRule(
        "A text message is empty, or longer than Opentact takes (918 characters): nobody would get it.",
        "Write a text of 1 to 918 characters: reply: We are open until six.",
    ),
    "message-unreached": CheckRule(
        "A rule on texts stands after one that every text meets: no text ever gets to it.",
        "Put the rule without keyword and when last.",
    ),
    "missed": CheckRule(
        "A step under missed needs a call, and these are done when it has ended: nobody would hear it.",
        "Use sms and notify, with a when if need be: missed: [{when: ended.rang, sms: Sorry that we missed you.}].",
    ),
}
