"""The plan that makes what is there what is wanted. It is empty where it is so already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.errors import DocumentError, SettingsError
from app.language import from_xml
from app.setup.connecting.found import account_of, connection_of, delivers, holder_told, product_of, with_app
from app.setup.connecting.plan import Note, Plan
from app.setup.connecting.steps import ChangeApp, GiveNumber, KeepDocument, MakeApp, Subscribe, refused
from app.setup.connecting.texts import plan_of_texts, profile_of
from app.setup.connecting.wanted import LASTS_MIN, LONGEST, NAME
from app.setup.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from app.opentact import Opentact
    from app.opentact.records import App, Lease
    from app.setup.connecting.found import Found
    from app.setup.connecting.ledger import Entries, Ledger
    from app.setup.connecting.plan import Step
    from app.setup.connecting.wanted import Wanted

STATIC: Final = Note(
    "warning",
    "the app has a static document and a URL: which of them answers a call is not documented",
    "ring a number and see; without the document the URL answers",
)


async def planned(opentact: Opentact, wanted: Wanted, ledger: Ledger, now: datetime) -> Plan:
    """The plan for what is at Opentact now. Raises OpentactError, SettingsError."""
    found = await account_of(opentact, texts=bool(wanted.reading))
    ledger.adopt(found.apps, found.subscriptions, found.profiles)
    found = await with_app(opentact, found, wanted.app, ledger.entries.apps)
    return plan_of(wanted, found, ledger.entries, now)


def plan_of(wanted: Wanted, found: Found, entries: Entries, now: datetime) -> Plan:
    """The steps from what is found to what is wanted. Raises SettingsError where a product must be chosen."""
    made: list[Step | Note] = [
        *_app(wanted, found),
        *_document(wanted, found),
        *_numbers(wanted, found, entries),
        *_subscriptions(wanted, found, entries, now),
        *plan_of_texts(wanted, found, entries),
        *_unclaimed(wanted, found),
    ]
    steps = tuple(one for one in made if not isinstance(one, Note))
    notes = tuple(one for one in made if isinstance(one, Note))
    profile = profile_of(wanted, found, entries)
    return Plan(steps, notes, found.app.uuid if found.app else "", profile.uuid if profile else "")


def _app(wanted: Wanted, found: Found) -> Iterator[Step]:
    app = found.app
    if app is None:
        product, name = _product(wanted, found)
        fields = {LONGEST: LASTS_MIN} | {field: value for field, value in wanted.fields.items() if value is not None}
        yield MakeApp(wanted.app or NAME, product, name, fields, tuple(app.uuid for app in found.apps))
        return
    after = {field: value for field, value in wanted.fields.items() if not _same(app.said.get(field), value)}
    if after:
        before = {field: app.said[field] for field in after if field in app.said}
        yield ChangeApp(app.uuid, app.name, before, after)


def _same(there: object, wanted: object) -> bool:
    """Whether a field is as it is wanted; a method may be written in small letters, a number as a text."""
    if isinstance(wanted, bool) or isinstance(there, bool):
        return there is wanted
    return there == wanted or (wanted in ("GET", "POST") and str(there).upper() == wanted) or str(there) == str(wanted)


def _product(wanted: Wanted, found: Found) -> tuple[object, str]:
    """What the app is made of: the one that is named, else the only one that there is. Raises SettingsError."""
    there = {str(product_of(record)): record for record in found.products}
    if wanted.product:
        named = [key for key, record in there.items() if wanted.product in (key, str(record.said.get("name")))]
        if len(named) == 1:
            return product_of(there[named[0]]), str(there[named[0]].said.get("name") or "")
        if not there and wanted.product.isdecimal():
            return int(wanted.product), ""
    elif len(there) == 1:
        (record,) = there.values()
        return product_of(record), str(record.said.get("name") or "")
    listed = "; ".join(f"{key} {shown(record.said.get('name') or '')}" for key, record in there.items()) or "none is listed"
    said = (
        f"there is no product {wanted.product!r}"
        if wanted.product
        else "an app is made of a product: say which by --product"
    )
    raise SettingsError(f"{said} ({listed})")


# Numbers


def _numbers(wanted: Wanted, found: Found, entries: Entries) -> Iterator[Step | Note]:
    leases = {lease.number: lease for lease in found.leases if lease.number}
    for number, flow in wanted.numbers.items():
        lease = leases.get(number)
        if lease is None:
            mend = f"order it (callflows opentact numbers order {number}), or take it out of the flow"
            yield Note("missing", f"{number} (flow {flow}) is not a number of the account", mend)
        else:
            yield from _number(wanted, found, entries, lease, flow)


def _number(wanted: Wanted, found: Found, entries: Entries, lease: Lease, flow: str) -> Iterator[Step | Note]:
    number, connection = lease.number, connection_of(lease)
    ours = found.app is not None and lease.app == found.app.uuid
    begun = lease.uuid in entries.numbers
    if ours and not connection:
        return
    holder = "" if ours and begun else _holder(found, lease)
    if holder and not wanted.take:
        yield Note("missing", f"{number} (flow {flow}) belongs to {holder}", "say --take to take it from there")
    elif flow in wanted.broken:
        mend = "see callflows check; then connect again"
        yield Note(
            "missing", f"{number} is not given to the app: its flow {flow} is broken, and would only apologise", mend
        )
    else:
        yield GiveNumber(lease.uuid, number, flow, "" if ours else lease.app, connection, holder)


def _holder(found: Found, lease: Lease) -> str:
    """Whom a number belongs to, for people; nothing where it belongs to nobody."""
    if connection := connection_of(lease):
        return f"the SIP connection {connection}"
    if lease.app:
        named: dict[str, App] = {app.uuid: app for app in found.apps}
        name = named[lease.app].name if lease.app in named else ""
        return f"the app {name!r} ({lease.app})" if name else f"the app {lease.app}"
    return "" if holder_told(lease) else "somebody whom Opentact does not name"


def _unclaimed(wanted: Wanted, found: Found) -> Iterator[Note]:
    """Numbers that the app has and no flow claims exactly: they stay, and are said."""
    app = found.app
    extra = [lease.number for lease in found.leases if app and lease.app == app.uuid and lease.number not in wanted.numbers]
    if extra:
        said = f"the app also has {len(extra)} number(s) that no flow claims exactly: {', '.join(extra[:5])}"
        yield Note("warning", f"{said}{', …' if len(extra) > 5 else ''}", "they stay as they are")  # noqa: PLR2004 - a few


# Events and the static document


def _subscriptions(wanted: Wanted, found: Found, entries: Entries, now: datetime) -> Iterator[Step | Note]:
    there = {one.type for one in found.subscriptions if delivers(one, now)}
    for kind in wanted.types:
        if kind in there:
            continue
        if kind in entries.refused:
            yield refused(kind, entries.refused[kind])
            continue
        old = tuple(one.uuid for one in found.subscriptions if one.type == kind and one.channel == "wss")
        yield Subscribe(kind, old, tuple(one.uuid for one in found.subscriptions))


def _document(wanted: Wanted, found: Found) -> Iterator[Step | Note]:
    if wanted.document is not None and not _same_document(found.document, wanted.document):
        yield KeepDocument(wanted.static, wanted.document, found.document)
    if wanted.document is not None or found.document:
        yield STATIC


def _same_document(there: str, wanted: bytes) -> bool:
    """Whether two documents say the same, however they are laid out."""
    if there.encode() == wanted:
        return True
    try:
        return bool(there) and from_xml(there.encode()) == from_xml(wanted)
    except (DocumentError, ValueError):
        return False
