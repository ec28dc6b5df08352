"""Numbers that the account has, and those that can be ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.numbers import parse_e164
from app.rehearsal.stand_in.answers import not_found_refusal
from app.rehearsal.stand_in.drawers import current_platform_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.rehearsal.stand_in.drawers import EntityRow, EntityTable

INVENTORY_PLACES: Final = (
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


def build_tn_row(number: int) -> EntityRow:
    """A number as it stands in calls and leases."""
    made = current_platform_time()
    return {"created_on": made, "modified_on": made, "tn": number, "deleted_on": None}


def list_orderable_numbers() -> Iterator[EntityRow]:
    """All numbers that there are to order."""
    for npa, state, city, center in INVENTORY_PLACES:
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


class NumberLeases:
    """The numbers of the account."""

    def __init__(self, table: EntityTable, apps: EntityTable) -> None:
        self.table = table
        self._apps = apps

    def add_lease(self, number: int, *, features: list[str], autorenew: bool = True) -> EntityRow:
        """Lease a number."""
        fields: dict[str, Any] = {"tn": build_tn_row(number), "features": features, "autorenew": autorenew}
        nobody = {"sip_control_app": None, "sip_connection": None, "messaging_profile": None, "sms_campaign": None}
        return self.table.add_row({**fields, **nobody})

    def get_lease(self, key: str) -> EntityRow:
        """A lease by its identity, or by its number however that is written. Raises Refused."""
        found = self.find_by_number(key)
        return found if found is not None else self.table.get_row(key)

    def find_by_number(self, number: str) -> EntityRow | None:
        """A lease by its number; None where the account does not have it."""
        digits = parse_e164(number).lstrip("+")
        return next((row for row in self.table if digits and str(row["tn"]["tn"]) == digits), None)

    def get_by_number(self, number: str) -> EntityRow:
        """A lease by its number. Raises Refused."""
        row = self.find_by_number(number)
        if row is None:
            raise not_found_refusal(f"TN lease {number}")
        return row

    def build_rest_row(self, row: EntityRow) -> EntityRow:
        """A lease as REST has it: its app by identity and name."""
        app = row["sip_control_app"]
        named = {"uuid": app, "name": self._apps.get_row(app)["name"]} if app else None
        profile = row["messaging_profile"]
        return {**row, "sip_control_app": named, "messaging_profile": {"uuid": profile} if profile else None}

    def clear_references(self, field: str, uuid: str) -> None:
        """What is no more has no numbers."""
        for row in self.table:
            if row[field] == uuid:
                row[field] = None
