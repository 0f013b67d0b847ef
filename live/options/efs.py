"""Databases in EFS: a stack of its own, with a network. It is the last one, and its destruction is measured."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from live import figures, leftovers
from live.plan import Failed, Option, Usage
from live.stage import Stage, expect
from sldb import price

ROUNDS, READERS = 5, 4
TIMEOUT = 15  # seconds: a move waits for the longest request
_NUMBERS = "SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000"
LARGE = f"WITH RECURSIVE n(i) AS ({_NUMBERS}) SELECT i, hex(zeroblob(500)) AS h FROM n"  # 9 MB


def _use(stage: Stage) -> None:
    stage.query("CREATE TABLE IF NOT EXISTS files (id INTEGER PRIMARY KEY)")
    stage.query("INSERT INTO files DEFAULT VALUES")
    expect(stage.query("SELECT count(*) FROM files").rows == [(1,)], "what was written is read")
    rows = stage.json("query", LARGE)
    expect(len(rows) == 9000 and all(len(row["h"]) == 1000 for row in rows), f"9 MB in parts: {len(rows)} rows")
    (found,) = leftovers.FINDERS["file system"](stage.account, stage.name)
    expect(found in stage.sldb("status").out, f"status names the file system {found}")
    expect("elastic throughput" in stage.sldb("doctor", status=None).out, "doctor has looked at the file system")
    drift = stage.sldb("status", "--drift", status=None)
    expect(drift.status == 0, f"nothing has drifted: {drift.out}")


def _rights(stage: Stage) -> str:
    """Say what the use has shown: the mount is of the access point, with the role of the function."""
    (found,) = leftovers.FINDERS["file system"](stage.account, stage.name)
    policy = stage.account.efs.describe_file_system_policy(FileSystemId=found)["Policy"]
    if "Deny" not in policy:
        raise Failed(f"the file system has no policy that denies: {policy}")
    stage.restart()
    stage.query("INSERT INTO files DEFAULT VALUES")
    return "a function wrote to the file system, whose policy denies mounts by others"


def _readers(stage: Stage) -> str:
    """Read in several containers right after each write."""
    stage.query(figures.CREATE)
    with ThreadPoolExecutor(READERS) as pool:
        for number in range(1, ROUNDS + 1):
            stage.query(f"INSERT INTO figures (note) VALUES ('round {number}')")
            counts = list(pool.map(lambda _: stage.query("SELECT max(note) FROM figures").rows, range(READERS)))
            if any(rows != [(f"round {number}",)] for rows in counts):
                raise Failed(f"after write {number} the readers saw {counts}")
    return f"{ROUNDS * READERS} reads, {READERS} at a time, each saw the write right before"


def _move(stage: Stage) -> str:
    """Move the databases to S3 and back."""
    before = stage.query("SELECT count(*) FROM files").rows
    stage.restart()
    stage.sldb("migrate-storage", "s3", "--yes")
    function = stage.account.functions.get_function_configuration(FunctionName=f"{stage.name}-function")
    if subnets := function.get("VpcConfig", {}).get("SubnetIds"):
        raise Failed(f"after a move to S3 the function is still in {subnets}")
    moved = stage.query("SELECT count(*) FROM files").rows
    stage.restart()
    stage.sldb("migrate-storage", "efs", "--create-vpc", "--yes")
    back = stage.query("SELECT count(*) FROM files").rows
    if not before == moved == back:
        raise Failed(f"rows in EFS {before}, in S3 {moved}, and back in EFS {back}")
    return "the function left its network with a move to S3, and came back"


def _destroy(stage: Stage) -> str:
    stage.restart()
    began = time.monotonic()
    stage.sldb("destroy", "--delete-data", "--yes")
    took = time.monotonic() - began
    kinds = ("stack", "file system", "security group", "VPC")
    left = [each for kind in kinds for each in leftovers.FINDERS[kind](stage.account, stage.name)]
    if left:
        raise Failed(f"`sldb destroy --delete-data` left {', '.join(left)}")
    return f"the stack, its network and its file system were destroyed in {took:.0f} s"


OPTION = Option(
    "efs",
    "the stack anew, with a file system and a VPC, of which AWS Backup may keep a recovery point for 35 days",
    ("--storage", "efs", "--create-vpc", "--timeout", str(TIMEOUT)),
    _use,
    {"efs": _rights, "efs-reads": _readers, "efs-move": _move, "efs-destroy": _destroy},
    Usage(requests=60, dollars_a_month=price.EFS_GB_MONTH + price.EFS_BACKUP_GB_MONTH),
    is_new=True,
    is_short=False,
)
