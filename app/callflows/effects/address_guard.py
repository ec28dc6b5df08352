"""Guard against server-side request forgery: only public addresses and the operator's allowed networks may be contacted.

A name is resolved once per connection, and the connection uses the checked address. A DNS answer that changes a moment
later (DNS rebinding) therefore has no effect.
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
"""Returns the addresses of a name as text. Raises OSError."""
IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_RESOLVER_THREADS: Final = 16
"""Names resolved at the same time, each in its own thread, because a lookup cannot be cancelled."""
_MAX_PENDING_NAMES: Final = 1000
_MAX_ADDRESSES_PER_NAME: Final = 8
"""Addresses checked per name."""
_BLOCKED_IPV4: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # "this network"
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier-grade NAT
            "127.0.0.0/8",
            "168.63.129.16/32",  # the host, seen from a machine on Azure
            "169.254.0.0/16",  # link-local; metadata services of clouds
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays
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
            "2001::/23",  # Teredo and other tunnels
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
    """Checks hosts and addresses; ``private_networks`` are allowed although private."""

    def __init__(self, private_networks: Sequence[IPNetwork] = (), resolve_host: ResolveHost | None = None) -> None:
        self._private_networks = tuple(private_networks)
        self._resolve_host = resolve_host or HostResolver()

    def check_host(self, host: str) -> IPAddress | None:
        """Check the host of a URL: return its address, or None for a name, which must be resolved.

        Raises BlockedRequestError for an address that is not allowed, an address in a disguising spelling, and an invalid
        name.
        """
        address = _parse_address(host)
        if address is not None:
            self._keep_allowed([address])
            return address
        last = host.removesuffix(".").rpartition(".")[2]
        if _NUMERIC_LABEL.fullmatch(last):
            raise BlockedRequestError("its host is an address in an unusual spelling")
        if len(host) > _MAX_HOST_NAME_CHARACTERS or not _HOST_NAME.fullmatch(host.removesuffix(".")):
            raise BlockedRequestError("its host is not a valid name")
        return None

    async def resolve_allowed(self, host: str) -> list[str]:
        """Resolve a host and return its allowed addresses, at least one.

        Raises BlockedRequestError, or OutboundRequestError if the host has no address at the moment.
        """
        address = self.check_host(host)
        if address is not None:
            return [str(address)]
        try:
            resolved_addresses = await self._resolve_host(host)
        except (OSError, UnicodeError):
            raise OutboundRequestError("its host has no address") from None
        addresses = [
            address for address in map(_parse_address, resolved_addresses[:_MAX_ADDRESSES_PER_NAME]) if address is not None
        ]
        if not addresses:
            raise OutboundRequestError("its host has no address")
        return [*map(str, self._keep_allowed(addresses))]

    def _keep_allowed(self, addresses: Sequence[IPAddress]) -> list[IPAddress]:
        """Return the allowed addresses, at least one. Raises BlockedRequestError."""
        allowed = [address for address in addresses if self.is_allowed(address)]
        if not allowed:
            raise BlockedRequestError("its host is in a network that CALLFLOWS_PRIVATE_LOOKUPS does not allow")
        return allowed

    def is_allowed(self, address: IPAddress) -> bool:
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
    """Parse an address in standard spelling; reject zones (``fe80::1%eth0``), which only have a local meaning."""
    try:
        return ipaddress.ip_address(host) if "%" not in host else None
    except ValueError:
        return None


def _extract_embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)


def _is_isatap(address: ipaddress.IPv6Address) -> bool:
    """Return True if the address ends in the IPv4 address of an ISATAP tunnel."""
    return (int(address) >> 32) & 0xFDFF_FFFF == 0x5EFE  # noqa: PLR2004 - the identifier of ISATAP


class HostResolver:
    """Resolves names with the system's resolver in a bounded number of threads.

    Concurrent requests for one name share a query.
    """

    def __init__(self, query: Callable[[str], Sequence[str]] | None = None) -> None:
        self._query = query or _query_system_resolver
        self._pending_queries: dict[str, asyncio.Task[Sequence[str]]] = {}
        self._thread_slots = asyncio.Semaphore(MAX_RESOLVER_THREADS)

    async def __call__(self, host: str) -> Sequence[str]:
        """Return the addresses of a name. Raises OSError."""
        asking = self._pending_queries.get(host)
        if asking is None:
            if len(self._pending_queries) >= _MAX_PENDING_NAMES:
                raise OSError("too many names are being resolved")
            asking = self._pending_queries[host] = asyncio.create_task(self._query_in_thread(host))
            asking.add_done_callback(lambda future: self._forget_query(host, future))
        return await asyncio.shield(asking)

    def _forget_query(self, host: str, task: asyncio.Task[Sequence[str]]) -> None:
        del self._pending_queries[host]
        if not task.cancelled():
            task.exception()  # mark as retrieved: all waiters may be gone

    async def _query_in_thread(self, host: str) -> Sequence[str]:
        async with self._thread_slots:
            answer: concurrent.futures.Future[Sequence[str]] = concurrent.futures.Future()
            # Not a pool: its threads would keep the process alive while a dead name server does not answer.
            threading.Thread(target=self._run_query, args=(host, answer), name="resolver", daemon=True).start()
            return await asyncio.wrap_future(answer)

    def _run_query(self, host: str, answer: concurrent.futures.Future[Sequence[str]]) -> None:
        try:
            addresses = self._query(host)
        except Exception as error:  # noqa: BLE001 - raised again in the waiting task
            with contextlib.suppress(concurrent.futures.InvalidStateError):  # the waiter was cancelled
                answer.set_exception(OSError(str(error)))
        else:
            with contextlib.suppress(concurrent.futures.InvalidStateError):
                answer.set_result(addresses)


def _query_system_resolver(host: str) -> Sequence[str]:
    records = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [*dict.fromkeys(str(address[0]) for *_, address in records)]
