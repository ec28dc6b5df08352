"""An expression has the same value as a compiled function and as a Jinja template."""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING, Any

from flow_harness import make_turn
from hypothesis import given
from hypothesis import strategies as st
from jinja2.parser import Parser

from callflows.flows.expressions.expression_functions import build_value_function
from callflows.flows.expressions.expression_scope import CALL_SCOPE, ScopeChecker, make_scope_reader
from callflows.flows.expressions.jinja_rendering import JinjaRenderJob
from callflows.flows.expressions.jinja_sandbox import LANGUAGE_KEY, make_jinja_environment
from callflows.flows.expressions.plain_values import to_plain_data
from callflows.telephony.turn import Variables
from each_case import each_case

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENVIRONMENT = make_jinja_environment()
KNOWN: Mapping[str, Any] = {
    "digits": "5",
    "zeros": "007",
    "text": "Ann",
    "empty": "",
    "none": None,
    "whole": 5,
    "half": 2.5,
    "three": 3.0,
    "yes": True,
    "no": False,
    "few": [1, "2", 3.0],
    "deep": {"vip": True, "n": 7, "s": "7", "null": None, "list": [1]},
}
NAMES = [*KNOWN, "missing", "deep.vip", "deep.n", "deep.s", "deep.null", "deep.gone", "deep.list", "missing.field"]
NAMES = [name for name in NAMES if name != "none"] + ["caller.name", "caller.number", "now.hour", "now.weekday", "number"]
SEEN = {**CALL_SCOPE, **dict.fromkeys([*KNOWN, "missing"])}


def both(source: str, values: Mapping[str, Any] = KNOWN) -> tuple[Any, Any]:
    """What comes of an expression as a function and apart, in another process; an error as its name."""
    parser = Parser(ENVIRONMENT, source, state="variable")
    tree = parser.parse_expression()
    assert parser.stream.eos, source
    turn = make_turn()
    turn.earlier_values = Variables(values)
    turn.reset_progress()
    made = build_value_function(tree, "en-US")
    assert made is not None, f"{source} is a rare form"
    seen: dict[str, Any] = {LANGUAGE_KEY: "en-US"}
    for name in {*ScopeChecker(SEEN, ENVIRONMENT).check_names(tree), "now"}:
        make_scope_reader(name)(turn, seen)
    return outcome(lambda: to_plain_data(made(turn))), outcome(lambda: worked_out(source, seen))


def outcome(work: Callable[[], Any]) -> Any:
    """What comes of it, or what it raises."""
    try:
        return work()
    except (TypeError, ArithmeticError) as error:
        return type(error)


def worked_out(source: str, seen: Mapping[str, Any]) -> Any:
    """What comes of an expression in another process: what it sees is taken there."""
    return pickle.loads(pickle.dumps(JinjaRenderJob("value", source, seen))).run()  # noqa: S301 - ours


EXPRESSIONS = [
    "digits == 5", "5 == digits", "digits != 5", "digits < 6", "digits >= 5", "zeros == 7", "zeros == '7'",
    "digits == '5'", "text == 5", "text < 5", "text > 'A'", "missing == 5", "missing == ''", "missing < 5",
    "missing > 5", "missing == missing", "empty == missing", "none == ''", "none == missing", "deep.null == ''",
    "deep.gone == ''", "not missing", "not deep.gone", "1 < digits < 9", "1 < digits < 5",
    "9 > whole > 1 > missing", "digits in [5, 6]", "5 in ['5']", "digits in '567'", "digits not in [5]",
    "text in few", "2 in few", "3 in few", "missing in few", "text in missing", "text not in missing",
    "'vip' in deep", "few == [1, '2', 3]", "few < 3", "deep > 1", "yes == 1", "yes == 'true'", "no == 0",
    "no == ''", "digits + 1", "1 + digits", "digits - 1", "whole + 1", "half + half", "three + 1", "missing + 1",
    "1 + missing", "missing - 1", "1 - missing", "missing + missing", "missing + 'a'", "'a' + missing", "text + 1",
    "text - 1", "1 - text", "text + text", "few + few", "few + 1", "few - 1", "missing + few", "deep + 1",
    "deep + deep", "none + 1", "yes + 1", "zeros - 1", "digits - digits", "deep.s - 1", "deep.n + deep.s",
    "deep.gone - 1", "now.hour + 1", "now.hour - digits", "digits ~ 1", "missing ~ 'x'", "none ~ 'x'",
    "three ~ ''", "half ~ text", "yes ~ ''", "few ~ ''", "number ~ ''", "'a' if digits == 5 else 'b'",
    "'a' if missing else 'b'", "'a' if missing", "('a' if missing) == ''", "missing or text", "text and digits",
    "missing is none", "missing is defined", "deep.gone is undefined", "none is none", "text is defined",
    "deep.vip and deep.n == '7'", "few[0] == 1", "few[9] == ''", "deep['s'] == 7", "text[0]", "text[0] < 5",
    "missing | default('x')", "empty | default('x')", "digits | int + 1", "text | length > 2",
    "missing | length == 0", "text | upper ~ digits", "few | join(', ')", "none", "true", "5", "'5' == 5",
    "5 - 3 == '2'", "('1' + 1) == 11", "caller.name == ''",
    "text[:2]", "text[-2:]", "text[::-1]", "text[:missing]", "text[:digits]", "text[:text]", "text[::0]", "missing[:2]",
    "missing.field[:2] == ''", "deep.null[1:]", "whole[:2]", "few[1:] == ['2', 3]", "few[:9]", "deep[:1]", "number[-4:]",
    "now.weekday in ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']", "now.hour < '24'", "number == 1",
]  # fmt: skip


@each_case("source", EXPRESSIONS)
def test_both_ways_give_the_same(source):
    ours, apart = both(source)
    assert ours == apart
    assert type(ours) is type(apart)


FALSE_TEXTS = [
    "false",
    "False",
    "FALSE",
    "no",
    "No",
    "off",
    "0",
    "null",
    "none",
    "~",
    "",
    " false ",
    "n",
    "disabled",
    "0.0",
]
TRUE_TEXTS = ["true", "yes", "on", "1", "00", "nobody", "+12015550123"]


@each_case("text", [*FALSE_TEXTS, *TRUE_TEXTS])
def test_a_text_that_says_no_is_false_both_ways(text):
    truth = text in TRUE_TEXTS
    for source, value in (
        ("not text", not truth),
        ("not not text", truth),
        ("'a' if text else 'b'", "a" if truth else "b"),
        ("text or 'else'", text if truth else "else"),
        ("text and 'then'", "then" if truth else text),
        ("not (text and yes)", not truth),
        ("deep.s and text and 7", 7 if truth else text),
    ):
        assert both(source, {**KNOWN, "text": text}) == (value, value), source
    kept = {"text": text, LANGUAGE_KEY: "en-US"}
    assert JinjaRenderJob("text", "{% if text %}a{% elif not text %}b{% endif %}", kept).run() == ("a" if truth else "b")
    assert JinjaRenderJob("text", "{% for c in [text] if c %}a{% else %}b{% endfor %}", kept).run() == (
        "a" if truth else "b"
    )


@each_case(
    ("source", "value"),
    [
        ("'false' == false", True),
        ("'no' == false", True),
        ("'off' != true", True),
        ("true == 'yes'", True),
        ("'maybe' == true", False),
        ("'' == false", False),
        ("'0' == false", True),
        ("'' in text", False),
        ("'' not in text", True),
        ("missing in few", False),
        ("missing not in few", True),
        ("'' in ['', 'a']", False),
        ("none in 'abc'", False),
        ("'nn' in text", True),
        ("'2' in few", True),
        ("1 < digits and digits in ['5']", True),
    ],
)
def test_words_compare_with_truth_and_an_empty_value_is_in_nothing(source, value):
    assert both(source) == (value, value)


@each_case(
    ("source", "value"),
    [
        ("digits == 5", True),
        ("'5' == 5", True),
        ("text < 5", False),
        ("missing + 1", 1),
        ("1 - missing", 1),
        ("digits - 1", 4),
        ("digits + 1", "51"),
        ("text - 1", TypeError),
        ("'' - 1", -1),
        ("few + 1", TypeError),
        ("few + few", [1, "2", 3.0, 1, "2", 3.0]),
        ("none ~ 'x'", "x"),
        ("three ~ ''", "3"),
        ("missing is defined", False),
    ],
)
def test_what_both_ways_give_is_what_is_promised(source, value):
    assert both(source) == (value, value)


@each_case(
    ("source", "value"),
    [
        ("digits * 3", 15),
        ("missing * 3", 0),
        ("text * 3", "AnnAnnAnn"),
        ("text * half", TypeError),
        ("7 // digits", 1),
        ("7 % digits", 2),
        ("1 / missing", ""),
        ("1 / 0", ZeroDivisionError),
        ("-digits", -5),
        ("+zeros", 7),
        ("-text", TypeError),
        ("-missing", 0),
        ("2 ** digits", 32),
        ("1e300 ** 9", OverflowError),
        ("digits is eq 5", True),
        ("digits is gt 4", True),
        ("text is lt 4", False),
        ("digits is in [5]", True),
        ("digits is odd", True),
        ("text is odd", False),
        ("missing is even", True),
        ("zeros is divisibleby 7", True),
        ("zeros is divisibleby 0", False),
        ("[digits, 1][0] == 5", True),
        ("few | sort | first == 1 if few[1] == 3", ""),
    ],
)
def test_rare_forms_keep_to_the_same_rules(source, value):
    seen = {**KNOWN, "missing": Variables()["missing"], LANGUAGE_KEY: "en-US"}
    assert outcome(lambda: worked_out(source, seen)) == value


JINJA_FILTERS = sorted(ENVIRONMENT.filters)


@each_case("value", ["missing", "deep.gone", "deep.null", "none", "text", "whole", "few", "deep", "[missing]"])
def test_no_filter_fails_on_data_or_makes_an_object_of_it(value):
    seen = {**KNOWN, "missing": Variables()["missing"], LANGUAGE_KEY: "en-US", "now": make_turn().now}
    for name in JINJA_FILTERS:
        given = {"batch": "(2)", "slice": "(2)", "replace": "('a', 'b')"}.get(name, "")
        made = worked_out(f"({value} | {name}{given}) ~ ''", seen)
        assert isinstance(made, str), name
        assert not re.search(" object|Missing|None", made), name
        if value in ("missing", "deep.gone", "deep.null", "none"):
            assert made in ("", "0", "0.0", "null"), name


@each_case(
    ("source", "value"),
    [
        ("'%02d' | format(whole)", "05"),
        ("'%02d' | format(digits)", "05"),
        ("'%02d' | format(missing)", ""),
        ("'Ticket %02d of %s.' | format(missing, text)", "Ticket  of Ann."),
        ("'%(n)d and %(name)s' | format(n=deep.n, name=text)", "7 and Ann"),
        ("'%.1f%%' | format(half)", "2.5%"),
        ("'%s' | format(few)", "1, 2, 3"),
        ("'%d' | format(text)", ""),
        ("'%s %s' | format(text)", "Ann "),
        ("deep.gone | round | default('none')", "none"),
        ("half | round", 2.0),
        ("'3.7' | round", 4.0),
        ("[deep.gone, 1, 2] | sum", 3),
        ("[deep.gone, 4] | max", 4),
        ("few | unique | join('-')", "1-2-3"),
        ("text | reverse", "nnA"),
        ("few | reverse | join", "321"),
        ("few | slice(3) | join", "123"),
        ("deep | tojson", '{"list": [1], "n": 7, "null": null, "s": "7", "vip": true}'),
    ],
)
def test_a_filter_takes_plain_values_and_makes_plain_values(source, value):
    seen = {**KNOWN, "missing": Variables()["missing"], LANGUAGE_KEY: "en-US"}
    assert outcome(lambda: worked_out(source, seen)) == value


LEAVES = st.sampled_from([*NAMES, "5", "'5'", "''", "'Ann'", "2.5", "true", "none", "0", "'007'"])
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in", "+", "-", "~", "and", "or"])


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """An expression made of others."""
    two = st.builds("({} {} {})".format, inner, OPERATORS, inner)
    chosen = st.builds("({} if {} else {})".format, inner, inner, inner)
    return (
        two
        | chosen
        | st.builds("(not {})".format, inner)
        | st.builds("({} is {})".format, inner, st.sampled_from(["none", "defined"]))
    )


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.sampled_from([2.5, 3.0]) | st.text("05a.-+ é", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["vip", "n", "s"]), inner, max_size=3),
    max_leaves=4,
)


@given(st.recursive(LEAVES, joined, max_leaves=6), st.dictionaries(st.sampled_from([*KNOWN]), VALUES))
def test_whatever_is_asked_of_whatever_is_kept_both_ways_agree(source, values):
    ours, apart = both(source, values)
    assert (ours, type(ours)) == (apart, type(apart))
