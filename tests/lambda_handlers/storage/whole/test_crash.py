"""Real processes over one directory: killed in the middle, and at each other's throats."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.storage import replica as module
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.ltx import Header

ROOT = Path(module.__file__).parent.parent.parent

WRITER = """
import json, sys
from lambda_handlers.service import Service
from lambda_handlers.settings import Settings

store, temporary, name, count = sys.argv[1:]
service = Service(Settings(store, lock="none", temp_dir=temporary, log_level="error"))
print("ready", flush=True)
sys.stdin.readline()
number = 0
while number < int(count):
    reply = service.handle({"statements": [
        {"query": "UPDATE counter SET n = n + 1"},
        {"query": "INSERT INTO log VALUES (?, ?, zeroblob(?))", "params": [name, number, number * 397 % 9000]},
    ]})
    if reply["statusCode"] == 409 and reply["body"]["error"]["code"] == "conflict":
        continue  # nothing was applied
    assert reply["statusCode"] == 200, json.dumps(reply)
    print(number, flush=True)
    number += 1
"""


def writer(store: Path, temporary: Path, name: str, count: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, store.as_uri(), str(temporary), name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("go\n")
    process.stdin.flush()


class Reader:
    def __init__(self, store: Path, temporary: Path) -> None:
        self.service = Service(Settings(store.as_uri(), lock="none", temp_dir=str(temporary), log_level="error"))

    def rows(self, query: str) -> list[list[Any]]:
        reply = self.service.handle({"query": query})
        assert reply["statusCode"] == 200, json.dumps(reply)
        found: list[list[Any]] = reply["body"]["rows"]
        return found


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def reader(store: Path, tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(store, tmp_path)
    reader.rows("CREATE TABLE counter(n); CREATE TABLE log(writer, number, body); INSERT INTO counter VALUES (0)")
    yield reader
    reader.service.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9 there")
@pytest.mark.parametrize("seed", range(8))
def test_a_killed_writer_loses_nothing_that_it_acknowledged(
    store: Path, tmp_path: Path, reader: Reader, seed: int
) -> None:
    """At a random moment of a transaction; at most one more than those it could still tell about."""
    chance = random.Random(seed)
    process = writer(store, tmp_path, "w", 1_000_000)
    start(process)
    assert process.stdout
    output = "".join(process.stdout.readline() for _ in range(chance.randrange(25)))
    time.sleep(chance.uniform(0, 0.01))  # waits for nothing: some way into the next transaction
    process.send_signal(signal.SIGKILL)
    output += process.stdout.read()
    process.communicate()
    acknowledged = [int(line) for line in output.splitlines(keepends=True) if line.endswith("\n")]

    written = [number for (number,) in reader.rows("SELECT number FROM log ORDER BY rowid")]

    assert process.returncode == -signal.SIGKILL
    assert written[: len(acknowledged)] == acknowledged
    assert written == list(range(len(written)))
    assert len(written) - len(acknowledged) in (0, 1)
    assert reader.rows("SELECT n FROM counter") == [[len(written)]]
    assert reader.rows("PRAGMA integrity_check") == [["ok"]]
    assert reader.rows("INSERT INTO log VALUES ('after', 0, '') RETURNING writer") == [["after"]]


def test_four_writers_at_once_without_a_lock(store: Path, tmp_path: Path, reader: Reader) -> None:
    """The conditional create alone decides; who loses runs again, and every row is there once. A writer that has lost
    for long announces itself, in a transaction of its own."""
    each = 25
    processes = {name: writer(store, tmp_path, name, each) for name in "abcd"}
    for process in processes.values():
        start(process)
    outputs = {name: process.communicate()[0] for name, process in processes.items()}

    assert [process.returncode for process in processes.values()] == [0] * 4
    assert all([int(line) for line in output.split()] == list(range(each)) for output in outputs.values())
    assert reader.rows("SELECT writer, count(*), count(DISTINCT number) FROM log GROUP BY writer ORDER BY writer") == [
        [name, each, each] for name in "abcd"
    ]
    assert reader.rows("SELECT n FROM counter") == [[4 * each]]
    assert reader.rows("PRAGMA integrity_check") == [["ok"]]
    assert sum(not is_announcement(file) for file in store.glob("*/0000/*.ltx")) == 1 + 4 * each


def is_announcement(file: Path) -> bool:
    header = Header.decode(file.read_bytes(), file.name)
    return kinds.of_node_id(header.node_id) is kinds.Kind.ANNOUNCEMENT
