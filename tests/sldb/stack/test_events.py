from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone

import pytest

from sldb.deploy.display import Display
from sldb.deploy.progress import stack_failure
from sldb.stack.events import StackEvent, advice, root_cause
from sldb.stack.state import StackState

START = datetime(2026, 11, 24, tzinfo=timezone.utc)
STACK = "AWS::CloudFormation::Stack"


def events(*rows: tuple[str, str, str, str]) -> list[StackEvent]:
    return [
        StackEvent(str(i), START + timedelta(seconds=i), name, type_, status, reason)
        for i, (name, type_, status, reason) in enumerate(rows)
    ]


FAILED_CREATE = events(
    ("test-db", STACK, "CREATE_IN_PROGRESS", "User Initiated"),
    ("LockVpc", "AWS::EC2::VPC", "CREATE_IN_PROGRESS", ""),
    ("QueryRole", "AWS::IAM::Role", "CREATE_FAILED", "Resource creation cancelled"),
    ("LockVpc", "AWS::EC2::VPC", "CREATE_FAILED", "The maximum number of VPCs has been reached."),
    ("DataBucket", "AWS::S3::Bucket", "CREATE_FAILED", "Resource creation cancelled"),
    ("test-db", STACK, "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [LockVpc, …]"),
    ("test-db", STACK, "ROLLBACK_COMPLETE", ""),
)


def test_the_reason_is_the_first_failure_and_not_its_echo() -> None:
    cause = root_cause(FAILED_CREATE)
    assert cause is not None
    assert cause.logical_id == "LockVpc"


def test_a_failed_stack_names_its_reason_and_the_next_step() -> None:
    error = stack_failure("test-db", StackState("id", "ROLLBACK_COMPLETE"), FAILED_CREATE)
    assert "ROLLBACK_COMPLETE" in error.message
    assert "LockVpc: The maximum number of VPCs" in error.message
    assert "unused VPC" in error.hint
    assert error.exit_code == 1


def test_the_failure_of_a_resource_says_more_than_that_of_the_stack() -> None:
    cause = root_cause(
        events(
            ("test-db", STACK, "UPDATE_FAILED", "something failed"),
            ("QueryFunction", "AWS::Lambda::Function", "UPDATE_FAILED", "the real reason"),
        )
    )
    assert cause is not None
    assert cause.reason == "the real reason"


def test_without_another_cause_the_echo_is_better_than_nothing() -> None:
    only = events(("A", "T", "CREATE_FAILED", "Resource creation cancelled"))
    assert root_cause(only) == only[0]
    assert root_cause(events(("A", "T", "CREATE_COMPLETE", ""))) is None


def test_a_stack_without_failed_events_falls_back_to_its_own_reason() -> None:
    error = stack_failure("test-db", StackState("id", "ROLLBACK_COMPLETE", "because"), [])
    assert "because" in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("User: arn:… is not authorized to perform: iam:CreateRole on resource: …", "iam:CreateRole"),
        ("test-db-data-1-eu-west-1 already exists", "--stack"),
        ("The runtime parameter of python3.8 is no longer supported", "--runtime"),
        ("'MemorySize' value failed to satisfy constraint: Member must have value less than 3008", "--memory"),
    ],
)
def test_advice_fits_the_reason(reason: str, expected: str) -> None:
    assert expected in advice(reason)


def test_no_advice_is_made_up() -> None:
    assert advice("Internal Failure") == ""


def test_off_a_terminal_every_event_is_a_line() -> None:
    out = io.StringIO()
    display = Display(out)
    with display.following():
        for event in FAILED_CREATE:
            display.event(event)
    lines = out.getvalue().splitlines()
    assert len(lines) == len(FAILED_CREATE)
    assert lines[3] == "  CREATE_FAILED       LockVpc  AWS::EC2::VPC  The maximum number of VPCs has been reached."
    assert "User Initiated" not in out.getvalue()  # only failures have reasons worth reading


def test_on_a_terminal_each_resource_has_one_line_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for name, value in {"NO_COLOR": "1", "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}.items():
        monkeypatch.setenv(name, value)
    out = Terminal()
    display = Display(out)
    with display.following():
        for event in [*FAILED_CREATE, StackEvent("x", START, "[/foo]", "T", "CREATE_FAILED", "[red]no[/red]")]:
            display.event(event)
    last_frame = out.getvalue().rpartition("\x1b[2K")[2]
    assert last_frame.count("LockVpc") == 1
    assert "ROLLBACK_COMPLETE" in last_frame
    assert "[/foo]" in last_frame
    assert "[red]no[/red]" in last_frame
