"""The APIs for API keys, users of IAM, and JWTs. JWTs are only refused: their issuer is another's."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from live.leftovers import CALLER, remove_users
from live.plan import Failed, Option, Usage
from live.stage import Stage, expect
from sldb import price

ISSUER = "https://accounts.google.com"  # public, and API Gateway reads its metadata; no token of it is used
SECONDS = 60.0  # until a new API key, or a new user, is known everywhere
MALFORMED = "Bearer a.b.c"
_HIDDEN = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN")


def _use(stage: Stage) -> None:
    stage.query("CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY)")
    (made,) = stage.json("token", "create", "live-key", "--key")
    try:
        _serves(stage, "key", {"SLDB_API_KEY": made["secret"], "SLDB_HTTP_AUTH": "key"})
    finally:
        stage.sldb("token", "revoke", "live-key", "--yes")
    try:
        _iam(stage)
    finally:
        remove_users(stage.account, stage.name)


def _iam(stage: Stage) -> None:
    iam, name = stage.account.iam, f"{stage.name}-{CALLER}"
    arn = iam.create_user(UserName=name)["User"]["Arn"]
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="invoke", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    stage.sldb("token", "create", "live-iam", "--principal", arn)
    try:
        variables = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        _serves(stage, "iam", {**variables, "SLDB_HTTP_AUTH": "iam"})
    finally:
        stage.sldb("token", "revoke", "live-iam", "--yes")


def _serves(stage: Stage, kind: str, variables: Mapping[str, str]) -> None:
    """Write and read as a caller of an API. Raises Failed if that is refused for long."""
    address, until = stage.api_address(kind), time.monotonic() + (10.0 if stage.is_emulated else SECONDS)
    with _environment(variables):
        while (ran := stage.on("--target", address, "query", "SELECT 1", status=None)).status:
            expect(time.monotonic() < until, f"the API of kind {kind} answers: {ran.err}")
            time.sleep(0.2 if stage.is_emulated else 2)
        stage.on("--target", address, "query", "INSERT INTO calls DEFAULT VALUES")
        ran = stage.on("--target", address, "query", "SELECT 41 + 1 AS n", "--format", "csv")
    expect(ran.out.split() == ["n", "42"], f"the API of kind {kind} answers: {ran.out}")


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    for name in _HIDDEN:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _kinds(stage: Stage) -> str:
    """Compare the statuses of requests without credentials with docs/http.md."""
    got = {kind: _refusal(stage, kind, None)[0] for kind in ("token", "key", "iam", "jwt")}
    want = {"token": 401, "key": 403, "iam": 403, "jwt": 401}
    if got != want:
        raise Failed(f"statuses without credentials: got {got}, want {want}")
    return f"key and iam served their callers; statuses without credentials as documented: {got}"


def _words(stage: Stage) -> str:
    """Compare the words of a refused JWT with those of the emulator."""
    status, words = _refusal(stage, "jwt", MALFORMED)
    if status != 401 or 'error="invalid_token"' not in words:
        raise Failed(f"a malformed JWT: got {status} {words}")
    return f"a malformed JWT: {status} {words}"


def _refusal(stage: Stage, kind: str, authorization: str | None) -> tuple[int, str]:
    """Return the status of a response, and its header that says why."""
    headers = {"content-type": "application/json"} | ({"authorization": authorization} if authorization else {})
    request = urllib.request.Request(f"{stage.api_address(kind)}/main/query", b'{"query": "SELECT 1"}', headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("www-authenticate", "")


OPTION = Option(
    "api key, iam, jwt",
    "four APIs, a usage plan, an API key, a user of IAM with an access key",
    (
        "--provisioned-concurrency",
        "none",
        "--api",
        "token,key,iam,jwt",
        "--jwt-issuer",
        ISSUER,
        "--jwt-audience",
        "sldb",
    ),
    _use,
    {"http-kinds": _kinds, "jwt-words": _words},
    Usage(requests=40, api_requests=40, dollars_a_month=price.SECRET_MONTH),
    is_short=False,
)
