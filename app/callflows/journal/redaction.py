"""What is never kept: tokens, tickets, and the digits of steps that are marked secret, wherever they stand.

Whether digits are secret is known by the flow that took them. Where it does not say that they are not, they are: of a turn
that broke, of a node whose version is gone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from callflows.telephony.turn import Turn


REDACTION_MASK: Final = "••••"
"""Stands in the place of what is not kept."""


CREDENTIAL_FIELDS: Final = frozenset({"token", "ticket"})


DIGIT_FIELDS: Final = frozenset({"dtmf", "code"})
"""The fields in which digits come."""


_PARAMETER_VALUE: Final = re.compile(r"[^&\"'<>\s\\]*")


_DIGITS_IN_JSON: Final = re.compile(r'"(dtmf|digits)": ?("(?:[^"\\]|\\.)*"|[0-9]+)')


_MAX_HARMLESS_CHARACTERS: Final = 2
"""Characters up to which a text is no secret worth looking for: it would be found everywhere."""


_MAX_STANDALONE_DIGITS: Final = 3
"""Digits up to which a secret is looked for only where it stands alone; a longer one also in others, as twice itself."""


def mask_credentials(text: str) -> str:
    """A URL, a document or JSON, without the tokens and tickets in it."""
    return _mask_parameter(_mask_parameter(text, "ticket="), "token=")


def mask_url_digits(text: str) -> str:
    """A URL without the digits that it brings."""
    return _mask_parameter(_mask_parameter(text, "dtmf="), "code=")


def _mask_parameter(text: str, name: str) -> str:
    """A text in which a parameter's values are masked. It is split, since that takes a tenth of what a pattern takes."""
    if name not in text:
        return text
    before, *others = text.split(name)
    made = [before]
    for part in others:
        longer = made[-1][-1:].isalnum()  # of another name that ends alike
        made += [name, part] if longer else [name, REDACTION_MASK, part[_PARAMETER_VALUE.match(part).end() :]]  # type: ignore[union-attr]
    return "".join(made)


def mask_event_secrets(text: str) -> str:
    """A report of Opentact's, as JSON: no tokens, no tickets, and no digits: whether they are secret, it does not know."""
    if "dtmf" in text or "digits" in text or "code=" in text:
        text = mask_url_digits(_DIGITS_IN_JSON.sub(rf'"\1":"{REDACTION_MASK}"', text))
    return mask_credentials(text)


def may_keep_digits(turn: Turn | None, decisions: Sequence[Mapping[str, Any]], *, answered: bool) -> bool:
    """Whether the digits that came with a request may be kept: only where what was decided on them shows them too."""
    if turn is None:
        return False
    if turn.resolve is None:
        return answered  # a program, which has no secret steps
    collected = [decision for decision in decisions if decision["word"] == "collect"]
    shown = [str(decision["detail"].get("digits", "")) for decision in collected if "detail" in decision]
    return bool(shown) and REDACTION_MASK not in shown


def list_secret_texts(turn: Turn | None, *, digits_allowed: bool) -> list[str]:
    """What must not be seen in a document: the secret values of a turn, and its digits where they are not ``kept``."""
    if turn is None:
        return []
    names: Iterable[str] = _list_secret_names(turn) if turn.trail or turn.resolve is None else turn.values.keys()
    moments = [turn.values, *(values for _mark, _outcome, values, *_ in turn.trail)]
    values = [values[name] for name in names for values in moments if name in values]
    found = {str(value) for value in values if isinstance(value, (str, int)) and not isinstance(value, bool)}
    texts = found | (set() if digits_allowed else {turn.entered_digits})
    return sorted((text for text in texts if len(text) > _MAX_HARMLESS_CHARACTERS), key=len, reverse=True)


def _list_secret_names(turn: Turn) -> AbstractSet[str]:
    """The names under which the flow keeps secrets."""
    names: frozenset[str] = frozenset()
    return names.union(*(mark.secret_names for mark, *_ in turn.trail))


def mask_secrets(text: str, secrets: Sequence[str]) -> str:
    """A text without some secrets; digits also where they are read out one by one."""
    for secret in secrets:
        text = _compile_secret_pattern(secret).sub(REDACTION_MASK, text)
    return text


def _compile_secret_pattern(secret: str) -> re.Pattern[str]:
    if not (secret.isascii() and secret.isdecimal()):
        return re.compile(re.escape(secret))
    alone = ("(?<![0-9])", "(?![0-9])") if len(secret) <= _MAX_STANDALONE_DIGITS else ("", "")
    return re.compile(alone[0] + "[ ,.-]{0,2}".join(secret) + alone[1])
