"""A deployed stack, what tests do with it, and faults on its way to AWS."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import boto3
import pytest
from botocore.config import Config

from lambda_handlers.shared.lock_holder import STACK_TAG, encode_tags, group_name
from sldb.cli.main import run as run_command
from sldb.emulator.calls.call import Answer, Call
from sldb.emulator.front.hooks import Hook, Proceed
from sldb.emulator.front.server import Emulator
from tests.fakes.aws.emulated import hooked
from tests.fakes.waiting import wait_until

# One kind in `make test`, whose other tests hold each kind to the contract of locks; all of them in `make paths`.
LOCK_KINDS = ("security-group", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("s3", "none")))
FUNCTION, DEADLOCK_FIX = "test-db-function", "test-db-function-deadlock-fix"


class Stack:
    """A deployed stack, and what a test does with it."""

    def __init__(self, aws: Emulator) -> None:
        self.aws = aws
        config = Config(retries={"total_max_attempts": 1}, read_timeout=120)
        self.functions = boto3.client("lambda", config=config)
        self.ec2 = boto3.client("ec2")
        self.s3 = boto3.client("s3")
        self.lock = "security-group"

    def deploy(self, *arguments: str) -> int:
        return run_command(["deploy", *arguments])

    def use_lock(self, kind: str) -> None:
        if kind != self.lock:
            assert self.deploy("--lock", kind) == 0
            self.lock = kind

    def invoke(self, event: object, function: str = FUNCTION) -> tuple[int, Any]:
        """Status and body; status 0 and Lambda's own error where the function gave no reply."""
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        return (0, payload) if "FunctionError" in answer else (payload["statusCode"], payload["body"])

    def run(self, query: str, **fields: Any) -> dict[str, Any]:
        status, body = self.invoke({"query": query, **fields})
        assert status == 200, body
        return body  # type: ignore[no-any-return]

    def new_table(self) -> str:
        name = f"t_{uuid.uuid4().hex[:8]}"
        self.run(f"CREATE TABLE {name} (a)")
        return name

    def rows(self, table: str) -> list[Any]:
        return [row[0] for row in self.run(f"SELECT a FROM {table} ORDER BY rowid")["rows"]]

    def locks(self) -> list[dict[str, Any]]:
        return self.ec2.describe_security_groups(Filters=[{"Name": "tag-key", "Values": [STACK_TAG]}])["SecurityGroups"]

    def take_lock(self, age_seconds: float = 0.0, database: str = "main") -> str:
        """A lock as a writer takes it that then dies; its id."""
        tags = encode_tags("test-db", database, "somebody", time.time() - age_seconds, "INSERT t")
        vpc = self.ec2.describe_vpcs(Filters=[{"Name": f"tag:{STACK_TAG}", "Values": ["test-db"]}])["Vpcs"][0]["VpcId"]
        group = self.ec2.create_security_group(
            GroupName=group_name("test-db", database),
            Description="lock",
            VpcId=vpc,
            TagSpecifications=[
                {"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
            ],
        )
        return str(group["GroupId"])

    def kill_the_busy_container(self) -> None:
        busy = next(each for each in self.aws.containers(FUNCTION) if each.busy and not each.has_answered and each.pid)
        assert busy.pid is not None
        self.aws.kill_container(busy.pid)

    def hook(self, hook: Hook) -> AbstractContextManager[None]:
        """Stand between the functions and AWS from now on, once no container works for a reply that it has given."""
        wait_until(lambda: not any(each.has_answered for each in self.aws.containers(FUNCTION)), "work after replies")
        return hooked(self.aws, hook)


def is_commit(call: Call) -> bool:
    return call.service == "s3" and call.action == "PutObject" and "/0000/" in call.path


def once(applies: Callable[[Call], bool], then: Callable[[Call, Proceed], Answer]) -> Callable[[Call, Proceed], Answer]:
    """A hook for the first call only that it applies to."""
    waiting = [True]
    deciding = threading.Lock()

    def hook(call: Call, proceed: Proceed) -> Answer:
        with deciding:
            mine = waiting[0] and applies(call)
            if mine:
                waiting[0] = False
        return then(call, proceed) if mine else proceed(call)

    return hook
