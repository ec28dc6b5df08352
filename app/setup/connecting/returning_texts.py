"""What is restored of texts that come in."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from app.errors import NotFound
from app.setup.connecting.plan import Note
from app.setup.connecting.texts import CALLBACK, messaging_of
from app.setup.shown import changed, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.opentact.records import Lease, Record
    from app.setup.connecting.found import Found
    from app.setup.connecting.ledger import Entries, KeptProfile, KeptTexts
    from app.setup.connecting.plan import Doing, Step


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreTexts:
    """A number's texts go by the profile that it had, or not at all."""

    kind: ClassVar[str] = "restore-texts"
    lease: str
    number: str
    before: str
    campaign: str

    @property
    def lines(self) -> list[str]:
        """As Step."""
        back = f"by the messaging profile {self.before} again" if self.before else "no more, as it was"
        return [f"let {self.number} send and receive texts {back}"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"number": self.number, "lease": self.lease, "profile": self.before or None}

    def intend(self, doing: Doing) -> None:
        """It is in the ledger already."""

    async def do(self, doing: Doing) -> None:
        """As Step."""
        if self.before:
            await doing.opentact.messages.enable(self.number, self.before, self.campaign)
        else:
            with contextlib.suppress(NotFound):
                await doing.opentact.messages.disable(self.number)
        doing.ledger.entries.texts.pop(self.lease, None)


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreProfile:
    """A messaging profile calls back whom it called; the one that connect made is removed."""

    kind: ClassVar[str] = "restore-profile"
    uuid: str
    name: str
    made: bool
    there: object = None
    before: object = None

    @property
    def lines(self) -> list[str]:
        """As Step."""
        named = f"the messaging profile {self.name!r} ({self.uuid})"
        if self.made:
            return [f"delete {named}, which connect made"]
        return [f"restore {named}", f"  {CALLBACK}: {changed(self.there, self.before)}"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"profile": self.uuid, "delete": self.made, CALLBACK: shown(self.before)}

    def intend(self, doing: Doing) -> None:
        """It is in the ledger already."""

    async def do(self, doing: Doing) -> None:
        """As Step."""
        if self.made:
            with contextlib.suppress(NotFound):
                await doing.opentact.messages.delete_profile(self.uuid)
        else:
            await doing.opentact.messages.change_profile(self.uuid, callback_url=self.before)
        doing.ledger.entries.profiles.pop(self.uuid, None)


def plan_of_texts_removal(entries: Entries, found: Found) -> Iterator[Step | Note]:
    """Numbers first, then the profile that they had."""
    leases = {lease.uuid: lease for lease in found.leases}
    for uuid, kept in entries.texts.items():
        if uuid in leases:
            yield from _texts(leases[uuid], kept)
    others = {messaging_of(lease) for lease in found.leases if lease.uuid not in entries.texts}
    for profile in found.profiles:
        if profile.uuid in entries.profiles:
            yield from _profile(profile, entries.profiles[profile.uuid], used=profile.uuid in others)


def _texts(lease: Lease, kept: KeptTexts) -> Iterator[Step | Note]:
    told, there = "messaging_profile" in lease.said, messaging_of(lease)
    if told and there == kept.before:
        return
    if told and there not in ("", kept.profile):
        yield Note("warning", f"{kept.number} has another messaging profile since; it stays so")
    else:
        yield RestoreTexts(lease.uuid, kept.number, kept.before, kept.campaign)


def _profile(profile: Record, kept: KeptProfile, *, used: bool) -> Iterator[Step | Note]:
    there, before, name = profile.said.get(CALLBACK), kept.before.get(CALLBACK), str(profile.said.get("name") or "")
    if kept.made and used:
        yield Note("missing", f"the messaging profile {name!r}, which connect made, stays: others have it since")
    elif kept.made:
        yield RestoreProfile(profile.uuid, name, made=True)
    elif kept.ours(CALLBACK, there) and there != before:
        yield RestoreProfile(profile.uuid, name, made=False, there=there, before=before)
