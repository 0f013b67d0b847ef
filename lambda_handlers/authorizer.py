"""The handler of `test-db-function-authorizer`: API Gateway asks it whether a token's request may pass.

Event   payload 2.0 of a Lambda authorizer of an HTTP API. The token is in `identitySource`: API Gateway caches the
        reply by that value, so nothing else may decide
Reply   {"isAuthorized": true, "context": {"sldb_name", "sldb_databases", "sldb_scope"}}, which the query function gets
        (`lambda_handlers.http.claims`), or {"isAuthorized": false}
Log     one line, which says why a token is refused, and never has it

A token is refused if it is malformed, signed by no accepted key, unknown, revoked or expired. If the access document or
the signing key cannot be read, the handler raises, and API Gateway answers 500: no request passes.

The payload is that of "Working with AWS Lambda authorizers for HTTP APIs" in the API Gateway developer guide. That
several Authorization headers arrive as one text with commas is not verified on AWS; such a text is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

from lambda_handlers.access.callers import ALL, READ, WRITE, Entry
from lambda_handlers.access.directory import Directory
from lambda_handlers.access.identities import token_identity
from lambda_handlers.access.signing_keys import SigningKeys
from lambda_handlers.access.tokens import BadToken, read_token
from lambda_handlers.aws.secrets_manager import SecretsManager, SecretUnreadable
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.settings import BadSetting, Settings
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import detail_of
from lambda_handlers.wire import SldbError

MAX_AGE_SECONDS = 20.0  # of the copy of the access document: with 20 s of API Gateway's cache 40 in all

_BEARER = re.compile(r"[ \t]*[Bb][Ee][Aa][Rr][Ee][Rr] +(?P<token>[!-~]+)[ \t]*")


class _Refused(Exception):
    """A token that is refused; the text is one word for the log."""


class Authorizer:
    def __init__(self, directory: Directory, keys: SigningKeys, log: Log, now: Callable[[], float]) -> None:
        self._directory = directory
        self._keys = keys
        self._log = log
        self._now = now

    def authorize(self, event: object) -> dict[str, Any]:
        """Return the reply to an event. Raises SldbError or SecretUnreadable if nothing can be decided."""
        line: dict[str, Any] = {"api_request_id": _request_id(event)}
        try:
            entry = self._entry(event, line)
        except _Refused as refusal:
            self._log.info("authorize", **line, allowed=False, reason=str(refusal))
            return {"isAuthorized": False}
        except (SldbError, SecretUnreadable) as error:
            self._log.error("authorize", **line, allowed=False, reason=str(error), aws_said=detail_of(error) or None)
            raise
        self._log.info("authorize", **line, allowed=True)
        return {"isAuthorized": True, "context": _claims(entry)}

    def _entry(self, event: object, line: dict[str, Any]) -> Entry:
        """Return the entry of a good token; add to the line of the log what it is known by. Raises _Refused."""
        try:
            token = read_token(_bearer(event))
        except BadToken:
            raise _Refused("malformed") from None
        claims = token.claims
        line.update(claimed_id=claims.token_id)
        secret = self._keys.secret(claims.key_id) if self._directory.accepts_key(claims.key_id) else None
        if secret is None:
            raise _Refused("unknown_key")
        if not token.is_signed_by(secret):
            raise _Refused("bad_signature")
        line["token_id"] = line.pop("claimed_id")
        entry = self._directory.find(token_identity(claims.token_id))
        if entry is None:
            raise _Refused("unknown")
        line.update(caller=entry.name)
        if reason := entry.refusal(int(self._now() * 1000)):
            raise _Refused(reason)
        return entry


def _bearer(event: object) -> str:
    """Return the token of a request; an empty text if it has none, or several."""
    sources = event.get("identitySource") if isinstance(event, Mapping) else None
    if not isinstance(sources, list) or len(sources) != 1 or not isinstance(sources[0], str):
        return ""
    found = _BEARER.fullmatch(sources[0])
    return found["token"] if found else ""


def _claims(entry: Entry) -> dict[str, str]:
    databases = ALL if entry.databases is None else " ".join(sorted(entry.databases))
    return {"sldb_name": entry.name, "sldb_databases": databases, "sldb_scope": WRITE if entry.may_write else READ}


def _request_id(event: object) -> str | None:
    """Return API Gateway's id of the request, which its access log has too."""
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    request_id = context.get("requestId") if isinstance(context, Mapping) else None
    return request_id if isinstance(request_id, str) else None


def handler(event: object, context: Any = None) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    try:
        authorizer = _authorizer(Settings.from_environment(os.environ))
    except BadSetting as error:
        Log().error("bad_setting", message=str(error))
        raise
    return authorizer.authorize(event)


@lru_cache(maxsize=4)
def _authorizer(settings: Settings) -> Authorizer:
    """Return the state that a container keeps from one invocation to the next."""
    host = Host()
    if not settings.token_secret:
        raise BadSetting("SLDB_TOKEN_SECRET", settings.token_secret, "the ARN of a secret in Secrets Manager")
    if settings.credentials is None:
        raise BadSetting("AWS_ACCESS_KEY_ID", "", "the credentials of the function")
    secrets = SecretsManager(settings.region, settings.credentials, settings.secrets_manager, host.now)
    return Authorizer(
        Directory(open_store(settings), host.now, MAX_AGE_SECONDS),
        SigningKeys(partial(secrets.text, settings.token_secret), host.now),
        Log(settings.log_level, now=host.now),
        host.now,
    )


if "AWS_LAMBDA_RUNTIME_API" in os.environ:
    # Lambda's init phase has a whole CPU regardless of the function's memory: open the store there.
    with suppress(BadSetting):  # the first request reports it
        _authorizer(Settings.from_environment(os.environ))
