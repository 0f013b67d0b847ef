"""The benchmark of a cold full scan counts what the scan requests."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scan.__main__ import HEAD, prepare, scan


def test_a_scan_of_three_megabytes(tmp_path: Path) -> None:
    prepare(tmp_path, 3_000_000)
    found = dict(zip(HEAD[1:], scan(tmp_path), strict=True))
    assert found["requests"] <= 12
    assert found["waits"] < found["requests"]  # some were under way together
    assert 1 < found["MB"] < 2
