"""Numbers that the account has, and those that can be ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.numbers import e164
from app.rehearsal.stand_in.answers import not_found
from app.rehearsal.stand_in.drawers import now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.rehearsal.stand_in.drawers import Drawer, Row

PLACES: Final = (
    ("201", "NJ", "Jersey City", "JERSEYCITY"),
    ("212", "NY", "New York", "NWYRCYZN01"),
    ("202", "DC", "Washington", "WSHNGTNZN1"),
    ("305", "FL", "Miami", "MIAMI"),
    ("312", "IL", "Chicago", "CHICAGOZN1"),
    ("415", "CA", "San Francisco", "SNFCCNTRL"),
    ("512", "TX", "Austin", "AUSTIN"),
    ("617", "MA", "Boston", "BOSTON"),
)
"""Where numbers can be had: each place has those that nobody can have, from 555-0100 to 555-0199."""


def tn_of(number: int) -> Row:
    """A number as it stands in calls and leases."""
    made = now()
    return {"created_on": made, "modified_on": made, "tn": number, "deleted_on": None}


def inventory() -> Iterator[Row]:
    """All numbers that there are to order."""
    for npa, state, city, center in PLACES:
        for line in range(100, 200):
            yield {
                "tn": int(f"1{npa}555{line:04}"),
                "registered": False,
                "deleted_on": None,
                "type": "long_code",
                "country": "US",
                "state": state,
                "city": city,
                "rate_center": center,
                "npa": npa,
                "nxx": "555",
                "line": f"{line:04}",
                "features": ["voice", "sms"],
            }


class Leases:
    """The numbers of the account."""

    def __init__(self, drawer: Drawer, apps: Drawer) -> None:
        self.drawer = drawer
        self._apps = apps

    def add(self, number: int, *, features: list[str], autorenew: bool = True) -> Row:
        """Lease a number."""
        fields: dict[str, Any] = {"tn": tn_of(number), "features": features, "autorenew": autorenew}
        nobody = {"sip_control_app": None, "sip_connection": None, "messaging_profile": None, "sms_campaign": None}
        return self.drawer.add({**fields, **nobody})

    def of(self, written: str) -> Row:
        """A lease by its identity, or by its number however that is written. Raises Refused."""
        found = self.find(written)
        return found if found is not None else self.drawer.of(written)

    def find(self, written: str) -> Row | None:
        """A lease by its number; None where the account does not have it."""
        digits = e164(written).lstrip("+")
        return next((row for row in self.drawer if digits and str(row["tn"]["tn"]) == digits), None)

    def own(self, written: str) -> Row:
        """A lease by its number. Raises Refused."""
        row = self.find(written)
        if row is None:
            raise not_found(f"TN lease {written}")
        return row

    def shown(self, row: Row) -> Row:
        """A lease as REST has it: its app by identity and name."""
        app = row["sip_control_app"]
        named = {"uuid": app, "name": self._apps.of(app)["name"]} if app else None
        profile = row["messaging_profile"]
        return {**row, "sip_control_app": named, "messaging_profile": {"uuid": profile} if profile else None}

    def leave(self, field: str, uuid: str) -> None:
        """What is no more has no numbers."""
        for row in self.drawer:
            if row[field] == uuid:
                row[field] = None
