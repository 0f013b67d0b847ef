"""The estimate against the README's table, which was worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from sldb.price import estimate, files, per_million


def stats(ms: float, gets: int, puts: int, **others: Any) -> dict[str, Any]:
    return {"ms": ms, "memory_mb": 1024, "store_requests": gets + puts, "store_writes": puts, **others}


@pytest.mark.parametrize(
    ("ms", "gets", "puts", "dollars_per_million"),
    [(50, 1, 0, 1.27), (100, 0, 1, 6.53), (600, 0, 1, 13.20), (200, 0, 3, 17.87)],
)
def test_the_table_of_the_readme(ms: float, gets: int, puts: int, dollars_per_million: float) -> None:
    assert estimate(stats(ms, gets, puts)) * 1_000_000 == pytest.approx(dollars_per_million, abs=0.005)


def test_memory_and_time_are_paid_for_as_their_product() -> None:
    assert estimate(stats(1000, 0, 0)) == estimate(stats(500, 0, 0, memory_mb=2048))


def test_the_start_of_a_container_is_paid_for() -> None:
    assert estimate(stats(50, 1, 0, init_ms=400)) == estimate(stats(450, 1, 0))


def test_work_after_the_reply_before_is_paid_for() -> None:
    worked = {"after_ms": 70, "after_store_requests": 3, "after_store_writes": 2, "after_bytes_out": 9000}
    assert estimate(stats(50, 1, 0, **worked)) == pytest.approx(estimate(stats(120, 2, 2)))
    in_files = {"store": "efs", "bytes_out": 0}
    assert estimate(stats(50, 1, 0, **in_files, **worked)) > estimate(stats(120, 1, 0, **in_files))


def test_the_processor_makes_the_price() -> None:
    assert estimate(stats(50, 0, 0, architecture="aarch64")) == estimate(stats(50, 0, 0))
    assert estimate(stats(50, 0, 0, architecture="x86_64")) > estimate(stats(50, 0, 0))


def test_what_runs_in_this_process_costs_nothing() -> None:
    assert estimate({"ms": 50, "store_requests": 9, "store_writes": 4}) == 0


def test_how_it_is_told() -> None:
    assert per_million(0.00000127) == "$1.27 per million"
    assert per_million(0.0123) == "$12,300.00 per million"
    assert per_million(0) == ""


def test_a_stack_in_efs_pays_for_metered_bytes() -> None:
    read, write = {"store": "efs", "store_requests": 1}, {"store": "efs", "store_requests": 2, "store_writes": 1}
    assert files(read) * 1e6 == pytest.approx(4 / 2**20 * 0.03 * 1e6)
    assert files({**write, "bytes_out": 2000}) * 1e6 == pytest.approx((16 * 0.03 + 48 * 0.06) / 2**20 * 1e6)
    assert files({**write, "bytes_out": 33 << 10}) - files(write) == pytest.approx(0.06 / 2**20)
    assert files({**read, "bytes_in": 1 << 30}) - files(read) == pytest.approx(0.03)
    assert files({"store": "efs"}) == 0
    assert estimate(stats(50, 1, 1, store="efs")) < estimate(stats(50, 1, 1))
