"""A number is forgotten wherever it is kept: its own calls and messages are erased, in all else it is no longer written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.journal.erasing import mask_mentions
from app.numbers import PhoneNumber, parse_caller_number, parse_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.journal.spool import Spool
    from app.journal.store import JournalEntry, JournalStore

_DIGIT_SEPARATOR: Final = r"[\s().,/_-]{0,3}"
"""What may stand between two digits of a number, as people write it or as it is read out."""
_MIN_NATIONAL_DIGITS: Final = 7
"""Digits of which a national number has at least so many that they alone mean it."""


def forget_number(store: JournalStore, spool: Spool, number: str, on_progress: Callable[[int], None]) -> Mapping[str, int]:
    """Forget a number, or the login name of a SIP user; how many rows of which table were erased or changed.

    ``spool`` counts what waits in files. Raises StoreGone.
    """
    number = parse_caller_number(number) or number
    mentioned = compile_mention_pattern(number)

    def forget_in_entry(entry: JournalEntry) -> JournalEntry | None:
        table, row = entry
        mine = table in ("calls", "messages") and number in (
            row.get(name) for name in ("caller", "number", "sender", "recipient")
        )
        return None if mine else (table, {**row, **mask_mentions(row, mentioned)})

    waiting = spool.rewrite_entries(forget_in_entry)
    found = {**store.forget_number(number, mentioned, on_progress)}
    return found | ({"spool": waiting} if waiting else {})


def compile_mention_pattern(number: str) -> re.Pattern[str]:
    """Matches a number however it is written: with or without its country's code, in groups, in a URL, digit by digit."""
    if not parse_e164(number):
        return re.compile(rf"(?<![\w.+-]){re.escape(number)}(?![\w-])")
    whole = number.removeprefix("+")
    national = re.sub("[^0-9]", "", PhoneNumber(number).national)
    forms = {whole, *((national, national.removeprefix("0")) if len(national) >= _MIN_NATIONAL_DIGITS else ())}
    code = re.escape(whole.removesuffix(national.removeprefix("0"))) if whole.endswith(national.removeprefix("0")) else ""
    start = r"(?:(?<![0-9])|(?<=%20)|(?<=%2B))"
    prefix = rf"(?:\+?{_DIGIT_SEPARATOR.join(code)}{_DIGIT_SEPARATOR})?" if code else r"\+?"
    written = "|".join(_DIGIT_SEPARATOR.join(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(rf"{start}{prefix}\(?(?:{written})(?![0-9])")
