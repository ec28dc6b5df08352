"""Signing in by OpenID Connect: the authorization code flow with state, nonce and PKCE, and checked ID tokens.

What a visitor must bring back (state, nonce, code verifier) is in a signed cookie that lasts ten minutes, so that any
process can end what another has begun. Every state is taken once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import httpx

from callflows.errors import CallflowsError, SettingsError
from callflows.http_limits import read_limited_body
from callflows.log import get_logger
from callflows.outbound_http import choose_tls_settings, get_versioned_user_agent
from callflows.settings import is_loopback_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callflows.settings import Settings


_LOG: Final = get_logger("console")
_DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
_DISCOVERY_SECONDS: Final = 3600.0
_MIN_KEY_REFRESH_SECONDS: Final = 60.0
"""Interval of looks for new keys: a stranger's token must not make us ask the provider each time."""
_TIMEOUT_SECONDS: Final = 8.0
_MAX_ANSWER_BYTES: Final = 1_000_000
_LEEWAY_SECONDS: Final = 60
"""Difference of our clock and the provider's."""
SIGNING_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Algorithms of ID tokens: those with a public key."""


class OpenIDError(CallflowsError):
    """The provider cannot be reached, or its answer must not be believed; the message is for the person who signs in.

    ``status`` is that of the page if it is not the usual one of the step.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class OpenIDAttempt(NamedTuple):
    """A begun attempt to sign in: what the answer of the provider is compared with."""

    state: str
    nonce: str
    verifier: str
    redirect_url: str
    next_path: str


class OpenIDProvider:
    """The provider of the settings, with what it says about itself."""

    def __init__(self, settings: Settings) -> None:
        """Raise SettingsError if Authlib is not installed."""
        try:
            import authlib.oidc.core  # noqa: F401, PLC0415 - an extra
        except ImportError:
            raise SettingsError("CALLFLOWS_CONSOLE_OIDC_ISSUER needs Authlib: pip install 'callflows[oidc]'") from None
        self._issuer = settings.console_oidc_issuer
        self._client_id = settings.console_oidc_client_id
        self._secret = settings.console_oidc_client_secret.get_secret_value()
        self._scopes = settings.console_oidc_scopes
        self._described: tuple[float, dict[str, Any]] = (float("-inf"), {})
        self._keys: tuple[float, dict[str, Any]] = (float("-inf"), {})
        self._refreshing = asyncio.Lock()

    async def begin_attempt(self, redirect_url: str, next_path: str) -> tuple[OpenIDAttempt, str]:
        """Return a new attempt, and the URL of the provider to go to. Raises OpenIDError."""
        from authlib.common.security import generate_token  # noqa: PLC0415 - an extra
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri  # noqa: PLC0415 - as above
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415 - as above

        attempt = OpenIDAttempt(generate_token(32), generate_token(32), generate_token(64), redirect_url, next_path)
        provider = await self._describe_provider()
        url: str = prepare_grant_uri(
            provider["authorization_endpoint"],
            client_id=self._client_id,
            response_type="code",
            redirect_uri=redirect_url,
            scope=self._scopes,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),  # type: ignore[no-untyped-call]
            code_challenge_method="S256",
        )
        return attempt, url

    async def read_claims(self, attempt: OpenIDAttempt, code: str) -> dict[str, Any]:
        """Exchange a code for an ID token, and return its checked claims. Raises OpenIDError."""
        provider = await self._describe_provider()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": attempt.redirect_url,
            "code_verifier": attempt.verifier,
            "client_id": self._client_id,
        }
        methods = provider.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        auth = None
        if self._secret and "client_secret_basic" in methods:
            auth = httpx.BasicAuth(quote(self._client_id, safe=""), quote(self._secret, safe=""))
        elif self._secret:
            fields["client_secret"] = self._secret
        answer = await self._fetch_json("POST", provider["token_endpoint"], fields, auth)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise OpenIDError("The sign-in was not completed: the provider returned no ID token.")
        return await self._check_token(token, attempt, str(answer.get("access_token") or ""))

    async def _check_token(self, token: str, attempt: OpenIDAttempt, access_token: str) -> dict[str, Any]:
        """Check signature, issuer, audience, times, nonce and hash of an ID token."""
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415 - an extra
        from joserfc import jwk, jwt  # noqa: PLC0415 - as above
        from joserfc.errors import JoseError  # noqa: PLC0415 - as above

        # The issuer as the provider writes it: some end with a slash, which the setting does not have.
        issuer = (await self._describe_provider())["issuer"]
        options = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": self._client_id}}
        params = {"nonce": attempt.nonce, "client_id": self._client_id, "access_token": access_token}
        for is_last in (False, True):
            keys = await self._load_keys(is_fresh=is_last)
            try:
                key_set = jwk.KeySet.import_key_set({"keys": keys["keys"]})
                decoded = jwt.decode(token, key_set, algorithms=SIGNING_ALGORITHMS)
                claims = CodeIDToken(decoded.claims, decoded.header, options, params)
                claims.validate(leeway=_LEEWAY_SECONDS)
            except (JoseError, KeyError, ValueError, TypeError) as error:
                if not is_last:
                    continue  # the provider may have new keys
                _LOG.warning("an ID token was refused", reason=f"{type(error).__name__}: {error}")
                raise OpenIDError("The sign-in was not completed: the ID token of the provider is not valid.") from None
            return dict(claims)
        raise AssertionError  # pragma: no cover - the last turn returns or raises

    async def _describe_provider(self) -> dict[str, Any]:
        async with self._refreshing:
            described_at, described = self._described
            if time.monotonic() - described_at >= _DISCOVERY_SECONDS:
                described = await self._fetch_description()
                self._described = time.monotonic(), described
        return described

    async def _fetch_description(self) -> dict[str, Any]:
        described = await self._fetch_json("GET", f"{self._issuer}{_DISCOVERY_PATH}")
        if str(described.get("issuer", "")).rstrip("/") != self._issuer:
            raise OpenIDError("The provider names another issuer than CALLFLOWS_CONSOLE_OIDC_ISSUER.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            url = urlsplit(str(described.get(name) or ""))
            if url.scheme != "https" and not (url.scheme == "http" and is_loopback_host(url.hostname or "")):
                raise OpenIDError(f"The provider has no {name} with https.")
        return described

    async def _load_keys(self, *, is_fresh: bool) -> dict[str, Any]:
        """Return the provider's keys; if ``is_fresh``, keys that are at most a minute old."""
        provider = await self._describe_provider()
        async with self._refreshing:
            loaded_at, keys = self._keys
            if time.monotonic() - loaded_at > (_MIN_KEY_REFRESH_SECONDS if is_fresh else _DISCOVERY_SECONDS):
                keys = await self._fetch_json("GET", provider["jwks_uri"])
                self._keys = time.monotonic(), keys
        return keys

    async def _fetch_json(
        self, method: str, url: str, fields: Mapping[str, str] | None = None, auth: httpx.BasicAuth | None = None
    ) -> dict[str, Any]:
        """Ask the provider. Redirects are not followed: a secret goes nowhere else."""
        trust_env = not is_loopback_host(urlsplit(url).hostname or "")
        headers = {"accept": "application/json", "user-agent": get_versioned_user_agent()}
        try:
            async with (
                asyncio.timeout(_TIMEOUT_SECONDS),
                httpx.AsyncClient(verify=choose_tls_settings(url), trust_env=trust_env, headers=headers) as client,
                client.stream(method, url, data=fields, auth=auth) as response,
            ):
                body = await read_limited_body(response.aiter_bytes(), _MAX_ANSWER_BYTES)
            answer = json.loads(body or b"null")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
            _LOG.warning("the OpenID provider did not answer", url=url, error=type(error).__name__)
            raise OpenIDError("The provider did not answer. Try again, or sign in in another way.") from None
        if not isinstance(answer, dict) or response.status_code != httpx.codes.OK:
            reason = answer.get("error") if isinstance(answer, dict) else None
            _LOG.warning("the OpenID provider refused", url=url, status=response.status_code, reason=str(reason or ""))
            raise OpenIDError("The provider refused the sign-in. Begin again.")
        return answer


def hash_openid_settings(settings: Settings) -> str:
    """Return the stamp of sessions of a provider: another provider, client or table of roles ends them."""
    parts = (settings.console_oidc_issuer, settings.console_oidc_client_id, settings.console_oidc_role_claim)
    text = json.dumps([*parts, sorted(settings.console_roles.items())])
    return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()
