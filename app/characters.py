"""Characters that XML 1.0 cannot hold: refused in what an author wrote, dropped from what a caller brought."""

from __future__ import annotations

import re
from typing import Final

XML_FORBIDDEN_CHARACTERS: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold in any form."""


def clean_text(text: str) -> str:
    """``text`` without the characters that XML forbids."""
    return text if text.isprintable() else XML_FORBIDDEN_CHARACTERS.sub("", text)
