"""An issuer of JSON Web Tokens: its key, its two documents, and tokens that it signs; in memory or on loopback."""

from __future__ import annotations

import base64
import functools
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

LIFE_SECONDS = 3600


@functools.cache
def private_key(number: int = 0) -> RSAPrivateKey:
    """Return a key; making one takes a while. `number` tells several apart."""
    assert number >= 0
    return generate_private_key(65537, 2048)


@dataclass
class Issuer:
    url: str = "https://issuer.example/"
    keys: dict[str, RSAPrivateKey] = field(default_factory=lambda: {"key-1": private_key()})
    fetched: list[str] = field(default_factory=list)

    def fetch(self, url: str) -> bytes:
        """Return a document as the issuer serves it. Raises OSError."""
        self.fetched.append(url)
        base = self.url.rstrip("/")
        if url == f"{base}/.well-known/openid-configuration":
            return json.dumps({"issuer": self.url, "jwks_uri": f"{base}/keys"}).encode()
        if url == f"{base}/keys":
            return json.dumps({"keys": [jwk(name, key) for name, key in self.keys.items()]}).encode()
        raise FileNotFoundError(url)

    def token(self, now: float, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Return a token for the audience `sldb`, signed with the newest key; `claims` with None are left out."""
        key_id = list(self.keys)[-1]
        usual = {"iss": self.url, "aud": "sldb", "exp": int(now) + LIFE_SECONDS, "iat": int(now), "sub": "user"}
        wanted = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        parts = ({"alg": "RS256", "kid": key_id, "typ": "JWT", **(header or {})}, wanted)
        signed = ".".join(encoded(json.dumps(part).encode()) for part in parts)
        signature = self.keys[key_id].sign(signed.encode(), PKCS1v15(), hashes.SHA256())
        return f"{signed}.{encoded(signature)}"


def jwk(key_id: str, key: RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes(-(-numbers.n.bit_length() // 8), "big")
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id, "n": encoded(modulus), "e": "AQAB"}


def encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@contextmanager
def served(certificate: Path | None = None) -> Iterator[Issuer]:
    """Serve an issuer on loopback. `certificate`: a file with it and its key, for https."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                content = issuer.fetch(issuer.url.rstrip("/") + self.path)
            except FileNotFoundError:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        issuer.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
