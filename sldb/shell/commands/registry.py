"""The dot commands, each also in psql's spelling: the list of them, `.help`, and running one.

Their functions are in the other modules of this package. They print through the session's output, so the
rows of `sldb query .tables --format json` are data like any other.
"""

from __future__ import annotations

from lambda_handlers.shared.did_you_mean import closest, question
from lambda_handlers.wire import SldbError
from sldb.shell.commands import habits, help_text, run, table
from sldb.shell.commands.command import Command, optional_argument
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session


def obey(command: DotCommand, session: Session) -> bool:
    """Run the command; return False if it ends the session. Raises SldbError, `bad_request` for an unknown command."""
    found = find(command.name)
    if found is None:
        if elsewhere := habits.HERE.get(command.name):
            raise SldbError("bad_request", f".{command.name} of sqlite3 is not here", elsewhere)
        raise _unknown(command.name)
    found.run(session, command)
    return found is not _QUIT and session.exit_status is None


def find(name: str) -> Command | None:
    """Return the command of that name, without its dot or backslash."""
    return _BY_NAME.get(name)


def _unknown(name: str) -> SldbError:
    similar = closest(name, (each for each in _BY_NAME if len(each) > 1))
    hint = " ".join(filter(None, (question(f".{each}" for each in similar), ".help lists the commands")))
    return SldbError("bad_request", f"no such command: .{name}", hint)


def _help(session: Session, command: DotCommand) -> None:
    name = optional_argument(command)
    if name is None:
        help_text.list_all(session, COMMANDS)
    elif name.lower() in ("begin", "commit", "rollback", "transactions"):
        session.output.write_lines(help_text.TRANSACTIONS.splitlines())
    else:
        found = find(name.lstrip(".\\"))
        if found is None:
            raise _unknown(name.lstrip(".\\"))
        help_text.describe(session, found)


def _quit(_session: Session, command: DotCommand) -> None:
    optional_argument(command)


def _read(session: Session, command: DotCommand) -> None:
    run.read(session, command, obey)


_QUIT = Command(
    ".quit",
    r"\q",
    "leave; so does Ctrl-D",
    _quit,
    more="An open transaction is dropped. In a file that is read it ends that file.",
)

COMMANDS = (
    *table.SCHEMA,
    *table.OUTPUT,
    Command(
        ".read FILE",
        r"\i FILE",
        "run a file",
        _read,
        "file",
        more="One statement after the other, up to the first error. BEGIN and COMMIT in it work.",
    ),
    *table.FILES,
    *table.STATEMENTS,
    *table.PAST,
    *table.PLACE,
    Command(".help [NAME]", r"\? [NAME]", "this list, or help on a command", _help, "command", also=("h",)),
    _QUIT,
    Command(
        ".exit [STATUS]",
        "",
        "leave with an exit status",
        run.exit_,
        more="Without one: 0. An open transaction is dropped. In a file that is read it ends the shell, too.",
    ),
)
_BY_NAME = {name: command for command in COMMANDS for name in command.names}
