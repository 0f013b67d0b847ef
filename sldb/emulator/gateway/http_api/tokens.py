"""JSON Web Tokens, checked as HTTP APIs do. Pure.

The rules are those of the developer guide, "Control access to HTTP APIs with JWT authorizers": the algorithm is one of
RSA's ("currently, only RSA-based algorithms are supported"), `kid` names one of the issuer's keys, `iss` is the
authorizer's issuer, `aud` (or `client_id`, only if there is no `aud`) is one of its audiences, `exp` is after now,
`nbf` and `iat` are before, and `scope` or `scp` has one of the route's scopes. That a token needs `exp`, and the words
for each refusal but the audience's, are unverified.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

_HASHES: Mapping[str, type[hashes.HashAlgorithm]] = {
    "RS256": hashes.SHA256,
    "RS384": hashes.SHA384,
    "RS512": hashes.SHA512,
}


class InvalidToken(Exception):
    """The token is not accepted; the text is for `error_description`."""


@dataclass(frozen=True, slots=True)
class Token:
    algorithm: str
    key_id: str
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes


def decode(text: str) -> Token:
    """Return a token that nothing has been checked of. Raises InvalidToken."""
    parts = text.split(".")
    if len(parts) != 3:
        raise InvalidToken("the token is malformed")
    header, claims = (_object(part) for part in parts[:2])
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(key_id, str):
        raise InvalidToken("the token is malformed")
    return Token(algorithm, key_id, claims, f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2]))


def check_signature(token: Token, key: RSAPublicKey) -> None:
    """Raise InvalidToken if the token is not signed with the key."""
    algorithm = _HASHES.get(token.algorithm)
    if algorithm is None:
        raise InvalidToken(f"signing method {token.algorithm} is invalid")
    try:
        key.verify(token.signature, token.signed, PKCS1v15(), algorithm())
    except InvalidSignature:
        raise InvalidToken("the signature is invalid") from None


def check_claims(claims: Mapping[str, Any], issuer: str, audience: tuple[str, ...], now: float) -> None:
    """Raise InvalidToken if the claims are not for this authorizer, or not for this time (unix seconds)."""
    if claims.get("iss") != issuer:
        raise InvalidToken("the token has an invalid issuer")
    meant = claims["aud"] if "aud" in claims else claims.get("client_id")
    if not any(isinstance(each, str) and each in audience for each in (meant if isinstance(meant, list) else [meant])):
        raise InvalidToken("the token does not have a valid audience")
    if not now < _time(claims, "exp", 0.0):
        raise InvalidToken("the token has expired")
    if not _time(claims, "nbf", now) <= now:
        raise InvalidToken("the token is not valid yet")
    if not _time(claims, "iat", now) <= now:
        raise InvalidToken("the token is used before issued")


def scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of a token: words of `scope`, or the list `scp`."""
    found = claims.get("scope", claims.get("scp", ""))
    words = found.split() if isinstance(found, str) else found if isinstance(found, list) else []
    return frozenset(each for each in words if isinstance(each, str))


def public_keys(document: Mapping[str, Any]) -> dict[str, RSAPublicKey]:
    """Return the RSA keys of a JWKS by their ids. Raises ValueError."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError("a JWKS without keys")
    found = {}
    for entry in entries:
        if isinstance(entry, dict) and entry.get("kty") == "RSA" and isinstance(entry.get("kid"), str):
            try:
                modulus, exponent = (int.from_bytes(_bytes(entry[name]), "big") for name in ("n", "e"))
                found[entry["kid"]] = RSAPublicNumbers(exponent, modulus).public_key()
            except (KeyError, TypeError, InvalidToken) as error:
                raise ValueError(f"the key {entry['kid']} of a JWKS") from error
    return found


def claim_texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """Return the claims as events have them: all are texts, a list is `[a b]`."""
    return {name: _text(value) for name, value in claims.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{' '.join(_text(each) for each in value)}]"
    if isinstance(value, dict):  # as Go prints one; unverified
        return f"map[{' '.join(f'{name}:{_text(value[name])}' for name in sorted(value))}]"
    return "" if value is None else str(value)


def _time(claims: Mapping[str, Any], name: str, absent: float) -> float:
    value = claims.get(name, absent)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidToken("the token is malformed")
    return float(value)


def _object(part: str) -> Mapping[str, Any]:
    try:
        found = json.loads(_bytes(part))
    except (ValueError, RecursionError):
        raise InvalidToken("the token is malformed") from None
    if not isinstance(found, dict):
        raise InvalidToken("the token is malformed")
    return found


def _bytes(part: str) -> bytes:
    """Decode base64url without padding."""
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise InvalidToken("the token is malformed") from None
