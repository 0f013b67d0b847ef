"""Migrations by Alembic over a directory: its commands, with the file env.py of a program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations

ENV = """
from alembic import context
import sqlalchemy as sa

engine = sa.create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(connection, target_metadata=context.config.attributes["metadata"], render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""
TEMPLATE = """
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
from alembic import op
import sqlalchemy as sa
def upgrade():
    ${upgrades}
def downgrade():
    ${downgrades}
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+sldb:///main?target=local:{tmp_path}/db"


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def config(tmp_path: Path, url: str) -> Config:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "script.py.mako").write_text(TEMPLATE)
    config = Config()
    config.set_main_option("script_location", str(tmp_path))
    config.set_main_option("path_separator", "os")
    config.set_main_option("sqlalchemy.url", url)
    config.attributes["metadata"] = _metadata()
    return config


def _metadata(*columns: sa.Column[object]) -> sa.MetaData:
    metadata = sa.MetaData()
    sa.Table("author", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(50)))
    sa.Table(
        "book",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("author_id", sa.ForeignKey("author.id", name="of_author"), nullable=False),
        sa.Column("title", sa.String(50)),
        *columns,
        sa.Index("by_title", "title"),
    )
    return metadata


def _revise(config: Config, metadata: sa.MetaData, name: str) -> None:
    config.attributes["metadata"] = metadata
    command.revision(config, name, autogenerate=True, rev_id=name)


@pytest.mark.long
def test_revisions_are_generated_applied_and_taken_back(config: Config, engine: sa.Engine) -> None:
    _revise(config, _metadata(), "first")
    command.upgrade(config, "head")
    _fill(engine)
    _revise(config, _metadata(sa.Column("year", sa.Integer, nullable=False, server_default="1843")), "second")
    command.upgrade(config, "head")
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT * FROM book")).one() == (1, 1, "Notes", 1843)
    command.check(config)  # raises if the database is not as the program wants it
    command.downgrade(config, "first")
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT * FROM book")).one() == (1, 1, "Notes")
    command.downgrade(config, "base")
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]


def test_nothing_is_to_be_done_after_all_was_done(engine: sa.Engine) -> None:
    metadata = _metadata()
    metadata.create_all(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_batch_mode_makes_a_table_anew(engine: sa.Engine) -> None:
    _make(engine)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("book") as batch:
            batch.alter_column("title", new_column_name="name", type_=sa.Text(), nullable=False)
            batch.drop_constraint("of_author", type_="foreignkey")
            batch.create_check_constraint("named", "name <> ''")
    found = {column["name"]: column for column in sa.inspect(engine).get_columns("book")}
    assert (str(found["name"]["type"]), found["name"]["nullable"]) == ("TEXT", False)
    assert sa.inspect(engine).get_foreign_keys("book") == []
    with engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text("INSERT INTO book VALUES (2, 7, '')"))


def test_batch_mode_drops_a_table_that_others_refer_to_only_without_foreign_keys(engine: sa.Engine, url: str) -> None:
    """A new database enforces them, unlike SQLite's own connections: DROP TABLE deletes the rows first."""
    _make(engine)
    with pytest.raises(sa.exc.IntegrityError):
        _name_authors_longer(engine)
    without = sa.create_engine(f"{url}&foreign_keys=0")
    _name_authors_longer(without)
    without.dispose()
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT * FROM book JOIN author ON author_id = author.id")).one()
        assert connection.execute(sa.text("PRAGMA foreign_key_check")).all() == []
    with engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text("DELETE FROM author"))


def _make(engine: sa.Engine) -> None:
    _metadata().create_all(engine)
    _fill(engine)


def _fill(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO author VALUES (1, 'Ada')"))
        connection.execute(sa.text("INSERT INTO book VALUES (1, 1, 'Notes')"))


def _name_authors_longer(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("author") as batch:
            batch.alter_column("name", type_=sa.String(100))


def test_a_migration_that_fails_leaves_nothing(config: Config, engine: sa.Engine, tmp_path: Path) -> None:
    """DDL belongs to the transaction: the version and all tables are as before."""
    _revise(config, _metadata(), "first")
    [script] = (tmp_path / "versions").glob("*.py")
    script.write_text(script.read_text().replace("def downgrade", "    op.execute('no SQL')\ndef downgrade"))
    with pytest.raises(sa.exc.OperationalError, match="syntax error"):
        command.upgrade(config, "head")
    assert "book" not in sa.inspect(engine).get_table_names()
