"""`sldb completion`: what makes a shell complete sldb's commands, options and their values."""

from __future__ import annotations

import click

from sldb.cli.command import command
from sldb.cli.main import sldb
from sldb.cli.run import Run

HELP = """Print what makes a shell complete sldb's commands, options, formats, files and local databases.

\b
  sldb completion bash >> ~/.bashrc
  sldb completion zsh >> ~/.zshrc            after the line with compinit
  sldb completion fish > ~/.config/fish/completions/sldb.fish

The line that it prints asks the installed sldb each time, so that it stays right when sldb is updated. Nothing that is
completed asks the network.
"""
_LINES = {
    "bash": 'eval "$(_SLDB_COMPLETE=bash_source sldb)"',
    "zsh": 'eval "$(_SLDB_COMPLETE=zsh_source sldb)"',
}


@command("completion", help=HELP, short_help="Print what makes a shell complete.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(_run: Run, shell: str) -> None:
    if shell in _LINES:
        click.echo(_LINES[shell])
        return
    from click.shell_completion import FishComplete

    click.echo(FishComplete(sldb, {}, "sldb", "_SLDB_COMPLETE").source())
