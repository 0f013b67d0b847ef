"""Tokens that API callers send: the id of an entry in the access document, signed by a key of the stack. Pure.

    sldb_<claims>.<signature>

    claims      base64url without padding of a JSON object: `v` 1, `id` and `kid`, and for people to see, if they are
                there, `name`, `scope` and `expires`
    signature   base64url without padding of the HMAC-SHA256 of all text before the dot, by the key `kid`

A token grants nothing by itself: databases, scope, expiry and revocation are those of the entry
(`lambda_handlers.access.callers`). There is one algorithm, and no field names it. A signature is compared as text, so
each signed text has one token: no other spelling of it is accepted.

Signing keys are texts of at least 32 characters; their storage is `lambda_handlers.access.signing_keys`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass

PREFIX = "sldb_"  # by which scanners for leaked secrets can find tokens
VERSION = 1
MAX_CHARACTERS = 1024
MIN_SECRET_CHARACTERS = 32
ID_BYTES = 16

TOKEN_ID = re.compile(r"[a-z2-7]{26}")
KEY_ID = re.compile(r"[0-9a-f]{8}")

_TOKEN = re.compile(r"(?P<signed>sldb_(?P<claims>[A-Za-z0-9_-]+))\.(?P<signature>[A-Za-z0-9_-]{43})")
_SHOWN = ("name", "scope", "expires")


class BadToken(ValueError):
    """A text that is no token."""


@dataclass(frozen=True, slots=True)
class Claims:
    token_id: str  # of the entry `token:<id>`
    key_id: str  # of the key that signs
    name: str = ""  # this and the following are for people only; "": not said
    scope: str = ""
    expires: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A text in the form of a token. Its claims are worth nothing until `is_signed_by`."""

    claims: Claims
    signed: str
    signature: str

    def is_signed_by(self, secret: str) -> bool:
        """Return True if the signature is that of this key. Takes the same time wherever it differs."""
        return hmac.compare_digest(self.signature, _signature(self.signed, secret))


def new_id(chance: bytes) -> str:
    """Return an id for a token. `chance`: 16 random bytes."""
    if len(chance) != ID_BYTES:
        raise ValueError(f"an id has {ID_BYTES} random bytes, and not {len(chance)}")
    return base64.b32encode(chance).decode().rstrip("=").lower()


def key_id_of(secret: str) -> str:
    """Return the id of a signing key. Raises ValueError for a text that is too short for one."""
    if len(secret) < MIN_SECRET_CHARACTERS:
        raise ValueError(f"a signing key has at least {MIN_SECRET_CHARACTERS} characters")
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def make_token(token_id: str, secret: str, *, name: str = "", scope: str = "", expires: str = "") -> str:
    """Return a token. Raises ValueError for an id, key or length that no token has."""
    if not TOKEN_ID.fullmatch(token_id):
        raise ValueError(f"{token_id!r} is no id of a token")
    shown = {"name": name, "scope": scope, "expires": expires}
    claims = {
        "v": VERSION,
        "id": token_id,
        "kid": key_id_of(secret),
        **{key: text for key, text in shown.items() if text},
    }
    signed = PREFIX + _base64url(json.dumps(claims, separators=(",", ":")).encode())
    token = f"{signed}.{_signature(signed, secret)}"
    if len(token) > MAX_CHARACTERS:
        raise ValueError(f"the token has {len(token)} characters, and {MAX_CHARACTERS} are allowed")
    return token


def read_token(text: str) -> Token:
    """Return the parts of a token. Raises BadToken."""
    found = _TOKEN.fullmatch(text) if len(text) <= MAX_CHARACTERS else None
    if found is None:
        raise BadToken("not in the form of a token")
    return Token(_claims(found["claims"]), found["signed"], found["signature"])


def _claims(text: str) -> Claims:
    try:
        fields = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except (ValueError, binascii.Error, RecursionError):
        raise BadToken("the claims are not JSON") from None  # which would have them in its text
    if not isinstance(fields, dict) or type(fields.get("v")) is not int or fields["v"] != VERSION:
        raise BadToken("the claims are of another version")
    return Claims(
        _text(fields, "id", TOKEN_ID), _text(fields, "kid", KEY_ID), *(_text(fields, name) for name in _SHOWN)
    )


def _text(fields: dict[str, Any], name: str, form: re.Pattern[str] | None = None) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str) or (form is not None and not form.fullmatch(value)):
        raise BadToken(f"the claim {name} has another form")
    return value


def _signature(signed: str, secret: str) -> str:
    return _base64url(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
