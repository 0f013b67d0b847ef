"""Temporary files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from lambda_handlers.shared import temporary


def test_the_directory_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert temporary.directory() == str(tmp_path)


@pytest.mark.parametrize("given", ["relative", "/nowhere/at/all"])
def test_a_directory_that_cannot_be_used_is_replaced(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", given)
    assert temporary.directory() == tempfile.gettempdir()


@pytest.mark.parametrize("has_nameless_files", [True, False])
def test_a_file_has_no_name(has_nameless_files: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_nameless_files:  # as on a file system without them, where Linux answers so

        def without_nameless(path: object, flags: int, *rest: object) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise IsADirectoryError(21, "Is a directory", path)
            return real(path, flags, *rest)  # type: ignore[arg-type]

        real = os.open
        monkeypatch.setattr(os, "open", without_nameless)
    with temporary.nameless_file(str(tmp_path)) as file:
        assert list(tmp_path.iterdir()) == []
        file.write(b"abc")
        assert os.pread(file.fileno(), 3, 0) == b"abc"
        assert not os.get_inheritable(file.fileno())


def test_a_file_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing"):
        temporary.nameless_file(str(tmp_path / "nothing"))
