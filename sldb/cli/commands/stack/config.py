"""The command `sldb config`: the settings in force and their sources; changes of the config file."""

from __future__ import annotations

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages
from sldb.cli.command import command, command_group
from sldb.cli.global_options import completes
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

HELP = """Show the settings in force, and where each comes from.

A value comes from the command line, else the environment, else the config's profile in use (--use NAME or SLDB_USE),
else the top of the config file, else the default. The file is config.toml in your configuration directory, or what
SLDB_CONFIG names.

\b
  sldb config                                          what is in force
  sldb config set region eu-central-1                  for every run
  sldb config set target local:~/orders --use dev      with --use dev
  sldb --use dev shell
"""


@command_group("config", help=HELP, short_help="Show and change the settings.")
@click.pass_context
def config(ctx: click.Context, run: Run) -> None:
    if ctx.invoked_subcommand is None:
        _show(run)


def _show(run: Run) -> None:
    from sldb.config.settings import KEYS
    from sldb.render import check_format

    format_name = check_format(run.format)
    settings = [(name, run.settings.find(name)) for name in KEYS]
    rows = [(name, setting.value or None, setting.source) for name, setting in settings]
    messages.show_rows(format_name, ("key", "value", "from"), rows)
    there = "" if run.settings.config.path.exists() else " (not there yet: sldb config init)"
    messages.say(f"config file: {run.settings.config.path}{there}")


@command("path", short_help="Print the path of the config file.")
def path(_run: Run) -> None:
    """Print the path of the config file, existing or not.

    \b
      $EDITOR "$(sldb config path)"
      sldb config path
    """
    import os

    from sldb.config.file import config_path

    click.echo(str(config_path(os.environ)))


@command("init", short_help="Begin a config file.")
def init(_run: Run) -> None:
    """Begin a config file: every key is in it, commented out.

    \b
      sldb config init
    """
    import os

    from sldb.config.edit import template, write
    from sldb.config.file import config_path, decode

    path = config_path(os.environ)
    if path.exists():
        raise SldbError("bad_request", f"{path} already exists", "sldb config set KEY VALUE")
    write(decode(path, template()))
    messages.say(f"wrote {path}")


@command("set", short_help="Set a value in the config file.")
@click.argument("key", shell_complete=completes("config_keys"))
@click.argument("value")
def set_(run: Run, key: str, value: str) -> None:
    """Set a value in the config file: for every run, or with --use NAME in that profile.

    All other lines stay as they are.

    \b
      sldb config set format jsonl
      sldb config set stack orders --use production
    """
    from sldb.config.edit import with_value, write

    write(with_value(run.settings.config, key, value, run.settings.use))
    messages.say(f"{key} = {value}, {_where(run)}")


@command("unset", short_help="Take a value out of the config file.")
@click.argument("key", shell_complete=completes("config_keys"))
def unset(run: Run, key: str) -> None:
    """Take a value out of the config file: from its top, or with --use NAME from that profile.

    \b
      sldb config unset format
      sldb config unset stack --use production
    """
    from sldb.config.edit import without, write

    edited = without(run.settings.config, key, run.settings.use)
    if edited is run.settings.config:
        messages.say(f"{key} was not set, {_where(run)}: {NOT_CHANGED}")
        return
    write(edited)
    messages.say(f"{key} is not set any more, {_where(run)}")


def _where(run: Run) -> str:
    return f"in {run.settings.config.path}" + (f" for --use {run.settings.use}" if run.settings.use else "")


for _command in (path, init, set_, unset):
    config.add_command(_command)
