"""Dot commands that reach outside of the database: a program, a directory, another target."""

from __future__ import annotations

import os
from pathlib import Path

from lambda_handlers.wire import SldbError
from sldb.file_formats import format_of
from sldb.shell.commands.command import required_argument
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session

_TARGETS = ("lambda", "local")


def shell(session: Session, command: DotCommand) -> None:
    """Run a command of the system's shell. A script keeps its standard input for itself."""
    import subprocess  # imports slow down the start of the shell

    if not command.arguments:
        raise SldbError("bad_request", f".{command.name} needs a command", ".shell ls -l")
    session.output.out.flush()
    given = None if session.is_interactive else subprocess.DEVNULL
    try:
        status = subprocess.call(command.arguments[0], shell=True, stdin=given)  # nosec B602 - what it is for
    except KeyboardInterrupt:
        session.output.say("stopped")
        return
    if status != 0:
        raise SldbError("bad_request", f".{command.name}: the command ended with status {status}")


def change_directory(_session: Session, command: DotCommand) -> None:
    name = required_argument(command)
    try:
        os.chdir(Path(name).expanduser())
    except OSError as error:
        raise SldbError("bad_request", f".cd {name}: {error.strerror or error}") from None


def open_(session: Session, command: DotCommand) -> None:
    """Go to a target, a directory or a database, whichever the word names."""
    word = required_argument(command)
    session.require_no_transaction(".open")
    if format_of(word) == "sqlite" or Path(word).expanduser().is_file():
        raise SldbError(
            "bad_request",
            f".open {word}: a SQLite file is not opened in its place",
            f"sldb push {word} brings it into a database; .open DIRECTORY opens a directory of databases",
        )
    target = _target_of(word)
    if target is None:
        session.switch_database(word)
        session.output.say(f"now in {session.client.where}")
        return
    if session.open is None:
        raise SldbError(
            "bad_request", ".open is a command of the shell", "sldb query --target TARGET names another one"
        )
    client = session.open(target)
    with session.exclusive_client() as before:
        before.close()
        session.use(client)
    session.refresh_names()
    session.output.say(f"now in {client.where}")


def _target_of(word: str) -> str | None:
    """Return the target in a word, which may be the path of a directory; None for the name of a database."""
    if word.partition(":")[0] in _TARGETS:
        return word
    is_path = "/" in word or os.sep in word or word.startswith((".", "~")) or Path(word).is_dir()
    return f"local:{word}" if is_path else None
