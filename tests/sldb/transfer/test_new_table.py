"""The columns of tables that an import creates."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.transfer import new_table
from sldb.transfer.target_columns import Column
from tests.sldb.transfer.loading import load, rows

ID, PRICE = Column("Id", "INTEGER", is_generated=False), Column("price", "", is_generated=False)


def test_a_key_is_not_null_in_any_case_of_its_letters() -> None:
    create = new_table.create_statement("t", [ID, PRICE], ("id",))
    assert create == 'CREATE TABLE "t" ("Id" INTEGER NOT NULL, "price", PRIMARY KEY ("id"))'


def test_a_table_needs_columns_and_its_keys() -> None:
    with pytest.raises(SldbError, match="no columns to create a table t"):
        new_table.create_statement("t", [], ())
    with pytest.raises(SldbError, match="--upsert nope: there is no such column"):
        new_table.create_statement("t", [ID], ("nope",))


@pytest.mark.parametrize("batch_rows", [1, 50_000])
class TestTypes:
    def test_the_user_gives_them(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        (tmp_path / "t.csv").write_text("id,Price,n,zip\n1,1.10,5,01234\n2,2,7,5\n")
        types = (("price", "REAL"), ("n", "TEXT"), ("zip", "INTEGER"))
        done = load(client, tmp_path / "t.csv", types=types, batch_rows=batch_rows)
        assert rows(client, "SELECT * FROM t") == [(1, 1.1, "5", 1234), (2, 2.0, "7", 5)]
        assert done.notes == ()

    def test_an_empty_text_is_null_by_the_given_type(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        (tmp_path / "t.tsv").write_text("a\tb\n1.10\t\n\t2\n")
        load(client, tmp_path / "t.tsv", types=(("a", "REAL"), ("b", "TEXT")), batch_rows=batch_rows)
        assert rows(client, "SELECT * FROM t") == [(1.1, ""), (None, "2")]

    def test_digits_are_not_lost(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        (tmp_path / "t.csv").write_text("a\nx\n99999999999999999999\n5\n")
        with pytest.raises(SldbError, match=r"t.csv:3:1: a whole number of more than 64 bits would lose digits in t.a"):
            load(client, tmp_path / "t.csv", types=(("a", "INTEGER"),), batch_rows=batch_rows)
        done = load(client, tmp_path / "t.csv", types=(("a", "INTEGER"),), batch_rows=batch_rows, skip=True)
        assert (done.left_out.count, rows(client, "SELECT * FROM t")) == (1, [("x",), (5,)])

    def test_they_are_for_new_columns(self, client: Client, tmp_path: Path, batch_rows: int) -> None:
        (tmp_path / "t.csv").write_text("a\n1\n")
        with pytest.raises(SldbError, match="--type b=REAL: there is no such new column") as caught:
            load(client, tmp_path / "t.csv", types=(("b", "REAL"),), batch_rows=batch_rows)
        assert caught.value.hint == "the new columns are a"
        load(client, tmp_path / "t.csv")
        with pytest.raises(SldbError, match="--type a=REAL: there is no such new column") as caught:
            load(client, tmp_path / "t.csv", types=(("a", "REAL"),), batch_rows=batch_rows)
        assert caught.value.hint == "t exists, and keeps its own types"


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (["1.10", "5"], "a is text: 1.10 would become 1.1; --type a=REAL makes it numbers"),
        (["5", None, "12e45"], "a is text: 12e45 would become 1.2e+46; --type a=REAL makes it numbers"),
        (["+2.50", ".5", "5.", '""'], "a is text: +2.50 would become 2.5; --type a=REAL makes it numbers"),
        (["007", "5"], None),
        (["+5", "2.5"], None),
        (["00.5"], None),
        (["1", "1.0"], "a is text: 1 would become 1.0; --type a=REAL makes it numbers"),
        (["1.10", "x"], None),
        (["x", "1.10"], None),
        (["1.10", "99999999999999999999"], None),
        (["+99999999999999999999"], None),
        (["1e999"], None),
        (["1.5", "5"], None),
        ([None], None),
    ],
)
def test_numbers_that_became_text_are_noted(
    client: Client, tmp_path: Path, cells: list[str | None], note: str | None
) -> None:
    (tmp_path / "t.csv").write_text("".join(f"{cell or ''}\n" for cell in ["a", *cells]))
    assert load(client, tmp_path / "t.csv").notes == (() if note is None else (note,))
    assert load(client, tmp_path / "t.csv").notes == ()  # an existing table has its own types


def test_a_note_quotes_a_name_for_the_shell(client: Client, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("unit price,b\n1.10,x\n")
    [note] = load(client, tmp_path / "t.csv").notes
    assert note == "unit price is text: 1.10 would become 1.1; --type 'unit price=REAL' makes it numbers"


def test_a_type_is_read() -> None:
    assert new_table.parse_type("a=b=real") == ("a=b", "REAL")
    for wrong in ("a", "=REAL", "a=", "a=FLOAT"):
        with pytest.raises(SldbError, match="want NAME=TYPE"):
            new_table.parse_type(wrong)
