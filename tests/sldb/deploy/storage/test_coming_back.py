"""What a stack leaves behind, and the way back to it, by the emulated AWS: in S3, and in EFS."""

from __future__ import annotations

from tests.sldb.commands import DATA_BUCKET, Commands

EFS = ("--storage", "efs", "--create-vpc")


def file_system(sldb: Commands) -> str:
    [found] = sldb.client("efs").describe_file_systems()["FileSystems"]
    return str(found["FileSystemId"])


def test_a_stack_with_files_comes_back_by_the_command_that_destroy_names(sldb: Commands) -> None:
    sldb.ok("deploy", *EFS, "--yes")
    said = sldb.ok("destroy", "--yes").err
    name = file_system(sldb)
    assert f"the databases stay in the file system {name}: `sldb deploy --storage efs --create-vpc` serves" in said
    assert f"the bucket {DATA_BUCKET} stays, too" in said
    said = sldb.ok("destroy", "--yes").err  # again, without a stack to ask
    assert "`sldb deploy --storage efs --create-vpc` serves" in said
    assert "`sldb deploy --storage s3` serves" in said

    for arguments in ((), ("--plan",)):  # makes no empty stack beside the databases
        ran = sldb("deploy", "--yes", *arguments)
        assert (ran.status, "refused" in ran.err, name in ran.err) == (1, True, True), ran.err
        assert all(f"--storage {storage}" in ran.err for storage in ("efs --create-vpc", "s3"))
    assert sldb.stack_status() is None
    said = sldb.ok("deploy", *EFS, "--plan").err
    assert f"found the file system {name} of an earlier stack: it will be mounted again" in said
    assert "served again" not in said  # the bucket has no databases of this stack
    said = sldb.ok("deploy", "--storage", "s3", "--lock", "s3", "--yes").err
    assert f"the file system {name} of an earlier stack stays, and is not served" in said
    said = sldb.ok("destroy", "--yes").err
    assert "`sldb deploy --storage s3` serves them again" in said
    assert f"the file system {name}, which the databases had left, stays, too" in said


def test_a_stack_in_s3_needs_no_right_to_see_file_systems(sldb: Commands) -> None:
    sldb.fail("DescribeFileSystems", "AccessDeniedException", "not authorized")
    said = sldb.ok("deploy", "--lock", "s3", "--plan").err
    assert "whether an earlier stack left databases in a file system" in said
    sldb.ok("deploy", "--lock", "s3")
    sldb.fail("DescribeFileSystems", "AccessDeniedException", "not authorized")
    said = sldb.ok("destroy", "--yes").err
    assert "whether databases were left in a file system" in said
    assert "`sldb deploy` serves them again" in said


def test_a_bucket_without_databases_is_not_said_to_have_some(sldb: Commands) -> None:
    sldb.ok("deploy", "--lock", "s3")
    sldb.ok("destroy", "--yes")
    assert "the databases in it, if there are any, will be served again" in sldb.ok("deploy", "--plan").err


def test_the_network_of_a_stack_is_named_in_the_way_back() -> None:
    from sldb.deploy.storage.options import options_of

    assert options_of({"Storage": "efs", "CreateVpc": "true"}) == "--storage efs --create-vpc"
    named = {"Storage": "efs", "CreateVpc": "false", "Vpc": "vpc-1a", "Subnets": "subnet-1a,subnet-2b"}
    assert options_of(named) == "--storage efs --vpc vpc-1a --subnets subnet-1a,subnet-2b"
    assert options_of({"LockKind": "s3"}) == ""
