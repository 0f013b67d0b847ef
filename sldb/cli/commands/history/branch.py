"""`sldb branch`: another database that begins as this one was."""

from __future__ import annotations

from contextlib import closing

import click

from sldb.cli import messages, moment_options
from sldb.cli.command import command, completes
from sldb.cli.global_options import Globals
from sldb.write_outcome import NOT_CHANGED

HELP = """Make another database that begins as this one is, or was at a transaction or a time.

The files are copied inside the store, so that a large database takes seconds. From then on the two have nothing to do
with each other. A name that exists is refused. If it is stopped half-way, the name cannot be used, and the same command
again completes it.

\b
  sldb branch main --as staging
  sldb branch main --as before --at yesterday
"""


@command("branch", help=HELP, short_help="Copy a database under another name.")
@click.argument("source", required=False, shell_complete=completes("databases"))
@click.option("--as", "name", required=True, metavar="NAME", help="The name of the new database.")
@moment_options.at_option("As it was then")
def branch(run_globals: Globals, source: str | None, name: str, at: str | None) -> None:
    from sldb.as_of import transaction, warnings
    from sldb.report import count, size

    messages.check_format(run_globals.format)
    with closing(run_globals.client(source)) as client:
        reply = client.act("branch", **{"as": name, "at": moment_options.moment(at)})
    time = reply.get("time")  # an older function does not tell it
    what = f"{reply['as']} is {reply['database']} as of {transaction(reply['at'], time)}"
    if not reply["created"]:
        messages.report(run_globals.format, reply, f"{what}, already: {NOT_CHANGED}")
        return
    messages.report(
        run_globals.format,
        reply,
        f"{what} · {count(reply['files'], 'file')}, {size(reply['bytes'])} · txid {reply['txid']}",
        *warnings(reply["at"], time),
        f"to undo this: {run_globals.command_line('databases', 'drop', reply['as'])}",
    )
