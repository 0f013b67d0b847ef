"""sldb's commands, run in this process against an emulated AWS, and the state of that AWS before and after."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from sldb.cli.main import run

if TYPE_CHECKING:
    from sldb.emulator import Emulator
    from sldb.emulator.calls.call import Answer, Call

DATA_BUCKET = "test-db-data-123456789012-us-east-1"
BUNDLE_BUCKET = "test-db-bundles-123456789012-us-east-1"


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


class Commands:
    def __init__(self, aws: Emulator, capsys: pytest.CaptureFixture[str]) -> None:
        self.aws = aws
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        self._capsys.readouterr()
        status = run(arguments)
        captured = self._capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    def ok(self, *arguments: str) -> Ran:
        ran = self(*arguments)
        assert ran.status == 0, ran.err
        return ran

    def client(self, service: Any) -> Any:
        return boto3.client(service)

    def stack_status(self, name: str = "test-db") -> str | None:
        stacks = self.client("cloudformation").describe_stacks()["Stacks"]
        return next((stack["StackStatus"] for stack in stacks if stack["StackName"] == name), None)

    def buckets(self) -> list[str]:
        return sorted(bucket["Name"] for bucket in self.client("s3").list_buckets()["Buckets"])

    def outputs(self, name: str = "test-db") -> dict[str, str]:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def take_lock(self, *, database: str = "main", created_at: float | None = None) -> str:
        """Take a lock as a writer that then dies; return its group's id. `created_at`: None: now."""
        tags = {
            "sldb:stack": "test-db",
            "sldb:database": database,
            "CreateTime": str(time.time() if created_at is None else created_at),
            "Owner": "abc",
            "sldb:doing": "INSERT t",
        }
        return self.create_group(f"sldb-lock-test-db-{database}", tags)

    def create_group(self, name: str, tags: Mapping[str, str]) -> str:
        """Create a security group in the VPC of the locks; return its id."""
        made = self.client("ec2").create_security_group(
            GroupName=name,
            Description="x",
            VpcId=self.outputs()["LockVpc"],
            TagSpecifications=[
                {
                    "ResourceType": "security-group",
                    "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
                }
            ],
        )
        return str(made["GroupId"])

    def put_databases(self, root: Path, *names: str) -> None:
        """Put databases, as the server makes them below the directory `root`, into the bucket of the stack."""
        for name in names:
            self.ok("--local", str(root), "databases", "create", name)
            self.ok("--local", str(root), "query", "--database", name, "CREATE TABLE t (a)")
        self.upload(root)

    def upload(self, root: Path) -> None:
        """Upload the objects below a directory that the bucket of the stack does not have."""
        s3 = self.client("s3")
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            key = f"databases/{path.relative_to(root).as_posix()}"
            with contextlib.suppress(s3.exceptions.ClientError):  # it is there
                s3.put_object(Bucket=DATA_BUCKET, Key=key, Body=path.read_bytes(), IfNoneMatch="*")

    def waiting_change_sets(self, name: str = "test-db") -> list[str]:
        """Return the prepared change sets that were neither executed nor dropped."""
        found = self.client("cloudformation").list_change_sets(StackName=name)["Summaries"]
        return [change_set["ChangeSetName"] for change_set in found if change_set["ExecutionStatus"] == "AVAILABLE"]

    def fail(self, action: str, code: str, message: str, times: int = 1) -> None:
        """Let the next calls of an action fail."""
        from sldb.emulator.calls.errors import AwsError, render

        left = [None] * times

        def refuse(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
            if call.action == action and left:
                left.pop()
                return render(call, AwsError(code, message))
            return proceed(call)

        self.aws.hooks.append(refuse)
