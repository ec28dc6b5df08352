"""The account: its balance, and what it is shown as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.rehearsal.stand_in.answers import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.rehearsal.stand_in.ids import Ids
    from app.rehearsal.stand_in.options import Options


class Account:
    """Who owns it all. ``told`` hears of each charge: why, and the new balance."""

    def __init__(self, options: Options, ids: Ids, told: Callable[[str, float], None]) -> None:
        self.uuid = ids.uuid("account")
        self.user = ids.uuid("user")
        self.email = options.email
        self.balance = options.balance
        self._told = told

    def entity(self) -> dict[str, Any]:
        """As it stands in events and calls."""
        return {
            "uuid": self.uuid,
            "name": "Stand-in account",
            "email": self.email,
            "level": "Level2",
            "phone": 12015550111,
            "deleted_on": None,
            "disabled_on": None,
            "balance": self.balance,
        }

    def owner(self) -> dict[str, Any]:
        """The user, as the event ``auth`` has it."""
        return {"uuid": self.user, "email": self.email, "wss_online": True, "role": "User"}

    def afford(self, cost: float) -> None:
        """Raises Refused where the balance is too low."""
        if self.balance < cost:
            raise Refused(402, "not enough balance")

    def charge(self, cost: float, action: str) -> None:
        """Take a sum off the balance."""
        self.balance = round(self.balance - cost, 4)
        self._told(action, self.balance)
