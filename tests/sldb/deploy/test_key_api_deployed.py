"""The REST API of a stack, for API keys: its preflights and limits come and go with `sldb deploy`."""

from __future__ import annotations

from typing import Any

from tests.fakes.aws.http_api import send
from tests.sldb.commands import Commands


def outputs(sldb: Commands) -> dict[str, str]:
    [stack] = sldb.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"]
    return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def preflight(sldb: Commands, api: str) -> tuple[int, str | None]:
    status, headers, _ = send(sldb.aws, "OPTIONS", f"/_execute-api/{api}/sldb/main/query")
    return status, headers.get("access-control-allow-origin")


def test_cors_comes_and_goes(sldb: Commands) -> None:
    sldb.ok("deploy", "--api", "key", "--cors", "https://app.example")
    api = outputs(sldb)["KeyApiId"]
    assert preflight(sldb, api) == (204, "*")
    refused: dict[str, Any] = send(sldb.aws, "POST", f"/_execute-api/{api}/sldb/main/query")[1]
    assert refused["access-control-allow-origin"] == "*"
    cost = sldb.ok("cost")
    assert "the API key are in no log, and not counted" in cost.err  # the account has no role for it
    assert "requests to the API key" not in cost.out
    sldb.ok("deploy", "--cors", "none", "--yes")
    assert preflight(sldb, api)[1] is None
    refused = send(sldb.aws, "POST", f"/_execute-api/{api}/sldb/main/query")[1]
    assert "access-control-allow-origin" not in refused
    sldb.ok("destroy", "--yes")
