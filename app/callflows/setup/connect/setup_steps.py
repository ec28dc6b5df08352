"""The steps that connect: each changes one thing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from callflows.errors import OpentactConflictError, OpentactError, OpentactResponseError
from callflows.opentact.backoff import get_utc_now
from callflows.opentact.subscriptions_api import SUBSCRIPTION_LIFETIME
from callflows.setup.connect.desired_setup import MAX_CALL_LENGTH_FIELD
from callflows.setup.connect.setup_plan import PLAN_ENDING_ERRORS, PlanContext, PlanNote
from callflows.setup.connect.undo_log import (
    AppUndo,
    DocumentUndo,
    NumberUndo,
    PendingCreation,
    SubscriptionUndo,
    hash_setting,
)
from callflows.setup.setting_text import format_setting, format_setting_changes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.opentact.rest_records import OpentactApp


@dataclasses.dataclass(frozen=True, slots=True)
class CreateAppStep:
    """A SIP Control App; ``known`` are the ids of those that there are."""

    kind: ClassVar[str] = "make-app"
    name: str
    product: object
    product_name: str
    fields: Mapping[str, object]
    existing_uuids: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """As Step."""
        made_of = f"of the product {format_setting(self.product_name or self.product)}"
        return [f"make the app {self.name!r} {made_of}", *(f"  {line}" for line in format_setting_changes({}, self.fields))]

    @property
    def json_fields(self) -> dict[str, Any]:
        """As Step."""
        fields = {field: format_setting(value) for field, value in self.fields.items()}
        return {"name": self.name, "product": self.product, "fields": fields}

    def record_intent(self, context: PlanContext) -> None:
        """As Step."""
        context.undo_log.entries.making_app = PendingCreation(name=self.name, known=[*self.existing_uuids])

    async def apply(self, context: PlanContext) -> None:
        """As Step."""
        made, fields = await self._create_app(context)
        if not made.uuid:
            raise OpentactResponseError(
                "the app is made, but Opentact does not say its id", fix="do it again: it will be found"
            )
        entries = context.undo_log.entries
        kept = entries.apps[made.uuid] = AppUndo(name=self.name, made=True)
        for field, value in fields.items():
            kept.record_value(field, value)
        entries.making_app = None
        context.app = made.uuid

    async def _create_app(self, context: PlanContext) -> tuple[OpentactApp, Mapping[str, object]]:
        """The app and its fields; without a bound for its calls where Opentact does not take that."""
        try:
            return await context.opentact.apps.create_app(self.name, self.product, **self.fields), self.fields
        except OpentactError as error:
            if MAX_CALL_LENGTH_FIELD not in str(error) and not any(MAX_CALL_LENGTH_FIELD in path for path in error.fields):
                raise
        context.notes.append(
            PlanNote("warning", f"Opentact does not take {MAX_CALL_LENGTH_FIELD}", "bound the app's calls in the portal")
        )
        fields = {field: value for field, value in self.fields.items() if field != MAX_CALL_LENGTH_FIELD}
        return await context.opentact.apps.create_app(self.name, self.product, **fields), fields


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateAppStep:
    """Fields of an app that are not as they are wanted; ``before`` has those that Opentact told."""

    kind: ClassVar[str] = "change-app"
    uuid: str
    name: str
    before: Mapping[str, object]
    after: Mapping[str, object]

    @property
    def lines(self) -> list[str]:
        """As Step."""
        named = f"change the app {self.name!r} ({self.uuid})"
        return [named, *(f"  {line}" for line in format_setting_changes(self.before, self.after))]

    @property
    def json_fields(self) -> dict[str, Any]:
        """As Step."""
        changes = {
            field: {"before": format_setting(self.before.get(field)), "after": format_setting(value)}
            for field, value in self.after.items()
        }
        return {"app": self.uuid, "name": self.name, "changes": changes}

    def record_intent(self, context: PlanContext) -> None:
        """What was there before the first connect stays what was there."""
        kept = context.undo_log.entries.apps.setdefault(self.uuid, AppUndo(name=self.name))
        for field, value in self.after.items():
            if field in self.before and not kept.made:
                kept.before.setdefault(field, self.before[field])
            kept.record_value(field, value)

    async def apply(self, context: PlanContext) -> None:
        """As Step."""
        await context.opentact.apps.update_app(self.uuid, **self.after)


@dataclasses.dataclass(frozen=True, slots=True)
class AssignNumberStep:
    """A number of the account is given to the app: from nobody, or from whom it belongs to."""

    kind: ClassVar[str] = "give-number"
    lease: str
    number: str
    flow: str
    app: str = ""
    connection: str = ""
    holder: str = ""

    @property
    def lines(self) -> list[str]:
        """As Step."""
        taken = f", taken from {self.holder}" if self.holder else ""
        return [f"give the app {self.number} (flow {self.flow}){taken}"]

    @property
    def json_fields(self) -> dict[str, Any]:
        """As Step."""
        before = {"app": self.app or None, "connection": self.connection or None}
        return {"number": self.number, "lease": self.lease, "flow": self.flow, "before": before}

    def record_intent(self, context: PlanContext) -> None:
        """Whom it belonged to before the first connect stays whom it belonged to."""
        kept = NumberUndo(number=self.number, app=context.app, before_app=self.app, before_connection=self.connection)
        context.undo_log.entries.numbers.setdefault(self.lease, kept).app = context.app

    async def apply(self, context: PlanContext) -> None:
        """The new holder first, so that no call finds none; where Opentact wants it the other way, that way."""
        apps = context.opentact.apps
        try:
            await apps.assign_numbers(context.app, add=[self.lease])
        except OpentactConflictError:
            if not self.app and not self.connection:
                raise
            await self._release_number(context)
            await apps.assign_numbers(context.app, add=[self.lease])
        else:
            if self.connection:
                await context.opentact.connections.assign_numbers(self.connection, remove=[self.lease])

    async def _release_number(self, context: PlanContext) -> None:
        if self.connection:
            await context.opentact.connections.assign_numbers(self.connection, remove=[self.lease])
        if self.app and self.app != context.app:
            await context.opentact.apps.assign_numbers(self.app, remove=[self.lease])


@dataclasses.dataclass(frozen=True, slots=True)
class SubscribeStep:
    """A type of events is delivered; ``old`` are subscriptions to it that do not last, ``known`` all that there are."""

    kind: ClassVar[str] = "subscribe"
    type: str
    old_uuids: tuple[str, ...]
    existing_uuids: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """As Step."""
        again = ", since the subscription that there is does not last" if self.old_uuids else ""
        return [f"subscribe to {self.type} for {SUBSCRIPTION_LIFETIME.days} days{again}"]

    @property
    def json_fields(self) -> dict[str, Any]:
        """As Step."""
        return {"type": self.type, "instead_of": [*self.old_uuids]}

    def record_intent(self, context: PlanContext) -> None:
        """As Step."""
        context.undo_log.entries.making_subscription = PendingCreation(name=self.type, known=[*self.existing_uuids])

    async def apply(self, context: PlanContext) -> None:
        """A type that Opentact refuses is said, and keeps nothing else from being done."""
        entries = context.undo_log.entries
        try:
            await self._create_subscription(context)
        except PLAN_ENDING_ERRORS:
            raise
        except OpentactError as error:
            entries.making_subscription = None
            entries.refused[self.type] = str(error)
            context.notes.append(build_refusal_note(self.type, str(error)))
        else:
            entries.refused.pop(self.type, None)

    async def _create_subscription(self, context: PlanContext) -> None:
        subscriptions, entries = context.opentact.subscriptions, context.undo_log.entries
        try:
            made = await subscriptions.create_subscription(self.type, get_utc_now() + SUBSCRIPTION_LIFETIME)
        except OpentactConflictError:
            if not self.old_uuids:
                raise
            for uuid in self.old_uuids:
                await subscriptions.delete_subscription(uuid)
                entries.subscriptions.pop(uuid, None)
            made = await subscriptions.create_subscription(self.type, get_utc_now() + SUBSCRIPTION_LIFETIME)
        if made.uuid:
            entries.subscriptions[made.uuid] = SubscriptionUndo(type=self.type)
            entries.making_subscription = None
        else:
            context.undo_log.adopt_pending((), await subscriptions.list_all())


def build_refusal_note(event_type: str, reason: str) -> PlanNote:
    """A type that cannot be subscribed to."""
    mend = "take it out of CALLFLOWS_EVENT_TYPES, unless it comes without asking; the server asks again by itself"
    return PlanNote("warning", f"Opentact does not let {event_type} be subscribed to: {reason}", mend)


@dataclasses.dataclass(frozen=True, slots=True)
class StoreDocumentStep:
    """Opentact keeps a static document of a flow for the app."""

    kind: ClassVar[str] = "keep-document"
    flow: str
    document: bytes
    before: str = ""

    @property
    def lines(self) -> list[str]:
        """As Step."""
        instead = " instead of the one that it has" if self.before else ""
        return [f"have Opentact keep the static document of {self.flow} ({len(self.document)} bytes) for the app{instead}"]

    @property
    def json_fields(self) -> dict[str, Any]:
        """As Step."""
        return {"flow": self.flow, "bytes": len(self.document), "replaces": bool(self.before)}

    def record_intent(self, context: PlanContext) -> None:
        """As Step."""
        kept = context.undo_log.entries.documents.setdefault(context.app, DocumentUndo(before=self.before))
        kept.written.append(hash_setting(self.document.decode()))

    async def apply(self, context: PlanContext) -> None:
        """As Step."""
        await context.opentact.apps.store_document(context.app, self.document)
