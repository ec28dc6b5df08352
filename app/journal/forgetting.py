"""A number is forgotten wherever it is kept: its own calls and messages are erased, in all else it is no longer written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from app.journal.erasing import without
from app.numbers import Number, caller_number, e164

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.journal.spool import Spool
    from app.journal.store import Entry, Store

_BETWEEN: Final = r"[\s().,/_-]{0,3}"
"""What may stand between two digits of a number, as people write it or as it is read out."""
_SHORTEST: Final = 7
"""Digits of which a national number has at least so many that they alone mean it."""


def forget(store: Store, spool: Spool, number: str, on_progress: Callable[[int], None]) -> Mapping[str, int]:
    """Forget a number, or the login name of a SIP user; how many rows of which table were erased or changed.

    ``spool`` counts what waits in files. Raises StoreGone.
    """
    number = caller_number(number) or number
    mentioned = mention_of(number)

    def changed(entry: Entry) -> Entry | None:
        table, row = entry
        mine = table in ("calls", "messages") and number in (
            row.get(name) for name in ("caller", "number", "sender", "recipient")
        )
        return None if mine else (table, {**row, **without(row, mentioned)})

    waiting = spool.change(changed)
    found = {**store.forget(number, mentioned, on_progress)}
    return found | ({"spool": waiting} if waiting else {})


def mention_of(number: str) -> re.Pattern[str]:
    """Matches a number however it is written: with or without its country's code, in groups, in a URL, digit by digit."""
    if not e164(number):
        return re.compile(rf"(?<![\w.+-]){re.escape(number)}(?![\w-])")
    whole = number.removeprefix("+")
    national = re.sub("[^0-9]", "", Number(number).national)
    forms = {whole, *((national, national.removeprefix("0")) if len(national) >= _SHORTEST else ())}
    code = re.escape(whole.removesuffix(national.removeprefix("0"))) if whole.endswith(national.removeprefix("0")) else ""
    start = r"(?:(?<![0-9])|(?<=%20)|(?<=%2B))"
    prefix = rf"(?:\+?{_BETWEEN.join(code)}{_BETWEEN})?" if code else r"\+?"
    written = "|".join(_BETWEEN.join(form) for form in sorted(forms, key=len, reverse=True))
    return re.compile(rf"{start}{prefix}\(?(?:{written})(?![0-9])")
