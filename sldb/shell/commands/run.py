"""Dot commands that run SQL: from a file, from the editor, repeatedly, under a name."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from lambda_handlers.wire import Request, SldbError, Statement
from sldb import moments
from sldb.file_formats import format_of
from sldb.render import result_of
from sldb.shell.commands.command import optional_argument, optional_arguments, required_argument, whole_number
from sldb.shell.commands.dump import write_file
from sldb.shell.reader import DotCommand
from sldb.shell.saved_queries import SavedQueries, bind_arguments
from sldb.shell.script import Obey, run_script
from sldb.shell.session import Session
from sldb.shell.submission import submit

WATCH_SECONDS = 2.0
MAX_STATUS = 255  # of a process
MAX_DEPTH = 20  # of files that read files


def read(session: Session, command: DotCommand, obey: Obey) -> None:
    """Run a file. `obey` runs the dot commands in it. Raises `bad_request` for one that is being read already."""
    path = Path(required_argument(command)).expanduser()
    source = path.resolve()
    before = session.reading
    if source in before:
        circle = " → ".join(one.name for one in (*before[before.index(source) :], source))
        raise SldbError("bad_request", f"{path} is being read already: {circle}", "take the .read out of the file")
    if len(before) >= MAX_DEPTH:
        raise SldbError("bad_request", f"{path}: files that read files, {MAX_DEPTH} deep, are too many")
    session.reading = (*before, source)
    try:
        with path.open(encoding="utf-8-sig") as lines:
            _run_lines(lines, path, session, obey)
    except IsADirectoryError:
        raise SldbError("bad_request", f"{path} is a directory", ".read runs one file") from None
    except FileNotFoundError:
        raise SldbError("bad_request", f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SldbError("bad_request", f"{path} cannot be read: {reason}") from None
    finally:
        session.reading = before


def _run_lines(lines: Iterable[str], path: Path, session: Session, obey: Obey) -> None:
    try:
        run_script(lines, session, obey)
    except SldbError as error:
        error.details.setdefault("script", str(path))
        raise


def exit_(session: Session, command: DotCommand) -> None:
    """Leave with an exit status, also out of files that are read."""
    word = optional_argument(command)
    status = 0 if word is None else whole_number(word, command)
    if status > MAX_STATUS:
        raise SldbError("bad_request", f".exit: got {status}, want an exit status, 0 to {MAX_STATUS}")
    session.exit_status = status


def edit(session: Session, command: DotCommand) -> None:
    optional_argument(command)
    if session.edit is None:
        raise SldbError("bad_request", ".edit needs a terminal", "write the SQL to a file: .read FILE")
    session.draft = session.edit(session.last_sql)


def watch(session: Session, command: DotCommand) -> None:
    """Repeat the last submission until Ctrl-C, or so many times. Writes are refused: they would be repeated."""
    seconds, times = optional_arguments(2, command)
    pause = WATCH_SECONDS if seconds is None else _seconds(seconds)
    left = None if times is None else whole_number(times, command)
    if left is None and not session.is_interactive:  # no user is there to stop it
        raise SldbError("bad_request", ".watch in a script needs to know how often", ".watch SECONDS TIMES")
    if not session.last_sql:
        raise SldbError("bad_request", ".watch repeats the last statement, and none has run", "run it first")
    try:
        while left is None or left > 0:
            reply = session.execute(Request((Statement(session.last_sql, session.last_params),), read_only=True))
            session.output.say(f"{moments.now()} · every {pause:g} s · Ctrl-C ends it", softly=True)
            with session.output.without_pager():
                session.show(reply)
            left = None if left is None else left - 1
            if left != 0:
                time.sleep(pause)
    except KeyboardInterrupt:
        session.output.say("stopped")
    except SldbError as error:
        if error.code != "cancelled":
            raise
        session.output.say("stopped")


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = -1
    if not 0.1 <= seconds <= 86_400:
        raise SldbError("bad_request", f".watch: got {word}, want seconds, 0.1 or more")
    return seconds


def named(session: Session, command: DotCommand) -> None:
    """List the saved queries, or run one."""
    if not command.arguments:
        session.output.show_data([result_of(("name", "sql"), list(_queries(session).all().items()))])
        return
    name, *arguments = command.arguments
    sql = _queries(session).get(name)
    submit(session, sql, bind_arguments(name, sql, arguments))


def save(session: Session, command: DotCommand) -> None:
    """Keep a query under a name; with the name of a SQLite file, do what `.save` of sqlite3 does."""
    if len(command.arguments) == 1 and format_of(command.arguments[0]) == "sqlite":
        write_file(session, command.arguments[0], ".save")
        return
    if not command.arguments:
        raise SldbError("bad_request", ".save needs a name and SQL", r"\ns top SELECT * FROM t LIMIT $1")
    name = command.arguments[0]
    sql = command.arguments[1] if len(command.arguments) > 1 else session.last_sql
    if not sql:
        raise SldbError("bad_request", f".save {name}: there is no SQL", "give it, or run it before")
    _queries(session).save(name, sql)
    session.output.say(rf"saved: \n {name} runs it")


def forget(session: Session, command: DotCommand) -> None:
    name = required_argument(command)
    _queries(session).forget(name)
    session.output.say(f"the named query {name} is dropped")


def _queries(session: Session) -> SavedQueries:
    if session.queries is None:
        raise SldbError("bad_request", "named queries exist only in the shell", "sldb shell")
    return session.queries
