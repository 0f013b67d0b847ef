"""The resources of a small HTTP API: a Lambda authorizer, and a function that returns its event."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any

AUTHORIZER = """
def handler(event, context):
    token = event["identitySource"][0]
    return {"isAuthorized": token.startswith("Bearer good"), "context": {"sldb_name": token}}
"""
LOG_FORMAT = '{"id":"$context.requestId","status":$context.status,"name":"$context.authorizer.sldb_name"}'


def resources(aws: Any, **changes: Any) -> dict[str, Any]:
    """Return the resources for `template(aws, …)`; `changes` replaces or adds (None: removes)."""
    environment = aws.environment()
    found = {
        "Rule": None,
        "Permission": None,
        "AuthorizerFunction": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Handler": "index.handler",
                "Runtime": environment["SLDB_RUNTIME"],
                "Architectures": [environment["SLDB_ARCHITECTURE"]],
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Code": {"ZipFile": AUTHORIZER},
                "Timeout": 9,
            },
        },
        "Api": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "small", "ProtocolType": "HTTP"}},
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {}},
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "StageName": "$default",
                "AutoDeploy": "true",
                "StageVariables": {"sldb_front": "token"},
                "DefaultRouteSettings": {"ThrottlingRateLimit": "500", "ThrottlingBurstLimit": "500"},
                "AccessLogSettings": {"DestinationArn": {"Fn::GetAtt": ["Log", "Arn"]}, "Format": LOG_FORMAT},
            },
        },
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": {"Fn::GetAtt": ["Function", "Arn"]},
                "PayloadFormatVersion": "2.0",
                "TimeoutInMillis": "30000",
            },
        },
        "Authorizer": {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "Name": "token",
                "AuthorizerType": "REQUEST",
                "AuthorizerUri": {
                    "Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
                    "${AuthorizerFunction.Arn}/invocations"
                },
                "AuthorizerPayloadFormatVersion": "2.0",
                "EnableSimpleResponses": "true",
                "IdentitySource": ["$request.header.Authorization"],
                "AuthorizerResultTtlInSeconds": "20",
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "RouteKey": "POST /{proxy+}",
                "Target": {"Fn::Sub": "integrations/${Integration}"},
                "AuthorizationType": "CUSTOM",
                "AuthorizerId": {"Ref": "Authorizer"},
            },
        },
        "ApiPermission": permission("Function", "*/*/*"),
        "AuthorizerPermission": permission("AuthorizerFunction", "authorizers/${Authorizer}"),
    }
    return {**found, **changes}


def permission(function: str, suffix: str) -> dict[str, Any]:
    arn = f"arn:aws:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{Api}}/{suffix}"
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": function},
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": {"Fn::Sub": arn},
        },
    }


def send(
    aws: Any,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    headers: dict[str, str] | None = None,
    decode: Callable[[bytes], Any] = json.loads,
) -> tuple[int, dict[str, str], Any]:
    """Send a request to the emulator; return status, headers with names in lower case, and the decoded body."""
    connection = http.client.HTTPConnection("127.0.0.1", aws.port)
    try:
        connection.request(method, path, body, headers or {})
        found = connection.getresponse()
        text = found.read()
        content = decode(text) if text else None
        return found.status, {name.lower(): value for name, value in found.getheaders()}, content
    finally:
        connection.close()
