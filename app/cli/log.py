"""The call log: what happened, why, and how it is forgotten. Mounted by ``commands``."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from app.cli.given import fail, progress, say, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.journal.sql import SqlStore

_ROWS: Final = 50
"""Calls that people are shown at once."""
_CANDIDATES: Final = 10
_ELSEWHERE: Final = {"record": "recorded", "transcript": "transcribed", "sms": "message"}
"""Words in the kinds of reports, and what tells the same in a story."""
_COLUMNS: Final = ("started", "from", "number", "flow", "state", "outcome", "seconds", "cause_text", "id")
_AGO: Final = re.compile("([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class LogFormat(StrEnum):
    """How calls are shown."""

    text = "text"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


def log(  # noqa: PLR0913, PLR0917 - an option each
    call: Annotated[
        str | None, typer.Argument(help="The id of a call, or how only it begins: tell its whole story.")
    ] = None,
    number: Annotated[str, typer.Option(help="Calls to this number.")] = "",
    from_: Annotated[str, typer.Option("--from", help="Calls of this caller.")] = "",
    flow: Annotated[str, typer.Option(help="Calls that this flow answered.")] = "",
    outcome: Annotated[str, typer.Option(help="What we answered: answered, fallback, or unknown-number.")] = "",
    state: Annotated[str, typer.Option(help="What Opentact reported last: live, destroyed, …")] = "",
    since: Annotated[str, typer.Option(help="A moment (2026-11-23, 2026-11-23T10:00Z), or how long ago: 2h, 7d.")] = "",
    until: Annotated[str, typer.Option(help="As above; what began then is not shown.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="How many; else 50 for people, and all for programs.")] = None,
    mask: Annotated[
        str, typer.Option("--masked", metavar="NUMBER", help="Print how the server's log writes a number.")
    ] = "",
    documents: Annotated[bool, typer.Option("--documents", help="Show the documents in a story.")] = False,  # noqa: FBT002
    scenario: Annotated[bool, typer.Option("--as-scenario", help="Print a call as a scenario to paste.")] = False,  # noqa: FBT002
    output: Annotated[LogFormat, typer.Option("--format", help="How calls are shown.")] = LogFormat.text,
) -> None:
    """List calls, the newest first, or tell the whole story of one: what was asked, decided, answered, reported.

    State is the last that Opentact reported (init, ringing, live, hangup, destroyed; empty: nothing was reported yet),
    outcome the worst that we answered (answered; fallback: something broke; unknown-number: no flow has the number), cause
    why it ended, as Opentact says.
    """
    from app.journal.ranks import OUTCOMES, STATES
    from app.journal.store import Filter
    from app.journal.story import row_of

    if mask:
        _masked(mask)
        return
    _one_of(outcome, OUTCOMES, "--outcome")
    _one_of(state, STATES, "--state")
    store = _store()
    if call is not None:
        _scenario(store, call) if scenario else _story(store, call, output, documents=documents)
        return
    if scenario:
        fail("callflows: --as-scenario: of which call? As: callflows log CALL --as-scenario", 2)
    most = limit or (_ROWS if output is LogFormat.text else None)
    moments = _moment(since, "--since"), _moment(until, "--until")
    wanted = Filter(_number(number), _number(from_), flow, outcome, state, *moments, limit=most)
    rows = map(row_of, store.calls(wanted)) if store is not None else iter(())
    shown = {LogFormat.text: _table, LogFormat.json: _json, LogFormat.jsonl: _lines, LogFormat.csv: _csv}
    shown[output](rows)


def _masked(number: str) -> None:
    """How a number stands in the log, so that its lines can be searched for."""
    from app.numbers import Mask
    from app.server import keys_of

    print(Mask(keys_of(settings_of())[0])(number))


def _store() -> SqlStore | None:
    """The journal's database; None where there is none yet. Raises StoreGone."""
    from app.errors import StoreGone
    from app.journal.sql import SqlStore

    store = SqlStore(settings_of().journal_url)
    if store.file is not None and not store.file.exists():
        say(f"no call was remembered yet: there is no {store.file}")
        return None
    try:
        store.open()
    except StoreGone as error:
        raise StoreGone(f"{store.name} cannot be read: {error}") from error
    return store


def _one_of(written: str, known: Iterable[str], option: str) -> None:
    if written and written not in known:
        fail(f"callflows: {option}: {written!r} is none: use {', '.join(known)}", 2)


def _number(written: str) -> str:
    from app.numbers import e164

    return e164(written) or written


def _moment(written: str, option: str) -> float | None:
    """A moment in seconds since 1970; without a zone it is UTC, as the moments that are shown."""
    import time
    from datetime import UTC, datetime

    if not written:
        return None
    ago = _AGO.fullmatch(written)
    if ago:
        return time.time() - int(ago[1]) * _UNITS[ago[2]]
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        fail(f"callflows: {option}: {written!r} is no moment: write 2026-11-23, 2026-11-23T10:00Z, or 2h, 7d ago", 2)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _table(rows: Iterable[dict[str, Any]]) -> None:
    listed = [{name: _cell(name, row[name]) for name in _COLUMNS} for row in rows]
    heads = {name: name.replace("_text", "") for name in _COLUMNS}
    widths = {name: max(len(row[name]) for row in [heads, *listed]) for name in _COLUMNS}
    for row in [heads, *listed] if listed else ():
        print("  ".join(f"{row[name]:<{widths[name]}}" for name in _COLUMNS).rstrip())
    if not listed:
        say("no calls")


def _cell(name: str, value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text[:19].replace("T", " ") if name == "started" else text


def _json(rows: Iterable[dict[str, Any]]) -> None:
    """One array, written as it is read: there may be a million."""
    import json

    begun = False
    for row in rows:
        sys.stdout.write(f"{',' if begun else '['}\n  {json.dumps(row, ensure_ascii=False)}")
        begun = True
    print("\n]" if begun else "[]")


def _lines(rows: Iterable[dict[str, Any]]) -> None:
    import json

    for row in rows:
        print(json.dumps(row, ensure_ascii=False))


def _csv(rows: Iterable[dict[str, Any]]) -> None:
    import csv

    from app.journal.story import ROW

    table = csv.DictWriter(sys.stdout, ROW, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: _harmless(value) for name, value in row.items()})


def _harmless(value: object) -> object:
    """A text that no spreadsheet takes for a formula: callers may call themselves anything."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "@", "-", "\t", "\r") else value


def _story_of(store: SqlStore | None, call: str) -> dict[str, Any]:
    from app.cli.executed import executed
    from app.journal.story import story_of, with_executed

    told = store.told(_whole(store, call)) if store is not None else None
    if told is None:
        fail(f"callflows: no call {call!r} is remembered: callflows log lists them", 1)
    return story_of(with_executed(told, executed(told)))


def _whole(store: SqlStore, call: str) -> str:
    """The id that is, or alone begins with, what was written."""
    found = store.ids(call, _CANDIDATES + 1) if call else []
    if call in found or not found:
        return call
    if len(found) > 1:
        more = ", …" if len(found) > _CANDIDATES else ""
        fail(f"callflows: {call!r} may be any of {', '.join(found[:_CANDIDATES])}{more}", 2)
    return found[0]


def _scenario(store: SqlStore | None, call: str) -> None:
    """A call as a scenario: rehearsed again with the flows as they are, so that it holds."""
    import asyncio

    from app.cli.ringing import rung
    from app.flows.supposed import Supposed
    from app.testing.recording import as_scenario
    from app.testing.replaying import replay_of

    rehearsal, unknown, hours = replay_of(_story_of(store, call))
    supposed = Supposed(hours=tuple((name, state == "open") for name, state in hours.items()))
    told, zone = asyncio.run(rung(rehearsal, settings_of(), supposed=supposed))
    say("rehearsed again with the flows as they are now")
    print(as_scenario(told, rehearsal, zone=zone, unknown=unknown, hours=hours), end="")


def _story(store: SqlStore | None, call: str, output: LogFormat, *, documents: bool) -> None:
    import json

    story = _story_of(store, call)
    if output is LogFormat.text:
        for line in _told(story, documents=documents):
            print(line)
    elif output is LogFormat.csv:
        fail("callflows: a story is no table: take --format json, jsonl or text", 2)
    elif output is LogFormat.jsonl:
        _lines(story["story"])
    else:
        print(json.dumps(story, ensure_ascii=False, indent=2))


def _told(story: dict[str, Any], *, documents: bool) -> Iterator[str]:
    """A story as people read it: a line for each thing that happened, and the documents below theirs if wanted."""
    call = story["call"]
    ended = f", {call['seconds']} s" if call["seconds"] is not None else ""
    cause = f", {call['cause_text']}" if call["cause_text"] else ""
    who = f"{call['from'] or 'anonymous'} to {call['number']}"
    yield f"{call['id']}: {who}, {call['state'] or 'state unknown'}{ended}{cause}"
    for leg in story["legs"]:
        yield f"  leg {leg['id']}: to {leg['to']}, {leg['state']}, {leg['cause_text'] or 'no cause'}"
    for entry in _once(story["story"]):
        yield f"{(entry['at'] or '')[11:23]:<12}  {entry['what']:<11}  {_says(entry)}"
        if entry["what"] == "answered" and documents:
            yield from (f"{'':<27}{line}" for line in _indented(entry["document"]))


def _once(story: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What happened, without what was told before in another way: a state twice, a recording and the report of it."""
    seen: set[tuple[Any, ...]] = set()
    whats = {entry["what"] for entry in story}
    elsewhere = [word for word, what in _ELSEWHERE.items() if what in whats]
    for entry in story:
        kind = entry.get("kind", "") if entry["what"] == "reported" else ""
        told: tuple[Any, ...] = (entry["at"], entry["what"], _says(entry))
        if kind == "call_state":
            told = (kind, entry["call"], entry["state"] or entry["message"])
        if told not in seen and not any(word in kind for word in elsewhere):
            seen.add(told)
            yield entry


def _says(entry: dict[str, Any]) -> str:
    """What happened, in a line."""
    says: dict[str, Callable[[], str]] = {
        "asked": lambda: f"{entry['method']} {entry['url']}{' pressed ' + entry['pressed'] if entry['pressed'] else ''}",
        "decided": lambda: _decided(entry),
        "answered": lambda: f"{entry['outcome']} {entry['flow']}/{entry['node']}, {entry['ms']} ms {_why(entry)}",
        "reported": lambda: f"{entry['kind']}: {entry['message'] or _step(entry) or entry['state']}{_of_turn(entry)}",
        "message": lambda: f"{entry['from']} to {entry['to']}, {entry['state']}: {entry['text']}",
        "recorded": lambda: entry["url"] or entry["id"],
        "transcribed": lambda: entry["text"] or entry["id"],
        "caused": lambda: f"{entry['kind']}, {entry['result']} {entry['reason']}",
    }
    return " ".join(says[entry["what"]]().split())


def _decided(entry: dict[str, Any]) -> str:
    values = ", ".join(f"{name} = {value!r}" for name, value in entry["values"].items())
    because = f" because {values}" if values else ""
    more = f" {entry['detail']}" if entry.get("detail") else ""
    return f"{entry['node']}[{entry['step']}] {entry['word']} {entry['rule']}: {entry['outcome']}{because}{more}"


def _why(entry: dict[str, Any]) -> str:
    return f"{entry['cause']}: {entry['detail']}" if entry["cause"] else ""


def _step(entry: dict[str, Any]) -> str:
    """A step that was executed, of which Opentact says no more in words."""
    step = entry.get("step", {})
    became = {True: "success", False: "failed"}.get(step.get("success"), "")
    reason = str(step.get("reason") or "")
    return " ".join(
        part for part in (str(step.get("name") or ""), became, reason if reason.lower() != became else "") if part
    )


def _of_turn(entry: dict[str, Any]) -> str:
    path = entry.get("step", {}).get("path", "")
    turn = f"in the document of turn {entry['turn']}" if "turn" in entry else ""
    return f" ({' '.join(part for part in (path, turn) if part)})" if path or turn else ""


def _indented(document: str) -> list[str]:
    from lxml import etree

    try:
        root = etree.fromstring(document.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return document.splitlines()
    etree.indent(root)
    return etree.tostring(root, encoding="unicode").splitlines()


def forget(
    number: Annotated[str, typer.Argument(help="A number, or the login name of a SIP user.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - an option
) -> None:
    """Erase a number: its calls and messages, and every mention of it in what else is remembered."""
    from app.journal.forgetting import forget as forgotten
    from app.journal.spool import Spool
    from app.numbers import caller_number, masked

    if not caller_number(number):
        fail(f"callflows: {number!r} is no number, and nobody's name", 2)
    store = _store()
    if store is None:
        return
    if not yes and not sys.stdin.isatty():
        fail("callflows: nothing was done: there is nobody to ask; --yes answers", 2)
    if not yes:
        typer.confirm(f"Erase all that is remembered of {number}? It cannot be brought back.", abort=True)
    with progress("looking") as on_progress:
        looked = (lambda count: on_progress(count, count)) if on_progress else (lambda _count: None)
        found = forgotten(store, Spool(settings_of().data), number, looked)
    rows = ", ".join(f"{count} in {table}" for table, count in sorted(found.items()))
    print(f"{masked(caller_number(number))} is forgotten: {rows or 'nothing was remembered of it'}")
