"""A REST API without an emulator: its control plane, and requests to it with functions in this process."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sldb.emulator.calls.call import Call
from sldb.emulator.gateway.messages import Headers, Response
from sldb.emulator.gateway.rest_api.control.api import answer
from sldb.emulator.gateway.rest_api.documents import Document, Documents
from sldb.emulator.gateway.rest_api.handler import Parts, RestApis
from sldb.emulator.gateway.rest_api.usage import Usage
from sldb.emulator.gateway.throttling import Throttle
from tests.fakes.aws.gateway import Lines, StandIn, request

URI = (
    "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:us-east-1:123456789012:function:query/invocations"
)
CORS = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "x-api-key"}
GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:api"


@dataclass
class Control:
    """The control plane; a call returns the document, and raises AwsError."""

    documents: Documents = field(default_factory=Documents)

    def __call__(self, method: str, path: str, body: Document | None = None, query: str = "") -> Document:
        environ = {"QUERY_STRING": query}
        content = json.dumps(body or {}).encode()
        call = Call("apigateway", "", "us-east-1", "owner", method, path, {}, {}, {}, content, environ)
        found = answer(self.documents, call)
        assert found.status < 300
        document: Document = json.loads(found.body or b"{}")
        return document

    def patch(self, path: str, *operations: tuple[str, str, str]) -> Document:
        patch = [{"op": verb, "path": where, "value": value} for verb, where, value in operations]
        return self("PATCH", path, {"patchOperations": patch})


@dataclass
class KeyApi:
    """An API as the template has it: `/` and `/{proxy+}` with a key, preflights, the stage `sldb`, a plan."""

    control: Control = field(default_factory=Control)
    functions: StandIn = field(default_factory=StandIn)
    log: Lines = field(default_factory=Lines)
    seconds: float = 0.0  # of the clock of rates
    now: float = 1_700_000_000.0  # unix seconds, for quotas

    def __post_init__(self) -> None:
        self.functions.functions[URI] = lambda event: {"statusCode": 200, "body": json.dumps(event)}
        api = self.control("POST", "/restapis", {"name": "key", "endpointConfiguration": {"types": ["REGIONAL"]}})
        self.id, self.root = api["id"], api["rootResourceId"]
        self.path = f"/restapis/{self.id}"
        self.proxy = self.resource(self.root, "{proxy+}")
        for resource in (self.root, self.proxy):
            self.method(resource, "POST")
            self.preflight(resource)
        self.method(self.proxy, "GET")
        self.stage = f"{self.path}/stages/sldb"
        variables = {"sldb_front": "key"}
        self.control(
            "POST",
            f"{self.path}/stages",
            {"stageName": "sldb", "deploymentId": self.deployment(), "variables": variables},
        )
        wanted = {"name": "plan", "apiStages": [{"apiId": self.id, "stage": "sldb"}]}
        self.plan: str = self.control("POST", "/usageplans", wanted)["id"]
        throttle = Throttle(lambda: self.seconds)
        parts = Parts(self.functions, throttle, Usage(throttle, lambda: self.now), self.log)
        moto: Any = SimpleNamespace(lock=threading.RLock())
        self.apis = RestApis(moto, self.control.documents, parts)

    def resource(self, parent: str, part: str) -> str:
        return str(self.control("POST", f"{self.path}/resources/{parent}", {"pathPart": part})["id"])

    def method(self, resource: str, method: str, *, needs_key: bool = True) -> None:
        path = f"{self.path}/resources/{resource}/methods/{method}"
        self.control("PUT", path, {"authorizationType": "NONE", "apiKeyRequired": needs_key})
        integration = {"type": "AWS_PROXY", "httpMethod": "POST", "uri": URI, "timeoutInMillis": 29_000}
        self.control("PUT", f"{path}/integration", integration)

    def preflight(self, resource: str) -> None:
        path = f"{self.path}/resources/{resource}/methods/OPTIONS"
        names = {f"method.response.header.{name}": value for name, value in CORS.items()}
        self.control("PUT", path, {"authorizationType": "NONE"})
        self.control("PUT", f"{path}/responses/204", {"responseParameters": dict.fromkeys(names, True)})
        templates = {"application/json": '{"statusCode": 204}'}
        self.control("PUT", f"{path}/integration", {"type": "MOCK", "requestTemplates": templates})
        parameters = {name: f"'{value}'" for name, value in names.items()}
        self.control("PUT", f"{path}/integration/responses/204", {"responseParameters": parameters})

    def deployment(self) -> str:
        return str(self.control("POST", f"{self.path}/deployments")["id"])

    def deploy(self) -> None:
        self.control.patch(self.stage, ("replace", "/deploymentId", self.deployment()))

    def key(self, **more: Any) -> str:
        """Make a key in the plan; its id."""
        made = self.control("POST", "/apikeys", {"name": "a", "enabled": True, **more})
        self.control("POST", f"/usageplans/{self.plan}/keys", {"keyId": made["id"], "keyType": "API_KEY"})
        return str(made["id"])

    def value(self, key: str) -> str:
        return str(self.control("GET", f"/apikeys/{key}", query="includeValue=true")["value"])

    def send(
        self,
        method: str = "POST",
        path: str = "/sldb/main/query",
        *,
        key: str | None = None,
        headers: Headers = (),
        body: bytes = b"{}",
        **more: Any,
    ) -> Response:
        """Send a request, with the value of a key."""
        if key is not None:
            headers = (*headers, ("x-api-key", self.value(key)))
        return self.apis.answer(self.id, request(method, path, headers=headers, body=body, **more))


def content(response: Response) -> Any:
    return json.loads(response.body)


def header(response: Response, name: str) -> str | None:
    return next((value for each, value in response.headers if each.lower() == name.lower()), None)


def failure(response: Response) -> tuple[int, str]:
    return response.status, content(response)["message"]
