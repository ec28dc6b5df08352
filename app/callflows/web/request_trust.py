"""Decides if a request is authorized: by token, source address and trusted proxies.

Without a configured token, only direct requests from this machine are authorized.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from callflows.probe_tokens import is_probe_token
from callflows.settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callflows.settings import Settings


_HOST_PATTERN: Final = re.compile(r"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_PROXY_HEADER: Final = re.compile(
    rb"forwarded(-.*)?|via|true-client-ip|client-ip|fastly-.*|cdn-loop|cf-.*|fly-.*|akamai-.*|incap-.*|"
    rb"x-(forwarded|original|real|client|cluster|remote|proxy|proxyuser|host|envoy|amzn|amz-cf|azure|appengine|cloud-trace|"
    rb"nginx|varnish|haproxy|traefik|vercel|sucuri|http-destinationurl|arr|ms-forwarded|wap|coming-from|originating|b3).*"
)
"""Headers that only a proxy, a load balancer or a content delivery network adds."""


class RequestTrust:
    """Checks requests against the settings: tokens, source addresses, proxies."""

    def __init__(self, settings: Settings) -> None:
        self._tokens = tuple(token.get_secret_value().encode() for token in settings.token)
        self._allowed_sources = settings.allowed_sources
        self._trusted_proxies = settings.trusted_proxies
        self._public_url = settings.public_url

    def explain_refusal(self, scope: Mapping[str, Any], token: str | None) -> str:
        """Return the reason for a refusal; empty if authorized. ``token`` None: the token is not checked."""
        if not self._tokens:
            if is_of_another_site(scope):
                return "no token is configured, and a page of another site sent the request: set CALLFLOWS_TOKEN"
            return self._explain_not_local(scope)
        if self._allowed_sources and not self._is_allowed_source(scope):
            return "the source address is not allowed"
        if token is not None and not self._is_known_token(token):
            return (
                "doctor asked with a wrong token"
                if is_probe_token(token, self._tokens)
                else "the token is missing or wrong"
            )
        return ""

    def is_local(self, scope: Mapping[str, Any]) -> bool:
        """Return True if a request came from this machine, without a proxy."""
        return not self._explain_not_local(scope)

    def _is_known_token(self, token: str) -> bool:
        token_bytes = token.encode("utf-8", "replace")
        if len(self._tokens) == 1:
            return hmac.compare_digest(token_bytes, self._tokens[0])
        return any([hmac.compare_digest(token_bytes, known) for known in self._tokens])  # noqa: C419 - compare all: constant time

    def _explain_not_local(self, scope: Mapping[str, Any]) -> str:
        address = _parse_address((scope.get("client") or ("",))[0])
        if address is None or not address.is_loopback:
            return "no token is configured, so the server answers only this machine: set CALLFLOWS_TOKEN"
        if scope.get("http_version") == "1.0" or any(_PROXY_HEADER.fullmatch(name) for name, _ in scope["headers"]):
            return "no token is configured, and the request came through a proxy: set CALLFLOWS_TOKEN"
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        if not all(_names_this_machine(_strip_port(host).lower()) for host in hosts):
            return "no token is configured, and the request names another host than this machine: set CALLFLOWS_TOKEN"
        return ""

    def _is_allowed_source(self, scope: Mapping[str, Any]) -> bool:
        address = self.find_source_address(scope)
        return address is not None and any(address in network for network in self._allowed_sources)

    def find_source_address(self, scope: Mapping[str, Any]) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Return the source address: behind trusted proxies, the last hop that is not a trusted proxy."""
        address = _parse_address((scope.get("client") or ("",))[0])
        if not self._is_trusted_proxy(address):
            return address
        hops = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
        for hop in reversed(hops.split(",")):
            address = _parse_address(_strip_port(hop.strip()))
            if not self._is_trusted_proxy(address):
                break
        return address

    def comes_from_trusted_proxy(self, scope: Mapping[str, Any]) -> bool:
        """Return True if a proxy of the settings has sent a request."""
        return self._is_trusted_proxy(_parse_address((scope.get("client") or ("",))[0]))

    def describe_source(self, scope: Mapping[str, Any]) -> str:
        """Return the source address as text, for limits and the audit log."""
        return str(self.find_source_address(scope) or "unknown address")

    def is_encrypted(self, scope: Mapping[str, Any]) -> bool:
        """Return True if the person's side of a request is https, as far as a trusted proxy or PUBLIC_URL says so."""
        return self.create_base_url_getter(scope)().startswith("https:")

    def _is_trusted_proxy(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted_proxies)

    def create_base_url_getter(self, scope: Mapping[str, Any]) -> Callable[[], str]:
        """Return a function that computes the URL of the request only on demand."""
        if self._public_url:
            return self._get_public_url
        return lambda: self._build_requested_url(scope)

    def _get_public_url(self) -> str:
        return self._public_url

    def _build_requested_url(self, scope: Mapping[str, Any]) -> str:
        scheme, host = scope.get("scheme", "http"), find_header(scope, b"host")
        if self._trusted_proxies and self._is_trusted_proxy(_parse_address((scope.get("client") or ("",))[0])):
            forwarded = find_header(scope, b"x-forwarded-proto").lower()
            scheme = forwarded if forwarded in ("http", "https") else scheme
            host = find_header(scope, b"x-forwarded-host") or host
        if not _is_host(host):
            server = scope.get("server") or ("localhost", None)
            host = f"{server[0]}:{server[1]}" if server[1] else "localhost"
        return f"{scheme}://{host}"


@lru_cache(maxsize=256)
def _is_host(text: str) -> bool:
    return _HOST_PATTERN.fullmatch(text) is not None


def _names_this_machine(host: str) -> bool:
    """Return True for ``localhost``, a name under ``localhost`` (RFC 6761), ``127.0.0.0/8`` and ``::1``."""
    return host.endswith(".localhost") or is_loopback_host(host)


def is_of_another_site(scope: Mapping[str, Any]) -> bool:
    """Return True if a browser sent the request for a page that is not of this server: it says so in each request."""
    site, origin = find_header(scope, b"sec-fetch-site"), find_header(scope, b"origin")
    if site:
        return site not in ("same-origin", "none")
    return bool(origin) and origin.partition("://")[2] != find_header(scope, b"host")


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _strip_port(text: str) -> str:
    """Return ``1.2.3.4`` for ``1.2.3.4:5060``, ``::1`` for ``[::1]:5060``."""
    if text.startswith("["):
        address, _, port = text[1:].partition("]")
        return address if not port or port.startswith(":") else text
    return text.partition(":")[0] if text.count(":") == 1 else text


def find_header(scope: Mapping[str, Any], name: bytes) -> str:
    """Return a header's value: the last of repeated headers, empty if absent."""
    header_value = b""
    for key, value in scope["headers"]:
        if key == name:
            header_value = value
    return header_value.decode("latin-1")
