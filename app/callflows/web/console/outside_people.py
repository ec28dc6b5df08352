"""People whom others have signed in: an OpenID provider, or a trusted proxy by its headers. A table gives them roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callflows.settings import EVERYBODY_ROLE
from callflows.text import MAX_FIELD_CHARACTERS
from callflows.web.console.console_accounts import CONSOLE_ROLES, ConsoleUser
from callflows.web.console.openid_sign_in import OpenIDProvider, hash_openid_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.types import Scope

    from callflows.settings import Settings
    from callflows.web.console.console_sessions import SignedSession
    from callflows.web.request_trust import RequestTrust


class OutsidePeople:
    """Finds the names and roles of people whom a provider or a proxy has signed in."""

    def __init__(self, settings: Settings, trust: RequestTrust) -> None:
        """Raise SettingsError if the settings name a provider, and Authlib is not installed."""
        self.provider = OpenIDProvider(settings) if settings.console_oidc_issuer else None
        self._trust = trust
        self._roles = settings.console_roles
        self._role_claim = settings.console_oidc_role_claim
        self._user_header = settings.console_user_header.lower().encode()
        self._groups_header = settings.console_groups_header.lower().encode()
        self._openid_stamp = hash_openid_settings(settings)

    def find_openid_user(self, claims: Mapping[str, Any]) -> ConsoleUser | None:
        """Return the person of an ID token; None if the person has no role.

        Only what the person cannot choose gives a role: the claim of roles, the subject, a verified address.
        """
        subject = str(claims["sub"])
        email = str(claims.get("email") or "") if claims.get("email_verified") is True else ""
        values = claims.get(self._role_claim)
        groups = [values] if isinstance(values, str) else values if isinstance(values, list) else []
        role = self._choose_role(map(str, groups), [subject, email])
        # Not preferred_username: the person may choose it, and would change things under another's name.
        name = _clean_name(email or subject)
        return ConsoleUser(name, role, self._openid_stamp, "openid") if role and name else None

    def restore_user(self, signed: SignedSession, scope: Scope) -> ConsoleUser | None:
        """Return the person of a cookie as of now; None if somebody else is signed in, or the way in is closed."""
        if signed.origin == "openid" and self.provider is not None and signed.role in CONSOLE_ROLES:
            return ConsoleUser(signed.name, signed.role, self._openid_stamp, "openid")
        user = self.find_proxy_user(scope) if signed.origin == "proxy" else None
        return user if user is not None and user.name == signed.name else None

    def find_proxy_name(self, scope: Scope) -> str:
        """Return the name in the header of a trusted proxy; empty without one."""
        return _clean_name(self._read_proxy_header(scope, self._user_header))

    def find_proxy_user(self, scope: Scope) -> ConsoleUser | None:
        """Return the person whom a trusted proxy has signed in; None without one, or if the person has no role."""
        name = self.find_proxy_name(scope)
        groups = self._read_proxy_header(scope, self._groups_header).split(",") if name else []
        role = self._choose_role((group.strip() for group in groups), [name]) if name else ""
        return ConsoleUser(name, role, "", "proxy") if role else None

    def _read_proxy_header(self, scope: Scope, header: bytes) -> str:
        """Return a header that a trusted proxy alone may send; empty if it stands there twice."""
        if not header or not self._trust.comes_from_trusted_proxy(scope):
            return ""
        values = [value for name, value in scope["headers"] if name == header]
        return values[0].decode("utf-8", "replace").strip() if len(values) == 1 else ""

    def _choose_role(self, groups: Iterable[str], names: Iterable[str]) -> str:
        """Return the highest role of a person's groups and names; empty if none of them has one."""
        known = [*CONSOLE_ROLES]
        # A person who is named as a group has no role of the group for that, and none is named "*".
        entries = [*(f"group:{group}" for group in groups), *(f"user:{name}" for name in names if name), EVERYBODY_ROLE]
        table = self._roles or {f"group:{role}": role for role in known}
        roles = [table[entry] for entry in entries if entry in table]
        return max(roles, key=known.index, default="")


def _clean_name(name: str) -> str:
    """Return a name for the pages and the audit log."""
    return "".join(sign for sign in name if sign.isprintable()).strip()[:MAX_FIELD_CHARACTERS]
