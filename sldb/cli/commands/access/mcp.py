"""The command `sldb mcp`: a database for assistants that speak the Model Context Protocol."""

from __future__ import annotations

from dataclasses import replace

import click

from lambda_handlers.wire import SldbError
from sldb.cli.command import command
from sldb.cli.run import Run

HELP = """Let an assistant use the database, by the Model Context Protocol.

It speaks over standard input and output: an assistant's program starts it. It reads, shows the schema, explains plans,
reads the past, and previews writes, which it takes back. With --allow-writes it writes too; what destroys rows needs
the assistant's word that a person has confirmed it.

\b
  claude mcp add sales -- sldb --database sales mcp
  sldb --local ~/databases mcp --allow-writes
"""


@command("mcp", help=HELP, short_help="Let an assistant use the database.")
@click.option("--allow-writes", is_flag=True, help="Offer a tool that writes (default: reads only).")
def mcp(run: Run, allow_writes: bool) -> int:
    try:
        from sldb.mcp.server import make_server
    except ModuleNotFoundError as error:
        raise SldbError("bad_request", f"sldb mcp needs the package {error.name}", "pip install 'sldb[mcp]'") from error
    from sldb.mcp.tools import COMMAND, Tools

    # Nobody looks at a terminal, and standard output belongs to the protocol.
    client = replace(run.client(command=COMMAND), on_send=None, on_cancel=None, on_write=None)
    make_server(Tools(client), allows_writes=allow_writes).run("stdio")
    return 0
