"""The texts of `.help`: the list of the commands, one of them, and transactions."""

from __future__ import annotations

from collections.abc import Sequence

from sldb.shell.commands.command import Command
from sldb.shell.session import Session

TRANSACTIONS = """\
BEGIN opens a transaction on the newest state: its statements see that state
and their own changes, whatever other clients commit meanwhile, and block no
client. COMMIT applies them all at once, unless other clients have changed what
the transaction saw: then it is a conflict, which shows the statement with its
result then and now, and the transaction stays open. COMMIT RETRY applies its
statements to the newest state, whatever they find there. ROLLBACK drops it,
and so does leaving. SAVEPOINT, RELEASE and ROLLBACK TO work inside.

An error undoes its statement alone; the transaction stays open. What was shown
is what COMMIT stores, random() and the time included."""


def list_all(session: Session, commands: Sequence[Command]) -> None:
    listed = [f"  {command.usage:<24}{command.other:<17}{command.meaning}" for command in commands]
    after = (
        "SQL runs after ; or \\G at its end; what runs at once is one transaction.",
        ".help NAME explains a command, .help BEGIN explains transactions.",
    )
    session.output.write_lines([*listed, *after])


def describe(session: Session, command: Command) -> None:
    others = [command.other] if command.other else []
    others += [f".{name}" for name in command.also]
    first = f"{command.usage}: {command.meaning}" + (f" (also {', '.join(others)})" if others else "")
    session.output.write_lines([first, *command.more.splitlines()])
