"""The curves, run small: tables with their counts; no time is compared."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.curves import containers, databases, messages, queue
from benchmarks.curves.figures import Table, row_of
from benchmarks.curves.report import lines_of, plots, write
from benchmarks.simulated_s3 import Asked, Figures
from sldb import price

ROOT = Path(__file__).parents[3]


def test_containers_ask_once_for_each_read() -> None:
    table = containers.table(1, 3)
    reads = {row.at: row.verbs for row in table.rows if row.operation == "a read in each"}
    assert reads[1] == "1 GET"
    assert set("".join(reads.values())) <= set("0123456789 GET")


def test_small_messages_take_no_request_of_their_own() -> None:
    assert {row.requests for row in messages.table(1, 10).rows} == {1}


def test_a_batch_of_a_queue_is_one_transaction() -> None:
    rows = [*queue.batches(1, 3).rows, *queue.messages(2).rows]
    assert {row.requests for row in rows} == {2}
    assert [row.extra["$ per million messages"] * count for row, count in zip(rows, (1, 3, 10), strict=True)] == [
        pytest.approx(row.dollars * 1e6) for row in rows
    ]


def test_idle_databases_are_asked_for_in_an_hour_and_in_a_minute() -> None:
    assert [row.operation for row in databases.table(2).rows] == ["a minute", "an hour", "their list"]


def test_a_price_is_that_of_requests_and_time() -> None:
    asked = tuple(Asked(verb, 0.0, 0.1, 10, 0) for verb in ("GET", "HEAD", "PUT", "LIST", "DELETE_MANY"))
    row = row_of(1, "an operation", Figures(100.0, asked))
    expected = 2 * price.S3_READ + 2 * price.S3_WRITE + price.run(1024, 100, "aarch64")
    assert row.dollars == pytest.approx(expected)


def test_a_table_is_kept_and_has_its_place_on_the_page(tmp_path: Path) -> None:
    rows = [row_of(at, "read", Figures(at, (Asked("GET", 0.0, 0.1, 10, 0),)), **{"peak MB": 5}) for at in (1.0, 10.0)]
    table = Table("messages", "KB", rows)
    assert Table.decode(asdict(table)) == table
    assert lines_of(table)[2].startswith("| read | 1 | 1 (1 GET) | 1 | 0.0 | 0.0 | 1.0 |")
    assert "KB" in plots(table)
    page = tmp_path / "performance.md"
    page.write_text((ROOT / "docs/performance.md").read_text("utf-8"), "utf-8")
    write([table], page, tmp_path)
    assert lines_of(table)[3] in page.read_text("utf-8")
    assert (tmp_path / "curve-messages.svg").exists()
