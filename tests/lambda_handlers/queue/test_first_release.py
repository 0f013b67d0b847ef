"""Queued requests over a store that functions of 0.1.0 share: they know the ids of the hour, and keep the others."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[3]
FIRST_RELEASE = "d86acb241da4369c7c43b0cdec3d8c7272f4dc3d"  # v0.1.0
PROGRAM = """
import json, sys
from lambda_handlers import db_function
for line in sys.stdin:
    print(json.dumps(db_function.handler(json.loads(line))))
"""


@pytest.fixture
def first_release(tmp_path: Path) -> Path:
    command = ["git", "archive", FIRST_RELEASE, "lambda_handlers"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"the history of this checkout has no {FIRST_RELEASE[:8]}")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        names = {"filter": "data"} if sys.version_info >= (3, 12) else {}
        archive.extractall(tmp_path / "code", **names)
    return tmp_path / "code"


def replies(code: Path, store: Path, *events: dict[str, Any]) -> list[Any]:
    environment = {**os.environ, "PYTHONPATH": str(code), "SLDB_STORE": f"file://{store}", "SLDB_LOG_LEVEL": "error"}
    program = [sys.executable, "-P", "-c", PROGRAM] if sys.version_info >= (3, 11) else [sys.executable, "-c", PROGRAM]
    text = "\n".join(map(json.dumps, events))
    ran = subprocess.run(program, input=text, env=environment, cwd=store, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def batch(*numbers: int) -> dict[str, Any]:
    bodies = {number: json.dumps({"query": f"INSERT INTO t VALUES ({number})"}) for number in numbers}
    return {
        "Records": [
            {"eventSource": "aws:sqs", "messageId": f"m{number}", "body": body, "attributes": {}}
            for number, body in bodies.items()
        ]
    }


def test_both_apply_each_message_once(first_release: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    done = {"batchItemFailures": []}
    (_, *old) = replies(first_release, store, {"query": "CREATE TABLE t (a)"}, batch(0))
    assert old == [done]
    assert replies(ROOT, store, batch(0, 1, 2)) == [done]
    old = replies(
        first_release,
        store,
        batch(1, 2, 3),
        {"query": "INSERT INTO t VALUES (4)", "request_id": "r"},
        {"query": "VACUUM"},
    )
    assert old[0] == done
    (again, rows, ids, check) = replies(
        ROOT,
        store,
        batch(0, 1, 2, 3),
        {"query": "SELECT a FROM t ORDER BY a"},
        {"query": "SELECT count(*) FROM _sldb_queued"},
        {"query": "PRAGMA integrity_check"},
    )
    assert again == done
    assert rows["body"]["rows"] == [[0], [1], [2], [3], [4]]
    assert ids["body"]["rows"] == [[2]]
    assert check["body"]["rows"] == [["ok"]]
