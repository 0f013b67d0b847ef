"""The command `sldb history`: the transactions of a database, newest first."""

from __future__ import annotations

from contextlib import closing

import click

from sldb.cli import messages
from sldb.cli.command import command
from sldb.cli.run import Run

HELP = """List the transactions of a database, newest first.

Each can be read with sldb query --at TXID, and brought back with sldb restore --at TXID, unless the last
column says otherwise. Where the files of single transactions have been removed, one line stands for a range of them
(12..40); only its last one can be read. The formats for people have sizes with units and local times, the others bytes
and UTC.

\b
  sldb history
  sldb history --limit 5 --format json
"""


@command("history", help=HELP, short_help="List the transactions of a database.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N", help="How many lines."
)
@click.option("--before", type=click.IntRange(min=1), metavar="TXID", help="Only transactions before this one.")
def history(run: Run, limit: int, before: int | None) -> None:
    from sldb.actions.history import table
    from sldb.render import check_format

    format_name = check_format(run.format)
    with closing(run.client()) as client:
        reply = client.act("history", limit=limit, before=before)
    messages.show_table(format_name, table(reply["transactions"], format_name))
    if reply["next"] is not None:
        messages.say(f"more: {run.command_line('history', '--before', str(reply['next']))}")
