"""The benchmark behind docs/express.md, run small: its requests are exact, its times are not compared."""

from __future__ import annotations

from pathlib import Path

from benchmarks.express import COUNTS, month, rows_of_losses, rows_of_months, rows_of_operations
from benchmarks.two_buckets import TwoBuckets
from lambda_handlers.store.directory import DirectoryStore

PAGE = (Path(__file__).parents[2] / "docs/express.md").read_text("utf-8")


def test_the_page_has_the_requests_times_and_prices_of_each_operation() -> None:
    assert [row for row in rows_of_operations() if f"| {' | '.join(row)} |" not in PAGE] == []


def test_the_page_has_what_a_lost_zone_takes_along() -> None:
    rows = rows_of_losses([count for count in COUNTS if count < 100])
    assert [row for row in rows if f"| {' | '.join(row)} |" not in PAGE] == []


def test_the_page_has_the_prices_of_a_month() -> None:
    assert [row for row in rows_of_months() if f"| {' | '.join(row)} |" not in PAGE] == []


def test_moving_each_transaction_costs_more_than_never_using_the_directory_bucket() -> None:
    costs = month(1_000_000)
    assert costs["in the directory bucket"] < costs["in S3"] < costs["moved to S3 after an hour"]


def test_two_buckets_list_like_one(tmp_path: Path) -> None:
    both, one = (
        TwoBuckets(DirectoryStore(tmp_path / "log"), DirectoryStore(tmp_path / "rest")),
        DirectoryStore(tmp_path / "one"),
    )
    keys = ["a/0000/1", "a/0000/2", "a/0001/1", "a/head.json", "b/0000/1", "b/atlas"]
    for key in keys:
        both.create(key, b"body")
        one.create(key, b"body")
    for after in (None, *keys, "a/0000/1x"):
        expected = [info.key for info in one.list_objects("a/", after)]
        assert [info.key for info in both.list_objects("a/", after)] == expected
    assert both.list_directories("") == one.list_directories("") == ["a", "b"]
    assert [info.key for info in both.log.list_objects("")] == ["a/0000/1", "a/0000/2", "b/0000/1"]
    both.delete_many(["a/0000/1", "a/atlas", "a/head.json"])
    assert [info.key for info in both.list_objects("a/")] == ["a/0000/2", "a/0001/1"]
