"""The command `sldb shell` as a person uses it: in a real terminal, key by key."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from sldb.render import text
from sldb.shell.terminal.pager import without_colour
from tests.fakes.terminal.command import COMMAND, environment, sldb
from tests.fakes.terminal.tmux import COLUMNS, Tmux

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")

SCHEMA = """CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, nation TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id, total);
INSERT INTO users (name, nation) VALUES ('Ada', 'UK'), ('Grace', 'US');"""

Open = Callable[..., Tmux]


@pytest.fixture
def open_shell(tmp_path: Path) -> Iterator[Open]:
    opened: list[Tmux] = []
    database = ("--local", str(tmp_path / "db"))
    assert sldb(tmp_path, *database, "query", SCHEMA).returncode == 0

    def open_shell(
        *options: str,
        term: str = "tmux-256color",
        where: tuple[str, ...] = database,
        prompt: str = "main>",
        **extra: str,
    ) -> Tmux:
        env = environment(tmp_path, {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", **extra})
        ends = ["sh", "-c", '"$@"; echo "it ended with $?"; read end', "sh"]
        shell = Tmux([*ends, *COMMAND, *where, "shell", *options], env, term)
        opened.append(shell)
        shell.wait_for(prompt)
        return shell

    yield open_shell
    for shell in opened:
        shell.close()


def answers(shell: Tmux, sql: str) -> str:
    """The screen after a statement has run."""
    shell.type(sql)
    shell.wait(lambda screen: not _has_answered(screen) and "main" in screen, f"{sql} to be typed")
    shell.press("Enter")
    return shell.wait(_has_answered, f"an answer to {sql}")


def _has_answered(screen: str) -> bool:
    """Whether below an answer there is a prompt that waits."""
    turns = re.split(r"^\S+/main\S*> ?", screen, flags=re.MULTILINE)
    waits = re.fullmatch(r"\s*(?: \S+ · main.*\s*)?", turns[-1]) is not None
    return waits and len(turns) > 1 and " · txid " in turns[-2].replace("\n", " ")


def test_what_is_typed_is_completed(open_shell: Open) -> None:
    shell = open_shell()
    shell.type("select * from us")
    shell.wait_for(" users\n")
    shell.press("Tab")
    shell.wait_for("select * from users")
    shell.type(" u where u.na")
    screen = shell.wait_for(" nation\n")
    assert " name\n" in screen
    shell.press("Down")
    shell.wait_for("u.name")
    shell.press("Enter")  # takes it, and no more
    shell.type(" = 'Ada';")
    shell.press("Enter")
    shell.wait_for("1 row · ")


def test_commands_are_completed_with_their_arguments(open_shell: Open) -> None:
    shell = open_shell()
    shell.type(".descr")
    shell.wait_for(" .describe\n")
    shell.press("Tab")
    shell.type(" or")
    shell.wait_for(" orders\n")
    shell.press("Tab")
    shell.press("Enter")
    shell.wait_for("user_id")


def test_the_rest_of_a_line_of_the_history_is_proposed(open_shell: Open) -> None:
    shell = open_shell()
    answers(shell, "select 4711 as answer;")
    shell.type("sele")
    shell.wait(lambda screen: screen.count("main> select 4711 as answer;") == 2, "the proposal, below the first")
    shell.press("Right")
    shell.press("Enter")
    shell.wait(lambda screen: screen.count("4711") == 4, "the second answer")


def test_conditions_of_joins_are_completed(open_shell: Open) -> None:
    shell = open_shell()
    answers(shell, "create table notes(id integer primary key, writer integer references users);")
    shell.type("select count(*) from notes n join users u on n")
    shell.wait_for("n.writer = u.id")
    shell.press("Tab")
    shell.type(";")
    shell.press("Enter")
    shell.wait_for("on n.writer = u.id;")


def test_a_description_fits_and_the_theme_changes(open_shell: Open) -> None:
    shell = open_shell()
    shell.enter(r"\d users")
    screen = shell.wait_for("users: table")
    assert max(map(len, screen.splitlines())) <= COLUMNS
    shell.enter(".theme drak")
    shell.wait_for("did you mean dark")
    shell.enter(".theme dark")
    shell.type("select 'a'")
    shell.wait(lambda _: "\x1b[38;5;71m'a'" in shell.screen(colours=True), "the green of the dark theme")


def test_lines_are_collected_until_the_statement_is_complete(open_shell: Open) -> None:
    shell = open_shell()
    shell.enter("select name")
    shell.wait_for("…")
    shell.enter("from users")
    assert "Ada" in answers(shell, "order by id;")
    shell.press("Up")  # all of it again, as one entry
    screen = shell.wait(lambda screen: screen.count("order by id;") == 2, "the entry")
    assert screen.count("select name") == 2
    shell.press("C-c")
    shell.wait(lambda screen: screen.count("main>") == 3, "another prompt")
    shell.press("C-r")
    shell.wait_for("I-search backward")
    shell.type("from us")
    shell.wait(lambda screen: screen.count("from users") == 3, "what was found")
    shell.press("Escape")


def test_alt_enter_runs_input_without_a_semicolon(open_shell: Open) -> None:
    shell = open_shell()
    shell.enter("select name")
    shell.wait_for("…")
    shell.type("from users")
    shell.press("M-Enter")
    shell.wait_for("2 rows · ")
    shell.type("select 'open")
    shell.press("M-Enter")
    shell.wait_for('unrecognized token: "\'open"')


def test_an_opened_quote_is_completed(open_shell: Open) -> None:
    shell = open_shell()
    assert "Ada" in answers(shell, "select * from users;")
    shell.type('select * from "us')
    shell.wait_for(' "users"')
    shell.press("Tab")
    shell.wait_for('select * from "users"')
    shell.type(";")
    shell.press("Enter")
    shell.wait(lambda screen: screen.count("2 rows · ") == 2, "the rows again")


def test_values_of_parameters_are_asked_for(open_shell: Open) -> None:
    shell = open_shell()
    shell.enter("select * from users where name = :name and id = ?2;")
    shell.wait_for("\n:name =")
    shell.enter("Ada")
    shell.wait_for("\n?2 =")
    shell.enter("1")
    shell.wait_for("1 row · ")
    shell.enter("select nation from users where name = :name;")
    shell.wait(lambda screen: screen.count(":name = Ada") == 2, "the proposal")
    shell.press("C-c")
    shell.wait_for("nothing was run")
    shell.enter(".param set :name Grace")
    shell.enter("select nation from users where name = :name;")
    shell.wait_for(" US ")


def test_ctrl_c_drops_what_was_typed_and_stops_what_runs(open_shell: Open, tmp_path: Path) -> None:
    shell = open_shell()
    shell.enter("delete from")
    shell.type("users")
    shell.press("C-c")
    shell.wait(lambda screen: screen.count("main>") == 2, "another prompt")
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"
    shell.enter(f"insert into users (name) {endless};")
    lock = FileLock(tmp_path / "db", Host())
    shell.wait(lambda _screen: bool(lock.holders()), "that it runs: it has the lock")
    shell.press("C-c")
    shell.wait_for("the request was cancelled; nothing was applied")
    assert " 42 " in answers(shell, "select 40 + 2;")
    assert " 2 " in answers(shell, "select count(*) from users;")


def test_a_thousand_lines_are_pasted(open_shell: Open) -> None:
    shell = open_shell()
    lines = ["begin;", *(f"insert into orders values ({n}, {n % 7}, '{n};');" for n in range(998)), "commit;"]
    shell.paste("\n".join(lines))
    shell.wait_for("'997;'")
    shell.press("Enter")
    shell.wait_for("committed 998 statements")
    assert " 998 " in answers(shell, "select count(*) from orders;")


def test_what_is_printed_fits_the_terminal_also_after_a_change(open_shell: Open) -> None:
    shell = open_shell()
    wide = "select name, nation, 'a rather long text of some fifty characters, or more' as remark, id from users"
    assert "│ remark" in answers(shell, f"{wide};")
    shell.resize(34, 24)
    shell.press("C-l")
    shell.wait(lambda screen: len(screen.splitlines()) > 0 and "main>" in screen, "the prompt")
    answers(shell, "select id, name, nation, id, name from users;")
    assert "── row 1" in shell.screen()
    shell.resize(COLUMNS, 24)
    shell.press("C-l")
    assert "╭" in answers(shell, "select name from users;")


def test_wide_characters_keep_to_their_columns(open_shell: Open) -> None:
    shell = open_shell()
    long = "富士山は日本で一番高い山です。標高は三七七六メートル。"
    screen = answers(shell, f"select '{long}' as 山, 'e' || char(769) as é, '한라산' as 산, 1 as 数 limit 1;")
    table = [line for line in screen.splitlines() if line.startswith(("╭", "│", "├", "╰"))]
    assert len(table) == 5
    assert len({text.width(line) for line in table}) == 1
    assert max(map(text.width, screen.splitlines())) <= COLUMNS
    shell.enter(f"select '{long}', nope;")
    shell.wait_for("no such column: nope")
    shown = shell.wait(lambda screen: "^" in map(str.strip, screen.splitlines()), "the caret")
    lines = shown.splitlines()
    caret = next(number for number, line in enumerate(lines) if line.strip() == "^")
    source = lines[caret - 1]
    assert text.width(source[: source.index("nope")]) == lines[caret].index("^")


def test_the_state_is_to_be_seen(open_shell: Open) -> None:
    shell = open_shell()
    shell.wait_for(" · main · txid 1 · no transaction · .help")
    shell.enter("begin;")
    shell.wait_for("main*>")
    shell.enter("delete from users;")
    shell.wait_for(" · main · txid 1 · OPEN: 1 statement · ")
    shell.enter("rollback;")
    shell.wait_for("rolled back: 1 statement not applied")
    shell.wait_for(" · main · txid 1 · no transaction · ")
    shell.enter(".at 1")
    shell.wait_for("main@1>")
    shell.enter(".at now")
    shell.wait(lambda screen: screen.rstrip().splitlines()[-1].count("@") == 0, "the present")
    shell.enter("begin; insert into users(name) values ('x');")
    shell.wait_for(" OPEN: 1 statement · ")
    shell.press("C-d")
    shell.wait(lambda screen: screen.count("rolled back: 1 statement not applied") == 2, "what was dropped")


def test_the_bottom_line_is_up_to_date_after_commands(open_shell: Open, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name\nAda\n")
    shell = open_shell("--yes")
    shell.wait_for(" · main · txid 1 · no transaction · ")
    shell.enter(f".import {tmp_path}/people.csv")
    shell.wait_for(" · main · txid 2 · no transaction · .help")  # without the cost of an earlier statement
    shell.enter(".undo")
    shell.wait_for(" · main · txid 3 · no transaction · ")
    shell.enter("begin; insert into users (name) values ('x'); commit;")
    shell.wait_for(" · main · txid 4 · no transaction · ")
    shell.enter(".databases")
    shell.enter(".database other")
    shell.wait_for(" · other · no transaction · .help")


# A target that is not there


def test_a_directory_that_is_not_there(open_shell: Open, tmp_path: Path) -> None:
    missing = open_shell(where=("--local", str(tmp_path / "no/such")), prompt="it ended with 1")
    assert "there is no directory" in missing.screen()
    assert ">" not in missing.screen()  # there was no prompt
    file = tmp_path / "x.db"
    file.touch()
    refusal = open_shell(where=("--local", str(file)), prompt="it ended with 2").screen()
    assert "is a file" in " ".join(refusal.split())
    fresh = open_shell("--create", where=("--local", str(tmp_path / "no/such")))
    assert "the directory does not exist yet" in fresh.screen()
    fresh.enter("create table t(a);")
    fresh.wait_for("txid 1")


def test_a_function_that_is_not_there_ends_the_shell_while_the_user_types(open_shell: Open) -> None:
    screen = open_shell(where=("--stack", "none"), prompt="it ended with 3").screen()
    assert "error: cannot invoke none-function" in screen
    assert screen.count("error:") == 1


def test_a_database_that_is_not_there_is_said_and_what_was_typed_stays(open_shell: Open) -> None:
    shell = open_shell("--database", "mian", prompt="there is no database mian (did you mean main? there is: main)")
    shell.type("select 1")
    shell.wait_for("mian> select 1")


def test_it_asks_before_it_destroys(open_shell: Open) -> None:
    shell = open_shell()
    shell.enter("with x as (select 1) delete from users;")
    shell.wait_for("This deletes 2 of 2 rows of users. Go on? [y/N]:")
    shell.enter("n")
    shell.wait_for("nothing was changed")
    shell.enter("delete from users;")
    shell.wait(lambda screen: screen.count("Go on?") == 2, "the question")
    shell.enter("y")
    shell.wait_for("2 rows changed")
    shell.enter(".undo")
    shell.wait_for("This takes back transaction 2 (DELETE")
    shell.enter("y")
    shell.wait_for("took back transaction 2")
    assert " 2 " in answers(shell, "select count(*) from users;")


def test_only_what_does_not_fit_is_paged(open_shell: Open) -> None:
    if shutil.which("less") is None:
        pytest.skip("less is not installed")
    shell = open_shell()
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < {}) select i from n;"
    assert "╰" in answers(shell, numbers.format(12))
    shell.enter(numbers.format(100))
    shell.wait(lambda screen: screen.rstrip().splitlines()[-1].startswith("q leaves"), "the pager")
    shell.press("q")
    shell.wait_for("100 rows · ")
    shell.enter(".pager off")
    shell.wait_for("the pager is off")
    assert " 100 │" in answers(shell, numbers.format(100))


def test_another_pager_and_none(open_shell: Open, tmp_path: Path) -> None:
    numbers = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 100) select i from n;"
    paged = tmp_path / "paged"
    shell = open_shell(PAGER=f"tee {paged}")
    assert "100 rows" in answers(shell, numbers)
    assert "│  99 │" in without_colour(paged.read_text("utf-8"))
    unpaged = open_shell("--no-pager", PAGER=f"tee {tmp_path / 'never'}")
    assert " 100 │" in answers(unpaged, numbers)
    assert not (tmp_path / "never").exists()
    assert " 100 │" in answers(open_shell(PAGER="no-such-program"), numbers)


COLOURS = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|9[0-7]|10[0-7]|[34]8;)[0-9;]*m")


@pytest.mark.parametrize("no_colour", ["", "1"])
def test_colours_only_where_they_are_wanted(open_shell: Open, no_colour: str) -> None:
    shell = open_shell(**({"NO_COLOR": no_colour} if no_colour else {}))
    answers(shell, "select 'text', 1, NULL from users;")
    shell.enter("selec;")
    shell.wait_for("syntax error")
    shell.type("select 'text', 1")
    shell.wait_for("main> select 'text', 1")
    assert bool(COLOURS.search(shell.screen(colours=True))) is not bool(no_colour)


def test_a_terminal_that_can_do_nothing(open_shell: Open) -> None:
    shell = open_shell(term="dumb")
    shell.enter("select 40 + 2 as answer;")
    screen = shell.wait_for("1 row · ")
    assert " 42 " in screen
    assert not re.search(
        r"\x1b\[[^m]*[1-9]", shell.screen(colours=True).replace("\x1b[39m", "").replace("\x1b[49m", "")
    )


def test_the_editor_gives_back_what_runs_next(open_shell: Open, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/Ada/Grace/" "$1"\n')
    editor.chmod(0o755)
    shell = open_shell(EDITOR=str(editor))
    answers(shell, "select nation from users where name = 'Ada';")
    shell.enter(r"\e")
    shell.wait_for("main> select nation from users where name = 'Grace';")
    shell.press("Enter")
    shell.wait_for(" US ")


def test_watching_ends_with_ctrl_c(open_shell: Open) -> None:
    shell = open_shell()
    answers(shell, "select count(*) as n from users;")
    shell.enter(r"\watch 0.3")
    shell.wait(lambda screen: screen.count("every 0.3 s") >= 2, "two looks")
    shell.press("C-c")
    shell.wait_for("stopped")
    assert " 42 " in answers(shell, "select 40 + 2;")


def test_keys_of_vi(open_shell: Open) -> None:
    shell = open_shell("--vi")
    shell.type("select 1 from user;")
    shell.press("Escape")
    shell.type("has")  # left, append
    shell.wait_for("from users;")
    shell.press("Enter")
    shell.wait_for("2 rows · ")


def test_a_database_that_does_not_exist_is_asked_about(open_shell: Open) -> None:
    shell = open_shell()
    shell.enter(".database mian")
    shell.wait_for("there is no database mian (did you mean main? there is: main)")
    shell.wait_for("mian>")
    shell.enter("create table t(a);")
    shell.wait_for("mian does not exist: create it? (did you mean main? there is: main) [y/N]:")
    shell.enter("n")
    shell.wait_for("[not_found]")
    shell.enter("create table u(a);")
    shell.wait(lambda screen: screen.count("create it?") == 2, "the question again")
    shell.enter("y")
    shell.wait_for("· txid 1 ")
    shell.enter("insert into u values (1);")  # it is there: nobody is asked again
    shell.wait_for("· txid 2 ")
