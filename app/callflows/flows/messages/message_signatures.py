"""Finds signatures under text messages: lines of mail programs, greetings, and names with companies and numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from callflows.flows.messages.message_words import MAX_MESSAGE_CHARACTERS, make_word_set, split_message_words

if TYPE_CHECKING:
    from collections.abc import Iterator


_MAX_SIGNED_CHARACTERS: Final = 400
"""Names are not looked for in longer texts."""
_MAX_NAME_WORDS: Final = 4
_MAX_SIGNATURE_LINES: Final = 8
_SENT_FROM: Final = (
    "sent (?:from|via|with|using|by) |get outlook for |envoy\u00e9 (?:de|depuis|avec) |enviado (?:desde|de|do|con) |"
    "inviato da|von mein\\w* \\S+ gesendet|gesendet (?:von|mit) |verzonden (?:vanaf|met|van) |verstuurd vanaf |"
    "skickat fr\u00e5n |sendt fra |wys\u0142ane z |on [^\n]{1,80} wrote:"
)
_MAIL_FOOTER: Final = re.compile(
    f"(?i:(?:^|[\n.!?,;\u2013\u2014-]) ?(?:{_SENT_FROM})|\\bsent from my )"  # a line of a mail program
    "|\n ?(?:>|_{3})"  # a quoted text
    "|(?i:\n(?:confidentiality notice|this (?:e-?mail|message) (?:and|is|may|was)\\b))"
)
"""Matches the beginning of what a mail program adds under a text."""
_GREETING_WORD: Final = (
    "(?i:(?:(?:with )?(?:best|kind|warm|many) )?(?:regards|wishes|thanks)|thanks|thank you|thx|sincerely(?: yours)?|cheers"
    "|yours(?: truly)?|mit freundlichen gr\u00fc\u00dfen|viele gr\u00fc\u00dfe|cordialement|saludos)"
)
_BEFORE_NAME: Final = re.compile(
    f"(?P<greeting>(?<=\\w)[ ,.!\n]+(?:best|{_GREETING_WORD})[ ,.!\n-]+)"
    "|(?P<line>\n+ ?(?:--|[-\u2013\u2014~]*) ?)"  # with a dash or without one
    "|(?P<dash>[ ,.!]+[-\u2013\u2014~]+(?=\\w+\\Z))"  # a dash at the last word
    "|[ ,.!]+[-\u2013\u2014~]+ ?(?=\\w)|[ ,.!]+[(](?=[^()]+[)]\\Z)"  # a dash in a line, and brackets
    "|[,.!] "
)
"""Matches what stands between a text and a name."""
_LINE_END: Final = re.compile("\n| ?[|\u2022\u00b7] ?")
_NAME: Final = re.compile("[A-Z\u00c0-\u00de][^\\W\\d_]*[.]?(?:['\u2019-][^\\W\\d_]+)*[.,]?")
_PARTICLES: Final = make_word_set("de da del della di du la le van von der den bin al")
_PHONE: Final = re.compile(
    "(?i:(?:tel|telephone|phone|ph|cell|mobile|office|direct|[cmotp])[.:]* ?)?[+(]?[\\d(][\\d ().+/-]{6,20}"
)
_ADDRESS: Final = re.compile(
    "\\S+@\\S+[.]\\w+|(?i:https?://|www[.])\\S+|[\\w-]+[.](?:com|net|org|io|us|co)"  # mail and web
    "|\\d{1,6} [A-Z][\\w. ]{2,40}(?:, ?[\\w. ]+){0,3}|[A-Z][\\w. ]+, ?[A-Z]{2}(?: \\d{5})?"  # street, and town with state
)
_NO_NAMES: Final = make_word_set(
    # Days and months
    "mon monday tue tues tuesday wed weds wednesday thu thur thurs thursday fri friday sat saturday sun sunday jan"
    " january feb february mar march apr april may june july aug august sept september oct october nov november dec"
    " december today tomorrow tonight yesterday morning afternoon evening noon night week weekend month year"
    # Words of sentences
    " a an and any are as at be because been before but by call can come could did do does dont for from get give go got"
    " had has have he help her here hi him his how i if im in info into is it its just let me message more my need new"
    " next no not now of off ok okay on one or our out over please pls quick re reply say see send she should so some"
    " soon start stop tell text that the their them then there they this time to too until up urgent us use wait want"
    " was we what when where which who why will with would yes you your all after again also about around back both"
    " every everything first last later only same still than these those through under very well while without good"
    " great hello cancel end quit revoke unsubscribe"
    # Things that people order, book, stop and cancel
    " account accounts action address alarm appointment appointments appt auto autopay barber bill billing bills booking"
    " bus car card charge charges check checkup class classes cleaning color contract corner course cut deal delivery"
    " deliveries dentist deposit dinner dog door estimate event exam facial fax flight food fraud gas grooming guest"
    " hair haircut hold hotel house hour inspection install installation insurance internet invoice items job jobs lease"
    " lesson light loan lunch mail massage meeting membership mowing newspaper oil onions order orders package parking"
    " party payment payments pedicure manicure nails pickup pizza plan police policy prescription price prices print"
    " program project quote refill refund renewal rental repair request reservation return ride road room roofing route"
    " sale sales school service services session shipment shipping sign smoking spa speeding station street subscription"
    " table taxi tee test thief ticket tour tow towing train transfer treatment trial trip tv visit wash water work"
    " avenue ave st rd blvd exit line main highway physical surgery therapy training consultation demo interview"
    " breakfast brunch supper gift cable phone number pay transaction construction production process processing"
    " everyone anything something nothing"
)
"""Words that make a line a text, although it begins with a capital letter: ``Cancel - Tuesday``, ``Stop - Delivery``."""
_NAMES_WITH_MEANING: Final = make_word_set("april august bill june may will")
"""Words among these that are first names if another name follows."""
_SENTENCE_WORDS: Final = make_word_set(
    "a an any are at be been but by call can could did do does dont for from get give has have he how i if im is it its"
    " let me my need please pls see send she tell text that this to until us want was we what when where who why will"
    " would you your today tomorrow tonight monday tuesday wednesday thursday friday saturday sunday order appointment"
)
"""Words that do not stand in the lines under a name, such as those of companies."""


class UnsignedText(NamedTuple):
    """A text without its signature. A signature is not certain if it may be the object of the text: ``Cancel - Ann``."""

    text: str
    has_certain_signature: bool


def list_unsigned_texts(text: str) -> Iterator[UnsignedText]:
    """Return the text itself, and the possible texts above its signature, as above ``Sent from my phone``."""
    yield UnsignedText(text, has_certain_signature=True)
    lines = (" ".join(line.split()) for line in text[:MAX_MESSAGE_CHARACTERS].strip().splitlines())
    text = re.sub("\n{3,}", "\n\n", "\n".join(lines))
    footer = _MAIL_FOOTER.search(text)
    if footer:
        text = text[: footer.start()].strip()
        yield UnsignedText(text, has_certain_signature=True)
    if len(text) > _MAX_SIGNED_CHARACTERS:
        return
    for between in _BEFORE_NAME.finditer(text):
        under = text[between.end() :].removesuffix(")")
        after_greeting = between["greeting"] is not None
        lines_under = [line for line in _LINE_END.split(under) if line]
        if _is_signature(lines_under, any_case=after_greeting or between["dash"] is not None):
            certain = after_greeting or (between["line"] is not None and len(under.split()) > 1)
            yield UnsignedText(text[: between.start()], has_certain_signature=certain)


def _is_signature(lines: list[str], *, any_case: bool) -> bool:
    """Return True if lines are a name, and what people write under their name."""
    if not 0 < len(lines) <= _MAX_SIGNATURE_LINES:
        return False
    first, *others = lines
    if not (_is_name(first, any_case=any_case) or _PHONE.fullmatch(first) or ("@" in first and _ADDRESS.fullmatch(first))):
        return False
    return all(_PHONE.fullmatch(line) or _ADDRESS.fullmatch(line) or _is_contact_line(line) for line in others)


def _is_name(line: str, *, any_case: bool) -> bool:
    """Return True for a name, as ``Ann Lee``, ``Dr. J. van Dyk`` and ``Ann Lee, Acme Inc.``."""
    words = line.split()
    most = _MAX_NAME_WORDS + (2 if "," in line else 0)
    plain = split_message_words(line)
    known = plain[1:] if len(plain) > 1 and plain[0] in _NAMES_WITH_MEANING else plain
    if not 0 < len(words) <= most or not _NO_NAMES.isdisjoint(known):
        return False
    if any_case:
        return all(word.strip(".,'\u2019-").isalpha() for word in words)
    return _NAME.fullmatch(words[0]) is not None and all(
        _NAME.fullmatch(word) or word in _PARTICLES or word == "&" for word in words
    )


def _is_contact_line(line: str) -> bool:
    """Return True for a title or a company under a name, as ``Owner, Acme Inc``."""
    words = line.split()
    return (
        0 < len(words) <= 2 * _MAX_NAME_WORDS
        and words[0][0].isupper()
        and all(word[0].isupper() or word in {"&", "and", "of", "-", "at"} for word in words)
        and _SENTENCE_WORDS.isdisjoint(split_message_words(line))
    )
