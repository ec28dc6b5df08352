"""Incoming messages: a messaging profile with a callback to this server, for numbers of flows reading messages."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from callflows.errors import OpentactError, OpentactResponseError
from callflows.setup.connect.desired_setup import DEFAULT_APP_NAME
from callflows.setup.connect.setup_plan import PLAN_ENDING_ERRORS, PlanContext, PlanNote
from callflows.setup.connect.undo_log import NumberMessagingUndo, PendingCreation, ProfileUndo
from callflows.setup.setting_text import format_setting, format_setting_change, format_setting_changes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callflows.opentact.rest_records import OpentactLease, OpentactRecord
    from callflows.setup.connect.current_setup import CurrentSetup
    from callflows.setup.connect.desired_setup import DesiredSetup
    from callflows.setup.connect.setup_plan import SetupStep
    from callflows.setup.connect.undo_log import UndoEntries


CALLBACK_URL_FIELD = "callback_url"


@dataclasses.dataclass(frozen=True, slots=True)
class CreateProfileStep:
    """Creates a messaging profile; ``existing_uuids`` are the ids of all current profiles."""

    kind: ClassVar[str] = "make-profile"
    name: str
    url: str
    existing_uuids: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        return [
            f"create the messaging profile {self.name!r}",
            f"  {CALLBACK_URL_FIELD}: nothing → {format_setting(self.url)}",
        ]

    @property
    def json_fields(self) -> dict[str, Any]:
        return {"name": self.name, CALLBACK_URL_FIELD: format_setting(self.url)}

    def record_intent(self, context: PlanContext) -> None:
        context.undo_log.entries.making_profile = PendingCreation(name=self.name, known=[*self.existing_uuids])

    async def apply(self, context: PlanContext) -> None:
        created_profile = await context.opentact.profiles.create_profile(name=self.name, callback_url=self.url)
        if not created_profile.uuid:
            fix = "run the command again: it finds the profile then"
            raise OpentactResponseError("the profile is created, but Opentact did not return its id", fix=fix)
        undo = context.undo_log.entries.profiles[created_profile.uuid] = ProfileUndo(name=self.name, made=True)
        undo.record_value(CALLBACK_URL_FIELD, self.url)
        context.undo_log.entries.making_profile = None
        context.profile = created_profile.uuid


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateProfileStep:
    """Sets the callback URL of a messaging profile to this server."""

    kind: ClassVar[str] = "change-profile"
    uuid: str
    name: str
    before: object
    url: str

    @property
    def lines(self) -> list[str]:
        changed = format_setting_changes({CALLBACK_URL_FIELD: self.before}, {CALLBACK_URL_FIELD: self.url})
        return [f"change the messaging profile {self.name!r} ({self.uuid})", f"  {changed[0]}"]

    @property
    def json_fields(self) -> dict[str, Any]:
        return {
            "profile": self.uuid,
            "changes": {CALLBACK_URL_FIELD: {"before": format_setting(self.before), "after": format_setting(self.url)}},
        }

    def record_intent(self, context: PlanContext) -> None:
        undo = context.undo_log.entries.profiles.setdefault(self.uuid, ProfileUndo(name=self.name))
        # Keep the state before the first connect; a later run must not overwrite that value.
        if not undo.made:
            undo.before.setdefault(CALLBACK_URL_FIELD, self.before)
        undo.record_value(CALLBACK_URL_FIELD, self.url)

    async def apply(self, context: PlanContext) -> None:
        await context.opentact.profiles.update_profile(self.uuid, callback_url=self.url)


@dataclasses.dataclass(frozen=True, slots=True)
class EnableMessagingStep:
    """Enables messages on a number, by our messaging profile and a campaign, if there is one.

    ``before`` and ``before_campaign`` are the profile and the campaign that the number has.
    """

    kind: ClassVar[str] = "enable-texts"
    lease: str
    number: str
    before: str = ""
    before_campaign: str = ""
    campaign: str = ""

    @property
    def lines(self) -> list[str]:
        instead = f" instead of the profile {self.before}" if self.before else ""
        lines = [f"let {self.number} send and receive texts with the messaging profile{instead}"]
        if self.campaign != self.before_campaign:
            lines.append(f"  sms_campaign: {format_setting_change(self.before_campaign or None, self.campaign)}")
        return lines

    @property
    def json_fields(self) -> dict[str, Any]:
        campaign = {"before": self.before_campaign or None, "after": self.campaign or None}
        return {"number": self.number, "lease": self.lease, "before": self.before or None, "campaign": campaign}

    def record_intent(self, context: PlanContext) -> None:
        undo = NumberMessagingUndo(
            number=self.number, profile=context.profile, before=self.before, campaign=self.before_campaign
        )
        # setdefault keeps the state before the first connect.
        recorded = context.undo_log.entries.texts.setdefault(self.lease, undo)
        recorded.profile, recorded.our_campaign = context.profile, self.campaign

    async def apply(self, context: PlanContext) -> None:
        try:
            await context.opentact.profiles.enable_messaging(self.number, context.profile, self.campaign)
        except PLAN_ENDING_ERRORS:
            raise
        except OpentactError as error:  # a missing campaign must not stop the other steps
            context.undo_log.entries.texts.pop(self.lease, None)
            fix = "carriers may require a 10DLC campaign: create one in the portal, and add --campaign with its id"
            context.notes.append(PlanNote("missing", f"{self.number} cannot send and receive texts: {error}", fix))


def plan_messaging(desired: DesiredSetup, current: CurrentSetup, entries: UndoEntries) -> Iterator[SetupStep | PlanNote]:
    """Plan missing messaging profiles and numbers; without flows reading messages, plan nothing."""
    numbers = [number for number, flow in desired.numbers.items() if flow in desired.message_flows]
    leases = {lease.number: lease for lease in current.leases}
    wanting = [leases[number] for number in numbers if number in leases]
    if not wanting:
        return
    profile = find_messaging_profile(desired, current, entries)
    if profile is None:
        yield CreateProfileStep(
            desired.app or DEFAULT_APP_NAME, desired.callback_url, tuple(one.uuid for one in current.profiles)
        )
    elif profile.raw.get(CALLBACK_URL_FIELD) != desired.callback_url:
        if (note := _note_shared_profile(desired, current, entries, profile)) is not None:
            yield note
            return
        yield UpdateProfileStep(
            profile.uuid, str(profile.raw.get("name") or ""), profile.raw.get(CALLBACK_URL_FIELD), desired.callback_url
        )
    for lease in wanting:
        yield from _plan_number_messaging(desired, lease, profile.uuid if profile else "", entries)


def _note_shared_profile(
    desired: DesiredSetup, current: CurrentSetup, entries: UndoEntries, profile: OpentactRecord
) -> PlanNote | None:
    """Return the reason to leave a profile alone: other numbers report their texts to another server by it."""
    if desired.takes_numbers or profile.uuid in entries.profiles or not profile.raw.get(CALLBACK_URL_FIELD):
        return None
    ours = {number for number, flow in desired.numbers.items() if flow in desired.message_flows}
    others = [
        lease.number
        for lease in current.leases
        if lease.messaging.profile_uuid == profile.uuid and lease.number not in ours
    ]
    if not others:
        return None
    url = format_setting(profile.raw.get(CALLBACK_URL_FIELD))
    message = f"the messaging profile {profile.raw.get('name')!r} reports the texts of {', '.join(others[:5])} to {url}"
    return PlanNote("missing", message, "add --take to report them to this server, or choose another name with --app")


def find_messaging_profile(desired: DesiredSetup, current: CurrentSetup, entries: UndoEntries) -> OpentactRecord | None:
    """Return our messaging profile: a connected one, or else the one with our name."""
    ours = [one for one in current.profiles if one.uuid in entries.profiles]
    named = [one for one in current.profiles if one.raw.get("name") == (desired.app or DEFAULT_APP_NAME)]
    return next(iter([*ours, *named]), None)


def _plan_number_messaging(
    desired: DesiredSetup, lease: OpentactLease, profile: str, entries: UndoEntries
) -> Iterator[SetupStep | PlanNote]:
    texts = lease.messaging
    undo = entries.texts.get(lease.uuid)
    is_assigned = texts.profile_uuid == profile if texts.is_reported else undo is not None and undo.profile == profile
    current_campaign = texts.campaign if texts.is_campaign_reported or undo is None else undo.our_campaign
    has_campaign = not desired.campaign or current_campaign == desired.campaign
    if profile and is_assigned and has_campaign:
        return
    fix = "add --take to move it to this server"
    if texts.profile_uuid and texts.profile_uuid != profile and not desired.takes_numbers:
        message = f"{lease.number} sends and receives texts with the messaging profile {texts.profile_uuid}"
        yield PlanNote("missing", message, fix)
    elif current_campaign and not has_campaign and not desired.takes_numbers and not _is_our_campaign(undo, texts.campaign):
        message = f"{lease.number} sends texts in the campaign {current_campaign}"
        yield PlanNote("missing", message, "add --take to move it to the other campaign")
    else:
        campaign = desired.campaign or texts.campaign
        yield EnableMessagingStep(lease.uuid, lease.number, texts.profile_uuid, texts.campaign, campaign)


def _is_our_campaign(undo_entry: NumberMessagingUndo | None, campaign: str) -> bool:
    return undo_entry is not None and bool(campaign) and undo_entry.our_campaign == campaign
