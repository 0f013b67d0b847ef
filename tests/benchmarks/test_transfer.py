"""The benchmark behind the figures of docs/transfer.md, run small: its times are not compared."""

from __future__ import annotations

from pathlib import Path

from benchmarks.transfer import make, transfer


def test_a_push_and_a_pull_are_measured(tmp_path: Path) -> None:
    file = tmp_path / "in.db"
    make(file, 300_000)
    pushed, pulled = (transfer(what, tmp_path / "store", file) for what in ("push", "pull"))
    assert 0 < pushed["up"] < 2 * file.stat().st_size  # a small file is sent as a part, and created from it
    assert 0 < pulled["down"] < file.stat().st_size
    assert (tmp_path / "out.db").stat().st_size == file.stat().st_size
    assert all(one["cpu_seconds"] > 0 and one["peak_mb"] > 0 for one in (pushed, pulled))
