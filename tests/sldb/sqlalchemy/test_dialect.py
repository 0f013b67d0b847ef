"""The dialect of SQLAlchemy over a directory: its URL, transactions, reflection, types and the ORM."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.engine import make_url

import sldb
from sldb.sqlalchemy import SldbDialect


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite+sldb:///main?target=local:{tmp_path}/db")
    yield engine
    engine.dispose()


class Base(orm.DeclarativeBase):
    pass


class Colour(enum.Enum):
    RED = 1
    GREEN = 2


class Author(Base):
    __tablename__ = "author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(50), unique=True)
    books: orm.Mapped[list[Book]] = orm.relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "book"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    title: orm.Mapped[str]
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("author.id"))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


def test_the_url_has_the_arguments_of_connect() -> None:
    dialect = SldbDialect()
    url = make_url("sqlite+sldb:///orders?target=https://db.example.com&create=true&timeout=2.5&foreign_keys=0")
    assert dialect.create_connect_args(url) == (
        [],
        {
            "database": "orders",
            "target": "https://db.example.com",
            "create": True,
            "timeout": 2.5,
            "foreign_keys": False,
        },
    )
    assert dialect.create_connect_args(make_url("sqlite+sldb://")) == ([], {})


@pytest.mark.parametrize(
    "url", ["sqlite+sldb://host/main", "sqlite+sldb:///main?token=x", "sqlite+sldb:///main?mode=memory"]
)
def test_what_a_url_cannot_have(url: str) -> None:
    with pytest.raises(sa.exc.ArgumentError, match="want"):
        SldbDialect().create_connect_args(make_url(url))


def test_the_orm(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add(Author(name="Ada", books=[Book(title="Notes"), Book(title="Letters")]))
        session.add_all(Author(name=f"author {number}") for number in range(50))
        session.commit()
    with orm.Session(engine) as session:
        ada = session.scalars(sa.select(Author).where(Author.name == "Ada")).one()
        assert [book.title for book in ada.books] == ["Notes", "Letters"]
        session.delete(ada.books[0])
        session.commit()
    with orm.Session(engine) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Book)) == 1
        session.add(Author(name="Ada"))
        with pytest.raises(sa.exc.IntegrityError) as caught:
            session.flush()
        assert isinstance(caught.value.orig, sldb.IntegrityError)
        session.rollback()
        with session.begin_nested():
            session.add(Author(name="Grace"))
        session.commit()
        assert session.scalar(sa.select(sa.func.count()).select_from(Author)) == 52


def test_conflicts_may_be_tried_again(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    with orm.Session(engine) as one, orm.Session(engine) as other:
        assert one.scalar(sa.select(sa.func.count()).select_from(Author)) == 0
        other.add(Author(name="Ada"))
        other.commit()
        one.add(Author(name="Grace"))
        with pytest.raises(sa.exc.OperationalError) as caught:
            one.commit()
    assert isinstance(caught.value.orig, sldb.OperationalError)
    assert caught.value.orig.retryable


def test_reflection(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE INDEX by_title ON book (title DESC)"))
        connection.execute(sa.text("CREATE VIEW titles AS SELECT title FROM book"))
    found = sa.inspect(engine)
    assert (found.get_table_names(), found.get_view_names()) == (["author", "book"], ["titles"])
    assert [column["name"] for column in found.get_columns("author")] == ["id", "name"]
    assert [key["referred_table"] for key in found.get_foreign_keys("book")] == ["author"]
    assert [index["name"] for index in found.get_indexes("book")] == ["by_title"]
    metadata = sa.MetaData()
    metadata.reflect(engine)
    assert sorted(metadata.tables) == ["author", "book"]


def test_types(engine: sa.Engine) -> None:
    values: dict[str, tuple[Any, Any]] = {
        "a": (sa.Integer, 2**63 - 1),
        "b": (sa.Boolean, True),
        "c": (sa.Float, 1.5),
        "d": (sa.Numeric(10, 2), decimal.Decimal("1.10")),
        "e": (sa.String, "ä"),
        "f": (sa.LargeBinary, b"\0\xff"),
        "g": (sa.Date, datetime.date(2026, 11, 27)),
        "h": (sa.Time, datetime.time(1, 2, 3, 4)),
        "i": (sa.DateTime, datetime.datetime.fromisoformat("2026-11-27 01:02:03.000004")),
        "j": (sa.JSON, {"a": [1, None, "ä"]}),
        "k": (sa.Uuid, uuid.UUID(int=7)),
        "m": (sa.Enum(Colour), Colour.GREEN),
        "n": (sa.Interval, datetime.timedelta(days=1, seconds=2)),
    }
    table = sa.Table("t", sa.MetaData(), *(sa.Column(name, kind) for name, (kind, _) in values.items()))
    table.create(engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), {name: value for name, (_, value) in values.items()})
        connection.execute(table.insert(), dict.fromkeys(values))
    with engine.connect() as connection:
        full, empty = connection.execute(table.select())
    assert full._asdict() == {name: value for name, (_, value) in values.items()}
    assert set(empty) == {None}


def test_autocommit(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.insert(Author).values(name="Ada"))
    with engine.connect() as connection:
        assert connection.get_isolation_level() == "SERIALIZABLE"
        assert connection.scalar(sa.select(sa.func.count()).select_from(Author)) == 1


def test_ddl_is_rolled_back(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        Base.metadata.create_all(connection)
        connection.rollback()
    assert sa.inspect(engine).get_table_names() == []


def test_many_rows_are_few_requests(engine: sa.Engine) -> None:
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(Author), [{"name": f"author {number}"} for number in range(2000)])
    with engine.connect() as connection:
        raw: Any = connection.connection.dbapi_connection
        assert connection.scalar(sa.text("SELECT count(*) FROM author")) == 2000
        assert raw.history(limit=10)[0]["txid"] == 2, "one for the tables, one for the rows"
