"""`sldb restore`: bring back an earlier state of a database."""

from __future__ import annotations

from contextlib import closing

import click

from sldb.applied import NOT_CHANGED
from sldb.cli import outcome
from sldb.cli.main import Globals, command

HELP = """Bring back the state that a database had at a transaction or a time.

That is a new transaction: nothing is lost, the states in between stay readable, and the command that undoes it is
printed. It also brings back a database that was dropped.

\b
  sldb restore --at 41
  sldb restore --at 2026-11-01T10:00:00Z
"""


@command("restore", help=HELP, short_help="Bring back an earlier state.")
@click.option("--at", required=True, metavar="TXID|TIME", help="A txid, or an RFC 3339 time.")
@click.option("--if-txid", type=int, metavar="TXID", help="Only if the newest transaction is this one.")
def restore(run_globals: Globals, at: str, if_txid: int | None) -> None:
    from sldb.report import count

    outcome.check(run_globals)
    with closing(run_globals.client()) as client:
        reply = client.act("restore", at=outcome.moment(at), if_txid=if_txid)
    name, restored = reply["database"], reply["restored"]
    if not reply["changed"]:
        outcome.tell(run_globals, reply, f"{name} is as it was at transaction {restored} already: {NOT_CHANGED}")
        return
    outcome.tell(
        run_globals,
        reply,
        f"{name} is again as it was at transaction {restored} · {count(reply['pages'], 'page')} · txid {reply['txid']}",
        f"to undo this: {run_globals.command_line('restore', '--at', str(reply['before']))}",
    )
