"""The entries of a call's story in words, for the terminal and the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from lxml import etree

from callflows.journal.ending_reasons import describe_condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


_REPORT_DUPLICATES: Final = {"record": "recorded", "transcript": "transcribed", "sms": "message"}
"""Words in the kinds of reports, with the story entry for the same fact."""
_CONDITION_RESULTS: Final = {"True": "yes", "False": "no"}


def skip_repeated_entries(story: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Skip entries already told in another form, such as a repeated state, or the report of a recording."""
    printed_entries: set[tuple[Any, ...]] = set()
    whats = {entry["what"] for entry in story}
    elsewhere = [word for word, what in _REPORT_DUPLICATES.items() if what in whats]
    for entry in story:
        kind = entry.get("kind", "") if entry["what"] == "reported" else ""
        identity: tuple[Any, ...] = (entry["at"], entry["what"], describe_story_entry(entry))
        if entry["what"] == "caused":
            identity = ("caused", entry["key"])  # two equal texts of one answer are two
        if kind == "call_state":
            identity = (kind, entry["call"], entry["state"] or entry["message"])
        if identity not in printed_entries and not any(word in kind for word in elsewhere):
            printed_entries.add(identity)
            yield entry


def describe_story_entry(entry: Mapping[str, Any]) -> str:
    """Return an entry of a story in one line."""
    says: dict[str, Callable[[], str]] = {
        "asked": lambda: f"{entry['method']} {entry['url']}{' pressed ' + entry['pressed'] if entry['pressed'] else ''}",
        "decided": lambda: _describe_decision(entry),
        "answered": lambda: (
            f"{entry['outcome']} {entry['flow']}/{entry['node']}, {entry['ms']} ms {_describe_fallback_cause(entry)}"
        ),
        "reported": lambda: (
            f"{entry['kind']}: {entry['message'] or _describe_execution(entry) or entry['state']}"
            f"{_describe_document_place(entry)}"
        ),
        "message": lambda: f"{entry['from']} to {entry['to']}, {entry['state']}: {entry['text']}",
        "recorded": lambda: entry["url"] or entry["id"],
        "transcribed": lambda: entry["text"] or entry["id"],
        "given-up": lambda: f"{entry['kind']}: {entry['reason']}",
        "caused": lambda: f"{_describe_effect(entry)}, {entry['result']}{': ' if entry['reason'] else ''}{entry['reason']}",
    }
    return " ".join(says[entry["what"]]().split())


def _describe_effect(entry: Mapping[str, Any]) -> str:
    """Describe an effect with who gets it: a number, an address, or a server; its URL may hold a secret."""
    payload = entry["payload"]
    to = payload.get("to") or urlsplit(str(payload.get("url", ""))).hostname or ""
    to = ", ".join(map(str, to)) if isinstance(to, list) else str(to)
    text = f": {payload['text']}" if entry["kind"] == "sms" and payload.get("text") else ""
    return f"{entry['kind']}{' to ' if to else ''}{to}{text}"


def _describe_decision(entry: Mapping[str, Any]) -> str:
    because = f" because {describe_condition(entry)}" if entry["values"] else ""
    more = f" {entry['detail']}" if entry.get("detail") else ""
    place = f"{entry['node']}, step {entry['step'] + 1}"
    outcome = _CONDITION_RESULTS.get(str(entry["outcome"]), entry["outcome"])
    return f"{place}: {entry['step_key']} {entry['rule']}: {outcome}{because}{more}"


def _describe_fallback_cause(entry: Mapping[str, Any]) -> str:
    return f"{entry['cause']}: {entry['detail']}" if entry["cause"] else ""


def _describe_execution(entry: Mapping[str, Any]) -> str:
    """Describe an executed step without a message of Opentact."""
    step = entry.get("step", {})
    became = {True: "success", False: "failed"}.get(step.get("success"), "")
    reason = str(step.get("reason") or "")
    return " ".join(
        part for part in (str(step.get("name") or ""), became, reason if reason.lower() != became else "") if part
    )


def _describe_document_place(entry: Mapping[str, Any]) -> str:
    """Name the node of an executed step, and the turn whose document has it; without a turn, its place in a document."""
    if "turn" in entry:
        return f" (node {entry['node']}, turn {entry['turn']})"
    path = entry.get("step", {}).get("path", "")
    return f" ({path})" if path else ""


def indent_document(document: str) -> list[str]:
    """Return the lines of a document, indented; of one that cannot be read, as it is."""
    try:
        root = etree.fromstring(document.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return document.splitlines()
    etree.indent(root)
    return etree.tostring(root, encoding="unicode").splitlines()
