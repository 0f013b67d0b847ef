"""Errors as HTTP responses: status, headers, and the error as JSON in the body, as in any reply."""

from __future__ import annotations

from collections.abc import Mapping

from lambda_handlers.http.messages import TXID, HttpResponse, json_response
from lambda_handlers.wire import SldbError

RETRY_SECONDS = 1  # what Retry-After says: the same request may succeed then


class HttpError(SldbError):
    """A request that reaches no database: `status` and `headers` are those of HTTP, and not of the error's code."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(code, message, hint, applied="no")
        self.http_status = status
        self.headers = dict(headers or {})


def error_response(error: SldbError) -> HttpResponse:
    """Return the response for an error, with `retry-after` if the same request may succeed a moment later."""
    headers: dict[str, str] = {}
    if may_succeed_later(error):
        headers["retry-after"] = str(RETRY_SECONDS)
    if isinstance(txid := error.details.get("txid"), int):
        headers[TXID] = str(txid)
    status = error.status
    if isinstance(error, HttpError):
        status, headers = error.http_status, {**headers, **error.headers}
    response = json_response(status, error.encode(), headers)
    return HttpResponse(response.status, response.headers, response.body, error.code)


def may_succeed_later(error: SldbError) -> bool:
    """Return True if the same request may succeed a moment later: a lock that was taken, a store that did not answer,
    and a race that was lost. A conflict about the state that the request demands comes again."""
    if error.code == "conflict":
        return not _DEMANDS & set(error.details)
    return error.code in ("lock_timeout", "store_error")


_DEMANDS = {"txid", "statement", "field"}  # details of a conflict that another try does not end
