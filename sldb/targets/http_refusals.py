"""Refusals of a front of the HTTP interface, and their errors. Pure.

Responses of API Gateway (AWS's documentation, "Gateway response types" and "Control access to HTTP APIs"; not tried on
AWS itself):

    401  Unauthorized: no token, or one refused by the JWT authorizer; WWW-Authenticate has the reason
    403  Forbidden: a token refused by the Lambda authorizer, a wrong API key, no right to invoke
         Missing Authentication Token: of a REST API: no such route, so the stage is missing in the path, most likely
    429  Too Many Requests, or Limit Exceeded: the quota of the key
"""

from __future__ import annotations

import json
import re
from typing import Any

from lambda_handlers.wire import SldbError
from sldb.aws.errors import clock_hint, is_wrong_clock
from sldb.aws.http import HttpReply
from sldb.targets.http_auth import IAM, KEY, HttpAuth, where_to_get

_MAX_SAID = 200  # characters of a front's message
_NO_ROUTE = "Missing Authentication Token"
_QUOTA = "Limit Exceeded"
_REASON = re.compile(r'error_description="([^"]*)"')
_IS_IT = "is it the address of sldb's HTTP interface?"


def is_temporary(response: HttpReply) -> bool:
    """Return True if the same request may succeed a moment later."""
    return response.status in (429, 500, 502, 503, 504) and _said(response) != _QUOTA


def refusal(name: str, auth: HttpAuth, response: HttpReply) -> SldbError:
    """Return the error for a response of a front. `name`: of the target."""
    status, said = response.status, _said(response)
    answered = f"{name} answered {status}"
    if status == 403 and said == _NO_ROUTE:
        hint = f"an API with API keys has its stage in the URL: {name}/sldb"
        return SldbError("store_error", f"{answered}: it has no such route", hint)
    if status in (401, 403):
        return _not_accepted(answered, said, auth, response)
    if status == 413:
        return SldbError("too_large", f"{answered}: the request is too large", "split it into several requests")
    if status == 429 and said == _QUOTA:
        return SldbError("store_error", f"{answered}: the quota of the API key is used up", "ask the stack's operator")
    if status == 429:
        return SldbError("store_error", f"{answered}: too many requests", "try again later")
    if status >= 500:
        return SldbError(
            "store_error", f"{answered}{_request(response)}", "try again; the function's log may show more"
        )
    return SldbError("store_error", answered, _IS_IT)


def _not_accepted(answered: str, said: str, auth: HttpAuth, response: HttpReply) -> SldbError:
    if auth.kind == IAM:
        return _not_allowed(answered, said, response)
    noun = "API key" if auth.kind == KEY.name else "token"
    if auth.secret is None:
        return SldbError(
            "store_error", f"{answered}: it wants a token or an API key", f"give {where_to_get(auth.kind)}"
        )
    reason = _REASON.search(str(response.headers.get("www-authenticate", "")))
    why = f" ({_printable(reason[1])})" if reason else ""
    hint = f"it may be expired, revoked, or of another stack: check {where_to_get(auth.kind)}"
    return SldbError("store_error", f"{answered}: it does not accept the {noun}{why}", hint)


def _not_allowed(answered: str, said: str, response: HttpReply) -> SldbError:
    """Return the error for a refused signature, or for an identity without the right."""
    if is_wrong_clock("", said):
        return SldbError("store_error", f"{answered}: {said}", clock_hint(response.headers.get("date")))
    hint = f"check {where_to_get(IAM)}; they need execute-api:Invoke, and `sldb token create --principal` their ARN"
    return SldbError("store_error", f"{answered}{f': {said}' if said else ''}", hint)


def _said(response: HttpReply) -> str:
    """Return the message in a front's body; empty if there is none."""
    try:
        body: Any = json.loads(response.body)
    except ValueError:
        return ""
    said = (body.get("message") or body.get("Message")) if isinstance(body, dict) else None
    return _printable(said) if isinstance(said, str) else ""


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:_MAX_SAID])


def _request(response: HttpReply) -> str:
    """Return API Gateway's id of the request, for its access log."""
    found = response.headers.get("apigw-requestid") or response.headers.get("x-amzn-requestid")
    return f" (request {_printable(str(found))})" if found else ""
