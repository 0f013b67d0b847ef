"""Access logs: one line a request, in the format of its stage, to a log group of CloudWatch Logs.

A format is text with variables (`$context.requestId`); one without a value is a hyphen. The variables are those of the
developer guide, "Customize HTTP API access logs", as far as they exist here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sldb.emulator.calls.call import ACCOUNT
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.gateway.messages import Request, Response, new_request_id

_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.\-]+)")


@dataclass(slots=True)
class Entry:
    """The facts of a request for its line, collected while it is handled."""

    api_id: str
    stage: str
    request: Request
    route_key: str = ""
    error: str = ""
    authorizer: Mapping[str, Any] = field(default_factory=dict)
    integration_ms: int | None = None
    more: dict[str, str] = field(default_factory=dict)  # variables of a kind of API, by name

    def start_integration(self) -> str:
        """Return an id for the invocation of the function; the line has it, and the function's log."""
        self.more["integration.requestId"] = new_request_id()
        return self.more["integration.requestId"]

    def variables(self, response: Response, now: float) -> dict[str, str]:
        """Return the values by name."""
        request = self.request
        by_gateway = _message_of(response) if self.error else ""
        return {
            "accountId": ACCOUNT,
            "apiId": self.api_id,
            "domainName": request.domain_name,
            "domainPrefix": request.domain_name.partition(".")[0],
            "error.message": by_gateway,
            "error.messageString": json.dumps(by_gateway) if by_gateway else "",
            "httpMethod": request.method,
            "identity.sourceIp": request.source_ip,
            "identity.userAgent": request.header("user-agent") or "",
            "integrationErrorMessage": self.error if self.integration_ms is not None else "",
            "integrationLatency": "" if self.integration_ms is None else str(self.integration_ms),
            "path": request.path,
            "protocol": request.protocol,
            "requestId": request.request_id,
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(request.received_at)),
            "requestTimeEpoch": str(int(request.received_at * 1000)),
            "responseLatency": str(int((now - request.received_at) * 1000)),
            "responseLength": str(len(response.body)),
            "routeKey": self.route_key,
            "stage": self.stage,
            "status": str(response.status),
            **_authorizer(self.authorizer),
            **self.more,
        }


def line(log_format: str, variables: Mapping[str, str]) -> str:
    """Return the line of a format."""
    return _VARIABLE.sub(lambda found: variables.get(found[1].rstrip(".")) or "-", log_format)


class AccessLog:
    """Writes the lines."""

    def __init__(self, moto: Moto, logged: Callable[[str], None] = lambda _region: None) -> None:
        self._moto = moto
        self._note_logged = logged  # is called with the region of new log lines

    def write(self, region: str, group_arn: str, log_format: str, entry: Entry, response: Response) -> None:
        """Write a line; none without a group, or where the group is gone."""
        group = group_arn.removesuffix(":*").partition(":log-group:")[2]
        if not group:
            return
        now = time.time()
        message = {"timestamp": int(now * 1000), "message": line(log_format, entry.variables(response, now))}
        with self._moto.lock:
            logs = self._moto.backend("logs", region)
            if group not in logs.groups:
                return
            if entry.stage not in logs.groups[group].streams:
                logs.create_log_stream(group, entry.stage)
            logs.put_log_events(group, entry.stage, [message])
            self._note_logged(region)


def _authorizer(found: Mapping[str, Any]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in found.get("lambda", {}).items():
        values[f"authorizer.{name}"] = str(value)
    for name, value in found.get("jwt", {}).get("claims", {}).items():
        values[f"authorizer.claims.{name}"] = str(value)
    for variable, name in (("caller", "callerId"), ("user", "userId"), ("userArn", "userArn")):
        values[f"identity.{variable}"] = str(found.get("iam", {}).get(name) or "")
    return values


def _message_of(response: Response) -> str:
    return str(json.loads(response.body)["message"])
