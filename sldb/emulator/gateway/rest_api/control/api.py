"""The control plane of REST APIs: a call of its API, to the function for it. Used under moto's lock."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from functools import cache
from urllib.parse import parse_qs

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.calls.errors import NotEmulated
from sldb.emulator.gateway.rest_api.control import api_keys, apis, methods, stages, tags, usage_plans
from sldb.emulator.gateway.rest_api.documents import Asked, Document, Documents, bad_request

_API = "/restapis/{api}"
_RESOURCE = f"{_API}/resources/{{resource}}"
_METHOD = f"{_RESOURCE}/methods/{{method}}"
_ROUTES: tuple[tuple[str, str, Callable[[Asked], Document]], ...] = (
    ("POST", "/restapis", apis.create),
    ("GET", "/restapis", apis.read_all),
    ("GET", _API, apis.read),
    ("PATCH", _API, apis.update),
    ("DELETE", _API, apis.delete),
    ("GET", f"{_API}/resources", methods.read_resources),
    ("POST", _RESOURCE, methods.create_resource),
    ("GET", _RESOURCE, methods.read_resource),
    ("DELETE", _RESOURCE, methods.delete_resource),
    ("PUT", _METHOD, methods.put_method),
    ("GET", _METHOD, methods.read_method),
    ("DELETE", _METHOD, methods.delete_method),
    ("PUT", f"{_METHOD}/responses/{{status}}", methods.put_method_response),
    ("PUT", f"{_METHOD}/integration", methods.put_integration),
    ("GET", f"{_METHOD}/integration", methods.read_integration),
    ("PUT", f"{_METHOD}/integration/responses/{{status}}", methods.put_integration_response),
    ("GET", f"{_API}/gatewayresponses", apis.read_responses),
    ("PUT", f"{_API}/gatewayresponses/{{type}}", apis.put_response),
    ("GET", f"{_API}/gatewayresponses/{{type}}", apis.read_response),
    ("DELETE", f"{_API}/gatewayresponses/{{type}}", apis.delete_response),
    ("POST", f"{_API}/deployments", stages.create_deployment),
    ("GET", f"{_API}/deployments", stages.read_deployments),
    ("GET", f"{_API}/deployments/{{deployment}}", stages.read_deployment),
    ("PATCH", f"{_API}/deployments/{{deployment}}", stages.update_deployment),
    ("DELETE", f"{_API}/deployments/{{deployment}}", stages.delete_deployment),
    ("POST", f"{_API}/stages", stages.create_stage),
    ("GET", f"{_API}/stages", stages.read_stages),
    ("GET", f"{_API}/stages/{{stage}}", stages.read_stage),
    ("PATCH", f"{_API}/stages/{{stage}}", stages.update_stage),
    ("DELETE", f"{_API}/stages/{{stage}}", stages.delete_stage),
    ("POST", "/apikeys", api_keys.create),
    ("GET", "/apikeys", api_keys.read_all),
    ("GET", "/apikeys/{key}", api_keys.read),
    ("PATCH", "/apikeys/{key}", api_keys.update),
    ("DELETE", "/apikeys/{key}", api_keys.delete),
    ("POST", "/usageplans", usage_plans.create),
    ("GET", "/usageplans", usage_plans.read_all),
    ("GET", "/usageplans/{plan}", usage_plans.read),
    ("PATCH", "/usageplans/{plan}", usage_plans.update),
    ("DELETE", "/usageplans/{plan}", usage_plans.delete),
    ("POST", "/usageplans/{plan}/keys", usage_plans.create_key),
    ("GET", "/usageplans/{plan}/keys", usage_plans.read_keys),
    ("GET", "/usageplans/{plan}/keys/{key}", usage_plans.read_key),
    ("DELETE", "/usageplans/{plan}/keys/{key}", usage_plans.delete_key),
    ("GET", "/account", apis.read_account),
    ("PATCH", "/account", apis.update_account),
    ("GET", "/tags/{arn}", tags.read),
    ("PUT", "/tags/{arn}", tags.add),
    ("DELETE", "/tags/{arn}", tags.remove),
)
_WITHOUT_BODY = (methods.delete_method, tags.add, tags.remove)  # with status 204


def answer(documents: Documents, call: Call) -> Answer:
    """Return the answer to a call. Raises AwsError; nothing is changed then."""
    run, ids = _route(call)
    asked = Asked(documents.region(call.region), ids, _body(call), _query(call))
    document = run(asked) if call.method == "GET" else _change(documents, run, asked)
    if run in _WITHOUT_BODY:
        return Answer(204)
    status = {"POST": 201, "PUT": 201, "DELETE": 202}.get(call.method, 200)
    return Answer(status, (("Content-Type", "application/json"),), json.dumps(document).encode())


def _route(call: Call) -> tuple[Callable[[Asked], Document], dict[str, str]]:
    for method, pattern, run in _patterns():
        found = pattern.fullmatch(call.path) if method == call.method else None
        if found is not None:
            return run, found.groupdict()
    raise NotEmulated(f"API Gateway's {call.method} {call.path}")


def _change(documents: Documents, run: Callable[[Asked], Document], asked: Asked) -> Document:
    before = copy.deepcopy(asked.region)
    try:
        document = run(asked)
    except BaseException:
        asked.region.update(before)
        raise
    documents.save()
    return document


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], Callable[[Asked], Document]], ...]:
    return tuple((method, _pattern(template), run) for method, template, run in _ROUTES)


def _pattern(template: str) -> re.Pattern[str]:
    # An ARN has slashes.
    text = re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>{'.+' if name[1] == 'arn' else '[^/]+'})", template)
    return re.compile(text + "/?")


def _body(call: Call) -> Document:
    try:
        found = json.loads(call.body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise bad_request("Could not parse request body into json")
    return found


def _query(call: Call) -> dict[str, str]:
    """Return the query; a repeated parameter as lines."""
    query = parse_qs(str(call.environ.get("QUERY_STRING", "")), keep_blank_values=True)
    return {name: "\n".join(values) for name, values in query.items()}
