"""`sldb destroy` against the emulated AWS."""

from __future__ import annotations

from tests.sldb.deploy.commands import BUNDLE_BUCKET, DATA_BUCKET, Commands


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
    assert "there is no stack test-db" in sldb.ok("destroy", "--yes").err
    sldb.client("s3").create_bucket(Bucket=BUNDLE_BUCKET)
    sldb.ok("destroy", "--yes")
    assert sldb.buckets() == []


def test_abandoned_locks_do_not_stand_in_the_way(sldb: Commands) -> None:
    sldb.ok("deploy")
    outputs = sldb.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"][0]["Outputs"]
    vpc = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "LockVpc")
    ec2 = sldb.client("ec2")
    ec2.create_security_group(
        GroupName="sldb-lock-test-db-main",
        Description="x",
        VpcId=vpc,
        TagSpecifications=[{"ResourceType": "security-group", "Tags": [{"Key": "sldb:stack", "Value": "test-db"}]}],
    )
    assert "freed 1 lock" in sldb.ok("destroy", "--yes").err
    assert sldb.stack_status() is None
