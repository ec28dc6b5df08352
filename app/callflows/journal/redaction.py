"""Redaction of tokens, tickets and secret digits before anything is stored.

The flow that collected the digits declares secrecy. Digits are secret unless the flow says otherwise, for example if the
turn failed or the node's version no longer exists.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callflows.flows.steps.collect_step import CollectStep

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from collections.abc import Set as AbstractSet

    from callflows.telephony.turn import Turn


REDACTION_MASK: Final = "••••"
"""Replacement of a redacted value."""
CREDENTIAL_FIELDS: Final = frozenset({"token", "ticket"})
DIGIT_FIELDS: Final = frozenset({"dtmf", "code"})
"""Request fields that contain digits."""
_PARAMETER_VALUE: Final = re.compile(r"[^&\"'<>\s\\]*")
_DIGITS_IN_JSON: Final = re.compile(r'"(dtmf|digits)": ?("(?:[^"\\]|\\.)*"|[0-9]+)')
_MAX_HARMLESS_CHARACTERS: Final = 2
"""Maximum length of a text that is too short to be searched as a secret; it would match everywhere."""
_MAX_STANDALONE_DIGITS: Final = 3
"""Maximum length of secret digits that are masked only between non-digits; longer ones are masked in longer numbers too."""


def mask_credentials(text: str) -> str:
    """Mask tokens and tickets in a URL, a document or JSON."""
    return _mask_parameter(_mask_parameter(text, "ticket="), "token=")


def mask_url_digits(text: str) -> str:
    """Mask the digits in a URL."""
    return _mask_parameter(_mask_parameter(text, "dtmf="), "code=")


def _mask_parameter(text: str, name: str) -> str:
    """Mask the values of a parameter."""
    if name not in text:
        return text
    # Splitting takes a tenth of the time of a regular expression.
    before, *others = text.split(name)
    if len(others) == 1 and not before[-1:].isalnum():
        (value,) = others
        return f"{before}{name}{REDACTION_MASK}{value[_PARAMETER_VALUE.match(value).end() :]}"  # type: ignore[union-attr]
    masked_parts = [before]
    for part in others:
        longer = masked_parts[-1][-1:].isalnum()  # the end of a longer parameter name
        masked_parts += [name, part] if longer else [name, REDACTION_MASK, part[_PARAMETER_VALUE.match(part).end() :]]  # type: ignore[union-attr]
    return "".join(masked_parts)


def mask_event_secrets(text: str) -> str:
    """Mask tokens, tickets and all digits in an event (JSON)."""
    # An event does not tell if its digits are secret, so all are masked.
    if "dtmf" in text or "digits" in text or "code=" in text:
        text = mask_url_digits(_DIGITS_IN_JSON.sub(rf'"\1":"{REDACTION_MASK}"', text))
    return mask_credentials(text)


def may_keep_digits(turn: Turn | None, *, answered: bool) -> bool:
    """Return True if a request's digits may be stored: only if the decisions about the digits show the digits unmasked."""
    if turn is None:
        return False
    if turn.resolve is None:
        return answered  # a Python flow, which has no secret steps
    collected = [detail for origin, _, _, detail in turn.trail if origin.step_key == CollectStep.step_key]
    shown = [str(detail.get("digits", "")) for detail in collected if detail]
    return bool(shown) and REDACTION_MASK not in shown


def list_secret_texts(turn: Turn | None, *, digits_allowed: bool) -> list[str]:
    """List the texts to mask: secret values of the turn, and the digits unless ``digits_allowed``."""
    if turn is None:
        return []
    names: Collection[str] = _list_secret_names(turn) if turn.trail or turn.resolve is None else turn.values.keys()
    if not names and (digits_allowed or not turn.entered_digits):
        return []
    moments = [turn.values, *(values for _mark, _outcome, values, *_ in turn.trail)]
    values = [values[name] for name in names for values in moments if name in values]
    found = {str(value) for value in values if isinstance(value, (str, int)) and not isinstance(value, bool)}
    texts = found | (set() if digits_allowed else {turn.entered_digits})
    return sorted((text for text in texts if len(text) > _MAX_HARMLESS_CHARACTERS), key=len, reverse=True)


def _list_secret_names(turn: Turn) -> AbstractSet[str]:
    """Return the names of the flow's secret variables."""
    # Most turns have no secret, and each turn is asked twice.
    secret_names = [entry[0].secret_names for entry in turn.trail if entry[0].secret_names]
    return frozenset().union(*secret_names) if secret_names else frozenset()


def mask_secrets(text: str, secrets: Sequence[str]) -> str:
    """Mask secrets in a text; also digits that are read out one by one."""
    for secret in secrets:
        text = _compile_secret_pattern(secret).sub(REDACTION_MASK, text)
    return text


def _compile_secret_pattern(secret: str) -> re.Pattern[str]:
    if not (secret.isascii() and secret.isdecimal()):
        return re.compile(re.escape(secret))
    alone = ("(?<![0-9])", "(?![0-9])") if len(secret) <= _MAX_STANDALONE_DIGITS else ("", "")
    return re.compile(alone[0] + "[ ,.-]{0,2}".join(secret) + alone[1])
