"""Access to the console: sessions, the rights of roles, and protection against forged requests.

A request that changes something must come from a page of this server (``Origin``, ``Sec-Fetch-Site``), with the token of
the session. Attempts to sign in are counted in the database, for all processes together.
"""

from __future__ import annotations

import asyncio
import hmac
import time
import uuid
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from callflows.journal.api_tokens import TokenOwner
from callflows.journal.call_count_store import CountedCall, digest_caller
from callflows.journal.inbox import PersonChange
from callflows.log import get_logger
from callflows.web.bounded_bodies import read_whole_body
from callflows.web.console.console_accounts import CONSOLE_ROLES, THIS_MACHINE, ConsoleUser
from callflows.web.console.console_sessions import (
    ATTEMPT_COOKIE,
    ATTEMPT_SECONDS,
    SESSION_COOKIE,
    SESSION_SECONDS,
    ConsoleSession,
    is_form_token,
)
from callflows.web.console.openid_sign_in import OpenIDAttempt, OpenIDError
from callflows.web.journal_lists import ask_journal
from callflows.web.request_trust import find_header

if TYPE_CHECKING:
    from starlette.requests import Request

    from callflows.journal.journal_queries import JournalQueries
    from callflows.web.console.console_accounts import ConsoleAccounts
    from callflows.web.console.console_sessions import SessionSigner
    from callflows.web.console.openid_sign_in import OpenIDProvider
    from callflows.web.console.outside_people import OutsidePeople
    from callflows.web.request_trust import RequestTrust


_LOG: Final = get_logger("console")
CONSOLE_PATH: Final = "/console"
ATTEMPTS_PER_MINUTE: Final = 5
"""Attempts to sign in from one address."""
ATTEMPTS_PER_HOUR: Final = 50
"""Attempts to sign in from all addresses together."""
_MAX_FORM_BYTES: Final = 2_500_000
"""A form may have a whole flow file."""
_MAX_FORM_FIELDS: Final = 4_000
_LINK_CLAIM: Final = "console link"
_OPENID_CLAIM: Final = "console openid"
OPENID_CALLBACK_PATH: Final = "/login/openid/callback"
_ENDED_CLAIM: Final = "console session ended"


class SignInResult(NamedTuple):
    """The answer to an attempt: the person, or the reason for a refusal with a status."""

    user: ConsoleUser | None
    refusal: str = ""
    status: int = 200


class ConsoleAccess:
    """Finds sessions, and signs people in and out."""

    def __init__(
        self,
        journal: JournalQueries,
        trust: RequestTrust,
        accounts: ConsoleAccounts,
        signer: SessionSigner,
        outside: OutsidePeople,
    ) -> None:
        self.accounts = accounts
        self.outside = outside
        self._journal = journal
        self._trust = trust
        self._signer = signer

    def is_open_for(self, request: Request) -> bool:
        """Return True if the console exists for a request: if people can sign in, or on this machine."""
        if self.accounts.are_open or self.outside.provider is not None:
            return True
        return bool(self.outside.find_proxy_name(request.scope)) or self._trust.is_local(request.scope)

    async def find_session(self, request: Request) -> ConsoleSession | None:
        """Return the session of a request; None without one, or if it has ended or its person is gone."""
        signed = self._signer.read_session(request.cookies.get(SESSION_COOKIE, ""))
        if signed is None:
            return None
        if signed.origin != "password":
            user = self.outside.restore_user(signed, request.scope)
        elif signed.name == THIS_MACHINE:
            user = ConsoleUser(THIS_MACHINE, "author") if self._trust.is_local(request.scope) else None
        else:
            user = self.accounts.find_user(signed.name)
        if (
            user is None
            or not self._signer.has_current_stamp(signed, user)
            or await ask_journal(self._journal.is_claimed(_ENDED_CLAIM, signed.id))
        ):
            return None
        return ConsoleSession(user, signed.id, self._signer.make_form_token(signed.id))

    async def require_session(self, request: Request, scope: str) -> ConsoleSession:
        """Return the session of a request with a scope of the HTTP API. Raises HTTPException.

        A page without a session leads to the page for signing in.
        """
        if not self.is_open_for(request):
            raise HTTPException(404, "Not Found")
        session = await self.find_session(request)
        if session is None:
            if request.method not in ("GET", "HEAD") or "hx-request" in request.headers:
                raise HTTPException(401, "Your session has ended. Sign in again; nothing was changed.")
            page = quote(read_page_address(request), safe="/")
            raise HTTPException(303, headers={"location": f"{CONSOLE_PATH}/login?next={page}"})
        owner = TokenOwner(session.user.name, CONSOLE_ROLES[session.user.role])
        if not owner.has_scope(scope):
            role = next(role for role, scope_of_role in CONSOLE_ROLES.items() if scope_of_role == scope)
            raise HTTPException(403, f"Your role is {session.user.role}; this needs the role {role}.")
        return session

    async def read_form(self, request: Request, session: ConsoleSession) -> dict[str, str]:
        """Return the fields of a form that a page of this session has sent. Raises HTTPException for a forged one."""
        require_same_origin(request)
        fields = await read_form_fields(request)
        if not is_form_token(session, fields.pop("form_token", "")):
            raise HTTPException(403, "The form is not of your session. Open the page again, and send it once more.")
        return fields

    async def check_attempt(self, request: Request, name: str, password: str) -> SignInResult:
        """Check an attempt to sign in, and count it first. Raises HTTPException if the database is away."""
        refusal = await self._count_attempt(request, "console sign-in")
        if refusal:
            return SignInResult(None, refusal, 429)
        user = await asyncio.to_thread(self.accounts.check_password, name, password)
        if user is None:
            address = self._trust.describe_source(request.scope)
            _LOG.warning("an attempt to sign in to the console was refused", address=address)
            return SignInResult(None, "The name or the password is wrong.", 403)
        return SignInResult(user)

    async def _count_attempt(self, request: Request, way: str) -> str:
        """Count an attempt of a way to sign in. Return the reason to refuse it; empty if there were not too many.

        Each way has its own count: many who sign in by one of them keep nobody out of the other.
        """
        now = time.time()
        key = uuid.uuid4().hex
        source = digest_caller(self._trust.describe_source(request.scope))
        minute = CountedCall(f"{way}/{source}/{int(now // 60)}", key, now)
        (in_minute,) = await ask_journal(self._journal.count_calls([minute]))
        if in_minute > ATTEMPTS_PER_MINUTE:
            return "Too many attempts from your address. Wait a minute, and try again."
        (in_hour,) = await ask_journal(self._journal.count_calls([CountedCall(f"{way}/{int(now // 3600)}", key, now)]))
        if in_hour > ATTEMPTS_PER_HOUR:
            _LOG.warning("too many attempts to sign in to the console", way=way, attempts=in_hour)
            return "Too many attempts in this hour. Wait, or use the link that serve prints."
        return ""

    async def use_link(self, request: Request, code: str) -> ConsoleUser | None:
        """Return the person of a link of ``serve``; None if it was used, has ended, or comes from elsewhere."""
        id_ = self._signer.read_link(code)
        if not id_ or not self._trust.is_local(request.scope):
            return None
        return ConsoleUser(THIS_MACHINE, "author") if await ask_journal(self._journal.claim_key(_LINK_CLAIM, id_)) else None

    async def begin_openid(self, request: Request, next_path: str) -> Response:
        """Lead to the provider of the settings, and count the attempt first. Raises OpenIDError, also for too many."""
        provider = self._require_provider()
        refusal = await self._count_attempt(request, _OPENID_CLAIM)
        if refusal:
            raise OpenIDError(refusal, 429)
        redirect_url = f"{self._trust.create_base_url_getter(request.scope)()}{CONSOLE_PATH}{OPENID_CALLBACK_PATH}"
        attempt, url = await provider.begin_attempt(redirect_url, next_path)
        response = RedirectResponse(url, 303)
        response.set_cookie(
            ATTEMPT_COOKIE,
            self._signer.sign_attempt(attempt),
            max_age=ATTEMPT_SECONDS,
            path=f"{CONSOLE_PATH}/login",
            secure=self._trust.is_encrypted(request.scope),
            httponly=True,
            samesite="lax",
        )
        return response

    async def end_openid(self, request: Request) -> Response:
        """Sign in the person with whom the provider has answered. Raises OpenIDError."""
        provider = self._require_provider()
        parts = self._signer.read_attempt(request.cookies.get(ATTEMPT_COOKIE, ""))
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        if len(parts) != len(OpenIDAttempt._fields) or not hmac.compare_digest(parts[0].encode(), state.encode()):
            raise OpenIDError("This sign-in was not begun in this browser, or took longer than ten minutes. Begin again.")
        attempt = OpenIDAttempt(*parts)
        if not await ask_journal(self._journal.claim_key(_OPENID_CLAIM, attempt.state)):
            raise OpenIDError("This sign-in was used already. Begin again.")
        if not code:
            raise OpenIDError("The provider did not sign you in.")
        user = self.outside.find_openid_user(await provider.read_claims(attempt, code))
        if user is None:
            _LOG.warning("a person of the OpenID provider has no role in the console")
            raise OpenIDError("You are known to the provider, but have no role here. Ask whoever runs this server.")
        response = await self.begin_session(request, user, choose_next_path(attempt.next_path))
        response.delete_cookie(ATTEMPT_COOKIE, path=f"{CONSOLE_PATH}/login", httponly=True, samesite="lax")
        return response

    def _require_provider(self) -> OpenIDProvider:
        if self.outside.provider is None:
            raise HTTPException(404, "Not Found")
        return self.outside.provider

    async def begin_session(self, request: Request, user: ConsoleUser, path: str) -> Response:
        """Sign a person in, and lead to a page."""
        response = RedirectResponse(path, 303)
        response.set_cookie(
            SESSION_COOKIE,
            self._signer.sign_session(user),
            max_age=SESSION_SECONDS,
            path=CONSOLE_PATH,
            secure=self._trust.is_encrypted(request.scope),
            httponly=True,
            samesite="lax",
        )
        await self.record_change(self.build_person_change(request, user), "signed in", "console", "", user.role)
        return response

    async def end_session(self, request: Request, session: ConsoleSession) -> Response:
        """Sign a person out. The cookie is refused from now on, wherever a copy is."""
        await ask_journal(self._journal.claim_key(_ENDED_CLAIM, session.id))
        await self.record_change(self.build_person_change(request, session.user), "signed out", "console", "", "")
        response = RedirectResponse(f"{CONSOLE_PATH}/login", 303)
        response.delete_cookie(SESSION_COOKIE, path=CONSOLE_PATH, httponly=True, samesite="lax")
        return response

    async def record_change(self, change: PersonChange, action: str, key: str, before: str, after: str) -> None:
        """Add a change to the audit log. Raises HTTPException if the database is away."""
        await ask_journal(self._journal.add_audit_row(change, action, key, before, after))

    def build_person_change(self, request: Request, user: ConsoleUser) -> PersonChange:
        """Return the person who changes something, and the address, for the audit log."""
        way = {"openid": "console by OpenID", "proxy": "console by a proxy"}.get(user.origin, "console")
        return PersonChange(user.name, f"{way}, {self._trust.describe_source(request.scope)}", time.time())


def require_same_origin(request: Request) -> None:
    """Raise HTTPException if a page of another site has sent a request."""
    site, origin = find_header(request.scope, b"sec-fetch-site"), find_header(request.scope, b"origin")
    host = find_header(request.scope, b"host")
    is_foreign = site not in ("", "same-origin", "none") or (not site and origin and urlsplit(origin).netloc != host)
    if is_foreign or not (site or origin):
        raise HTTPException(403, "The request did not come from a page of this console.")


async def read_form_fields(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises HTTPException if it is too long, too slow or not whole."""
    body = await read_whole_body(request, _MAX_FORM_BYTES)
    try:
        return dict(
            parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MAX_FORM_FIELDS, errors="strict")
        )
    except (ValueError, UnicodeDecodeError):
        raise HTTPException(400, "The form cannot be read.") from None


def read_page_address(request: Request) -> str:
    """Return the path of a page with its query."""
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def choose_next_path(next_field: Any) -> str:  # noqa: ANN401 - a field of a request
    """Return a page of the console to go to; the first page instead of any other address."""
    path = str(next_field or "")
    is_ours = path.startswith(f"{CONSOLE_PATH}/") and "\\" not in path and path.isprintable()
    return path if is_ours and not path.startswith(f"{CONSOLE_PATH}/log") else f"{CONSOLE_PATH}/"
