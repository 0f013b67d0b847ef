"""The command `sldb import`: its output and requirements, and kill -9 in the middle of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from tests.fakes.terminal.command import COMMAND, environment, sldb
from tests.fakes.waiting import wait_until

PEOPLE = "id,name,zip\n1,Ada,01234\n2,Grace,\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(PEOPLE)
    return tmp_path


def load(home: Path, *arguments: str, stdin: str | bytes = b"") -> subprocess.CompletedProcess[str]:
    return sldb(home, "--local", "db", "import", *arguments, stdin=stdin)


def rows(home: Path, sql: str) -> list[dict[str, object]]:
    done = sldb(home, "--local", "db", "query", sql, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_a_file_becomes_a_table(home: Path) -> None:
    done = load(home, "people.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("2 rows into people (new) · ")
    assert done.stderr.endswith(" · txid 1\n")
    assert rows(home, "SELECT * FROM people") == [
        {"id": 1, "name": "Ada", "zip": "01234"},
        {"id": 2, "name": "Grace", "zip": None},
    ]


def test_prices_are_text_unless_a_type_is_given(home: Path) -> None:
    (home / "p.csv").write_text("sku,price\nx,1.10\n")
    done = load(home, "p.csv")
    note = "price is text: 1.10 would become 1.1; --type price=REAL makes it numbers"
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, note)
    done = load(home, "p.csv", "--table", "q", "--type", "price=real")
    assert (done.returncode, done.stderr.startswith("1 row into q (new)")) == (0, True)
    assert rows(home, "SELECT price FROM q") == [{"price": 1.1}]
    assert load(home, "p.csv", "--table", "r", "--type", "price=MONEY").returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ("-", "-", "--table", "t"),
        ("people.csv", "--table", ""),
        ("people.csv", "--upsert", ","),
        ("people.csv", "--delimiter", ""),
        ("people.csv", "--delimiter", '"'),
        ("people.csv", "--rejects", "-"),
        ("people.csv", "--encoding", "hex"),
    ],
)
def test_options_without_a_meaning_are_usage_errors(home: Path, words: tuple[str, ...]) -> None:
    done = load(home, *words, stdin=PEOPLE)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_a_backslash_and_t_are_a_tab(home: Path) -> None:
    (home / "t.txt").write_text("a,b\tc\n1\t2\n")
    assert load(home, "t.txt", "--input-format", "csv", "--delimiter", "\\t").returncode == 0
    assert rows(home, "SELECT * FROM t") == [{"a,b": 1, "c": 2}]


def test_standard_input_needs_a_table(home: Path) -> None:
    done = load(home, "-", stdin=PEOPLE)
    assert done.returncode == 2
    assert "give --table NAME" in done.stderr
    assert load(home, "-", "--table", "t", stdin=PEOPLE).returncode == 0
    assert rows(home, "SELECT count(*) AS n FROM t") == [{"n": 2}]


def test_a_bad_row_stops_it_or_is_left_out(home: Path) -> None:
    (home / "people.csv").write_text(PEOPLE + "3\n4,Edsger,1,2\n")
    done = load(home, "people.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: people.csv:4:2: 1 cells, and the header has 3; nothing was applied [bad_request]" in done.stderr
    assert "--on-error skip" in done.stderr
    done = load(home, "people.csv", "--on-error", "skip")
    assert done.returncode == 4
    assert "left out: people.csv:4:2: 1 cells" in done.stderr
    assert "left out: people.csv:5:12: 4 cells" in done.stderr
    assert "2 rows into people (new)" in done.stderr


def test_rows_that_are_refused_are_named_and_can_be_mended(home: Path) -> None:
    assert load(home, "people.csv", "--upsert", "id").returncode == 0
    (home / "people.csv").write_text(PEOPLE + "3,Edsger,\n4,Barbara\n")
    refused = load(home, "people.csv", "--on-error", "stop")
    assert (refused.returncode, "error: people.csv:5:10: 2 cells" in refused.stderr) == (2, True)
    (home / "people.csv").write_text(PEOPLE + "3,Edsger,\n")
    refused = load(home, "people.csv")
    said = "error: people.csv:2:1: UNIQUE constraint failed: people.id; nothing was applied [constraint]\n"
    assert (refused.returncode, refused.stderr.startswith(said)) == (1, True)
    assert "hint: --upsert KEY updates existing rows · --on-error skip leaves such rows out" in refused.stderr
    done = load(home, "people.csv", "--rejects", "out.csv")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.splitlines()[:2] == [
        "left out: people.csv:2:1: UNIQUE constraint failed: people.id",
        "left out: people.csv:3:1: UNIQUE constraint failed: people.id",
    ]
    assert "1 row into people · 2 left out, and written to out.csv · " in done.stderr
    (home / "out.csv").write_text((home / "out.csv").read_text().replace("1,Ada", "5,Ada").replace("2,Gr", "6,Gr"))
    done = load(home, "out.csv", "--table", "people", "--rejects", "again.csv")
    assert (done.returncode, (home / "again.csv").exists()) == (0, False)
    assert rows(home, "SELECT group_concat(id) AS ids FROM people") == [{"ids": "1,2,3,5,6"}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("people.csv", "--create", "--replace"), "exclude each other"),
        (("people.csv", "--input-format", "xml"), "no format to import: xml"),
        (("people.csv", "--encoding", "utf-99"), "no such encoding: utf-99"),
        (("people.csv", "--batch", "0"), "0 is not in the range"),
        ((), "Missing argument"),
        (("people.csv", "--rejects", "./people.csv"), "it is one of the files to read"),
        (("people.csv", "--rejects", "nowhere/out.csv"), "there is no such directory"),
        (("people.csv", "--rejects", "out.csv", "--on-error", "stop"), "--on-error stop leaves no rows out"),
        (("nowhere.csv",), "nowhere.csv cannot be read: No such file or directory"),
    ],
)
def test_usage(home: Path, arguments: tuple[str, ...], message: str) -> None:
    done = load(home, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr


@pytest.mark.parametrize("format_name", ["csv", "tsv", "json", "jsonl", "parquet", "sqlite"])
def test_what_is_exported_is_imported(home: Path, format_name: str) -> None:
    values = "(1, 'é', 0.1, '007'), (9007199254740993, '', -1e300, NULL), (NULL, 'a\n\"b\",\t\\', NULL, 'x')"
    made = f"CREATE TABLE t (i INTEGER, s TEXT, r REAL, z TEXT); INSERT INTO t VALUES {values}"
    assert sldb(home, "--local", "db", "query", made).returncode == 0
    out = f"t.{format_name}"
    assert sldb(home, "--local", "db", "export", "t", "-o", out).returncode == 0
    done = load(home, out, "--database", "copy", "--create")
    assert done.returncode == 0, done.stderr
    for sql in ("SELECT * FROM t", "SELECT typeof(i), typeof(s), typeof(r), typeof(z) FROM t"):
        there = sldb(home, "--local", "db", "--database", "copy", "query", sql, "--format", "json").stdout
        assert json.loads(there) == rows(home, sql)


def pieces(home: Path) -> int:
    """The newest transaction of the database that takes the pieces."""
    files = (path for path in (home / "db").glob("*/0000/*.ltx") if path.parts[-3] != "main")
    return max((int(path.stem.split("-")[1], 16) for path in files), default=0)


def is_copying(home: Path) -> bool:
    return any(holder.database == "main" for holder in FileLock(home / "db", Host()).holders())


def test_killed_in_the_middle_it_goes_on(home: Path) -> None:
    """kill -9 after the first piece, after half of them, and in the transaction that copies them all."""
    count = 60_000
    (home / "big.csv").write_text("i,x\n" + "".join(f"{i},{'x' * 20}\n" for i in range(count)))
    command = [*COMMAND, "--local", "db", "import", "big.csv", "--create", "--batch", "1000"]
    kills, is_done = 0, False
    moments = iter([lambda: pieces(home) >= 1, lambda: pieces(home) >= 30, lambda: is_copying(home)])
    while not is_done:
        moment = next(moments, lambda: False)
        process = subprocess.Popen(
            command, cwd=home, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        wait_until(lambda now=moment, it=process: now() or it.poll() is not None, "the moment, or the end")
        process.kill()
        _, said = process.communicate()
        # Killed when all was done, but before it could say so: the next run is told by --create.
        is_done = process.returncode == 0 or b"table big already exists" in said
        assert is_done or process.returncode == -9, said
        kills += not is_done
    assert kills > 1
    assert rows(home, "SELECT count(*) AS n, count(DISTINCT i) AS d, sum(i) AS s FROM big") == [
        {"n": count, "d": count, "s": count * (count - 1) // 2}
    ]
    left = sldb(home, "--local", "db", "databases", "--format", "json").stdout
    assert [entry["name"] for entry in json.loads(left)] == ["main"]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
def test_pieces_go_into_a_database_of_any_text_encoding(home: Path, encoding: str) -> None:
    made = f"PRAGMA encoding = '{encoding}'; CREATE TABLE t (a, b)"
    assert sldb(home, "--local", "db", "query", made).returncode == 0
    (home / "t.csv").write_text("a,b\n1,é\n2,日本\n3,\n", "utf-8")
    done = load(home, "t.csv", "--batch", "1")
    assert done.returncode == 0, done.stderr
    assert rows(home, "SELECT b FROM t ORDER BY a") == [{"b": "é"}, {"b": "日本"}, {"b": None}]
