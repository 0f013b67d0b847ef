"""The resources of a small REST API with keys, as the template of sldb has them, in front of a function that echoes."""

from __future__ import annotations

from typing import Any

FUNCTION = """
import json

def handler(event, context):
    if event["path"] == "/broken":
        return {"no": "status"}
    if event["path"] == "/raises":
        raise ValueError("no")
    if event["path"] == "/large":
        return {"statusCode": 200, "body": "x" * (6 * 1024 * 1024 + 200)}
    return {"statusCode": 200, "body": json.dumps(event)}
"""
_URI = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
_ORIGIN = "method.response.header.Access-Control-Allow-Origin"
_LOG_ROLE = "arn:aws:iam::123456789012:role/logs"
LOG_FORMAT = '{"id":"$context.requestId","status":$context.status,"key":"$context.identity.apiKeyId"}'


def resources(aws: Any, **changes: Any) -> dict[str, Any]:
    """Return the resources for `template(aws, …)`; `changes` replaces or adds (None: removes)."""
    found = {
        "Rule": None,
        "Permission": None,
        "Function": _function(aws),
        "Account": {"Type": "AWS::ApiGateway::Account", "Properties": {"CloudWatchRoleArn": _LOG_ROLE}},
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {}},
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {
                "Name": "small",
                "Description": "with keys",
                "ApiKeySourceType": "HEADER",
                "EndpointConfiguration": {"Types": ["REGIONAL"]},
            },
        },
        "Proxy": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {"RestApiId": {"Ref": "Api"}, "ParentId": _root(), "PathPart": "{proxy+}"},
        },
        "Post": method("POST", {"Ref": "Proxy"}),
        "RootPost": method("POST", _root()),
        "Options": preflight({"Ref": "Proxy"}),
        "Errors": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "ResponseType": "DEFAULT_4XX",
                "ResponseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
            },
        },
        "Deployment": deployment("first"),
        "Stage": stage("Deployment"),
        "Plan": plan(),
        "ApiPermission": permission("*/*"),
    }
    return {**found, **changes}


def _function(aws: Any) -> dict[str, Any]:
    environment = aws.environment()
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Handler": "index.handler",
            "Runtime": environment["SLDB_RUNTIME"],
            "Architectures": [environment["SLDB_ARCHITECTURE"]],
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": {"ZipFile": FUNCTION},
            "Timeout": {"Ref": "Timeout"},
        },
    }


def _root() -> dict[str, Any]:
    return {"Fn::GetAtt": ["Api", "RootResourceId"]}


def method(verb: str, resource: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ResourceId": resource,
            "HttpMethod": verb,
            "AuthorizationType": "NONE",
            "ApiKeyRequired": "true",
            "Integration": {
                "Type": "AWS_PROXY",
                "IntegrationHttpMethod": "POST",
                "Uri": {"Fn::Sub": _URI},
                "TimeoutInMillis": "29000",
            },
        },
    }


def preflight(resource: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ResourceId": resource,
            "HttpMethod": "OPTIONS",
            "AuthorizationType": "NONE",
            "Integration": {
                "Type": "MOCK",
                "RequestTemplates": {"application/json": '{"statusCode": 204}'},
                "IntegrationResponses": [{"StatusCode": "204", "ResponseParameters": {_ORIGIN: "'*'"}}],
            },
            "MethodResponses": [{"StatusCode": "204", "ResponseParameters": {_ORIGIN: True}}],
        },
    }


def deployment(description: str) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGateway::Deployment",
        "DependsOn": ["Post", "RootPost", "Options", "Errors"],
        "Properties": {"RestApiId": {"Ref": "Api"}, "Description": description},
    }


def stage(of: str, **changes: Any) -> dict[str, Any]:
    properties = {
        "RestApiId": {"Ref": "Api"},
        "DeploymentId": {"Ref": of},
        "StageName": "sldb",
        "Variables": {"sldb_front": "key"},
        "MethodSettings": [
            {"HttpMethod": "*", "ResourcePath": "/*", "ThrottlingRateLimit": "500", "ThrottlingBurstLimit": "500"}
        ],
        "AccessLogSetting": {"DestinationArn": {"Fn::GetAtt": ["Log", "Arn"]}, "Format": LOG_FORMAT},
    }
    wanted = {name: value for name, value in {**properties, **changes}.items() if value is not None}
    return {"Type": "AWS::ApiGateway::Stage", "DependsOn": ["Account"], "Properties": wanted}


def plan(**changes: Any) -> dict[str, Any]:
    properties = {
        "UsagePlanName": "small",
        "ApiStages": [{"Stage": {"Ref": "Stage"}, "ApiId": {"Ref": "Api"}}],
        "Throttle": {"RateLimit": "100.5", "BurstLimit": "50"},
        "Quota": {"Limit": "1000", "Period": "DAY"},
    }
    wanted = {name: value for name, value in {**properties, **changes}.items() if value is not None}
    return {"Type": "AWS::ApiGateway::UsagePlan", "Properties": wanted}


def permission(suffix: str) -> dict[str, Any]:
    arn = f"arn:aws:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{Api}}/{suffix}"
    return {
        "Type": "AWS::Lambda::Permission",
        "Properties": {
            "Action": "lambda:InvokeFunction",
            "FunctionName": {"Ref": "Function"},
            "Principal": "apigateway.amazonaws.com",
            "SourceArn": {"Fn::Sub": arn},
        },
    }
