"""`sldb doctor` against the emulated AWS: what is wrong is said, with what to do, and the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from sldb.doctor.aws import clock, permissions, policy_source
from tests.sldb.commands import DATA_BUCKET, Commands
from tests.sldb.conftest import sldb as deployed_by_test

if TYPE_CHECKING:
    from sldb.emulator.calls.call import Answer, Call

sldb = deployed_by_test


def findings(sldb: Commands, status: int = 1) -> dict[str, dict[str, str]]:
    ran = sldb("doctor", "--format", "json")
    assert ran.status == status, ran.err
    return {row["check"]: row for row in json.loads(ran.out)}


def test_without_a_stack_it_says_so_and_what_to_do(sldb: Commands) -> None:
    found = findings(sldb)
    assert (found["identity"]["state"], found["clock"]["state"]) == ("ok", "ok")
    assert found["stack"]["state"] == "fail"
    assert "sldb deploy" in found["stack"]["next"]
    assert "commits" not in found


def test_what_the_emulator_cannot_tell_is_a_warning_and_not_an_ok(sldb: Commands) -> None:
    found = findings(sldb)
    for check in ("permissions", "quota"):
        assert found[check]["state"] == "warn"
        assert found[check]["says"].startswith("could not be checked: ")
        assert "sldb emulator does not supply" in found[check]["says"]


@pytest.mark.long
def test_conditional_writes_are_tried_and_leave_nothing_behind(sldb: Commands) -> None:
    sldb.ok("deploy")
    found = findings(sldb)  # the bundle of these tests has no engine in it
    assert (found["commits"]["state"], found["large"]["state"]) == ("ok", "ok")
    assert found["engine"]["state"] == "fail"
    assert found["stack"]["says"] == "CREATE_COMPLETE"
    assert "Contents" not in sldb.client("s3").list_objects_v2(Bucket=DATA_BUCKET)


@pytest.mark.long
def test_a_store_that_overwrites_is_found(sldb: Commands) -> None:
    sldb.ok("deploy")

    def forget_the_condition(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        answer = proceed(call)
        if call.action == "PutObject" and answer.status == 412:
            return type(answer)(200, (("ETag", '"x"'),))
        return answer

    sldb.aws.hooks.append(forget_the_condition)
    found = findings(sldb)
    assert found["commits"]["state"] == "fail"
    assert "overwrites" in found["commits"]["says"]
    assert "large" not in found


@pytest.mark.long
def test_a_write_that_is_not_allowed_is_no_verdict(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.fail("PutObject", "AccessDenied", "no", times=99)
    assert findings(sldb)["commits"]["state"] == "warn"


@pytest.mark.long
def test_a_function_that_is_gone(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.client("lambda").delete_function(FunctionName="test-db-function-deadlock-fix")
    assert "missing" in findings(sldb)["function"]["says"]


@pytest.mark.parametrize(
    ("off_seconds", "state"), [(0, "ok"), (-0.9, "ok"), (30, "ok"), (90, "warn"), (-90, "warn"), (400, "fail")]
)
def test_the_clock(off_seconds: float, state: str) -> None:
    # Wed, 25 Nov 2026 05:00:00 GMT is 1795582800.
    now = 1795582800 + off_seconds
    assert clock("Wed, 25 Nov 2026 05:00:00 GMT", now, now + 0.1).state == state
    assert clock(None, now, now).state == "warn"


def test_permissions() -> None:
    assert permissions([]).state == "ok"
    assert "iam:PassRole" in permissions(["iam:PassRole"]).says
    session = "arn:aws:sts::123456789012:assumed-role/admin/ada@example.org"
    assert policy_source(session) == "arn:aws:iam::123456789012:role/admin"
    assert policy_source("arn:aws:iam::123456789012:user/ada") == "arn:aws:iam::123456789012:user/ada"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sldb.targets.aws_lambda.BACKOFF_SECONDS", 0.0)
