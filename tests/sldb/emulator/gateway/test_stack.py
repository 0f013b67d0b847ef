"""A stack with an HTTP API, deployed to the emulator and called over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.aws import http_api, issuer
from tests.fakes.aws.cloudformation import Stack, template
from tests.fakes.aws.http_api import resources, send
from tests.fakes.waiting import wait_until

GOOD = {"Authorization": "Bearer good", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def stack(account: Any, aws: Any) -> Iterator[Stack]:
    found = Stack(account, lambda look: wait_until(look, "the stack"))
    assert found.apply(body(aws), creates=True) == "CREATE_COMPLETE"
    yield found
    assert found.delete() == "DELETE_COMPLETE"
    assert account.client("apigatewayv2").get_apis()["Items"] == []


def body(aws: Any, **changes: Any) -> dict[str, Any]:
    whole = template(aws, **resources(aws, **changes))
    whole["Outputs"] = {"Endpoint": {"Value": {"Fn::GetAtt": ["Api", "ApiEndpoint"]}}}
    return whole


def address(stack: Stack, path: str) -> str:
    return f"/_execute-api/{stack.physical('Api')}{path}"


def test_a_caller_whom_the_authorizer_knows_reaches_the_function(stack: Stack, aws: Any) -> None:
    status, headers, event = send(aws, "POST", address(stack, "/main/query?a=1"), b'{"query": 1}', headers=GOOD)
    assert status == 200
    assert "apigw-requestid" in headers
    assert (event["version"], event["routeKey"], event["body"]) == ("2.0", "POST /{proxy+}", '{"query": 1}')
    assert (event["rawPath"], event["rawQueryString"]) == ("/main/query", "a=1")
    assert event["requestContext"]["authorizer"] == {"lambda": {"sldb_name": "Bearer good"}}
    assert event["stageVariables"] == {"sldb_front": "token"}
    own_name = f"{stack.physical('Api')}.execute-api.us-east-1.amazonaws.com"
    assert event["requestContext"]["domainName"] == own_name
    [output] = stack.describe()["Outputs"]
    assert output["OutputValue"] == f"https://{own_name}"
    by_host = send(aws, "POST", "/main/query", b"{}", headers={**GOOD, "Host": own_name})
    assert (by_host[0], by_host[2]["rawPath"]) == (200, "/main/query")


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer bad"}, 403)])
def test_others_do_not(stack: Stack, aws: Any, headers: dict[str, str], status: int) -> None:
    assert send(aws, "POST", address(stack, "/main/query"), headers=headers)[0] == status


def test_the_access_log_has_a_line_for_each_request(stack: Stack, aws: Any, account: Any) -> None:
    send(aws, "POST", address(stack, "/x"), headers={"Authorization": "Bearer good logged"})
    _, headers, _ = send(aws, "POST", address(stack, "/x"), headers={})
    found = account.client("logs").filter_log_events(logGroupName=stack.physical("Log"))["events"]
    lines = [json.loads(event["message"]) for event in found]
    assert {"id": headers["apigw-requestid"], "status": 401, "name": "-"} in lines
    assert ("Bearer good logged", 200) in [(line["name"], line["status"]) for line in lines]


def test_sizes_are_limited(stack: Stack, aws: Any) -> None:
    long = {**GOOD, "X-Long": "x" * 10_240}
    assert send(aws, "POST", address(stack, "/x"), headers=long)[0] == 431
    status, _, content = send(aws, "POST", address(stack, "/x"), b"x" * (10 * 1024 * 1024 + 1), headers=GOOD)
    assert (status, content) == (413, {"message": "Request Entity Too Large"})
    assert send(aws, "POST", address(stack, "/x"), b"x" * (6 * 1024 * 1024), headers=GOOD)[0] == 413  # Lambda's


def test_an_unknown_api_is_404(aws: Any) -> None:
    assert send(aws, "POST", "/_execute-api/none/x")[0] == 404


def test_an_api_needs_the_permission_of_the_function(stack: Stack, aws: Any) -> None:
    wrong = http_api.permission("Function", "*/GET/*")
    assert stack.apply(body(aws, ApiPermission=wrong)) == "UPDATE_COMPLETE"
    assert send(aws, "POST", address(stack, "/x"), headers=GOOD)[0] == 500
    assert stack.apply(body(aws, AuthorizerPermission=None)) == "UPDATE_COMPLETE"
    assert send(aws, "POST", address(stack, "/x"), headers={"Authorization": "Bearer good new"})[0] == 500
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"
    assert send(aws, "POST", address(stack, "/x"), headers=GOOD)[0] == 200


def test_a_jwt_authorizer_in_a_stack(stack: Stack, aws: Any) -> None:
    with issuer.served() as issued:
        jwt = {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "Name": "jwt",
                "AuthorizerType": "JWT",
                "IdentitySource": ["$request.header.Authorization"],
                "JwtConfiguration": {"Issuer": issued.url, "Audience": ["sldb"]},
            },
        }
        route = resources(aws)["Route"]["Properties"] | {
            "RouteKey": "POST /jwt/{proxy+}",
            "AuthorizationType": "JWT",
            "AuthorizerId": {"Ref": "Jwt"},
        }
        more = {"Jwt": jwt, "JwtRoute": {"Type": "AWS::ApiGatewayV2::Route", "Properties": route}}
        assert stack.apply(body(aws, **more)) == "UPDATE_COMPLETE"
        token = issued.token(time.time(), sub="user-1")
        status, _, event = send(
            aws, "POST", address(stack, "/jwt/main"), b"{}", headers={"Authorization": f"Bearer {token}"}
        )
        assert (status, event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"]) == (200, "user-1")
        status, headers, _ = send(aws, "POST", address(stack, "/jwt/main"), headers=GOOD)
        assert (status, headers["www-authenticate"].partition(" ")[0]) == (401, "Bearer")
    assert stack.apply(body(aws)) == "UPDATE_COMPLETE"


def test_a_path_counts_as_it_is_sent(stack: Stack, aws: Any) -> None:
    """An encoded path is longer than what it stands for."""
    assert send(aws, "POST", address(stack, "/" + "%C3%BC" * 1500), b"{}", headers=GOOD)[0] == 200
    assert send(aws, "POST", address(stack, "/" + "%C3%BC" * 2000), b"{}", headers=GOOD)[0] == 431
