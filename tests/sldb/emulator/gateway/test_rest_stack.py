"""A stack with a REST API, deployed to the emulator and called over HTTP with keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.fakes.aws import rest_stack
from tests.fakes.aws.cloudformation import Stack, drifts, revert_drift, template
from tests.fakes.aws.http_api import send
from tests.fakes.aws.rest_stack import resources
from tests.fakes.waiting import wait_until

_numbers = count(1)


@pytest.fixture(scope="module")
def stack(account: Any, aws: Any) -> Iterator[Stack]:
    found = Stack(account, lambda look: wait_until(look, "the stack"))
    assert found.apply(body(aws), creates=True) == "CREATE_COMPLETE"
    yield found
    assert found.delete() == "DELETE_COMPLETE"
    gateway = account.client("apigateway")
    assert (gateway.get_rest_apis()["items"], gateway.get_usage_plans()["items"]) == ([], [])


def body(aws: Any, **changes: Any) -> dict[str, Any]:
    whole = template(aws, **resources(aws, **changes))
    whole["Outputs"] = {}
    return whole


def key(stack: Stack) -> tuple[str, dict[str, str]]:
    """Make a key; its id, and the headers with it."""
    gateway = stack.account.client("apigateway")
    made = gateway.create_api_key(name=f"key-{next(_numbers)}", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=stack.physical("Plan"), keyId=made["id"], keyType="API_KEY")
    return made["id"], {"x-api-key": made["value"], "Content-Type": "application/json"}


def address(stack: Stack, path: str) -> str:
    return f"/_execute-api/{stack.physical('Api')}/sldb{path}"


def test_a_key_reaches_the_function(stack: Stack, aws: Any) -> None:
    name, headers = key(stack)
    status, answered, event = send(aws, "POST", address(stack, "/main/query?a=1"), b'{"query": 1}', headers=headers)
    assert status == 200
    assert {"x-amzn-requestid", "x-amz-apigw-id"} <= answered.keys()
    assert "version" not in event
    assert (event["resource"], event["path"], event["body"]) == ("/{proxy+}", "/main/query", '{"query": 1}')
    assert event["requestContext"]["identity"]["apiKeyId"] == name
    assert event["stageVariables"] == {"sldb_front": "key"}
    assert event["requestContext"]["resourceId"] == stack.physical("Proxy")
    by_host = {**headers, "Host": f"{stack.physical('Api')}.execute-api.us-east-1.amazonaws.com"}
    assert send(aws, "POST", "/sldb/main/query", b"{}", headers=by_host)[0] == 200
    assert send(aws, "POST", address(stack, ""), b"{}", headers=headers)[2]["resource"] == "/"


def test_others_do_not(stack: Stack, aws: Any) -> None:
    for headers in ({}, {"x-api-key": "x" * 40}, {"Authorization": "Bearer x"}):
        status, answered, content = send(aws, "POST", address(stack, "/main/query"), headers=headers)
        assert (status, content) == (403, {"message": "Forbidden"})
        assert answered["access-control-allow-origin"] == "*"


def test_preflights(stack: Stack, aws: Any) -> None:
    status, answered, _ = send(aws, "OPTIONS", address(stack, "/main/query"), headers={"Origin": "https://a.example"})
    assert (status, answered["access-control-allow-origin"]) == (204, "*")


@pytest.mark.parametrize("path", ["/broken", "/raises", "/large"])
def test_functions_that_fail(stack: Stack, aws: Any, path: str) -> None:
    status, _, content = send(aws, "POST", address(stack, path), b"{}", headers=key(stack)[1])
    assert (status, content) == (502, {"message": "Internal server error"})


def test_sizes_are_limited(stack: Stack, aws: Any) -> None:
    headers = key(stack)[1]
    status, _, content = send(aws, "POST", address(stack, "/x"), b"x" * (6 * 1024 * 1024), headers=headers)
    assert (status, content) == (413, {"message": "Request Too Long"})  # Lambda's limit, of the event
    assert send(aws, "POST", address(stack, "/x"), b"x" * (10 * 1024 * 1024 + 1), headers=headers)[0] == 413
    assert send(aws, "POST", address(stack, "/x"), headers={**headers, "X-Long": "x" * 10_240})[0] == 431


def test_a_key_in_the_stack(stack: Stack, aws: Any) -> None:
    own = {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Name": "own", "Enabled": "true"}}
    entry = {
        "Type": "AWS::ApiGateway::UsagePlanKey",
        "Properties": {"KeyId": {"Ref": "Own"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "Plan"}},
    }
    assert stack.apply(body(aws, Own=own, OwnInPlan=entry)) == "UPDATE_COMPLETE"
    gateway = stack.account.client("apigateway")
    headers = {"x-api-key": gateway.get_api_key(apiKey=stack.physical("Own"), includeValue=True)["value"]}
    assert send(aws, "POST", address(stack, "/x"), b"{}", headers=headers)[0] == 200
    own["Properties"]["Enabled"] = "false"
    assert stack.apply(body(aws, Own=own, OwnInPlan=entry)) == "UPDATE_COMPLETE"
    assert send(aws, "POST", address(stack, "/x"), b"{}", headers=headers)[0] == 403
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"
    assert gateway.get_api_keys(nameQuery="own")["items"] == []


def test_limits_change_with_the_stack(stack: Stack, aws: Any) -> None:
    headers = key(stack)[1]
    assert send(aws, "POST", address(stack, "/x"), b"{}", headers=headers)[0] == 200
    tight = rest_stack.plan(Throttle=None, Quota={"Limit": "2", "Period": "MONTH"})
    assert stack.apply(body(aws, Plan=tight)) == "UPDATE_COMPLETE"
    found = [send(aws, "POST", address(stack, "/x"), b"{}", headers=headers) for _ in range(3)]
    assert [status for status, _, _ in found] == [200, 200, 429]
    assert found[-1][2] == {"message": "Limit Exceeded"}
    tight = rest_stack.plan(Throttle={"RateLimit": "0.001", "BurstLimit": "1"}, Quota=None)
    assert stack.apply(body(aws, Plan=tight)) == "UPDATE_COMPLETE"
    found = [send(aws, "POST", address(stack, "/x"), b"{}", headers=headers) for _ in range(2)]
    assert (found[-1][0], found[-1][2]) == (429, {"message": "Too Many Requests"})
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"


def test_a_change_of_methods_needs_another_deployment(stack: Stack, aws: Any) -> None:
    headers = key(stack)[1]
    more = {"Get": rest_stack.method("GET", {"Ref": "Proxy"})}
    assert stack.apply(body(aws, **more)) == "UPDATE_COMPLETE"
    status, _, content = send(aws, "GET", address(stack, "/x"), headers=headers)
    assert (status, content) == (403, {"message": "Missing Authentication Token"})
    first = stack.physical("Deployment")
    more |= {"Deployment": None, "Next": rest_stack.deployment("next"), "Stage": rest_stack.stage("Next")}
    assert stack.apply(body(aws, **more)) == "UPDATE_COMPLETE"
    assert send(aws, "GET", address(stack, "/x"), headers=headers)[0] == 200
    made = stack.account.client("apigateway").get_deployments(restApiId=stack.physical("Api"))["items"]
    assert first not in [each["id"] for each in made]
    # A method that leaves the template is removed only after everything new is there: the deployment has it still.
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"
    assert send(aws, "GET", address(stack, "/x"), headers=headers)[0] == 200
    last = {"Deployment": None, "Last": rest_stack.deployment("last"), "Stage": rest_stack.stage("Last")}
    assert stack.apply(body(aws, **last)) == "UPDATE_COMPLETE"
    assert send(aws, "GET", address(stack, "/x"), headers=headers)[0] == 403
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"


def test_stage_settings_change(stack: Stack, aws: Any) -> None:
    headers = key(stack)[1]
    changed = rest_stack.stage(
        "Deployment",
        Description="changed",
        Variables={"other": "1"},
        MethodSettings=[{"HttpMethod": "POST", "ResourcePath": "/~1{proxy+}", "ThrottlingBurstLimit": "3"}],
        AccessLogSetting=None,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    assert stack.apply(body(aws, Stage=changed)) == "UPDATE_COMPLETE"
    assert send(aws, "POST", address(stack, "/x"), b"{}", headers=headers)[2]["stageVariables"] == {"other": "1"}
    found = stack.account.client("apigateway").get_stage(restApiId=stack.physical("Api"), stageName="sldb")
    assert found["methodSettings"].keys() == {"~1{proxy+}/POST"}
    assert (found["description"], found["tags"]) == ("changed", {"a": "b"})
    assert "accessLogSettings" not in found
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"


def test_the_access_log_has_the_key(stack: Stack, aws: Any, account: Any) -> None:
    name, headers = key(stack)
    _, answered, _ = send(aws, "POST", address(stack, "/x"), b"{}", headers=headers)
    found = account.client("logs").filter_log_events(logGroupName=stack.physical("Log"))["events"]
    lines = [json.loads(event["message"]) for event in found]
    assert {"id": answered["x-amzn-requestid"], "status": 200, "key": name} in lines
    assert headers["x-api-key"] not in json.dumps(lines)


def test_an_api_needs_the_permission_of_the_function(stack: Stack, aws: Any) -> None:
    headers = key(stack)[1]
    assert stack.apply(body(aws, ApiPermission=rest_stack.permission("*/GET/*"))) == "UPDATE_COMPLETE"
    status, _, content = send(aws, "POST", address(stack, "/x"), b"{}", headers=headers)
    assert (status, content) == (500, {"message": "Internal server error"})
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"
    assert send(aws, "POST", address(stack, "/x"), b"{}", headers=headers)[0] == 200


def test_a_custom_domain_of_a_rest_api(stack: Stack, aws: Any) -> None:
    more = {
        "Domain": {
            "Type": "AWS::ApiGatewayV2::DomainName",
            "Properties": {
                "DomainName": "db.example.com",
                "DomainNameConfigurations": [
                    {"CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/c", "EndpointType": "REGIONAL"}
                ],
            },
        },
        "Mapping": {
            "Type": "AWS::ApiGatewayV2::ApiMapping",
            "Properties": {"DomainName": {"Ref": "Domain"}, "ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}},
        },
    }
    assert stack.apply(body(aws, **more)) == "UPDATE_COMPLETE"
    headers = {**key(stack)[1], "Host": "db.example.com"}
    status, _, event = send(aws, "POST", "/main/query", b"{}", headers=headers)
    assert (status, event["path"], event["requestContext"]["domainName"]) == (200, "/main/query", "db.example.com")
    wanted = {"DomainName": "db.example.com", "ApiId": stack.physical("Api"), "Stage": "sldb"}
    for changed, code in (
        ({"Stage": "other", "ApiMappingKey": "a"}, "BadRequestException"),
        ({"DomainName": "none.example.com"}, "NotFoundException"),
        ({"ApiId": "none"}, "NotFoundException"),
        ({}, "ConflictException"),  # the key is taken
    ):
        with pytest.raises(ClientError) as caught:
            stack.account.client("apigatewayv2").create_api_mapping(**{**wanted, **changed})
        assert caught.value.response["Error"]["Code"] == code
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"


def lose_method(gateway: Any, stack: Stack) -> None:
    gateway.delete_method(restApiId=stack.physical("Api"), resourceId=stack.physical("Proxy"), httpMethod="OPTIONS")


def lose_plan(gateway: Any, stack: Stack) -> None:
    plan, stage = stack.physical("Plan"), f"{stack.physical('Api')}:sldb"
    gateway.update_usage_plan(
        usagePlanId=plan, patchOperations=[{"op": "remove", "path": "/apiStages", "value": stage}]
    )
    gateway.delete_usage_plan(usagePlanId=plan)


def change_plan(gateway: Any, stack: Stack) -> None:
    patch = [{"op": "replace", "path": "/throttle/rateLimit", "value": "9999"}]
    gateway.update_usage_plan(usagePlanId=stack.physical("Plan"), patchOperations=patch)


def change_variables(gateway: Any, stack: Stack) -> None:
    patch = [{"op": "replace", "path": "/variables/sldb_front", "value": "none"}]
    gateway.update_stage(restApiId=stack.physical("Api"), stageName="sldb", patchOperations=patch)


def lose_response(gateway: Any, stack: Stack) -> None:
    gateway.delete_gateway_response(restApiId=stack.physical("Api"), responseType="DEFAULT_4XX")


def lose_stage(gateway: Any, stack: Stack) -> None:
    gateway.delete_stage(restApiId=stack.physical("Api"), stageName="sldb")


LOSSES = [
    (lose_method, {"Options": "DELETED"}),
    (lose_plan, {"Plan": "DELETED"}),
    (change_plan, {"Plan": "MODIFIED"}),
    (change_variables, {"Stage": "MODIFIED"}),
    (lose_response, {"Errors": "DELETED"}),
    (lose_stage, {"Stage": "DELETED", "Plan": "MODIFIED"}),
]


@pytest.mark.parametrize(("lose", "drift"), LOSSES, ids=lambda each: getattr(each, "__name__", ""))
def test_drift(stack: Stack, aws: Any, lose: Any, drift: dict[str, str]) -> None:
    assert revert_drift(stack, body(aws))["Status"] == "FAILED"  # nothing has drifted
    lose(stack.account.client("apigateway"), stack)
    change_set = revert_drift(stack, body(aws))
    assert drift.items() <= drifts(change_set).items()
    stack.client.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    assert stack.settled() == "UPDATE_COMPLETE"
    assert revert_drift(stack, body(aws))["Status"] == "FAILED"
    assert send(aws, "POST", address(stack, "/x"), b"{}", headers=key(stack)[1])[0] == 200


def test_a_failed_creation_leaves_nothing(account: Any, aws: Any, wait: Any, stack: Stack) -> None:
    other = Stack(account, wait)
    whole = body(aws, Plan=rest_stack.plan(Quota={"Limit": "1", "Period": "YEAR"}))
    del whole["Resources"]["Account"], whole["Resources"]["Stage"]["DependsOn"]
    assert other.apply(whole, creates=True) == "ROLLBACK_COMPLETE"
    assert "Quota period" in other.reason("Plan", "CREATE_FAILED")
    apis = account.client("apigateway").get_rest_apis()["items"]
    assert [api["id"] for api in apis] == [stack.physical("Api")]
