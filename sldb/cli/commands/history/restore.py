"""The command `sldb restore`: bring back an earlier state of a database."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from sldb.cli import messages, moment_options
from sldb.cli.command import command
from sldb.cli.message_option import message_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.client import Client

HELP = """Bring back the state that a database had at a transaction or a time.

That is a new transaction: nothing is lost, the states in between stay readable, and the command that undoes it is
printed. It also brings back a database that was dropped.

\b
  sldb restore --at 41
  sldb restore --at "2026-11-01 10:00"
  sldb restore --at "10m ago"

A time without a zone is one on this machine's clock. The transaction found for it is printed.
"""


@command("restore", help=HELP, short_help="Bring back an earlier state.")
@moment_options.at_option("The state to bring back", required=True)
@message_option
@click.option("--if-txid", type=int, metavar="TXID", help="Only if the newest transaction is this one.")
def restore(run: Run, at: str, message: str | None, if_txid: int | None) -> None:
    from sldb.report import count

    messages.check_format(run.format)
    moment = moment_options.parse_moment(at)
    with closing(run.client(message=message, command=f"restore {at}")) as client:
        if not isinstance(moment, int):
            moment = _by_time(client, moment)
        reply = client.act("restore", at=moment, if_txid=if_txid)
        moment_options.say_moment(client, at, reply["restored"], reply.get("time"))
    name, restored = reply["database"], reply["restored"]
    if not reply["changed"]:
        messages.show_reply(run.format, reply, f"{name} is as it was at transaction {restored} already: {NOT_CHANGED}")
        return
    messages.show_reply(
        run.format,
        reply,
        f"{name} is again as it was at transaction {restored} · {count(reply['pages'], 'page')} · txid {reply['txid']}",
        f"to undo this: {run.command_line('restore', '--at', str(reply['before']))}",
    )


def _by_time(client: Client, moment: str | None) -> int | str:
    """Return the moment, or the newest transaction for now, after a warning if times of the log are ahead of now."""
    from sldb.actions.as_of import warning_before_restore

    if moment is None:
        newest: int = client.act("history", limit=1)["txid"]
        return newest
    if warning := warning_before_restore(client):
        messages.say(warning)
    return moment
