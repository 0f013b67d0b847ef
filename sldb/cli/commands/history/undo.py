"""The command `sldb undo`: take back the last writes."""

from __future__ import annotations

from contextlib import closing

import click

from sldb.actions.undo import Move, unconfirmed
from sldb.cli import messages, streams
from sldb.cli.command import command
from sldb.cli.message_option import message_option
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

HELP = """Take back the last write to a database, or the last N.

A new transaction brings back the state before it. Another undo goes one more step back, and sldb redo goes forward
again, until something else is written. If another client writes at the same moment, nothing is done: only the writes
that are shown are ever taken back. If there were other writes since the last undo, it asks first; without a terminal it
needs --yes.

\b
  sldb undo
  sldb undo 3
  sldb undo --if-txid 41
"""


@command("undo", help=HELP, short_help="Take back the last write.")
@click.argument("steps", type=click.IntRange(1, 1000), default=1, metavar="[N]")
@message_option
@click.option("--if-txid", type=int, metavar="TXID", help="Only if the last write is this transaction.")
@yes_option("Do not ask, whatever was written since the last undo.")
def undo(run: Run, steps: int, message: str | None, if_txid: int | None, yes: bool) -> int:
    messages.check_format(run.format)
    with closing(run.client(message=message, command=" ".join(("undo", *_count(steps))))) as client:
        move = Move.find(client, "undo", steps, if_txid)
        if not _may_go_on(move, client.where, sure=yes or if_txid is not None):
            messages.say(NOT_CHANGED)
            return 1
        reply = move.run(client)
    again = [f"to bring {move.pronoun} back: {run.command_line('redo', *_count(steps))}"] if reply["changed"] else []
    messages.show_reply(run.format, shown(reply), move.outcome(reply), *again)
    return 0


def shown(reply: dict[str, object]) -> dict[str, object]:
    """Return the reply as one row of values: the steps are a text."""
    steps = reply["steps"]
    return {**reply, "steps": ",".join(str(txid) for txid in steps) if isinstance(steps, list) else None}


def _may_go_on(move: Move, where: str, *, sure: bool) -> bool:
    """Return the answer to the question that an undo needs after other writes, or True. Raises `unconfirmed`."""
    if sure or not move.warning:
        return True
    if not streams.can_ask():
        hint = (
            f"`sldb history` shows them; --yes takes {move.pronoun} back, "
            "--if-txid TXID does so if that is still the last write"
        )
        raise unconfirmed(move, hint)
    messages.say_subject(where)
    messages.say(move.sentence)
    return click.confirm("Go on?", err=True, default=False)


def _count(steps: int) -> list[str]:
    return [str(steps)] if steps > 1 else []
