"""JWT authorizers: the token of a request, checked with the issuer's keys (`tokens`, `issuer_keys`).

A token that is not accepted is 401 with a `www-authenticate` that says why (developer guide, "Troubleshooting issues
with HTTP API JWT authorizers"); one without the route's scopes is 403. The header of a 401 without a token, that of a
403, and what an issuer that does not answer leads to, are unverified.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from sldb.emulator.gateway.http_api import identity_sources, tokens
from sldb.emulator.gateway.http_api.apis import Authorizer, Route
from sldb.emulator.gateway.http_api.issuer_keys import IssuerKeys, Unreachable
from sldb.emulator.gateway.http_api.payload import Routed
from sldb.emulator.gateway.http_api.tokens import InvalidToken
from sldb.emulator.gateway.messages import Refused, message

_BEARER = re.compile(r"(?:Bearer\s+)?(\S+)", re.IGNORECASE)


class JwtAuthorizers:
    def __init__(self, keys: IssuerKeys, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._now = now

    def authorize(self, authorizer: Authorizer, route: Route, routed: Routed) -> dict[str, Any]:
        """Return the member of `requestContext.authorizer`. Raises Refused."""
        found = identity_sources.values(authorizer.identity_sources, routed)
        if found is None:
            raise _refused(401, "Unauthorized", "Bearer", "the identity source is missing")
        scope = " ".join(route.scopes)
        try:
            claims = self._claims(found[0], authorizer)
        except (InvalidToken, Unreachable) as error:
            why = str(error) if isinstance(error, InvalidToken) else "OIDC discovery endpoint communication error"
            challenge = f'Bearer scope="{scope}" error="invalid_token" error_description="{_quotable(why)}"'
            raise _refused(401, "Unauthorized", challenge, str(error)) from error
        granted = tokens.scopes(claims)
        if route.scopes and not granted & set(route.scopes):
            challenge = f'Bearer scope="{scope}" error="insufficient_scope"'
            raise _refused(403, "Forbidden", challenge, "the token has none of the route's scopes")
        shown = sorted(granted & set(route.scopes)) if route.scopes else None
        return {"jwt": {"claims": tokens.claim_texts(claims), "scopes": shown}}

    def _claims(self, text: str, authorizer: Authorizer) -> dict[str, Any]:
        bearer = _BEARER.fullmatch(text.strip())
        if bearer is None:
            raise InvalidToken("the token is malformed")
        token = tokens.decode(bearer[1])
        key = self._keys.find(authorizer.issuer, token.key_id)
        if key is None:
            raise InvalidToken("the token's key is not one of the issuer's")
        tokens.check_signature(token, key)
        tokens.check_claims(token.claims, authorizer.issuer, authorizer.audience, self._now())
        return dict(token.claims)


def _quotable(text: str) -> str:
    return re.sub(r"[^ !#-\[\]-~]", "?", text)


def _refused(status: int, text: str, challenge: str, reason: str) -> Refused:
    return Refused(message(status, text, (("www-authenticate", challenge),)), reason)
