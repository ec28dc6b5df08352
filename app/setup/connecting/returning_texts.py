"""What is restored of texts that come in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from app.errors import NotFound
from app.setup.connecting.plan import Back, Note
from app.setup.connecting.texts import CALLBACK, messaging_of
from app.setup.shown import changed, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.opentact.records import Lease, Record
    from app.setup.connecting.found import Found
    from app.setup.connecting.ledger import Entries, KeptProfile, KeptTexts
    from app.setup.connecting.plan import Doing, Step


def restore_texts(lease: str, kept: KeptTexts) -> Back:
    """A number's texts go by the profile that it had, or not at all."""
    number, before = kept.number, kept.before

    async def do(doing: Doing) -> None:
        if before:
            await doing.opentact.messages.enable(number, before, kept.campaign)
        else:
            with contextlib.suppress(NotFound):
                await doing.opentact.messages.disable(number)
        doing.ledger.entries.texts.pop(lease, None)

    back = f"by the messaging profile {before} again" if before else "no more, as it was"
    told = {"number": number, "lease": lease, "profile": before or None}
    return Back("restore-texts", [f"let {number} send and receive texts {back}"], told, do)


def restore_profile(uuid: str, name: str, *, made: bool, there: object = None, before: object = None) -> Back:
    """A messaging profile calls back whom it called; the one that connect made is removed."""

    async def do(doing: Doing) -> None:
        if made:
            with contextlib.suppress(NotFound):
                await doing.opentact.messages.delete_profile(uuid)
        else:
            await doing.opentact.messages.change_profile(uuid, callback_url=before)
        doing.ledger.entries.profiles.pop(uuid, None)

    named = f"the messaging profile {name!r} ({uuid})"
    restored = [f"restore {named}", f"  {CALLBACK}: {changed(there, before)}"]
    lines = [f"delete {named}, which connect made"] if made else restored
    return Back("restore-profile", lines, {"profile": uuid, "delete": made, CALLBACK: shown(before)}, do)


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
        yield restore_texts(lease.uuid, kept)


def _profile(profile: Record, kept: KeptProfile, *, used: bool) -> Iterator[Step | Note]:
    there, before, name = profile.said.get(CALLBACK), kept.before.get(CALLBACK), str(profile.said.get("name") or "")
    if kept.made and used:
        yield Note("missing", f"the messaging profile {name!r}, which connect made, stays: others have it since")
    elif kept.made:
        yield restore_profile(profile.uuid, name, made=True)
    elif kept.ours(CALLBACK, there) and there != before:
        yield restore_profile(profile.uuid, name, made=False, there=there, before=before)
