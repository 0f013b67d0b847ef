"""The VPC of the locks is there as long as a lock may be in it, and no longer."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from sldb.deploy.lock_vpc import LockVpc, plan_lock_vpc
from sldb.stack.state import StackState
from tests.sldb.commands import Commands
from tests.sldb.stack.test_ownership import deploy_earlier

pytestmark = pytest.mark.long


def vpcs(sldb: Commands) -> list[str]:
    found = sldb.client("ec2").describe_vpcs(Filters=[{"Name": "tag:sldb:stack", "Values": ["test-db"]}])["Vpcs"]
    return [vpc["VpcId"] for vpc in found]


def environment(sldb: Commands) -> dict[str, str]:
    found = sldb.client("lambda").get_function_configuration(FunctionName="test-db-function")
    return dict(found["Environment"]["Variables"])


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the deployer look at the clock of so many seconds later."""
    return lambda seconds: monkeypatch.setattr(
        "sldb.deploy.preparation.time", SimpleNamespace(time=lambda: time.time() + seconds)
    )


@pytest.mark.parametrize("kind", ["s3", "none"])
def test_there_is_none_where_the_locks_are_no_groups(sldb: Commands, kind: str) -> None:
    sldb.fail("CreateVpc", "VpcLimitExceeded", "The maximum number of VPCs has been reached.", times=9)
    sldb.ok("deploy", "--lock", kind)
    assert vpcs(sldb) == []
    assert "LockVpc" not in sldb.outputs()
    assert "SLDB_VPC_ID" not in environment(sldb)
    assert "locks: none is taken" in sldb.ok("status").out
    sldb.ok("unlock")
    assert "up to date" in sldb.ok("deploy").err
    sldb.ok("destroy", "--yes")


def test_what_is_said_where_the_quota_is_used_up(sldb: Commands) -> None:
    sldb.fail("CreateVpc", "VpcLimitExceeded", "The maximum number of VPCs has been reached.", times=9)
    ran = sldb("deploy")
    assert ran.status == 1
    assert "--lock s3" in ran.err
    sldb.ok("deploy", "--lock", "s3")  # as it says


def test_the_deployment_that_removes_it_is_that_of_the_stack(sldb: Commands) -> None:
    sldb.ok("deploy", "--stack", "two")
    assert "a later `sldb deploy --stack two` removes it" in sldb.ok("deploy", "--stack", "two", "--lock", "none").err


def test_from_groups_to_objects_and_back(sldb: Commands, later: Any) -> None:
    sldb.ok("deploy")
    (vpc,) = vpcs(sldb)
    assert "requests under way may still take a lock" in sldb.ok("deploy", "--lock", "s3").err
    assert "LockVpc" not in sldb.ok("deploy", "--memory", "2048").err  # a moment later
    assert vpcs(sldb) == [vpc]
    assert environment(sldb)["SLDB_VPC_ID"] == vpc

    later(600)
    held = sldb.take_lock(created_at=time.time() + 590)
    assert held in sldb.ok("deploy", "--memory", "1024").err
    assert vpcs(sldb) == [vpc]
    sldb.client("ec2").delete_security_group(GroupId=held)

    later(1200)
    sldb.take_lock()  # of a writer that is gone
    theirs = sldb.client("ec2").create_security_group(GroupName="web", Description="x", VpcId=vpc)["GroupId"]
    assert theirs in sldb.ok("deploy", "--memory", "512").err
    sldb.client("ec2").delete_security_group(GroupId=theirs)

    later(1800)
    assert "-  LockVpc" in sldb.ok("deploy", "--plan").err
    assert vpcs(sldb) == [vpc]
    assert "freed 1 abandoned lock" in sldb.ok("deploy").err  # asks for no --yes: there is nothing in it
    assert vpcs(sldb) == []
    assert sldb.stack_status() == "UPDATE_COMPLETE"
    assert "up to date" in sldb.ok("deploy").err

    sldb.ok("deploy", "--lock", "security-group")
    (again,) = vpcs(sldb)
    assert environment(sldb)["SLDB_VPC_ID"] == sldb.outputs()["LockVpc"] == again
    sldb.ok("deploy", "--lock", "none")
    sldb.ok("deploy", "--lock", "security-group")  # before the VPC is gone
    assert vpcs(sldb) == [again]
    sldb.ok("destroy", "--yes")
    assert vpcs(sldb) == []


def test_the_one_that_an_earlier_version_made_in_vain_goes(sldb: Commands, later: Any) -> None:
    deploy_earlier(sldb, LockKind="s3")
    assert len(vpcs(sldb)) == 1
    later(600)
    sldb.ok("deploy")
    assert vpcs(sldb) == []


def test_one_that_cannot_be_deleted_is_told(sldb: Commands, later: Any) -> None:
    sldb.ok("deploy")
    sldb.ok("deploy", "--lock", "none")
    (vpc,) = vpcs(sldb)
    later(600)
    sldb.fail("DeleteVpc", "DependencyViolation", "The vpc has dependencies and cannot be deleted.")
    assert f"aws ec2 delete-vpc --vpc-id {vpc}" in sldb.ok("deploy").err
    sldb.client("ec2").delete_vpc(VpcId=vpc)  # as it says
    assert "up to date" in sldb.ok("deploy").err


def test_the_one_of_a_stack_that_has_moved_to_files_goes() -> None:
    """The kind that is set is not the one in use there: no lock is taken in it."""
    parameters = {"LockKind": "security-group", "Storage": "efs", "LockMaxAgeSeconds": "90"}
    state = StackState("id", "UPDATE_COMPLETE", parameters=parameters, outputs={"LockVpc": "vpc-1"}, updated_at=1000.0)
    nothing: Any = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [{"SecurityGroups": []}])
    )
    assert plan_lock_vpc(nothing, "test-db", state, state.lock_kind, 1010.0).is_kept
    assert plan_lock_vpc(nothing, "test-db", state, state.lock_kind, 1100.0) == LockVpc(removed_id="vpc-1")


def test_a_stack_that_is_new_or_has_none_needs_no_look() -> None:
    state = StackState("id", "CREATE_COMPLETE", parameters={"LockKind": "s3"})
    nobody: Any = None  # would fail if it was asked
    for each in (None, state):
        assert plan_lock_vpc(nobody, "test-db", each, "s3", 0.0) == LockVpc()
