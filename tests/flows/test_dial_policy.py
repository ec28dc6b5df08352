"""The numbers that a flow may dial if the target is computed."""

from __future__ import annotations

import pytest
from flow_harness import compile_text, make_flow_text

from callflows.flows.dial_policy.numbering_plans import find_regions
from callflows.flows.dial_policy.target_policy import (
    DialPolicy,
    find_number_doubt,
    read_dial_policy,
    warn_about_closed_policy,
)
from callflows.flows.source.positions import ProblemReport
from each_case import each_case

FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
"""The characters of East Asian keyboards."""
US = ("+12015550123", "+1212*")
DE = ("+4930123456",)
REST = ("rest",)


def policy(own, given=None, settings=None) -> DialPolicy:
    report = ProblemReport("acme.yaml")
    made = read_dial_policy(given, ("dial_policy",), report, own, settings)
    assert not report.problems, report.problems
    return made


def said(given, own=US) -> list[str]:
    report = ProblemReport("acme.yaml")
    read_dial_policy(given, ("dial_policy",), report, own, None)
    return [f"{problem.severity}: {problem.message} ({problem.fix})" for problem in report.problems]


SATELLITE = "is a satellite number"
INVALID = "is not a valid number"
SHORT = "emergency or short"
PREMIUM = "premium-rate"
NOT_ONE = "not exactly one number"
HOST = "not in dial_policy's sip_hosts"
ADVERSARY = [
    # target, in a US file, in a DE file ("" where it may be dialled)
    ("+12015550188", "", "is in US"),
    ("12015550188", "", "is in US"),
    ("+18005550123", "", "is in US"),
    ("+491711234567", "is in DE", ""),
    ("+4930123456", "is in DE", ""),
    ("+4916012345678", "is in DE", ""),
    ("+18765550188", "is in JM", "is in JM"),
    ("+16585550188", "is in JM", "is in JM"),
    ("+12645550188", INVALID, INVALID),
    ("+12644975018", "is in AI", "is in AI"),
    ("+18095550188", "is in DO", "is in DO"),
    ("+14165550188", "is in CA", "is in CA"),
    ("+17875550188", "is in PR", "is in PR"),
    ("+19005550188", PREMIUM, PREMIUM),
    ("19005550188", PREMIUM, PREMIUM),
    ("+12129761616", PREMIUM, PREMIUM),
    ("+12125551212", PREMIUM, PREMIUM),
    ("+15005550188", "personal_number", "is in US"),
    ("+11115550188", INVALID, INVALID),
    ("+10005550188", INVALID, INVALID),
    ("+1201555018", INVALID, INVALID),
    ("+120155501881", INVALID, INVALID),
    ("2015550188", "is in EG", "is in EG"),
    ("+499001234567", PREMIUM, PREMIUM),
    ("+491805123456", "shared-cost", "shared-cost"),
    ("+447012345678", "is in GB", "is in GB"),
    ("+449098790123", PREMIUM, PREMIUM),
    ("+448441234567", PREMIUM, PREMIUM),
    ("+88216123456", SATELLITE, SATELLITE),
    ("+881612345678", SATELLITE, SATELLITE),
    ("+870773123456", SATELLITE, SATELLITE),
    ("+882991234567", SATELLITE, SATELLITE),
    ("+979123456789", "belongs to no country", "belongs to no country"),
    ("+80812345678", "belongs to no country", "belongs to no country"),
    ("+80012345678", "belongs to no country", "belongs to no country"),
    ("+878101234567890", "belongs to no country", "belongs to no country"),
    ("+8881234567", "belongs to no country", "belongs to no country"),
    ("+252612345678", "is in SO", "is in SO"),
    ("911", SHORT, SHORT),
    ("112", SHORT, SHORT),
    ("+911", SHORT, SHORT),
    ("988", SHORT, SHORT),
    ("1", SHORT, SHORT),
    ("", NOT_ONE, NOT_ONE),
    ("*672015550188", NOT_ONE, NOT_ONE),
    ("0012015550188", "", "is in US"),
    ("01112015550188", NOT_ONE, NOT_ONE),
    ("++12015550188", NOT_ONE, NOT_ONE),
    ("+12015550188,+19005550188", NOT_ONE, NOT_ONE),
    ("+12015550188;ext=9", NOT_ONE, NOT_ONE),
    ("+12015550188&+19005550188", NOT_ONE, NOT_ONE),
    ("+12015550188 x5", NOT_ONE, NOT_ONE),
    ("+12015550188\n", NOT_ONE, NOT_ONE),
    ("+12015550188\x00", NOT_ONE, NOT_ONE),
    ("+1 201 555 0188", "", "is in US"),
    ("+1 900 555 0188", PREMIUM, PREMIUM),
    ("00 44 7012 345678", "is in GB", "is in GB"),
    ("tel:+12015550188", "", "is in US"),
    ("tel:+1-900-555-0188", PREMIUM, PREMIUM),
    ("tel:+12015550188;ext=9", NOT_ONE, NOT_ONE),
    ("tel:911", SHORT, SHORT),
    ("+١٢٠١٥٥٥٠١٨٨", "", "is in US"),
    ("+19005550188".translate(FULL_WIDTH), PREMIUM, PREMIUM),
    ("911".translate(FULL_WIDTH), SHORT, SHORT),
    ("+12015550188%2C+19005550188", NOT_ONE, NOT_ONE),
    ("+12015550188</To><To>+19005550188", NOT_ONE, NOT_ONE),
    ("sip:+19005550188@evil.example", HOST, HOST),
    ("ann@evil.example", HOST, HOST),
    ("ann@acme.sip.opentact.org", HOST, HOST),
    ("sip:ann@a.example@b.example", NOT_ONE, NOT_ONE),
    ("sip:ann@a.example;transport=tcp", NOT_ONE, NOT_ONE),
    ("sip:ann%40b.example@a.example", NOT_ONE, NOT_ONE),
    ("sip:ann@a.example:5080", NOT_ONE, NOT_ONE),
    ("sip:+12015550188", NOT_ONE, NOT_ONE),
    ("9" * 100_000, NOT_ONE, NOT_ONE),
    ("+" + "1" * 15, INVALID, INVALID),
]


@each_case(("target", "in_us", "in_de"), ADVERSARY, ids=lambda value: f"{value!r:.40}")
def test_a_computed_target_is_dialled_only_where_the_default_policy_allows_it(target, in_us, in_de):
    for own, expected in ((US, in_us), (DE, in_de)):
        refusal = policy(own).find_refusal(target)
        if expected:
            assert expected in refusal
        else:
            assert refusal == ""
        digits = target.removeprefix("+")
        assert len(digits) < 5 or digits not in refusal, "a refusal never says the whole number"
    assert policy(REST).find_refusal(target), "a file whose numbers tell no country lets nothing be dialled"


def test_any_country_still_means_no_premium_satellite_or_code_of_no_country():
    everywhere = policy(REST, {"regions": "any", "allow": ["+881*", "+1900*", "+979*", "+1212976*"]})
    assert everywhere.find_refusal("+442079460018") == ""
    for target, in_us, _ in ADVERSARY:
        if in_us and not in_us.startswith("is in") and in_us != "personal_number":
            assert everywhere.find_refusal(target), target


# Where the default regions come from


@each_case(
    ("own", "regions", "spanning"),
    [
        (["+12015550123"], "US", ""),
        (["+1201*"], "US", ""),
        (["+1416*"], "CA", ""),
        (["+1876*"], "JM", ""),
        (["+49*"], "DE", ""),
        (["+4930*"], "DE", ""),
        (["+12015550123", "+14165550123", "+442079460018"], "CA GB US", ""),
        (["+1*"], "", "+1*"),
        (["+120*"], "", "+120*"),
        (["+44*"], "", "+44*"),
        (["+4420*"], "GB", ""),
        (["+7*"], "", "+7*"),
        (["+1*", "+12015550123"], "US", "+1*"),
        (["+999*"], "", ""),
        (["+881*"], "", ""),
        (["rest"], "", ""),
        ([], "", ""),
    ],
)
def test_the_regions_of_a_file_are_the_real_ones_of_its_numbers(own, regions, spanning):
    assert find_regions(own) == (frozenset(regions.split()), tuple(spanning.split()))


def test_a_file_with_only_a_prefix_dials_within_its_country():
    assert policy(["+1201*"]).find_refusal("+12125550188") == ""
    assert policy(["+1201*"]).find_refusal("+18765550188")
    assert policy(["+1*"]).find_refusal("+12125550188")


def test_a_file_that_may_dial_nothing_is_told_so_where_it_dials():
    for own, rule in ((REST, "dial-policy-closed"), (["+1*"], "dial-policy-closed"), (["+1*", *US], "dial-policy-spans")):
        report = ProblemReport("acme.yaml")
        warn_about_closed_policy(policy(own), ("nodes",), report)
        assert [problem.rule for problem in report.problems] == [rule]
    for own, given in (
        (US, None),
        (REST, {"regions": "US"}),
        (REST, {"sip_hosts": "a.example"}),
        (REST, {"allow": "+1201*"}),
    ):
        report = ProblemReport("acme.yaml")
        warn_about_closed_policy(policy(own, given), ("nodes",), report)
        assert report.problems == []
    assert policy(REST, {"regions": "any"}, frozenset()).allows_nothing
    assert policy(US, None, frozenset({"DE"})).allows_nothing


# What a file may say

A_NUMBER = "a number as +12015550188, a prefix as +1201555*"
A_REGION = "two letters each, as US, CA, DE; any for every country"
IF_AMERICAN = "if it is North American, else put its own country code with a plus before it"
A_HOST = "as acme.sip.opentact.org, or *.example.com for all that end so"
LONGER = "a longer prefix, or regions, says which are meant"


def test_deny_beats_allow_beats_regions():
    made = policy(US, {"allow": ["+4420*", "+12015550199"], "deny": "+12015550199"})
    assert made.find_refusal("+442079460018") == ""
    assert "denied" in made.find_refusal("+12015550199")
    assert made.find_refusal("+12015550188") == ""
    assert policy(REST, {"allow": "+12015550188"}).find_refusal("+120155501889")
    assert policy(REST, {"allow": "+12015550188"}).find_refusal("+12015550188") == ""


def test_the_regions_of_the_installation_are_never_widened():
    made = policy(US, {"regions": "US, DE", "allow": "+4420*"}, frozenset({"us"}))
    assert made.find_refusal("+12015550188") == ""
    assert "DIAL_REGIONS" in made.find_refusal("+4930123456")
    assert "DIAL_REGIONS" in made.find_refusal("+442079460018")
    assert "DIAL_REGIONS" in policy(US, {"regions": "any"}, frozenset({"US"})).find_refusal("+18765550188")


def test_types_are_allowed_by_name():
    assert policy(DE, {"types": "mobile"}).find_refusal("+491711234567") == ""
    assert "fixed_line" in policy(DE, {"types": "mobile"}).find_refusal("+4930123456")
    assert policy(US, {"types": "fixed_line, mobile"}).find_refusal("+12015550188") == ""
    assert "fixed_line_or_mobile" in policy(US, {"types": "mobile"}).find_refusal("+12015550188")


def test_a_free_number_is_dialled_from_every_country_that_shares_it():
    assert policy(["+14165550123"]).find_refusal("+18005550123") == ""
    assert policy(DE).find_refusal("+18005550123")


def test_sip_hosts_are_dialled_where_they_are_listed():
    made = policy(US, {"sip_hosts": ["acme.sip.opentact.org", "*.Example.com"]})
    for fine in (
        "ann@acme.sip.opentact.org",
        "sip:ann@ACME.sip.opentact.org",
        "101@a.example.com",
        "ann.b@x.y.example.com",
    ):
        assert made.find_refusal(fine) == "", fine
    for wrong in ("ann@example.com", "ann@evilexample.com", "ann@acme.sip.opentact.org.evil.example", "ann@opentact.org"):
        assert HOST in made.find_refusal(wrong), wrong
    assert made.normalize_dial_target("SIP:ann@ACME.sip.opentact.org") == "ann@acme.sip.opentact.org"


def test_a_number_in_front_of_a_sip_host_must_be_allowed_too():
    made = policy(US, {"sip_hosts": "acme.example"})
    assert made.find_refusal("+12015550188@acme.example") == ""
    assert PREMIUM in made.find_refusal("sip:+19005550188@acme.example")
    assert PREMIUM in made.find_refusal("1-900-555-0188@acme.example")
    assert "is in JM" in made.find_refusal("+18765550188@acme.example")
    assert SATELLITE in made.find_refusal("00881612345678@acme.example")
    assert SHORT in made.find_refusal("911@acme.example")
    assert made.find_refusal("+911@acme.example")


def test_a_target_is_dialled_in_one_form():
    made = policy(US)
    for written in ("12015550188", "+12015550188", "+1 201 555 0188", "+1 (201) 555-0188", "0012015550188"):
        assert made.normalize_dial_target(written) == "+12015550188"
    assert made.normalize_dial_target("x") == made.normalize_dial_target("") == ""


@each_case(
    ("given", "message"),
    [
        ({"regions": "UK"}, "error: regions: there is no country 'UK' (did you mean 'GB', the United Kingdom?)"),
        ({"regions": "USA"}, "error: regions: there is no country 'USA' (did you mean 'US'?)"),
        ({"regions": "Germany"}, "error: regions: there is no country 'Germany' (did you mean 'DE'?)"),
        ({"regions": "all"}, "error: regions: there is no country 'all' (did you mean 'any'?)"),
        ({"regions": "NANP"}, f"error: regions: there is no country 'NANP' ({A_REGION})"),
        ({"types": "landline"}, "error: types: there is no type 'landline' (did you mean 'fixed_line'?)"),
        ({"deny": "1900*"}, "error: deny: '1900*' is neither a number nor a prefix (did you mean '+1900*'?)"),
        ({"deny": "0044*"}, "error: deny: '0044*' is neither a number nor a prefix (did you mean '+44*'?)"),
        (
            {"deny": "12015550188"},
            "error: deny: '12015550188' is neither a number nor a prefix (did you mean '+12015550188'?)",
        ),
        ({"deny": "900*"}, f"error: deny: '900*' is neither a number nor a prefix (write +1900* {IF_AMERICAN})"),
        (
            {"deny": "+1900"},
            "error: deny: no country has numbers of the length of +1900 (a prefix ends with a star: +1900*)",
        ),
        ({"types": ["mobil"]}, "error: types: there is no type 'mobil' (did you mean 'mobile'?)"),
        ({"allow": "0201*"}, f"error: allow: '0201*' is neither a number nor a prefix ({A_NUMBER})"),
        ({"allow": "*"}, f"error: allow: '*' is neither a number nor a prefix ({A_NUMBER})"),
        ({"sip_hosts": "*"}, f"error: sip_hosts: '*' is no host ({A_HOST})"),
        ({"sip_hosts": "*.com"}, f"error: sip_hosts: '*.com' is no host ({A_HOST})"),
        ({"region": "US"}, "error: there is no key 'region' here (did you mean 'regions'?)"),
        ({"allow": "+1*"}, f"warning: allow: +1* lies in several countries, and allows every one of them ({LONGER})"),
    ],
)
def test_what_is_wrong_with_a_policy_is_said(given, message):
    assert said(given) == [message]


@each_case("denied", ["+1 201*", "+1 (201) 555*", "+1-201-555-0188", "+1 (201) 555-0188"])
def test_a_number_or_a_prefix_of_a_policy_may_have_the_blanks_of_people(denied):
    for given in (denied, [denied]):
        report = ProblemReport("acme.yaml")
        made = read_dial_policy({"deny": given}, ("dial_policy",), report, US, None)
        assert report.problems == []
        assert "denied" in made.find_refusal("+12015550188")
        assert made.find_refusal("+12125550188") == ""


@each_case("section", ["regions: [UK]", "regions: NANP", "types: premium", "types: [mobil]"])
def test_of_a_wrong_word_of_a_policy_one_thing_is_said(section):
    steps = "- collect: {into: whom, digits: 11, prompt: Whom?, otherwise: start}\n- dial: '{{ whom }}'\n- hangup"
    (problem,) = compile_text(make_flow_text(steps, f"dial_policy: {{{section}}}").replace("rest", "+12015550123")).problems
    assert problem.rule == "dial-policy"


@pytest.mark.parametrize("kind", ["premium_rate", "shared_cost", "unknown", "premium", "Premium-Rate"])
def test_to_ask_for_a_type_that_is_never_dialled_is_an_error(kind):
    (message,) = said({"types": ["mobile", kind]})
    assert message.startswith(f"error: types: {kind} numbers are never dialled")


@each_case("given", ["US", ["US"], 7, {"regions": {"US": 1}}, {"regions": [["US"]]}, {"types": ""}])
def test_a_policy_of_another_shape_is_an_error_and_allows_nothing_more(given):
    report = ProblemReport("acme.yaml")
    made = read_dial_policy(given, ("dial_policy",), report, US, None)
    assert report.has_errors
    assert made.find_refusal("+18765550188")
    assert made.find_refusal("+19005550188")


# What an author writes literally


@each_case(
    ("number", "doubt"),
    [
        ("+12015550188", ""),
        ("+1 (201) 555-0188", ""),
        ("12015550188", ""),
        ("101", ""),
        ("ann@acme.sip.opentact.org", ""),
        ("+18765550188", ""),
        ("+19005550188", "is a premium-rate number"),
        ("+491805123456", "is a shared-cost number"),
        ("+881612345678", "is a satellite number"),
        ("+11115550188", "is not a valid number"),
        ("02015550188", "is not a valid number"),
        ("911", "is an emergency number"),
        ("+112", "is an emergency number"),
    ],
)
def test_a_literal_number_is_doubted_where_it_may_be_a_mistake(number, doubt):
    assert find_number_doubt(number) == doubt


@each_case(
    "number", ["0044 20 7183 8751", "0049 30 12345678", "+44 (0)20 7183 8751", "sip:+12015550188", "tel:+12015550188"]
)
def test_a_number_that_is_rung_in_another_spelling_is_not_doubtful(number):
    assert find_number_doubt(number) == ""
