"""Mistyped formats, targets, keys, profiles and databases: the errors suggest those that there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sldb.cli.in_process import Sldb, in_process


@pytest.fixture
def sldb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Sldb:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLDB_CONFIG", str(tmp_path / "config.toml"))
    run = in_process(capsys)
    assert run("query", "create table t(a)", "--local", "d").status == 0
    assert run("config", "set", "format", "csv", "--use", "dev").status == 0
    Path("rows.txt").write_text("a\n1\n")
    return run


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("--local", "d", "query", "select 1", "--format", "jsno"), "did you mean json or jsonl?"),
        (("--local", "d", "history", "--format", "cvs"), "did you mean csv?"),
        (("--local", "d", "query", "select 1", "--format", "JSON"), "did you mean json"),
        (("--local", "d", "export", "t", "--format", "prquet"), "did you mean parquet?"),
        (("--local", "d", "import", "rows.txt", "--input-format", "cvs"), "did you mean csv?"),
        (("--target", "locl:d", "query", "select 1"), "did you mean local:d?"),
        (("--target", "lamda", "query", "select 1"), "did you mean lambda?"),
        (("--target", "lamda:f", "query", "select 1"), "did you mean lambda:f?"),
        (("config", "set", "fromat", "json"), "did you mean format?"),
        (("config", "unset", "fromat"), "did you mean format?"),
        (("config", "set", "format", "jsno"), "did you mean json or jsonl?"),
        (("--use", "dve", "--local", "d", "query", "select 1"), "did you mean dev?"),
        (("completion", "bsh"), "'bash'"),
    ],
    ids=" ".join,
)
def test_a_mistyped_word_suggests_the_known_one(sldb: Sldb, words: tuple[str, ...], meant: str) -> None:
    done = sldb(*words)
    assert (done.status, done.out) == (2, "")
    assert meant in done.err


@pytest.mark.parametrize(
    "words",
    [
        ("query", "select 1"),
        ("history",),
        ("undo",),
        ("export", "t"),
        ("dump",),
        ("pull", "x.db"),
        ("restore", "--at", "1"),
        ("branch", "--as", "b"),
    ],
    ids=" ".join,
)
def test_a_mistyped_database_suggests_the_existing_one(sldb: Sldb, words: tuple[str, ...]) -> None:
    done = sldb(*words, "--database", "mian", "--local", "d")
    assert (done.status, done.out) == (1, "")
    assert "there is no database mian" in done.err
    assert "did you mean main? there is: main" in done.err


def test_a_mistyped_database_as_an_argument(sldb: Sldb) -> None:
    for words in (
        ("databases", "drop", "mian", "--yes"),
        ("databases", "rename", "mian", "x"),
        ("branch", "mian", "--as", "b"),
    ):
        done = sldb(*words, "--local", "d")
        assert (done.status, "did you mean main?" in done.err) == (1, True)


def test_the_names_are_suggested_once_below_a_group(sldb: Sldb) -> None:
    done = sldb("databases", "drop", "mai", "--yes", "--local", "d")
    assert (done.status, done.err.count("there is: main")) == (1, 1)
