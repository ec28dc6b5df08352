"""How long a text message may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.outside import LONGEST_TEXT

if TYPE_CHECKING:
    from app.flows.places import Path
    from app.flows.writing import Run


def fitting(text: str) -> str:
    """A text that is not longer than a message may be: of a longer one the beginning."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def look_at_length(text: str, run: Run, path: Path, key: str) -> None:
    """Refuse an author's text that nobody can be sent."""
    if not text.strip():
        run.error(path, "message-text", f"{key}: the text is empty, and nothing would be sent", "write what is to be sent")
    elif len(text) > LONGEST_TEXT:
        said = f"{key}: the text has {len(text)} characters, and a message at most {LONGEST_TEXT}"
        run.error(path, "message-text", said, "make it shorter")
