"""Rendering of the console's pages: Jinja templates, and the files that the pages load."""

from __future__ import annotations

import functools
import hashlib
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from callflows.flows.authoring.svg_drawing import PICTURE_RULES
from callflows.flows.source.time_zones import convert_to_local_time
from callflows.journal.ending_reasons import describe_hangup_cause
from callflows.telephony.phone_numbers import format_international
from callflows.text import format_date
from callflows.web.console.vendored_scripts import VENDORED_SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


_STATIC_FOLDER: Final = Path(__file__).parent / "static"
_STATIC_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_OWN_FILES: Final = ("console.css", "console.js", "icon.svg")
_YEAR_SECONDS: Final = 31_536_000
_CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS: Final = {
    "content-security-policy": _CONTENT_SECURITY_POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class ConsoleFiles:
    """The scripts, styles and pictures of the pages, held in memory and known by their hash."""

    def __init__(self) -> None:
        names = (*_OWN_FILES, *VENDORED_SCRIPTS)
        self._files = {name: (_STATIC_FOLDER / name).read_bytes() for name in names}
        # Nested, so that the rules of a picture touch nothing else on the page.
        self._files["picture.css"] = f".flow-picture {{{PICTURE_RULES}}}".encode()
        self._hashes = {name: hashlib.sha256(body).hexdigest()[:12] for name, body in self._files.items()}

    def build_url(self, name: str) -> str:
        """Return the URL of a file, which changes with the file, so that browsers may keep it."""
        return f"/console/static/{name}?v={self._hashes[name]}"

    def serve_file(self, name: str, version: str) -> Response:
        body = self._files.get(name)
        if body is None:
            return Response(status_code=404)
        is_current = version == self._hashes[name]
        headers = {"cache-control": f"public, max-age={_YEAR_SECONDS}, immutable" if is_current else "no-cache"}
        return Response(body, media_type=_STATIC_TYPES[Path(name).suffix], headers=headers)


@functools.cache
def load_console_files() -> ConsoleFiles:
    return ConsoleFiles()


@functools.cache  # one for all consoles of a process: compiling the templates takes most of a second
def _create_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("callflows.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["static_url"] = load_console_files().build_url
    environment.filters |= {
        "phone": format_caller,
        "duration": format_clock_duration,
        "local": format_clock,
        "date": format_date,
        "day": format_day,
        "hangup_cause": describe_hangup_cause,
        "group_by_day": group_by_day,
    }
    return environment


class PageRenderer:
    """Renders templates. Values of callers are escaped everywhere: only ``SvgPicture`` is markup."""

    def __init__(self) -> None:
        self._environment = _create_environment()

    def render_page(self, template: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
        text = self._environment.get_template(template).render(values)
        return HTMLResponse(text, status, headers={"cache-control": "no-store"})

    def render_part(self, template: str, values: Mapping[str, Any]) -> str:
        """Render a part of a page, for a browser that has the rest already."""
        return self._environment.get_template(template).render(values)


def format_caller(number: str) -> str:
    """Return a number or address of a person for display."""
    return format_international(number) if number else "withheld"


def format_clock_duration(seconds: float | None) -> str:
    """Return seconds as ``0:09`` or ``1:02:03``; empty if unknown."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"  # noqa: PLR2004 - minutes of an hour


def format_clock(moment: str | None, zone_name: str, pattern: str = "%H:%M:%S") -> str:
    """Return a moment of the log on the clock of a zone; empty if there is none."""
    return format_date(convert_to_local_time(moment, zone_name)[0], pattern) if moment else ""


def format_day(moment: str | None, zone_name: str) -> str:
    """Return the day of a moment as people say it: Today, Yesterday, or ``Fri 27 Nov``."""
    if not moment:
        return "At an unknown time"
    local = convert_to_local_time(moment, zone_name)[0]
    now = datetime.now(UTC).astimezone(local.tzinfo)
    days = (now.date() - local.date()).days
    if days in (0, 1):
        return ("Today", "Yesterday")[days]
    return format_date(local, "%a {day} %b" if local.year == now.year else "%a {day} %b %Y")


def group_by_day(
    rows: Sequence[Mapping[str, Any]], find_zone_name: Callable[[str], str]
) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return rows of calls in groups of neighbours of one day, each with the words for the day."""
    days = itertools.groupby(rows, key=lambda row: format_day(row["started"], find_zone_name(row["flow"])))
    return [(day, [*group]) for day, group in days]
