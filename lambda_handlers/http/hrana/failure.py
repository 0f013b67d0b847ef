"""The failure of a whole HTTP request, in place of the results of its parts."""

from __future__ import annotations

from typing import NoReturn


class ProtocolFailure(Exception):
    """`status` is that of the HTTP response, `message` the text of its body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def malformed(where: str, want: str) -> NoReturn:
    """Raise the failure of a request whose body breaks the protocol. Values are not repeated: they may be secret."""
    raise ProtocolFailure(400, f"{where}: want {want}")
