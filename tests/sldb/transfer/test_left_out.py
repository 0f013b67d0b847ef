"""Rows that are left out: each is named with its place and reason, and goes into the file for rejects."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.targets.local import LocalTarget
from sldb.transfer import row_search
from tests.sldb.transfer.loading import load, rows, write

TABLE = """CREATE TABLE t (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INT CHECK (age < 200), mail TEXT UNIQUE)"""
GUARDS = (
    "CREATE TRIGGER no_bob BEFORE INSERT ON t WHEN NEW.name = 'Bob' BEGIN SELECT RAISE(ABORT, 'no Bobs'); END",
    "CREATE TRIGGER no_eve AFTER INSERT ON t WHEN NEW.name = 'Eve' BEGIN SELECT RAISE(FAIL, 'no Eves'); END",
    "CREATE TRIGGER no_mal BEFORE INSERT ON t WHEN NEW.name = 'Mal' BEGIN SELECT RAISE(ROLLBACK, 'no Mals'); END",
)


@pytest.mark.parametrize("batch_rows", [2, 50_000])
class TestReasons:
    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ("9,x,1", "4:6: 3 cells, and the header has 4"),
            ('9,"x"y,1,', "4:6: text after the closing quote of a cell"),
            ("x,Zoe,1,", "4: datatype mismatch"),
            ("9,,1,", "4:3: NOT NULL constraint failed: t.name"),
            ('9,"a,""b",300,', "4:12: CHECK constraint failed: age < 200"),
            ("1,Zoe,1,", "4:1: UNIQUE constraint failed: t.id"),
            ("9,Zoe,1,true", "4:9: UNIQUE constraint failed: t.mail"),
            ("9,Bob,1,", "4: no Bobs"),
            ("9,Eve,1,", "4: no Eves"),
            ("9,Mal,1,", "4: no Mals"),
            ("9,Zoe,1,[", "4: malformed JSON"),
        ],
    )
    def test_a_refused_row_is_named_and_may_be_left_out(
        self, client: Client, tmp_path: Path, batch_rows: int, row: str, reason: str
    ) -> None:
        write(client, TABLE[:-1] + ", doc AS (json(mail)) STORED)", *GUARDS)
        path = tmp_path / "t.csv"
        path.write_text(f"id,name,age,mail\n1,Ada,2,true\n2,Grace,3,\n{row}\n3,Edsger,4,false\n")
        with pytest.raises(SldbError) as caught:
            load(client, path, batch_rows=batch_rows)
        assert caught.value.message.startswith(f"{path}:{reason}") or "CHECK" in reason
        assert (caught.value.details["applied"], "--on-error skip" in caught.value.hint) == ("no", True)
        assert rows(client, "SELECT count(*) FROM t") == [(0,)]
        out = tmp_path / "rejects.csv"
        done = load(client, path, batch_rows=batch_rows, skip=True, rejects=str(out))
        assert (done.left_out.count, len(done.left_out.messages), done.changed) == (1, 1, 3)
        assert rows(client, "SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
        assert out.read_text() == f"id,name,age,mail\n{row}\n"

    def test_strict_types_are_reasons_too(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        write(client, "CREATE TABLE t (a INT, b TEXT) STRICT")
        path = tmp_path / "t.jsonl"
        path.write_text('{"a": 1}\n\n{"b": "x", "a": "y"}\n{"a": {"$blob": "AA=="}}\n{"a": 2.5}\n{"a": 3}\n')
        with pytest.raises(SldbError, match=r"t\.jsonl:3:1: cannot store TEXT value in INT column t\.a"):
            load(client, path, batch_rows=batch_rows)
        out = tmp_path / "rejects.jsonl"
        done = load(client, path, batch_rows=batch_rows, skip=True, rejects=str(out))
        assert [message.rpartition("t.jsonl:")[2] for message in done.left_out.messages] == [
            "3:1: cannot store TEXT value in INT column t.a",
            "4:1: cannot store BLOB value in INT column t.a",
            "5:1: cannot store REAL value in INT column t.a",
        ]
        assert out.read_text().splitlines() == path.read_text().splitlines()[2:5]
        assert rows(client, "SELECT a FROM t") == [(1,), (3,)]

    def test_foreign_keys_are_checked_at_the_end(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        write(
            client,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, of INT REFERENCES t, a TEXT, b, FOREIGN KEY (a, b) REFERENCES p)",
            "CREATE TABLE p (x TEXT, y, PRIMARY KEY (x, y))",
            "INSERT INTO p VALUES ('1', 'one')",
        )
        path = tmp_path / "t.csv"
        # 3 refers to a later row; 4 to none; 5 to 4; 7 to a missing pair.
        path.write_text("id,of,a,b\n1,,,\n3,6,,\n4,9,,\n5,4,,\n6,,1,one\n7,,1,two\n8,,2,\n")
        with pytest.raises(SldbError, match=r"t\.csv:4:3: FOREIGN KEY constraint failed: of is in no row of t"):
            load(client, path, batch_rows=batch_rows)
        out = tmp_path / "rejects.csv"
        done = load(client, path, batch_rows=batch_rows, skip=True, rejects=str(out))
        assert out.read_text() == "id,of,a,b\n4,9,,\n5,4,,\n7,,1,two\n"
        assert "t.csv:7:4: FOREIGN KEY constraint failed: a, b is in no row of p" in done.left_out.messages[2]
        assert rows(client, "SELECT id FROM t") == [(1,), (3,), (6,), (8,)]

    def test_an_empty_key_is_a_bad_row(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        path = tmp_path / "t.csv"
        for keys, column in ((("id",), "id"), (("name", "id"), "id")):
            write(client, "DROP TABLE IF EXISTS t")
            path.write_text("name,id\na,1\nb,\n,2\nc,3\n" if len(keys) == 1 else "name,id\na,1\nb,\nc,3\n")
            with pytest.raises(SldbError, match=rf"t\.csv:3:3: the key {column} is empty"):
                load(client, path, batch_rows=batch_rows, upsert=keys)
            for _ in range(2):
                done = load(client, path, batch_rows=batch_rows, upsert=keys, skip=True)
                assert done.left_out.count == 1
                assert rows(client, "SELECT id, name FROM t") == [(1, "a"), *[(2, None)] * (len(keys) == 1), (3, "c")]
            [(made,)] = rows(client, "SELECT sql FROM sqlite_schema WHERE name = 't'")
            assert str(made).count("NOT NULL") == len(keys)

    @pytest.mark.parametrize("kind", ["INTEGER PRIMARY KEY", "TEXT PRIMARY KEY", "INT UNIQUE", "UNIQUE", "TEXT UNIQUE"])
    def test_a_key_is_never_invented(self, client: Client, tmp_path: Path, batch_rows: int, kind: str) -> None:
        write(client, f"CREATE TABLE t (k {kind}, v)")
        texts = {
            "t.csv": "k,v\n1,a\n,b\n2,c\n",
            "t.tsv": "k\tv\n1\ta\n\\N\tb\n2\tc\n",
            "t.jsonl": '{"k": 1, "v": "a"}\n{"v": "b"}\n{"k": 2, "v": "c"}\n',
            "t.json": '[{"v": "b"}, {"k": null, "v": "b"}, {"k": 1, "v": "a"},\n{"k": 2, "v": "c"}]',
        }
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            write(client, "DELETE FROM t")
            for _ in range(2):
                done = load(client, tmp_path / name, batch_rows=batch_rows, upsert=("K",), skip=True, table="t")
                assert done.left_out.count == text.count('"b"') or 1
                assert rows(client, "SELECT v FROM t") == [("a",), ("c",)]

    def test_an_empty_cell_of_tsv_is_no_key_among_numbers(
        self, client: Client, tmp_path: Path, batch_rows: int
    ) -> None:
        path = tmp_path / "t.tsv"
        path.write_text("k\tv\n1\ta\n\tb\n2\tc\n")
        with pytest.raises(SldbError, match=r"t\.tsv:3:1: the key k is empty"):
            load(client, path, batch_rows=batch_rows, upsert=("k",))
        out = tmp_path / "rejects.tsv"
        for _ in range(2):
            done = load(client, path, batch_rows=batch_rows, upsert=("k",), skip=True, rejects=str(out))
            assert (done.left_out.count, done.left_out.file) == (1, str(out))
            assert rows(client, "SELECT * FROM t") == [(1, "a"), (2, "c")]
        assert out.read_text() == "k\tv\n\tb\n"

    def test_an_error_that_is_about_no_row_stays(self, client: Client, people: Path, batch_rows: int) -> None:
        write(
            client,
            "CREATE TABLE people (id, name, zip)",
            "CREATE TRIGGER broken AFTER INSERT ON people BEGIN INSERT INTO nowhere VALUES (1); END",
        )
        for skip in (False, True):
            with pytest.raises(SldbError, match=r"no such table: main\.nowhere"):
                load(client, people, batch_rows=batch_rows, skip=skip)

    def test_a_file_of_several_streams_is_of_one_table(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        for name, text in (("a.csv", "x\n1\n2\n"), ("b.csv", "x\n2\n3\n"), ("c.csv", "y\n1\n")):
            (tmp_path / name).write_text(text)
        write(client, "CREATE TABLE t (x UNIQUE, y)")
        files = [tmp_path / name for name in ("a.csv", "b.csv")]
        options: dict[str, Any] = {"batch_rows": batch_rows, "table": "t", "skip": True}
        with pytest.raises(SldbError, match="differ in table, columns or format"):
            load(client, *files, tmp_path / "c.csv", rejects=str(tmp_path / "out.csv"), **options)
        assert not (tmp_path / "out.csv").exists()
        done = load(client, *files, rejects=str(tmp_path / "out.csv"), **options)
        assert (done.changed, (tmp_path / "out.csv").read_text()) == (3, "x\n2\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'sep=;\r\n"n";"ä "\r\n1;ä\r\n;b\r\n"";"c;\r\nd"\r\n2;e\r\n5\r\n'),
        ("t.tsv", "n\tä\n1\tä\n\\N\tb\n\\N\tc\\td\\\\e\n2\te\n5\n"),
        ("t.json", '[{"n": 1, "ä": "ä"},\n {"n": null, "x": [1, 2]}, {"y": "\\u00e4"},\n {"n": 2}, 5]'),
        ("t.jsonl", '{"n": 1, "ä": "ä"}\n{"n": null, "x": [1, 2]}\n{"y": "\\u00e4"}\n{"n": 2}\noops\n'),
    ],
)
@pytest.mark.parametrize("is_file", [True, False])
def test_the_file_is_read_like_the_input(
    client: Client, tmp_path: Path, name: str, text: str, encoding: str, is_file: bool
) -> None:
    write(client, 'CREATE TABLE t (n NOT NULL, "ä " TEXT, ä, x, y)')
    path, out = tmp_path / name, tmp_path / f"rejects.{name.rpartition('.')[2]}"
    path.write_bytes(text.encode(encoding))
    options: dict[str, Any] = {"encoding": encoding, "format": name.rpartition(".")[2], "table": "t", "skip": True}
    done = load(client, path if is_file else "-", rejects=str(out), stdin=path.read_bytes(), **options)
    assert (done.rows, done.changed, done.left_out.count) == (4, 2 if "csv" not in name else 3, 3 - ("csv" in name))
    assert rows(client, "SELECT n FROM t WHERE n <> ''") == [(n,) for n in ((1, 2) if "json" in name else ("1", "2"))]
    again = load(client, out, rejects=str(tmp_path / "again"), **options)
    assert (again.changed, again.left_out.count) == (0, done.left_out.count)
    assert (tmp_path / "again").read_bytes() == out.read_bytes()


def test_rows_without_a_text_are_json_lines(client: Client, tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "t.sqlite"))
    connection.execute("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, x'00'), (2, 0.5), (1, 'é')")
    connection.close()
    write(client, "CREATE TABLE t (a UNIQUE, b)")
    out = tmp_path / "rejects.jsonl"
    done = load(client, tmp_path / "t.sqlite", skip=True, rejects=str(out))
    assert (done.left_out.messages, out.read_text()) == (
        (f"{tmp_path / 't.sqlite'} (t):3: UNIQUE constraint failed: t.a",),
        '{"a": 1, "b": "é"}\n',
    )


def test_an_import_that_fails_leaves_no_file(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n1\n")
    write(client, "CREATE TABLE t (a)")
    with pytest.raises(SldbError, match="has no column"):
        load(client, path, skip=True, rejects=str(tmp_path / "out.csv"))
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == ["t.csv"]


def test_a_row_that_is_too_large_is_left_out(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,x\n2,{'y' * 7_000_000}\n3,z\n")
    with pytest.raises(SldbError, match=r"t\.csv:3: the request has"):
        load(client, path)
    done = load(client, path, skip=True, rejects=str(tmp_path / "out.csv"))
    assert (done.left_out.count, rows(client, "SELECT * FROM t")) == (1, [(1, "x"), (3, "z")])
    assert (tmp_path / "out.csv").stat().st_size > 7_000_000


def test_many_refused_rows_take_few_requests(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "".join(f"{i % 3000}\n" for i in range(6000)))
    write(client, "CREATE TABLE t (a INTEGER PRIMARY KEY)")
    before = client.target.exchanges  # type: ignore[attr-defined]  # of LimitedTarget
    done = load(client, path, skip=True)
    assert (done.changed, done.left_out.count) == (3000, 3000)
    assert client.target.exchanges - before < 15  # type: ignore[attr-defined]


NAMES = st.sampled_from(["", "Ada", "Bob", "Eve", "Mal", "Zoe", "x"])
ROWS = st.lists(
    st.tuples(st.sampled_from(["", "1", "2", "3", "x", "4.5"]), NAMES, st.sampled_from(["", "5", "300"]), NAMES),
    max_size=14,
)


@settings(max_examples=10)
@given(cells=ROWS, batch_rows=st.sampled_from([3, 50_000]), parts=st.integers(2, 5), is_upsert=st.booleans())
def test_rows_are_left_out_as_by_inserting_them_one_by_one(
    tmp_path_factory: pytest.TempPathFactory,
    cells: list[tuple[str, ...]],
    batch_rows: int,
    parts: int,
    is_upsert: bool,
) -> None:
    tmp_path = tmp_path_factory.mktemp("rows")
    path = tmp_path / "t.csv"
    path.write_text("id,name,age,mail\n" + "".join(",".join(row) + "\n" for row in cells))
    expected, left_out = one_by_one([TABLE, *GUARDS], cells, is_upsert)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_search, "_MAX_PARTS", parts)
        patch.setattr(row_search, "_MIN_PARTS", 2)
        client = Client(LocalTarget(tmp_path / "db"))
        write(client, TABLE, *GUARDS)
        out = tmp_path / "out.csv"
        upsert = ("id",) if is_upsert else ()
        done = load(client, path, batch_rows=batch_rows, skip=True, rejects=str(out), upsert=upsert)
    assert rows(client, "SELECT * FROM t") == expected
    assert done.left_out.count == len(left_out)
    if left_out:
        assert out.read_text().splitlines()[1:] == [",".join(row) for row in left_out]
    client.close()


def one_by_one(
    statements: Sequence[str], cells: Sequence[tuple[str, ...]], is_upsert: bool
) -> tuple[list[Any], list[tuple[str, ...]]]:
    """Return the rows of the table and those refused, by SQLite alone."""
    connection = apsw.Connection(":memory:")
    for statement in statements:
        connection.execute(statement)
    action = " ON CONFLICT (id) DO UPDATE SET name = excluded.name, age = excluded.age, mail = excluded.mail"
    left_out = []
    for row in cells:
        try:
            if is_upsert and not row[0]:
                raise apsw.ConstraintError
            connection.execute("SAVEPOINT one")
            values = [cell or None for cell in row]
            connection.execute(f"INSERT INTO t VALUES (?, ?, ?, ?) {action if is_upsert else ''}", values)
            connection.execute("RELEASE one")
        except apsw.Error:
            left_out.append(row)
            if connection.in_transaction:
                connection.execute("ROLLBACK TO one; RELEASE one")
    return list(connection.execute("SELECT * FROM t")), left_out


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8"])
def test_bytes_that_are_no_text_cost_their_row(client: Client, tmp_path: Path, encoding: str) -> None:
    """`utf-8`: the option, for a file with the byte order mark of UTF-16."""
    written = "utf-16" if encoding == "utf-8" else encoding
    wrong = "a,b\n1,x\n2,?\n3,z\n".encode(written).replace(b"?\0", b"\0\xd8")
    (tmp_path / "t.csv").write_bytes(wrong)
    out = tmp_path / "out.csv"
    done = load(client, tmp_path / "t.csv", encoding=encoding, skip=True, rejects=str(out))
    assert done.left_out.messages == (f"{tmp_path}/t.csv:3:3: not text in its encoding; see --encoding",)
    assert rows(client, "SELECT a FROM t") == [(1,), (3,)]
    mended = out.read_bytes().decode(encoding, "replace").replace("\ufffd", "y")
    assert mended == "a,b\n2,y\n"
