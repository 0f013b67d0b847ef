"""`sldb backup` by the command line: over directories, and between two regions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.storage.log.keys import transaction
from sldb.aws.options import AwsOptions
from sldb.backup.integrity import check_integrity
from sldb.backup.manifest import list_backups, read_manifest
from sldb.backup.places import open_place
from tests.fakes.terminal.in_process import run_command
from tests.sldb.commands import Commands

ROWS = "SELECT a FROM t"


def ok(*arguments: str) -> str:
    status, out, err = run_command(arguments)
    assert status == 0, (arguments, err)
    return out


def filled(directory: Path) -> Path:
    for name in ("main", "other"):
        ok("--local", str(directory), "databases", "create", name)
        ok("--local", str(directory), "query", "--database", name, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    return directory


def test_directories(tmp_path: Path) -> None:
    source, place, target = filled(tmp_path / "db"), str(tmp_path / "backup"), str(tmp_path / "new")
    made = json.loads(ok("--local", str(source), "backup", "create", place, "--verify", "--format", "json"))
    assert [(each["database"], each["txid"], each["new_files"]) for each in made] == [("main", 2, 2), ("other", 2, 2)]
    ok("--local", str(source), "query", "INSERT INTO t VALUES (2)")
    ok("--local", str(source), "backup", "create", place, "--only", "main")
    assert [line.split()[:2] for line in ok("backup", "list", place).splitlines()[1:4]] == [
        ["main", "2"],
        ["main", "3"],
        ["other", "2"],
    ]
    ok("backup", "verify", place)
    ok("--local", target, "backup", "restore", place)
    assert ok("--local", target, "query", ROWS, "--format", "csv").split() == ["a", "1", "2"]
    assert ok("--local", target, "query", ROWS, "--at", "2", "--format", "csv").split() == ["a", "1"]
    ok("--local", target, "backup", "restore", place)  # nothing to do
    ok("--local", target, "query", "INSERT INTO t VALUES (3)")
    status, _, err = run_command(("--local", target, "backup", "restore", place, "--only", "main"))
    assert (status, "[exists]" in err) == (1, True)
    ok("--local", target, "backup", "restore", place, "--only", "main", "--as", "again")
    assert ok("--local", target, "query", ROWS, "--database", "again", "--format", "csv").split() == ["a", "1", "2"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list", "ftp://x"), "want s3://BUCKET/PREFIX or a directory"),
        (("list", "s3://"), "want s3://BUCKET/PREFIX or a directory"),
        (("list", "nowhere"), "there is no directory"),
        (("restore", ".", "--as", "x"), "add --only"),
        (("verify", "."), "there is no backup of any database"),
    ],
)
def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = run_command(("--local", str(tmp_path), "backup", *arguments))
    assert (status in (1, 2), says in err) == (True, True), err


def test_restore_checks_all_names_before_it_changes_anything(tmp_path: Path) -> None:
    source, place, target = filled(tmp_path / "db"), str(tmp_path / "backup"), str(tmp_path / "new")
    ok("--local", str(source), "databases", "create", "third")
    ok("--local", str(source), "backup", "create", place)
    for name in ("other", "third"):  # the names after the first; `third` has one transaction, as the backup's has
        ok("--local", target, "databases", "create", name)
        ok("--local", target, "query", "--database", name, "CREATE TABLE mine (b)")
    status, _, err = run_command(("--local", target, "backup", "restore", place))
    assert (status, names_in(target)) == (1, ["other", "third"])
    assert "other and third exist already" in err
    assert "nothing was applied [exists]" in err
    assert "--only other --as NAME" in err
    assert "--only main restores the rest" in err
    ok("--local", target, "backup", "restore", place, "--only", "main")
    ok("--local", target, "backup", "restore", place, "--only", "other", "--as", "beside")
    assert names_in(target) == ["beside", "main", "other", "third"]
    status, _, err = run_command(("--local", target, "backup", "restore", place, "--only", "other"))
    assert "other exists already" in err
    assert "restores the rest" not in err
    assert "dropped" not in err
    ok("--local", target, "databases", "drop", "other", "--yes")
    status, _, err = run_command(("--local", target, "backup", "restore", place, "--only", "other"))
    assert (status, "A dropped database (other) keeps its name and history" in err) == (1, True)
    status, _, err = run_command(("--local", target, "backup", "create", place, "--only", "nothere"))
    assert err.rstrip().endswith("there is: main, beside, third")


def names_in(directory: str) -> list[str]:
    found = json.loads(ok("--local", directory, "databases", "list", "--format", "json"))
    return [each["name"] for each in found]


def test_a_failure_in_the_middle_names_what_was_restored(tmp_path: Path) -> None:
    source, place, target = filled(tmp_path / "db"), tmp_path / "backup", str(tmp_path / "new")
    ok("--local", str(source), "databases", "create", "third")
    ok("--local", str(source), "backup", "create", str(place))
    (file,) = (place / "other").rglob("*-0000000000000002.ltx")
    whole = file.read_bytes()
    file.write_bytes(whole[:-3] + b"xyz")
    status, _, err = run_command(("--local", target, "backup", "restore", str(place)))
    assert (status, "main" in names_in(target)) == (1, True)
    assert "nothing was applied" not in err
    assert "restored: main; not restored: other, third" in err
    file.write_bytes(whole)
    ok("--local", target, "backup", "restore", str(place))
    assert ok("--local", target, "query", ROWS, "--database", "other", "--format", "csv").split() == ["a", "1"]


def test_damage_is_found_by_verify(tmp_path: Path) -> None:
    source, place = filled(tmp_path / "db"), tmp_path / "backup"
    ok("--local", str(source), "backup", "create", str(place), "--only", "main")
    store = open_place(str(place), AwsOptions(), creates=False)
    manifest = read_manifest(store, list_backups(store)[0])
    assert check_integrity(store, manifest).damage == ()
    file = place / transaction(2).key("main")
    file.write_bytes(file.read_bytes()[:-3] + b"xyz")
    status, _, err = run_command(("backup", "verify", str(place)))
    assert (status, "[corrupt]" in err) == (1, True)


def test_from_one_region_to_another(sldb: Commands, tmp_path: Path) -> None:
    sldb.ok("deploy", "--lock", "s3")
    ran = sldb("backup", "create", "s3://backups-of-orders/daily")
    assert (ran.status, "the place s3://backups-of-orders/daily: " in ran.err) == (3, True)
    assert "make it first (`aws s3 mb s3://backups-of-orders`)" in ran.err
    sldb.client("s3").create_bucket(Bucket="backups-of-orders")
    sldb.put_databases(tmp_path, "main", "other")
    sldb.ok("backup", "create", "s3://backups-of-orders/daily", "--verify")
    other = ("--region", "eu-west-1", "--stack", "second")
    sldb.ok("deploy", "--lock", "s3", *other)
    from_place = ("s3://backups-of-orders/daily", "--place-region", "us-east-1")
    sldb.ok("backup", "restore", *from_place, *other)
    status = json.loads(sldb.ok("status", "--format", "json", *other).out)
    assert status["region"] == "eu-west-1"
    assert [(each["name"], each["state"], each["txid"]) for each in status["databases"]] == [
        ("main", "ok", 2),
        ("other", "ok", 2),
    ]
    ran = sldb("backup", "restore", *from_place, *other)
    assert (ran.status, ran.err.count("restored up to")) == (0, 2)  # again: all of it is there
