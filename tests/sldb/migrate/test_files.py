"""Files in dbmate's format: what is read from them, and what is refused with its place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.migrate import files
from sldb.migrate.files import list_versions, parse, read_directory

PATH = Path("20260101000000_a.sql")
SAMPLE = "-- what it is for\n\n-- migrate:up\nCREATE TABLE t(a);\n\n-- migrate:down transaction:false\nDROP TABLE t;\n"


def test_two_blocks_with_their_places() -> None:
    migration = parse(PATH, SAMPLE)
    assert migration.version == "20260101000000"
    assert migration.up.sql == "CREATE TABLE t(a);\n\n"
    assert migration.down.sql == "DROP TABLE t;\n"
    assert (migration.up.transaction, migration.down.transaction) == (True, False)
    for block in (migration.up, migration.down):
        assert SAMPLE[block.begins :].startswith(block.sql)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "no line -- migrate:up"),
        ("CREATE TABLE t(a);", 1, "no line -- migrate:up"),
        ("-- migrate:up\nCREATE TABLE t(a);", 2, "no line -- migrate:down"),
        ("-- migrate:down\n\n-- migrate:up\n", 1, "down comes before"),
        ("-- migrate:up\n-- migrate:up\n-- migrate:down\n", 2, "a second line -- migrate:up"),
        ("-- a\n\n  SELECT 1;\n-- migrate:up\n-- migrate:down\n", 3, "SQL before -- migrate:up"),
        ("-- migrate:up transaktion:false\n-- migrate:down\n", 1, "no such option: transaktion:false"),
    ],
)
def test_what_is_no_migration_is_refused_with_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(SldbError, match=says) as caught:
        parse(PATH, text)
    assert caught.value.details["file"] == str(PATH)
    assert text.count("\n", 0, caught.value.details["offset"]) + 1 == line


def test_line_ends_and_byte_order_marks_of_windows(tmp_path: Path) -> None:
    path = tmp_path / PATH.name
    path.write_bytes(b"\xef\xbb\xbf" + SAMPLE.replace("\n", "\r\n").encode())
    migration = files.read(path)
    assert migration.up.sql == "CREATE TABLE t(a);\r\n\r\n"
    assert migration.sha256 == parse(PATH, SAMPLE).sha256
    path.write_bytes(b"-- migrate:up\n\xff\n-- migrate:down\n")
    with pytest.raises(SldbError, match=r"not UTF-8 text: .* at byte 14"):
        files.read(path)


def test_only_what_a_migration_does_counts_as_changed() -> None:
    as_it_was = parse(PATH, SAMPLE)
    assert parse(PATH, SAMPLE.replace("what it is for", "why")).sha256 == as_it_was.sha256
    assert parse(PATH, SAMPLE.replace("DROP TABLE t", "DROP TABLE IF EXISTS t")).sha256 == as_it_was.sha256
    assert parse(PATH, SAMPLE.replace("t(a)", "t(a, b)")).sha256 != as_it_was.sha256


@given(st.text(), st.text())
def test_blocks_are_the_text_between_the_directives(up: str, down: str) -> None:
    text = f"-- migrate:up\n{up}\n-- migrate:down\n{down}"
    try:
        migration = parse(PATH, text)
    except SldbError:
        assert "migrate:" in up + down
        return
    assert (migration.up.sql, migration.down.sql) == (up + "\n", down)


def test_a_directory_in_order_of_versions_without_what_is_none(tmp_path: Path) -> None:
    for name in ("2_b.sql", "10_a.sql", "README.md", "schema.sql", "2_b.sql~"):
        (tmp_path / name).write_text(SAMPLE)
    (tmp_path / "3_dir.sql").mkdir()
    assert [migration.name for migration in read_directory(tmp_path)] == ["10_a.sql", "2_b.sql"]  # text, as dbmate
    (tmp_path / "2_c.sql").write_text(SAMPLE)
    with pytest.raises(SldbError, match=r"2_b.sql and 2_c.sql have the same version, 2"):
        read_directory(tmp_path)
    with pytest.raises(SldbError, match="cannot be read"):
        read_directory(tmp_path / "none")


def test_new_files_are_migrations_and_never_overwrite(tmp_path: Path) -> None:
    path = files.create_file(tmp_path / "db" / "migrations", "create  users", 0.0)
    assert path.name == "19700101000000_create_users.sql"
    assert files.read(path).up.sql.strip() == ""
    with pytest.raises(SldbError, match="cannot be created"):
        files.create_file(tmp_path / "db" / "migrations", "create users", 0.0)
    for name in ("../x", "a/b", "", "a\nb;c"):
        with pytest.raises(SldbError, match="cannot name a migration"):
            files.create_file(tmp_path, name, 0.0)


def test_standings() -> None:
    one, two, three = (replace(parse(PATH, SAMPLE), version=version) for version in "123")
    applied = {"1": one.sha256, "3": "another", "0": None}
    found = [(each.version, each.state) for each in list_versions((one, two, three), applied)]
    assert found == [("0", "missing"), ("1", "applied"), ("2", "out_of_order"), ("3", "changed")]
    assert [each.state for each in list_versions((one, two), {"1": None})] == ["applied", "pending"]
