"""Checks the codes in a language tag: the language by ISO 639-1, the region by ISO 3166."""

from __future__ import annotations

from typing import Final

_LANGUAGES_LIST: Final = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el "
    "en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik in io is it "
    "iu iw ja ji jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mo mr "
    "ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si "
    "sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi "
    "yo za zh zu"
)
_LANGUAGES: Final = frozenset(_LANGUAGES_LIST.split())
"""The languages of two letters, with four former codes that programs still have: in, iw, ji, mo."""
_REGIONS_LIST: Final = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ "
    "CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO "
    "FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE "
    "JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO "
    "MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW "
    "PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM "
    "TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK"
)
_REGIONS: Final = frozenset(_REGIONS_LIST.split())
"""The regions of ISO 3166, and Kosovo."""
_TWO_LETTERS: Final = 2
_LANGUAGE_OF_WORD: Final = {
    "cn": "zh", "jp": "ja", "sp": "es", "gr": "el", "dk": "da", "ua": "uk", "cz": "cs", "us": "en", "gb": "en", "at": "de",
    "mx": "es", "uk": "en", "tw": "zh", "hk": "zh", "au": "en", "nz": "en", "ir": "fa", "ge": "de",
}  # fmt: skip
"""Languages by the region that people write for them."""
_REGION_OF_WORD: Final = {
    "UK": "GB", "JA": "JP", "KO": "KR", "ZH": "CN", "CS": "CZ", "DA": "DK", "EL": "GR", "SP": "ES", "HI": "IN",
    "JPN": "JP", "USA": "US", "GBR": "GB",
}  # fmt: skip
"""Regions by the language, or the other word, that people write for them."""
_REGION_OF_LANGUAGE: Final = {
    "en": "US",
    "es": "US",
    "zh": "CN",
    "ja": "JP",
    "el": "GR",
    "da": "DK",
    "uk": "UA",
    "cs": "CZ",
}
"""A region for tags that have the wrong one, or a language alone."""


def find_language_fault(tag: str) -> tuple[str, str]:
    """Return what is wrong with a language tag, and the fix. Two empty texts if nothing is.

    Languages of three letters, scripts and numbers of regions are not checked.
    """
    language, *rest = tag.split("-")
    region = next((part for part in rest if len(part) == _TWO_LETTERS or part.upper() in _REGION_OF_WORD), "")
    is_language = len(language) != _TWO_LETTERS or language.lower() in _LANGUAGES
    is_region = not region or region.upper() in _REGIONS
    if is_language and is_region:
        return "", ""
    if not (is_language or is_region) and region.lower() in _LANGUAGES and language.upper() in _REGIONS:
        meant = f"{region.lower()}-{language.upper()}"
    else:
        meant = _correct_tag(language.lower(), region.upper(), is_language=is_language, is_region=is_region)
    unknown = f"region {region!r}" if is_language else f"language {language!r}"
    return f"there is no {unknown}", f"did you mean {meant!r}?" if meant else "write a language and a country, as en-US"


def _correct_tag(language: str, region: str, *, is_language: bool, is_region: bool) -> str:
    """Return the tag that is meant by a language and a region of which one is none; an empty text if neither is clear."""
    right = language if is_language else _LANGUAGE_OF_WORD.get(language, "")
    known_region = region if is_region else _REGION_OF_WORD.get(region, "")
    place = known_region if region else language.upper()
    if right and place not in _REGIONS:
        place = _REGION_OF_LANGUAGE.get(right, right.upper())
    return f"{right}-{place}" if right and place in _REGIONS else ""
