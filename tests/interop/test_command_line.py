"""The whole command line on MiniStack: `sldb deploy`, and the bundle running in its Lambda."""

from __future__ import annotations

import json
import platform
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.terminal.command import COMMAND, environment
from tests.interop.servers import Server, ministack

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


class Sldb:
    def __init__(self, server: Server, home: Path) -> None:
        self.server = server
        self._home = home
        version = f"python3.{sys.version_info.minor}"
        architecture = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
        ours = {**server.environment(), "SLDB_RUNTIME": version, "SLDB_ARCHITECTURE": architecture}
        self._environment = environment(home, ours)

    def __call__(self, *arguments: str, status: int = 0, stdin: str = "") -> str:
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            env=self._environment,
            cwd=self._home,
            timeout=240,
            check=False,
            text=True,
        )
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        return done.stdout

    def rows(self, sql: str, *arguments: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self("query", sql, "--format", "json", *arguments))
        return found


@pytest.fixture(scope="module")
def sldb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sldb]:
    with ministack(tmp_path_factory.mktemp("ministack")) as server:
        command = Sldb(server, tmp_path_factory.mktemp("home"))
        command("deploy", "--yes")
        yield command


def test_the_whole_command_line(sldb: Sldb, tmp_path: Path) -> None:
    """In the order in which somebody would: each step stands on what the ones before it left."""
    sldb("query", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")
    sldb("query", "INSERT INTO notes (text) VALUES (:text)", "-p", "text=it works")
    assert sldb.rows("SELECT * FROM notes") == [{"id": 1, "text": "it works"}]

    (tmp_path / "people.csv").write_text("name,age\nada,36\nbob,41\n")
    sldb("import", str(tmp_path / "people.csv"), "--table", "people", "--create")
    sldb("export", "people", "-o", str(tmp_path / "people.jsonl"))
    assert [json.loads(line) for line in (tmp_path / "people.jsonl").read_text().splitlines()] == [
        {"name": "ada", "age": 36},
        {"name": "bob", "age": 41},
    ]

    newest = json.loads(sldb("history", "--format", "json"))[0]["txid"]
    sldb("query", "DELETE FROM people", "--yes")
    sldb("restore", "--at", str(newest))
    assert sldb.rows("SELECT count(*) AS n FROM people") == [{"n": 2}]

    sldb("branch", "main", "--as", "staging")
    assert sldb.rows("SELECT count(*) AS n FROM people", "--database", "staging") == [{"n": 2}]
    assert {row["name"] for row in json.loads(sldb("databases", "--format", "json"))} >= {"main", "staging"}


def test_push_and_pull(sldb: Sldb, tmp_path: Path) -> None:
    """More than fits into one part."""
    with sqlite3.connect(tmp_path / "app.sqlite") as database:
        database.execute("CREATE TABLE blobs (n INTEGER PRIMARY KEY, body BLOB)")
        database.executemany("INSERT INTO blobs VALUES (?, randomblob(1000000))", [(n,) for n in range(20)])
        database.commit()
        want = database.execute("SELECT n, hex(body) FROM blobs").fetchall()
    database.close()
    sldb("push", str(tmp_path / "app.sqlite"), "--database", "app", "--create", "--yes")
    sldb("pull", str(tmp_path / "copy.sqlite"), "--database", "app")
    with sqlite3.connect(tmp_path / "copy.sqlite") as database:
        assert database.execute("SELECT n, hex(body) FROM blobs").fetchall() == want
    database.close()


def test_doctor(sldb: Sldb) -> None:
    found = {row["check"]: row["state"] for row in json.loads(sldb("doctor", "--format", "json"))}
    fine = ("identity", "stack", "engine", "commits", "large", "locks")
    assert {check: found[check] for check in fine} == dict.fromkeys(fine, "ok")
    assert "test-db-function" in sldb("status", "--format", "json")


def test_a_lock_that_was_left_behind_is_freed(sldb: Sldb) -> None:
    ec2 = sldb.server.client("ec2")
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:sldb:stack", "Values": ["test-db"]}])["Vpcs"][0]["VpcId"]
    tags = {"sldb:stack": "test-db", "sldb:database": "main", "Owner": "gone", "CreateTime": f"{time.time():.3f}"}
    group = ec2.create_security_group(
        GroupName="sldb-lock-test-db-main",
        Description="lock",
        VpcId=vpc,
        TagSpecifications=[
            {"ResourceType": "security-group", "Tags": [{"Key": name, "Value": value} for name, value in tags.items()]}
        ],
    )["GroupId"]
    sldb("query", "CREATE TABLE blocked (a)", "--timeout", "2", status=75)
    sldb("unlock", "--yes")
    assert group not in [each["GroupId"] for each in ec2.describe_security_groups()["SecurityGroups"]]
    ec2.close()
    sldb("query", "CREATE TABLE blocked (a)")


def test_the_end(sldb: Sldb) -> None:
    """The data stays, and the next deploy finds it."""
    sldb("query", "CREATE TABLE IF NOT EXISTS kept (a)")
    sldb("destroy", "--yes")
    sldb("query", "SELECT 1", status=3)
    # MiniStack does not put the template's tags on a bucket, and without them it is not ours to adopt.
    sldb("deploy", "--yes", status=1)
    s3 = sldb.server.client("s3")
    bucket = next(each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith("test-db-data-"))
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "sldb:stack", "Value": "test-db"}]})
    s3.close()
    sldb("deploy", "--yes")
    assert sldb.rows("SELECT count(*) AS n FROM kept") == [{"n": 0}]
