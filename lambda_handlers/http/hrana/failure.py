"""The failure of a whole HTTP request, in place of the results of its parts."""

from __future__ import annotations

from typing import Any, NoReturn

_CODE = "SERVER_ERROR"  # libSQL's clients call any failure of HTTP so


class ProtocolFailure(Exception):
    """`status` is that of the HTTP response, `message` the text of its body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def malformed(where: str, want: str) -> NoReturn:
    """Raise the failure of a request whose body breaks the protocol. Values are not repeated: they may be secret."""
    raise ProtocolFailure(400, f"{where}: want {want}")


def failure_body(message: str) -> dict[str, Any]:
    """Return the body of a response that is none of 200: `error` by the specification (9.3). libSQL's client for
    JavaScript (@libsql/hrana-client 0.10, `errorFromResponse`) reads `message` and `code`, and no other field."""
    return {"error": message, "message": message, "code": _CODE}
