"""The plan that restores the setup before ``connect``. Values changed by others since then stay as they are."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from callflows.errors import OpentactConflictError, OpentactNotFoundError
from callflows.setup.connect.current_setup import fetch_current_setup, fetch_static_document, get_sip_connection_uuid
from callflows.setup.connect.messaging_setup import CALLBACK_URL_FIELD
from callflows.setup.connect.setup_plan import PlanNote, RestoreStep, SetupPlan
from callflows.setup.connect.undo_log import hash_setting
from callflows.setup.setting_text import format_setting, format_setting_change, format_setting_changes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callflows.opentact import Opentact
    from callflows.opentact.rest_records import OpentactApp, OpentactLease, OpentactRecord
    from callflows.setup.connect.current_setup import CurrentSetup
    from callflows.setup.connect.setup_plan import PlanContext, SetupStep
    from callflows.setup.connect.undo_log import AppUndo, NumberMessagingUndo, NumberUndo, ProfileUndo, UndoEntries, UndoLog


def build_number_return_step(lease: str, undo_entry: NumberUndo, our_app: str, previous_app: str) -> RestoreStep:
    """Return a number to its previous app and SIP connection; ``our_app`` is empty if our app no longer has the number."""
    number, connection = undo_entry.number, undo_entry.before_connection

    async def release_number(context: PlanContext) -> None:
        if our_app:
            await context.opentact.apps.assign_numbers(our_app, remove=[lease])

    async def assign_number(context: PlanContext) -> None:
        if previous_app:
            await context.opentact.apps.assign_numbers(previous_app, add=[lease])
        if connection:
            await context.opentact.connections.assign_numbers(connection, add=[lease])

    async def apply(context: PlanContext) -> None:
        # First assign, then release, so that the number is never without a holder. On a conflict release first.
        try:
            await assign_number(context)
        except OpentactConflictError:
            await release_number(context)
            await assign_number(context)
        else:
            if not previous_app:
                await release_number(context)
        context.undo_log.entries.numbers.pop(lease, None)

    back = f"back to the SIP connection {connection}" if connection else "to nobody, as it was"
    line = f"give {number} {f'back to the app {previous_app}' if previous_app else back}"
    details = {"number": number, "lease": lease, "app": previous_app or None, "connection": connection or None}
    return RestoreStep("return-number", [line], details, apply)


def build_app_restore_step(uuid: str, name: str, before: Mapping[str, object], after: Mapping[str, object]) -> RestoreStep:
    """Restore previous values of app fields."""

    async def apply(context: PlanContext) -> None:
        await context.opentact.apps.update_app(uuid, **after)
        context.undo_log.entries.apps.pop(uuid, None)

    lines = [f"restore the app {name!r} ({uuid})", *(f"  {line}" for line in format_setting_changes(before, after))]
    details = {"app": uuid, "name": name, "fields": {field: format_setting(value) for field, value in after.items()}}
    return RestoreStep("restore-app", lines, details, apply)


def build_app_deletion_step(uuid: str, name: str) -> RestoreStep:
    """Delete an app made by ``connect``."""

    async def apply(context: PlanContext) -> None:
        with contextlib.suppress(OpentactNotFoundError):
            await context.opentact.apps.delete_app(uuid)
        context.undo_log.entries.apps.pop(uuid, None)
        context.undo_log.entries.documents.pop(uuid, None)

    return RestoreStep(
        "delete-app", [f"delete the app {name!r} ({uuid}), which connect created"], {"app": uuid, "name": name}, apply
    )


def build_unsubscribe_step(uuid: str, event_type: str) -> RestoreStep:
    """Delete a subscription made by ``connect``."""

    async def apply(context: PlanContext) -> None:
        with contextlib.suppress(OpentactNotFoundError):
            await context.opentact.subscriptions.delete_subscription(uuid)
        context.undo_log.entries.subscriptions.pop(uuid, None)

    return RestoreStep(
        "unsubscribe", [f"end the subscription to {event_type}"], {"subscription": uuid, "type": event_type}, apply
    )


def build_document_restore_step(app: str, before: str) -> RestoreStep:
    """Restore the previous static document of an app, or delete the document if there was none."""

    async def apply(context: PlanContext) -> None:
        if before:
            await context.opentact.apps.store_document(app, before.encode())
        else:
            with contextlib.suppress(OpentactNotFoundError):
                await context.opentact.apps.delete_document(app)
        context.undo_log.entries.documents.pop(app, None)

    line = "restore the app's static document" if before else "remove the app's static document"
    return RestoreStep("restore-document", [line], {"app": app, "bytes": len(before.encode())}, apply)


async def plan_setup_removal(opentact: Opentact, undo_log: UndoLog) -> SetupPlan:
    """Fetch the current setup and return the removal plan. Raises OpentactError."""
    entries = undo_log.entries
    current = await fetch_current_setup(
        opentact, with_profiles=bool(entries.texts or entries.profiles or entries.making_profile)
    )
    undo_log.adopt_pending(current.apps, current.subscriptions, current.profiles)
    app_uuids = {app.uuid for app in current.apps}
    apps = {uuid: await opentact.apps.get_app(uuid) for uuid in entries.apps if uuid in app_uuids}
    documents = {uuid: await fetch_static_document(opentact, uuid) for uuid in entries.documents if uuid in app_uuids}
    return build_removal_plan(entries, current, apps, documents)


def build_removal_plan(
    entries: UndoEntries, current: CurrentSetup, apps: Mapping[str, OpentactApp], documents: Mapping[str, str]
) -> SetupPlan:
    """Return the removal steps."""
    # Numbers come first: no number may belong to a deleted app.
    planned_steps: list[SetupStep | PlanNote] = [
        *plan_messaging_removal(entries, current),
        *_plan_number_returns(entries, current),
    ]
    planned_steps += [*_plan_document_restores(entries, documents), *_plan_unsubscribes(entries, current)]
    for uuid, undo in entries.apps.items():
        if uuid in apps:
            planned_steps += _plan_app_removal(entries, current, apps[uuid], undo)
    steps = tuple(one for one in planned_steps if not isinstance(one, PlanNote))
    return SetupPlan(steps, tuple(one for one in planned_steps if isinstance(one, PlanNote)))


def _plan_number_returns(entries: UndoEntries, current: CurrentSetup) -> Iterator[SetupStep | PlanNote]:
    leases = {lease.uuid: lease for lease in current.leases}
    app_uuids = {app.uuid for app in current.apps}
    for uuid, undo in entries.numbers.items():
        lease = leases.get(uuid)
        if lease is None:
            yield PlanNote("warning", f"{undo.number} is not a number of the account any more")
        elif not _is_restored(lease, undo):
            yield from _plan_number_return(lease, undo, app_uuids)


def _plan_number_return(
    lease: OpentactLease, undo_entry: NumberUndo, existing_apps: set[str]
) -> Iterator[SetupStep | PlanNote]:
    before, connection = undo_entry.before_app, get_sip_connection_uuid(lease)
    if lease.app_uuid not in (undo_entry.app, before):
        yield PlanNote("warning", f"{undo_entry.number} belongs to {lease.app_uuid or 'nobody'} now; it stays there")
        return
    if connection not in ("", undo_entry.before_connection):
        yield PlanNote("warning", f"{undo_entry.number} belongs to the SIP connection {connection} now; it stays there")
        return
    if before and before not in existing_apps:
        yield PlanNote(
            "missing", f"{undo_entry.number} belonged to the app {before}, which no longer exists; it will belong to nobody"
        )
        before = ""
    ours = undo_entry.app if lease.app_uuid == undo_entry.app else ""
    yield build_number_return_step(lease.uuid, undo_entry, ours, before)


def _is_restored(lease: OpentactLease, undo_entry: NumberUndo) -> bool:
    return (lease.app_uuid, get_sip_connection_uuid(lease)) == (undo_entry.before_app, undo_entry.before_connection)


def _plan_document_restores(entries: UndoEntries, documents: Mapping[str, str]) -> Iterator[SetupStep | PlanNote]:
    for uuid, undo in entries.documents.items():
        was_created = uuid in entries.apps and entries.apps[uuid].made
        if uuid not in documents or was_created or documents[uuid] == undo.before:
            continue
        if hash_setting(documents[uuid]) in undo.written or not documents[uuid]:
            yield build_document_restore_step(uuid, undo.before)
        else:
            yield PlanNote(
                "warning", f"the static document of the app {uuid} has changed since connect stored it; it stays"
            )


def _plan_unsubscribes(entries: UndoEntries, current: CurrentSetup) -> Iterator[SetupStep]:
    subscription_uuids = {one.uuid for one in current.subscriptions}
    for uuid, undo in entries.subscriptions.items():
        if uuid in subscription_uuids:
            yield build_unsubscribe_step(uuid, undo.type)


def _plan_app_removal(
    entries: UndoEntries, current: CurrentSetup, app: OpentactApp, undo_entry: AppUndo
) -> Iterator[SetupStep | PlanNote]:
    if undo_entry.made:
        others = [
            lease.number for lease in current.leases if lease.app_uuid == app.uuid and lease.uuid not in entries.numbers
        ]
        if others:
            text = f"the app {app.name!r}, which connect created, stays: meanwhile it got {', '.join(others)}"
            yield PlanNote("missing", text, "give them to another app, and delete it in the portal")
        else:
            yield build_app_deletion_step(app.uuid, app.name)
        return
    current_fields = {field: app.raw.get(field) for field in undo_entry.before}
    after = {
        field: value
        for field, value in undo_entry.before.items()
        if value != current_fields[field] and undo_entry.is_our_value(field, current_fields[field])
    }
    others = [field for field, value in undo_entry.before.items() if value != current_fields[field] and field not in after]
    if others:
        yield PlanNote(
            "warning", f"{', '.join(others)} of the app {app.name!r} has changed since connect; it stays as it is"
        )
    if after:
        yield build_app_restore_step(app.uuid, app.name, {field: current_fields[field] for field in after}, after)


def build_messaging_restore_step(lease: str, undo_entry: NumberMessagingUndo) -> RestoreStep:
    """Restore the previous messaging profile and campaign of a number, or disable messages."""
    number, before = undo_entry.number, undo_entry.before

    async def apply(context: PlanContext) -> None:
        if before:
            await context.opentact.profiles.enable_messaging(number, before, undo_entry.campaign)
        else:
            with contextlib.suppress(OpentactNotFoundError):
                await context.opentact.profiles.disable_messaging(number)
        context.undo_log.entries.texts.pop(lease, None)

    campaign = f" and the campaign {undo_entry.campaign}" if undo_entry.campaign else ""
    back = f"with the messaging profile {before}{campaign} again" if before else "no more, as it was"
    details = {"number": number, "lease": lease, "profile": before or None, "campaign": undo_entry.campaign or None}
    return RestoreStep("restore-texts", [f"let {number} send and receive texts {back}"], details, apply)


def build_profile_restore_step(
    uuid: str, name: str, *, is_ours: bool, current_url: object = None, previous_url: object = None
) -> RestoreStep:
    """Restore the callback URL of a messaging profile, or delete a profile made by ``connect``."""

    async def apply(context: PlanContext) -> None:
        if is_ours:
            with contextlib.suppress(OpentactNotFoundError):
                await context.opentact.profiles.delete_profile(uuid)
        else:
            await context.opentact.profiles.update_profile(uuid, callback_url=previous_url)
        context.undo_log.entries.profiles.pop(uuid, None)

    named = f"the messaging profile {name!r} ({uuid})"
    restored = [f"restore {named}", f"  {CALLBACK_URL_FIELD}: {format_setting_change(current_url, previous_url)}"]
    lines = [f"delete {named}, which connect created"] if is_ours else restored
    return RestoreStep(
        "restore-profile",
        lines,
        {"profile": uuid, "delete": is_ours, CALLBACK_URL_FIELD: format_setting(previous_url)},
        apply,
    )


def plan_messaging_removal(entries: UndoEntries, current: CurrentSetup) -> Iterator[SetupStep | PlanNote]:
    """Plan the removal of messaging: first the numbers, then their profile."""
    leases = {lease.uuid: lease for lease in current.leases}
    for uuid, undo in entries.texts.items():
        if uuid in leases:
            yield from _plan_number_messaging_restore(leases[uuid], undo)
    others = {lease.messaging.profile_uuid for lease in current.leases if lease.uuid not in entries.texts}
    for profile in current.profiles:
        if profile.uuid in entries.profiles:
            yield from _plan_profile_restore(profile, entries.profiles[profile.uuid], is_in_use=profile.uuid in others)


def _plan_number_messaging_restore(lease: OpentactLease, undo_entry: NumberMessagingUndo) -> Iterator[SetupStep | PlanNote]:
    texts = lease.messaging
    is_campaign_restored = not texts.is_campaign_reported or texts.campaign == undo_entry.campaign
    if texts.is_reported and texts.profile_uuid == undo_entry.before and is_campaign_restored:
        return
    if texts.is_reported and texts.profile_uuid not in ("", undo_entry.profile, undo_entry.before):
        yield PlanNote("warning", f"{undo_entry.number} has another messaging profile now; it stays so")
    elif texts.campaign not in ("", undo_entry.our_campaign, undo_entry.campaign):
        yield PlanNote("warning", f"{undo_entry.number} has another campaign now; its texts stay as they are")
    else:
        yield build_messaging_restore_step(lease.uuid, undo_entry)


def _plan_profile_restore(
    profile: OpentactRecord, undo_entry: ProfileUndo, *, is_in_use: bool
) -> Iterator[SetupStep | PlanNote]:
    listed_profile, before, name = (
        profile.raw.get(CALLBACK_URL_FIELD),
        undo_entry.before.get(CALLBACK_URL_FIELD),
        str(profile.raw.get("name") or ""),
    )
    if undo_entry.made and is_in_use:
        yield PlanNote("missing", f"the messaging profile {name!r}, which connect created, stays: other numbers use it now")
    elif undo_entry.made:
        yield build_profile_restore_step(profile.uuid, name, is_ours=True)
    elif undo_entry.is_our_value(CALLBACK_URL_FIELD, listed_profile) and listed_profile != before:
        yield build_profile_restore_step(profile.uuid, name, is_ours=False, current_url=listed_profile, previous_url=before)
