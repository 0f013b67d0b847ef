"""`.dump`: the database, or some tables, as SQL text, as of the session's moment. `.backup`: a SQLite file."""

from __future__ import annotations

from pathlib import Path

from lambda_handlers.wire import SldbError
from sldb.file_formats import format_of
from sldb.shell.commands.command import required_argument
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session
from sldb.write_outcome import NOT_CHANGED


def dump(session: Session, command: DotCommand) -> None:
    """Print the text where results go."""
    from sldb.transfer.database.snapshot import Snapshot
    from sldb.transfer.formats.dump import dump as whole
    from sldb.transfer.formats.dump_tables import dump_tables

    session.require_no_transaction(".dump")
    with session.exclusive_client() as client:
        source = Snapshot(client, session.at)
        pieces = dump_tables(source, command.arguments) if command.arguments else whole(source)
        lines = (line for piece in pieces for line in piece.removesuffix("\n").split("\n"))
        try:
            session.output.write_lines(lines)
        except SldbError as error:
            files = [name for name in command.arguments if format_of(name) is not None]
            if error.code == "not_found" and files:
                error.hint = f".once {files[0]} and then .dump writes the database into that file"
            raise


def backup(session: Session, command: DotCommand) -> None:
    write_file(session, required_argument(command), ".backup")


def write_file(session: Session, name: str, doing: str) -> None:
    """Write the database, as the session sees it, to a SQLite file."""
    if session.pull is None:
        raise SldbError("bad_request", f"{doing} is a command of the shell", f"sldb pull {name} writes that file")
    session.require_no_transaction(doing)
    path = Path(name).expanduser()
    replaces = session.is_interactive and session.confirm is None  # --yes
    if path.is_file() and session.confirm is not None:
        replaces = session.confirm(f"{path} exists already. This replaces it.")
        if not replaces:
            session.output.say(NOT_CHANGED)
            return
    with session.exclusive_client() as client:
        sentence = session.pull(client, path, session.at, replaces)
    session.output.say(sentence)
