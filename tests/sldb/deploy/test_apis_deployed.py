"""The APIs of a stack on the emulated AWS: made, changed and removed by `sldb deploy`, and open to nobody."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from sldb.stack.names import ACCESS_DOCUMENT
from tests.sldb.commands import DATA_BUCKET, Commands

JWT = ("--jwt-issuer", "https://id.example", "--jwt-audience", "api")


def status_of(url: str, headers: dict[str, str] | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def addresses(sldb: Commands) -> dict[str, str]:
    found: dict[str, Any] = json.loads(sldb.ok("deploy", "--format", "json").out)
    return found["apis"]


@pytest.mark.long
def test_http_apis_come_and_go_and_let_nobody_in_without_credentials(sldb: Commands) -> None:
    ran = sldb.ok("deploy", "--api", "token,jwt,iam", *JWT)
    assert "$0.40 a month" in ran.err
    apis = addresses(sldb)
    assert set(apis) == {"token", "jwt", "iam"}
    for kind, address in apis.items():
        assert f"API {kind}: {address}" in ran.err
        for path in ("/health", "/main/query", "/"):
            assert status_of(address + path) in (401, 403, 404)
        assert status_of(f"{address}/health", {"authorization": "Bearer sldb_x.y"}) in (
            401,
            403,
            500,
        )  # the bundle of these tests has no packages
    assert "is up to date" in sldb.ok("deploy").err

    refused = sldb("deploy", "--api", "token")
    assert (refused.status, "JwtApi" in refused.err) == (1, True)
    sldb.ok("deploy", "--api", "token", "--yes")
    assert addresses(sldb) == {"token": apis["token"]}
    ran = sldb.ok("deploy", "--api", "none", "--yes")
    assert "all tokens end" in ran.err
    assert addresses(sldb) == {}
    assert sldb.client("apigatewayv2").get_apis()["Items"] == []
    sldb.ok("destroy", "--yes")


def make_key(sldb: Commands, name: str, stack: str = "test-db") -> str:
    """Make an API key as `sldb token create NAME --key` does; return its id."""
    client = sldb.client("apigateway")
    key = client.create_api_key(name=f"{stack}-{name}", enabled=True, tags={"sldb:stack": stack})["id"]
    if stack == "test-db":
        plan = sldb.outputs()["KeyUsagePlanId"]
        client.create_usage_plan_key(usagePlanId=plan, keyId=key, keyType="API_KEY")
    return str(key)


def keys(sldb: Commands) -> set[str]:
    return {each["id"] for each in sldb.client("apigateway").get_api_keys()["items"]}


def test_the_rest_api_demands_a_key_and_keys_end_with_it(sldb: Commands) -> None:
    ran = sldb.ok("deploy", "--api", "key", "--cors", "https://a.example", "--key-quota", "1000/day")
    assert "has no access log: the account has no role" in ran.err
    address = addresses(sldb)["key"]
    assert address.endswith("/sldb")
    for path in ("/health", "/main/query"):
        assert status_of(address + path) == 403
        assert status_of(address + path, {"x-api-key": "x" * 40}) == 403
    preflight = urllib.request.Request(f"{address}/main/query", method="OPTIONS")
    with urllib.request.urlopen(preflight) as response:
        assert (response.status, response.headers["access-control-allow-origin"]) == (204, "*")
    first = sldb.client("apigateway").get_stage(restApiId=sldb.outputs()["KeyApiId"], stageName="sldb")["deploymentId"]
    sldb.ok("deploy", "--cors", "none")
    stage = sldb.client("apigateway").get_stage(restApiId=sldb.outputs()["KeyApiId"], stageName="sldb")
    assert stage["deploymentId"] != first
    assert status_of(address + "/main/query") == 403

    theirs = make_key(sldb, "app", stack="test-db-other")
    make_key(sldb, "app")
    ran = sldb.ok("deploy", "--api", "none", "--yes")
    assert "deleted 1 API key of the stack" in ran.err
    assert keys(sldb) == {theirs}


def test_callers_lose_their_rights_with_the_stack(sldb: Commands) -> None:
    sldb.ok("deploy", "--api", "key")
    make_key(sldb, "app")
    make_key(sldb, "web")
    sldb.client("s3").put_object(Bucket=DATA_BUCKET, Key=ACCESS_DOCUMENT, Body=b"{}")
    ran = sldb.ok("destroy", "--yes")
    assert "deleted the callers of the stack" in ran.err
    assert "deleted 2 API keys of the stack" in ran.err
    assert keys(sldb) == set()
    assert "Contents" not in sldb.client("s3").list_objects_v2(Bucket=DATA_BUCKET, Prefix="databases/_access/")
