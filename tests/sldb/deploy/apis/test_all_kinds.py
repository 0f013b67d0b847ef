"""All kinds of APIs of one stack, with the real bundle on the emulated AWS: each lets its callers in, and no others."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sldb.emulator.front.server import Emulator
from sldb.emulator.gateway.http_api import issuer_keys
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.aws.issuer import Issuer
from tests.sldb.commands import Commands

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(300)]

TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
_names = count(1)


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def aws(request: pytest.FixtureRequest, issuer: Issuer) -> Iterator[Emulator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuer_keys, "fetch_url", issuer.fetch)  # `deploy` takes issuers with https: alone
        with emulated_aws(wheels=wheels_of(request.config)) as found:
            yield found


@dataclass(frozen=True)
class Front:
    address: str

    def send(
        self, query: str, *, database: str = "main", headers: dict[str, str] | None = None, route: str = "query"
    ) -> tuple[int, Any]:
        """POST a query; return the status and the decoded body."""
        return post(f"{self.address}/{database}/{route}", json.dumps({"query": query}).encode(), headers or {})


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    try:
        connection.request("POST", parts.path, body, {"Content-Type": "application/json", **headers})
        found = connection.getresponse()
        return found.status, json.loads(found.read() or b"null")
    finally:
        connection.close()


@pytest.fixture
def sldb(aws: Emulator, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(aws, capsys)


@pytest.fixture
def fronts(sldb: Commands, issuer: Issuer) -> dict[str, Front]:
    jwt = ("--jwt-issuer", issuer.url, "--jwt-audience", "sldb")
    ran = sldb.ok("deploy", "--yes", "--api", "token,key,jwt,iam", "--readers", *jwt, "--format", "json")
    return {kind: Front(address) for kind, address in json.loads(ran.out)["apis"].items()}


@pytest.fixture
def table(sldb: Commands, fronts: dict[str, Front]) -> str:
    assert fronts
    name = f"t{next(_names)}"
    sldb.ok("query", f"CREATE TABLE {name} (a)", "--create")
    return name


def test_a_token_lets_its_caller_in(sldb: Commands, fronts: dict[str, Front], table: str) -> None:
    front = fronts["token"]
    writer = {"Authorization": f"Bearer {sldb.ok('token', 'create', f'writer-{table}').out.strip()}"}
    reader = {"Authorization": f"Bearer {sldb.ok('token', 'create', f'reader-{table}', '--read-only').out.strip()}"}
    assert front.send(f"INSERT INTO {table} VALUES (1)", headers=writer)[0] == 200
    status, reply = front.send(f"SELECT a FROM {table}", headers=reader)
    assert (status, reply["rows"]) == (200, [[1]])
    status, reply = front.send(f"INSERT INTO {table} VALUES (2)", headers=reader)
    assert (status, reply["error"]["code"]) == (403, "forbidden")
    assert front.send("SELECT 1", database="other", headers=writer)[0] == 403
    assert front.send(f"SELECT a FROM {table}", headers=writer, route="read")[0] == 200
    assert front.send(f"INSERT INTO {table} VALUES (2)", headers=writer, route="read")[0] == 403
    assert front.send("SELECT 1")[0] == 401
    assert front.send("SELECT 1", headers={"Authorization": "Bearer sldb_x.y"})[0] == 403


def test_an_api_key_lets_its_caller_in(sldb: Commands, fronts: dict[str, Front], table: str) -> None:
    key = sldb.ok("token", "create", f"partner-{table}", "--key").out.strip()
    status, reply = fronts["key"].send(f"SELECT count(*) FROM {table}", headers={"x-api-key": key})
    assert (status, reply["rows"]) == (200, [[0]])
    assert fronts["key"].send("SELECT 1")[0] == 403
    assert fronts["key"].send("SELECT 1", headers={"x-api-key": "wrong"})[0] == 403


def test_a_jwt_lets_its_caller_in(fronts: dict[str, Front], issuer: Issuer, table: str) -> None:
    front = fronts["jwt"]

    def bearer(**claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {issuer.token(time.time(), **claims)}"}

    writer = bearer(sub="user-1", sldb_databases=["main"], sldb_scope="write")
    assert front.send(f"INSERT INTO {table} VALUES (1)", headers=writer)[0] == 200
    reader = bearer(sub="user-2", sldb_databases=["main"], sldb_scope="read")
    assert front.send(f"SELECT a FROM {table}", headers=reader)[0] == 200
    assert front.send(f"INSERT INTO {table} VALUES (2)", headers=reader)[0] == 403
    assert front.send("SELECT 1", headers=bearer(sub="user-3"))[0] == 403
    assert front.send("SELECT 1", headers=bearer(exp=1, sldb_databases="main"))[0] == 401
    assert front.send("SELECT 1")[0] == 401


def test_a_principal_lets_its_sessions_in(sldb: Commands, fronts: dict[str, Front], table: str) -> None:
    front, iam, name = fronts["iam"], sldb.client("iam"), f"bi-{table}"
    document = {"Version": "2012-10-17", "Statement": [TRUST]}
    role = iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
    api = front.address.rpartition("/")[2]
    arn = f"arn:aws:execute-api:us-east-1:123456789012:{api}/$default/POST/main/*"
    allowed = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName=name, PolicyName="invoke", PolicyDocument=policy)
    session = sldb.client("sts").assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])

    def send(query: str, database: str = "main") -> tuple[int, Any]:
        url, body = f"{front.address}/{database}/query", json.dumps({"query": query}).encode()
        request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
        SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(request)
        return post(url, body, dict(request.headers.items()))

    assert send("SELECT 1")[0] == 403  # AWS lets it pass; the stack does not know it
    sldb.ok("token", "create", name, "--principal", role, "--read-only")
    assert send(f"SELECT count(*) FROM {table}")[0] == 200
    assert send(f"INSERT INTO {table} VALUES (1)")[0] == 403
    assert send("SELECT 1", "other")[0] == 403
    assert front.send("SELECT 1")[0] == 403
