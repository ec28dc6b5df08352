"""Texts that come in: a messaging profile that calls this server back, for the numbers of flows that read them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from app.errors import OpentactError, Unintelligible
from app.setup.connecting.ledger import KeptProfile, KeptTexts, Making
from app.setup.connecting.plan import Doing, Note
from app.setup.connecting.refusals import ENDS
from app.setup.connecting.wanted import NAME
from app.setup.shown import differences, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.opentact.records import Lease, Record
    from app.setup.connecting.found import Found
    from app.setup.connecting.ledger import Entries
    from app.setup.connecting.plan import Step
    from app.setup.connecting.wanted import Wanted

CALLBACK = "callback_url"


@dataclasses.dataclass(frozen=True, slots=True)
class MakeProfile:
    """A messaging profile; ``known`` are the ids of those that there are."""

    kind: ClassVar[str] = "make-profile"
    name: str
    url: str
    known: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """As Step."""
        return [f"make the messaging profile {self.name!r}", f"  {CALLBACK}: nothing → {shown(self.url)}"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"name": self.name, CALLBACK: shown(self.url)}

    def intend(self, doing: Doing) -> None:
        """As Step."""
        doing.ledger.entries.making_profile = Making(name=self.name, known=[*self.known])

    async def do(self, doing: Doing) -> None:
        """As Step."""
        made = await doing.opentact.messages.make_profile(name=self.name, callback_url=self.url)
        if not made.uuid:
            mend = "do it again: it will be found"
            raise Unintelligible("the profile is made, but Opentact does not say its id", mend=mend)
        kept = doing.ledger.entries.profiles[made.uuid] = KeptProfile(name=self.name, made=True)
        kept.write(CALLBACK, self.url)
        doing.ledger.entries.making_profile = None
        doing.profile = made.uuid


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeProfile:
    """A messaging profile calls this server back."""

    kind: ClassVar[str] = "change-profile"
    uuid: str
    name: str
    before: object
    url: str

    @property
    def lines(self) -> list[str]:
        """As Step."""
        changed = differences({CALLBACK: self.before}, {CALLBACK: self.url})
        return [f"change the messaging profile {self.name!r} ({self.uuid})", f"  {changed[0]}"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"profile": self.uuid, "changes": {CALLBACK: {"before": shown(self.before), "after": shown(self.url)}}}

    def intend(self, doing: Doing) -> None:
        """As in changing an app."""
        kept = doing.ledger.entries.profiles.setdefault(self.uuid, KeptProfile(name=self.name))
        if not kept.made:
            kept.before.setdefault(CALLBACK, self.before)
        kept.write(CALLBACK, self.url)

    async def do(self, doing: Doing) -> None:
        """As Step."""
        await doing.opentact.messages.change_profile(self.uuid, callback_url=self.url)


@dataclasses.dataclass(frozen=True, slots=True)
class EnableTexts:
    """A number sends and receives texts by the profile."""

    kind: ClassVar[str] = "enable-texts"
    lease: str
    number: str
    before: str = ""
    campaign: str = ""

    @property
    def lines(self) -> list[str]:
        """As Step."""
        instead = f" instead of the profile {self.before}" if self.before else ""
        return [f"let {self.number} send and receive texts by the messaging profile{instead}"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"number": self.number, "lease": self.lease, "before": self.before or None}

    def intend(self, doing: Doing) -> None:
        """As in giving a number."""
        kept = KeptTexts(number=self.number, profile=doing.profile, before=self.before, campaign=self.campaign)
        doing.ledger.entries.texts.setdefault(self.lease, kept).profile = doing.profile

    async def do(self, doing: Doing) -> None:
        """A carrier may want a campaign first: that is said, and keeps nothing else from being done."""
        try:
            await doing.opentact.messages.enable(self.number, doing.profile, self.campaign)
        except ENDS:
            raise
        except OpentactError as error:
            doing.ledger.entries.texts.pop(self.lease, None)
            mend = "carriers may want an SMS campaign for it first: see the portal"
            doing.notes.append(Note("missing", f"{self.number} cannot send and receive texts: {error}", mend))


# The plan


def plan_of_texts(wanted: Wanted, found: Found, entries: Entries) -> Iterator[Step | Note]:
    """What is missing, where a flow reads texts."""
    numbers = [number for number, flow in wanted.numbers.items() if flow in wanted.reading]
    leases = {lease.number: lease for lease in found.leases}
    wanting = [leases[number] for number in numbers if number in leases]
    if not wanting:
        return
    profile = profile_of(wanted, found, entries)
    if profile is None:
        yield MakeProfile(wanted.app or NAME, wanted.callback, tuple(one.uuid for one in found.profiles))
    elif profile.said.get(CALLBACK) != wanted.callback:
        yield ChangeProfile(profile.uuid, str(profile.said.get("name") or ""), profile.said.get(CALLBACK), wanted.callback)
    for lease in wanting:
        yield from _enabled(wanted, lease, profile.uuid if profile else "", entries)


def profile_of(wanted: Wanted, found: Found, entries: Entries) -> Record | None:
    """The messaging profile that is ours: the one that was connected, else that of the name."""
    ours = [one for one in found.profiles if one.uuid in entries.profiles]
    named = [one for one in found.profiles if one.said.get("name") == (wanted.app or NAME)]
    return next(iter([*ours, *named]), None)


def _enabled(wanted: Wanted, lease: Lease, profile: str, entries: Entries) -> Iterator[Step | Note]:
    there = messaging_of(lease)
    kept = entries.texts.get(lease.uuid)
    done = there == profile if "messaging_profile" in lease.said else kept is not None and kept.profile == profile
    if profile and done:
        return
    if there and there != profile and not wanted.take:
        said = f"{lease.number} sends and receives texts by the messaging profile {there}"
        yield Note("missing", said, "say --take to have them come here")
    else:
        yield EnableTexts(lease.uuid, lease.number, there, str(lease.said.get("sms_campaign") or ""))


def messaging_of(lease: Lease) -> str:
    """The id of a number's messaging profile; nothing where it has none, or that is not told."""
    said = lease.said.get("messaging_profile")
    return str(said.get("uuid") or "") if isinstance(said, dict) else str(said or "")
