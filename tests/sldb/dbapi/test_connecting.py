"""`connect`: targets, and what there cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

import sldb


def test_connect_to_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "db"
    with sldb.connect(f"local:{directory}") as connection:
        assert not directory.exists(), "nothing is sent before the first statement"
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    with sldb.connect(f"local:{directory}", "other") as connection, pytest.raises(sldb.OperationalError) as caught:
        connection.execute("CREATE TABLE t (a)")
    assert caught.value.code == "not_found"
    connection.close()
    with sldb.connect(f"local:{directory}", "other", create=True, message="made by a test") as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        connection.execute("CREATE TABLE t (a)")
        newest = connection.history(1)[0]
    assert (newest["message"], newest["command"]) == ("made by a test", "python")
    connection.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere:",), "nowhere"),
        (("lambda", "UPPER"), "UPPER"),
        (("http://example.com", "main", "token"), "http://"),
        (("local:x", "main", "token"), "token"),
    ],
)
def test_what_cannot_be_connected_to(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(sldb.ProgrammingError, match=message):
        sldb.connect(*arguments)
