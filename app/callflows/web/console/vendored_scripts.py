"""The scripts of others that the console serves: from npm, unchanged. A test compares each file with its hash."""

from __future__ import annotations

from typing import Final, NamedTuple


class VendoredScript(NamedTuple):
    """A script in ``static``: its package and version at npm, its path there, its licence, and its SHA-256."""

    package: str
    version: str
    path: str
    licence: str
    sha256: str


VENDORED_SCRIPTS: Final = {
    "htmx.min.js": VendoredScript(
        "htmx.org",
        "2.0.11",
        "dist/htmx.min.js",
        "0BSD",
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    ),
    "sse.min.js": VendoredScript(
        "htmx-ext-sse",
        "2.2.4",
        "dist/sse.min.js",
        "0BSD",
        "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136",
    ),
}
