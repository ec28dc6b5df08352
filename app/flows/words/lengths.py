"""How long a text message may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.outside import MAX_SMS_CHARACTERS

if TYPE_CHECKING:
    from app.flows.places import SourcePath
    from app.flows.writing import NodeCompiler


def truncate_sms_text(text: str) -> str:
    """A text that is not longer than a message may be: of a longer one the beginning."""
    return text if len(text) <= MAX_SMS_CHARACTERS else f"{text[: MAX_SMS_CHARACTERS - 1]}…"


def check_sms_length(text: str, compiler: NodeCompiler, path: SourcePath, key: str) -> None:
    """Refuse an author's text that nobody can be sent."""
    if not text.strip():
        compiler.error(
            path, "message-text", f"{key}: the text is empty, and nothing would be sent", "write what is to be sent"
        )
    elif len(text) > MAX_SMS_CHARACTERS:
        said = f"{key}: the text has {len(text)} characters, and a message at most {MAX_SMS_CHARACTERS}"
        compiler.error(path, "message-text", said, "make it shorter")
