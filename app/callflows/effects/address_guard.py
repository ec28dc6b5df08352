"""Which addresses may be asked: the public internet, and what the operator allows. Nothing of the own house otherwise.

A name is resolved once, for one connection; the connection goes to an address that was judged here, so that a name
which means something else a moment later gains nothing.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import ipaddress
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from callflows.errors import BlockedRequestError, OutboundRequestError

if TYPE_CHECKING:
    from callflows.settings import IPNetwork


ResolveHost: TypeAlias = Callable[[str], Awaitable[Sequence[str]]]
"""A name's addresses, written as numbers. Raises OSError."""


IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


MAX_RESOLVER_THREADS: Final = 16
"""Names that are resolved at once: a thread each, since resolving cannot be cancelled."""


_MAX_PENDING_NAMES: Final = 1000


_MAX_ADDRESSES_PER_NAME: Final = 8
"""Addresses of one name that are looked at."""


_BLOCKED_IPV4: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network
            "10.0.0.0/8",
            "100.64.0.0/10",  # behind a provider's NAT
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host, from within
            "169.254.0.0/16",  # the link; what clouds tell their machines
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # relays of 6to4
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)


_PUBLIC_IPV6: Final = ipaddress.IPv6Network("2000::/3")


_BLOCKED_IPV6: Final = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # Teredo and others that carry something else
            "2001:db8::/32",
            "2002::/16",  # 6to4 carries IPv4
            "3fff::/20",
        ),
    )
)


_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


_NUMERIC_LABEL: Final = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


_HOST_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.IGNORECASE)


_MAX_HOST_NAME_CHARACTERS: Final = 253


class AddressGuard:
    """Judges hosts; ``private`` are the networks of the house that may be asked all the same."""

    def __init__(self, private_networks: Sequence[IPNetwork] = (), resolve_host: ResolveHost | None = None) -> None:
        self._private_networks = tuple(private_networks)
        self._resolve_host = resolve_host or HostResolver()

    def check_host(self, host: str) -> IPAddress | None:
        """A host as it stands in a URL: its address, or None where it is a name that must be resolved.

        Raises RefusedURL where it is neither, an address that is not allowed, or an address in a spelling that hides it.
        """
        address = _parse_address(host)
        if address is not None:
            self._keep_allowed([address])
            return address
        last = host.removesuffix(".").rpartition(".")[2]
        if _NUMERIC_LABEL.fullmatch(last):
            raise BlockedRequestError("its host is an address in an unusual spelling")
        if len(host) > _MAX_HOST_NAME_CHARACTERS or not _HOST_NAME.fullmatch(host.removesuffix(".")):
            raise BlockedRequestError("its host is no name")
        return None

    async def resolve_allowed(self, host: str) -> list[str]:
        """The allowed ones of a host's addresses, resolved now, at least one.

        Raises RefusedURL, or OutsideError where there are none at the moment.
        """
        address = self.check_host(host)
        if address is not None:
            return [str(address)]
        try:
            found = await self._resolve_host(host)
        except (OSError, UnicodeError):
            raise OutboundRequestError("its host has no address") from None
        addresses = [address for address in map(_parse_address, found[:_MAX_ADDRESSES_PER_NAME]) if address is not None]
        if not addresses:
            raise OutboundRequestError("its host has no address")
        return [*map(str, self._keep_allowed(addresses))]

    def _keep_allowed(self, addresses: Sequence[IPAddress]) -> list[IPAddress]:
        """Those that are allowed, at least one."""
        allowed = [address for address in addresses if self.is_allowed(address)]
        if not allowed:
            raise BlockedRequestError("its host is in a network that CALLFLOWS_PRIVATE_LOOKUPS does not allow")
        return allowed

    def is_allowed(self, address: IPAddress) -> bool:
        """Whether an address may be asked."""
        if self._is_private(address):
            return True
        if isinstance(address, ipaddress.IPv4Address):
            return not any(address in network for network in _BLOCKED_IPV4)
        translated = address.ipv4_mapped or (_extract_embedded_ipv4(address) if address in _NAT64 else None)
        if translated is not None:
            return self.is_allowed(translated)
        if _is_isatap(address) and not self.is_allowed(_extract_embedded_ipv4(address)):
            return False
        return address in _PUBLIC_IPV6 and not any(address in network for network in _BLOCKED_IPV6)

    def _is_private(self, address: IPAddress) -> bool:
        return any(address.version == network.version and address in network for network in self._private_networks)


def _parse_address(host: str) -> IPAddress | None:
    """An address as the standard writes it. One with a zone (``fe80::1%eth0``) is none: it means something here only."""
    try:
        return ipaddress.ip_address(host) if "%" not in host else None
    except ValueError:
        return None


def _extract_embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _is_isatap(address: ipaddress.IPv6Address) -> bool:
    """Whether its end is an IPv4 address that a tunnel goes to."""
    return (int(address) >> 32) & 0xFDFF_FFFF == 0x5EFE  # noqa: PLR2004 - the mark of ISATAP


class HostResolver:
    """Asks the machine's resolver: in threads, a bounded number of them, and once for all who want the same name now."""

    def __init__(self, query: Callable[[str], Sequence[str]] | None = None) -> None:
        self._query = query or _query_system_resolver
        self._pending_queries: dict[str, asyncio.Task[Sequence[str]]] = {}
        self._thread_slots = asyncio.Semaphore(MAX_RESOLVER_THREADS)

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of a name. Raises OSError."""
        asking = self._pending_queries.get(host)
        if asking is None:
            if len(self._pending_queries) >= _MAX_PENDING_NAMES:
                raise OSError("too many names are being resolved")
            asking = self._pending_queries[host] = asyncio.create_task(self._query_in_thread(host))
            asking.add_done_callback(lambda done: self._forget_query(host, done))
        return await asyncio.shield(asking)

    def _forget_query(self, host: str, task: asyncio.Task[Sequence[str]]) -> None:
        del self._pending_queries[host]
        if not task.cancelled():
            task.exception()  # whoever asked may be gone; nobody needs to hear of it then

    async def _query_in_thread(self, host: str) -> Sequence[str]:
        async with self._thread_slots:
            answer: concurrent.futures.Future[Sequence[str]] = concurrent.futures.Future()
            # A thread of a pool would keep the process from ending as long as a dead name server is waited for.
            threading.Thread(target=self._run_query, args=(host, answer), name="resolver", daemon=True).start()
            return await asyncio.wrap_future(answer)

    def _run_query(self, host: str, answer: concurrent.futures.Future[Sequence[str]]) -> None:
        try:
            found = self._query(host)
        except Exception as error:  # noqa: BLE001 - it is raised where it is waited for
            with contextlib.suppress(concurrent.futures.InvalidStateError):  # nobody waits any more
                answer.set_exception(OSError(str(error)))
        else:
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                answer.set_result(found)


def _query_system_resolver(host: str) -> Sequence[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [*dict.fromkeys(str(address[0]) for *_, address in found)]
