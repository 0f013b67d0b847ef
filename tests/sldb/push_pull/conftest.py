"""A small file to push, and still smaller parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from sldb.push_pull import encoding
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.sqlite_files import Recipe


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts so small that a file of some pages has several."""
    monkeypatch.setattr(encoding, "PART_BYTES", 40_000)
    monkeypatch.setattr("lambda_handlers.actions.transfer.push.MIN_PART_BYTES", 20_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.db"
    sqlite_files.make(path, Recipe(1024, False, "none", 300, 1000, 0, False, False, False, False, 0, 3)).close()
    return path
