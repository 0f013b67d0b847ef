"""Responses of Lambda to an invocation: the function's reply, its crash, or an error of Lambda's own. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from lambda_handlers.wire import SldbError
from sldb.aws.http import HttpReply

T = TypeVar("T")


class NoSuchFunction(SldbError):
    """Lambda does not know the function: nothing ran."""

    def __init__(self, function: str, region: str) -> None:
        super().__init__(
            "store_error",
            f"there is no function {function} in {region}",
            "give another with --target lambda:NAME, or look elsewhere with --region or --profile; if it was deleted, "
            "`sldb deploy --stack NAME` with the name of its stack creates it again",
        )


class NotOurs(SldbError):
    """The function is not sldb's."""


def is_temporary(response: HttpReply) -> bool:
    """Return True if the same request may succeed a moment later: throttled, 5xx, or the function is being updated."""
    return (
        response.status == 429
        or response.status >= 500
        or (response.status == 409 and lambda_error(response)[0] == "ResourceConflictException")
    )


def crashed(response: HttpReply) -> bool:
    return "x-amz-function-error" in response.headers


def cannot_start(response: HttpReply) -> bool:
    """Return True for a crash before any code of the function's own had run."""
    return crash_report(response)[1] in _CANNOT_START


_CANNOT_START = {
    "Runtime.ImportModuleError",
    "Runtime.HandlerNotFound",
    "Runtime.MalformedHandlerName",
    "Runtime.UserCodeSyntaxError",
    "Runtime.InvalidEntrypoint",
    "Runtime.InvalidBundle",  # these two are the emulator's
    "Runtime.NotOnThisMachine",
}


def timed_out(response: HttpReply) -> bool:
    message, kind = crash_report(response)
    return kind == "Sandbox.Timedout" or "Task timed out after" in message


TEMPORARY = ("conflict", "lock_timeout", "query_timeout", "cancelled", "store_error", "internal", "too_large")


def temporary_refusal(response: HttpReply) -> SldbError | None:
    """Return the function's error if the very same request may have succeeded before; None for other responses."""
    reply = _json_object(response.body)
    if not isinstance(reply.get("statusCode"), int) or reply["statusCode"] < 400:
        return None
    try:
        error = SldbError.decode(reply["body"])
    except (KeyError, TypeError, ValueError):  # no reply of sldb: `decode` reports it
        return None
    return error if error.code in TEMPORARY else None


def crash_report(response: HttpReply) -> tuple[str, str]:
    """Return message and type from Lambda's report of a crash."""
    report = _json_object(response.body)
    kind = str(report.get("errorType") or "")
    return str(report.get("errorMessage") or kind or "no message"), kind


def lambda_error(response: HttpReply) -> tuple[str, str]:
    """Return code and message of an error of Lambda's API."""
    report = _json_object(response.body)
    code = response.headers.get("x-amzn-errortype") or report.get("__type") or str(response.status)
    code = str(code).split(":")[0].split("#")[-1]
    return code, str(report.get("message") or report.get("Message") or "no message")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        decoded = json.loads(body)
    except ValueError:
        return {"message": body[:200].decode(errors="replace")}
    return decoded if isinstance(decoded, dict) else {}


def decode(response: HttpReply, function: str, read: Callable[[Any], T]) -> T:
    """Return the reply's body, decoded by `read`. Raises SldbError: the function's own, or `internal` for no reply."""
    try:
        reply = json.loads(response.body)
        failed, body = reply["statusCode"] >= 400, reply["body"]
        decoded = SldbError.decode(body) if failed else read(body)
    except (ValueError, KeyError, TypeError, SldbError) as error:
        raise NotOurs(
            "internal",
            f"{function} responded with something else than a reply of sldb ({type(error).__name__}: {error})",
            "is it sldb's function, and of this version? sldb deploy brings it up to date",
            applied="unknown",
        ) from error
    if isinstance(decoded, SldbError):
        raise decoded
    return decoded
