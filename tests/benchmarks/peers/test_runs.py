"""The benchmark of the peers, small and without latency: the original's calls beside sldb's. No time is compared."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.peers.databases import Made
from benchmarks.peers.peers import OWN, Peer
from benchmarks.peers.runs import Result, result_of
from benchmarks.peers.simulator.client import Simulator
from benchmarks.peers.simulator.latency import Latency
from benchmarks.workload import SCHEMA, container, run
from lambda_handlers.store.directory import DirectoryStore

pytestmark = pytest.mark.long
ORIGINAL = Peer("original", "original", "file", environment=OWN)
OURS = Peer("ours", "ours", "log", "security-group", OWN)
ROW = "INSERT INTO users VALUES (7, 'a name', 'an address', 0)"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(Latency(0, 0, 0, 0)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("databases")
    service = container(DirectoryStore(root / "log"))
    run(service, f"{SCHEMA}; {ROW}")
    service.close()
    connection = sqlite3.connect(root / "file")
    connection.executescript(f"{SCHEMA}; {ROW}")
    connection.close()
    return Made(root / "file", root / "log")


def test_both_give_the_same_rows_and_ours_asks_once_when_warm(simulator: Simulator, made: Made, tmp_path: Path) -> None:
    original, ours = (result_of(simulator, peer, "point read", 1, made, tmp_path) for peer in (ORIGINAL, OURS))
    assert original.problem == ours.problem == ""
    assert original.rows == ours.rows == "[(7, 'a name', 'an address', 0)]"
    assert [part.name for part in ours.parts] == ["init", "cold", "warm", "warm", "warm"]
    warm = [result.part("warm") for result in (original, ours)]
    assert [part and part.verbs for part in warm] == [{"HEAD": 1, "GET": 1}, {"GET": 1}]


def test_the_original_takes_the_whole_file_down_and_up_under_its_lock(
    simulator: Simulator, made: Made, tmp_path: Path
) -> None:
    found = result_of(simulator, ORIGINAL, "write of a row", 1, made, tmp_path)
    part = found.part("warm")
    assert part
    assert part.verbs == {"EC2": 2, "HEAD": 1, "GET": 1, "PUT": 1}
    assert part.down == part.up == made.file.stat().st_size


def test_a_kept_result_is_not_measured_again(simulator: Simulator, made: Made, tmp_path: Path) -> None:
    first = result_of(simulator, OURS, "write of a row", 1, made, tmp_path)
    assert first.part("warm")
    nothing = Made(Path("absent"), Path("absent"))
    assert result_of(simulator, OURS, "write of a row", 1, nothing, tmp_path) == first


def test_a_peer_that_fails_says_why(simulator: Simulator, made: Made, tmp_path: Path) -> None:
    bad = Peer("bad", "ours", "log", "no such lock", OWN)
    result = result_of(simulator, bad, "point read", 1, made, tmp_path)
    assert "SLDB_LOCK" in result.problem
    assert result.part("cold") is None
    assert Result.decode(next(tmp_path.iterdir()).read_text("utf-8")) == result
