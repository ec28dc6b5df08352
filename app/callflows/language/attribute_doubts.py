"""Finds valid elements and attributes that are probably a mistake, by the table of verbs.

One verdict for flow files, documents and templates: each form reports these doubts with its own places.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from callflows.language.element import walk_elements
from callflows.language.language_tags import find_language_fault
from callflows.language.plausible_durations import PLAUSIBLE_ATTRIBUTE_DURATIONS, describe_doubtful_milliseconds
from callflows.language.value_kinds import LANGUAGE_KIND, MILLISECONDS_KIND, URL_KIND
from callflows.language.verb_table import Evidence
from callflows.language.verbs import DTMF, Gather, Play, Say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from callflows.language.element import Element


SOUND_FILE_SUFFIXES: Final = (".mp3", ".wav")
"""File name endings of the sounds that Opentact plays."""


class AttributeDoubt(NamedTuple):
    """A doubt; a ``note`` is about Opentact's documentation and not about the author."""

    severity: Literal["warning", "note"]
    rule: str
    message: str
    fix: str = ""


def find_document_doubts(root: Element) -> Iterator[tuple[str, AttributeDoubt]]:
    """Yield the path of each doubtful element, and the doubt."""
    for path, element in walk_elements(root):
        for doubt in find_element_doubts(type(element)):
            yield path, doubt
        for name, value in element.attributes.items():
            for doubt in find_attribute_doubts(type(element), name, value):
                yield path, doubt
        if isinstance(element, Say):
            text = str(element.attributes.get("text") or "")
            for doubt in (*find_text_doubts(text), *find_escape_doubts(text), *find_placeholder_doubts(text)):
                yield path, doubt
        if isinstance(element, Gather):
            branches = [str(child.attributes["value"]) for child in element.children if isinstance(child, DTMF)]
            attributes = element.attributes
            for _, doubt in find_branch_doubts(branches, attributes.get("dtmf_length"), attributes.get("dtmf_stop")):
                yield path, doubt


_SSML_TAG: Final = re.compile(
    r"</?(?:speak|break|emphasis|prosody|say-as|phoneme|sub|audio|voice|lang|mark|[ps]|amazon:[a-z-]+|"
    r"b|i|u|em|strong|br|div|span|font|h[1-6]|ul|ol|li|a|img|small|center)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_ENTITY: Final = re.compile("&(?:amp|lt|gt|quot|apos|nbsp|[aeiouAEIOU](?:acute|grave|uml|circ)|#[0-9]{1,6});")
_ESCAPE: Final = re.compile(r"\\[nrt](?![a-z]*\\)|\\u[0-9a-fA-F]{4}")
"""A sign of texts in programs, as \\n, which YAML reads in double quotes only."""
_NOTHING_WORDS: Final = frozenset({"null", "none", "undefined", "nil", "todo", "tbd", "fixme", "n/a"})
_SPOKEN_SIGN: Final = re.compile(r"[\w&<]|\{\{|\{%")
"""A letter or digit, or a value; other signs are not spoken."""
_WHOLE_URL: Final = re.compile(r"\s*https?://(?>\{\{[^{}]*\}\}|\S)++\s*", re.IGNORECASE)
_SOUND_NAME: Final = re.compile(r"\s*[^\s{}]+\.(?:wav|mp3)\s*", re.IGNORECASE)


def find_text_doubts(text: str) -> Iterator[AttributeDoubt]:
    """Yield the doubts about a text that is to be spoken: tags, a word for yes or no, a URL, the name of a sound."""
    tag = _SSML_TAG.search(text)
    if tag:
        message = f"{tag[0]} is spoken as it stands: Opentact knows no SSML and no HTML"
        yield AttributeDoubt("warning", "ssml", message, "take it out; a pause is a step of its own: pause: 1s")
    entity = _ENTITY.search(text)
    if entity:
        message = f"{entity[0]} is spoken as it stands: Opentact knows no SSML and no HTML"
        yield AttributeDoubt("warning", "ssml", message, "write the sign itself, as & for &amp;")
    if text in {"true", "false"}:
        yield AttributeDoubt("warning", "truth-as-text", f"callers hear the word {text}", "write the words that they hear")
    if text.strip().lower() in _NOTHING_WORDS:
        message = f"callers hear the word {text.strip()}"
        yield AttributeDoubt("warning", "empty-text", message, "write what is to be said, or take it out")
    elif text.strip() and not _SPOKEN_SIGN.search(text):
        message = f"{text.strip():.20} has no words: callers hear nothing"
        yield AttributeDoubt("warning", "empty-text", message, "write words, or a pause as a step of its own: pause: 1s")
    if _WHOLE_URL.fullmatch(text):
        message = "the text is a URL, which is read out letter by letter"
        yield AttributeDoubt("warning", "url-as-text", message, "a sound is played: play: https://…, also in a prompt")
    elif _SOUND_NAME.fullmatch(text):
        message = "the text is the name of a sound, which is read out letter by letter"
        yield AttributeDoubt("warning", "url-as-text", message, f"write play: {text.strip()}, also in a prompt")


def find_escape_doubts(text: str) -> Iterator[AttributeDoubt]:
    """Yield a doubt about a sign that YAML reads in double quotes only: a backslash and n for the end of a line."""
    escape = _ESCAPE.search(text)
    if escape:
        message = f"{escape[0]} is a text here, and reaches people as it is written"
        fix = "put the text into double quotes, in which it is the end of a line, or write a blank for it"
        yield AttributeDoubt("warning", "escape-in-text", message, fix)


def find_placeholder_doubts(
    text: str, correct_name: Callable[[str], str] | None = None, *, url: bool = False
) -> Iterator[AttributeDoubt]:
    """Yield a doubt about a name that stands in a text as other template languages write values: ``{caller.name}``.

    ``correct_name`` returns the name of the value that is meant, or an empty text if no such value is known.
    """
    patterns = _PLACEHOLDERS_IN_URLS if url else _PLACEHOLDERS
    found = next(filter(None, (pattern.search(text) for pattern in patterns)), None)
    if found is not None:
        name = (correct_name or suggest_value_name)(next(filter(None, found.groups()), ""))
        message = f"{found[0].strip()!r} is a text here, and reaches people as it is written"
        fix = f"a value stands in two braces: {{{{ {name} }}}}" if name else _VALUES_FIX
        yield AttributeDoubt("warning", "single-braces", message, fix)


_VALUES_FIX: Final = (
    "a value stands in two braces, as {{ caller.name }} or {{ caller.number }}; another word is written out"
)


def suggest_value_name(name: str) -> str:
    """Return the name of the value that a placeholder of other systems means.

    Returns the name itself if there is none, and an empty text for several words, which are no name.
    """
    folded = re.sub(r"[\s_'-]+", "", name).casefold()
    own = next((own for own, words in _VALUE_WORDS.items() if folded in words.split()), "")
    return own or ("" if re.search(r"\w[\s'-]+\w", name) else name)


_VALUE_WORDS: Final = {
    "caller.name": "name caller callername calleridname fullname firstname lastname customername yourname username",
    "caller.number": "callerid callernumber calleridnum calleridnumber phone phonenumber from ani number clid",
    "call.to": "exten call did to calledid callednumber dialednumber dnis",
    "now.time": "time now currenttime",
    "now.date": "date today currentdate",
}
"""Values of every call, by other words for them in small letters without a blank."""


_SINGLE_BRACES: Final = re.compile(
    r"[$#%]?\{\s*([a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*(?:\s*\|[^{}]*+)?)\s*\}", re.IGNORECASE
)
"""One pair of braces around a name, as other template languages write values."""
_OTHER_PLACEHOLDER: Final = re.compile(
    r"(?:[$%]\(?|(?<!\w)[<\[]|(?<![\w.@/{(-])(?=(?:caller\.(?:name|number)|now\.time|hours\.\w+\.\w+|call\.(?:id|to))\b))"
    r"((?:caller|call|now|hours|variables|lists|message)\.[a-z_]+(?:\.[a-z_]+)*)(?:[>\]]|\)s?)?"
)
"""A name with a sign before it, as $caller.name, %(caller.name)s, [caller.name] and <caller.name>, or without any."""
_SIGN_BEFORE_NAME: Final = re.compile(
    r"(?<![\w$])\$(?!(?:US|USD|CAD|AUD|NZD|HKD|SGD)\b)([A-Za-z_]\w*)|(?<![\w%])%([A-Za-z_]\w*)%|"
    r"[$%]\(\s*([A-Za-z_]\w*)\s*\)s?|<%=?\s*([A-Za-z_][\w.]*)\s*%>|(?<![\w%])(?<![0-9]\s)%s\b|\{[0-9]\}"
)
"""A name as programs write it: $caller, %name%, $(name), <%= name %>; or the place for a value: %s, {0}."""
_WORD_IN_BRACKETS: Final = re.compile(
    r"(?<!\w)[<\[]((?:(?:your|the|insert|caller'?s?|customer'?s?|first|last|full|phone|company|business|account)[\s_-]*)*"
    r"(?:name|number|caller|company|business|customer|account|phone|date|time|extension|department|city))[>\]]",
    re.IGNORECASE,
)
"""A word that stands for a value in a text to fill in: [name], <your company name>."""
_PLACEHOLDERS_IN_URLS: Final = (_SINGLE_BRACES, _OTHER_PLACEHOLDER)
_PLACEHOLDERS: Final = (*_PLACEHOLDERS_IN_URLS, _SIGN_BEFORE_NAME, _WORD_IN_BRACKETS)


def find_element_doubts(cls: type[Element]) -> Iterator[AttributeDoubt]:
    if cls.spec.evidence is Evidence.NAMED:
        yield AttributeDoubt("note", "undocumented", f"of <{cls.spec.name}> only the name is known")


def find_attribute_doubts(cls: type[Element], name: str, value: object) -> Iterator[AttributeDoubt]:
    """Yield the doubts about an attribute and its value; ``value`` None is a value that is not known yet."""
    attribute = cls.spec.attributes.get(name)
    if attribute is None:
        return
    if attribute.kind is MILLISECONDS_KIND and attribute.evidence is not Evidence.DOCUMENTED:
        note = f"the {name} of <{cls.spec.name}> is not documented, its unit is presumed"
        yield AttributeDoubt("note", "undocumented", note)
    plausible = PLAUSIBLE_ATTRIBUTE_DURATIONS.get((cls.spec.name, name))
    if plausible is not None and plausible.zero_effect and value == 0 and not isinstance(value, bool):
        message = f"{name}: 0 is no time: {plausible.zero_effect}"
        yield AttributeDoubt("warning", "duration-doubtful", message, plausible.describe_usual())
    if plausible is not None and isinstance(value, int) and not plausible.contains(value):
        message, fix = describe_doubtful_milliseconds(name, value, plausible)
        yield AttributeDoubt("warning", "duration-doubtful", message, fix)
    if cls is Play and name == "url":
        yield from find_sound_doubts(value)
    if attribute.kind is LANGUAGE_KIND:
        yield from find_language_doubts(value)


def find_language_doubts(tag: object) -> Iterator[AttributeDoubt]:
    """Yield a doubt if a tag such as en-UK has a language or a region that does not exist."""
    problem, fix = find_language_fault(tag) if isinstance(tag, str) and LANGUAGE_KIND.accepts(tag) else ("", "")
    if problem:
        yield AttributeDoubt("warning", "language-code", f"lang: {tag!r}: {problem}", fix)


def find_sound_doubts(url: object) -> Iterator[AttributeDoubt]:
    """Yield a doubt if the file name in a URL has no ending of a sound that Opentact plays."""
    file = urlsplit(url).path.lower() if isinstance(url, str) and "{" not in url and URL_KIND.accepts(url) else ""
    if file and not file.endswith(SOUND_FILE_SUFFIXES):
        message = f"url: {file.rpartition('/')[2] or url!r} is neither an mp3 nor a wav file by its name"
        yield AttributeDoubt("warning", "audio-url", message, "Opentact plays mp3 and wav files: name one")


def find_branch_doubts(branches: Iterable[str], length: object, stop: object) -> Iterator[tuple[str, AttributeDoubt]]:
    """Yield the keys of each branch of a Gather that no caller reaches: too many keys, or the key that ends the input."""
    for keys in branches:
        if isinstance(length, int) and len(keys) > length:
            message = f"{keys} has {len(keys)} keys, and the input ends after {length}: callers never get here"
            yield keys, AttributeDoubt("warning", "dtmf-branch", message, f"dtmf_length: {len(keys)}")
        elif isinstance(stop, str) and stop and stop in keys:
            message = f"{keys} has the key {stop}, which ends the input: callers never get here"
            yield keys, AttributeDoubt("warning", "dtmf-branch", message, "another key, or another dtmf_stop")
