"""The command `sldb migrate rollback`: take back the last migrations."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages
from sldb.cli.command import command
from sldb.cli.message_option import message_option
from sldb.cli.migrations import directory_option, directory_path, report_step, show_applied
from sldb.cli.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sldb.migrate.files import Migration


@command("rollback", short_help="Roll back the last migration.")
@click.argument("number", metavar="[N]", type=click.IntRange(min=1), default=1)
@directory_option
@message_option
@click.pass_context
def rollback(ctx: click.Context, run: Run, number: int, directory: str | None, message: str | None) -> None:
    """Roll back the last applied migration, or the last N, by the SQL below -- migrate:down.

    \b
      sldb migrate rollback
      sldb migrate rollback 2
    """
    from sldb.migrate import runner
    from sldb.migrate.files import read_directory

    messages.check_format(run.format)
    migrations = {migration.version: migration for migration in read_directory(directory_path(ctx, run, directory))}
    done = []
    with closing(run.client(message=message, command="migrate rollback")) as client:
        last = sorted(runner.read_applied(client).versions, reverse=True)[:number]
        if not last:
            messages.say(f"{run.database}: nothing to roll back")
        _check_files(last, migrations)
        for version in last:
            migration = migrations[version]
            reply = report_step(migration, partial(runner.roll_back, client, version, migration), "rolled back")
            if reply is not None:
                done.append((migration, reply))
    show_applied(run, done)
    if done:
        messages.say(f"to undo this: {run.command_line('restore', '--at', str(done[0][1].txid - 1))}")


def _check_files(versions: Sequence[str], migrations: dict[str, Migration]) -> None:
    for version in versions:
        if version not in migrations:
            raise SldbError(
                "bad_request",
                f"{version} is applied, and there is no file with the SQL to roll it back",
                "bring its file back, or go back in time: sldb restore --at TXID",
                applied="no",
            )
