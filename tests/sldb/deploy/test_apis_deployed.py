"""The APIs of a stack on the emulated AWS: made, changed and removed by `sldb deploy`, and open to nobody."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from tests.sldb.commands import Commands

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
