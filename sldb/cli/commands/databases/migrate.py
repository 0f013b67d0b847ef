"""The command `sldb migrate`: apply the migrations of a directory, each exactly once."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click

from sldb.cli import messages
from sldb.cli.command import command, command_group
from sldb.cli.commands.databases.migrate_rollback import rollback
from sldb.cli.commands.databases.migrate_up import up
from sldb.cli.migrations import DIRECTORY_KEY, directory_option, directory_path
from sldb.cli.run import Run

HELP = """Apply the migrations of a directory to a database, each exactly once.

Migrations are SQL files in dbmate's format, in db/migrations (--dir, SLDB_MIGRATIONS, or `migrations` in the config).
Each is one transaction together with its row in dbmate's table schema_migrations: it is applied wholly or not at all,
and once, even if several processes run this command at the same time.

\b
  sldb migrate new create_users   create a file
  sldb migrate up --rehearse      try the pending ones on a branch
  sldb migrate up                 apply them
  sldb migrate status             show which are applied, as without it
  sldb migrate rollback           roll back the last one
"""


@command_group("migrate", help=HELP, short_help="Apply migrations, each exactly once.")
@directory_option
@click.pass_context
def migrate(ctx: click.Context, run: Run, directory: str | None) -> None:
    ctx.meta[DIRECTORY_KEY] = directory
    if ctx.invoked_subcommand is None:
        _status(run, directory_path(ctx, run, None))


@command("new", short_help="Create a migration file.")
@click.argument("name")
@directory_option
@click.pass_context
def new(ctx: click.Context, run: Run, name: str, directory: str | None) -> None:
    """Create a migration file, named after the time in UTC and NAME. Its path is printed.

    \b
      sldb migrate new create_users
      $EDITOR "$(sldb migrate new add_email)"
    """
    from sldb.migrate.files import create_file

    click.echo(str(create_file(directory_path(ctx, run, directory), name, time.time())))


@command("status", short_help="Show the state of each migration.")
@directory_option
@click.option("--exit-code", is_flag=True, help="Exit status 1 if there is something to apply.")
@click.pass_context
def status(ctx: click.Context, run: Run, directory: str | None, exit_code: bool) -> int:
    """Show the state of each migration.

    \b
    applied        and the file is as it was
    pending        `sldb migrate up` applies it
    out_of_order   pending, although a newer one is applied
    changed        applied, and the file was changed since
    missing        applied, and there is no file

    \b
      sldb migrate status
      sldb migrate status --exit-code || sldb migrate up
    """
    pending = _status(run, directory_path(ctx, run, directory))
    return 1 if exit_code and pending else 0


def _status(run: Run, directory: Path) -> int:
    from sldb.migrate.files import list_versions, read_directory
    from sldb.migrate.runner import read_applied
    from sldb.render import check_format
    from sldb.report import count

    format_name = check_format(run.format)
    migrations = read_directory(directory)
    with closing(run.client()) as client:
        found = list_versions(migrations, read_applied(client).versions)
    rows = [(one.version, one.state, one.name or None) for one in found]
    messages.show_rows(format_name, ("version", "state", "file"), rows)
    pending = sum(one.is_pending for one in found)
    messages.say(f"{run.database}: {count(len(found) - pending, 'migration')} applied, {pending} pending")
    return pending


for _command in (new, status, up, rollback):
    migrate.add_command(_command)
