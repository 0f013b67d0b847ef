"""One emulator for each module, and the means to deploy a small function to it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

pytest.importorskip("moto")

import boto3
from botocore.config import Config

from sldb.emulator.front.server import Emulator
from tests.fakes.waiting import wait_until

MINUTE_SECONDS = 0.6
_names = count(1)

LOGS = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def zipped(files: dict[str, str], mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = mode << 16
            archive.writestr(info, text)
    return buffer.getvalue()


@dataclass
class Account:
    """boto3 clients of the account's owner, which never retry."""

    aws: Emulator
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(  # type: ignore[call-overload]  # the name is not a literal
                service,
                region_name="us-east-1",
                endpoint_url=self.aws.url,
                aws_access_key_id="owner",
                aws_secret_access_key="secret",
                config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
            )
        return self._clients[service]

    def as_role(self, role_arn: str, service: str) -> Any:
        """A client with the credentials of a container of a function with this role."""
        made = self.aws._principals.mint(
            role_arn, "test", "arn:aws:lambda:us-east-1:123456789012:function:test", is_isolated=False
        )
        return boto3.client(  # type: ignore[call-overload]  # the name is not a literal
            service,
            region_name="us-east-1",
            endpoint_url=self.aws.url,
            aws_access_key_id=made.access_key_id,
            aws_secret_access_key=made.secret_access_key,
            aws_session_token=made.session_token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def role(self, *statements: dict[str, Any]) -> str:
        """A role for functions; its ARN."""
        name = f"role-{next(_names)}"
        made = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            self.client("iam").put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=policy)
        return str(made["Role"]["Arn"])

    def function(self, source: str, *, role: str | None = None, **settings: Any) -> str:
        """A function whose module `main` is `source`; its name."""
        name = f"function-{next(_names)}"
        environment = self.aws.environment()
        wanted = {
            "FunctionName": name,
            "Role": role or self.role(LOGS),
            "Runtime": environment["SLDB_RUNTIME"],
            "Architectures": [environment["SLDB_ARCHITECTURE"]],
            "Handler": "main.handler",
            "Timeout": 20,
            "MemorySize": 512,
            "Code": {"ZipFile": zipped({"main.py": source})},
        }
        self.client("lambda").create_function(**{**wanted, **settings})
        return name

    def bucket(self) -> str:
        name = f"bucket-{next(_names)}"
        self.client("s3").create_bucket(Bucket=name)
        return name

    def invoke(self, function: str, event: Any = None, **more: Any) -> Any:
        """The function's result; its error, a dict with errorType, where it failed."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode(), **more)
        return json.loads(answer["Payload"].read())


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    with Emulator(minute_seconds=MINUTE_SECONDS) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def account(aws: Emulator) -> Account:
    return Account(aws)


@pytest.fixture
def wait() -> Callable[[Callable[[], Any]], Any]:
    """Look again and again until there is something to see, and return it; pytest-timeout is the limit."""
    return lambda look: wait_until(look, "what the test waits for")
