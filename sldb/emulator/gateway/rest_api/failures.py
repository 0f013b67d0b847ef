"""Failures: the answers of a REST API itself, and gateway responses, for changing them. Pure.

The kinds and statuses are those of the developer guide, "Gateway response types"; a kind without a gateway response
uses that of DEFAULT_4XX or DEFAULT_5XX. Messages and the header x-amzn-ErrorType are as users report them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sldb.emulator.gateway.messages import Response

FALLBACKS = ("DEFAULT_4XX", "DEFAULT_5XX")
_DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'
_VARIABLE = re.compile(r"\$context\.([A-Za-z0-9_.]+[A-Za-z0-9_])")


@dataclass(frozen=True, slots=True)
class Kind:
    status: int
    error_type: str  # of the header x-amzn-ErrorType
    message: str


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "ACCESS_DENIED": Kind(403, "AccessDeniedException", "User is not authorized to access this resource"),
        "API_CONFIGURATION_ERROR": Kind(500, "InternalServerErrorException", "Internal server error"),
        "AUTHORIZER_CONFIGURATION_ERROR": Kind(500, "AuthorizerConfigurationException", "Internal server error"),
        "AUTHORIZER_FAILURE": Kind(500, "AuthorizerFailureException", "Internal server error"),
        "BAD_REQUEST_BODY": Kind(400, "BadRequestException", "Invalid request body"),
        "BAD_REQUEST_PARAMETERS": Kind(400, "BadRequestException", "Missing required request parameters"),
        "EXPIRED_TOKEN": Kind(403, "ExpiredTokenException", "The security token included in the request is expired"),
        "INTEGRATION_FAILURE": Kind(504, "IntegrationFailureException", "Network error communicating with endpoint"),
        "INTEGRATION_TIMEOUT": Kind(504, "IntegrationTimeoutException", "Endpoint request timed out"),
        "INVALID_API_KEY": Kind(403, "ForbiddenException", "Forbidden"),
        "INVALID_SIGNATURE": Kind(403, "InvalidSignatureException", "The request signature does not match"),
        "MISSING_AUTHENTICATION_TOKEN": Kind(
            403, "MissingAuthenticationTokenException", "Missing Authentication Token"
        ),
        "QUOTA_EXCEEDED": Kind(429, "LimitExceededException", "Limit Exceeded"),
        "REQUEST_TOO_LARGE": Kind(413, "RequestTooLargeException", "Request Too Long"),
        "RESOURCE_NOT_FOUND": Kind(404, "NotFoundException", "Resource not found"),
        "THROTTLED": Kind(429, "TooManyRequestsException", "Too Many Requests"),
        "UNAUTHORIZED": Kind(401, "UnauthorizedException", "Unauthorized"),
        "UNSUPPORTED_MEDIA_TYPE": Kind(415, "BadRequestException", "Unsupported Media Type"),
        "WAF_FILTERED": Kind(403, "ForbiddenException", "Forbidden"),
        # No kinds of the guide: a function that cannot be invoked, and one that raises or replies with what is none.
        # Of which kind they are is not documented; both can be changed by DEFAULT_5XX alone.
        "_NOT_INVOKED": Kind(500, "InternalServerErrorException", "Internal server error"),
        "_BAD_REPLY": Kind(502, "InternalServerErrorException", "Internal server error"),
    }
)


class Failed(Exception):
    """A request without an answer of a function."""

    def __init__(self, kind: str, reason: str = "") -> None:
        super().__init__(f"{kind} {reason}".strip())
        self.kind = kind
        self.reason = reason  # for the access log

    @property
    def public_kind(self) -> str:
        """Return the kind as logs and templates name it."""
        return FALLBACKS[1] if self.kind.startswith("_") else self.kind


def response(failed: Failed, customized: Mapping[str, Any], variables: Mapping[str, str]) -> Response:
    """Return the response. `customized`: the gateway responses of the deployment, by kind; `variables` of templates."""
    kind = KINDS[failed.kind]
    custom = customized.get(failed.kind) or customized.get(FALLBACKS[kind.status >= 500]) or {}
    values = {**variables, **error_variables(failed)}
    template = custom.get("responseTemplates", {}).get("application/json", _DEFAULT_TEMPLATE)
    body = _VARIABLE.sub(lambda found: values.get(found[1], ""), template)
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", kind.error_type)]
    for name, value in custom.get("responseParameters", {}).items():
        headers.append((name.removeprefix("gatewayresponse.header."), value[1:-1]))
    return Response(int(custom.get("statusCode") or kind.status), tuple(headers), body.encode())


def error_variables(failed: Failed) -> dict[str, str]:
    """Return the variables of templates and access logs about a failure."""
    message = KINDS[failed.kind].message
    return {
        "error.message": message,
        "error.messageString": json.dumps(message),
        "error.responseType": failed.public_kind,
    }
