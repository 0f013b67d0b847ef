"""The access to `sldb serve`: for programs of this machine, or bearers of the token; for web pages by their origin.

A page in the user's browser can send requests to a server on loopback. Three checks keep it out, and each of them would
do so alone for the requests that browsers send without asking first:

- Host must be a name of loopback: a name of the page's own that is made to resolve to loopback (DNS rebinding) is not.
- Origin, which browsers add to every POST, must be one of those given with `--cors`; other programs send none.
- A body must be JSON, by its content type, or come with Authorization (`lambda_handlers.http`): a page needs leave to
  send either, and gets none.

With an address other than loopback Host may be anything, and the token is required: a page does not have it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from lambda_handlers.wire import SldbError
from sldb.destination import is_loopback

MIN_TOKEN_CHARACTERS = 16
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::[0-9]+)?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@,*\s]+")


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """Raises `bad_request` for an address that others can reach without a token, for a token easy to guess, and for
    what is no origin: `null` is that of any page in a sandboxed frame."""

    host: str  # the address to listen on
    token: str | None = None
    origins: frozenset[str] = frozenset()  # of the web pages that may use it

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise SldbError(
                "bad_request",
                f"{self.host} can be reached from other machines, and there is no token",
                "--token FILE or SLDB_TOKEN sets one; without it, only --host 127.0.0.1 is possible",
            )
        if self.token is not None and not is_token(self.token):
            raise SldbError(
                "bad_request",
                f"the token is not one: want {MIN_TOKEN_CHARACTERS} or more ASCII characters, and no space among them",
                "openssl rand -hex 32 makes one",
            )
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise SldbError("bad_request", f"--cors: {origin!r} is no origin", "http://localhost:5173 is one")

    def refusal(self, headers: Mapping[str, str], *, is_public: bool) -> Refusal | None:
        """Return why a request with these headers (names in lower case) is refused; None to serve it. `is_public`: it
        needs no token."""
        if is_loopback(self.host) and host_name(headers.get("host", "")) not in {*_LOOPBACK_NAMES, self.host}:
            return Refusal(403, "Host: this server is localhost only", f"http://{self.host} or http://localhost")
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            return Refusal(403, "Origin: web pages of this origin may not use this server", "sldb serve --cors ORIGIN")
        if self.token is None or is_public:
            return None
        if not hmac.compare_digest(_bearer(headers.get("authorization", "")).encode(), self.token.encode()):
            return Refusal(401, "the token is missing or wrong", "Authorization: Bearer TOKEN")
        return None


def is_token(text: str) -> bool:
    return len(text) >= MIN_TOKEN_CHARACTERS and text.isascii() and text.isprintable() and " " not in text


def host_name(header: str) -> str:
    """Return the name in a Host header, in lower case and without the port; an empty text for any other header."""
    found = _HOST.fullmatch(header)
    return (found["address"] or found["name"]).lower() if found else ""


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
