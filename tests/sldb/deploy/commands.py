"""sldb's commands run in this process against an emulated AWS, and what to look at afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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

    def waiting_change_sets(self, name: str = "test-db") -> list[str]:
        """Prepared, and neither executed nor dropped."""
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
