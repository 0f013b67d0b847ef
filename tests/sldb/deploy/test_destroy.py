"""`sldb destroy` against the emulated AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.sldb.commands import BUNDLE_BUCKET, DATA_BUCKET, Commands

if TYPE_CHECKING:
    from sldb.emulator.calls.call import Answer, Call


@pytest.mark.long
def test_the_data_stays_and_is_found_again(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.client("s3").put_object(Bucket=DATA_BUCKET, Key="databases/main/note.txt", Body=b"keep me")
    ran = sldb.ok("destroy", "--yes")
    assert DATA_BUCKET in ran.err
    assert "`sldb deploy` serves them again" in ran.err
    assert sldb.stack_status() is None
    assert sldb.buckets() == [DATA_BUCKET]
    assert "found the data of an earlier stack" in sldb.ok("deploy").err
    found = sldb.client("s3").get_object(Bucket=DATA_BUCKET, Key="databases/main/note.txt")
    assert found["Body"].read() == b"keep me"
    environment = sldb.client("lambda").get_function_configuration(FunctionName="test-db-function")["Environment"]
    assert environment["Variables"]["SLDB_STORE"] == f"s3://{DATA_BUCKET}/databases"
    # And the stack that found it keeps it in every later deployment and destruction.
    sldb.ok("deploy", "--memory", "2048")
    sldb.ok("destroy", "--yes")
    assert sldb.buckets() == [DATA_BUCKET]


@pytest.mark.long
def test_with_delete_data_everything_goes_with_all_versions(sldb: Commands) -> None:
    sldb.ok("deploy")
    s3 = sldb.client("s3")
    s3.put_bucket_versioning(Bucket=DATA_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for n in range(3):
        s3.put_object(Bucket=DATA_BUCKET, Key="databases/main/note.txt", Body=b"%d" % n)
    s3.delete_object(Bucket=DATA_BUCKET, Key="databases/main/note.txt")
    ran = sldb.ok("destroy", "--yes", "--delete-data")
    assert f"deleted {DATA_BUCKET}" in ran.err
    assert sldb.stack_status() is None
    assert sldb.buckets() == []


@pytest.mark.long
def test_data_that_an_earlier_destroy_kept_can_be_deleted_later(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.ok("destroy", "--yes")
    sldb.ok("destroy", "--yes", "--delete-data")
    assert sldb.buckets() == []


def test_without_terminal_it_needs_yes(sldb: Commands) -> None:
    sldb.ok("deploy")
    for arguments in (("destroy",), ("destroy", "--delete-data")):
        ran = sldb(*arguments)
        assert ran.status == 2
        assert "--yes" in ran.err
    assert sldb.stack_status() == "CREATE_COMPLETE"
    assert sldb.buckets() == [BUNDLE_BUCKET, DATA_BUCKET]


def test_what_is_not_there_is_no_failure(sldb: Commands) -> None:
    sldb.client("s3").create_bucket(Bucket=BUNDLE_BUCKET)
    assert "there is no stack test-db" in sldb.ok("destroy", "--yes").err
    assert sldb.buckets() == []
    sldb.client("s3").create_bucket(Bucket=DATA_BUCKET)
    assert "the databases stay" in sldb.ok("destroy", "--yes").err


def test_a_name_without_any_trace_is_an_error_with_a_hint(sldb: Commands) -> None:
    for more in ((), ("--delete-data",)):
        ran = sldb("--stack", "mistyped", "destroy", "--yes", *more)
        assert (ran.status, "there is no stack mistyped in us-east-1" in ran.err) == (3, True)
        assert all(option in ran.err for option in ("--stack", "--region", "--profile"))


@pytest.mark.long
def test_abandoned_locks_do_not_stand_in_the_way(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.take_lock()
    assert "freed 1 abandoned lock" in sldb.ok("destroy", "--yes").err
    assert sldb.stack_status() is None


@pytest.mark.long
def test_nor_does_a_lock_that_is_taken_on_the_way_out(sldb: Commands) -> None:
    sldb.ok("deploy")
    times = 0

    def write_once_more(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        nonlocal times
        if call.action == "DeleteStack":
            times += 1
            if times == 1:
                sldb.take_lock()
        return proceed(call)

    sldb.aws.hooks.append(write_once_more)
    sldb.fail("DeleteVpc", "DependencyViolation", "The vpc has dependencies and cannot be deleted.")
    assert "DELETE_FAILED       LockVpc" in sldb.ok("destroy", "--yes").err
    assert sldb.stack_status() is None
    assert times == 2


def test_a_name_that_no_stack_of_ours_has_is_refused(sldb: Commands) -> None:
    ran = sldb("destroy", "--yes", "--stack", "Test_DB")
    assert ran.status == 2
    assert "--stack" in ran.err
