"""The control plane: what it makes, and what it refuses without having changed anything."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

pytest.importorskip("moto")

from sldb.emulator.calls.errors import AwsError
from sldb.emulator.gateway.rest_api.documents import Documents
from tests.fakes.aws.rest_api import URI, Control, KeyApi


@pytest.fixture
def api() -> KeyApi:
    return KeyApi()


def refused(api: KeyApi, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[str, str]:
    before = copy.deepcopy(list(api.control.documents.all()))
    with pytest.raises(AwsError) as caught:
        api.control(method, path, body)
    assert list(api.control.documents.all()) == before
    return caught.value.code, caught.value.message


def test_an_api_as_it_is_described(api: KeyApi) -> None:
    found = api.control("GET", api.path)
    assert (found["id"], found["name"], found["rootResourceId"]) == (api.id, "key", api.root)
    assert found["endpointConfiguration"] == {"types": ["REGIONAL"]}
    assert not [name for name in found if name.startswith("_")]
    paths = {each["path"] for each in api.control("GET", f"{api.path}/resources")["item"]}
    assert paths == {"/", "/{proxy+}"}
    assert api.control("GET", api.stage)["variables"] == {"sldb_front": "key"}
    assert api.control.patch(api.path, ("replace", "/name", "other"))["name"] == "other"


NOT_THERE = [
    ("GET", "/restapis/x", "Invalid API identifier specified 123456789012:x"),
    ("DELETE", "/restapis/x", "Invalid API identifier specified 123456789012:x"),
    ("GET", "{path}/resources/x", "Invalid Resource identifier specified"),
    ("GET", "{path}/resources/{root}/methods/PUT", "Invalid Method identifier specified"),
    ("GET", "{path}/deployments/x", "Invalid Deployment identifier specified"),
    ("GET", "{path}/stages/x", "Invalid stage identifier specified"),
    ("GET", "/apikeys/x", "Invalid API Key identifier specified"),
    ("PATCH", "/apikeys/x", "Invalid API Key identifier specified"),
    ("DELETE", "/apikeys/x", "Invalid API Key identifier specified"),
    ("GET", "/usageplans/x", "Invalid Usage Plan ID specified"),
    ("GET", "/usageplans/x/keys", "Invalid Usage Plan ID specified"),
    ("DELETE", "/usageplans/{plan}/keys/x", "Invalid Usage Plan Key identifier specified"),
]


@pytest.mark.parametrize(("method", "path", "words"), NOT_THERE)
def test_what_is_not_there(api: KeyApi, method: str, path: str, words: str) -> None:
    where = path.format(path=api.path, root=api.root, plan=api.plan)
    assert refused(api, method, where) == ("NotFoundException", words)


def test_resources(api: KeyApi) -> None:
    where = f"{api.path}/resources/{api.root}"
    assert refused(api, "POST", where, {"pathPart": "{proxy+}"})[0] == "ConflictException"
    assert refused(api, "POST", where, {"pathPart": "a/b"})[0] == "BadRequestException"
    assert refused(api, "POST", f"{api.path}/resources/{api.proxy}", {"pathPart": "x"})[0] == "BadRequestException"
    assert refused(api, "DELETE", where)[0] == "BadRequestException"
    parent = api.resource(api.root, "a")
    child = api.resource(api.resource(parent, "{b}"), "c")
    assert api.control("GET", f"{api.path}/resources/{child}")["path"] == "/a/{b}/c"
    api.control("DELETE", f"{api.path}/resources/{parent}")
    assert refused(api, "GET", f"{api.path}/resources/{child}")[0] == "NotFoundException"
    assert len(api.control("GET", f"{api.path}/resources")["item"]) == 2


def test_methods_and_integrations(api: KeyApi) -> None:
    where = f"{api.path}/resources/{api.root}/methods"
    wanted = {"authorizationType": "NONE"}
    assert refused(api, "PUT", f"{where}/POST", wanted) == (
        "ConflictException",
        "Method already exists for this resource",
    )
    assert refused(api, "PUT", f"{where}/TRACE", wanted)[0] == "BadRequestException"
    assert refused(api, "PUT", f"{where}/PUT", {"authorizationType": "AWS_IAM"})[0] == "NotImplemented"
    api.control("PUT", f"{where}/PUT", wanted)
    assert refused(api, "POST", f"{api.path}/deployments") == (
        "BadRequestException",
        "No integration defined for method",
    )
    integration = {"type": "AWS_PROXY", "httpMethod": "POST", "uri": URI}
    for changed in ({"timeoutInMillis": 29_001}, {"timeoutInMillis": 49}, {"uri": "arn:aws:lambda:us-east-1:1:f"}):
        assert refused(api, "PUT", f"{where}/PUT/integration", {**integration, **changed})[0] == "BadRequestException"
    for other in ({"type": "HTTP"}, {"httpMethod": "GET"}, {"credentials": "arn:aws:iam::123456789012:role/r"}):
        assert refused(api, "PUT", f"{where}/PUT/integration", {**integration, **other})[0] == "NotImplemented"
    assert api.control("PUT", f"{where}/PUT/integration", integration)["timeoutInMillis"] == 29_000
    api.control("DELETE", f"{where}/PUT")
    assert api.deployment()


def test_mocks_that_compute_are_refused(api: KeyApi) -> None:
    where = f"{api.path}/resources/{api.proxy}/methods/OPTIONS"
    for text in ("", "{}", "[]", '{"statusCode": "$x"}', '#set($a = 1) {"statusCode": 200}'):
        body = {"type": "MOCK", "requestTemplates": {"application/json": text}}
        assert refused(api, "PUT", f"{where}/integration", body)[0] == "NotImplemented"
    name = "method.response.header.Access-Control-Allow-Origin"
    for parameters in ({name: "integration.response.header.x"}, {"method.response.header.Other": "'x'"}):
        refused(api, "PUT", f"{where}/integration/responses/204", {"responseParameters": parameters})
    assert refused(api, "PUT", f"{where}/integration/responses/500")[0] == "NotFoundException"


def test_deployments_and_stages(api: KeyApi) -> None:
    deployed = api.control("GET", api.stage)["deploymentId"]
    assert refused(api, "DELETE", f"{api.path}/deployments/{deployed}") == (
        "BadRequestException",
        "Active stages pointing to this deployment must be moved or deleted",
    )
    api.deploy()
    api.control("DELETE", f"{api.path}/deployments/{deployed}")
    other = {"stageName": "other", "deploymentId": deployed}
    assert refused(api, "POST", f"{api.path}/stages", other)[0] == "BadRequestException"
    other["deploymentId"] = api.deployment()
    assert refused(api, "POST", f"{api.path}/stages", {**other, "stageName": "sldb"})[0] == "ConflictException"
    assert refused(api, "POST", f"{api.path}/stages", {**other, "stageName": "a b"})[0] == "BadRequestException"
    api.control("POST", f"{api.path}/stages", other)
    api.control("POST", f"{api.path}/deployments", {"stageName": "third", "variables": {"a": "1"}})
    assert api.control("GET", f"{api.path}/stages/third")["variables"] == {"a": "1"}
    api.control("DELETE", f"{api.path}/stages/other")
    empty = api.control("POST", "/restapis", {"name": "empty"})["id"]
    assert refused(api, "POST", f"/restapis/{empty}/deployments")[1] == "The REST API doesn't contain any methods"


def test_a_stage_logs_only_if_the_account_has_a_role_for_it(api: KeyApi) -> None:
    patch = {"patchOperations": [{"op": "replace", "path": "/accessLogSettings/format", "value": "x"}]}
    code, words = refused(api, "PATCH", api.stage, patch)
    assert (code, words) == (
        "BadRequestException",
        "CloudWatch Logs role ARN must be set in account settings to enable logging",
    )


def test_settings_of_methods(api: KeyApi) -> None:
    found = api.control.patch(
        api.stage,
        ("replace", "/*/*/throttling/rateLimit", "0.5"),
        ("replace", "/~1{proxy+}/GET/throttling/burstLimit", "7"),
    )
    assert found["methodSettings"] == {
        "*/*": {"throttlingRateLimit": 0.5},
        "~1{proxy+}/GET": {"throttlingBurstLimit": 7},
    }
    assert api.control.patch(api.stage, ("remove", "/*/*", ""))["methodSettings"].keys() == {"~1{proxy+}/GET"}
    refused(api, "PATCH", api.stage, {"patchOperations": [{"op": "replace", "path": "/*/*", "value": "1"}]})
    refused(api, "PATCH", api.stage, {"patchOperations": [{"op": "replace", "path": "/stageName", "value": "1"}]})


def test_keys(api: KeyApi) -> None:
    made = api.control("POST", "/apikeys", {"name": "n"})
    assert (made["enabled"], len(made["value"]), len(made["id"])) == (False, 40, 10)
    assert "value" not in api.control("GET", f"/apikeys/{made['id']}")
    assert api.value(made["id"]) == made["value"]
    assert refused(api, "POST", "/apikeys", {"value": made["value"]}) == (
        "ConflictException",
        "API Key already exists",
    )
    assert refused(api, "POST", "/apikeys", {"value": "short"})[0] == "BadRequestException"
    changed = api.control.patch(f"/apikeys/{made['id']}", ("replace", "/enabled", "true"))
    assert changed["enabled"] is True
    assert "value" not in changed


def test_pages_of_keys(api: KeyApi) -> None:
    made = [api.key(name=f"name-{number}") for number in range(60)]
    for path in ("/apikeys", f"/usageplans/{api.plan}/keys"):
        found: list[str] = []
        position = ""
        while True:
            page = api.control("GET", path, query=f"limit=25&position={position}" if position else "")
            assert len(page["item"]) <= 25
            found += [key["id"] for key in page["item"]]
            if "position" not in page:
                break
            position = page["position"]
        assert found == made
    for limit in ("0", "501", "many"):
        with pytest.raises(AwsError, match="limit"):
            api.control("GET", "/apikeys", query=f"limit={limit}")
    named = api.control("GET", "/apikeys", query="name=name-5&includeValues=true")["item"]
    assert [key["name"] for key in named] == ["name-5", *(f"name-5{digit}" for digit in range(10))]
    assert all(len(key["value"]) == 40 for key in named)


def test_usage_plans_and_their_keys(api: KeyApi) -> None:
    key = api.key()
    where = f"/usageplans/{api.plan}"
    entry = {"keyId": key, "keyType": "API_KEY"}
    assert refused(api, "POST", f"{where}/keys", entry)[0] == "ConflictException"
    second = {"name": "second", "apiStages": [{"apiId": api.id, "stage": "sldb"}]}
    plan = api.control("POST", "/usageplans", second)["id"]
    assert refused(api, "POST", f"/usageplans/{plan}/keys", entry)[0] == "ConflictException"
    assert refused(api, "POST", f"{where}/keys", {**entry, "keyId": "x"})[0] == "NotFoundException"
    assert refused(api, "POST", f"{where}/keys", {**entry, "keyType": "x"})[0] == "BadRequestException"
    assert refused(api, "DELETE", where)[0] == "BadRequestException"
    assert [each["id"] for each in api.control("GET", "/usageplans", query=f"keyId={key}")["item"]] == [api.plan]
    api.control("DELETE", f"/apikeys/{key}")
    assert api.control("GET", f"{where}/keys")["item"] == []
    api.control.patch(where, ("remove", "/apiStages", f"{api.id}:sldb"))
    api.control("DELETE", where)
    assert refused(api, "GET", where)[0] == "NotFoundException"


@pytest.mark.parametrize(
    "wanted",
    [
        {"quota": {"limit": 0, "period": "DAY"}},
        {"quota": {"limit": 1, "period": "YEAR"}},
        {"quota": {"limit": 1}},
        {"throttle": {"rateLimit": 1.0}},
        {"apiStages": [{"apiId": "x", "stage": "sldb"}]},
        {"name": ""},
    ],
)
def test_plans_that_are_refused(api: KeyApi, wanted: dict[str, Any]) -> None:
    assert refused(api, "POST", "/usageplans", {"name": "n", **wanted})[0] != "NotImplemented"


def test_a_plan_changes_as_a_whole_or_not(api: KeyApi) -> None:
    patch = [
        {"op": "replace", "path": "/name", "value": "new"},
        {"op": "replace", "path": "/quota/limit", "value": "1"},
    ]
    assert refused(api, "PATCH", f"/usageplans/{api.plan}", {"patchOperations": patch})[0] == "BadRequestException"
    patch.append({"op": "replace", "path": "/quota/period", "value": "DAY"})
    found = api.control("PATCH", f"/usageplans/{api.plan}", {"patchOperations": patch})
    assert (found["name"], found["quota"]) == ("new", {"limit": 1, "period": "DAY"})


def test_tags(api: KeyApi) -> None:
    for path in (api.path, api.stage, f"/usageplans/{api.plan}", f"/apikeys/{api.key()}"):
        where = f"/tags/arn:aws:apigateway:us-east-1::{path}"
        api.control("PUT", where, {"tags": {"a": "1", "b": "2", "c": "3"}})
        api.control("DELETE", where, query="tagKeys=a&tagKeys=b")
        assert api.control("GET", where) == {"tags": {"c": "3"}}
        assert api.control("GET", path)["tags"] == {"c": "3"}


def test_what_is_not_emulated_is_refused_by_name(api: KeyApi) -> None:
    assert refused(api, "GET", "/vpclinks") == (
        "NotImplemented",
        "sldb emulator does not supply API Gateway's GET /vpclinks",
    )
    assert refused(api, "POST", "/restapis", {"name": "n", "binaryMediaTypes": ["*/*"]})[0] == "NotImplemented"
    template = {"responseTemplates": {"application/json": "#set($x = 1)"}}
    assert refused(api, "PUT", f"{api.path}/gatewayresponses/THROTTLED", template)[0] == "NotImplemented"
    assert refused(api, "PUT", f"{api.path}/gatewayresponses/NONE_SUCH")[0] == "BadRequestException"


def test_every_change_is_saved_as_json() -> None:
    saved: list[str] = []
    api = KeyApi(Control(Documents(None, lambda documents: saved.append(json.dumps(documents)))))
    key = api.key()
    again = KeyApi(Control(Documents(json.loads(saved[-1]))))
    assert again.control("GET", f"/apikeys/{key}", query="includeValue=true")["value"] == api.value(key)
    reads = len(saved)
    api.control("GET", api.path)
    assert len(saved) == reads
