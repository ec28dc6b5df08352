"""The account: its balance, and what it is shown as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.rehearsal.stand_in.answers import RestRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.rehearsal.stand_in.ids import IdGenerator
    from app.rehearsal.stand_in.options import StandInOptions


class StandInAccount:
    """Who owns it all. ``told`` hears of each charge: why, and the new balance."""

    def __init__(self, options: StandInOptions, ids: IdGenerator, on_charge: Callable[[str, float], None]) -> None:
        self.uuid = ids.next_uuid("account")
        self.user_uuid = ids.next_uuid("user")
        self.email = options.email
        self.balance = options.balance
        self._on_charge = on_charge

    def build_entity(self) -> dict[str, Any]:
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

    def build_user(self) -> dict[str, Any]:
        """The user, as the event ``auth`` has it."""
        return {"uuid": self.user_uuid, "email": self.email, "wss_online": True, "role": "User"}

    def check_balance(self, cost: float) -> None:
        """Raises Refused where the balance is too low."""
        if self.balance < cost:
            raise RestRefusal(402, "not enough balance")

    def charge_balance(self, cost: float, action: str) -> None:
        """Take a sum off the balance."""
        self.balance = round(self.balance - cost, 4)
        self._on_charge(action, self.balance)
