"""Compare the desired setup with the current one. An empty plan means there is nothing to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callflows.errors import DocumentReadError, SettingsError
from callflows.language import from_xml
from callflows.setup.connect.current_setup import (
    add_app_details,
    fetch_current_setup,
    get_product_number,
    get_sip_connection_uuid,
    is_delivering,
    is_holder_known,
)
from callflows.setup.connect.desired_setup import DEFAULT_APP_NAME, MAX_CALL_LENGTH_FIELD
from callflows.setup.connect.messaging_setup import find_messaging_profile, plan_messaging
from callflows.setup.connect.setup_plan import PlanNote, SetupPlan
from callflows.setup.connect.setup_steps import (
    AssignNumberStep,
    CreateAppStep,
    StoreDocumentStep,
    SubscribeStep,
    UpdateAppStep,
    build_refusal_note,
)
from callflows.setup.setting_text import format_setting
from callflows.telephony.call_record import LONGEST_CALL_MINUTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from callflows.opentact import Opentact
    from callflows.opentact.rest_records import OpentactApp, OpentactLease
    from callflows.setup.connect.current_setup import CurrentSetup
    from callflows.setup.connect.desired_setup import DesiredSetup
    from callflows.setup.connect.setup_plan import SetupStep
    from callflows.setup.connect.undo_log import UndoEntries, UndoLog


STATIC_DOCUMENT_NOTE: Final = PlanNote(
    "warning",
    "the app has a static document and a URL: Opentact does not document which of them answers a call",
    "call a number to find out; without the document, the URL answers",
)


async def plan_setup(opentact: Opentact, desired: DesiredSetup, undo_log: UndoLog, now: datetime) -> SetupPlan:
    """Fetch the current setup and return the plan. Raises OpentactError, SettingsError."""
    current = await fetch_current_setup(opentact, with_profiles=bool(desired.message_flows))
    undo_log.adopt_pending(current.apps, current.subscriptions, current.profiles)
    current = await add_app_details(opentact, current, desired.app, undo_log.entries.apps)
    return build_setup_plan(desired, current, undo_log.entries, now)


def build_setup_plan(desired: DesiredSetup, current: CurrentSetup, entries: UndoEntries, now: datetime) -> SetupPlan:
    """Return the steps from the current to the desired setup. Raises SettingsError if a product must be chosen."""
    planned_steps: list[SetupStep | PlanNote] = [
        *_plan_app(desired, current),
        *_plan_document(desired, current),
        *_plan_numbers(desired, current, entries),
        *_plan_subscriptions(desired, current, entries, now),
        *plan_messaging(desired, current, entries),
        *_note_unclaimed_numbers(desired, current),
    ]
    steps = tuple(one for one in planned_steps if not isinstance(one, PlanNote))
    notes = tuple(one for one in planned_steps if isinstance(one, PlanNote))
    profile = find_messaging_profile(desired, current, entries)
    return SetupPlan(steps, notes, current.app.uuid if current.app else "", profile.uuid if profile else "")


def _plan_app(desired: DesiredSetup, current: CurrentSetup) -> Iterator[SetupStep]:
    app = current.app
    if app is None:
        product, name = _select_product(desired, current)
        fields = {MAX_CALL_LENGTH_FIELD: LONGEST_CALL_MINUTES} | {
            field: value for field, value in desired.fields.items() if value is not None
        }
        yield CreateAppStep(desired.app or DEFAULT_APP_NAME, product, name, fields, tuple(app.uuid for app in current.apps))
        return
    after = {field: value for field, value in desired.fields.items() if not _is_same_value(app.raw.get(field), value)}
    if after:
        before = {field: app.raw[field] for field in after if field in app.raw}
        yield UpdateAppStep(app.uuid, app.name, before, after)


def _is_same_value(current_value: object, desired_value: object) -> bool:
    """Compare a field; Opentact may report a method in lower case and a number as text."""
    if isinstance(desired_value, bool) or isinstance(current_value, bool):
        return current_value is desired_value
    return (
        current_value == desired_value
        or (desired_value in ("GET", "POST") and str(current_value).upper() == desired_value)
        or str(current_value) == str(desired_value)
    )


def _select_product(desired: DesiredSetup, current: CurrentSetup) -> tuple[object, str]:
    """Return number and name of the product for a new app: the named one, or the only one. Raises SettingsError."""
    products = {str(get_product_number(record)): record for record in current.products}
    if desired.product:
        named = [key for key, record in products.items() if desired.product in (key, str(record.raw.get("name")))]
        if len(named) == 1:
            return get_product_number(products[named[0]]), str(products[named[0]].raw.get("name") or "")
        if not products and desired.product.isdecimal():
            return int(desired.product), ""
    elif len(products) == 1:
        (record,) = products.values()
        return get_product_number(record), str(record.raw.get("name") or "")
    listed = (
        "; ".join(f"{key} {format_setting(record.raw.get('name') or '')}" for key, record in products.items())
        or "Opentact lists none"
    )
    message = (
        f"there is no product {desired.product!r}"
        if desired.product
        else "a new app needs a product: choose one with --product"
    )
    raise SettingsError(f"{message} ({listed})")


def _plan_numbers(desired: DesiredSetup, current: CurrentSetup, entries: UndoEntries) -> Iterator[SetupStep | PlanNote]:
    leases = {lease.number: lease for lease in current.leases if lease.number}
    for number, flow in desired.numbers.items():
        lease = leases.get(number)
        if lease is None:
            fix = f"order it (callflows opentact numbers order {number}), or remove it from the flow"
            yield PlanNote("missing", f"{number} (flow {flow}) is not a number of the account", fix)
        else:
            yield from _plan_number(desired, current, entries, lease, flow)


def _plan_number(
    desired: DesiredSetup, current: CurrentSetup, entries: UndoEntries, lease: OpentactLease, flow: str
) -> Iterator[SetupStep | PlanNote]:
    number, connection = lease.number, get_sip_connection_uuid(lease)
    ours = current.app is not None and lease.app_uuid == current.app.uuid
    begun = lease.uuid in entries.numbers
    if ours and not connection:
        return
    holder = "" if ours and begun else _describe_holder(current, lease)
    if holder and not desired.takes_numbers:
        yield PlanNote("missing", f"{number} (flow {flow}) belongs to {holder}", "add --take to take it from there")
    elif flow in desired.broken_flows:
        fix = "run callflows check, fix the flow, then run callflows connect again"
        yield PlanNote(
            "missing",
            f"{number} is not given to the app: its flow {flow} has errors, and callers would only hear an apology",
            fix,
        )
    else:
        yield AssignNumberStep(lease.uuid, number, flow, "" if ours else lease.app_uuid, connection, holder)


def _describe_holder(current: CurrentSetup, lease: OpentactLease) -> str:
    """Return the holder of a number for people, or an empty text."""
    if connection := get_sip_connection_uuid(lease):
        return f"the SIP connection {connection}"
    if lease.app_uuid:
        named: dict[str, OpentactApp] = {app.uuid: app for app in current.apps}
        name = named[lease.app_uuid].name if lease.app_uuid in named else ""
        return f"the app {name!r} ({lease.app_uuid})" if name else f"the app {lease.app_uuid}"
    return "" if is_holder_known(lease) else "an owner that Opentact does not name"


def _note_unclaimed_numbers(desired: DesiredSetup, current: CurrentSetup) -> Iterator[PlanNote]:
    """Report the app's numbers without an exact claim; the numbers stay with the app."""
    app = current.app
    extra = [
        lease.number
        for lease in current.leases
        if app and lease.app_uuid == app.uuid and lease.number not in desired.numbers
    ]
    if extra:
        message = f"the app also has {len(extra)} number(s) that no flow claims exactly: {', '.join(extra[:5])}"
        yield PlanNote("warning", f"{message}{', …' if len(extra) > 5 else ''}", "they stay as they are")  # noqa: PLR2004 - a few


def _plan_subscriptions(
    desired: DesiredSetup, current: CurrentSetup, entries: UndoEntries, now: datetime
) -> Iterator[SetupStep | PlanNote]:
    delivered_types = {one.type for one in current.subscriptions if is_delivering(one, now)}
    for kind in desired.event_types:
        if kind in delivered_types:
            continue
        if kind in entries.refused:
            yield build_refusal_note(kind, entries.refused[kind])
            continue
        old = tuple(one.uuid for one in current.subscriptions if one.type == kind and one.channel == "wss")
        yield SubscribeStep(kind, old, tuple(one.uuid for one in current.subscriptions))


def _plan_document(desired: DesiredSetup, current: CurrentSetup) -> Iterator[SetupStep | PlanNote]:
    if desired.static_document is not None and not _is_same_document(current.document, desired.static_document):
        yield StoreDocumentStep(desired.static_flow, desired.static_document, current.document)
    if desired.static_document is not None or current.document:
        yield STATIC_DOCUMENT_NOTE


def _is_same_document(current_document: str, desired_document: bytes) -> bool:
    """Compare two documents, ignoring layout."""
    if current_document.encode() == desired_document:
        return True
    try:
        return bool(current_document) and from_xml(current_document.encode()) == from_xml(desired_document)
    except (DocumentReadError, ValueError):
        return False
