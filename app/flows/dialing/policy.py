"""Who may be dialled when a target is computed: from digits, a lookup, a header.

What an author writes literally is the author's word. What comes from elsewhere is dialled only where ``dial_policy``
says so: whoever can choose a number chooses the most expensive one.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import phonenumbers
import pydantic

from app.errors import suggestion
from app.flows.dialing.plans import E164, TYPES, looked, regions_of
from app.flows.files import form
from app.flows.shapes import validate
from app.numbers import is_emergency, masked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.flows.places import Path, Report

ANY: Final = "any"
"""Stands for every country."""
NEVER: Final = frozenset({"premium_rate", "shared_cost", "unknown"})
"""Types that no policy allows."""
USUAL: Final = frozenset({"fixed_line", "mobile", "fixed_line_or_mobile", "toll_free", "voip"})
"""Types that are allowed where a policy names none."""

_SHORT: Final = re.compile(r"\+?[0-9]{1,6}")
_SIP: Final = re.compile(r"(?:sips?:)?([A-Za-z0-9+][A-Za-z0-9_.\-]{0,63})@([A-Za-z0-9.\-]{1,253})", re.IGNORECASE)
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?"
)
_DIGITS: Final = re.compile(r"[+0-9][0-9.\-]*")
_PATTERN: Final = re.compile(r"\+([1-9][0-9]{0,14})(\*?)")


def _listed(value: object) -> object:
    return re.split("[ ,]+", value.strip()) if isinstance(value, str) and value.strip() else value


Words = Annotated[list[str], pydantic.BeforeValidator(_listed), form("texts")]


class Given(pydantic.BaseModel):
    """What a file says under ``dial_policy``."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    regions: Words | None = pydantic.Field(
        None, description="Countries, as US and CA, or any; else those of the file's own numbers."
    )
    types: Words | None = pydantic.Field(
        None, description="Types of number, as fixed_line, mobile, toll_free; never premium-rate ones."
    )
    allow: Words = pydantic.Field([], description="Numbers and prefixes beside those, as +1201555*.")
    deny: Words = pydantic.Field([], description="Numbers and prefixes that are never rung, as +1900*.")
    sip_hosts: Words = pydantic.Field([], description="Hosts of SIP addresses, as acme.sip.opentact.org or *.example.com.")


class Pattern(NamedTuple):
    """Numbers: one in E.164, or all that begin so."""

    digits: str
    prefix: bool

    def covers(self, number: str) -> bool:
        """Whether a number in E.164 is meant."""
        return number.startswith(f"+{self.digits}") if self.prefix else number == f"+{self.digits}"


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """Which computed targets may be dialled. Deny beats ``allow`` beats regions and types.

    ``regions`` are ISO 3166 codes, None for all; ``limit`` are the installation's, which ``allow`` does not widen;
    ``spanning`` are the file's own prefixes that lie in several countries and therefore give no region.
    """

    regions: frozenset[str] | None = frozenset()
    types: frozenset[str] = USUAL
    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()
    sip_hosts: frozenset[str] = frozenset()
    limit: frozenset[str] | None = None
    spanning: tuple[str, ...] = ()

    def target(self, text: str) -> str:
        """A target as it is dialled: E.164, or ``user@host``; nothing where the text is not exactly one."""
        number = E164.fullmatch(text)
        if number:
            return looked(number[1]).number
        address = _SIP.fullmatch(text)
        if not address or not _HOST.fullmatch(address[2].lower()):
            return ""
        return f"{address[1]}@{address[2].lower()}"

    def refusal(self, target: str) -> str:
        """Why a target may not be dialled, in plain words and without the whole number; nothing where it may."""
        if _SHORT.fullmatch(target):
            return f"{masked(target)} is an emergency or short number"
        written = self.target(target)
        if not written:
            return "it is not exactly one number in E.164 or one SIP address"
        return self._no_address(written) if "@" in written else self._no_number(written)

    def _no_number(self, number: str) -> str:
        what, shown = looked(number[1:]), masked(number)
        if what.never:
            return f"{shown} {what.never}"
        if any(pattern.covers(number) for pattern in self.deny):
            return f"{shown} is denied by dial_policy"
        if self.limit is not None and not what.regions & self.limit:
            return f"{shown} is in {what.region}, which DIAL_REGIONS does not allow"
        if any(pattern.covers(number) for pattern in self.allow):
            return ""
        if self.regions is not None and not what.regions & self.regions:
            return f"{shown} is in {what.region}, which dial_policy does not allow"
        if not self._allows_type(what.type):
            return f"{shown} is of type {what.type}, which dial_policy does not allow"
        return ""

    def _allows_type(self, kind: str) -> bool:
        """Whether a type is allowed; a plan that does not tell mobiles from fixed lines needs both."""
        both = kind == "fixed_line_or_mobile" and {"fixed_line", "mobile"} <= self.types
        return kind in self.types or both

    def _no_address(self, address: str) -> str:
        user, _, host = address.partition("@")
        if not self._allows_host(host):
            return f"the SIP host {host} is not in dial_policy's sip_hosts"
        if not _DIGITS.fullmatch(user):
            return ""
        digits = re.sub(r"[.\-]", "", user)
        if is_emergency(digits):
            return f"{masked(digits)} is an emergency or short number"
        if _SHORT.fullmatch(digits) and not digits.startswith("+"):
            return ""
        number = self.target(digits)
        return self._no_number(number) if number else f"{masked(digits)} is not a valid number"

    def _allows_host(self, host: str) -> bool:
        if host in self.sip_hosts:
            return True
        labels = host.split(".")
        return any(f"*.{'.'.join(labels[at:])}" in self.sip_hosts for at in range(1, len(labels)))

    @property
    def closed(self) -> bool:
        """Whether nothing at all may be dialled."""
        regions = self.limit if self.regions is None else self.regions
        if regions is not None and self.limit is not None:
            regions &= self.limit
        by_region = (regions is None or bool(regions)) and bool(self.types)
        by_pattern = bool(self.allow) and (self.limit is None or bool(self.limit))
        return not (by_region or by_pattern or self.sip_hosts)


def doubts(number: str) -> str:
    """What is doubtful about a number that an author wrote literally, as ``is a premium-rate number``; else nothing.

    SIP addresses and extensions of up to six digits are an author's own affair, emergency numbers are not.
    """
    plain = re.sub(r"[ ().\-]", "", number.strip())
    if is_emergency(plain):
        return "is an emergency number"
    if "@" in plain or _SHORT.fullmatch(plain):
        return ""
    found = E164.fullmatch(plain)
    return looked(found[1]).never if found else "is not a valid number"


# What a file says


def read_policy(
    given: object,
    path: Path,
    report: Report,
    own_numbers: Sequence[str],
    allowed_by_settings: frozenset[str] | None = None,
) -> Policy:
    """The policy of a file: ``given`` is what stands under ``dial_policy`` (nothing: the defaults), at ``path``.

    ``own_numbers`` are the file's claims (E.164, ``+1201*``, ``rest``), ``allowed_by_settings`` the regions of the
    installation, None where it names none. Never raises; what is wrong is in the report, and allows nothing.
    """
    said = Given() if given in (None, "", {}) else validate(Given, given, path, report)
    limit = None if allowed_by_settings is None else frozenset(map(str.upper, allowed_by_settings))
    if said is None:
        return Policy(limit=limit, types=frozenset())
    regions, spanning = regions_of(own_numbers)
    if said.regions is not None:
        spanning = ()
    return Policy(
        regions=regions if said.regions is None else _regions(said.regions, (*path, "regions"), report),
        types=USUAL if said.types is None else _types(said.types, (*path, "types"), report),
        allow=tuple(_patterns(said.allow, (*path, "allow"), report)),
        deny=tuple(_patterns(said.deny, (*path, "deny"), report)),
        sip_hosts=frozenset(_hosts(said.sip_hosts, (*path, "sip_hosts"), report)),
        limit=limit,
        spanning=spanning,
    )


def warn_of_closed(policy: Policy, path: Path, report: Report) -> None:
    """Say at ``path``, where a target is computed, that the policy allows nothing, or less than its numbers suggest."""
    mend = "say which countries may be dialled, as dial_policy: {regions: [US, CA]}"
    if policy.closed:
        why = "its numbers tell no country" if policy.limit is None else "its regions are none of DIAL_REGIONS"
        report.warning(path, "dial-policy-closed", f"no computed target may be dialled from this file: {why}", mend)
    elif policy.spanning:
        said = f"{', '.join(policy.spanning)} lies in several countries, and allows none of them to be dialled"
        report.warning(path, "dial-policy-spans", said, mend)


def _regions(given: Iterable[str], path: Path, report: Report) -> frozenset[str] | None:
    known = phonenumbers.SUPPORTED_REGIONS
    found = set()
    for word in given:
        region = word.upper()
        if word.lower() == ANY:
            return None
        if region in known:
            found.add(region)
            continue
        near = "did you mean 'GB'?" if region == "UK" else suggestion(region, sorted(known))
        mend = near or "two letters each, as US, CA, DE; any for every country"
        report.error(_at(path, given, word, report), "dial-policy", f"regions: there is no country {word!r}", mend)
    return frozenset(found)


def _types(given: Iterable[str], path: Path, report: Report) -> frozenset[str]:
    found = set()
    for word in given:
        where = _at(path, given, word, report)
        if word in NEVER:
            message = f"types: {word} numbers are never dialled for a caller who can choose them"
            report.error(where, "dial-policy", message, "a number that is written literally in a dial is your own word")
        elif word not in TYPES:
            mend = suggestion(word, [*TYPES]) or f"there are {', '.join(sorted(TYPES.keys() - NEVER))}"
            report.error(where, "dial-policy", f"types: there is no type {word!r}", mend)
        else:
            found.add(word)
    return frozenset(found)


def _patterns(given: Sequence[str], path: Path, report: Report) -> Iterable[Pattern]:
    for word in given:
        found = _PATTERN.fullmatch(re.sub(r"[ ().\-]", "", word))
        where = _at(path, given, word, report)
        if not found:
            message = f"{path[-1]}: {word!r} is neither a number nor a prefix"
            report.error(where, "dial-policy", message, "a number as +12015550188, a prefix as +1201555*")
            continue
        if found[2] and path[-1] == "allow" and len(regions_of([f"+{found[1]}*"])[1]):
            message = f"allow: {word} lies in several countries, and allows every one of them"
            report.warning(where, "dial-policy-wide", message, "a longer prefix, or regions, says which are meant")
        yield Pattern(found[1], prefix=bool(found[2]))


def _hosts(given: Sequence[str], path: Path, report: Report) -> Iterable[str]:
    for word in given:
        host = word.lower()
        plain = host.removeprefix("*.")
        if not _HOST.fullmatch(plain) or (host != plain and "." not in plain):
            message = f"sip_hosts: {word!r} is no host"
            mend = "as acme.sip.opentact.org, or *.example.com for all that end so"
            report.error(_at(path, given, word, report), "dial-policy", message, mend)
        else:
            yield host


def _at(path: Path, given: Iterable[str], word: str, report: Report) -> Path:
    """Where a word of a list stands; of the list where it was written in one line."""
    place = (*path, [*given].index(word))
    return place if place in report.places else path
