"""Decides which computed targets may be dialed: targets from digits, a lookup, a header.

Literal targets are the author's responsibility. Computed targets are dialed only if ``dial_policy`` allows, because a
caller who can choose the number will choose the most expensive one.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import phonenumbers
import pydantic

from callflows.flows.country_code_check import lacks_code_of_prefix, suggest_country_code, suggest_written_number
from callflows.flows.dial_policy.numbering_plans import (
    E164_DIGITS_PATTERN,
    HARMLESS_BLOCK_REASONS,
    NO_COUNTRY,
    NUMBER_TYPES,
    classify_number,
    find_regions,
)
from callflows.flows.dial_policy.region_suggestions import suggest_region
from callflows.flows.source.flow_file import parse_claimed_number
from callflows.flows.source.shape_validation import validate_shape
from callflows.flows.source.source_values import schema_reference
from callflows.telephony.phone_numbers import (
    fold_spelling,
    is_emergency_number,
    is_impossible_number,
    mask_number,
    parse_e164,
    strip_number_signs,
)
from callflows.text import Suggestion, find_nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callflows.flows.source.positions import ProblemReport, SourcePath
    from callflows.telephony.turn import Turn


ANY_REGION: Final = "any"
"""The word for every country."""
BLOCKED_NUMBER_TYPES: Final = frozenset({"premium_rate", "shared_cost", "unknown"})
"""Types that no policy can allow."""
DEFAULT_NUMBER_TYPES: Final = frozenset({"fixed_line", "mobile", "fixed_line_or_mobile", "toll_free", "voip"})
"""Types allowed if a policy names none."""
_SHORT_NUMBER: Final = re.compile(r"\+?[0-9]{1,6}")
_SIP_ADDRESS: Final = re.compile(r"(?:sips?:)?([A-Za-z0-9+][A-Za-z0-9_.\-]{0,63})@([A-Za-z0-9.\-]{1,253})", re.IGNORECASE)
_HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?"
)
_DIGITS_WITH_SEPARATORS: Final = re.compile(r"[+0-9][0-9._\-]*")
"""The user of an address that gateways read as a number: they pass over what separates its digits."""
_SEPARATOR: Final = re.compile(r"[._\-]")
_NUMBER_OR_PREFIX: Final = re.compile(r"\+([1-9][0-9]{0,14})(\*?)")


def _split_words(value: object) -> object:
    if isinstance(value, str) and parse_claimed_number(value.strip()).startswith("+"):
        return [strip_number_signs(value)]  # a number with the blanks of people
    return re.split("[ ,]+", value.strip()) if isinstance(value, str) and value.strip() else value


DialPolicyWords = Annotated[list[str], pydantic.BeforeValidator(_split_words), schema_reference("texts")]


class DialPolicySection(pydantic.BaseModel):
    """The section ``dial_policy`` of a flow file."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    regions: DialPolicyWords | None = pydantic.Field(
        None, description="Countries, as US and CA, or any; else those of the file's own numbers."
    )
    types: DialPolicyWords | None = pydantic.Field(
        None, description="Types of number, as fixed_line, mobile, toll_free; never premium-rate ones."
    )
    allow: DialPolicyWords = pydantic.Field([], description="Numbers and prefixes beside those, as +1201555*.")
    deny: DialPolicyWords = pydantic.Field([], description="Numbers and prefixes that are never rung, as +1900*.")
    sip_hosts: DialPolicyWords = pydantic.Field(
        [], description="Hosts of SIP addresses, as acme.sip.opentact.org or *.example.com."
    )


class NumberPattern(NamedTuple):
    """A number in E.164, or all numbers with a prefix; ``digits`` has no plus."""

    digits: str
    is_prefix: bool

    def matches(self, number: str) -> bool:
        """Return True if the pattern contains a number in E.164."""
        return number.startswith(f"+{self.digits}") if self.is_prefix else number == f"+{self.digits}"


def _plain_number(text: str) -> str:
    """Return a number with punctuation, as +1 (201) 555-0188, 0033 6 12 34 56 78 or tel:+12015550188, as plus and digits.

    Any other text is returned unchanged: national formats have no country, and nothing after a number is cut off.
    """
    if E164_DIGITS_PATTERN.fullmatch(text):
        return text
    plain = _TEL_SCHEME.sub("", fold_spelling(text))
    if not _PUNCTUATED_NUMBER.fullmatch(plain):
        return text
    digits = re.sub("[^0-9]", "", plain)
    return parse_e164(plain) or (digits if len(digits) <= _MAX_SHORT_DIGITS else text)


_TEL_SCHEME: Final = re.compile(r"tel: *", re.IGNORECASE)


_PUNCTUATED_NUMBER: Final = re.compile(
    r"\s*(?:\(?\+[ (]*[1-9]|\(?00[ )./\-]*[1-9]|1[ ./\-]*\(?[2-9]|[0-9][^0-9]?[0-9][^0-9]?[0-9]\Z)"
    r"[0-9 ()./\-\u00a0\u2007\u2009\u202f\u2010-\u2015\u2212]{0,40}"
)
"""A number with its country code and the punctuation of people, or a short number, as 9-1-1."""
_MAX_SHORT_DIGITS: Final = 6


@dataclasses.dataclass(frozen=True, slots=True)
class DialPolicy:
    """Allowed computed targets. ``deny`` beats ``allow``; ``allow`` beats regions and types.

    ``regions`` are ISO 3166 codes, None for all. ``installation_regions`` limit the whole installation; ``allow`` cannot
    extend this limit. ``multi_country_prefixes`` are the file's own prefixes in several countries, and allow no region.
    """

    regions: frozenset[str] | None = frozenset()
    types: frozenset[str] = DEFAULT_NUMBER_TYPES
    allow: tuple[NumberPattern, ...] = ()
    deny: tuple[NumberPattern, ...] = ()
    sip_hosts: frozenset[str] = frozenset()
    installation_regions: frozenset[str] | None = None
    multi_country_prefixes: tuple[str, ...] = ()

    def normalize_dial_target(self, text: str) -> str:
        """Return a target in E.164 or as ``user@host``; "" if the text is not exactly one target."""
        number = E164_DIGITS_PATTERN.fullmatch(_plain_number(text))
        if number:
            return classify_number(number[1]).number
        address = _SIP_ADDRESS.fullmatch(text)
        if not address or not _HOST_NAME.fullmatch(address[2].lower()):
            return ""
        return f"{address[1]}@{address[2].lower()}"

    def make_comparison_key(self, text: str) -> str:
        """Return the same text for all spellings of a target. Addresses at different hosts are different targets."""
        return (self.normalize_dial_target(text) or text.strip()).lower()

    def find_caller_refusal(self, number: str) -> str:
        """Return the reason to write no text to a caller, whose number anybody can pretend to have; "" if allowed.

        A caller from abroad gets an answer; a number that costs its caller money gets none.
        """
        found = E164_DIGITS_PATTERN.fullmatch(number)
        what = classify_number(found[1]) if found else None
        if (
            what is not None
            and what.block_reason
            and (what.region == NO_COUNTRY or what.block_reason not in HARMLESS_BLOCK_REASONS)
        ):
            return f"{mask_number(number)} {what.block_reason}"
        return f"{mask_number(number)} is denied by dial_policy" if any(one.matches(number) for one in self.deny) else ""

    def find_refusal(self, target: str) -> str:
        """Return the reason to refuse a target, with the number masked; "" if allowed."""
        if _SHORT_NUMBER.fullmatch(_plain_number(target)):
            return f"{mask_number(target)} is an emergency or short number"
        written = self.normalize_dial_target(target)
        if not written:
            return "it is not exactly one number in E.164 or one SIP address"
        return self._find_sip_refusal(written) if "@" in written else self._find_number_refusal(written)

    def find_call_refusal(self, target: str, turn: Turn) -> str:
        """Return the reason to refuse a target of a call, as ``find_refusal``; numbers of ours are refused, too."""
        return self.find_refusal(target) or self._find_loop(self.normalize_dial_target(target), turn)

    def _find_loop(self, target: str, turn: Turn) -> str:
        """Return a reason if a target is answered by this server: the call would come back and dial again."""
        user = _SEPARATOR.sub("", target.partition("@")[0]) if "@" in target else target
        number = self.normalize_dial_target(user)
        if not number:
            return ""
        if number == turn.number or turn.owns_number(number):
            return f"{mask_number(number)} is a number of ours: the call would go in circles"
        # A wide prefix, as +1201*, may have numbers of other people: the author names them under allow.
        if turn.claims_number(number) and not any(pattern.matches(number) for pattern in self.allow):
            return f"{mask_number(number)} is within a prefix of ours: the call would go in circles"
        return ""

    def _find_number_refusal(self, number: str) -> str:
        what, shown = classify_number(number[1:]), mask_number(number)
        if what.block_reason:
            return f"{shown} {what.block_reason}"
        if any(pattern.matches(number) for pattern in self.deny):
            return f"{shown} is denied by dial_policy"
        # Before ``allow``: a flow file must not extend the limit of the installation.
        if self.installation_regions is not None and not what.regions & self.installation_regions:
            return f"{shown} is in {what.region}, which DIAL_REGIONS does not allow"
        if any(pattern.matches(number) for pattern in self.allow):
            return ""
        if self.regions is not None and not what.regions & self.regions:
            return f"{shown} is in {what.region}, which dial_policy does not allow"
        if not self._allows_type(what.type):
            return f"{shown} is of type {what.type}, which dial_policy does not allow"
        return ""

    def _allows_type(self, kind: str) -> bool:
        """Return True if a type is allowed.

        ``fixed_line_or_mobile`` also counts as allowed if both ``fixed_line`` and ``mobile`` are.
        """
        both = kind == "fixed_line_or_mobile" and {"fixed_line", "mobile"} <= self.types
        return kind in self.types or both

    def _find_sip_refusal(self, address: str) -> str:
        user, _, host = address.partition("@")
        if not self._allows_host(host):
            return f"the SIP host {host} is not in dial_policy's sip_hosts"
        if not _DIGITS_WITH_SEPARATORS.fullmatch(user):
            return ""
        digits = _SEPARATOR.sub("", user)
        if is_emergency_number(digits):
            return f"{mask_number(digits)} is an emergency or short number"
        if _SHORT_NUMBER.fullmatch(digits) and not digits.startswith("+"):
            return ""
        number = self.normalize_dial_target(digits)
        return self._find_number_refusal(number) if number else f"{mask_number(digits)} is not a valid number"

    def _allows_host(self, host: str) -> bool:
        if host in self.sip_hosts:
            return True
        labels = host.split(".")
        return any(f"*.{'.'.join(labels[at:])}" in self.sip_hosts for at in range(1, len(labels)))

    @property
    def allows_nothing(self) -> bool:
        regions = self.installation_regions if self.regions is None else self.regions
        if regions is not None and self.installation_regions is not None:
            regions &= self.installation_regions
        by_region = (regions is None or bool(regions)) and bool(self.types)
        by_pattern = bool(self.allow) and (self.installation_regions is None or bool(self.installation_regions))
        return not (by_region or by_pattern or self.sip_hosts)


def find_number_doubt(number: str) -> str:
    """Return the doubt about a literal number, as ``is a premium-rate number``; "" if none.

    SIP addresses and extensions of up to six digits are the author's responsibility; emergency numbers are always doubtful.
    """
    plain = strip_number_signs(number.strip())
    if is_emergency_number(plain):
        return "is an emergency number"
    if "@" in plain or _SHORT_NUMBER.fullmatch(plain):
        return ""
    found = E164_DIGITS_PATTERN.fullmatch(plain) or E164_DIGITS_PATTERN.fullmatch(parse_e164(number))
    return classify_number(found[1]).block_reason if found else "is not a valid number"


# Reading the section


def read_dial_policy(
    data: object,
    path: SourcePath,
    report: ProblemReport,
    own_numbers: Sequence[str],
    installation_regions: frozenset[str] | None = None,
) -> DialPolicy:
    """Read the policy of a file from ``data``, the value of ``dial_policy`` at ``path`` (empty: the defaults).

    ``own_numbers`` are the numbers claimed by the file (E.164, ``+1201*``, ``rest``). ``installation_regions`` is None if
    the settings name no regions. Never raises; faulty parts are reported and allow nothing.
    """
    section = DialPolicySection() if data in (None, "", {}) else validate_shape(DialPolicySection, data, path, report)
    limit = None if installation_regions is None else frozenset(map(str.upper, installation_regions))
    if section is None:
        return DialPolicy(installation_regions=limit, types=frozenset())
    regions, spanning = find_regions(own_numbers)
    if section.regions is not None:
        spanning = ()
    return DialPolicy(
        regions=regions if section.regions is None else _read_regions(section.regions, (*path, "regions"), report, regions),
        types=DEFAULT_NUMBER_TYPES
        if section.types is None
        else _read_number_types(section.types, (*path, "types"), report),
        allow=tuple(_read_patterns(section.allow, (*path, "allow"), report, own_numbers)),
        deny=tuple(_read_patterns(section.deny, (*path, "deny"), report, own_numbers)),
        sip_hosts=frozenset(_read_sip_hosts(section.sip_hosts, (*path, "sip_hosts"), report)),
        installation_regions=limit,
        multi_country_prefixes=spanning,
    )


def warn_about_closed_policy(policy: DialPolicy, path: SourcePath, report: ProblemReport) -> None:
    """Warn at ``path``, the position of a computed target, about a policy without effect.

    Either the policy allows no target, or a prefix in several countries gives no region.
    """
    fix = "say which countries may be dialled, as dial_policy: {regions: [US, CA]}"
    if report.has_error_at(("dial_policy",)):
        return  # what is wrong there is said there
    if policy.allows_nothing:
        why = (
            "its numbers tell no country" if policy.installation_regions is None else "its regions are none of DIAL_REGIONS"
        )
        report.warning(path, "dial-policy-closed", f"no computed target may be dialled from this file: {why}", fix)
    elif policy.multi_country_prefixes:
        message = (
            f"{', '.join(policy.multi_country_prefixes)} lies in several countries, and allows none of them to be dialled"
        )
        report.warning(path, "dial-policy-spans", message, fix)


def _read_regions(
    words: Iterable[str], path: SourcePath, report: ProblemReport, home: frozenset[str]
) -> frozenset[str] | None:
    known = phonenumbers.SUPPORTED_REGIONS
    found = set()
    for word in words:
        region = word.upper()
        if word.lower() == ANY_REGION:
            return None
        if region in known:
            found.add(region)
            continue
        near = Suggestion(ANY_REGION) if region in _WORDS_FOR_ANY_REGION else suggest_region(word)
        near = near or Suggestion(next((code for code in sorted(home or ("CA", "US")) if region.startswith(code)), ""))
        fix = near or "two letters each, as US, CA, DE; any for every country"
        report.error(_locate_word(path, words, word, report), "dial-policy", f"regions: there is no country {word!r}", fix)
    return frozenset(found)


_WORDS_FOR_ANY_REGION: Final = frozenset({"*", "ALL", "ANYWHERE", "EVERYWHERE", "WORLD", "WORLDWIDE", "GLOBAL"})


def _read_number_types(words: Iterable[str], path: SourcePath, report: ProblemReport) -> frozenset[str]:
    found = set()
    for word in words:
        where = _locate_word(path, words, word, report)
        near = _OTHER_WORDS_FOR_TYPES.get(word.lower()) or find_nearest(word, NUMBER_TYPES)
        if word in BLOCKED_NUMBER_TYPES or (word not in NUMBER_TYPES and near in BLOCKED_NUMBER_TYPES):
            message = f"types: {word} numbers are never dialled for a caller who can choose them"
            report.error(where, "dial-policy", message, "a number that is written literally in a dial is your own word")
        elif word not in NUMBER_TYPES:
            fix = Suggestion(near) or f"there are {', '.join(sorted(NUMBER_TYPES.keys() - BLOCKED_NUMBER_TYPES))}"
            report.error(where, "dial-policy", f"types: there is no type {word!r}", fix)
        else:
            found.add(word)
    return frozenset(found)


_OTHER_WORDS_FOR_TYPES: Final = {
    **dict.fromkeys(("landline", "land_line", "fixed", "fixedline"), "fixed_line"),
    **dict.fromkeys(("cell", "cellphone", "cellular"), "mobile"),
    "premium": "premium_rate",
}


def _read_patterns(
    words: Sequence[str], path: SourcePath, report: ProblemReport, own_numbers: Sequence[str]
) -> Iterable[NumberPattern]:
    for word in words:
        found = _NUMBER_OR_PREFIX.fullmatch(strip_number_signs(word))
        where = _locate_word(path, words, word, report)
        if not found:
            message = f"{path[-1]}: {word!r} is neither a number nor a prefix"
            report.error(where, "dial-policy", message, _suggest_pattern(word, own_numbers))
            continue
        if not found[2] and is_impossible_number(f"+{found[1]}"):
            message = f"{path[-1]}: no country has numbers of the length of {word}"
            report.error(where, "dial-policy", message, f"a prefix ends with a star: +{found[1]}*")
            continue
        if found[2] and path[-1] == "allow" and len(find_regions([f"+{found[1]}*"])[1]):
            message = f"allow: {word} lies in several countries, and allows every one of them"
            report.warning(where, "dial-policy-wide", message, "a longer prefix, or regions, says which are meant")
        yield NumberPattern(found[1], is_prefix=bool(found[2]))


def _suggest_pattern(word: str, own_numbers: Sequence[str]) -> str:
    """Return the fix for a number or a prefix without its plus or its country's code."""
    number = parse_claimed_number(word)
    if re.match(r"[ (]*(?:1|00)", word) and number.startswith("+"):
        return Suggestion(number)
    if lacks_code_of_prefix(word, own_numbers):
        return suggest_country_code(word, own_numbers)
    return suggest_written_number(word, "a number as +12015550188, a prefix as +1201555*", own_numbers)


def _read_sip_hosts(words: Sequence[str], path: SourcePath, report: ProblemReport) -> Iterable[str]:
    for word in words:
        host = word.lower()
        plain = host.removeprefix("*.")
        if not _HOST_NAME.fullmatch(plain) or (host != plain and "." not in plain):
            message = f"sip_hosts: {word!r} is no host"
            fix = "as acme.sip.opentact.org, or *.example.com for all that end so"
            report.error(_locate_word(path, words, word, report), "dial-policy", message, fix)
        else:
            yield host


def _locate_word(path: SourcePath, words: Iterable[str], word: str, report: ProblemReport) -> SourcePath:
    """Return the position of a word in a list, or of the whole list if written in one line."""
    place = (*path, [*words].index(word))
    return place if place in report.positions else path
