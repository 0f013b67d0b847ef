"""What `.describe` shows, over the engine itself."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.client import Client
from sldb.shell import description
from sldb.shell.commands.registry import obey
from sldb.shell.output import Output
from sldb.shell.reader import DotCommand, read
from sldb.shell.session import Session
from sldb.targets.local import LocalTarget
from tests.fakes.targets.counting_target import CountingTarget

SCHEMA = """
create table teams(id integer primary key, name text not null unique);
create table users(
  id integer primary key, first text not null default 'x', last text, -- the name
  full text generated always as (first || ' ' || last) stored, half int as (id / 2),
  status text not null check (status in ('new', 'gone')),
  team_id integer references teams on delete cascade, boss int references users(id), check (id > 0)) strict;
create table membership(team_id int, user_id int, primary key (team_id, user_id)) without rowid;
create table logins(team int, usr int, foreign key (team, usr) references membership on update set null);
create index users_last on users(last, first desc);
create unique index users_lower on users(lower(last)) where status <> 'gone';
create view active as select id, full from users;
create view broken as select * from nothing_there;
create virtual table docs using fts5(title);
create trigger users_ai after update of first on users when new.first <> '' begin select 1; end;
"""


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path_factory.mktemp("databases"))
    target.send(Request((Statement(SCHEMA),)))
    yield target
    target.close()


@pytest.fixture
def session(databases: LocalTarget) -> Session:
    return Session(Client(databases), Output(io.StringIO(), io.StringIO(), timing=False))


def command(session: Session, text: str) -> None:
    reading = read(text)
    assert isinstance(reading, DotCommand)
    obey(reading, session)


def shown(session: Session, text: str) -> str:
    command(session, text)
    assert isinstance(session.output.out, io.StringIO)
    return session.output.out.getvalue()


def test_all_of_a_table(session: Session) -> None:
    text = shown(session, r"\d Users")
    assert text.splitlines()[0] == "users: table, STRICT; no rows"
    assert text[text.index("Generated:") :].splitlines() == [
        "Generated:",
        "  full  first || ' ' || last (stored)",
        "  half  id / 2 (virtual)",
        "Indexes:",
        "  users_last           (last, first desc)",
        "  users_lower  unique  (lower(last)) where status <> 'gone'",
        "Checks:",
        "  status in ('new', 'gone')",
        "  id > 0",
        "Foreign keys:",
        "  (team_id)  → teams (id)  on delete cascade",
        "  (boss)     → users (id)",
        "Referred to by:",
        "  users (boss)  → (id)",
        "Triggers:",
        "  users_ai  after update of first on users when new.first <> ''",
    ]
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "membership",
            ["membership: table, WITHOUT ROWID\n", "primary key  (team_id, user_id)", "logins (team, usr)  →"],
        ),
        ("logins", ["(team, usr)  → membership (team_id, user_id)  on update set null"]),
        ("active", ["active: view\n", " full ", "Definition:\n  CREATE VIEW active as select id, full from users\n"]),
        ("broken", ["its columns are not known: no such table: main.nothing_there", "  CREATE VIEW broken"]),
        ("docs", ["docs: virtual table\n", "CREATE VIRTUAL TABLE docs using fts5(title)"]),
        ("sqlite_schema", ["rootpage"]),
        ("t*", ["teams: table\n"]),
        ("*in*", ["logins: table\n"]),
        ("*[st]", ["users: table, STRICT\n", "logins: table\n", "\n\nteams: table\n"]),
    ],
)
def test_what_a_name_or_pattern_shows(session: Session, name: str, parts: list[str]) -> None:
    text = shown(session, f".describe {name}")
    for part in parts:
        assert part in text


def test_an_unknown_name_suggests_others(session: Session) -> None:
    with pytest.raises(SldbError) as refused:
        shown(session, ".d uesrs")
    assert refused.value.code == "not_found"
    assert refused.value.hint.startswith("did you mean users?")


def test_programs_get_the_columns_alone(session: Session) -> None:
    session.output.format = "json"
    assert [row["column"] for row in json.loads(shown(session, r"\d teams"))] == ["id", "name"]
    session.output.out = io.StringIO()
    assert {row["table"] for row in json.loads(shown(session, r"\d *m*"))} >= {"teams", "membership"}


@pytest.mark.parametrize("format_name", ["markdown", "vertical"])
def test_other_formats_for_people_have_the_sections_as_results(session: Session, format_name: str) -> None:
    session.output.format = format_name
    text = shown(session, r"\d users")
    for part in ("users_lower", "id > 0", "→ teams (id)", "users_ai"):
        assert part in text


def test_it_is_one_request(databases: LocalTarget) -> None:
    counting = CountingTarget(databases)
    session = Session(Client(counting), Output(io.StringIO(), io.StringIO(), timing=False))
    shown(session, r"\d users")
    assert len(counting.requests) == 1


@pytest.mark.parametrize("kind", ["t", "r", "v", "f"])
def test_the_estimate_reads_no_table(kind: str) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(
        """create table t(a); create table r(rowid text); create view v as select a as rowid from t;
        create virtual table f using fts5(a);
        insert into t select value from (
            with recursive n(value) as (select 1 union all select value + 1 from n where value < 2000)
            select value from n
        );
        insert into r select a from t; insert into f select a from t"""
    )
    steps = iter(range(500))
    connection.set_progress_handler(lambda: next(steps, None) is None, 1)
    request = description.request(kind)
    last = request.statements[-1]
    found = connection.execute(last.query, {"name": kind}).fetchall()
    assert found == ([(2000,)] if kind == "t" else [])


def test_the_estimate_of_analyze(databases: LocalTarget, session: Session) -> None:
    session = Session(replace(session.client, database="analyzed"), session.output)
    session.execute(Request((Statement("SELECT 1"),))) if False else None
    databases.send(
        Request(
            (Statement("create table t(a); insert into t values (1), (2), (3); create index i on t(a)"),), "analyzed"
        )
    )
    assert shown(session, r"\d t").startswith("t: table; at most 3 rows (largest rowid)\n")
    databases.send(Request((Statement("analyze"),), "analyzed"))
    session.output.out = io.StringIO()
    assert shown(session, r"\d t").startswith("t: table; about 3 rows (ANALYZE)\n")
    session.output.out = io.StringIO()
    assert shown(session, r"\d ?").startswith("t: table; about 3 rows (ANALYZE)\n")


def test_the_file_of_once_has_all_of_it(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "users.txt"
    command(session, f".once {path}")
    command(session, r"\d users")
    assert "users_ai" in path.read_text("utf-8")
