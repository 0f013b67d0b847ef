"""The connections to EC2; the first of a container is opened while the rest of the query function is imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lambda_handlers.aws.connections import Connections
from lambda_handlers.settings import BadSetting, Settings
from lambda_handlers.shared.endpoints import Endpoint

CALL_SECONDS = 10.0  # for an answer, once connected
IDLE_SECONDS = 20.0  # for which a connection is kept; EC2 drops them after about a minute

_opened: dict[Endpoint, Connections] = {}


def connect_ahead(environment: Mapping[str, str]) -> None:
    """Begin to connect in the background, if writers make lock groups; for the first `connections_to`. Failures are
    left to the first request."""
    try:
        settings = Settings.from_environment(environment)
        if settings.lock == "security-group":
            _opened[settings.ec2] = opened = Connections(settings.ec2, CALL_SECONDS, idle_seconds=IDLE_SECONDS)
            opened.open_ahead()
    except BadSetting:
        return


def connections_to(endpoint: Endpoint, now: Callable[[], float]) -> Connections:
    return _opened.pop(endpoint, None) or Connections(endpoint, CALL_SECONDS, now, IDLE_SECONDS)
