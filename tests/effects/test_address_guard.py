"""Lookups and webhooks reach only allowed addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import threading

import pytest
from outside_servers import make_resolver

from callflows.effects.address_guard import MAX_RESOLVER_THREADS, AddressGuard, HostResolver
from callflows.effects.guarded_http import GuardedClient
from callflows.errors import BlockedRequestError, OutboundRequestError
from each_case import each_case
from waiting import run_bounded

PUBLIC = "93.184.216.34"
INWARD = [
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.1.2.3",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:100.64.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2001:2::1",
    "2001:10::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "2606:4700::5efe:10.0.0.1",
    "2606:4700::200:5efe:127.0.0.1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::5efe:8.8.8.8",
    "fec0::1",
    "ff02::1",
]
OUTWARD = [
    PUBLIC,
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2001:200::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.fixture(scope="module")
def wire():
    return GuardedClient(AddressGuard(resolve_host=make_resolver([PUBLIC])), 1, 1)


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", INWARD)
def test_an_address_of_the_house_is_refused_as_written_and_as_what_a_name_resolves_to(wire, address):
    with pytest.raises(BlockedRequestError):
        wire.parse_url(f"http://{bracketed(address)}/")
    with pytest.raises(BlockedRequestError, match="CALLFLOWS_PRIVATE_LOOKUPS"):
        run_bounded(AddressGuard(resolve_host=make_resolver([address])).resolve_allowed("crm.example.com"))


@pytest.mark.parametrize("address", OUTWARD)
def test_an_address_of_the_public_internet_is_allowed(wire, address):
    assert wire.parse_url(f"https://{bracketed(address)}:8443/x").raw_host.decode() == address
    assert run_bounded(AddressGuard(resolve_host=make_resolver([address])).resolve_allowed("crm.example.com")) == [
        str(ipaddress.ip_address(address))
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0X7F.0.0.0x1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://0/",
        "http://127.0.0.1./",
        "http://127.0.0.01/",
        "http://1.1.1.1.1/",
        "http://8.8.8.0x8/",
        "http://256.256.256.256/",
        "http://127。0。0。1/",
        "http://127｡0｡0｡1/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://①②⑦.0.0.1/",
        "http://[::1%25eth0]/",
        "http://[fe80::1%25lo]/",
        "http://[2606:4700::1%25eth0]/",
        "http://[127.0.0.1]/",
        "http://127.0.0.1\\@crm.example.com/",
        "http://crm.example.com\\@127.0.0.1/",
        "http://127.0.0.1%2f@crm.example.com/",
        "http://user:secret@crm.example.com/",
        "http://user@crm.example.com/",
        "http://%31%32%37.0.0.1/",
        "http://crm_.-.example.com/",
        "http://-crm.example.com/",
        "http://crm..example.com/",
        "http://.example.com/",
        "http://crm.example.com../",
        f"http://{'a' * 64}.example.com/",
        f"http://{'a.' * 140}com/",
        "http://crm.example.com:0/",
        "http://crm.example.com:99999/",
        "http://crm.example.com:x/",
        "http:///x",
        "http:crm.example.com",
        "//crm.example.com/",
        "crm.example.com",
        "",
        "ftp://crm.example.com/",
        "file:///etc/passwd",
        "gopher://crm.example.com/",
        "unix:///var/run/docker.sock",
        "http+unix://crm.example.com/",
        "javascript:alert(1)",
        "http://crm.example.com/\r\nX: y",
        "http://crm.example.com/\x00",
        "http://crm example.com/",
        "https://crm.example.com/" + "x" * 9000,
    ],
)
def test_a_url_that_hides_where_it_goes_is_refused(wire, url):
    with pytest.raises(BlockedRequestError):
        wire.parse_url(url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://crm.example.com/accounts/1?x=1", "crm.example.com"),
        ("HTTPS://CRM.Example.COM/", "crm.example.com"),
        ("https://crm.example.com./", "crm.example.com"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://a_b.example.com:8443/", "a_b.example.com"),
        ("https://3com.example/", "3com.example"),
        ("https://0x7f.example/", "0x7f.example"),
        ("http://crm/", "crm"),
    ],
)
def test_a_url_of_a_name_is_asked_under_that_name(wire, url, host):
    assert wire.parse_url(url).raw_host.decode() == host


def test_a_name_may_mean_several_addresses_of_which_only_the_allowed_are_used():
    found = ["10.0.0.1", PUBLIC, "::1", "2606:4700::1111"]
    assert run_bounded(AddressGuard(resolve_host=make_resolver(found)).resolve_allowed("crm.example.com")) == [
        PUBLIC,
        "2606:4700::1111",
    ]


def test_what_the_resolver_says_that_is_no_address_counts_for_nothing():
    for found in ([], ["fe80::1%eth0"], ["crm.example.com"]):
        with pytest.raises(OutboundRequestError, match="has no address"):
            run_bounded(AddressGuard(resolve_host=make_resolver(found)).resolve_allowed("crm.example.com"))


@each_case(
    ("network", "allowed", "refused"),
    [
        ("10.1.0.0/16", "10.1.2.3", "10.2.0.1"),
        ("10.1.0.0/16", "::ffff:10.1.2.3", "::ffff:10.2.0.1"),
        ("127.0.0.1/32", "127.0.0.1", "127.0.0.2"),
        ("127.0.0.1/32", "64:ff9b::7f00:1", "64:ff9b::7f00:2"),
        ("fd00:1::/32", "fd00:1::5", "fd00:2::5"),
        ("::1/128", "::1", "127.0.0.1"),
        ("169.254.169.254/32", "169.254.169.254", "169.254.169.253"),
    ],
)
def test_networks_of_the_house_that_the_operator_names_are_allowed_and_no_others(network, allowed, refused):
    guard = AddressGuard([ipaddress.ip_network(network)])
    assert guard.is_allowed(ipaddress.ip_address(allowed))
    assert not guard.is_allowed(ipaddress.ip_address(refused))


def test_this_machine_s_own_names_are_refused_with_the_real_resolver():
    with pytest.raises(BlockedRequestError, match="CALLFLOWS_PRIVATE_LOOKUPS"):
        run_bounded(AddressGuard().resolve_allowed("localhost"))


def test_a_name_that_is_none_has_no_address():
    with pytest.raises(OutboundRequestError, match="has no address"):
        run_bounded(
            AddressGuard(
                resolve_host=HostResolver(lambda _host: (_ for _ in ()).throw(OSError("no such name")))
            ).resolve_allowed("nowhere.example")
        )


# Resolving


def test_who_wants_the_same_name_at_once_shares_the_answer():
    asked = []
    go = threading.Event()

    def ask(host):
        asked.append(host)
        go.wait(30)
        return [PUBLIC]

    async def several():
        resolve = HostResolver(ask)
        waiting = [asyncio.create_task(resolve("crm.example.com")) for _ in range(50)]
        await asyncio.sleep(0.01)
        go.set()
        return await asyncio.gather(*waiting)

    assert run_bounded(several()) == [[PUBLIC]] * 50
    assert asked == ["crm.example.com"]


def test_a_dead_name_server_takes_a_bounded_number_of_threads_and_not_the_loop():
    go = threading.Event()
    inside = []
    full = threading.Semaphore(0)

    def ask(host):
        inside.append(host)
        full.release()
        go.wait(30)
        return [PUBLIC]

    async def many():
        resolve = HostResolver(ask)
        waiting = [asyncio.create_task(resolve(f"{n}.example.com")) for n in range(4 * MAX_RESOLVER_THREADS)]
        for _ in range(MAX_RESOLVER_THREADS):
            await asyncio.to_thread(full.acquire)
        await asyncio.sleep(0.05)
        seen = len(inside)
        go.set()
        await asyncio.gather(*waiting)
        return seen, len(inside)

    assert run_bounded(many()) == (MAX_RESOLVER_THREADS, 4 * MAX_RESOLVER_THREADS)


def test_who_gives_up_waiting_for_a_name_does_not_take_it_from_others():
    go = threading.Event()

    async def two():
        resolve = HostResolver(lambda _host: go.wait(30) and [PUBLIC])
        impatient, patient = (asyncio.create_task(resolve("crm.example.com")) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        go.set()
        return await patient

    assert run_bounded(two()) == [PUBLIC]
