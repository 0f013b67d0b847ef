"""Databases in EFS, from the first deployment to the last: one stack on the emulated AWS, and one story.

The functions run for real, in containers without a way to AWS, over the directory of a simulated mount.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from sldb.emulator.front.server import Emulator
from sldb.move import moving
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.terminal.in_process import run_command

pytestmark = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def aws(pytestconfig: pytest.Config) -> Iterator[Emulator]:
    with emulated_aws(wheels=wheels_of(pytestconfig)) as emulator:
        yield emulator


def sldb(*arguments: str, status: int = 0) -> str:
    found, out, err = run_command(arguments)
    assert found == status, (arguments, out, err)
    return out + err


def rows(sql: str, *options: str) -> Any:
    found, out, err = run_command(("query", sql, "--format", "json", *options))
    assert found == 0, err
    return json.loads(out)


def test_a_stack_in_efs(aws: Emulator, tmp_path: Path) -> None:
    assert "need a network" in sldb("deploy", "--storage", "efs", "--yes", status=2)
    deployed = sldb("deploy", "--storage", "efs", "--create-vpc", "--readers", "--yes")
    assert "the file system fs-" in deployed
    assert "EFS: $0.30 a month" in deployed
    used()
    moved_as_a_file(tmp_path)
    looked_at()
    sldb("deploy", "--memory", "512", "--yes")
    assert "migrate-storage" in sldb("deploy", "--storage", "s3", "--yes", status=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moving, "SLACK_SECONDS", -60.0)  # nothing else runs
        moved_and_back()
    destroyed_and_found_again()


NUMBERS = "SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000"
LARGE = f"WITH RECURSIVE n(i) AS ({NUMBERS}) SELECT i, hex(zeroblob(500)) FROM n"  # 9 MB


def used() -> None:
    sldb("query", "CREATE TABLE t (a)")
    sldb("query", "INSERT INTO t VALUES (1), (2)")
    assert rows("SELECT sum(a) AS s FROM t") == [{"s": 3}]
    assert rows("SELECT count(*) AS n FROM t", "--at", "1") == [{"n": 0}]
    assert rows("SELECT sum(a) AS s FROM t", "--target", "lambda:test-db-function-read") == [{"s": 3}]
    sldb("branch", "--as", "copy")
    sldb("query", "INSERT INTO t VALUES (4)", "--database", "copy")
    assert rows("SELECT sum(a) AS s FROM t", "--database", "copy") == [{"s": 7}]
    maintained = json.loads(invoke("test-db-function-deadlock-fix", {"maintain": "main"}))
    assert [each["database"] for each in maintained["body"]["maintained"]][:1] == ["main"]
    assert [len(row["hex(zeroblob(500))"]) for row in rows(LARGE)] == [1000] * 9000


def moved_as_a_file(directory: Path) -> None:
    pushed, pulled = directory / "pushed.sqlite", directory / "pulled.sqlite"
    with closing(sqlite3.connect(pushed)) as db, db:
        db.execute("CREATE TABLE blobs (b)")
        db.executemany("INSERT INTO blobs VALUES (?)", [(os.urandom(1 << 20),) for _ in range(10)])
    sldb("push", str(pushed), "--database", "pushed", "--create")
    sldb("pull", str(pulled), "--database", "pushed", "--yes")
    with closing(sqlite3.connect(pushed)) as one, closing(sqlite3.connect(pulled)) as other:
        assert list(one.execute("SELECT b FROM blobs")) == list(other.execute("SELECT b FROM blobs"))


def looked_at() -> None:
    status = sldb("status", "--format", "json")
    assert '"main"' in status
    assert "elastic throughput" in sldb("doctor")
    assert "the same use of S3" in sldb("cost")


def moved_and_back() -> None:
    assert "moved 3 databases to s3" in sldb("migrate-storage", "s3", "--yes")
    assert rows("SELECT sum(a) AS s FROM t") == [{"s": 3}]
    assert rows("SELECT count(*) AS n FROM t", "--at", "1") == [{"n": 0}]
    sldb("query", "INSERT INTO t VALUES (10)")
    assert "moved 3 databases to efs" in sldb("migrate-storage", "efs", "--create-vpc", "--yes")
    assert rows("SELECT sum(a) AS s FROM t") == [{"s": 13}]
    sldb("query", "DELETE FROM t WHERE a = 10")


def destroyed_and_found_again() -> None:
    assert "the databases stay in" in sldb("destroy", "--yes")
    again = sldb("deploy", "--storage", "efs", "--create-vpc", "--yes")
    assert "of an earlier stack" in again
    assert rows("SELECT sum(a) AS s FROM t") == [{"s": 3}]
    assert "deleted the file system" in sldb("destroy", "--yes", "--delete-data")


def invoke(function: str, event: dict[str, Any]) -> str:
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
    return str(answer["Payload"].read().decode())
