"""`sldb deploy --rollback` and `sldb status --versions`, against the emulated AWS."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from sldb.aws.options import AwsOptions
from sldb.deploy.bundle import archive
from sldb.deploy.deployment import prepared
from sldb.deploy.display import Display
from sldb.deploy.kept import records, version
from sldb.deploy.kept.version import FORMAT, PREFIX, Version
from sldb.deploy.parameters import Choices
from sldb.deploy.preparation import Order
from sldb.deploy.storage.options import StorageChoices
from sldb.stack.account import connect
from tests.sldb.commands import BUNDLE_BUCKET, Commands


def versions(sldb: Commands) -> list[tuple[int, bool, Any]]:
    found = json.loads(sldb.ok("status", "--versions", "--format", "json").out)
    return [(each["version"], each["live"], each["back_to"]) for each in found]


def settings(sldb: Commands) -> tuple[int, str]:
    function = sldb.client("lambda").get_function_configuration(FunctionName="test-db-function")
    return function["MemorySize"], function["CodeSha256"]


def keys(sldb: Commands, ending: str) -> list[str]:
    listed = sldb.client("s3").list_objects_v2(Bucket=BUNDLE_BUCKET)["Contents"]
    return [each["Key"] for each in listed if each["Key"].endswith(ending)]


def deploy_new_code(sldb: Commands, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    real = archive._package_entries
    monkeypatch.setattr(
        archive, "_package_entries", lambda package: [*real(package), archive.Entry("lambda_handlers/new.py", b"")]
    )
    sldb.ok("deploy", "--lock", "s3", *options)


@pytest.mark.long
def test_it_goes_back_and_further_back_and_forward(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    sldb.ok("deploy", "--lock", "s3")
    first = settings(sldb)
    sldb.ok("deploy", "--memory", "512")
    second = settings(sldb)
    deploy_new_code(sldb, monkeypatch, "--memory", "2048", "--readers")
    third = settings(sldb)
    assert len({first[1], third[1]}) == 2
    assert versions(sldb) == [(3, True, None), (2, False, None), (1, False, None)]

    plan = sldb.ok("deploy", "--rollback", "--plan").err
    assert "goes back to version 2" in plan
    assert "-  ReadFunction" in plan
    assert settings(sldb) == third
    refused = sldb("deploy", "--rollback")  # removes a function, and there is no terminal
    assert (refused.status, "--yes" in refused.err) == (1, True)
    assert len(versions(sldb)) == 3
    sldb.ok("deploy", "--rollback", "--yes")
    assert settings(sldb) == second
    assert versions(sldb)[0] == (4, True, 2)
    sldb.ok("deploy", "--rollback", "--yes")  # further back
    assert settings(sldb) == first
    assert versions(sldb)[0] == (5, True, 1)
    ran = sldb("deploy", "--rollback", "--yes")
    assert (ran.status, "no version before" in ran.err) == (1, True)
    sldb.ok("deploy", "--rollback", "3", "--yes")  # forward
    assert settings(sldb) == third
    assert versions(sldb)[0] == (6, True, 3)
    assert "up to date" in sldb.ok("deploy").err  # the code of today, with these settings
    table = sldb.ok("status", "--versions").out
    assert table.splitlines()[1].split()[:2] == ["6", "0.1.0"] or "live, back to 3" in table
    sldb.ok("destroy", "--yes")
    assert BUNDLE_BUCKET not in sldb.buckets()


@pytest.mark.long
def test_a_failed_deployment_is_no_version(sldb: Commands) -> None:
    sldb.ok("deploy", "--lock", "s3")
    sldb.fail("UpdateFunctionConfiguration", "InvalidParameterValueException", "MemorySize is too large")
    ran = sldb("deploy", "--memory", "4096", "--queue", "fifo")
    assert ran.status == 1
    left = {url for url in sldb.client("sqs").list_queues()["QueueUrls"] if "Fifo" in url}
    assert len(left) == 2
    for url in left:
        assert f"`aws sqs delete-queue --queue-url {url}` removes it" in ran.err
    assert versions(sldb) == [(1, True, None)]
    for arguments, says in (
        (("--rollback", "7"), "there is no version 7"),
        (("--rollback", "x"), "the number of a version"),
        (("--rollback", "--memory", "512"), "takes no other settings"),
        (("--rollback", "--stack", "other"), "no stack other"),
    ):
        ran = sldb("deploy", *arguments)
        assert (ran.status in (1, 2), says in ran.err) == (True, True), ran.err


@pytest.mark.long
def test_old_versions_are_pruned_and_never_what_is_live(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT", 2)
    sldb.ok("deploy", "--lock", "s3")
    (old,) = keys(sldb, ".zip")
    deploy_new_code(sldb, monkeypatch)
    assert len(keys(sldb, ".zip")) == 2
    sldb.ok("deploy", "--memory", "512")
    assert versions(sldb) == [(3, True, None), (2, False, None)]
    assert keys(sldb, ".zip") != [old]
    assert len(keys(sldb, ".zip")) == 1


@pytest.mark.long
def test_a_stack_without_a_record_gets_one_before_the_next_deployment(sldb: Commands) -> None:
    sldb.ok("deploy", "--lock", "s3")
    s3 = sldb.client("s3")
    s3.delete_object(Bucket=BUNDLE_BUCKET, Key=f"{PREFIX}00000001.json")
    (template,) = keys(sldb, ".template")
    s3.delete_object(Bucket=BUNDLE_BUCKET, Key=template)
    found = json.loads(sldb.ok("status", "--versions", "--format", "json").out)
    assert [(each["version"], each["sldb"], each["live"]) for each in found] == [(1, None, True)]
    before = settings(sldb)
    sldb.ok("deploy", "--memory", "512")
    assert versions(sldb) == [(2, True, None), (1, False, None)]
    sldb.ok("deploy", "--rollback")
    assert settings(sldb) == before


@pytest.mark.long
def test_across_a_major_version_it_is_refused_before_anything_is_done(sldb: Commands) -> None:
    sldb.ok("deploy", "--lock", "s3")
    sldb.ok("deploy", "--memory", "512")
    s3, before = sldb.client("s3"), settings(sldb)

    def rewrite(number: int, format_: int) -> None:
        key = f"{PREFIX}{number:08d}.json"
        found = version.decode(s3.get_object(Bucket=BUNDLE_BUCKET, Key=key)["Body"].read(), key)
        s3.put_object(Bucket=BUNDLE_BUCKET, Key=key, Body=replace(found, format=format_).encode())

    rewrite(1, FORMAT - 1)
    ran = sldb("deploy", "--rollback", "--yes")
    assert (ran.status, "[unsupported]" in ran.err, "formats" in ran.err) == (1, True, True), ran.err
    rewrite(2, FORMAT + 1)  # a later sldb deployed the stack
    for arguments in (("deploy", "--memory", "1024"), ("deploy", "--rollback")):
        assert "[unsupported]" in sldb(*arguments).err
    assert (settings(sldb), sldb.waiting_change_sets()) == (before, [])


def test_a_record_is_refused_if_it_is_damaged_or_of_a_later_sldb() -> None:
    made = Version(3, "t", {"BundleKey": "b"}, "0.2.0", by="arn", back_to=1)
    assert version.decode(made.encode(), made.key) == made
    from lambda_handlers.shared.sealed_json import seal
    from lambda_handlers.wire import SldbError

    for body, code in ((made.encode()[:-1], "corrupt"), (seal({"version": 2}, made.key), "unsupported")):
        with pytest.raises(SldbError) as caught:
            version.decode(body, made.key)
        assert caught.value.code == code


@pytest.mark.long
def test_it_does_not_go_back_across_a_move_of_the_databases(sldb: Commands) -> None:
    """What was written since is in the other store: the version before would not show it."""
    sldb.ok("deploy", "--lock", "s3")
    for step in (
        StorageChoices(create_vpc=True, migration="files"),
        StorageChoices(migration="final"),
        StorageChoices(storage="efs", migration="none"),
    ):
        deploy_step(step)
    before = settings(sldb)
    for arguments in ((), ("--plan",), ("1",), ("2", "--plan"), ("3",)):
        ran = sldb("deploy", "--rollback", *arguments, "--yes")
        assert (ran.status, "[bad_request]" in ran.err) == (2, True), ran.err
    assert "sldb migrate-storage s3" in sldb("deploy", "--rollback", "1", "--yes").err
    assert sldb.waiting_change_sets() == []
    found = json.loads(sldb.ok("status", "--versions", "--format", "json").out)
    assert [(each["storage"], each["is_of_move"]) for each in found] == [
        ("efs", False),
        ("s3", True),
        ("s3", True),
        ("s3", False),
    ]
    marks = [row.split("  ")[-1].strip() for row in sldb.ok("status", "--versions").out.splitlines()[1:5]]
    assert marks == ["live", *["step of a move, databases in s3"] * 2, "databases in s3"]
    sldb.ok("deploy", "--memory", "512")
    sldb.ok("deploy", "--rollback", "--yes")
    assert settings(sldb) == before


def deploy_step(choices: StorageChoices) -> None:
    """Bring the stack to a step of a move, as `sldb migrate-storage` does."""
    order = Order("test-db", Choices(storage=choices), {})
    with prepared(connect(AwsOptions()), order, Display(io.StringIO())) as deployment:
        deployment.apply()
