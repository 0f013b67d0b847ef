"""`sldb status` against the emulated AWS, and over a directory."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.shared.lock_holder import Holder, encode_held, encode_released, lock_key
from sldb.cli.main import run
from tests.sldb.commands import DATA_BUCKET, Commands


def shown(sldb: Commands) -> dict[str, Any]:
    return dict(json.loads(sldb.ok("status", "--format", "json").out))


def test_it_tells_all_there_is(sldb: Commands, tmp_path: Path) -> None:
    sldb.ok("deploy", "--timeout", "30")
    sldb.put_databases(tmp_path, "main", "other")
    status = shown(sldb)
    assert status["stack_status"] == "CREATE_COMPLETE"
    assert status["health"]["state"] == "ok"
    assert [f["name"] for f in status["functions"]] == ["test-db-function", "test-db-function-deadlock-fix"]
    assert status["functions"][0]["timeout_seconds"] == 30
    assert len(status["bundle"]) == 64
    assert status["locks"] == []
    assert status["bucket_is_gone"] is False
    assert [(d["name"], d["state"], d["txid"], d["bytes"]) for d in status["databases"]] == [
        ("main", "ok", 2, 16384),
        ("other", "ok", 2, 16384),
    ]


def test_it_lists_the_databases_as_databases_does_also_without_the_functions(sldb: Commands, tmp_path: Path) -> None:
    sldb.ok("deploy")
    sldb.put_databases(tmp_path, "main", "gone", "hurt")
    sldb.ok("--local", str(tmp_path), "databases", "drop", "gone", "--yes")
    sldb.upload(tmp_path)
    newest = "databases/hurt/0000/0000000000000002-0000000000000002.ltx"
    sldb.client("s3").delete_object(Bucket=DATA_BUCKET, Key=newest)
    sldb.client("s3").put_object(Bucket=DATA_BUCKET, Key=newest, Body=b"garbage", IfNoneMatch="*")
    sldb.client("lambda").delete_function(FunctionName="test-db-function")
    found = {each["name"]: each for each in shown(sldb)["databases"]}
    assert set(found) == {"main", "hurt"}  # and not the one that was dropped
    assert (found["main"]["state"], found["hurt"]["state"]) == ("ok", "damaged")
    ran = sldb.ok("status")
    assert "hurt is damaged: " in ran.err
    (line,) = (line for line in ran.out.splitlines() if line.startswith("main "))
    assert re.search(r"\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", line), line
    # The same as `sldb databases` says of the same objects.
    (tmp_path / newest.removeprefix("databases/")).write_bytes(b"garbage")
    listed = json.loads(sldb.ok("--local", str(tmp_path), "databases", "--format", "json").out)
    assert {row["name"]: (row["state"], row["txid"]) for row in listed} == {
        name: (each["state"], each["txid"]) for name, each in found.items()
    }


def test_it_names_the_holder_of_a_security_group(sldb: Commands) -> None:
    sldb.ok("deploy")
    sldb.take_lock(created_at=time.time() - 20)
    (lock,) = json.loads(sldb.ok("status", "--format", "json").out)["locks"]
    assert (lock["database"], lock["owner"], lock["doing"]) == ("main", "abc", "INSERT t")
    assert 20 <= lock["age_seconds"] < 60
    assert "main             abc" in sldb.ok("status").out


def test_it_names_the_holder_of_a_lock_object(sldb: Commands, tmp_path: Path) -> None:
    sldb.ok("deploy", "--lock", "s3")
    sldb.put_databases(tmp_path, "main", "free")
    taken = encode_held(Holder("abc", "main", "abc", time.time(), "UPDATE t"))
    s3 = sldb.client("s3")
    s3.put_object(Bucket=DATA_BUCKET, Key=f"databases/{lock_key('main')}", Body=taken)
    s3.put_object(Bucket=DATA_BUCKET, Key=f"databases/{lock_key('free')}", Body=encode_released("abc", "free", 1.0))
    (lock,) = json.loads(sldb.ok("status", "--format", "json").out)["locks"]
    assert (lock["database"], lock["owner"], lock["doing"]) == ("main", "abc", "UPDATE t")


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
    assert run(["--local", str(tmp_path), "query", "CREATE TABLE t (a)"]) == 0
    capsys.readouterr()
    assert run(["--local", str(tmp_path), "status", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [(d["name"], d["state"], d["txid"], d["bytes"]) for d in printed["databases"]] == [("main", "ok", 1, 16384)]


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--local", str(tmp_path / "none"), "status"]) == 0
    assert "databases: none yet" in capsys.readouterr().out
    assert not (tmp_path / "none").exists()
