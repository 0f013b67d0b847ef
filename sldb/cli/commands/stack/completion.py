"""The command `sldb completion`: the completion of commands, options and their values in a shell."""

from __future__ import annotations

import click

from sldb.cli.command import command
from sldb.cli.main import sldb
from sldb.cli.run import Run

HELP = """Print the line for a shell to complete sldb's commands, options, formats, files and local databases.

\b
  sldb completion bash >> ~/.bashrc
  sldb completion zsh >> ~/.zshrc            after the line with compinit
  sldb completion fish > ~/.config/fish/completions/sldb.fish

The printed line asks the installed sldb each time, and so stays right after an update of sldb. No completion uses the
network.
"""
_LINES = {
    "bash": 'eval "$(_SLDB_COMPLETE=bash_source sldb)"',
    "zsh": 'eval "$(_SLDB_COMPLETE=zsh_source sldb)"',
}


@command("completion", help=HELP, short_help="Print the line for completion in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(_run: Run, shell: str) -> None:
    if shell in _LINES:
        click.echo(_LINES[shell])
        return
    from click.shell_completion import FishComplete

    click.echo(FishComplete(sldb, {}, "sldb", "_SLDB_COMPLETE").source())
