"""Callers and the lists that contain them."""

from __future__ import annotations

import sys
import threading
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callflows.flows.caller_lists import caller_list_reader
from callflows.flows.caller_lists.call_counter import InMemoryCallCounter
from callflows.flows.caller_lists.caller_list import CallerList
from callflows.flows.caller_lists.caller_list_reader import read_caller_list
from callflows.flows.dial_policy.numbering_plans import parse_e164_digits
from callflows.flows.source.positions import ProblemReport
from callflows.telephony.calls import Caller
from callflows.telephony.phone_numbers import PhoneNumber, parse_attestation, parse_caller_number
from callflows.telephony.turn import Turn
from each_case import each_case
from waiting import join_thread, run_process

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


def caller(from_: str, **told: str) -> Caller:
    return Turn({"from": from_, "to": "12015550123", **told}, get_base_url=lambda: "").caller


@pytest.fixture
def read(tmp_path):
    def reading(text: str | bytes, name: str = "spam.csv") -> tuple[CallerList, list[str]]:
        file = tmp_path / name
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        report = ProblemReport("acme.yaml")
        made = read_caller_list("spam", file, report, ("lists", "spam"), NOW)
        return made, [str(problem).replace(f"{tmp_path}/", "") for problem in report.problems]

    return reading


@pytest.fixture
def listed(read):
    def reading(text: str | bytes, moment: datetime = NOW, zone: ZoneInfo | None = None):
        made, problems = read(text)
        assert problems == []
        return made.at_moment(moment, zone)

    return reading


# Who withholds the number


@each_case(
    "from_",
    [
        "",
        "anonymous",
        "Anonymous",
        "ANONYMOUS",
        "sip:anonymous@anonymous.invalid",
        "sips:Anonymous@example.com:5061;user=phone",
        '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=9',
        "Anonymous <sip:+12015550999@example.com>",
        "<sip:anonymous@anonymous.invalid>",
        "<anonymous>",
        "restricted",
        "private",
        "Private Number",
        "unavailable",
        "Not Available",
        "blocked",
        "withheld",
        "unknown",
        "Unknown Caller",
        "null",
        "(null)",
        "None",
        "No Caller ID",
        "out of area",
        "sip:unavailable@unknown.invalid",
        "sip:+12015550999@anonymous.invalid",
        "sip:x@asserted.invalid",
        "266696687",
        "+266696687",
        "+1266696687",
        "1266696687",
        "sip:266696687@example.com",
        "7378742833",
        "+7378742833",
        "+17378742833",
        "17378742833",
        "2562533",
        "+2562533",
        "+8656696",
        "+8566",
        "+86282452253",
        "+7748483",
        "0",
        "0000000000",
        "+0000000000",
        "+00",
        "sip:0000000000@example.com",
        "  ",
        "unbekannt",
        "Anónimo",
    ],
)
def test_a_caller_who_withholds_the_number_is_anonymous(from_):
    found = caller(from_)
    assert found.anonymous
    assert found.number == ""
    assert found.state == found.region == "unknown"


@each_case(
    ("from_", "number"),
    [
        ("+12015550999", "+12015550999"),
        ("12015550999", "+12015550999"),
        (" 12015550999", "+12015550999"),
        ("sip:+12015550999@example.com", "+12015550999"),
        ('"Ann" <sip:+12015550999@example.com>;tag=1', "+12015550999"),
        ('"" <sip:+12015550999@example.com>', "+12015550999"),
        ('"Unknown" <sip:+12015550999@example.com>', "+12015550999"),
        ("+17378742834", "+17378742834"),
        ("+4930123456", "+4930123456"),
        ("ann", "ann"),
        ("nan", "nan"),
        ("8566", "8566"),
        ("private.ryan", "private.ryan"),
        ("anonymous.bosch", "anonymous.bosch"),
        ("sip:ann@invalid.example.com", "sip:ann@invalid.example.com"),
    ],
)
def test_a_caller_who_says_who_he_is_is_not_anonymous(from_, number):
    assert caller(from_).number == number
    assert not caller(from_).anonymous


@given(st.text(max_size=300))
def test_no_caller_breaks_us(text):
    found = caller(text)
    assert found.anonymous == (found.number == "")
    assert isinstance(found.state, str)
    assert found.number == parse_caller_number(text)


# What is known of a caller


@each_case(
    ("number", "state"),
    [
        ("+12015550999", "NJ"),
        ("+12125550999", "NY"),
        ("+19175550999", "NY"),
        ("+14155550999", "CA"),
        ("+12025550999", "DC"),
        ("+12065550999", "WA"),
        ("+14035550999", "AB"),
        ("+14165550999", "ON"),
        ("+15145550999", "QC"),
        ("+16045550999", "BC"),
        ("+17875550999", "PR"),
        ("+16715550999", "GU"),
        ("+13405550999", "VI"),
        ("+12032000999", "CT"),
        ("+13109990999", "CA"),
        ("+17139990999", "TX"),
        ("+17189990999", "NY"),
        ("+19059990999", "ON"),
        ("+18005550999", "unknown"),
        ("+18765550999", "unknown"),
        ("+18675550999", "unknown"),
        ("+19005550999", "unknown"),
        ("+442079460018", "unknown"),
        ("ann", "unknown"),
        ("+1", "unknown"),
        ("+1201555", "unknown"),
    ],
)
def test_the_state_of_a_north_american_caller_is_known_by_the_number(number, state):
    assert caller(number).state == state


def test_the_heavy_tables_of_states_are_not_read_until_somebody_asks():
    script = (
        "import sys\nfrom callflows.telephony.calls import Caller\nimport app\nCaller('+442079460018', '').state\n"
        "assert 'phonenumbers.geodata' not in sys.modules\n"
        "assert Caller('+12015550999', '').state == 'NJ'\nassert 'phonenumbers.geodata' in sys.modules"
    )
    run_process([sys.executable, "-c", script], check=True)


@each_case(("told", "calls"), [("1", 1), ("17", 17), ("", 0), ("x", 0), ("-1", 0), ("1" * 5000, 0), ("٣", 0), ("1\n", 0)])
def test_the_calls_of_today_are_those_that_were_counted_and_none_where_nobody_counted(told, calls):
    assert caller("+12015550999", calls=told).calls_today == calls
    assert caller("+12015550999").calls_today == 0


@each_case(
    ("written", "level"),
    [
        *((form, "A") for form in ("A", " a ", "full", "Full", "passed-a", "attest=A")),
        *((form, "A") for form in ("TN-Validation-Passed-A", "TN-Validation-Passed-A-Diverted", "Full Attestation")),
        *((form, "B") for form in ("B", "partial", "TN-Validation-Passed-B", "level b")),
        *((form, "C") for form in ("C", "gateway", "TN-Validation-Passed-C")),
        *((form, "unknown") for form in ("", "null", "none", "unknown", "D", "AB", "No-TN-Validation", "0", "true")),
        *((form, "unknown") for form in ("TN-Validation-Failed-A", "TN-Validation-Passed", "a\x00b")),
    ],
)
def test_the_attestation_is_one_of_three_letters_or_unknown(written, level):
    assert parse_attestation(written) == level
    assert Turn({"attestation": written}, get_base_url=lambda: "").call.attestation == level


# Lists


def test_a_list_has_numbers_and_prefixes(listed):
    found = listed("number,reason,until\n+12015550999,robocalls,\n+1900*,premium,\n+4930123456\n")
    assert caller("+12015550999") in found
    assert caller("+12015550998") not in found
    assert caller("+19005550999") in found
    assert caller("+4930123456") in found
    assert caller("+49301234567") not in found
    assert found.reason(caller("+12015550999")) == "robocalls"
    assert found.reason(caller("+4930123456")) == "listed"
    assert found.reason(caller("+12015550998")) == ""


def test_a_number_is_found_however_it_is_written(listed):
    found = listed("+12015550999\n")
    for who in (
        "+12015550999",
        "12015550999",
        "+1 (201) 555-0999",
        PhoneNumber("+12015550999"),
        12015550999,
        "sip:+12015550999@x",
    ):
        assert who in found
    for who in ("", None, True, 0, -1, 10**30, "x" * 10_000, "ann", [], {}, 1.5, "2015550999"):
        assert who not in found


def test_a_withheld_number_is_in_no_list_unless_a_row_says_so(listed):
    assert caller("anonymous") not in listed("+1*\n+4*\n")
    found = listed("anonymous,who are you,\n")
    assert caller("anonymous") in found
    assert caller("").number in found
    assert found.reason(caller("")) == "who are you"
    assert caller("+12015550999") not in found
    assert caller("ann") not in found
    assert "" not in found


def test_a_login_name_of_digits_is_no_number(listed):
    found = listed("+120*\n")
    assert caller("1201") not in found


def test_an_expired_row_leaves_the_number_to_the_rows_that_hold(listed):
    found = listed("+12015550999,exact,2026-01-01\n+1201555*,long,2026-01-01\n+1201*,short,\n")
    assert found.reason(caller("+12015550999")) == "short"


@pytest.mark.parametrize(
    ("until", "moment", "holds"),
    [
        ("2026-11-23", "2026-11-23T23:59:59-05:00", True),
        ("2026-11-23", "2026-11-24T00:00:00-05:00", False),
        ("2026-11-23 18:00", "2026-11-23T17:59:59-05:00", True),
        ("2026-11-23 18:00", "2026-11-23T18:00:00-05:00", False),
        ("2026-11-23T18:00:00Z", "2026-11-23T12:59:59-05:00", True),
        ("2026-11-23T18:00:00Z", "2026-11-23T13:00:00-05:00", False),
        ("2026-11-23T18:00+01:00", "2026-11-23T12:00:00-05:00", False),
        ("2026-11-01", "2026-11-01T23:59:59-05:00", True),
        ("2026-11-01", "2026-11-02T00:00:00-05:00", False),
        ("9999-12-31", "2026-11-23T12:00:00-05:00", True),
        ("never", "2026-11-23T12:00:00-05:00", True),
    ],
)
def test_a_date_holds_to_the_end_of_that_day_in_the_zone_of_the_flow(read, until, moment, holds):
    made, _ = read(f"+12015550999,,{until}\n")
    assert (caller("+12015550999") in made.at_moment(datetime.fromisoformat(moment), NEW_YORK)) is holds


@pytest.mark.parametrize(
    "text",
    [
        "+12015550999,spam,2030-01-01",
        "\ufeffNumber,Reason,Until\r\n+12015550999,spam,2030-01-01\r\n",
        "+12015550999;spam;2030-01-01\n",
        "phone;reason;expires\n+12015550999;spam;2030-01-01\n",
        "+12015550999\tspam\t2030-01-01\n",
        '"+12015550999","spam","2030-01-01"\n',
        '"+12015550999", "spam", 2030-01-01\n',
        "reason,until,ignored,number\nspam,2030-01-01,x,+12015550999\n",
        '# a comment, with "a quote\n\n  # and, more\n12015550999 , spam , 2030-01-01\n\n,,\n',
        "+12015550999,spam,2030-01-01\r+12015550998,other,\r",
        "'+12015550999,spam,2030-01-01\n",
        "\u202a+1 (201) 555-0999\u202c,spam,2030-01-01\n",
    ],
)
def test_a_list_may_come_out_of_any_program(listed, text):
    assert listed(text).reason(caller("+12015550999")) == "spam"


def test_a_reason_may_hold_delimiters_quotes_and_lines(listed):
    found = listed('+12015550999,"rude, ""very"" rude;\nreally",\n+12015550998,x,\n')
    assert found.reason(caller("+12015550999")) == 'rude, "very" rude;\nreally'
    assert caller("+12015550998") in found


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "+12015550999\n  x,spam\n",
            (
                "spam.csv:2:3: error: 'x' is not a number (write it with its country code, as +12015550123; a prefix as"
                " +1201*; anonymous for withheld numbers) [list-row]"
            ),
        ),
        (
            "+12015550999,spam,12/24/2026\n",
            (
                "spam.csv:1:19: error: until: '12/24/2026' is no date (write it as 2026-12-24, which holds to the end"
                " of that day, or 2026-12-24 18:00) [list-row]"
            ),
        ),
        (
            "+12015550999,a,b,c\n",
            (
                "spam.csv:1:18: error: the row has 4 cells, and not a number, a reason and a date (put a reason with commas"
                " in it in quotes) [list-row]"
            ),
        ),
        (
            "+12015550999\n+1 201 555 0999,again\n",
            (
                "spam.csv:2:1: warning: +1 201 555 0999 is in the list already (take one out; until then the one that holds"
                " longer counts) [list-row-twice]"
            ),
        ),
        (
            "2015550123,spam\n",
            (
                "spam.csv:1:1: warning: 2015550123 has no plus, and its first digits are taken for a country's code (write"
                " +12015550123 if it is North American, else put its own country code with a plus before it)"
                " [list-row-country]"
            ),
        ),
        (
            "201*,spam\n",
            (
                "spam.csv:1:1: warning: 201* has no plus, and its first digits are taken for a country's code (write"
                " +1201* if it is North American, else put its own country code with a plus before it) [list-row-country]"
            ),
        ),
        (
            "1.20156E+10,spam\n",
            (
                "spam.csv:1:1: error: '1.20156E+10' is not a number (a spreadsheet has rounded it: make the"
                " column text there) [list-row]"
            ),
        ),
        ("", "acme.yaml:1:1: warning: lists: spam: spam.csv has no rows (nobody is in it) [list-empty]"),
        (
            "number,reason,until\n",
            "acme.yaml:1:1: warning: lists: spam: spam.csv has no rows (nobody is in it) [list-empty]",
        ),
        (
            "+12015550999,,2026-01-01\n+1900*,,2026-02-01\n",
            (
                "acme.yaml:1:1: warning: lists: spam: all rows of spam.csv have expired, the last by 2026-02-02 (nobody is"
                " in it any more: renew it, or take it out) [list-stale]"
            ),
        ),
        (
            '+12015550999,"spam\n+12015550998,\n',
            (
                "spam.csv:1:1: error: this is not CSV: unexpected end of data (a quote is not closed, or stands within a"
                " text) [list-unreadable]"
            ),
        ),
        (b"+12015550999\n\xff\xfe", "spam.csv:2:1: error: the file is not UTF-8 (save it as UTF-8) [list-unreadable]"),
        (
            b"+12015550999\na\x00",
            "spam.csv:2:1: error: the file is no text: it holds zero bytes (save it as CSV in UTF-8) [list-unreadable]",
        ),
    ],
)
def test_what_is_wrong_with_a_list_is_said_with_its_place(read, text, problems):
    assert read(text)[1] == [problems]


@pytest.mark.parametrize("number", ["*", "+*", "0*", "01711234567", "0201*", "+1201*5", "ann", "+", "1", "++1201*", ",x"])
def test_what_is_neither_a_number_nor_a_prefix_is_an_error(read, number):
    made, problems = read(f"+12015550999\n{number}\n")
    assert [problem.partition(" error: ")[0] for problem in problems] == ["spam.csv:2:1:"]
    assert len(made) == 1


@pytest.mark.parametrize(
    "until", ["2026-02-30", "2026-13-01", "20261224", "0001-01-01", "2026-12-24 25:00", "soon", "2026-W52-4"]
)
def test_a_date_that_is_none_is_an_error(read, until):
    made, (problem,) = read(f"+12015550999,,{until}\n")
    assert "[list-row]" in problem
    assert len(made) == 0


def test_of_two_rows_for_a_number_the_one_that_holds_longer_counts(read):
    for rows in ("+12015550999,old,2026-01-01\n+12015550999,new,2027-01-01\n", "+1201*,new,\n+1201*,old,2027-01-01\n"):
        assert read(rows)[0].at_moment(NOW).reason("+12015550999") == "new"


def test_a_list_that_is_wrong_everywhere_is_not_said_line_by_line(read):
    made, problems = read("+12015550999\n" + "x\n" * 10_000)
    assert len(made) == 1
    assert len(problems) == 21
    assert "more rows like those" in problems[-1]


def test_a_file_that_is_missing_or_no_file_is_an_error_at_the_place_that_names_it(tmp_path):
    for file, rule in (
        (tmp_path / "none.csv", "list-missing"),
        (tmp_path, "list-unreadable"),
        (tmp_path / "a\0b", "list-unreadable"),
    ):
        report = ProblemReport("acme.yaml")
        assert len(read_caller_list("spam", file, report, ("lists", "spam"), NOW)) == 0
        assert [(problem.file, problem.severity, problem.rule) for problem in report.problems] == [
            ("acme.yaml", "error", rule)
        ]


def test_a_line_without_end_is_refused(read):
    _, (problem,) = read("+12015550999," + "x" * 100_000)
    assert "the line has over" in problem


@given(st.binary(max_size=400) | st.text(alphabet='+1290*,;\t"#\r\n x-', max_size=200).map(str.encode))
def test_no_file_breaks_us(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("lists") / "a.csv"
    file.write_bytes(content)
    made = read_caller_list("a", file, ProblemReport("acme.yaml"), ("lists", "a"), NOW)
    assert len(made) <= content.count(b"\n") + content.count(b"\r") + 1


@example("3122000000")
@given(st.from_regex(r"\+?[1-9][0-9]{5,15}", fullmatch=True))
def test_a_row_is_read_as_the_same_number_as_a_caller(written):
    from callflows.telephony.phone_numbers import parse_e164  # noqa: PLC0415 - the oracle

    assert parse_e164_digits(written) == parse_e164(written)[1:]


def test_a_list_of_a_hundred_thousand_numbers_is_read(read):
    rows = "".join(f"+1201{number:07},spam,2030-01-01\n+4930{number:07},spam,\n" for number in range(2_000_000, 2_050_000))
    made, problems = read(rows)
    assert problems == []
    assert len(made) == 100_000
    assert len({id(row) for row in made.numbers.values()}) == 2
    assert "+12012049999" in made.at_moment(NOW)
    assert "+12012050000" not in made.at_moment(NOW)


# How often somebody has rung


ROW_ENDS = ["", ",", ",spam", ",spam,2030-01-01", ',"a, b"', ",spam,1.1.2030", ";x", ",x,,", ",x,,,y", ", spam", ",\u00e9"]


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(
                ["+12015550123", "12015550123", "+442079460018", "442079460018", "+1201*", "who", "+3312", "00331"]
            ),
            st.sampled_from(ROW_ENDS),
            st.sampled_from(["\n", "\r\n", "\r", "\n\n# note\n"]),
        ),
        max_size=12,
    )
)
def test_a_row_that_is_read_quickly_means_what_it_means_read_slowly(tmp_path_factory, rows):
    file = tmp_path_factory.mktemp("list") / "spam.csv"
    file.write_text("".join(map("".join, rows)), encoding="utf-8", newline="")
    results = []
    for plain_row in (caller_list_reader._PLAIN_ROW_TEMPLATE, b"(?!)%b"):  # noqa: SLF001 - the second takes no row
        report = ProblemReport("acme.yaml")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(caller_list_reader, "_PLAIN_ROW_TEMPLATE", plain_row)
            made = read_caller_list("spam", file, report, ("lists", "spam"), NOW)
        results.append((made.numbers, made.prefixes, made.anonymous_row, report.problems))
    assert results[0] == results[1]


def test_calls_are_counted_by_flow_caller_and_day():
    counts, monday = InMemoryCallCounter(), date(2026, 11, 23)
    assert [counts.count_in_memory("acme", "+12015550999", monday) for _ in range(3)] == [1, 2, 3]
    assert counts.count_in_memory("other", "+12015550999", monday) == 1
    assert counts.count_in_memory("acme", "+12015550998", monday) == 1
    assert counts.count_in_memory("acme", "+12015550999", date(2026, 11, 24)) == 1
    assert counts.count_in_memory("acme", "+12015550999", date(2026, 11, 24)) == 2


def test_who_withholds_the_number_is_not_counted():
    counts = InMemoryCallCounter()
    assert [counts.count_in_memory("acme", "", date(2026, 11, 23)) for _ in range(3)] == [0, 0, 0]
    assert len(counts) == 0


def test_counts_are_bounded_and_the_stalest_are_forgotten():
    counts, monday = InMemoryCallCounter(max_callers=100), date(2026, 11, 23)
    counts.count_in_memory("acme", "regular", monday)
    for number in range(1000):
        counts.count_in_memory("acme", f"+1201555{number:04}", monday)
        counts.count_in_memory("acme", "regular", monday)
    assert len(counts) == 100
    assert counts.count_in_memory("acme", "regular", monday) == 1002


def test_counts_of_days_gone_by_are_forgotten():
    counts = InMemoryCallCounter()
    for number in range(50):
        counts.count_in_memory("acme", f"+1201555{number:04}", date(2026, 11, 23))
    counts.count_in_memory("acme", "x", date(2026, 11, 24))
    assert len(counts) == 51
    counts.count_in_memory("acme", "x", date(2026, 11, 25))
    assert len(counts) == 1


def test_no_count_is_lost_between_threads():
    counts, monday = InMemoryCallCounter(), date(2026, 11, 23)

    def ring():
        for _ in range(2000):
            counts.count_in_memory("acme", "+12015550999", monday)

    threads = [threading.Thread(target=ring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join_thread(thread)
    assert counts.count_in_memory("acme", "+12015550999", monday) == 8001


def test_a_repeated_first_request_is_one_call_and_has_its_number_again():
    counts, monday = InMemoryCallCounter(), date(2026, 11, 23)
    calls = ["a", "a", "b", "a", "", "", "b"]
    assert [counts.count_in_memory("acme", "+12015550999", monday, call) for call in calls] == [1, 1, 2, 1, 3, 4, 2]
    assert counts.count_in_memory("other", "+12015550999", monday, "a") == 1
