"""The plan that restores what was there before ``connect``, as far as nobody has changed it since."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from app.errors import Conflict, NotFound
from app.setup.connecting.found import account_of, connection_of, document_of
from app.setup.connecting.ledger import digest
from app.setup.connecting.plan import Back, Note, Plan
from app.setup.connecting.returning_texts import plan_of_texts_removal
from app.setup.shown import differences, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.opentact import Opentact
    from app.opentact.records import App, Lease
    from app.setup.connecting.found import Found
    from app.setup.connecting.ledger import Entries, KeptApp, KeptNumber, Ledger
    from app.setup.connecting.plan import Doing, Step


def return_number(lease: str, kept: KeptNumber, ours: str, app: str) -> Back:
    """A number goes back to the app and the connection that it belonged to; ``ours`` is the app that has it, if it does."""
    number, connection = kept.number, kept.before_connection

    async def take(doing: Doing) -> None:
        if ours:
            await doing.opentact.apps.assign(ours, remove=[lease])

    async def give(doing: Doing) -> None:
        if app:
            await doing.opentact.apps.assign(app, add=[lease])
        if connection:
            await doing.opentact.connections.assign(connection, add=[lease])

    async def do(doing: Doing) -> None:
        """The old holder first, as in giving."""
        try:
            await give(doing)
        except Conflict:
            await take(doing)
            await give(doing)
        else:
            if not app:
                await take(doing)
        doing.ledger.entries.numbers.pop(lease, None)

    back = f"back to the SIP connection {connection}" if connection else "to nobody, as it was"
    line = f"give {number} {f'back to the app {app}' if app else back}"
    told = {"number": number, "lease": lease, "app": app or None, "connection": connection or None}
    return Back("return-number", [line], told, do)


def restore_app(uuid: str, name: str, before: Mapping[str, object], after: Mapping[str, object]) -> Back:
    """Fields of an app are set to what they were."""

    async def do(doing: Doing) -> None:
        await doing.opentact.apps.change(uuid, **after)
        doing.ledger.entries.apps.pop(uuid, None)

    lines = [f"restore the app {name!r} ({uuid})", *(f"  {line}" for line in differences(before, after))]
    told = {"app": uuid, "name": name, "fields": {field: shown(value) for field, value in after.items()}}
    return Back("restore-app", lines, told, do)


def delete_app(uuid: str, name: str) -> Back:
    """The app that connect made is removed."""

    async def do(doing: Doing) -> None:
        with contextlib.suppress(NotFound):
            await doing.opentact.apps.delete(uuid)
        doing.ledger.entries.apps.pop(uuid, None)
        doing.ledger.entries.documents.pop(uuid, None)

    return Back("delete-app", [f"delete the app {name!r} ({uuid}), which connect made"], {"app": uuid, "name": name}, do)


def unsubscribe(uuid: str, kind: str) -> Back:
    """A subscription that connect made is removed."""

    async def do(doing: Doing) -> None:
        with contextlib.suppress(NotFound):
            await doing.opentact.subscriptions.delete(uuid)
        doing.ledger.entries.subscriptions.pop(uuid, None)

    return Back("unsubscribe", [f"end the subscription to {kind}"], {"subscription": uuid, "type": kind}, do)


def restore_document(app: str, before: str) -> Back:
    """An app's static document is what it was, or there is none."""

    async def do(doing: Doing) -> None:
        if before:
            await doing.opentact.apps.keep(app, before.encode())
        else:
            with contextlib.suppress(NotFound):
                await doing.opentact.apps.forget(app)
        doing.ledger.entries.documents.pop(app, None)

    line = "restore the app's static document" if before else "remove the app's static document"
    return Back("restore-document", [line], {"app": app, "bytes": len(before.encode())}, do)


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
    yield return_number(lease.uuid, kept, ours, before)


def _as_before(lease: Lease, kept: KeptNumber) -> bool:
    return (lease.app, connection_of(lease)) == (kept.before_app, kept.before_connection)


def _documents(entries: Entries, documents: Mapping[str, str]) -> Iterator[Step | Note]:
    for uuid, kept in entries.documents.items():
        made = uuid in entries.apps and entries.apps[uuid].made
        if uuid not in documents or made or documents[uuid] == kept.before:
            continue
        if digest(documents[uuid]) in kept.written or not documents[uuid]:
            yield restore_document(uuid, kept.before)
        else:
            yield Note("warning", f"the static document of the app {uuid} is another one since; it stays")


def _subscriptions(entries: Entries, found: Found) -> Iterator[Step]:
    there = {one.uuid for one in found.subscriptions}
    for uuid, kept in entries.subscriptions.items():
        if uuid in there:
            yield unsubscribe(uuid, kept.type)


def _app(entries: Entries, found: Found, app: App, kept: KeptApp) -> Iterator[Step | Note]:
    if kept.made:
        others = [lease.number for lease in found.leases if lease.app == app.uuid and lease.uuid not in entries.numbers]
        if others:
            text = f"the app {app.name!r}, which connect made, stays: it was given {', '.join(others)} since"
            yield Note("missing", text, "give them to another app, and delete it in the portal")
        else:
            yield delete_app(app.uuid, app.name)
        return
    there = {field: app.said.get(field) for field in kept.before}
    after = {
        field: value for field, value in kept.before.items() if value != there[field] and kept.ours(field, there[field])
    }
    others = [field for field, value in kept.before.items() if value != there[field] and field not in after]
    if others:
        yield Note("warning", f"{', '.join(others)} of the app {app.name!r} is changed since; it stays as it is")
    if after:
        yield restore_app(app.uuid, app.name, {field: there[field] for field in after}, after)
