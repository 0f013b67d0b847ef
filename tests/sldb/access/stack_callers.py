"""The operator of a stack with APIs on the emulated AWS, and callers of these, who run commands as processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import boto3

from sldb.emulator.front.server import Emulator
from tests.fakes.terminal.command import sldb


@dataclass(frozen=True, slots=True)
class Caller:
    """What a caller of an API has: its address and credentials, and nothing of AWS but for the front iam."""

    home: Path
    address: str
    variables: Mapping[str, str]

    def run(self, *words: str, stdin: str = "") -> CompletedProcess[str]:
        return sldb(self.home, "--target", self.address, *words, stdin=stdin, extra=self.variables)

    def ok(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout


@dataclass(frozen=True, slots=True)
class Operator:
    home: Path
    aws: Emulator

    def run(self, *words: str) -> str:
        done = sldb(self.home, *words, extra=self.aws.environment())
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def caller(self, kind: str, name: str, *words: str) -> Caller:
        """Make a caller of the API of a kind."""
        variables: dict[str, str] = {}
        given = ["--key"] if kind == "key" else []
        if kind == "iam":
            arn, variables = self.principal(name)
            given = ["--principal", arn]
        (made,) = json.loads(self.run("token", "create", name, *given, *words, "--format", "json"))
        if made["secret"] is not None:
            variables = {"SLDB_API_KEY" if kind == "key" else "SLDB_TOKEN": made["secret"]}
        return Caller(self.home, made["address"], variables)

    def principal(self, name: str) -> tuple[str, dict[str, str]]:
        """Make a user of IAM with the right to invoke APIs; return its ARN and variables."""
        iam = boto3.client("iam")
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="invoke", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        secrets = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        return arn, {**secrets, "AWS_REGION": self.aws.environment()["AWS_REGION"], "SLDB_HTTP_AUTH": "iam"}
