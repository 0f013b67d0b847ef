"""MOCK integrations: an answer of the gateway itself, as for preflights. Pure.

The request template must be a fixed object with a statusCode, and the response's headers fixed texts: the control plane
refuses computing templates, because they are not emulated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.gateway.messages import Response
from sldb.emulator.gateway.rest_api.failures import Failed

_JSON = "application/json"
_HEADER = "method.response.header."


def check_request_templates(templates: Mapping[str, str]) -> None:
    """Raise NotEmulated for a template other than a fixed object with a statusCode."""
    for text in templates.values():
        try:
            status = json.loads(text)["statusCode"]
        except (ValueError, KeyError, TypeError) as error:
            raise NotEmulated(f"a request template that is no fixed object with a statusCode: {text}") from error
        if not isinstance(status, int):
            raise NotEmulated(f"a request template with the statusCode {status}")


def check_response(parameters: Mapping[str, str], templates: Mapping[str, str]) -> None:
    """Raise NotEmulated for a response with anything computed."""
    for name, value in parameters.items():
        if not name.startswith(_HEADER) or not (value.startswith("'") and value.endswith("'")):
            raise NotEmulated(f"{name}: {value} in an integration response, which is no header with a fixed value")
    for text in templates.values():
        if "#" in text or "$" in text:
            raise NotEmulated("a template of an integration response that computes")


def answer(integration: Mapping[str, Any], content_type: str | None) -> Response:
    """Return the response. Raises Failed if the request's content type has no template, or the mock no response."""
    media_type = (content_type or _JSON).partition(";")[0].strip().lower()
    responses = list(integration["integrationResponses"].values())
    if media_type not in integration["requestTemplates"] or not responses:
        raise Failed("API_CONFIGURATION_ERROR", "the mock has no template for the content type, or no response")
    response = responses[0]  # the one without a pattern, which takes every status
    headers = tuple((name.removeprefix(_HEADER), value[1:-1]) for name, value in response["responseParameters"].items())
    body = response["responseTemplates"].get(_JSON, "")
    return Response(int(response["statusCode"]), (("Content-Type", _JSON), *headers), body.encode())
