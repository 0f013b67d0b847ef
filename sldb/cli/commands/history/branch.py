"""The command `sldb branch`: another database that begins with the content of this one."""

from __future__ import annotations

from contextlib import closing

import click

from sldb.cli import messages, moment_options
from sldb.cli.command import command
from sldb.cli.global_options import completes
from sldb.cli.run import Run

HELP = """Create a database with the content of this one, as it is, or was at a transaction or a time.

The files are copied inside the store, so even a large database takes only seconds. From then on the two are independent
of each other. A name that exists is refused. If it is stopped half-way, the name cannot be used, and the same command
again completes it.

\b
  sldb branch main --as staging
  sldb branch main --as before --at yesterday
"""


@command("branch", help=HELP, short_help="Copy a database under another name.")
@click.argument("source", required=False, shell_complete=completes("databases"))
@click.option("--as", "name", required=True, metavar="NAME", help="The name of the new database.")
@moment_options.at_option("As it was then")
def branch(run: Run, source: str | None, name: str, at: str | None) -> None:
    from sldb.actions.branch import Branch

    messages.check_format(run.format)
    with closing(run.client(source)) as client:
        made = Branch.create(client, name, moment_options.parse_moment(at))
    if not made.is_new:
        messages.show_reply(run.format, made.reply, made.outcome)
        return
    messages.show_reply(
        run.format,
        made.reply,
        f"{made.outcome} · txid {made.reply['txid']}",
        *made.warnings,
        f"to undo this: {run.command_line('databases', 'drop', name)}",
    )
