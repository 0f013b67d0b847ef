"""The command `sldb push`: a SQLite file becomes the content of a database."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sldb.cli import messages, progress, streams
from sldb.cli.command import command
from sldb.cli.questions import create_option, yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.push_pull.routes import Route

HELP = """Make a SQLite file the content of the database, in one transaction.

Any SQLite file will do: with a -wal beside it, of any page size, in use by another program. The earlier content of the
database stays in its history, and the command that brings it back is printed. If it is stopped before the end nothing
has changed, and the same command again continues where it stopped.

\b
  sldb push app.db
  sldb --database orders push orders.sqlite --create
  sldb --database orders push orders.sqlite --if-txid 41
"""


class _Declined(Exception):
    """The user declined the question."""


@command("push", help=HELP, short_help="Make a SQLite file the content of a database.")
@click.argument("file", type=click.Path(path_type=Path))
@yes_option("Do not ask before existing content is replaced.")
@create_option
@click.option("--if-txid", type=int, metavar="TXID", help="Only if the newest transaction is this one.")
@click.option(
    "--through", type=click.Choice(["bucket", "function"]), help="Use only this route (default: the first that works)."
)
@click.option("--check/--no-check", default=True, help="Check the file for damage first (default: yes).")
def push(run: Run, file: Path, yes: bool, creates: bool, if_txid: int | None, through: str | None, check: bool) -> int:
    from sldb.push_pull import routes
    from sldb.push_pull.integrity import not_checked
    from sldb.push_pull.push import Push
    from sldb.push_pull.source import open_source

    messages.check_format(run.format)
    is_asked = not yes and streams.can_ask()
    with closing(run.client(create=creates)) as client, open_source(file, check) as source:
        for table in source.unchecked:
            messages.say(not_checked(table))
        client.prepare_to_write()

        def allow(begun: dict[str, Any]) -> None:
            nonlocal is_asked
            if is_asked and begun["bytes"]:
                messages.say_subject(client.where)
                _confirm(begun, file, source.size)
            is_asked = False  # once, whichever route is tried next

        def attempt(route: Route) -> dict[str, Any]:
            return Push(route.client, route.transport, shown).run(source, if_txid, allow)

        with progress.show() as shown:
            try:
                reply = routes.try_routes(client, through, attempt, shown.note)
            except _Declined:
                messages.say(NOT_CHANGED)
                return 1
    _show_result(run, reply, source.size)
    return 0


def _confirm(begun: dict[str, Any], file: Path, file_bytes: int) -> None:
    from sldb.report import size

    messages.say(
        f"This replaces the content of {begun['database']} ({size(begun['bytes'])}, transaction {begun['txid']}) "
        f"with {file} ({size(file_bytes)}). The present content stays in its history."
    )
    if not click.confirm("Go on?", err=True):
        raise _Declined


def _show_result(run: Run, reply: dict[str, Any], file_bytes: int) -> None:
    from sldb.report import size

    name = reply["database"]
    if reply["replaced_bytes"]:
        undo = run.command_line("restore", "--at", str(reply["before"]))
    else:
        undo = run.command_line("databases", "drop", name)
    messages.show_reply(
        run.format,
        reply,
        f"pushed {size(file_bytes)} to {name} · {size(reply['sent_bytes'])} sent · txid {reply['txid']}",
        f"to undo this: {undo}",
    )
