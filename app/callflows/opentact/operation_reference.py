"""The calls of the operation table as Markdown: ``python -m callflows.opentact.operation_reference docs/opentact.md``.

Replaces the part of the page between the two marks.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Final

from callflows.opentact.operation_fields import FIELD_KIND_MEANINGS
from callflows.opentact.rest_operations import PAGE_FIELDS, REST_OPERATIONS, SEARCH_FIELDS, RestOperation

BEGIN_MARK: Final = "<!-- the calls of the operation table: begin -->"
END_MARK: Final = "<!-- the calls of the operation table: end -->"
_SHARED_NAMES: Final = frozenset(field.name for field in (*SEARCH_FIELDS, *PAGE_FIELDS))


def render_operation_reference() -> str:
    """Return one table of calls for each group, and the kinds of fields."""
    lines = [f"{len(REST_OPERATIONS)} calls. A `*` marks a required field; `search` stands for the fields of every search:"]
    lines += [
        "`mode`, `order`, `created_on_from`, `created_on_to`, `modified_on_from`, `modified_on_to`, `take`, `skip`.",
        "",
    ]
    for group, operations in itertools.groupby(REST_OPERATIONS, lambda operation: operation.group):
        lines += [f"### {group}", "", "| command | call | fields | evidence |", "|---|---|---|---|"]
        lines += [_render_row(operation) for operation in operations]
        lines.append("")
    lines += ["### Kinds of fields", "", "| kind | what it is |", "|---|---|"]
    lines += [f"| {kind} | {meaning} |" for kind, meaning in FIELD_KIND_MEANINGS.items()]
    return "\n".join(lines)


def _render_row(operation: RestOperation) -> str:
    request = f"`{operation.method} {operation.path}`" if operation.path else "lost"
    if operation.alternatives:
        request += " or " + ", ".join(f"`{path}`" for path in operation.alternatives)
    named = [
        f"`{field.name}`{'*' if field.is_required else ''} {field.shown_kind}".replace("|", "\\|")
        for field in operation.fields
        if not (operation.answer == "page" and field.name in _SHARED_NAMES)
    ]
    if operation.answer == "page":
        named.append("search")
    meaning = f"{operation.meaning}; {operation.note}" if operation.note else operation.meaning
    return f"| `{operation.name}`: {meaning} | {request} | {', '.join(named)} | {operation.evidence} |"


def replace_reference(page: str) -> str:
    """Return a page with the current tables between its marks. Raises ValueError without the marks."""
    return replace_marked_part(page, BEGIN_MARK, END_MARK, render_operation_reference())


def replace_marked_part(page: str, begin_mark: str, end_mark: str, content: str) -> str:
    """Return a page with a new part between two marks. Raises ValueError without the marks."""
    before, begin, rest = page.partition(begin_mark)
    _, end, after = rest.partition(end_mark)
    if not begin or not end:
        raise ValueError(f"the page needs the marks {begin_mark} and {end_mark}")
    return f"{before}{begin_mark}\n\n{content}\n\n{end_mark}{after}"


if __name__ == "__main__":
    reference_page = Path(sys.argv[1])
    reference_page.write_text(replace_reference(reference_page.read_text(encoding="utf-8")), encoding="utf-8")
