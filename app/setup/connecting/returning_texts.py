"""What is restored of texts that come in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from app.errors import OpentactNotFoundError
from app.setup.connecting.plan import PlanNote, RestoreStep
from app.setup.connecting.texts import CALLBACK_URL_FIELD, get_messaging_profile_uuid
from app.setup.shown import format_setting, format_setting_change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.opentact.records import OpentactLease, OpentactRecord
    from app.setup.connecting.found import CurrentSetup
    from app.setup.connecting.ledger import NumberMessagingUndo, ProfileUndo, UndoEntries
    from app.setup.connecting.plan import PlanContext, SetupStep


def build_messaging_restore_step(lease: str, undo_entry: NumberMessagingUndo) -> RestoreStep:
    """A number's texts go by the profile that it had, or not at all."""
    number, before = undo_entry.number, undo_entry.before

    async def apply(context: PlanContext) -> None:
        if before:
            await context.opentact.messages.enable_messaging(number, before, undo_entry.campaign)
        else:
            with contextlib.suppress(OpentactNotFoundError):
                await context.opentact.messages.disable_messaging(number)
        context.undo_log.entries.texts.pop(lease, None)

    back = f"by the messaging profile {before} again" if before else "no more, as it was"
    told = {"number": number, "lease": lease, "profile": before or None}
    return RestoreStep("restore-texts", [f"let {number} send and receive texts {back}"], told, apply)


def build_profile_restore_step(
    uuid: str, name: str, *, is_ours: bool, current_url: object = None, previous_url: object = None
) -> RestoreStep:
    """A messaging profile calls back whom it called; the one that connect made is removed."""

    async def apply(context: PlanContext) -> None:
        if is_ours:
            with contextlib.suppress(OpentactNotFoundError):
                await context.opentact.messages.delete_profile(uuid)
        else:
            await context.opentact.messages.update_profile(uuid, callback_url=previous_url)
        context.undo_log.entries.profiles.pop(uuid, None)

    named = f"the messaging profile {name!r} ({uuid})"
    restored = [f"restore {named}", f"  {CALLBACK_URL_FIELD}: {format_setting_change(current_url, previous_url)}"]
    lines = [f"delete {named}, which connect made"] if is_ours else restored
    return RestoreStep(
        "restore-profile",
        lines,
        {"profile": uuid, "delete": is_ours, CALLBACK_URL_FIELD: format_setting(previous_url)},
        apply,
    )


def plan_messaging_removal(entries: UndoEntries, current: CurrentSetup) -> Iterator[SetupStep | PlanNote]:
    """Numbers first, then the profile that they had."""
    leases = {lease.uuid: lease for lease in current.leases}
    for uuid, kept in entries.texts.items():
        if uuid in leases:
            yield from _plan_number_messaging_restore(leases[uuid], kept)
    others = {get_messaging_profile_uuid(lease) for lease in current.leases if lease.uuid not in entries.texts}
    for profile in current.profiles:
        if profile.uuid in entries.profiles:
            yield from _plan_profile_restore(profile, entries.profiles[profile.uuid], is_in_use=profile.uuid in others)


def _plan_number_messaging_restore(lease: OpentactLease, undo_entry: NumberMessagingUndo) -> Iterator[SetupStep | PlanNote]:
    told, there = "messaging_profile" in lease.raw, get_messaging_profile_uuid(lease)
    if told and there == undo_entry.before:
        return
    if told and there not in ("", undo_entry.profile):
        yield PlanNote("warning", f"{undo_entry.number} has another messaging profile since; it stays so")
    else:
        yield build_messaging_restore_step(lease.uuid, undo_entry)


def _plan_profile_restore(
    profile: OpentactRecord, undo_entry: ProfileUndo, *, is_in_use: bool
) -> Iterator[SetupStep | PlanNote]:
    there, before, name = (
        profile.raw.get(CALLBACK_URL_FIELD),
        undo_entry.before.get(CALLBACK_URL_FIELD),
        str(profile.raw.get("name") or ""),
    )
    if undo_entry.made and is_in_use:
        yield PlanNote("missing", f"the messaging profile {name!r}, which connect made, stays: others have it since")
    elif undo_entry.made:
        yield build_profile_restore_step(profile.uuid, name, is_ours=True)
    elif undo_entry.is_our_value(CALLBACK_URL_FIELD, there) and there != before:
        yield build_profile_restore_step(profile.uuid, name, is_ours=False, current_url=there, previous_url=before)
