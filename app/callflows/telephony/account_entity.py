"""Opentact's account object and its order of numbers, as in events and REST answers."""

from __future__ import annotations

import dataclasses
from typing import Any

from callflows.telephony.platform_entity import PlatformEntity


@dataclasses.dataclass(frozen=True, slots=True)
class AccountEntity(PlatformEntity):
    """The account that an event belongs to."""

    @property
    def name(self) -> str:
        return self._read_text("name")

    @property
    def email(self) -> str:
        return self._read_text("email")

    @property
    def balance(self) -> float | None:
        """The balance when the event was made; the currency is undocumented."""
        return parse_amount(self.raw.get("balance"))


@dataclasses.dataclass(frozen=True, slots=True)
class NumberOrderEntity(PlatformEntity):
    """An order of numbers. Only ``uuid`` and ``state`` are known."""

    @property
    def state(self) -> str:
        """One of ``created``, ``verify``, ``processing``, ``success`` and ``failed``."""
        return self._read_text("state")


def parse_amount(value: Any) -> float | None:  # noqa: ANN401 - JSON
    """Return an amount of money; None if the value is no number."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
