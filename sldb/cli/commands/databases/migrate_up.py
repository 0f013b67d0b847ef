"""The command `sldb migrate up`: apply the pending migrations, or rehearse them on a branch."""

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
from sldb.cli.questions import create_option
from sldb.cli.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sldb.client import Client
    from sldb.migrate.files import Migration, VersionStatus


@command("up", short_help="Apply the pending migrations.")
@directory_option
@click.option("--to", metavar="VERSION", help="Only up to this version.")
@click.option("--rehearse", is_flag=True, help="Apply on a temporary branch and show the effects; change nothing.")
@click.option("--strict", is_flag=True, help="Refuse if a file is out of order, changed or missing.")
@create_option
@message_option
@click.pass_context
def up(
    ctx: click.Context,
    run: Run,
    directory: str | None,
    to: str | None,
    rehearse: bool,
    strict: bool,
    creates: bool,
    message: str | None,
) -> None:
    """Apply the pending migrations in the order of their versions.

    The first failure ends it: nothing of that migration is applied, and those before it stay. With --rehearse all run
    on a branch of the database, and their changes are shown: tables, indexes, and numbers of rows.

    \b
      sldb migrate up
      sldb migrate up --rehearse
      sldb migrate up --to 20261125103000
      sldb migrate up --strict --database orders --dir orders/migrations
    """
    from sldb.migrate.files import list_versions, read_directory
    from sldb.migrate.runner import read_applied

    messages.check_format(run.format)
    migrations = read_directory(directory_path(ctx, run, directory))
    with closing(run.client(create=creates, message=message, command="migrate up")) as client:
        found = list_versions(migrations, read_applied(client).versions)
        _report_oddities(found, strict)
        waiting = {one.version for one in _up_to(found, to) if one.is_pending}
        pending = [migration for migration in migrations if migration.version in waiting]
        if not pending:
            messages.say(f"{run.database}: nothing to apply")
            return
        client.prepare_to_write()
        if rehearse:
            _rehearse(run, client, pending)
        else:
            _apply(run, client, pending)


def _report_oddities(found: Sequence[VersionStatus], strict: bool) -> None:
    says = {
        "out_of_order": "{0} is older than one that is applied",
        "changed": "{0} was changed after it was applied",
        "missing": "{0} is applied, and there is no file for it",
    }
    odd = [says[one.state].format(one.name or one.version) for one in found if one.state in says]
    if odd and strict:
        raise SldbError("bad_request", odd[0], "leave --strict out to apply the others anyway", applied="no")
    for sentence in odd:
        messages.say(f"note: {sentence}")


def _up_to(found: Sequence[VersionStatus], to: str | None) -> list[VersionStatus]:
    if to is None:
        return list(found)
    names = {one.version for one in found} & {to, to.partition("_")[0]}
    if not names:
        raise SldbError("bad_request", f"--to: there is no migration {to}", "`sldb migrate status` lists them")
    return [one for one in found if one.version <= max(names)]


def _apply(run: Run, client: Client, pending: Sequence[Migration]) -> None:
    from sldb.migrate import runner

    done = []
    try:
        for migration in pending:
            reply = report_step(migration, partial(runner.apply, client, migration), "applied")
            if reply is not None:
                done.append((migration, reply))
    finally:
        show_applied(run, done)


def _rehearse(run: Run, client: Client, pending: Sequence[Migration]) -> None:
    from sldb.diff.comparison import changes_table
    from sldb.migrate import rehearsal, runner
    from sldb.report import count

    with rehearsal.rehearsal_branch(client) as (there, branch):
        messages.say(f"rehearsing on {branch.branch}, a branch of {run.database}")
        for migration in pending:
            report_step(migration, partial(runner.apply, there, migration), "applied there")
        changes = rehearsal.changes(there, branch)
    messages.show_results(run.format, [changes_table(changes)])
    differs = count(len(changes), "difference") if changes else "nothing differs"
    messages.say(f"{count(len(pending), 'migration')}: {differs}; {run.database} is as it was")
