"""The columns of tables that an import creates."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import SldbError
from sldb.transfer import new_table
from sldb.transfer.target_columns import Column

ID, PRICE = Column("Id", "INTEGER", is_generated=False), Column("price", "", is_generated=False)


def test_a_key_is_not_null_in_any_case_of_its_letters() -> None:
    create = new_table.create_statement("t", [ID, PRICE], ("id",))
    assert create == 'CREATE TABLE "t" ("Id" INTEGER NOT NULL, "price", PRIMARY KEY ("id"))'


def test_a_table_needs_columns_and_its_keys() -> None:
    with pytest.raises(SldbError, match="no columns to create a table t"):
        new_table.create_statement("t", [], ())
    with pytest.raises(SldbError, match="--upsert nope: there is no such column"):
        new_table.create_statement("t", [ID], ("nope",))
