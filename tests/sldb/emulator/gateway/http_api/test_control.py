"""The control plane of HTTP APIs: what AWS refuses, what is refused by name, and what moto lacks."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
LAMBDA = {
    "Name": "a",
    "AuthorizerType": "REQUEST",
    "AuthorizerUri": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations",
    "AuthorizerPayloadFormatVersion": "2.0",
    "EnableSimpleResponses": True,
    "IdentitySource": ["$request.header.Authorization"],
    "AuthorizerResultTtlInSeconds": 30,
}
JWT = {
    "Name": "j",
    "AuthorizerType": "JWT",
    "IdentitySource": ["$request.header.Authorization"],
    "JwtConfiguration": {"Issuer": "https://i.example", "Audience": ["a"]},
}
PROXY = {"IntegrationType": "AWS_PROXY", "IntegrationUri": FUNCTION, "PayloadFormatVersion": "2.0"}


@pytest.fixture(scope="module")
def gateway(account: Any) -> Any:
    return account.client("apigatewayv2")


@pytest.fixture
def api(gateway: Any) -> str:
    return str(gateway.create_api(Name="a", ProtocolType="HTTP")["ApiId"])


@pytest.fixture
def target(gateway: Any, api: str) -> str:
    return f"integrations/{gateway.create_integration(ApiId=api, **PROXY)['IntegrationId']}"


def refusal(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"RouteKey": "FETCH /x"}, "BadRequestException"),
        ({"RouteKey": "GET /{a+}/b"}, "BadRequestException"),
        ({"RouteKey": "GET /taken"}, "ConflictException"),
        ({"Target": "integrations/none"}, "NotFoundException"),
        ({"AuthorizationType": "CUSTOM"}, "BadRequestException"),
        ({"AuthorizationType": "JWT", "AuthorizerId": "none"}, "BadRequestException"),
        ({"AuthorizationType": "BASIC"}, "BadRequestException"),
    ],
)
def test_routes_that_aws_refuses(gateway: Any, api: str, target: str, changes: dict[str, Any], code: str) -> None:
    gateway.create_route(ApiId=api, RouteKey="GET /taken", Target=target)
    free = gateway.create_route(ApiId=api, RouteKey="GET /free", Target=target)["RouteId"]
    wanted = {"RouteKey": "GET /x", "Target": target, **changes}
    assert refusal(gateway.create_route, ApiId=api, **wanted) == code
    assert refusal(gateway.update_route, ApiId=api, RouteId=free, **wanted) == code
    assert {each["RouteKey"] for each in gateway.get_routes(ApiId=api)["Items"]} == {"GET /taken", "GET /free"}


def test_an_authorizer_of_another_type_is_refused(gateway: Any, api: str, target: str) -> None:
    jwt = gateway.create_authorizer(ApiId=api, **JWT)["AuthorizerId"]
    wanted = {"ApiId": api, "RouteKey": "GET /x", "Target": target, "AuthorizerId": jwt}
    assert refusal(gateway.create_route, **wanted, AuthorizationType="CUSTOM") == "BadRequestException"
    assert gateway.create_route(**wanted, AuthorizationType="JWT")["AuthorizerId"] == jwt


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"IntegrationType": "HTTP_PROXY"}, "NotImplemented"),
        ({"PayloadFormatVersion": "1.0"}, "NotImplemented"),
        ({"CredentialsArn": "arn:aws:iam::123456789012:role/r"}, "NotImplemented"),
        ({"RequestParameters": {"a": "b"}}, "NotImplemented"),
        ({"TimeoutInMillis": 30_001}, "BadRequestException"),
    ],
)
def test_integrations_that_are_refused(gateway: Any, api: str, changes: dict[str, Any], code: str) -> None:
    assert refusal(gateway.create_integration, ApiId=api, **{**PROXY, **changes}) == code


@pytest.mark.parametrize(
    ("base", "changes", "code"),
    [
        (LAMBDA, {"EnableSimpleResponses": False}, "NotImplemented"),
        (LAMBDA, {"AuthorizerPayloadFormatVersion": "1.0"}, "NotImplemented"),
        (LAMBDA, {"AuthorizerResultTtlInSeconds": 3601}, "BadRequestException"),
        (LAMBDA, {"IdentitySource": []}, "BadRequestException"),
        (LAMBDA, {"IdentitySource": ["$request.body"]}, "BadRequestException"),
        (LAMBDA, {"IdentitySource": ["$context.nothing"]}, "BadRequestException"),
        (JWT, {"JwtConfiguration": {"Issuer": "https://i.example", "Audience": []}}, "BadRequestException"),
        (JWT, {"IdentitySource": []}, "BadRequestException"),
        (JWT, {"IdentitySource": ["$request.header.A", "$request.header.B"]}, "BadRequestException"),
    ],
)
def test_authorizers_that_are_refused(
    gateway: Any, api: str, base: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    made = gateway.create_authorizer(ApiId=api, **base)["AuthorizerId"]
    assert refusal(gateway.create_authorizer, ApiId=api, **{**base, **changes}) == code
    assert refusal(gateway.update_authorizer, ApiId=api, AuthorizerId=made, **changes) == code


def test_what_a_route_uses_is_not_deleted(gateway: Any, api: str, target: str) -> None:
    authorizer = gateway.create_authorizer(ApiId=api, **LAMBDA)["AuthorizerId"]
    route = gateway.create_route(
        ApiId=api, RouteKey="GET /x", Target=target, AuthorizationType="CUSTOM", AuthorizerId=authorizer
    )["RouteId"]
    integration = target.partition("/")[2]
    assert refusal(gateway.delete_integration, ApiId=api, IntegrationId=integration) == "ConflictException"
    assert refusal(gateway.delete_authorizer, ApiId=api, AuthorizerId=authorizer) == "ConflictException"
    gateway.delete_route(ApiId=api, RouteId=route)
    gateway.delete_integration(ApiId=api, IntegrationId=integration)
    gateway.delete_authorizer(ApiId=api, AuthorizerId=authorizer)


def test_a_stage_deploys_by_itself_and_is_there_once(gateway: Any, api: str) -> None:
    assert refusal(gateway.create_stage, ApiId=api, StageName="a") == "NotImplemented"
    gateway.create_stage(ApiId=api, StageName="a", AutoDeploy=True, StageVariables={"v": "1"})
    assert refusal(gateway.create_stage, ApiId=api, StageName="a", AutoDeploy=True) == "ConflictException"
    assert refusal(gateway.update_stage, ApiId=api, StageName="a", AutoDeploy=False) == "NotImplemented"
    found = gateway.update_stage(ApiId=api, StageName="a", Description="d")
    assert (found["Description"], found["StageVariables"], found["AutoDeploy"]) == ("d", {"v": "1"}, True)
    assert refusal(gateway.update_stage, ApiId=api, StageName="b", Description="d") == "NotFoundException"


def test_what_is_not_emulated_is_refused_by_name(gateway: Any, api: str) -> None:
    assert refusal(gateway.create_api, Name="w", ProtocolType="WEBSOCKET") == "NotImplemented"
    assert refusal(gateway.create_api, Name="q", ProtocolType="HTTP", Target=FUNCTION) == "NotImplemented"
    assert refusal(gateway.create_deployment, ApiId=api) == "NotImplemented"
    assert refusal(gateway.create_vpc_link, Name="v", SubnetIds=["s"]) == "NotImplemented"


@pytest.mark.parametrize("method", ["create_route", "create_stage", "get_api", "get_authorizers"])
def test_an_unknown_api_is_not_found(gateway: Any, method: str) -> None:
    more: dict[str, dict[str, Any]] = {
        "create_route": {"RouteKey": "GET /", "Target": "integrations/x"},
        "create_stage": {"StageName": "a", "AutoDeploy": True},
    }
    assert refusal(getattr(gateway, method), ApiId="none", **more.get(method, {})) == "NotFoundException"
