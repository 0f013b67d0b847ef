"""What `sldb doctor` says of the APIs of a stack on the emulated AWS, as deployed and after changes by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lambda_handlers.access.tokens import read_token
from lambda_handlers.wire import SldbError
from sldb.doctor.apis import ApiChecks, forged_token, http_status
from sldb.doctor.finding import Finding
from sldb.ops.status import deployed
from sldb.stack.account import connect
from sldb.stack.names import ACCESS_DOCUMENT
from tests.sldb.commands import DATA_BUCKET, Commands
from tests.sldb.conftest import sldb as deployed_by_test

sldb = deployed_by_test

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/0f0f"


def found(status: int | None = None, *, has_address: bool = True) -> Iterator[Finding]:
    """Yield the findings. `status`: of every response; None: what the emulated API Gateway answers."""
    from sldb.aws.options import AwsOptions

    def resolve(_name: str) -> None:
        if not has_address:
            raise OSError

    account = connect(AwsOptions())
    ask = http_status(account) if status is None else (lambda _url: status)
    return ApiChecks(account, "test-db", deployed(account, "test-db"), ask, resolve).findings()


def by_check(**options: Any) -> dict[str, Finding]:
    return {each.check: each for each in found(**options)}


def put_document(sldb: Commands, **callers: dict[str, Any]) -> None:
    body = json.dumps({"version": 1, "key_ids": [], "callers": callers})
    sldb.client("s3").put_object(Bucket=DATA_BUCKET, Key=ACCESS_DOCUMENT, Body=body.encode())


def test_a_forged_token_has_the_form_of_one() -> None:
    token = read_token(forged_token("0123abcd"))
    assert token.claims.key_id == "0123abcd"
    assert not token.is_signed_by("x" * 64)


def test_a_stack_without_apis_has_none_to_check(sldb: Commands) -> None:
    sldb.ok("deploy")
    assert list(found()) == []


@pytest.mark.long
def test_http_apis(sldb: Commands) -> None:
    sldb.ok("deploy", "--api", "iam", "--api-domain", "db.example.com", "--api-certificate", CERTIFICATE)
    checks = by_check()
    assert (checks["callers"].state, checks["callers"].next) == ("warn", "sldb token create NAME")
    assert checks["api"].state == "ok"
    assert checks["domain"].state == "ok"
    assert "points at d-" in by_check(has_address=False)["domain"].next
    for status, state in ((200, "fail"), (404, "warn"), (503, "warn")):
        assert by_check(status=status)["api"].state == state

    entry = {"name": "app", "databases": ["main"], "scope": "read", "created": "2026-11-27T00:00:00Z"}
    principal = "iam:arn:aws:iam::123456789012:role/app"
    put_document(sldb, **{principal: {**entry, "expires": None, "revoked": None}})
    assert by_check()["callers"] == Finding("callers", "ok", "1 may use the APIs")
    put_document(sldb, **{principal: {**entry, "more": 1}})
    assert by_check()["callers"].state == "warn"
    sldb.client("s3").put_object(Bucket=DATA_BUCKET, Key=ACCESS_DOCUMENT, Body=b"{")
    assert by_check()["callers"].state == "fail"

    client, api = sldb.client("apigatewayv2"), sldb.outputs()["IamApiId"]
    client.update_stage(ApiId=api, StageName="$default", StageVariables={"sldb_front": "token"})
    assert "has lost its variable sldb_front=iam" in by_check()["api"].says
    client.update_stage(ApiId=api, StageName="$default", StageVariables={"sldb_front": "iam"})
    client.create_stage(ApiId=api, StageName="theirs", AutoDeploy=True)
    assert "the stage theirs is not of sldb" in by_check()["api"].says
    client.delete_stage(ApiId=api, StageName="theirs")
    route = client.get_routes(ApiId=api)["Items"][0]
    client.update_route(ApiId=api, RouteId=route["RouteId"], AuthorizationType="NONE")
    opened = by_check()["api"]
    assert (opened.state, f"the route {route['RouteKey']} is open" in opened.says) == ("fail", True)


def test_the_authorizer_is_asked(sldb: Commands) -> None:
    sldb.ok("deploy", "--api", "token")
    authorizer = by_check()["authorizer"]  # the bundle of these tests has no packages
    assert (authorizer.state, authorizer.next) == ("fail", "sldb logs --function authorizer")
    assert "No module named" in authorizer.says


@pytest.mark.long
def test_tokens_of_a_secret_that_was_made_again(sldb: Commands) -> None:
    sldb.ok("deploy", "--api", "token")
    sldb.ok("token", "create", "new")
    assert by_check()["tokens"] == Finding("tokens", "ok", "active: 1; the key that signs them is there")
    entry = {
        "databases": ["main"],
        "scope": "read",
        "created": "2020-01-01T00:00:00Z",
        "expires": None,
        "revoked": None,
    }
    put_document(sldb, **{f"token:{letter * 26}": {**entry, "name": letter} for letter in "abcdefg"})
    tokens = by_check()["tokens"]
    assert (tokens.state, tokens.says.endswith("is gone: a, b, c, d, e and 2 more")) == ("warn", True)
    sldb.client("secretsmanager").delete_secret(
        SecretId=sldb.outputs()["TokenSecretArn"], ForceDeleteWithoutRecovery=True
    )
    assert by_check()["tokens"].state != "ok"


@pytest.mark.long
def test_the_rest_api(sldb: Commands) -> None:
    sldb.ok("deploy", "--api", "key", "--cors", "https://a.example")
    assert by_check()["api"].state == "ok"
    client, api = sldb.client("apigateway"), sldb.outputs()["KeyApiId"]
    root = next(each["id"] for each in client.get_resources(restApiId=api)["items"] if each["path"] == "/")
    client.put_method(restApiId=api, resourceId=root, httpMethod="PUT", authorizationType="NONE", apiKeyRequired=False)
    assert "the method PUT / demands no API key" in by_check()["api"].says
    client.delete_method(restApiId=api, resourceId=root, httpMethod="PUT")
    plan = sldb.outputs()["KeyUsagePlanId"]
    client.update_usage_plan(
        usagePlanId=plan, patchOperations=[{"op": "remove", "path": "/apiStages", "value": f"{api}:sldb"}]
    )
    assert "no API key is accepted" in by_check()["api"].says


@pytest.mark.usefixtures("sldb")
def test_an_address_that_cannot_be_reached_is_no_verdict() -> None:
    ask = http_status(connect_here())
    with pytest.raises(SldbError):
        ask("http://127.0.0.1:9/health")


def connect_here() -> Any:
    from sldb.aws.options import AwsOptions

    return connect(AwsOptions())
