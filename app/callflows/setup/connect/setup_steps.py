"""The steps of ``connect``: each makes one change at Opentact."""

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
    """Creates a SIP Control App; ``existing_uuids`` are the ids of all current apps."""

    kind: ClassVar[str] = "make-app"
    name: str
    product: object
    product_name: str
    fields: Mapping[str, object]
    existing_uuids: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        made_of = f"of the product {format_setting(self.product_name or self.product)}"
        return [
            f"create the app {self.name!r} {made_of}",
            *(f"  {line}" for line in format_setting_changes({}, self.fields)),
        ]

    @property
    def json_fields(self) -> dict[str, Any]:
        fields = {field: format_setting(value) for field, value in self.fields.items()}
        return {"name": self.name, "product": self.product, "fields": fields}

    def record_intent(self, context: PlanContext) -> None:
        context.undo_log.entries.making_app = PendingCreation(name=self.name, known=[*self.existing_uuids])

    async def apply(self, context: PlanContext) -> None:
        app, fields = await self._create_app(context)
        if not app.uuid:
            raise OpentactResponseError(
                "the app is created, but Opentact did not return its id", fix="run the command again: it finds the app then"
            )
        entries = context.undo_log.entries
        undo = entries.apps[app.uuid] = AppUndo(name=self.name, made=True)
        for field, value in fields.items():
            undo.record_value(field, value)
        entries.making_app = None
        context.app = app.uuid

    async def _create_app(self, context: PlanContext) -> tuple[OpentactApp, Mapping[str, object]]:
        """Create the app and return the accepted fields; retry without the call length if Opentact refuses that field."""
        try:
            return await context.opentact.apps.create_app(self.name, self.product, **self.fields), self.fields
        except OpentactError as error:
            if MAX_CALL_LENGTH_FIELD not in str(error) and not any(MAX_CALL_LENGTH_FIELD in path for path in error.fields):
                raise
        context.notes.append(
            PlanNote(
                "warning",
                f"Opentact does not accept {MAX_CALL_LENGTH_FIELD}",
                "limit the length of the app's calls in the portal",
            )
        )
        fields = {field: value for field, value in self.fields.items() if field != MAX_CALL_LENGTH_FIELD}
        return await context.opentact.apps.create_app(self.name, self.product, **fields), fields


@dataclasses.dataclass(frozen=True, slots=True)
class UpdateAppStep:
    """Changes fields of an app; ``before`` contains the fields reported by Opentact."""

    kind: ClassVar[str] = "change-app"
    uuid: str
    name: str
    before: Mapping[str, object]
    after: Mapping[str, object]

    @property
    def lines(self) -> list[str]:
        named = f"change the app {self.name!r} ({self.uuid})"
        return [named, *(f"  {line}" for line in format_setting_changes(self.before, self.after))]

    @property
    def json_fields(self) -> dict[str, Any]:
        changes = {
            field: {"before": format_setting(self.before.get(field)), "after": format_setting(value)}
            for field, value in self.after.items()
        }
        return {"app": self.uuid, "name": self.name, "changes": changes}

    def record_intent(self, context: PlanContext) -> None:
        undo = context.undo_log.entries.apps.setdefault(self.uuid, AppUndo(name=self.name))
        for field, value in self.after.items():
            # Keep the value before the first connect; a later run must not overwrite that value.
            if field in self.before and not undo.made:
                undo.before.setdefault(field, self.before[field])
            undo.record_value(field, value)

    async def apply(self, context: PlanContext) -> None:
        await context.opentact.apps.update_app(self.uuid, **self.after)


@dataclasses.dataclass(frozen=True, slots=True)
class AssignNumberStep:
    """Assigns a number of the account to the app, taking the number from its holder, if any."""

    kind: ClassVar[str] = "give-number"
    lease: str
    number: str
    flow: str
    app: str = ""
    connection: str = ""
    holder: str = ""

    @property
    def lines(self) -> list[str]:
        taken = f", taken from {self.holder}" if self.holder else ""
        return [f"give the app {self.number} (flow {self.flow}){taken}"]

    @property
    def json_fields(self) -> dict[str, Any]:
        before = {"app": self.app or None, "connection": self.connection or None}
        return {"number": self.number, "lease": self.lease, "flow": self.flow, "before": before}

    def record_intent(self, context: PlanContext) -> None:
        undo = NumberUndo(number=self.number, app=context.app, before_app=self.app, before_connection=self.connection)
        # setdefault keeps the holder before the first connect.
        context.undo_log.entries.numbers.setdefault(self.lease, undo).app = context.app

    async def apply(self, context: PlanContext) -> None:
        apps = context.opentact.apps
        # First assign, then release, so that no call finds the number without a holder. On a conflict release first.
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
    """Subscribes to an event type.

    ``old_uuids`` are subscriptions of this type that do not last, ``existing_uuids`` all current subscriptions.
    """

    kind: ClassVar[str] = "subscribe"
    type: str
    old_uuids: tuple[str, ...]
    existing_uuids: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        again = ", because the current subscription expires" if self.old_uuids else ""
        return [f"subscribe to {self.type} for {SUBSCRIPTION_LIFETIME.days} days{again}"]

    @property
    def json_fields(self) -> dict[str, Any]:
        return {"type": self.type, "instead_of": [*self.old_uuids]}

    def record_intent(self, context: PlanContext) -> None:
        context.undo_log.entries.making_subscription = PendingCreation(name=self.type, known=[*self.existing_uuids])

    async def apply(self, context: PlanContext) -> None:
        entries = context.undo_log.entries
        try:
            await self._create_subscription(context)
        except PLAN_ENDING_ERRORS:
            raise
        except OpentactError as error:  # a refused type must not stop the other steps
            entries.making_subscription = None
            entries.refused[self.type] = str(error)
            context.notes.append(build_refusal_note(self.type, str(error)))
        else:
            entries.refused.pop(self.type, None)

    async def _create_subscription(self, context: PlanContext) -> None:
        subscriptions, entries = context.opentact.subscriptions, context.undo_log.entries
        try:
            subscription = await subscriptions.create_subscription(self.type, get_utc_now() + SUBSCRIPTION_LIFETIME)
        except OpentactConflictError:
            if not self.old_uuids:
                raise
            for uuid in self.old_uuids:
                await subscriptions.delete_subscription(uuid)
                entries.subscriptions.pop(uuid, None)
            subscription = await subscriptions.create_subscription(self.type, get_utc_now() + SUBSCRIPTION_LIFETIME)
        if subscription.uuid:
            entries.subscriptions[subscription.uuid] = SubscriptionUndo(type=self.type)
            entries.making_subscription = None
        else:
            context.undo_log.adopt_pending((), await subscriptions.list_all())


def build_refusal_note(event_type: str, reason: str) -> PlanNote:
    """Return the note for an event type refused as a subscription."""
    fix = "remove it from CALLFLOWS_EVENT_TYPES, unless it comes without a subscription; the server tries again by itself"
    return PlanNote("warning", f"Opentact refuses a subscription to {event_type}: {reason}", fix)


@dataclasses.dataclass(frozen=True, slots=True)
class StoreDocumentStep:
    """Stores a flow's static document for the app."""

    kind: ClassVar[str] = "keep-document"
    flow: str
    document: bytes
    before: str = ""

    @property
    def lines(self) -> list[str]:
        instead = " instead of the current one" if self.before else ""
        return [f"store the static document of {self.flow} ({len(self.document)} bytes) at Opentact for the app{instead}"]

    @property
    def json_fields(self) -> dict[str, Any]:
        return {"flow": self.flow, "bytes": len(self.document), "replaces": bool(self.before)}

    def record_intent(self, context: PlanContext) -> None:
        undo = context.undo_log.entries.documents.setdefault(context.app, DocumentUndo(before=self.before))
        undo.written.append(hash_setting(self.document.decode()))

    async def apply(self, context: PlanContext) -> None:
        await context.opentact.apps.store_document(context.app, self.document)
