"""Lookups at other servers, also at slow, broken and hostile ones."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import json
import ssl
import sys

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from outside_servers import (
    LOCAL_HOST,
    ONLY_OTHER_NETWORK,
    OTHER_HOST,
    format_answer,
    format_json_answer,
    make_lookup,
    make_resolver,
    run_live_effects,
    run_server,
)

from callflows.effects.http_lookup import MAX_LOOKUP_ANSWER_DEPTH
from callflows.effects.live_effects import LiveEffects
from callflows.outbound_http import MAX_OUTBOUND_ANSWER_BYTES
from each_case import each_case
from waiting import run_bounded, run_process, wait_until_async


def found(answered, **given):
    """What a lookup finds at a server that answers so, and what the server was asked."""

    async def one():
        take = answered if callable(answered) else lambda _asked: answered
        async with run_server(take) as server, run_live_effects() as live:
            return await live.run_lookup(make_lookup(server.url("/accounts/1?pin=4711"), **given)), server.requests

    return run_bounded(one())


def value(answered):
    result, _ = found(answered)
    assert result.ok, result.reason
    return result.value


def reason(answered, **given):
    result, _ = found(answered, **given)
    assert not result.ok
    assert result.value is None
    return result.reason


# What is asked


def test_a_question_is_asked_with_its_method_headers_and_body():
    result, (asked,) = found(
        format_json_answer("{}"), method="post", headers=(("X-Api-Key", " abc "), ("X-Name", "Zoë")), body='{"a": "ü"}'
    )
    assert result.ok
    assert (asked.method, asked.path, asked.body.decode()) == ("POST", "/accounts/1?pin=4711", '{"a": "ü"}')
    assert asked.headers["x-api-key"] == "abc"
    assert asked.headers["x-name"] == "Zoë"
    assert asked.headers["content-type"] == "application/json"


def test_an_author_s_header_stands_instead_of_ours():
    _, (asked,) = found(format_json_answer("{}"), headers=(("Accept", "text/csv"), ("user-agent", "acme")))
    assert (asked.headers["accept"], asked.headers["user-agent"]) == ("text/csv", "acme")


@pytest.mark.parametrize("given", ["a\r\nX-Other: b", "a\nb", "a\0b", "a\x7fb", "x" * 9000])
def test_a_header_cannot_bring_another_with_it(given):
    result, asked = found(format_json_answer("{}"), headers=(("X-Name", given),))
    assert result.reason == "one of its headers contains invalid characters"
    assert asked == []


@each_case("name", ["Host", "content-length", "Transfer-Encoding", "connection", "Accept-Encoding", "X Y", ""])
def test_headers_of_the_connection_are_not_the_author_s(name):
    result, asked = found(format_json_answer("{}"), headers=((name, "1"),))
    assert not result.ok
    assert asked == []


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET / HTTP/1.1\r\n", ""])
def test_a_method_that_does_something_else_is_refused(method):
    result, asked = found(format_json_answer("{}"), method=method)
    assert "method" in result.reason
    assert asked == []


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert value(format_json_answer('{"vip": true}')) == {"vip": True}


def test_a_connection_is_kept_and_no_cookie_is():
    async def several():
        async with (
            run_server(lambda _asked: format_answer("x", set_cookie="who=ann")) as server,
            run_live_effects() as live,
        ):
            for _ in range(3):
                assert (await live.run_lookup(make_lookup(server.url()))).ok
            return server

    server = run_bounded(several())
    assert server.connections == 1
    assert all("cookie" not in asked.headers for asked in server.requests)


# What is answered


@each_case(
    ("body", "kind", "expected"),
    [
        ('{"vip": true, "n": 1.5, "list": [null]}', "application/json", {"vip": True, "n": 1.5, "list": [None]}),
        ('{"vip": true}', "application/vnd.acme+json; charset=utf-8", {"vip": True}),
        ('\ufeff"gold"', "application/json", "gold"),
        ("7", "application/json", 7),
        ('{"vip": true}', "text/plain", {"vip": True}),
        (" [1]", "application/octet-stream", [1]),
        ("{half", "text/plain", "{half"),
        ("7", "text/plain", "7"),
        ("Zoë", "text/plain; charset=utf-8", "Zoë"),
        ('{"a": "x\\u0000\\ud800y", "\\u0007b": 1}', "application/json", {"a": "xy", "b": 1}),
        ("x\x0by", "text/plain", "xy"),
        ('{"id": 12345678901234567890}', "application/json", {"id": 12345678901234567890}),
    ],
)
def test_an_answer_is_plain_values_or_a_text(body, kind, expected):
    assert value(format_answer(body, content_type=kind)) == expected


def test_a_text_is_read_in_its_charset_and_never_by_a_codec_that_is_none():
    assert value(format_answer("Zoë".encode("latin-1"), content_type="text/plain; charset=ISO-8859-1")) == "Zoë"
    assert value(format_answer("Zoë".encode(), content_type="text/plain; charset=zlib")) == "Zoë"
    assert value(format_answer("“Zoë”".encode("cp1252"), content_type="text/plain; charset=iso-8859-1")) == "“Zoë”"


@each_case(
    ("text", "codec", "charset"),
    [
        ("Здравствуйте", "cp1251", "windows-1251"),
        ("Łódź", "iso-8859-2", "ISO-8859-2"),
        ("こんにちは", "shift_jis", "Shift_JIS"),
        ("你好", "gb18030", "gb18030"),
        ("Zoë", "utf-16", "utf-16"),
        ("Zoë", "utf-8", "us-ascii"),
    ],
)
def test_a_text_in_the_charset_of_another_country_is_heard_as_it_was_written(text, codec, charset):
    assert value(format_answer(text.encode(codec), content_type=f"text/plain; charset={charset}")) == text


@each_case(
    ("body", "kind", "why"),
    [
        (b"Zo\xff", "text/plain", "UTF-8"),
        ("Zoë".encode("latin-1"), "", "UTF-8"),
        ("Müller".encode("latin-1"), "text/plain; charset=utf-8", "UTF-8"),
        (b"\x81\xff", "text/plain; charset=shift_jis", "those of its charset shift_jis"),
    ],
)
def test_a_text_in_other_characters_than_it_says_is_a_failure_and_no_caller_hears_its_holes(body, kind, why):
    assert reason(format_answer(body, content_type=kind)) == f"the answer cannot be read: its characters are not {why}"


def test_a_mark_of_byte_order_is_no_part_of_an_answer():
    assert value(format_answer("\ufeffopen", content_type="text/plain")) == "open"
    assert value(format_answer('\ufeff{"vip": true}', content_type="text/plain")) == {"vip": True}


@each_case("status", [299, 300, 304, 400, 404, 500, 503, 599])
def test_a_status_that_is_not_fine_is_a_failure(status):
    result, _ = found(format_answer('{"vip": true}', status, content_type="application/json"))
    assert (result.ok, result.value, result.status) == (status == 299, {"vip": True} if status == 299 else None, status)


@each_case("body", ["NaN", "[Infinity]", '{"a": -Infinity}', "{", "<html>", "[1,]", "'a'"])
def test_what_says_that_it_is_json_and_is_none_is_a_failure(body):
    assert reason(format_answer(body, content_type="application/json")) == "the answer is not JSON"


@each_case("body", [b"\xff", '{"name": "Zoë"}'.encode("latin-1"), '{"name": "Ann"}'.encode("utf-16")])
def test_json_in_other_characters_than_utf_8_is_a_failure_that_says_so(body):
    kind = "application/json; charset=iso-8859-1"
    assert reason(format_answer(body, content_type=kind)) == "the answer is not JSON: its characters are not UTF-8"


@each_case("body", ["", " ", "\r\n\t"])
def test_json_of_blanks_only_is_an_empty_answer(body):
    assert reason(format_answer(body, content_type="application/json")) == "the answer is empty"


@each_case("kind", ["application/xml", "text/xml; charset=utf-8", "application/soap+xml"])
def test_xml_is_no_data_and_never_spoken(kind):
    body = "<customer><name>Ann</name></customer>"
    assert reason(format_answer(body, content_type=kind)) == "the answer is XML instead of data"


def test_xml_that_calls_itself_a_text_is_xml():
    body = '<?xml version="1.0"?>\n<error>no such customer</error>'
    assert reason(format_answer(body, content_type="text/plain")) == "the answer is XML instead of data"


def test_a_text_that_holds_a_sign_of_markup_is_a_text():
    assert value(format_answer("< 5 minutes", content_type="text/plain")) == "< 5 minutes"
    assert value(format_answer("Ann <ann@acme.example>", content_type="text/plain")) == "Ann <ann@acme.example>"


@each_case(
    ("body", "kind"),
    [
        ("<!DOCTYPE html><html><body>Log in</body></html>", "text/html; charset=utf-8"),
        ("Service unavailable", "text/html"),
        ('{"vip": true}', "text/html"),
        ("\n<html>", "text/plain"),
        ("<!-- x --><!doctype HTML>", "application/octet-stream"),
        ("<h1>It works!</h1>", ""),
        ("\ufeff<html>", "text/plain"),
        ("<br />\n<b>Warning</b>: mysqli_connect(): …", "text/plain"),
        ("<table><tr><td>1</td></tr></table>", ""),
        ("<meta http-equiv=refresh>", ""),
        ("</div>", ""),
        ("<!-- x -->\n<!-- y -->\n<p>Hello", ""),
        ('<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>', ""),
    ],
)
def test_a_web_page_is_no_answer_though_its_status_is_200(body, kind):
    assert reason(format_answer(body, content_type=kind)) == "the answer is a web page (HTML) instead of data"


@each_case(
    ("body", "kind", "status"),
    [("", "application/json", 200), ("", "text/plain", 200), ("", "", 204), (" \n", "text/plain", 200)]
    + [(body, "application/json", 200) for body in ("null", '""', '" "')],
)
def test_nothing_is_no_answer_though_its_status_is_fine(body, kind, status):
    assert reason(format_answer(body, status, content_type=kind)) == "the answer is empty"


@each_case(
    ("body", "default", "why"),
    [
        ('{"error": "no such customer"}', {"vip": False, "name": ""}, "the answer has no key of default: vip, name"),
        ("[1]", {"vip": False}, "the answer is a list, and an object as in default is expected"),
        ("gold", {"vip": False}, "the answer is a text, and an object as in default is expected"),
        (
            '{"vip": {"a": 1}}',
            {"vip": False},
            "vip in the answer is an object, and true or false as in default is expected",
        ),
        ('{"vip": "perhaps"}', {"vip": False}, "vip in the answer is a text, and true or false as in default is expected"),
        ('{"n": "many"}', {"n": 0}, "n in the answer is a text, and a number as in default is expected"),
        ('{"a": {"b": []}}', {"a": {"b": ""}}, "b in a in the answer is a list, and a text as in default is expected"),
        ('{"number": "+1"}', "+12015550188", "the answer is an object, and a text as in default is expected"),
        ('{"a": 1}', [], "the answer is an object, and a list as in default is expected"),
        ("[]", {"vip": False}, "the answer is a list, and an object as in default is expected"),
        ("{}", {"vip": False}, "the answer has no key of default: vip"),
        ("[[1]]", [{"n": 1}], "an entry of the answer is a list, and an object as in default is expected"),
    ],
)
def test_an_answer_of_another_shape_than_the_default_is_a_failure_and_the_log_says_so(body, default, why):
    with structlog.testing.capture_logs() as lines:
        assert (
            reason(format_answer(body, content_type="application/json" if body[0] in "{[" else ""), default=default) == why
        )
    assert [(line["event"], line["reason"]) for line in lines] == [("lookup failed", why)]


@each_case(
    ("body", "default"),
    [
        ('{"vip": true, "more": [1]}', {"vip": False, "name": ""}),
        ('{"vip": null, "name": 5}', {"vip": False, "name": ""}),
        ('{"vip": "yes", "n": "12", "x": {}}', {"vip": False, "n": 0, "x": None}),
        ("[]", [1]),
        ("[]", None),
        ("{}", None),
        ('"gold"', ""),
        ("7", 1),
        ("false", True),
        ("0", None),
        ('{"a": {}}', {"a": {}}),
    ],
)
def test_an_answer_of_the_shape_of_the_default_is_taken(body, default):
    result, _ = found(format_answer(body, content_type="application/json"), default=default)
    assert (result.ok, result.value) == (True, json.loads(body))


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 65, "9" * 5000, "1" * 400 + ".5"])
def test_a_number_that_nothing_can_hold_is_a_failure(number):
    assert "number" in reason(format_json_answer(f'{{"a": {number}}}'))


def test_an_answer_is_as_deep_as_it_may_be_and_no_deeper():
    assert value(format_json_answer("[" * MAX_LOOKUP_ANSWER_DEPTH + "]" * MAX_LOOKUP_ANSWER_DEPTH))
    for depth in (MAX_LOOKUP_ANSWER_DEPTH + 1, 900, 30_000):
        assert "deeper" in reason(format_json_answer("[" * depth + "]" * depth))
        assert "deeper" in reason(
            format_json_answer(
                '{"a":' * (depth // 4 + MAX_LOOKUP_ANSWER_DEPTH) + "1" + "}" * (depth // 4 + MAX_LOOKUP_ANSWER_DEPTH)
            )
        )


def test_an_answer_is_as_large_as_it_may_be_and_no_larger():
    assert len(value(format_answer("x" * MAX_OUTBOUND_ANSWER_BYTES))) == MAX_OUTBOUND_ANSWER_BYTES
    assert (
        reason(format_answer("x" * (MAX_OUTBOUND_ANSWER_BYTES + 1)))
        == f"the answer is larger than {MAX_OUTBOUND_ANSWER_BYTES} bytes"
    )


def test_an_answer_that_never_ends_is_cut():
    async def endless(_asked, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"x" * 4096)
            await writer.drain()

    assert reason(endless) == f"the answer is larger than {MAX_OUTBOUND_ANSWER_BYTES} bytes"


def test_headers_that_never_end_are_cut():
    async def endless(_asked, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: " + b"x" * 4096 + b"\r\n")
            await writer.drain()

    assert reason(endless) == "the answer broke off, or is not valid HTTP"


def test_a_compressed_answer_is_read():
    assert value(
        format_answer(gzip.compress(b'{"vip": true}'), content_encoding="gzip", content_type="application/json")
    ) == {"vip": True}


def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut():
    bomb = gzip.compress(b"x" * 30_000_000)
    assert len(bomb) < MAX_OUTBOUND_ANSWER_BYTES
    assert (
        reason(format_answer(bomb, content_encoding="gzip"))
        == f"the answer is larger than {MAX_OUTBOUND_ANSWER_BYTES} bytes"
    )


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd", "nonsense"])
def test_what_was_not_asked_for_is_not_unpacked(encoding):
    assert "unsupported compression" in reason(format_answer(gzip.compress(b"x"), content_encoding=encoding))


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"x" * 1000, mtime=0)[:-10]])
def test_what_is_compressed_wrongly_is_a_failure(body):
    assert reason(format_answer(body, content_encoding="gzip")) == "the compression of the answer is invalid"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_an_answer_that_breaks_off_or_is_no_http_is_a_failure(sent):
    async def broken(_asked, writer):
        writer.write(sent)
        await writer.drain()
        writer.close()

    assert reason(broken) == "the answer broke off, or is not valid HTTP"


# Time


async def never(_asked, _writer):
    await asyncio.Event().wait()


async def drip(_asked, writer):
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("slow", [never, drip])
def test_a_slow_server_is_given_up_at_the_deadline(slow):
    assert reason(slow, timeout_ms=200) == "no answer within 200 ms"


def test_a_lookup_that_had_less_than_its_limit_says_so():
    short = "no answer within 40 ms: no more was left of the time to answer the call; the limit of the lookup is 5000 ms"
    assert reason(never, timeout_ms=5000, left_ms=40) == short


def test_a_slow_name_server_is_given_up_at_the_deadline():
    async def resolve(_host):
        await asyncio.Event().wait()

    async def one():
        async with run_live_effects(resolve_host=resolve) as live:
            return await live.run_lookup(make_lookup("http://crm.example.com/", timeout_ms=200))

    assert run_bounded(one()).reason == "no answer within 200 ms"


def test_redirects_have_one_deadline_together():
    async def slowly(_asked, writer):
        await asyncio.sleep(0.15)
        writer.write(format_answer(status=302, location="/again"))

    assert reason(slowly, timeout_ms=250) == "no answer within 250 ms"


def test_a_lookup_whose_caller_is_gone_is_cancelled():
    async def one():
        async with run_server(never) as server, run_live_effects() as live:
            task = asyncio.create_task(live.run_lookup(make_lookup(server.url())))
            await wait_until_async(lambda: server.requests, "the request of the lookup")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run_bounded(one())


def test_a_server_that_hangs_does_not_hold_up_questions_to_others():
    async def both():
        async with run_server(never) as slow, run_server(json_answer_one, OTHER_HOST) as quick, run_live_effects() as live:
            hanging = [asyncio.create_task(live.run_lookup(make_lookup(slow.url(), timeout_ms=30_000))) for _ in range(400)]
            await asyncio.sleep(0.05)
            result = await live.run_lookup(make_lookup(quick.url(), timeout_ms=20_000))
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)
            return result, slow.connections

    result, connections = run_bounded(both())
    assert result.value == 1
    assert connections <= 32


def json_answer_one(_asked):
    return format_json_answer("1")


# Redirects


def to(location, status=302):
    return lambda asked: (
        format_answer("1") if asked.path.startswith("/there") else format_answer(status=status, location=location)
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_the_author_s_headers_on_the_same_server(status):
    result, (_, asked) = found(to("/there?x=1#part", status), headers=(("Authorization", "Bearer abc"),))
    assert result.ok
    assert (asked.path, asked.headers["authorization"]) == ("/there?x=1", "Bearer abc")


@pytest.mark.parametrize(
    ("status", "method", "body"), [(303, "GET", b""), (302, "GET", b""), (307, "POST", b"x"), (308, "POST", b"x")]
)
def test_what_was_posted_is_posted_again_only_where_the_redirect_says_so(status, method, body):
    _, (_, asked) = found(to("/there", status), method="POST", body="x")
    assert (asked.method, asked.body) == (method, body)


def elsewhere(status=302, **given):
    """A lookup that is sent to another server: what it finds, and what the other one was asked."""

    async def two():
        async with (
            run_server(lambda _asked: format_answer("1"), OTHER_HOST) as other,
            run_server(lambda _asked: format_answer(status=status, location=other.url("/there"))) as server,
            run_live_effects() as live,
        ):
            return await live.run_lookup(make_lookup(server.url(), **given)), other.requests

    return run_bounded(two())


def test_cookies_of_a_redirect_belong_to_the_server_that_set_them():
    def answer(asked):
        if asked.path.startswith("/there"):
            return format_answer("<Response/>", set_cookie="step=2")
        return format_answer(status=302, location="/there", set_cookie="session=abc")

    result, (_, asked) = found(answer, wants_document=True, headers=(("Cookie", "old=1"),))
    assert asked.headers["cookie"] == "old=1; session=abc"
    assert result.cookies == {"session": "abc", "step": "2"}

    async def two():
        async with (
            run_server(lambda _asked: format_answer("<Response/>", set_cookie="theirs=1"), OTHER_HOST) as other,
            run_server(
                lambda _asked: format_answer(status=302, location=other.url("/"), set_cookie="session=abc")
            ) as server,
            run_live_effects() as live,
        ):
            return await live.run_lookup(make_lookup(server.url(), wants_document=True)), other.requests

    result, (asked,) = run_bounded(two())
    assert "cookie" not in asked.headers
    assert result.cookies == {"session": "abc"}


def test_headers_of_the_author_are_not_carried_to_another_server():
    result, (asked,) = elsewhere(headers=(("Authorization", "Bearer abc"), ("X-Api-Key", "abc"), ("Cookie", "a=b")))
    assert result.ok
    assert "abc" not in str(asked.headers)
    assert "cookie" not in asked.headers


def test_what_was_sent_is_not_carried_to_another_server():
    result, asked = elsewhere(307, method="POST", body="pin=4711")
    assert result.reason == "it redirects a request with a body to another server"
    assert asked == []


def test_redirects_in_a_circle_end():
    result, asked = found(to("/again"))
    assert result.reason == "it redirects more than 3 times"
    assert len(asked) == 4


@each_case(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "//[::ffff:10.0.0.1]/",
        "http://2852039166/",
        "file:///etc/passwd",
        "http://user@127.0.0.1/",
        "http://[",
        "http://crm .example.com/",
    ],
)
def test_a_redirect_is_judged_as_the_first_url_is(location):
    assert reason(to(location)).startswith("it redirects")


def test_a_redirect_to_a_house_that_is_not_allowed_is_not_followed():
    async def two():
        there = []
        async with (
            run_server(json_answer_one) as inner,
            run_server(lambda _asked: format_answer(status=302, location=there.pop()), OTHER_HOST) as outer,
            run_live_effects(ONLY_OTHER_NETWORK, resolve_host=make_resolver([LOCAL_HOST])) as live,
        ):
            there += [inner.url(host="inner.example.com"), inner.url()]
            plain, named = [await live.run_lookup(make_lookup(outer.url())) for _ in range(2)]
            return plain, named, inner.connections

    plain, named, connections = run_bounded(two())
    assert "CALLFLOWS_PRIVATE_LOOKUPS" in plain.reason
    assert "CALLFLOWS_PRIVATE_LOOKUPS" in named.reason
    assert connections == 0


# The address of a name


def test_a_name_is_resolved_once_and_the_connection_goes_to_the_address_that_was_judged():
    async def rebound():
        names = []
        async with (
            run_server(json_answer_one, OTHER_HOST) as allowed,
            run_server(json_answer_one, port=allowed.port) as inner,
        ):
            allowed.answer = lambda _asked: format_answer("1", connection="close")
            async with run_live_effects(
                ONLY_OTHER_NETWORK, resolve_host=make_resolver([OTHER_HOST], [LOCAL_HOST], queried_hosts=names)
            ) as live:
                first = await live.run_lookup(make_lookup(allowed.url(host="crm.example.com")))
                seen = [*names]
                second = await live.run_lookup(make_lookup(allowed.url(host="crm.example.com")))
            return first, seen, second, allowed.requests[0].headers["host"].split(":")[0], inner.connections

    first, names, second, host, inner = run_bounded(rebound())
    assert first.ok
    assert names == ["crm.example.com"]
    assert host == "crm.example.com"
    assert "CALLFLOWS_PRIVATE_LOOKUPS" in second.reason
    assert inner == 0


def test_of_several_addresses_only_the_allowed_are_connected_to():
    async def mixed():
        async with (
            run_server(json_answer_one, OTHER_HOST) as allowed,
            run_server(json_answer_one, port=allowed.port) as inner,
            run_live_effects(ONLY_OTHER_NETWORK, resolve_host=make_resolver([LOCAL_HOST, OTHER_HOST])) as live,
        ):
            return await live.run_lookup(make_lookup(allowed.url(host="crm.example.com"))), inner.connections

    result, inner = run_bounded(mixed())
    assert (result.ok, inner) == (True, 0)


def test_an_address_where_nobody_listens_gives_way_to_the_next():
    async def two():
        async with (
            run_server(json_answer_one, OTHER_HOST) as server,
            run_live_effects(resolve_host=make_resolver(["127.0.0.3", OTHER_HOST])) as live,
        ):
            return await live.run_lookup(make_lookup(server.url(host="crm.example.com")))

    assert run_bounded(two()).ok


def test_nobody_listens():
    async def one():
        async with run_server(json_answer_one) as server:
            url = server.url(host=OTHER_HOST)
        async with run_live_effects() as live:
            return await live.run_lookup(make_lookup(url))

    assert run_bounded(one()).reason == "no connection is possible"


# Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A server's context for crm.example.com, and a client's that trusts who signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "crm.example.com")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("crm.example.com")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "crm.pem"
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(pem, *plain) + certificate.public_bytes(pem))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))


@pytest.mark.parametrize(
    ("host", "trusting", "expected"),
    [
        ("crm.example.com", True, ""),
        ("crm.example.com.", True, ""),
        ("other.example.com", True, "its certificate is not trusted, or it does not support TLS"),
        (LOCAL_HOST, True, "its certificate is not trusted, or it does not support TLS"),
        ("crm.example.com", False, "its certificate is not trusted, or it does not support TLS"),
    ],
)
def test_a_certificate_is_the_name_s_though_the_connection_goes_to_an_address(certificates, host, trusting, expected):
    server_side, client_side = certificates
    told = []
    server_side.sni_callback = lambda _socket, name, _context: told.append(name)

    async def one():
        async with (
            run_server(json_answer_one, tls=server_side) as server,
            run_live_effects(
                resolve_host=make_resolver([LOCAL_HOST]), tls_context=client_side if trusting else None
            ) as live,
        ):
            return await live.run_lookup(make_lookup(f"https://{host}:{server.port}/"))

    assert run_bounded(one()).reason == expected
    assert told == [None if host == LOCAL_HOST else host.rstrip(".")]


def test_a_redirect_never_leads_from_https_to_http(certificates):
    server_side, client_side = certificates
    server_side.sni_callback = None

    async def one():
        async with (
            run_server(json_answer_one) as plain,
            run_server(
                lambda _asked: format_answer(status=302, location=plain.url()), OTHER_HOST, tls=server_side
            ) as server,
            run_live_effects(resolve_host=make_resolver([OTHER_HOST]), tls_context=client_side) as live,
        ):
            return await live.run_lookup(make_lookup(f"https://crm.example.com:{server.port}/")), plain.connections

    result, connections = run_bounded(one())
    assert result.reason == "it redirects from https to http"
    assert connections == 0


# The rest


def test_what_is_found_says_how_long_it_took_and_is_counted():
    async def three():
        async with run_server(json_answer_one) as server, run_live_effects() as live:
            results = [await live.run_lookup(make_lookup(url)) for url in (server.url(), server.url(), "http://10.0.0.1/")]
            return results, live.count_results()

    results, counts = run_bounded(three())
    assert all(result.duration_ms > 0 for result in results)
    assert counts == {("lookup", "ok"): 2, ("lookup", "failed"): 1}


def test_a_log_line_says_whose_lookup_failed_and_nothing_that_was_asked_or_answered():
    with structlog.testing.capture_logs() as lines:
        found(
            format_answer("secret-answer", 500), headers=(("X-Api-Key", "secret-key"),), body="secret-body", method="POST"
        )
        found(lambda _asked: format_answer(status=302, location="http://10.0.0.1/secret-path"))
    assert [(line["event"], line["place"]) for line in lines] == [("lookup failed", "acme/start/2")] * 2
    assert not any(word in json.dumps(lines) for word in ("secret", "4711", "accounts"))


def test_something_that_nobody_thought_of_is_a_failure_and_not_an_error():
    async def resolve(_host):
        raise RuntimeError("secret")

    async def one():
        async with run_live_effects(resolve_host=resolve) as live:
            return await live.run_lookup(make_lookup("http://crm.example.com/"))

    assert run_bounded(one()).reason == "it failed"


def test_nothing_heavy_is_loaded_before_a_flow_needs_it():
    code = (
        "import callflows, callflows.effects.live_effects, sys; callflows.effects.live_effects.LiveEffects(); "
        "print('httpx' in sys.modules, 'httpcore' in sys.modules)"
    )
    done = run_process([sys.executable, "-c", code], check=True)
    assert done.stdout.split() == ["False", "False"]


def test_without_networks_of_the_house_nothing_of_it_is_reached():
    async def one():
        async with run_server(json_answer_one) as server:
            live = LiveEffects()
            result = await live.run_lookup(make_lookup(server.url()))
            await live.stop(0)
            return result, server.connections

    result, connections = run_bounded(one())
    assert "CALLFLOWS_PRIVATE_LOOKUPS" in result.reason
    assert connections == 0
