"""The steps that connect: each changes one thing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from app.errors import Conflict, OpentactError, Unintelligible
from app.opentact.pace import now
from app.opentact.subscriptions import LASTS
from app.setup.connecting.ledger import KeptApp, KeptDocument, KeptNumber, KeptSubscription, Making, digest
from app.setup.connecting.plan import Doing, Note
from app.setup.connecting.refusals import ENDS
from app.setup.connecting.wanted import LONGEST
from app.setup.shown import differences, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.opentact.records import App


@dataclasses.dataclass(frozen=True, slots=True)
class MakeApp:
    """A SIP Control App; ``known`` are the ids of those that there are."""

    kind: ClassVar[str] = "make-app"
    name: str
    product: object
    product_name: str
    fields: Mapping[str, object]
    known: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """As Step."""
        made_of = f"of the product {shown(self.product_name or self.product)}"
        return [f"make the app {self.name!r} {made_of}", *(f"  {line}" for line in differences({}, self.fields))]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        fields = {field: shown(value) for field, value in self.fields.items()}
        return {"name": self.name, "product": self.product, "fields": fields}

    def intend(self, doing: Doing) -> None:
        """As Step."""
        doing.ledger.entries.making_app = Making(name=self.name, known=[*self.known])

    async def do(self, doing: Doing) -> None:
        """As Step."""
        made, fields = await self._made(doing)
        if not made.uuid:
            raise Unintelligible("the app is made, but Opentact does not say its id", mend="do it again: it will be found")
        entries = doing.ledger.entries
        kept = entries.apps[made.uuid] = KeptApp(name=self.name, made=True)
        for field, value in fields.items():
            kept.write(field, value)
        entries.making_app = None
        doing.app = made.uuid

    async def _made(self, doing: Doing) -> tuple[App, Mapping[str, object]]:
        """The app and its fields; without a bound for its calls where Opentact does not take that."""
        try:
            return await doing.opentact.apps.create(self.name, self.product, **self.fields), self.fields
        except OpentactError as error:
            if LONGEST not in str(error) and not any(LONGEST in path for path in error.fields):
                raise
        doing.notes.append(Note("warning", f"Opentact does not take {LONGEST}", "bound the app's calls in the portal"))
        fields = {field: value for field, value in self.fields.items() if field != LONGEST}
        return await doing.opentact.apps.create(self.name, self.product, **fields), fields


@dataclasses.dataclass(frozen=True, slots=True)
class ChangeApp:
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
        return [named, *(f"  {line}" for line in differences(self.before, self.after))]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        changes = {
            field: {"before": shown(self.before.get(field)), "after": shown(value)} for field, value in self.after.items()
        }
        return {"app": self.uuid, "name": self.name, "changes": changes}

    def intend(self, doing: Doing) -> None:
        """What was there before the first connect stays what was there."""
        kept = doing.ledger.entries.apps.setdefault(self.uuid, KeptApp(name=self.name))
        for field, value in self.after.items():
            if field in self.before and not kept.made:
                kept.before.setdefault(field, self.before[field])
            kept.write(field, value)

    async def do(self, doing: Doing) -> None:
        """As Step."""
        await doing.opentact.apps.change(self.uuid, **self.after)


@dataclasses.dataclass(frozen=True, slots=True)
class GiveNumber:
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
    def told(self) -> dict[str, Any]:
        """As Step."""
        before = {"app": self.app or None, "connection": self.connection or None}
        return {"number": self.number, "lease": self.lease, "flow": self.flow, "before": before}

    def intend(self, doing: Doing) -> None:
        """Whom it belonged to before the first connect stays whom it belonged to."""
        kept = KeptNumber(number=self.number, app=doing.app, before_app=self.app, before_connection=self.connection)
        doing.ledger.entries.numbers.setdefault(self.lease, kept).app = doing.app

    async def do(self, doing: Doing) -> None:
        """The new holder first, so that no call finds none; where Opentact wants it the other way, that way."""
        apps = doing.opentact.apps
        try:
            await apps.assign(doing.app, add=[self.lease])
        except Conflict:
            if not self.app and not self.connection:
                raise
            await self._take(doing)
            await apps.assign(doing.app, add=[self.lease])
        else:
            if self.connection:
                await doing.opentact.connections.assign(self.connection, remove=[self.lease])

    async def _take(self, doing: Doing) -> None:
        if self.connection:
            await doing.opentact.connections.assign(self.connection, remove=[self.lease])
        if self.app and self.app != doing.app:
            await doing.opentact.apps.assign(self.app, remove=[self.lease])


@dataclasses.dataclass(frozen=True, slots=True)
class Subscribe:
    """A type of events is delivered; ``old`` are subscriptions to it that do not last, ``known`` all that there are."""

    kind: ClassVar[str] = "subscribe"
    type: str
    old: tuple[str, ...]
    known: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """As Step."""
        again = ", since the subscription that there is does not last" if self.old else ""
        return [f"subscribe to {self.type} for {LASTS.days} days{again}"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"type": self.type, "instead_of": [*self.old]}

    def intend(self, doing: Doing) -> None:
        """As Step."""
        doing.ledger.entries.making_subscription = Making(name=self.type, known=[*self.known])

    async def do(self, doing: Doing) -> None:
        """A type that Opentact refuses is said, and keeps nothing else from being done."""
        entries = doing.ledger.entries
        try:
            await self._make(doing)
        except ENDS:
            raise
        except OpentactError as error:
            entries.making_subscription = None
            entries.refused[self.type] = str(error)
            doing.notes.append(refused(self.type, str(error)))
        else:
            entries.refused.pop(self.type, None)

    async def _make(self, doing: Doing) -> None:
        subscriptions, entries = doing.opentact.subscriptions, doing.ledger.entries
        try:
            made = await subscriptions.create(self.type, now() + LASTS)
        except Conflict:
            if not self.old:
                raise
            for uuid in self.old:
                await subscriptions.delete(uuid)
                entries.subscriptions.pop(uuid, None)
            made = await subscriptions.create(self.type, now() + LASTS)
        if made.uuid:
            entries.subscriptions[made.uuid] = KeptSubscription(type=self.type)
            entries.making_subscription = None
        else:
            doing.ledger.adopt((), await subscriptions.all())


def refused(kind: str, reason: str) -> Note:
    """A type that cannot be subscribed to."""
    mend = "take it out of CALLFLOWS_EVENT_TYPES, unless it comes without asking; the server asks again by itself"
    return Note("warning", f"Opentact does not let {kind} be subscribed to: {reason}", mend)


@dataclasses.dataclass(frozen=True, slots=True)
class KeepDocument:
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
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"flow": self.flow, "bytes": len(self.document), "replaces": bool(self.before)}

    def intend(self, doing: Doing) -> None:
        """As Step."""
        kept = doing.ledger.entries.documents.setdefault(doing.app, KeptDocument(before=self.before))
        kept.written.append(digest(self.document.decode()))

    async def do(self, doing: Doing) -> None:
        """As Step."""
        await doing.opentact.apps.keep(doing.app, self.document)
