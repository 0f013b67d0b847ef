"""The command `sldb redo`: bring back what undo took back."""

from __future__ import annotations

from contextlib import closing

import click

from sldb.actions.undo import Move
from sldb.cli import messages
from sldb.cli.command import command
from sldb.cli.commands.history.undo import shown
from sldb.cli.message_option import message_option
from sldb.cli.questions import yes_option
from sldb.cli.run import Run

HELP = """Bring back the last write that sldb undo took back, or the last N.

That is a new transaction. Once something else was written after the undo, there is nothing to redo: sldb history still
shows the states that were taken back, and sldb restore brings one back.

\b
  sldb redo
  sldb redo 3
"""


@command("redo", help=HELP, short_help="Bring back what undo took back.")
@click.argument("steps", type=click.IntRange(1, 1000), default=1, metavar="[N]")
@message_option
@click.option("--if-txid", type=int, metavar="TXID", help="Only if the newest transaction is this one.")
@yes_option("Accepted as for sldb undo: redo asks nothing.")
def redo(run: Run, steps: int, message: str | None, if_txid: int | None, yes: bool) -> None:  # noqa: ARG001
    messages.check_format(run.format)
    name = f"redo {steps}" if steps > 1 else "redo"
    with closing(run.client(message=message, command=name)) as client:
        move = Move.find(client, "redo", steps, if_txid)
        reply = move.run(client)
    back = ["undo", str(steps)] if steps > 1 else ["undo"]
    messages.show_reply(run.format, shown(reply), move.outcome(reply), f"to undo this: {run.command_line(*back)}")
