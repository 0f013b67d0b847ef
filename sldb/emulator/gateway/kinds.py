"""The interface of a kind of API: HTTP APIs (`http_api/`) and REST APIs."""

from __future__ import annotations

from typing import Protocol

from sldb.emulator.gateway.messages import Request, Response


class ApiKind(Protocol):
    def region_of(self, api_id: str) -> str | None:
        """Return the region of the API of this kind with this id; None if there is none."""

    def answer(self, api_id: str, request: Request) -> Response:
        """Return the response to a request to such an API."""
