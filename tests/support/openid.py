"""An OpenID provider for tests, as Hugging Face's is one: discovery, authorisation, token with a signed identity, keys.

Whoever `user` names is signed in without being asked.
"""

import base64
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey


class Provider:
    """Started on construction; `url` is what a Space finds in OPENID_PROVIDER_URL."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self.user = "alice"
        self.client = (client_id, client_secret)
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
        self.codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/oauth/authorize",
            "token_endpoint": f"{self.url}/oauth/token",
            "userinfo_endpoint": f"{self.url}/oauth/userinfo",
            "jwks_uri": f"{self.url}/oauth/jwks",
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorise(self, asked: dict[str, str]) -> str | None:
        """Where the browser goes next; None for a client that is not known."""
        if asked.get("client_id") != self.client[0] or "openid" not in asked.get("scope", ""):
            return None
        code = secrets.token_hex(8)
        self.codes[code] = {"nonce": asked.get("nonce", ""), "to": asked["redirect_uri"], "user": self.user}
        mark = "&" if "?" in asked["redirect_uri"] else "?"
        return f"{asked['redirect_uri']}{mark}{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, authorization: str, form: dict[str, str]) -> dict[str, Any] | None:
        """The answer for a code, once, to the client that knows its secret."""
        wanted = base64.b64encode(":".join(self.client).encode()).decode()
        given = self.codes.pop(form.get("code", ""), None)
        if authorization != f"Basic {wanted}" or given is None or form.get("redirect_uri") != given["to"]:
            return None
        now, name = int(time.time()), given["user"]
        claims = {"iss": self.url, "aud": self.client[0], "sub": f"id-{name}", "iat": now, "exp": now + 600}
        claims |= {
            "nonce": given["nonce"],
            "preferred_username": name,
            "name": name.title(),
            "profile": "",
            "picture": "",
        }
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key)
        return {"access_token": f"hf_oauth_{name}", "token_type": "bearer", "expires_in": 600, "id_token": signed}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/.well-known/openid-configuration":
                self.answer(provider.discovery())
            elif parts.path == "/oauth/jwks":
                self.answer(KeySet([provider.key]).as_dict(private=False))
            elif parts.path == "/oauth/authorize":
                place = provider.authorise({k: v[0] for k, v in parse_qs(parts.query).items()})
                self.answer({}, 400 if place is None else 302, place)
            else:
                self.answer({}, 404)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {k: v[0] for k, v in parse_qs(body).items()}
            given = provider.token(self.headers.get("Authorization", ""), form)
            self.answer(given or {"error": "invalid_grant"}, 200 if given else 400)

        def answer(self, value: dict[str, Any], status: int = 200, place: str | None = None) -> None:
            content = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", "Content-Length": str(len(content))}.items():
                self.send_header(name, text)
            if place:
                self.send_header("Location", place)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    return Handler
