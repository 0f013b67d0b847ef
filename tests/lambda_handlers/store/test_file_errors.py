"""The errors of a file system as those of a store: each with its own cause and next step."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.file_errors import refused, unavailable
from lambda_handlers.store.protocol import Refused


@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "free space"), (errno.EACCES, "this user may"), (errno.EROFS, "this user may")],
)
def test_each_cause_has_its_hint(number: int, says: str) -> None:
    error = OSError(number, os.strerror(number), "/databases/main")
    for found in (refused("main/1", error), unavailable("main/1", error)):
        assert str(found) == f"main/1: {os.strerror(number)}: /databases/main"
        assert says in found.hint
        assert "bucket" not in found.hint


def test_what_has_no_number_may_be_tried_again() -> None:
    found = unavailable("main/1", OSError("odd"))
    assert (str(found), found.hint) == ("main/1: odd", "try again in a moment")


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused) as caught:
        DirectoryStore(tmp_path / "file" / "databases").create("main/1", b"")
    assert "check the path" in caught.value.hint
    assert "Errno" not in str(caught.value)
