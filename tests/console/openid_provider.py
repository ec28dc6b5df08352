"""A small OpenID provider on loopback: discovery, keys, authorization with PKCE, and tokens. It asks nobody."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwk, jwt

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT_ID = "callflows"
CLIENT_SECRET = "the secret of the console"  # noqa: S105 - of a server that lives for a test


class SmallProvider:
    """The provider. ``claims`` are those of the person; ``token_changes`` replace what a token says of itself."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.claims: dict[str, Any] = {"sub": "u-7", "email": "ann@example.com", "email_verified": True}
        self.token_changes: dict[str, Any] = {}
        self.authorization: dict[str, str] = {}
        self._codes: dict[str, dict[str, str]] = {}
        self.rotate_key()

    @staticmethod
    def create_key() -> jwk.ECKey:
        return jwk.ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"})

    def rotate_key(self) -> None:
        """Sign with a new key, which is published."""
        self.key = self.published_key = self.create_key()

    def describe(self) -> dict[str, Any]:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.issuer, **{name: f"{self.issuer.rstrip('/')}/{path}" for name, path in names.items()}}

    def authorize(self, query: dict[str, str]) -> str:
        """Return where the browser goes next, with a code."""
        assert (query["response_type"], query["client_id"], query["code_challenge_method"]) == ("code", CLIENT_ID, "S256")
        assert "openid" in query["scope"].split()
        self.authorization = query
        code = secrets.token_urlsafe(8)
        self._codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def exchange(self, fields: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self._codes.pop(fields["code"], None)
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '%20')}".encode()).decode()
        digest = hashlib.sha256(fields["code_verifier"].encode()).digest()
        is_right = (
            asked is not None
            and authorization == f"Basic {basic}"
            and fields["redirect_uri"] == asked["redirect_uri"]
            and base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
        )
        if not is_right or asked is None:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        about = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        header = {"alg": "ES256", "kid": self.key.kid}
        token = jwt.encode(header, {**about, **self.claims, **self.token_changes}, self.key)
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": token}


@contextlib.contextmanager
def run_provider() -> Iterator[SmallProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/authorize":
                self.send_response(302)
                self.send_header("location", provider.authorize({k: v[0] for k, v in parse_qs(url.query).items()}))
                self.end_headers()
                return
            keys = {"keys": [provider.published_key.as_dict(private=False)]}
            self._answer(200, keys if url.path == "/keys" else provider.describe())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            fields = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*provider.exchange(fields, self.headers.get("authorization", "")))

        def _answer(self, status: int, answer: dict[str, Any]) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = SmallProvider(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
