"""API Gateway in this process: its events for each front, and its cache of what an authorizer said.

The shapes are those of the API Gateway developer guide ("Working with AWS Lambda proxy integrations for HTTP APIs", "…
Lambda authorizers for HTTP APIs", "Input format of a Lambda function for proxy integration").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

RESULT_SECONDS = 20.0  # the TTL of an authorizer's result in the template
ACCOUNT = "123456789012"

Event = dict[str, Any]


def http_event(
    front: str | None,
    authorizer: object = None,
    path: str = "/main/query",
    body: object = None,
    at: float = 1_800_000_000.0,
    **more: Any,
) -> Event:
    """Return an event of an HTTP API, payload 2.0. `front`: the stage variable; None: there is none."""
    context: Event = {
        "accountId": ACCOUNT,
        "apiId": "abcdef1234",
        "domainName": "abcdef1234.execute-api.us-east-1.amazonaws.com",
        "http": {"method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "x"},
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "POST /{proxy+}",
        "stage": "$default",
        "timeEpoch": int(at * 1000),
    }
    if authorizer is not None:
        context["authorizer"] = authorizer
    event = {
        "version": "2.0",
        "routeKey": "POST /{proxy+}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": context,
        "body": json.dumps({"query": "SELECT 1"} if body is None else body),
        "pathParameters": {"proxy": path.lstrip("/")},
        "isBase64Encoded": False,
        **({"stageVariables": {"sldb_front": front}} if front is not None else {}),
    }
    return {**event, **more}


def rest_event(
    front: str | None,
    api_key_id: object = "k1",
    path: str = "/main/query",
    body: object = None,
    at: float = 1_800_000_000.0,
    **more: Any,
) -> Event:
    """Return an event of a REST API, payload 1.0, of a method that demands an API key."""
    event: Event = {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": "POST",
        "headers": {"content-type": "application/json", "x-api-key": "the-secret-of-the-key"},
        "pathParameters": {"proxy": path.lstrip("/")},
        "queryStringParameters": None,
        "stageVariables": {"sldb_front": front} if front is not None else None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "abcdef1234",
            "domainName": "abcdef1234.execute-api.us-east-1.amazonaws.com",
            "httpMethod": "POST",
            "identity": {"apiKey": "the-secret-of-the-key", "apiKeyId": api_key_id, "sourceIp": "192.0.2.1"},
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTimeEpoch": int(at * 1000),
            "resourcePath": "/{proxy+}",
            "stage": "sldb",
        },
        "body": json.dumps({"query": "SELECT 1"} if body is None else body),
        "isBase64Encoded": False,
    }
    return {**event, **more}


def authorizer_event(authorization: str, **more: Any) -> Event:
    """Return the event that an HTTP API sends to its Lambda authorizer, payload 2.0."""
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": f"arn:aws:execute-api:us-east-1:{ACCOUNT}:abcdef1234/$default/POST/main/query",
        "identitySource": [authorization],
        "routeKey": "POST /{proxy+}",
        "rawPath": "/main/query",
        "rawQueryString": "",
        "headers": {"authorization": authorization, "content-type": "application/json"},
        "requestContext": {"requestId": "JKJaXmPLvHcESHA=", "stage": "$default", "timeEpoch": 1_800_000_000_000},
        "stageVariables": {"sldb_front": "token"},
        **more,
    }


class TokenFront:
    """The HTTP API of the kind `token` in front of a function: authorizes, caches the result, and calls it."""

    def __init__(
        self,
        authorize: Callable[[object], Mapping[str, Any]],
        function: Callable[[object], Mapping[str, Any]],
        now: Callable[[], float],
    ) -> None:
        self._authorize = authorize
        self._function = function
        self._now = now
        self._results: dict[str, tuple[Mapping[str, Any], float]] = {}  # by identity source, with their ends

    def request(self, authorization: str | None, path: str = "/main/query", body: object = None) -> tuple[int, Any]:
        """Return status and body of the response to a request with this header."""
        if not authorization:
            return 401, {"message": "Unauthorized"}
        try:
            result = self._result(authorization)
        except Exception:  # noqa: BLE001 - whatever an authorizer raises is this to its clients
            return 500, {"message": "Internal Server Error"}
        if not result["isAuthorized"]:
            return 403, {"message": "Forbidden"}
        event = http_event("token", {"lambda": result["context"]}, path, body, self._now())
        response = self._function(event)
        return response["statusCode"], json.loads(response["body"])

    def _result(self, authorization: str) -> Mapping[str, Any]:
        result, ends_at = self._results.get(authorization, ({}, 0.0))
        if self._now() >= ends_at:
            result = self._authorize(authorizer_event(authorization))
            self._results[authorization] = (result, self._now() + RESULT_SECONDS)
        return result
