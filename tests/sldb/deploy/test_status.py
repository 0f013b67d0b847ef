"""`sldb status` against the emulated AWS, and over a directory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lambda_handlers.storage.keys import LtxName
from sldb.cli.main import run
from sldb.deploy import databases
from tests.sldb.deploy.commands import DATA_BUCKET, Commands
from tests.sldb.deploy.ltx_files import PAGE_SIZE, write

if TYPE_CHECKING:
    from sldb.emulator.call import Answer, Call


def put_database(sldb: Commands, root: Path, database: str, txids: int, pages: int) -> None:
    s3 = sldb.client("s3")
    for txid in range(1, txids + 1):
        name = LtxName(0, txid, txid)
        write(root, database, name, pages)
        s3.put_object(
            Bucket=DATA_BUCKET,
            Key=f"databases/{name.key(database)}",
            Body=(root / name.key(database)).read_bytes(),
            IfNoneMatch="*",
        )


def test_it_tells_all_there_is(sldb: Commands, tmp_path: Path) -> None:
    sldb.ok("deploy", "--timeout", "30")
    put_database(sldb, tmp_path, "main", txids=3, pages=2)
    put_database(sldb, tmp_path, "other", txids=1, pages=1)
    status = json.loads(sldb.ok("status", "--format", "json").out)
    assert status["stack_status"] == "CREATE_COMPLETE"
    assert [f["name"] for f in status["functions"]] == ["test-db-function", "test-db-function-deadlock-fix"]
    assert status["functions"][0]["timeout_seconds"] == 30
    assert len(status["bundle"]) == 64
    assert status["locks"] == []
    assert [(d["name"], d["size_bytes"], d["txid"]) for d in status["databases"]] == [
        ("main", 2 * PAGE_SIZE, 3),
        ("other", PAGE_SIZE, 1),
    ]


def test_it_names_the_holder_of_a_security_group(sldb: Commands) -> None:
    sldb.ok("deploy")
    outputs = sldb.client("cloudformation").describe_stacks(StackName="test-db")["Stacks"][0]["Outputs"]
    vpc = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "LockVpc")
    tags = {
        "sldb:stack": "test-db",
        "sldb:database": "main",
        "CreateTime": str(time.time() - 20),
        "Owner": "abc",
        "sldb:doing": "INSERT t",
    }
    sldb.client("ec2").create_security_group(
        GroupName="sldb-lock-test-db-main",
        Description="x",
        VpcId=vpc,
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}
        ],
    )
    (lock,) = json.loads(sldb.ok("status", "--format", "json").out)["locks"]
    assert (lock["database"], lock["owner"], lock["doing"]) == ("main", "abc", "INSERT t")
    assert 20 <= lock["age_seconds"] < 60
    assert "main             abc" in sldb.ok("status").out


def test_it_names_the_holder_of_a_lock_object(sldb: Commands, tmp_path: Path) -> None:
    sldb.ok("deploy", "--lock", "s3")
    put_database(sldb, tmp_path, "main", txids=1, pages=1)
    put_database(sldb, tmp_path, "free", txids=1, pages=1)
    taken = {"owner": "abc", "created_at": time.time(), "doing": "UPDATE t", "database": "main"}
    s3 = sldb.client("s3")
    s3.put_object(Bucket=DATA_BUCKET, Key="databases/main/lock.json", Body=json.dumps(taken))
    s3.put_object(Bucket=DATA_BUCKET, Key="databases/free/lock.json", Body=b'{"owner": null}')
    (lock,) = json.loads(sldb.ok("status", "--format", "json").out)["locks"]
    assert (lock["database"], lock["owner"], lock["doing"]) == ("main", "abc", "UPDATE t")


def test_a_long_history_costs_few_requests(sldb: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sldb.ok("deploy")
    put_database(sldb, tmp_path, "main", txids=90, pages=1)
    monkeypatch.setattr(databases, "_PAGE", 2)
    lists = 0

    def count(call: Call, proceed: Callable[[Call], Answer]) -> Answer:
        nonlocal lists
        lists += call.action in ("ListObjectsV2", "ListObjects")
        return proceed(call)

    sldb.aws.hooks.append(count)
    (database,) = json.loads(sldb.ok("status", "--format", "json").out)["databases"]
    assert database["txid"] == 90
    assert 3 < lists < 20  # and not 45


def test_where_nothing_is_deployed_it_says_so(sldb: Commands) -> None:
    ran = sldb("status")
    assert ran.status == 3
    assert "there is no stack test-db in us-east-1" in ran.err
    assert "sldb deploy" in ran.err


def test_a_missing_function_is_shown_as_missing(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.client("lambda").delete_function(FunctionName="test-db-function")
    functions = json.loads(sldb.ok("status", "--format", "json").out)["functions"]
    assert functions[0]["state"] == "missing"


def test_over_a_directory_it_lists_the_databases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "main", LtxName(0, 1, 1), 3)
    assert run(["--local", str(tmp_path), "status", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [(d["name"], d["size_bytes"], d["txid"]) for d in printed["databases"]] == [("main", 3 * PAGE_SIZE, 1)]
