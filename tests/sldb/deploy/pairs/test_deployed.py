"""Combinations of the options, deployed one after the other: each stack is made, changed, used and taken down.

In all combinations of `covering` each pair of values occurs that goes together; `make pairs` deploys them all. The
tests deploy the first of each series (`few`). What an option does is tested elsewhere, and here
that it works beside the others, and that each change from one combination to another is possible.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.hooks import Proceed
from sldb.emulator.front.server import Emulator
from sldb.emulator.gateway.http_api import issuer_keys
from tests.fakes.aws.emulated import emulated_aws, hooked, wheels_of
from tests.fakes.aws.issuer import Issuer
from tests.fakes.terminal.in_process import run_command
from tests.fakes.waiting import wait_until
from tests.sldb.deploy.apis.test_all_kinds import TRUST, post
from tests.sldb.deploy.pairs.account import REGION, make_facts, policy_of
from tests.sldb.deploy.pairs.options import VALUES, Combination, Facts, covering, few, refused_pairs

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(900)]

HIDDEN_SECONDS = 6 * 60 + 1
# Of more than two values.
REFUSED = (
    Combination.of(token="yes", iam="yes", domain="yes"),
    Combination.of(domain="yes"),
    Combination.of(cors="yes"),
)


@dataclass
class Stack:
    name: str
    aws: Emulator
    issuer: Issuer
    facts: Facts
    rows: int = 0
    step: int = 0
    credentials: dict[str, str] = field(default_factory=dict)  # by the kind of the API

    def ok(self, *arguments: str) -> str:
        status, out, err = run_command((*arguments, "--stack", self.name))
        assert status == 0, f"{arguments}\n{out}\n{err}"
        return out

    def deploy(self, combination: Combination) -> None:
        self.step += 1
        out = self.ok("deploy", "--yes", "--format", "json", *combination.words(self.facts))
        self.use(combination, json.loads(out)["apis"])
        self.look()

    def use(self, combination: Combination, addresses: Mapping[str, str]) -> None:
        self.ok("query", "CREATE TABLE IF NOT EXISTS t (n)")
        self.insert(lambda sql: self.ok("query", sql))
        if combination["provisioned"] != "none":
            self.insert(lambda sql: self.ok("query", sql, "--target", f"lambda:{self.name}-function:live"))
            assert self.settings("live") == self.settings("$LATEST")
        assert set(addresses) == set(combination.kinds)
        for kind in ("token", "key"):
            if kind not in addresses:
                self.credentials.pop(kind, None)  # they have ended with the API
        for kind, address in addresses.items():
            self.insert(lambda sql, kind=kind, address=address: self.send(kind, address, sql, "query"))
            self.send(kind, address, "SELECT count(*) FROM t", "read")
        if combination["queue"] != "none":
            self.insert(self.enqueue)

    def settings(self, qualifier: str) -> dict[str, Any]:
        """Return the code and the settings of a version of the query function."""
        client: Any = boto3.client("lambda")
        found = client.get_function_configuration(FunctionName=f"{self.name}-function", Qualifier=qualifier)
        names = ("CodeSha256", "Environment", "KMSKeyArn", "MemorySize", "Timeout", "TracingConfig", "VpcConfig")
        return {name: found.get(name) for name in names}

    def insert(self, run: Callable[[str], object]) -> None:
        """Insert a row in some way, and see all rows."""
        self.rows += 1
        run(f"INSERT INTO t VALUES ({self.rows})")
        found = json.loads(self.ok("query", "SELECT count(*) AS n, max(n) AS m FROM t", "--format", "json"))
        assert found == [{"n": self.rows, "m": self.rows}]

    def enqueue(self, sql: str) -> None:
        self.ok("query", sql, "--enqueue")

        def is_empty() -> bool:
            counts = json.loads(self.ok("queue", "status", "--format", "json"))
            if all(each["waiting"] + each["in_flight"] == 0 for each in counts):
                return True
            self.aws.advance(HIDDEN_SECONDS, if_idle=True)
            return False

        wait_until(is_empty, "the queue is empty")

    def send(self, kind: str, address: str, sql: str, route: str) -> None:
        url, body = f"{address}/main/{route}", json.dumps({"query": sql}).encode()
        if kind not in self.credentials:
            self.make_credentials(kind)
            wait_until(lambda: self.try_sending(kind, url, body)[0] == 200, "the new caller is known")
            return
        status, reply = self.try_sending(kind, url, body)
        assert status == 200, (kind, url, reply)

    def try_sending(self, kind: str, url: str, body: bytes) -> tuple[int, Any]:
        return post(url, body, self.headers(kind, url, body))

    def make_credentials(self, kind: str) -> None:
        name = f"{kind}-{self.step}"
        more = {"key": ("--key",), "iam": ("--principal", self.role)}.get(kind, ())
        self.credentials[kind] = "" if kind == "jwt" else self.ok("token", "create", name, *more).strip()

    def headers(self, kind: str, url: str, body: bytes) -> dict[str, str]:
        """Return the headers of a caller who may do everything."""
        if kind == "jwt":
            claims = {"sldb_databases": ["main"], "sldb_scope": "write"}
            return {"Authorization": f"Bearer {self.issuer.token(time.time(), **claims)}"}
        if kind == "token":
            return {"Authorization": f"Bearer {self.credentials[kind]}"}
        return {"x-api-key": self.credentials[kind]} if kind == "key" else self.signed(url, body)

    @cached_property
    def role(self) -> str:
        """The ARN of a role that may call APIs; it is made."""
        iam: Any = boto3.client("iam")
        name, allowed = f"{self.name}-caller", {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy_of(TRUST))["Role"]
        iam.put_role_policy(RoleName=name, PolicyName="invoke", PolicyDocument=policy_of(allowed))
        return str(made["Arn"])

    def signed(self, url: str, body: bytes) -> dict[str, str]:
        session = boto3.client("sts").assume_role(RoleArn=self.role, RoleSessionName="me")["Credentials"]
        own = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
        request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
        SigV4Auth(own, "execute-api", REGION).add_auth(request)
        return dict(request.headers.items())

    def look(self) -> None:
        """Have every command look that looks at the whole stack."""
        assert json.loads(self.ok("status", "--format", "json"))["stack"] == self.name
        self.ok("doctor")
        assert not json.loads(self.ok("status", "--drift", "--format", "json"))["drifted"]

    def end(self) -> None:
        self.ok("destroy", "--yes")
        self.ok("deploy", "--yes", *Combination.of(storage=self.series).words(self.facts))
        self.insert(lambda sql: self.ok("query", sql))  # the data was kept
        self.ok("destroy", "--yes", "--delete-data")

    @property
    def series(self) -> str:
        return self.name.removeprefix("pairs-")


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def aws(request: pytest.FixtureRequest, issuer: Issuer) -> Iterator[Emulator]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuer_keys, "fetch_url", issuer.fetch)
        with emulated_aws(minute_seconds=3600, wheels=wheels_of(request.config)) as found:
            yield found


def test_what_does_not_go_together_is_refused_before_anything_changes(aws: Emulator) -> None:
    changes = list[str]()

    def watch(call: Call, proceed: Proceed) -> Answer:
        if not call.action.startswith(("Describe", "Get", "Head", "List")):
            changes.append(call.action)
        return proceed(call)

    with hooked(aws, watch):
        for each in (*REFUSED, *first_of_each_reason()):
            status, _, err = run_command(("deploy", "--yes", *each.words(Facts()), "--stack", "refused"))
            assert (status, changes, err != "") == (2, [], True), each.values


def first_of_each_reason() -> list[Combination]:
    pairs = {reason: pair for pair, reason in refused_pairs().items()}
    return [Combination.of(**dict(pair)) for pair in pairs.values()]


@pytest.mark.parametrize("series", VALUES["storage"])
def test_options_work_beside_each_other(aws: Emulator, issuer: Issuer, series: str) -> None:
    name = f"pairs-{series}"
    stack = Stack(name, aws, issuer, make_facts(name, issuer))
    for combination in covering() if os.environ.get("PAIRS") == "all" else few():
        if combination.series == series:
            stack.deploy(combination)
    stack.end()
