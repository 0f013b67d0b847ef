"""Each kind of value through each way to a database and back: docs/python.md, "Values"."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

import sldb
from sldb.cli.main import run as run_command
from tests.fakes.aws.emulated import emulated_aws, wheels_of
from tests.fakes.local_http import served
from tests.sldb.dbapi.test_adapting import KINDS

LONG = [pytest.mark.long, pytest.mark.network, pytest.mark.timeout(300)]

COLUMNS: dict[str, tuple[Any, list[Any]]] = {  # of SQLAlchemy: its type, and values
    "day": (sa.Date(), [date.min, date(2026, 11, 27)]),
    "hour": (sa.Time(), [time(1, 2, 3, 4), time.max]),
    "moment": (sa.DateTime(), [datetime.fromisoformat(text) for text in ("2026-11-27 01:02:03.000004", "9999-12-31")]),
    "exact": (sa.Numeric(12, 2), [Decimal("1.10"), Decimal("-9999999999.99")]),
    "number": (sa.Float(), [math.inf, -math.inf, 5e-324, 0.1]),
    "whole": (sa.BigInteger(), [2**63 - 1, -(2**63)]),
    "yes": (sa.Boolean(), [True, False]),
    "tree": (sa.JSON(), [{"a": [1, None, "ä"]}, [], "text"]),
    "id": (sa.Uuid(), [uuid.UUID(int=1), uuid.UUID(int=2**128 - 1)]),
    "body": (sa.LargeBinary(), [b"", bytes(range(256))]),
    "text": (sa.Text(), ["", "ä\N{GRINNING FACE}\0 b"]),
}


@pytest.fixture(scope="module", params=["local", "https", pytest.param("lambda", marks=LONG)])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "local":
        yield f"local:{tmp_path_factory.mktemp('databases')}"
    elif request.param == "https":
        with served(tmp_path_factory.mktemp("served")) as server:
            yield server.url
    else:
        with emulated_aws(wheels=wheels_of(request.config)):
            assert run_command(["deploy", "--yes"]) == 0
            yield "lambda"


def same(found: Any, wanted: Any) -> bool:
    """With its type, and the sign of a zero."""
    if isinstance(wanted, float) and isinstance(found, float):
        return found == wanted and math.copysign(1, found) == math.copysign(1, wanted)
    return type(found) is type(wanted) and found == wanted


def test_parameters_and_results(target: str) -> None:
    values = [value for value, _ in KINDS]
    with closing(sldb.connect(target, "kinds", create=True)) as connection:
        connection.execute("CREATE TABLE v (i INTEGER PRIMARY KEY, value)")
        with connection:
            connection.executemany("INSERT INTO v (value) VALUES (?)", [(value,) for value in values])
            inside = connection.execute("SELECT value FROM v ORDER BY i").fetchall()
        outside = connection.execute("SELECT value FROM v ORDER BY i").fetchall()
        named = [connection.execute("SELECT :value", {"value": value}).fetchone() for value in values]
        alike = [
            connection.execute("SELECT value IS ? FROM v WHERE i = ?", (value, number)).fetchone()
            for number, value in enumerate(values, 1)
        ]
    for number, (value, stored) in enumerate(KINDS):
        for rows in (inside, outside, named):
            assert same(rows[number][0], stored), value
    assert set(alike) == {(1,)}


def test_columns_of_sqlalchemy(target: str) -> None:
    table = sa.Table("kinds", sa.MetaData(), *(sa.Column(name, kind) for name, (kind, _) in COLUMNS.items()))
    count = max(len(values) for _, values in COLUMNS.values())
    rows = [
        {name: dict(enumerate(values)).get(number) for name, (_, values) in COLUMNS.items()} for number in range(count)
    ]
    engine = sa.create_engine(
        sa.URL.create("sqlite+sldb", database="columns", query={"target": target, "create": "true"})
    )
    with engine.begin() as transaction:
        table.create(transaction)
        transaction.execute(sa.insert(table), rows)
    with engine.connect() as connection:
        found = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
        for name, (_, values) in COLUMNS.items():
            if name != "tree":  # is compared as text
                for value in values:
                    assert connection.scalar(sa.select(sa.func.count()).where(table.c[name] == value)) == 1, value
    engine.dispose()
    assert found == rows
