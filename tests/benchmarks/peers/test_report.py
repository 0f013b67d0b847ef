"""The tables of the peers, from results that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers.operations import OPERATIONS
from benchmarks.peers.peers import PEERS
from benchmarks.peers.prices import d1, dollars, dsql
from benchmarks.peers.report import Results, bars, disagreements, plots, replaced, tables, write
from benchmarks.peers.runs import Part, Result
from sldb import price

ROOT = Path(__file__).parents[3]
UNLOADED = "Litestream VFS"


def part(name: str, ms: float) -> Part:
    return Part(name, ms, 1.0, 50_000, {"GET": 1, "EC2": 1}, 2, 10, 20, {"PUT": 1, "DELETE": 1}, 30.0)


def result(peer: str, operation: str, size: int) -> Result:
    if peer == UNLOADED:
        problem = "apsw.SomeError: SomeError: /lib/libc.so.6: version `X' not found (required by /lib/y)"
        return Result(peer, operation, size, [], problem)
    ms = 200.0 if peer == "original" else 50.0
    return Result(peer, operation, size, [part("init", 1000), part("cold", ms), part("warm", ms), part("warm", ms + 1)])


@pytest.fixture
def results() -> Results:
    return Results([result(peer.name, op, size) for peer in PEERS for op in OPERATIONS for size in (1, 100)])


def test_a_cell_has_time_and_requests_and_the_reasons_stand_below(results: Results) -> None:
    lines = tables(results).splitlines()
    cold, warm, *_ = (line for line in lines if line.startswith("| point read"))
    assert cold.startswith("| point read | 1,200 · 4 | 1,050 · 4 |")
    assert warm.startswith("| point read | 200 · 4 | 50 · 4 |")
    assert "| (1) |" in warm
    assert "(1) version `X' not found." in lines


def test_what_was_not_measured_is_named() -> None:
    assert "(1) not measured in this run." in tables(Results([result("original", "point read", 1)]))


def test_shares_are_of_the_original(results: Results) -> None:
    assert "| warm point read, sldb, none | 0.25 | 0.25 |" in bars(results)


def test_every_peer_with_a_result_is_plotted(results: Results) -> None:
    assert [peer.name for peer in PEERS if peer.name not in plots(results)] == [UNLOADED]


def test_rows_that_differ_are_found(results: Results) -> None:
    assert disagreements(results) == []
    other = Result("original", "full scan", 1, [], rows="[(1,)]")
    ours = Result("sldb, none", "full scan", 1, [], rows="[(2,)]")
    kept = [one for one in results._results.values() if (one.operation, one.megabytes) != ("full scan", 1)]
    rest = [result(peer.name, "full scan", 1) for peer in PEERS if peer.name not in (other.peer, ours.peer)]
    assert disagreements(Results([*kept, *rest, other, ours])) == ["1 MB, full scan"]


def test_the_page_has_a_place_for_each_table(results: Results, tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "docs/performance.md").read_text("utf-8"), "utf-8")
    write(results, page, tmp_path / "peers.svg")
    once = page.read_text("utf-8")
    write(results, page, tmp_path / "peers.svg")
    assert page.read_text("utf-8") == once
    assert "| 1,050 · 4 |" in once
    with pytest.raises(AssertionError, match="no place for other"):
        replaced(once, "other", "text")


def test_the_price_counts_what_comes_after_the_reply() -> None:
    store = price.S3_READ + price.S3_WRITE
    assert dollars(part("warm", 50)) == pytest.approx(store + price.run(1024, 80, "aarch64"))


def test_others_by_their_published_prices() -> None:
    assert d1(1_000_000, 2) == pytest.approx(0.001 + 0.000002)
    assert dsql() * 1e6 == pytest.approx(8 / 7)
