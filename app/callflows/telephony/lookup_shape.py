"""Judges the answer of a lookup: an error page, nothing, or another shape than the default is no answer.

Servers often say 200 with a page for people, or with an error as data. A flow would take either for a customer.
"""

from __future__ import annotations

import re
from typing import Final

from callflows.telephony.truth_words import TRUE_WORDS, says_no

_MARKUP_BEGIN: Final = re.compile(r"[\s\ufeff]*<[a-z!?/]", re.IGNORECASE)
"""The begin of a page, a part of a page, an error of PHP (<br />), or XML: none is a text for a caller."""
_XML_BEGIN: Final = re.compile(r"[\s\ufeff]*<\?xml\b", re.IGNORECASE)
_HTML_TAG: Final = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\s*[+-]?\d+(?:\.\d+)?\s*")


def find_answer_problem(value: object, default: object) -> str:
    """Return the reason why a value is no answer to a lookup; "" if it is one.

    ``default`` is the author's value for a lookup that fails; None accepts every shape. An object must have at least one
    key of the default, and what stands under such keys must be of the same kind; null is always accepted there.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return "the answer is empty"
    if isinstance(value, str) and _MARKUP_BEGIN.match(value):
        is_xml = _XML_BEGIN.match(value) and not _HTML_TAG.search(value)
        return "the answer is XML instead of data" if is_xml else "the answer is a web page (HTML) instead of data"
    return "" if default is None else _find_difference(value, default, "the answer")


def _find_difference(value: object, default: object, name: str) -> str:
    if default is None:
        return ""
    expected_kind = _name_kind(default)
    if not _is_alike(value, default):
        return f"{name} is {_name_kind(value)}, and {expected_kind} as in default is expected"
    if isinstance(default, dict) and isinstance(value, dict) and default:
        shared = [key for key in default if key in value]
        if not shared:
            return f"{name} has no key of default: {', '.join(map(str, default))}"
        found = (_find_difference(value[key], default[key], f"{key} in {name}") for key in shared if value[key] is not None)
        return next(filter(None, found), "")
    if isinstance(default, list) and isinstance(value, list) and default:
        found = (_find_difference(each, default[0], f"an entry of {name}") for each in value if each is not None)
        return next(filter(None, found), "")
    return ""


def _is_alike(value: object, default: object) -> bool:
    """Return True if a value may stand for a default: servers write numbers and booleans as texts, too."""
    if isinstance(default, (dict, list)) or isinstance(value, (dict, list)):
        return isinstance(value, type(default))
    if isinstance(default, bool):
        return isinstance(value, (bool, int)) or says_no(str(value)) or str(value).strip().lower() in TRUE_WORDS
    if isinstance(default, (int, float)):
        return not isinstance(value, bool) and _NUMBER.fullmatch(str(value)) is not None
    return True


def _name_kind(value: object) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    return "a number" if isinstance(value, (int, float)) else "a text"
