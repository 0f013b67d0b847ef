"""The command `sldb undo`: take back the last write."""

from __future__ import annotations

from contextlib import closing

import click

from sldb.actions.undo import Undo
from sldb.cli import messages
from sldb.cli.command import command
from sldb.cli.run import Run

HELP = """Take back the last write to a database.

A new transaction brings back the state before it. If another client writes at the same moment, nothing is done: only
the write that is shown is ever taken back. The command that brings it back is printed; another undo does so too.

\b
  sldb undo
  sldb undo --if-txid 41
"""


@command("undo", help=HELP, short_help="Take back the last write.")
@click.option("--if-txid", type=int, metavar="TXID", help="Only if the last write is this transaction.")
def undo(run: Run, if_txid: int | None) -> None:
    messages.check_format(run.format)
    with closing(run.client()) as client:
        taken_back = Undo.find(client, if_txid)
        reply = taken_back.run(client)
    again = []
    if reply["changed"]:
        again = [f"to bring it back: {run.command_line('restore', '--at', str(taken_back.txid))}"]
    messages.show_reply(run.format, reply, taken_back.outcome(reply), *again)
