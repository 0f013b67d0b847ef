"""The public keys of issuers: their discovery document names the JWKS, which has the keys.

"API Gateway can cache the public key for two hours"; it gives up a fetch after 1,500 ms (quotas of HTTP APIs). A key
that is not in the copy makes it be fetched again here; whether AWS does that is not documented. Issuers on this machine
may be http:.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from sldb.emulator.gateway.http_api import tokens

KEPT_SECONDS = 2 * 60 * 60
FETCH_SECONDS = 1.5
MAX_BYTES = 1_000_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Unreachable(Exception):
    """The issuer does not answer with keys."""


class IssuerKeys:
    def __init__(
        self, fetch: Callable[[str], bytes] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch = fetch or fetch_url
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, dict[str, RSAPublicKey]]] = {}  # issuer → until when, keys

    def find(self, issuer: str, key_id: str) -> RSAPublicKey | None:
        """Return the issuer's key with this id; None if it has no such key. Raises Unreachable."""
        with self._lock:
            until, keys = self._kept.get(issuer, (0.0, {}))
        if key_id in keys and self._clock() < until:
            return keys[key_id]
        keys = self._read(issuer)
        with self._lock:
            self._kept[issuer] = (self._clock() + KEPT_SECONDS, keys)
        return keys.get(key_id)

    def _read(self, issuer: str) -> dict[str, RSAPublicKey]:
        try:
            discovered = self._document(issuer.rstrip("/") + "/.well-known/openid-configuration")
            address = discovered.get("jwks_uri")
            if not isinstance(address, str):
                raise ValueError("a discovery document without jwks_uri")
            return tokens.public_keys(self._document(address))
        except (OSError, ValueError) as error:
            raise Unreachable(f"{issuer}: {error}") from error

    def _document(self, url: str) -> Mapping[str, Any]:
        found = json.loads(self._fetch(url))
        if not isinstance(found, dict):
            raise ValueError(f"{url} is no JSON object")
        return found


def fetch_url(url: str) -> bytes:
    """Return what is at a URL: https:, or http: on this machine. Raises OSError or ValueError."""
    parts = urlsplit(url)
    is_local = parts.hostname in _LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise ValueError(f"{url} is not https:")
    # A proxy in the user's environment does not apply to this machine.
    opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_local else []))
    with opener.open(url, timeout=FETCH_SECONDS) as answer:
        content: bytes = answer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{url} has more than {MAX_BYTES} bytes")
    return content
