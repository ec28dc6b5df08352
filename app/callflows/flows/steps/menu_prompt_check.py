"""Compares the prompts of menus and questions with the keys that callers may press, in four languages."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from callflows.flows.compiler.step_context import StepContext
    from callflows.flows.source.positions import SourcePath
    from callflows.flows.source.prompt_shape import SpokenPart


class _KeyWords(NamedTuple):
    """Words of a language for pressing keys, as parts of regular expressions."""

    press: str
    """Words that mean a key only."""
    choose: str
    """Words that mean a key if one digit follows and nothing is counted; *dial 911 in an emergency* is no key."""
    article: str
    purpose: str
    """Words that may follow a key; after other words, *one* may be no key, as in *press one of them*."""
    conjunction: str
    digits: tuple[str, ...]
    signs: Mapping[str, str]
    counted: str
    """Words after a number that is no key, as in ``press 5 digits``."""
    negation: str


_KEY_WORDS: Final = {
    "en": _KeyWords(
        press="press|pressing|push|hit",
        choose="dial|select|choose",
        article=r"(?:the\s+|number\s+|digit\s+|key\s+|#(?=[0-9]))*",
        purpose="for|to|if|when|now|again|at any time|on your|key",
        conjunction="or|and",
        digits=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
        signs={"star": "*", "asterisk": "*", "hash": "#", "pound": "#"},
        counted="keys|digits|numbers|times|seconds|minutes",
        negation=r"not|n't|never|without",
    ),
    "es": _KeyWords(
        press="oprima|oprime|presione|presiona|pulse|pulsa",
        choose="marque|marca|elija|seleccione",
        article=r"(?:el\s+|la\s+|tecla\s+|n[uú]mero\s+)*",
        purpose="para|por|si|cuando|ahora|en",
        conjunction="o|u|y|e",
        digits=("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
        signs={"asterisco": "*", "estrella": "*", "numeral": "#", "almohadilla": "#"},
        counted="teclas|d[ií]gitos|n[uú]meros|veces|segundos|minutos",
        negation="no|nunca|sin",
    ),
    "fr": _KeyWords(
        press="appuyez sur|appuyer sur|pressez",
        choose="tapez|composez|faites|choisissez",
        article=r"(?:le\s+|la\s+|touche\s+|chiffre\s+)*",
        purpose="pour|si|quand|maintenant",
        conjunction="ou|et",
        digits=("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"),
        signs={"étoile": "*", "astérisque": "*", "dièse": "#", "carré": "#"},
        counted="touches|chiffres|fois|secondes|minutes",
        negation="ne|n'|sans",
    ),
    "de": _KeyWords(
        press="drücken sie|drücke|drück",
        choose="wählen sie|wähle|tippen sie",
        article=r"(?:bitte\s+|die\s+|den\s+|auf\s+|taste\s+|ziffer\s+)*",
        purpose="für|um|wenn|jetzt",
        conjunction="oder|und",
        digits=("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
        signs={"stern": "*", "sterntaste": "*", "raute": "#", "rautetaste": "#"},
        counted="tasten|ziffern|mal|sekunden|minuten",
        negation="nicht|nie|ohne",
    ),
}


class _KeyPatterns(NamedTuple):
    """The patterns of a language that find keys in its texts."""

    mention: re.Pattern[str]
    other_key: re.Pattern[str]
    """A further key after a mention: ``or 2``, ``, 3 for support``."""
    negation: re.Pattern[str]
    keys_by_word: Mapping[str, str]


@cache
def _compile_patterns(language: str) -> _KeyPatterns:
    """Compile the words of a language. Examples are English; ``[1]`` is the key that a pattern finds.

    A mention is ``press [1]``, ``press the number [five]``, ``press [*] now``, and, because it means more than keys,
    ``dial [0] for the desk`` only with one digit and a word of purpose or an end behind it. No mention are ``press one of
    the keys``, ``press 5 digits``, ``press 10:30`` and ``dial 911 in an emergency``.

    Another key follows a mention, so that in ``For sales press 1, 2 for support, or [3].`` each is found: either the
    list goes on (``or [3].``), or after some words of the same sentence a key has a purpose (``, [2] for support``).
    """
    words = _KEY_WORDS[language]
    keys_by_word = {**dict(zip(words.digits, "0123456789", strict=True)), **words.signs}
    digits, signs = "|".join(words.digits), "|".join([*sorted(words.signs, key=len, reverse=True), "[*#]"])
    # The part of the sentence ends, or tells what the key is for: "press one." and "press one for sales".
    ends_part = rf"(?=\s*(?:[.,;!?]|$|(?:{words.purpose}|{words.conjunction}(?!\s+more))\b))"
    # A number goes on ("10:30", "5.5", "5 %"), or counts something ("5 digits"): it is no key.
    end = rf"(?![\w:/%$€-]|[.,]\d|\s*(?:{words.counted})\b)"
    # A digit word is a key at the end of a part only: "press one of them" names none.
    any_key, one_key = (rf"(?:{number}{end}|(?:{signs}){end}|(?:{digits}){ends_part})" for number in ("[0-9]+", "[0-9]"))
    # ", ", "or", ", or", "and press": what stands between two keys.
    join = rf"\s*(?:,\s*(?:{words.conjunction})?|\b(?:{words.conjunction})\b)\s*(?:(?:{words.press}|{words.choose})\s+)?"
    return _KeyPatterns(
        re.compile(
            rf"\b(?:(?:{words.press})\s+{words.article}(?P<key>{any_key})"
            rf"|(?:{words.choose})\s+{words.article}(?P<choice>{one_key}){ends_part})",
            re.IGNORECASE,
        ),
        re.compile(
            rf"(?:{join}{words.article}(?P<other>{one_key})(?=\s*(?:[.,;!?]|$)|\s+(?:{words.conjunction})\s)"
            rf"|[^.!?;0-9]*?{join}{words.article}(?P<key>{one_key})(?=\s+(?:{words.purpose})\b))",
            re.IGNORECASE,
        ),
        # Stands at the end of the text before a mention: "you need not [press 1]", "do not ever [press 1]".
        re.compile(rf"(?:^|[\s,])\S*(?:{words.negation})\s+(?:\w+\s+)?$", re.IGNORECASE),
        keys_by_word,
    )


_SENTENCE_END: Final = re.compile("[.!?]")
_STOP_NOT_NEEDED: Final = re.compile(
    rf"(?:\b(?:{'|'.join(words.negation for words in _KEY_WORDS.values())}|no)\b|n['\u2019]t)", re.IGNORECASE
)


@cache
def _compile_stop_words(stop: str) -> re.Pattern[str] | None:
    """Compile the words of all languages for a key that ends an input, and its sign: a text may mix languages."""
    names = [word for words in _KEY_WORDS.values() for word, sign in words.signs.items() if sign == stop]
    if not names:
        return None
    # A sign alone may be part of a name: "your account #", "room #5".
    before = "|".join([_WORDS_BEFORE_STOP, *(f"{words.press}|{words.choose}" for words in _KEY_WORDS.values())])
    articles = "|".join(words.article for words in _KEY_WORDS.values())
    sign = rf"(?<=[\s\"'(]){re.escape(stop)}(?!\w)"
    return re.compile(rf"\b(?:{'|'.join(names)})\b|\b(?:{before})\s+(?:{articles}){sign}", re.IGNORECASE)


_WORDS_BEFORE_STOP: Final = "by|with|then|and|key|de|con|y|tecla|avec|et|touche|von|mit|und|taste"


def check_menu_prompts(
    context: StepContext,
    parts_by_key: Mapping[str, Sequence[SpokenPart]],
    lang: str,
    keys: Collection[str],
    stop: str,
    *,
    takes_any_key: bool,
) -> None:
    """Warn about texts that tell the caller to press a key missing in the menu.

    ``keys`` are the choices of the menu; ``stop`` ends the input; if the menu ``takes_any_key``, no single key is
    missing. ``lang`` is the language of texts that name none.
    """
    # A key that YAML took for a comment is reported already, at its line.
    known = {*keys, stop, *(["#"] if context.report.list_faulty_names("#") else [])}
    for name, parts in parts_by_key.items():
        for part in parts:
            for key in _list_mentioned_keys(part, lang):
                if key not in known and not (takes_any_key and len(key) == 1):
                    message = f"{name}: it tells the caller to press {key}, which the menu does not have"
                    word = {"*": "star", "#": "hash"}.get(key, key)
                    fix = f"correct the text, or add the key, as {word}: NODE; the menu has {', '.join(keys) or 'none'}"
                    context.report.warning(part.path, "prompt-key", message, fix)


def warn_about_divided_choices(
    context: StepContext, parts_by_attempt: Sequence[Sequence[SpokenPart]], lang: str, path: SourcePath
) -> None:
    """Warn about the choices of a menu that are divided among its attempts: each attempt says one item of a list only."""
    keys = [[key for part in parts for key in _list_mentioned_keys(part, lang)] for parts in parts_by_attempt]
    named = [key for group in keys for key in dict.fromkeys(group)]
    if sum(map(bool, keys)) > 1 and len({*named}) == len(named):
        first = next(index for index, group in enumerate(keys, 1) if group)
        message = f"prompt: at attempt {first} callers hear of {', '.join(keys[first - 1])} only"
        fix = "a list has one prompt for each attempt: write one text with all keys, or a say for each: [say: …, say: …]"
        context.report.warning(path, "text-cut", f"{message}: the other keys stand in other attempts", fix)


def warn_about_stop_in_prompt(context: StepContext, parts: Iterable[SpokenPart], length: int, stop: str) -> None:
    """Warn about a prompt that asks for the stop key after a fixed number of digits, when the input has ended already."""
    words = _compile_stop_words(stop)
    for text, place, _lang in parts:
        found = words.search(text) if words is not None else None
        if found and not _STOP_NOT_NEEDED.search(_SENTENCE_END.split(text[: found.start()])[-1]):
            reason = f"the input ends with digit {length}, and the next question gets the key"
            message = f"prompt: it asks for the {found[0].split()[-1]} key, but {reason}"
            fix = f"leave the key out of the prompt, or take several lengths, as digits: {max(length - 1, 1)}-{length + 1}"
            context.report.warning(place, "stop-in-prompt", message, fix)


def _list_mentioned_keys(part: SpokenPart, lang: str) -> list[str]:
    """Return the keys that a text tells the caller to press; none in a language whose words are not known."""
    language = re.split("[-_]", (part.lang or lang).lower())[0]
    return [*dict.fromkeys(_find_mentioned_keys(part.text, _compile_patterns(language)))] if language in _KEY_WORDS else []


def _find_mentioned_keys(text: str, patterns: _KeyPatterns) -> Iterator[str]:
    """Yield the keys that a text surely tells the caller to press."""
    for found in patterns.mention.finditer(text):
        if patterns.negation.search(text[: found.start()]):
            continue
        mention: re.Match[str] | None = found
        while mention:
            word = next(filter(None, mention.groupdict().values())).lower()
            yield patterns.keys_by_word.get(word, word)
            mention = patterns.other_key.match(text, mention.end())
