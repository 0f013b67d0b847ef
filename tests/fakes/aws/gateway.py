"""Requests to APIs, and functions behind them, without an emulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sldb.emulator.calls.call import Call
from sldb.emulator.gateway.access_log import AccessLog, Entry, line
from sldb.emulator.gateway.messages import Headers, Request, Response


def request(
    method: str = "POST",
    path: str = "/",
    *,
    headers: Headers = (),
    body: bytes = b"",
    query: str = "",
    stage: str | None = None,
) -> Request:
    call = Call("s3", "", "us-east-1", "", method, path, {}, {}, {}, body, {})
    return Request(
        call=call,
        method=method,
        path=path,
        query=query,
        headers=headers,
        body=body,
        domain_name="abc.execute-api.us-east-1.amazonaws.com",
        source_ip="192.0.2.7",
        protocol="HTTP/1.1",
        received_at=1_583_348_638.39,
        request_id="request-1",
        stage=stage,
    )


@dataclass
class StandIn:
    """Functions by URI; each takes the event, and returns its result or raises."""

    functions: dict[str, Callable[[Mapping[str, Any]], Any]] = field(default_factory=dict)
    calls: list[tuple[str, Mapping[str, Any], str, float]] = field(default_factory=list)  # uri, event, source, seconds

    def invoke(
        self, uri: str, event: Mapping[str, Any], *, source_arn: str, region: str, seconds: float, request_id: str
    ) -> Any:
        assert region == "us-east-1"
        assert request_id
        self.calls.append((uri, event, source_arn, seconds))
        return self.functions[uri](event)

    def events(self, uri: str) -> list[Mapping[str, Any]]:
        return [event for each, event, _, _ in self.calls if each == uri]


class Lines(AccessLog):
    """The lines of access logs, in memory."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, region: str, group_arn: str, log_format: str, entry: Entry, response: Response) -> None:
        assert region
        if group_arn:
            self.lines.append(line(log_format, entry.variables(response, entry.request.received_at + 0.5)))
