"""The command `sldb shell` as a process: as a script, and on a terminal."""

from __future__ import annotations

import os
import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from tests.fakes.terminal.command import COMMAND, environment, sldb
from tests.fakes.waiting import MAX_SECONDS, wait_until

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(stdin: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return sldb(tmp_path, "--local", str(tmp_path / "db"), "shell", *arguments, stdin=stdin)

    return run


def test_a_script(run: Run) -> None:
    done = run("create table t(a);\ninsert into t\nvalues (1);\n.mode csv\nselect *\nfrom t;\n\n.tables\nselect 2 as b")
    assert done.stdout == "a\n1\nname,type\nt,table\nb\n2\n"
    assert done.returncode == 0
    assert ">" not in done.stderr


def test_a_script_stops_at_the_first_error_and_names_its_line(run: Run) -> None:
    done = run("create table t(a);\n\nselect\n  nope\nfrom t;\ninsert into t values (1);\n")
    assert done.returncode == 1
    assert "error: line 3: no such column: nope" in done.stderr
    assert "  4 │   nope" in done.stderr
    assert run("select count(*) as n from t;", "--format", "jsonl").stdout == '{"n": 0}\n'


def test_a_line_is_one_transaction(run: Run) -> None:
    run("create table t(a unique);")
    assert run("insert into t values (1); insert into t values (1);").returncode == 1
    assert run("select count(*) as n from t;", "--format", "jsonl").stdout == '{"n": 0}\n'


def test_a_dump_of_sqlite3_is_a_script(run: Run) -> None:
    done = run(
        "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t(a);\nINSERT INTO t VALUES(1);\n"
        "INSERT INTO t VALUES('x;\ny');\nCOMMIT;\n"
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert run("select count(*) as n from t;", "--format", "jsonl").stdout == '{"n": 2}\n'


def test_an_error_in_a_transaction_ends_the_script_and_nothing_of_it_is_applied(run: Run) -> None:
    run("create table t(a unique);")
    done = run("begin;\ninsert into t values (1);\ninsert into t values (1);\ncommit;\n")
    assert done.returncode == 1
    assert "error: line 3: UNIQUE constraint failed: t.a" in done.stderr
    assert "rolled back: 1 statement not applied" in done.stderr
    assert run("select count(*) as n from t;", "--format", "jsonl").stdout == '{"n": 0}\n'


def test_quit_ends_a_script(run: Run) -> None:
    assert run("select 1 as a;\n.quit\nselect 2;", "--format", "csv").stdout == "a\n1\n"


def test_a_script_leaves_with_a_status(run: Run) -> None:
    done = run("select 1 as a;\n.exit 3\nselect 2;", "--format", "csv")
    assert (done.returncode, done.stdout) == (3, "a\n1\n")


def test_a_backup_is_a_file_of_sqlite(run: Run, tmp_path: Path) -> None:
    done = run(f"create table t(a);\ninsert into t values (7);\n.backup {tmp_path}/x.db\n.save {tmp_path}/y.sqlite\n")
    assert done.returncode == 0, done.stderr
    for name in ("x.db", "y.sqlite"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            assert connection.execute("select a from t").fetchall() == [(7,)]
    again = run(f".backup {tmp_path}/x.db\n")
    assert again.returncode == 2
    assert "already exists" in again.stderr


def test_another_directory_is_opened(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    script = f"create table t(a);\n.open {tmp_path}/other\ncreate table u(b);\n.tables\n.open {tmp_path}/no/such\n"
    done = run(script, "--format", "csv")
    assert (done.stdout, done.returncode) == ("name,type\nu,table\n", 1)
    assert "there is no directory" in done.stderr
    assert run(".tables", "--format", "csv").stdout == "name,type\nt,table\n"


def test_a_target_that_is_not_there_is_not_opened(run: Run) -> None:
    done = run("create table t(a);\n.open lambda:none\n")
    assert done.returncode == 3
    assert "cannot invoke none" in done.stderr


def test_output_to_a_file_and_read_from_one(run: Run, tmp_path: Path) -> None:
    out, script = tmp_path / "out.csv", tmp_path / "script.sql"
    script.write_text("select 1 as a;\n.output\nselect 2 as b;")
    done = run(f'.output "{out}"\n.read "{script}"\n', "--format", "csv")
    assert out.read_text() == "a\n1\n"
    assert done.stdout == "b\n2\n"
    assert "there is no file no-such-file" in run(".read no-such-file").stderr


def test_input_that_is_no_text(run: Run, tmp_path: Path) -> None:
    done = sldb(tmp_path, "--local", str(tmp_path / "db"), "shell", stdin=b"select '\xff';")
    assert done.returncode == 2
    assert "UTF-8" in done.stderr
    assert "Traceback" not in done.stderr


class Terminal:
    """A process on a pseudo terminal."""

    def __init__(self, arguments: list[str], env: dict[str, str]) -> None:
        import fcntl
        import pty
        import termios

        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            arguments,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - makes Ctrl-C a signal
        )
        os.close(theirs)
        self.shown = ""

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def wait_for(self, text: str) -> None:
        """Until `text` has been shown since the last wait."""
        end = time.monotonic() + MAX_SECONDS
        while text not in self.shown:
            assert time.monotonic() < end, f"{text!r} is not in {self.shown!r}"
            if select.select([self._ours], [], [], 0.1)[0]:
                self.shown += self._read()
        self.shown = self.shown.split(text, 1)[1]

    def _read(self) -> str:
        try:
            return os.read(self._ours, 65536).decode(errors="replace")
        except OSError:  # the process has ended
            pytest.fail(f"ended with {self.process.wait(MAX_SECONDS)} after {self.shown!r}")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(30)
        os.close(self._ours)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    if sys.platform == "win32":
        pytest.skip("terminals of POSIX")
    env = environment(tmp_path, {"TERM": "xterm", "NO_COLOR": "1", "PROMPT_TOOLKIT_NO_CPR": "1"})
    terminal = Terminal([*COMMAND, "--local", str(tmp_path / "db"), "shell"], env)
    yield terminal
    terminal.close()


def test_a_conversation(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("local:db/main>")
    terminal.type("create table t(a);\r")
    terminal.wait_for("done · ")
    terminal.type("insert into t\rvalues (1), ('[/x]');\r")
    terminal.wait_for("2 rows changed")
    terminal.type("selec;\r")
    terminal.wait_for("syntax error [sql_error]")
    terminal.wait_for("main>")
    terminal.type("half a statement\x03")
    terminal.type("select a from t;\r")
    terminal.wait_for("│ [/x] │")
    terminal.wait_for("2 rows · ")
    terminal.wait_for("main>")  # between prompts the terminal itself would take the Ctrl-D
    terminal.type("\x04")
    assert terminal.process.wait(MAX_SECONDS) == 0
    history = next((tmp_path / ".local" / "state" / "sldb" / "history").iterdir())
    assert "+insert into t\n+values (1), ('[/x]');" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_ctrl_c_stops_a_statement_and_the_shell_goes_on(terminal: Terminal, tmp_path: Path) -> None:
    terminal.wait_for("main>")
    terminal.type("create table t(a);\r")
    terminal.wait_for("done · ")
    terminal.type("insert into t with recursive n(i) as (select 1 union all select i + 1 from n) select i from n;\r")
    lock = FileLock(tmp_path / "db", Host())
    wait_until(lock.holders, "that it runs: it has the lock")
    terminal.type("\x03")
    terminal.wait_for("the request was cancelled; nothing was applied")
    terminal.wait_for("main>")
    terminal.type("select 40 + 2;\r")
    terminal.wait_for(" 42 ")
