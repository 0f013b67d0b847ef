"""Session and dot commands without a terminal, against SQLite in memory."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb import file_formats
from sldb.client import Client
from sldb.render import Screen
from sldb.shell.commands import habits, run
from sldb.shell.commands.command import Command
from sldb.shell.commands.registry import COMMANDS, find, obey
from sldb.shell.output import Output
from sldb.shell.parameters import NotAnswered
from sldb.shell.reader import DotCommand, read
from sldb.shell.saved_queries import SavedQueries
from sldb.shell.script import submissions
from sldb.shell.session import Session
from sldb.shell.submission import submit
from sldb.transfer.files import compression
from tests.fakes.targets.sqlite_target import SqliteTarget

SCHEMA = """create table users(id integer primary key, name text not null default 'x');
create index by_name on users(name); create view v as select * from users; create table _sldb_requests(id);"""


@pytest.fixture
def target() -> SqliteTarget:
    target = SqliteTarget()
    target.connection.executescript(SCHEMA)
    return target


@pytest.fixture
def session(target: SqliteTarget, tmp_path: Path) -> Session:
    output = Output(io.StringIO(), io.StringIO(), format="json", timing=False)
    return Session(Client(target), output, queries=SavedQueries(tmp_path / "queries.json"))


def command(session: Session, text: str) -> bool:
    reading = read(text)
    assert isinstance(reading, DotCommand)
    return obey(reading, session)


def data(session: Session) -> list[dict[str, object]]:
    assert isinstance(session.output.out, io.StringIO)
    found = json.loads(session.output.out.getvalue())
    session.output.out.seek(0)
    session.output.out.truncate()
    return list(found)


def printed(session: Session) -> str:
    assert isinstance(session.output.out, io.StringIO)
    return session.output.out.getvalue()


def said(session: Session) -> str:
    assert isinstance(session.output.err, io.StringIO)
    return session.output.err.getvalue()


@pytest.mark.parametrize("spelling", [".tables", r"\dt", r"\d", ".TABLES;"])
def test_tables_without_ours(session: Session, spelling: str) -> None:
    command(session, spelling)
    assert data(session) == [{"name": "users", "type": "table"}, {"name": "v", "type": "view"}]


def test_tables_like(session: Session) -> None:
    command(session, ".tables u%")
    assert [row["name"] for row in data(session)] == ["users"]


@pytest.mark.parametrize("spelling", [".indexes", r"\di", ".indexes USERS"])
def test_indexes(session: Session, spelling: str) -> None:
    command(session, spelling)
    assert data(session) == [{"name": "by_name", "table": "users"}]


@pytest.mark.parametrize("spelling", [".schema users", r"\d+ Users"])
def test_schema_is_sql_to_people(session: Session, spelling: str) -> None:
    session.output.format = "table"
    command(session, spelling)
    assert isinstance(session.output.out, io.StringIO)
    assert session.output.out.getvalue() == (
        "CREATE TABLE users(id integer primary key, name text not null default 'x');\n"
        "CREATE INDEX by_name on users(name);\n"
    )


def test_schema_of_all_leaves_ours_out(session: Session) -> None:
    command(session, ".schema")
    assert [row["name"] for row in data(session)] == ["users", "by_name", "v"]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (".tabels", "did you mean .tables?"),
        (".TABELS", "did you mean .tables?"),
        (r"\tabels", "did you mean .tables?"),
        (".help shema", "did you mean .schema or "),
        (".xyzzy", ".help lists the commands"),
        (".mode cvs", "did you mean csv?"),
        (".schema user", "did you mean users?"),
    ],
)
def test_a_mistyped_word_is_told_from_what_it_may_mean(session: Session, text: str, hint: str) -> None:
    with pytest.raises(SldbError) as refused:
        command(session, text)
    assert refused.value.hint.startswith(hint)


def test_describe(session: Session) -> None:
    command(session, r"\d users")
    columns = data(session)
    assert [row["column"] for row in columns] == ["id", "name"]
    name = {"column": "name", "type": "TEXT", "null": "not null", "default": "'x'", "primary key": "", "generated": ""}
    assert columns[1] == name
    session.output.format = "table"
    command(session, r".describe users")
    assert isinstance(session.output.out, io.StringIO)
    assert "by_name" in session.output.out.getvalue()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (".nope", "bad_request"),
        (".schema nope", "not_found"),
        (r"\d nope", "not_found"),
        (".tables a b", "bad_request"),
        (".read", "bad_request"),
        (".mode xml", "bad_request"),
        (".timing maybe", "bad_request"),
        (".max_rows x", "bad_request"),
        (".read /no/such/file", "bad_request"),
        (".output /no/such/directory/file", "bad_request"),
    ],
)
def test_refusals(session: Session, text: str, code: str) -> None:
    with pytest.raises(SldbError) as caught:
        command(session, text)
    assert caught.value.code == code


@pytest.mark.parametrize("listed", COMMANDS, ids=lambda listed: listed.usage)
def test_every_command_tells_of_itself(session: Session, listed: Command) -> None:
    for name in listed.names:
        command(session, f".help {name}")
    lines = printed(session).splitlines()
    assert lines[0].startswith(f"{listed.usage}: {listed.meaning}")
    assert max(map(len, lines)) < 100


@pytest.mark.parametrize("asked", [".help", ".help BEGIN"])
def test_help_fits_a_terminal(session: Session, asked: str) -> None:
    command(session, asked)
    assert len(printed(session).splitlines()) > 5
    assert max(map(len, printed(session).splitlines())) < 80


def test_the_documentation_lists_the_same_commands() -> None:
    page = (Path(__file__).parents[3] / "docs" / "shell.md").read_text("utf-8").replace("\\|", "|")
    listed = [line for line in page.splitlines() if line.startswith("| `.")]
    wanted = [f"| `{c.usage}` | {f'`{c.other}`' if c.other else ''} | {c.meaning} |" for c in COMMANDS]
    assert listed == wanted


def test_no_two_commands_have_the_same_name() -> None:
    names = [name for listed in COMMANDS for name in listed.names]
    assert len(names) == len(set(names))


def test_x_turns_and_turns_back(session: Session) -> None:
    command(session, r"\x")
    assert session.output.format == "vertical"
    command(session, r"\x")
    assert session.output.format == "json"


def test_database_goes_elsewhere(session: Session, target: SqliteTarget) -> None:
    command(session, r"\c other")
    submit(session, "select 1")
    assert target.requests[-1].database == "other"


def test_timing_tells_rows_time_and_version(session: Session) -> None:
    session.output.timing = True
    submit(session, "insert into users values (1, 'a');")
    assert said(session).startswith("1 row changed · ")
    assert said(session).endswith(" ms · txid 1 · warm · 1 store request\n")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", "a\n1\n"),
        ("x.JSONL", '{"a": 1}\n'),
        ("x.md", "| a |\n| ---: |\n| 1 |\n"),
        ("x.txt", " a\n───\n 1\n"),
        ("x", '[\n{"a": 1}\n]\n'),  # the mode of the session
        ("x.csv.gz", "a\n1\n"),
        ("x.sql.zst", 'INSERT INTO "table"("a") VALUES(1);\n'),
    ],
)
@pytest.mark.parametrize("name_of_command", [".once", ".output"])
def test_the_ending_of_a_file_chooses_the_format(
    session: Session, tmp_path: Path, name_of_command: str, name: str, content: str
) -> None:
    command(session, f"{name_of_command} {tmp_path / name}")
    submit(session, "select 1 as a")
    command(session, ".output")
    with (tmp_path / name).open("rb") as raw:
        reader = compression.reader(raw, file_formats.split_compression(name)[1])
        assert reader.read().decode() == content
    submit(session, "select 2 as b")
    assert data(session) == [{"b": 2}]


def test_an_unknown_ending_needs_a_mode(session: Session, tmp_path: Path) -> None:
    for name in (".once", ".output"):
        with pytest.raises(SldbError, match=r"no format is known for .*xlsx") as caught:
            command(session, f"{name} {tmp_path}/x.xlsx")
        assert ".mode" in caught.value.hint
        with pytest.raises(SldbError, match=r"x\.db is named like a file in the format sqlite"):
            command(session, f"{name} {tmp_path}/x.db")
    submit(session, "select 1 as a")
    assert data(session) == [{"a": 1}]
    command(session, ".mode csv")
    for name in ("x.xlsx", "x.txt"):
        command(session, f".once {tmp_path}/{name}")
        submit(session, "select 1 as a")
        assert (tmp_path / name).read_text() == "a\n1\n"
    assert list(tmp_path.glob("x.db")) == []


def test_a_mode_that_is_chosen_meanwhile_holds_for_the_file_and_afterwards(session: Session, tmp_path: Path) -> None:
    command(session, f".output {tmp_path}/x.csv")
    submit(session, "select 1 as a")
    command(session, ".mode jsonl")
    submit(session, "select 2 as a")
    submit(session, "select 3 as a", is_vertical=True)
    command(session, ".output")
    assert (tmp_path / "x.csv").read_text() == 'a\n1\n{"a": 2}\n── row 1 ────\na │ 3\n'
    assert session.output.format == "jsonl"


def test_one_vertical_result_in_a_file(session: Session, tmp_path: Path) -> None:
    command(session, f".once {tmp_path}/x.csv")
    submit(session, "select 1 as a", is_vertical=True)
    assert (tmp_path / "x.csv").read_text() == "── row 1 ────\na │ 1\n"
    submit(session, "select 2 as a")
    assert data(session) == [{"a": 2}]


def test_parquet_holds_the_next_result(session: Session, tmp_path: Path) -> None:
    command(session, f".once {tmp_path}/x.parquet")
    submit(session, "select 1 as a, 'b' as b")
    assert (tmp_path / "x.parquet").read_bytes()[:4] == b"PAR1"
    with pytest.raises(SldbError, match="parquet"):
        command(session, f".output {tmp_path}/y.parquet")


def test_an_escape_in_a_schema_does_nothing_to_a_screen(session: Session) -> None:
    submit(session, "create table evil(a default '\x1b[31m');")
    session.output.screen = Screen(80, color=False, max_rows=10)
    session.output.format = "table"
    command(session, ".schema evil")
    assert isinstance(session.output.out, io.StringIO)
    assert "\x1b" not in session.output.out.getvalue()


def test_a_statement_can_be_printed_vertically_once(session: Session) -> None:
    session.output.format = "csv"
    submit(session, "select 1 as a", is_vertical=True)
    submit(session, "select 2 as b")
    assert printed(session).endswith("b\n2\n")
    assert "a │ 1" in printed(session)
    with pytest.raises(SldbError):
        submit(session, "nope", is_vertical=True)
    assert session.output.format == "csv"


# Files for results


def test_a_mode_that_is_set_stays_after_the_file(session: Session, tmp_path: Path) -> None:
    command(session, f".output {tmp_path}/x.csv")
    command(session, ".mode jsonl")
    command(session, ".output stdout")
    submit(session, "select 2 as b")
    assert printed(session) == '{"b": 2}\n'


def test_a_vertical_statement_in_a_file(session: Session, tmp_path: Path) -> None:
    command(session, f".once {tmp_path}/x.csv")
    submit(session, "select 1 as a", is_vertical=True)
    assert "a │ 1" in (tmp_path / "x.csv").read_text("utf-8")
    assert session.output.format == "json"


@pytest.mark.parametrize(
    "text", [".once {}/x.db", ".output {}/x.parquet", ".once '| less'", ".once {}/no/x.csv", ".once"]
)
def test_files_that_cannot_be_written(session: Session, tmp_path: Path, text: str) -> None:
    with pytest.raises(SldbError) as caught:
        command(session, text.format(tmp_path))
    assert caught.value.code == "bad_request"
    assert list(tmp_path.iterdir()) == []
    submit(session, "select 1 as a")
    assert data(session) == [{"a": 1}]


def test_commands_of_sqlite3_say_what_is_here(session: Session) -> None:
    for name, hint in habits.HERE.items():
        assert find(name) is None
        with pytest.raises(SldbError) as caught:
            command(session, f".{name} x")
        assert caught.value.hint == hint


# Parameters


def test_parameters_are_set_listed_and_dropped(session: Session) -> None:
    for text in (
        ".param set :a 5",
        ".param set b:text 5",
        ".parameter set ?1 'x y'",
        ".param set $n :null",
        ".param init",
    ):
        command(session, text)
    command(session, ".param")
    listed = [{"name": ":a", "value": 5}, {"name": ":b", "value": "5"}, {"name": "?1", "value": "x y"}]
    assert data(session) == [*listed, {"name": ":n", "value": None}]
    submit(session, "select :a + 1 as a, :b as b")
    assert data(session) == [{"a": 6, "b": "5"}]
    submit(session, "select ? as x")
    assert data(session) == [{"x": "x y"}]
    command(session, ".param unset :a")
    command(session, ".param clear")
    command(session, ".param list")
    assert data(session) == []


@pytest.mark.parametrize(
    "text",
    [".param set :a", ".param unset :a", ".param set a-b 1", ".param set a:int x", ".param nope", ".param set a:b c"],
)
def test_parameters_that_cannot_be_set(session: Session, text: str) -> None:
    with pytest.raises(SldbError) as caught:
        command(session, text)
    assert "--param" not in caught.value.message
    assert session.params.values == {}


def test_what_a_statement_names_goes_with_it_and_nothing_else(session: Session, target: SqliteTarget) -> None:
    session.params.values.update(a=1, b=2)
    submit(session, "select :a")
    submit(session, "select 1")
    assert [request.statements[0].params for request in target.requests] == [{"a": 1}, None]


def test_the_user_is_asked_and_may_leave(session: Session, target: SqliteTarget) -> None:
    session.ask = lambda name, _proposal: f"for {name}"
    submit(session, "select :a as a")
    assert data(session) == [{"a": "for :a"}]

    def leave(_name: str, _proposal: str) -> str:
        raise KeyboardInterrupt

    session.ask = leave
    before = len(target.requests)
    with pytest.raises(NotAnswered):
        submit(session, "begin; insert into users values (:a); commit;")
    assert len(target.requests) == before
    assert session.transaction is None


def test_a_plan_needs_no_values(session: Session, target: SqliteTarget) -> None:
    session.ask = lambda name, _proposal: pytest.fail(name)
    command(session, ".explain select * from users where name = :name and id = ?2")
    assert session.params.typed == {}


# A file that reads itself


@pytest.mark.parametrize("length", [1, 2, 3])
def test_files_that_read_each_other_in_a_circle(session: Session, tmp_path: Path, length: int) -> None:
    for number in range(length):
        (tmp_path / f"{number}.sql").write_text(f".read {tmp_path}/{(number + 1) % length}.sql\n")
    with pytest.raises(SldbError, match=r"is being read already: 0\.sql → ") as caught:
        command(session, f".read {tmp_path}/./0.sql")
    assert caught.value.code == "bad_request"
    assert session.reading == ()


def test_a_file_that_is_read_twice_is_no_circle(session: Session, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1 as a;\n")
    (tmp_path / "b.sql").write_text(f".read {tmp_path}/a.sql\n.read {tmp_path}/a.sql\n")
    command(session, f".read {tmp_path}/b.sql")
    assert printed(session).count('"a"') == 2


def test_files_that_read_files_without_end(session: Session, tmp_path: Path) -> None:
    for number in range(run.MAX_DEPTH + 1):
        (tmp_path / f"{number}.sql").write_text(f".read {tmp_path}/{number + 1}.sql\n")
    with pytest.raises(SldbError, match="20 deep"):
        command(session, f".read {tmp_path}/0.sql")


def test_an_error_in_a_file_names_the_innermost_one(session: Session, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(f".read {tmp_path}/b.sql\n")
    (tmp_path / "b.sql").write_text("select 1;\n\nselect\n nope;\n")
    with pytest.raises(SldbError, match="no such column: nope") as caught:
        command(session, f".read {tmp_path}/a.sql")
    assert (caught.value.details["script"], caught.value.details["line"]) == (f"{tmp_path}/b.sql", 3)


def test_what_cannot_be_read_is_said(session: Session, tmp_path: Path) -> None:
    with pytest.raises(SldbError, match="is a directory"):
        command(session, f".read {tmp_path}")
    with pytest.raises(SldbError, match="there is no file"):
        command(session, f".read {tmp_path}/none.sql")


@pytest.mark.parametrize(("leaves", "goes_on"), [(".quit", True), (".exit", False), (".exit 3", False)])
def test_quit_ends_a_file_and_exit_the_shell(session: Session, tmp_path: Path, leaves: str, goes_on: bool) -> None:
    (tmp_path / "a.sql").write_text(f"{leaves}\nselect 1;\n")
    assert command(session, f".read {tmp_path}/a.sql") is goes_on
    assert printed(session) == ""
    assert session.exit_status == (None if goes_on else 3 if "3" in leaves else 0)


@pytest.mark.parametrize("status", ["256", "x", "-1"])
def test_an_exit_status_is_one_of_a_process(session: Session, status: str) -> None:
    with pytest.raises(SldbError):
        command(session, f".exit {status}")


def test_submissions_and_their_lines() -> None:
    script = "-- comment\n\nselect 1;\n.mode csv\nselect\n 2\n;\n/* a\nb */\nselect 3; select 4;\nselect 5"
    found = [(number, getattr(what, "sql", None) or what.name) for number, what in submissions(io.StringIO(script))]  # type: ignore[union-attr]
    assert [number for number, _ in submissions(io.StringIO("select\n1\\G\nselect 2;\n"))] == [1, 3]
    assert found == [(3, "select 1;"), (4, "mode"), (5, "select\n 2\n;"), (10, "select 3; select 4;"), (11, "select 5")]


# Settings


@pytest.mark.parametrize(
    ("mode", "name"),
    [("box", "table"), ("column", "table"), ("line", "vertical"), ("list", "tsv"), ("tabs", "tsv"), ("csv", "csv")],
)
def test_names_of_sqlite3_for_formats(session: Session, mode: str, name: str) -> None:
    command(session, f".mode {mode}")
    assert session.output.format == name


def test_inserts_name_their_table(session: Session) -> None:
    command(session, ".mode insert users")
    submit(session, "select 1 as id")
    assert printed(session) == 'INSERT INTO "users"("id") VALUES(1);\n'
    with pytest.raises(SldbError, match="unexpected users"):
        command(session, ".mode csv users")


def test_headers_and_null(session: Session) -> None:
    command(session, ".mode csv")
    command(session, ".headers off")
    command(session, ".nullvalue NIL")
    submit(session, "select null as a, 'x' as b")
    assert printed(session) == "NIL,x\n"
    command(session, ".header on")
    submit(session, "select 1 as a")
    assert printed(session).endswith("a\n1\n")


def test_width_is_that_of_all_columns(session: Session) -> None:
    session.output.screen = Screen(80, color=False, max_rows=10)
    for text, width in ((".width 12", 12), (".width -7", 7), (".width 0", None), (".width 9", 9), (".width", None)):
        command(session, text)
        assert session.output.screen.max_width == width
    with pytest.raises(SldbError, match="have no width each"):
        command(session, ".width 10 20")


def test_print_and_echo(session: Session, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(".echo on\n.print a 'b c'\nselect 1\n as x;\n.echo off\nselect 2 as y;\n")
    command(session, f".read {tmp_path}/a.sql")
    assert printed(session).startswith("a b c\n")
    assert said(session) == ".print a b c\nselect 1\n as x;\n.echo off\n"


def test_show_lists_the_settings(session: Session) -> None:
    command(session, ".show")
    settings = {str(row["setting"]): row["value"] for row in data(session)}
    assert settings["mode"] == "json"
    assert settings["database"] == "main"
    command(session, ".bail on")
    with pytest.raises(SldbError, match="always ends"):
        command(session, ".bail off")
    command(session, ".changes on")
    assert ".timing" in said(session)


# Programs, directories, targets


def test_a_command_of_the_system(session: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    command(session, f".shell echo 'a;b' \"$HOME\" > {tmp_path}/x; cat")  # cat reads nothing of a script
    assert (tmp_path / "x").read_text().startswith("a;b ")
    command(session, r"\! echo there")
    assert capfd.readouterr().out == "there\n"
    with pytest.raises(SldbError, match="ended with status 3"):
        command(session, ".system exit 3")
    with pytest.raises(SldbError, match="needs a command"):
        command(session, ".shell")


def test_files_are_found_in_another_directory(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # goes back at the end
    (tmp_path / "sub").mkdir()
    command(session, ".cd sub")
    command(session, ".once x.csv")
    submit(session, "select 1 as a")
    assert (tmp_path / "sub/x.csv").exists()
    with pytest.raises(SldbError, match=r"\.cd nope"):
        command(session, ".cd nope")


def test_open_goes_where_the_word_names(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    (tmp_path / "x.bin").touch()
    opened: list[str] = []

    def open_target(target: str) -> Client:
        opened.append(target)
        return Client(SqliteTarget(target))

    with pytest.raises(SldbError, match="is a command of the shell"):
        command(session, ".open lambda")
    session.open = open_target
    for word in ("lambda", "lambda:f", "local:x", "./d", "notes"):
        command(session, f".open {word}")
        assert session.client.target.name == opened[-1]
    assert opened == ["lambda", "lambda:f", "local:x", "local:./d", "local:notes"]
    command(session, ".open orders")
    assert session.client.database == "orders"
    for word in ("x.db", "x.bin", "notes/x.sqlite"):
        with pytest.raises(SldbError) as caught:
            command(session, f".open {word}")
        assert f"sldb push {word}" in caught.value.hint
    assert len(opened) == 5
