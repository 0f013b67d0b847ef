"""Functions behind APIs: permission, time-out, failures, limits; with real containers."""

from __future__ import annotations

import json
import logging
from itertools import count
from typing import Any

import pytest

from sldb.emulator.gateway.invoking import function_arn
from tests.fakes.aws.http_api import send

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
SOURCE = """
import json
import os
import threading

def handler(event, context):
    wanted = json.loads(event["body"])
    if wanted == "raise":
        raise ValueError("secret words")
    if wanted == "exit":
        os._exit(3)
    if wanted == "wait":
        threading.Event().wait()
    if wanted == "large":
        return "x" * (7 * 1024 * 1024)
    return {"statusCode": 200, "body": context.aws_request_id} if wanted == "id" else wanted
"""
_names = count(1)


class Api:
    """An API without authorization, made by its control plane."""

    def __init__(self, account: Any, aws: Any, **settings: Any) -> None:
        self.aws = aws
        self.account = account
        self.gateway = account.client("apigatewayv2")
        self.function = account.function(SOURCE)
        self.id = self.gateway.create_api(Name=f"api-{next(_names)}", ProtocolType="HTTP")["ApiId"]
        integration = self.gateway.create_integration(
            ApiId=self.id,
            IntegrationType="AWS_PROXY",
            IntegrationUri=f"{ARN.removesuffix('f')}{self.function}",
            PayloadFormatVersion="2.0",
            **settings,
        )["IntegrationId"]
        self.gateway.create_route(ApiId=self.id, RouteKey="POST /{proxy+}", Target=f"integrations/{integration}")
        self.gateway.create_stage(ApiId=self.id, StageName="$default", AutoDeploy=True)

    def permit(self, suffix: str = "*/*") -> None:
        self.account.client("lambda").add_permission(
            FunctionName=self.function,
            StatementId="api",
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:123456789012:{self.id}/{suffix}",
        )

    def send(self, wanted: Any) -> tuple[int, dict[str, str], Any]:
        headers = {"Content-Type": "application/json"}
        return send(self.aws, "POST", f"/_execute-api/{self.id}/x", json.dumps(wanted).encode(), headers=headers)


@pytest.fixture(scope="module")
def api(account: Any, aws: Any) -> Api:
    found = Api(account, aws)
    found.permit()
    return found


@pytest.mark.parametrize(
    "uri", [ARN, f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations"]
)
def test_both_forms_of_a_uri_name_the_function(uri: str) -> None:
    assert function_arn(uri) == ARN


@pytest.mark.parametrize("wanted", ["raise", "exit", "large", {"statusCode": "many"}, {"statusCode": 200, "body": {}}])
def test_what_is_no_response_is_500_without_the_reason(api: Api, wanted: Any) -> None:
    status, _, content = api.send(wanted)
    assert (status, content) == (500, {"message": "Internal Server Error"})


def test_the_reason_is_in_the_emulators_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        api.send("raise")
    assert "ValueError" in caplog.text


def test_the_function_has_an_id_of_its_own(api: Api) -> None:
    ids = set()
    for _ in range(2):
        headers = {"Content-Type": "text/plain"}
        path = f"/_execute-api/{api.id}/x"
        status, answered, content = send(api.aws, "POST", path, b'"id"', headers=headers, decode=bytes.decode)
        assert status == 200
        assert content != answered["apigw-requestid"]
        ids.add(content)
    assert len(ids) == 2


def test_a_function_is_waited_for_as_long_as_its_integration_says(account: Any, aws: Any) -> None:
    slow = Api(account, aws, TimeoutInMillis=50)
    slow.permit()
    status, _, content = slow.send("wait")
    assert (status, content) == (503, {"message": "Service Unavailable"})
    assert any(container.busy for container in aws.containers(slow.function))  # it goes on


def test_a_throttled_function_is_503(account: Any, aws: Any) -> None:
    throttled = Api(account, aws)
    throttled.permit()
    account.client("lambda").put_function_concurrency(FunctionName=throttled.function, ReservedConcurrentExecutions=0)
    assert throttled.send("id")[0] == 503


@pytest.mark.parametrize("suffix", ["*/GET/*", "prod/*", None])
def test_without_a_fitting_permission_it_is_500(account: Any, aws: Any, suffix: str | None) -> None:
    other = Api(account, aws)
    if suffix is not None:
        other.permit(suffix)
    assert other.send("id")[0] == 500
    assert aws.containers(other.function) == ()


def test_a_function_that_is_gone_is_500(account: Any, aws: Any) -> None:
    other = Api(account, aws)
    other.permit()
    account.client("lambda").delete_function(FunctionName=other.function)
    assert other.send("id")[0] == 500
