"""The benchmark behind the figures of docs/efs.md, run small: its operations are exact, its times are not compared."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.efs import (
    WRITE_REQUESTS,
    break_even_gb,
    metered_kb,
    object_lock,
    on_efs,
    on_s3,
    operations,
    rows_of_uses,
)
from benchmarks.simulated_efs import SimulatedEfs
from benchmarks.simulated_s3 import Figures
from benchmarks.workload import container, run
from lambda_handlers.locks.none import NoLock
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import NotFound
from sldb import price

PAGE = (Path(__file__).parents[2] / "docs/efs.md").read_text("utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    service = container(DirectoryStore(tmp_path / "root"))
    run(service, "CREATE TABLE users (id INTEGER PRIMARY KEY, karma INTEGER); INSERT INTO users VALUES (7, 0)")
    # The fourth transaction has a head with it; the one that is measured is the third or the fifth.
    run(service, "CREATE TABLE posts (body TEXT); INSERT INTO posts VALUES ('text')")
    service.close()
    return tmp_path / "root"


def counts(figures: Figures) -> tuple[int, int]:
    writes = sum(one.verb == "PUT" for one in figures.asked)
    return figures.requests - writes, writes


def test_the_prices_are_those_of_the_operations(root: Path) -> None:
    found = operations(on_efs(root))
    read, write = metered_kb(found["warm point read"]), metered_kb(found["warm update of a row"])
    assert read == (price.EFS_READ_BYTES / 1024, 0)
    assert write == tuple(each / 1024 for each in price.EFS_WRITE_BYTES)
    ten = metered_kb(found["ten updates in a row"])
    assert [each >= 10 * one for each, one in zip(ten, write, strict=True)] == [True, True]  # with heads, and a fold


@pytest.mark.parametrize("lock", WRITE_REQUESTS)
def test_the_requests_to_s3_are_those_of_the_table(root: Path, lock: str) -> None:
    make = object_lock if lock == "s3" else (lambda _, host: NoLock(host))
    place = on_s3(lock, root, make)
    place.store.is_slow = False  # type: ignore[attr-defined]  # a simulated S3
    found = operations(place)
    assert counts(found["warm point read"]) == (1, 0)
    assert counts(found["warm update of a row"]) == WRITE_REQUESTS[lock]


def test_the_page_says_when_it_pays_as_the_code_computes_it() -> None:
    assert [row for row in rows_of_uses() if f"| {' | '.join(row)} |" not in PAGE] == []


def test_at_the_break_even_both_cost_the_same() -> None:
    gb = break_even_gb(1e6, 1e5, "s3")
    s3 = gb * price.S3_GB_MONTH + 1e6 * price.S3_READ + 1e5 * 3 * price.S3_WRITE
    efs = (
        gb * (price.EFS_GB_MONTH + price.EFS_BACKUP_GB_MONTH)
        + 1e6 * (4 / 2**20 * 0.03)
        + 1e5 * (12 / 2**20 * 0.03 + 48 / 2**20 * 0.06)
    )
    assert s3 == pytest.approx(efs)


def test_the_simulated_client_remembers_what_linux_remembers(tmp_path: Path) -> None:
    """Names it has looked up, an absence in an unchanged directory, and pages after their READ."""
    store, other, client = DirectoryStore(tmp_path / "a"), DirectoryStore(tmp_path / "a"), SimulatedEfs(tmp_path / "a")
    client.is_slow = False
    other.create("db/0000/1", b"x" * (1 << 20))

    def asked(key: str) -> list[str]:
        def look() -> None:
            with suppress(NotFound):
                store.get(key)

        with client.mounted():
            return [one.verb for one in client.measure(look)[1].asked]

    assert "READ" in asked("db/0000/1")
    assert asked("db/0000/1") == ["OPEN"]
    assert "LOOKUP" in asked("db/0000/2")
    assert asked("db/0000/2") == ["OPEN"]  # of the directory
    other.create("db/0000/2", b"y")
    assert asked("db/0000/2") == ["OPEN", "LOOKUP", "OPEN", "READ"]
    client.forget()
    assert asked("db/0000/1").count("LOOKUP") == 4
