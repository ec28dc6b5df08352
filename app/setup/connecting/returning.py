"""The plan that restores what was there before ``connect``, as far as nobody has changed it since."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from app.errors import Conflict, NotFound
from app.setup.connecting.found import account_of, connection_of, document_of
from app.setup.connecting.ledger import digest
from app.setup.connecting.plan import Doing, Note, Plan
from app.setup.connecting.returning_texts import plan_of_texts_removal
from app.setup.shown import differences, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.opentact import Opentact
    from app.opentact.records import App, Lease
    from app.setup.connecting.found import Found
    from app.setup.connecting.ledger import Entries, KeptApp, KeptNumber, Ledger
    from app.setup.connecting.plan import Step


@dataclasses.dataclass(frozen=True, slots=True)
class ReturnNumber:
    """A number goes back to whom it belonged to, or to nobody; ``ours`` is the app that has it, if it does."""

    kind: ClassVar[str] = "return-number"
    lease: str
    number: str
    ours: str
    app: str
    connection: str

    @property
    def lines(self) -> list[str]:
        """As Step."""
        back = f"back to the SIP connection {self.connection}" if self.connection else "to nobody, as it was"
        return [f"give {self.number} {f'back to the app {self.app}' if self.app else back}"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"number": self.number, "lease": self.lease, "app": self.app or None, "connection": self.connection or None}

    def intend(self, doing: Doing) -> None:
        """It is in the ledger already."""

    async def do(self, doing: Doing) -> None:
        """The old holder first, as in giving."""
        try:
            await self._back(doing)
        except Conflict:
            await self._take(doing)
            await self._back(doing)
        else:
            if not self.app:
                await self._take(doing)
        doing.ledger.entries.numbers.pop(self.lease, None)

    async def _take(self, doing: Doing) -> None:
        if self.ours:
            await doing.opentact.apps.assign(self.ours, remove=[self.lease])

    async def _back(self, doing: Doing) -> None:
        if self.app:
            await doing.opentact.apps.assign(self.app, add=[self.lease])
        if self.connection:
            await doing.opentact.connections.assign(self.connection, add=[self.lease])


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreApp:
    """Fields of an app are set to what they were."""

    kind: ClassVar[str] = "restore-app"
    uuid: str
    name: str
    before: Mapping[str, object]
    after: Mapping[str, object]

    @property
    def lines(self) -> list[str]:
        """As Step."""
        restored = differences(self.before, self.after)
        return [f"restore the app {self.name!r} ({self.uuid})", *(f"  {line}" for line in restored)]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        fields = {field: shown(value) for field, value in self.after.items()}
        return {"app": self.uuid, "name": self.name, "fields": fields}

    def intend(self, doing: Doing) -> None:
        """It is in the ledger already."""

    async def do(self, doing: Doing) -> None:
        """As Step."""
        await doing.opentact.apps.change(self.uuid, **self.after)
        doing.ledger.entries.apps.pop(self.uuid, None)


@dataclasses.dataclass(frozen=True, slots=True)
class DeleteApp:
    """The app that connect made is removed."""

    kind: ClassVar[str] = "delete-app"
    uuid: str
    name: str

    @property
    def lines(self) -> list[str]:
        """As Step."""
        return [f"delete the app {self.name!r} ({self.uuid}), which connect made"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"app": self.uuid, "name": self.name}

    def intend(self, doing: Doing) -> None:
        """It is in the ledger already."""

    async def do(self, doing: Doing) -> None:
        """As Step."""
        with contextlib.suppress(NotFound):
            await doing.opentact.apps.delete(self.uuid)
        doing.ledger.entries.apps.pop(self.uuid, None)
        doing.ledger.entries.documents.pop(self.uuid, None)


@dataclasses.dataclass(frozen=True, slots=True)
class Unsubscribe:
    """A subscription that connect made is removed."""

    kind: ClassVar[str] = "unsubscribe"
    uuid: str
    type: str

    @property
    def lines(self) -> list[str]:
        """As Step."""
        return [f"end the subscription to {self.type}"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"subscription": self.uuid, "type": self.type}

    def intend(self, doing: Doing) -> None:
        """It is in the ledger already."""

    async def do(self, doing: Doing) -> None:
        """As Step."""
        with contextlib.suppress(NotFound):
            await doing.opentact.subscriptions.delete(self.uuid)
        doing.ledger.entries.subscriptions.pop(self.uuid, None)


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreDocument:
    """An app's static document is what it was, or there is none."""

    kind: ClassVar[str] = "restore-document"
    app: str
    before: str

    @property
    def lines(self) -> list[str]:
        """As Step."""
        return ["restore the app's static document" if self.before else "remove the app's static document"]

    @property
    def told(self) -> dict[str, Any]:
        """As Step."""
        return {"app": self.app, "bytes": len(self.before.encode())}

    def intend(self, doing: Doing) -> None:
        """It is in the ledger already."""

    async def do(self, doing: Doing) -> None:
        """As Step."""
        if self.before:
            await doing.opentact.apps.keep(self.app, self.before.encode())
        else:
            with contextlib.suppress(NotFound):
                await doing.opentact.apps.forget(self.app)
        doing.ledger.entries.documents.pop(self.app, None)


# The plan


async def planned(opentact: Opentact, ledger: Ledger) -> Plan:
    """The plan for what is at Opentact now. Raises OpentactError."""
    entries = ledger.entries
    found = await account_of(opentact, texts=bool(entries.texts or entries.profiles or entries.making_profile))
    ledger.adopt(found.apps, found.subscriptions, found.profiles)
    there = {app.uuid for app in found.apps}
    apps = {uuid: await opentact.apps.get(uuid) for uuid in entries.apps if uuid in there}
    documents = {uuid: await document_of(opentact, uuid) for uuid in entries.documents if uuid in there}
    return plan_of_removal(entries, found, apps, documents)


def plan_of_removal(entries: Entries, found: Found, apps: Mapping[str, App], documents: Mapping[str, str]) -> Plan:
    """The steps back: numbers first, so that none is with an app that is gone."""
    made: list[Step | Note] = [*plan_of_texts_removal(entries, found), *_numbers(entries, found)]
    made += [*_documents(entries, documents), *_subscriptions(entries, found)]
    for uuid, kept in entries.apps.items():
        if uuid in apps:
            made += _app(entries, found, apps[uuid], kept)
    steps = tuple(one for one in made if not isinstance(one, Note))
    return Plan(steps, tuple(one for one in made if isinstance(one, Note)))


def _numbers(entries: Entries, found: Found) -> Iterator[Step | Note]:
    leases = {lease.uuid: lease for lease in found.leases}
    there = {app.uuid for app in found.apps}
    for uuid, kept in entries.numbers.items():
        lease = leases.get(uuid)
        if lease is None:
            yield Note("warning", f"{kept.number} is not a number of the account any more")
        elif not _as_before(lease, kept):
            yield from _number(lease, kept, there)


def _number(lease: Lease, kept: KeptNumber, there: set[str]) -> Iterator[Step | Note]:
    before, connection = kept.before_app, connection_of(lease)
    if lease.app not in (kept.app, before):
        yield Note("warning", f"{kept.number} belongs to {lease.app or 'nobody'} since; it stays there")
        return
    if connection not in ("", kept.before_connection):
        yield Note("warning", f"{kept.number} belongs to the SIP connection {connection} since; it stays there")
        return
    if before and before not in there:
        yield Note("missing", f"{kept.number} belonged to the app {before}, which is gone; it will belong to nobody")
        before = ""
    ours = kept.app if lease.app == kept.app else ""
    yield ReturnNumber(lease.uuid, kept.number, ours, before, kept.before_connection)


def _as_before(lease: Lease, kept: KeptNumber) -> bool:
    return (lease.app, connection_of(lease)) == (kept.before_app, kept.before_connection)


def _documents(entries: Entries, documents: Mapping[str, str]) -> Iterator[Step | Note]:
    for uuid, kept in entries.documents.items():
        made = uuid in entries.apps and entries.apps[uuid].made
        if uuid not in documents or made or documents[uuid] == kept.before:
            continue
        if digest(documents[uuid]) in kept.written or not documents[uuid]:
            yield RestoreDocument(uuid, kept.before)
        else:
            yield Note("warning", f"the static document of the app {uuid} is another one since; it stays")


def _subscriptions(entries: Entries, found: Found) -> Iterator[Step]:
    there = {one.uuid for one in found.subscriptions}
    for uuid, kept in entries.subscriptions.items():
        if uuid in there:
            yield Unsubscribe(uuid, kept.type)


def _app(entries: Entries, found: Found, app: App, kept: KeptApp) -> Iterator[Step | Note]:
    if kept.made:
        others = [lease.number for lease in found.leases if lease.app == app.uuid and lease.uuid not in entries.numbers]
        if others:
            text = f"the app {app.name!r}, which connect made, stays: it was given {', '.join(others)} since"
            yield Note("missing", text, "give them to another app, and delete it in the portal")
        else:
            yield DeleteApp(app.uuid, app.name)
        return
    there = {field: app.said.get(field) for field in kept.before}
    after = {
        field: value for field, value in kept.before.items() if value != there[field] and kept.ours(field, there[field])
    }
    others = [field for field, value in kept.before.items() if value != there[field] and field not in after]
    if others:
        yield Note("warning", f"{', '.join(others)} of the app {app.name!r} is changed since; it stays as it is")
    if after:
        yield RestoreApp(app.uuid, app.name, {field: there[field] for field in after}, after)
