"""`sldb migrate`: apply the migrations of a directory, each exactly once."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages
from sldb.cli.command import command, command_group
from sldb.cli.questions import create_option
from sldb.cli.run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambda_handlers.wire import Reply, Value
    from sldb.client import Client
    from sldb.migrate.files import Migration, VersionStatus

HELP = """Apply the migrations of a directory to a database, each exactly once.

Migrations are SQL files in dbmate's format, in db/migrations (--dir, SLDB_MIGRATIONS, or `migrations` in the config).
Each is one transaction together with the note that it is applied, in dbmate's table schema_migrations: it is applied
wholly or not at all, also where several run this at once.

\b
  sldb migrate new create_users        begin a file
  sldb migrate up --rehearse           try all that is pending on a branch, and see what it does
  sldb migrate up                      apply it
  sldb migrate status                  which are applied (the same as sldb migrate)
  sldb migrate rollback                take the last one back
"""
_directory = click.option("--dir", "directory", metavar="DIR", help="Where the migrations are.")


@command_group("migrate", help=HELP, short_help="Apply migrations, each exactly once.")
@_directory
@click.pass_context
def migrate(ctx: click.Context, run: Run, directory: str | None) -> None:
    ctx.meta["sldb.migrations"] = directory
    if ctx.invoked_subcommand is None:
        _status(run, _path(ctx, run, None))


def _path(ctx: click.Context, run: Run, directory: str | None) -> Path:
    return Path(run.settings.find("migrations", directory or ctx.meta["sldb.migrations"]).value).expanduser()


@command("new", short_help="Begin a migration.")
@click.argument("name")
@_directory
@click.pass_context
def new(ctx: click.Context, run: Run, name: str, directory: str | None) -> None:
    """Begin a migration: a file that is named after the time in UTC and NAME. Its path is printed.

    \b
      sldb migrate new create_users
      $EDITOR "$(sldb migrate new add_email)"
    """
    from sldb.migrate.files import create_file

    click.echo(str(create_file(_path(ctx, run, directory), name, time.time())))


@command("status", short_help="Show which migrations are applied.")
@_directory
@click.option("--exit-code", is_flag=True, help="Exit status 1 if there is something to apply.")
@click.pass_context
def status(ctx: click.Context, run: Run, directory: str | None, exit_code: bool) -> int:
    """Show which migrations are applied, and which are not.

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
    pending = _status(run, _path(ctx, run, directory))
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


@command("up", short_help="Apply what is pending.")
@_directory
@click.option("--to", metavar="VERSION", help="Only up to this version.")
@click.option("--rehearse", is_flag=True, help="On a branch, which is dropped: show what it does, change nothing.")
@click.option("--strict", is_flag=True, help="Refuse where a file is out of order, changed or missing.")
@create_option
@click.pass_context
def up(
    ctx: click.Context,
    run: Run,
    directory: str | None,
    to: str | None,
    rehearse: bool,
    strict: bool,
    creates: bool,
) -> None:
    """Apply the migrations that are pending, in the order of their versions.

    The first that fails ends it: nothing of that one is applied, and those before it stay. With --rehearse all run on
    a branch of the database, and what they change is shown: tables, indexes, and numbers of rows.

    \b
      sldb migrate up
      sldb migrate up --rehearse
      sldb migrate up --to 20261125103000
      sldb migrate up --strict --database orders --dir orders/migrations
    """
    from sldb.migrate.files import list_versions, read_directory
    from sldb.migrate.runner import read_applied

    messages.check_format(run.format)
    migrations = read_directory(_path(ctx, run, directory))
    with closing(run.client(create=creates)) as client:
        found = list_versions(migrations, read_applied(client).versions)
        _tell_oddities(found, strict)
        waiting = {one.version for one in _until(found, to) if one.is_pending}
        pending = [migration for migration in migrations if migration.version in waiting]
        if not pending:
            messages.say(f"{run.database}: nothing to apply")
            return
        client.prepare_to_write()
        if rehearse:
            _rehearse(run, client, pending)
        else:
            _apply(run, client, pending)


def _tell_oddities(found: Sequence[VersionStatus], strict: bool) -> None:
    says = {
        "out_of_order": "{0} is older than one that is applied",
        "changed": "{0} was changed after it was applied",
        "missing": "{0} is applied, and there is no file for it",
    }
    odd = [says[one.state].format(one.name or one.version) for one in found if one.state in says]
    if odd and strict:
        raise SldbError("bad_request", odd[0], "leave --strict out to go on all the same", applied="no")
    for sentence in odd:
        messages.say(f"note: {sentence}")


def _until(found: Sequence[VersionStatus], to: str | None) -> list[VersionStatus]:
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
            reply = _timed(migration, partial(runner.apply, client, migration), "applied")
            if reply is not None:
                done.append((migration, reply))
    finally:
        _show_applied(run, done)


def _timed(migration: Migration, act: Callable[[], Reply | None], done: str) -> Reply | None:
    from sldb.report import duration

    started = time.monotonic()
    reply = act()
    took = duration((time.monotonic() - started) * 1000)
    if reply is None:
        messages.say(f"{migration.name}: {done} already, by somebody else")
        return None
    block = migration.down if done == "rolled back" else migration.up
    note = "" if block.transaction else " · as one transaction, although transaction:false"
    messages.say(f"{done} {migration.name} · {took} · txid {reply.txid}{note}")
    return reply


def _show_applied(run: Run, done: Sequence[tuple[Migration, Reply]]) -> None:
    """For a program that asked for a format."""
    if run.format != "table":
        rows: list[tuple[Value, ...]] = [(one.version, one.name, reply.txid) for one, reply in done]
        messages.show_rows(run.format, ("version", "file", "txid"), rows)


def _rehearse(run: Run, client: Client, pending: Sequence[Migration]) -> None:
    from sldb.migrate import rehearsal, runner
    from sldb.report import count

    with rehearsal.rehearsal_branch(client) as (there, branch):
        messages.say(f"rehearsing on {branch.branch}, a branch of {run.database}")
        for migration in pending:
            _timed(migration, partial(runner.apply, there, migration), "applied there")
        changes = rehearsal.changes(there, branch)
    columns = ("name", "type", "schema", "added", "removed", "changed", "before", "after")
    rows: list[Any] = [[getattr(change, column) for column in columns] for change in changes]
    messages.show_rows(run.format, columns, rows)
    differs = count(len(changes), "difference") if changes else "nothing differs"
    messages.say(f"{count(len(pending), 'migration')}: {differs}; {run.database} is as it was")


@command("rollback", short_help="Take the last migration back.")
@click.argument("number", metavar="[N]", type=click.IntRange(min=1), default=1)
@_directory
@click.pass_context
def rollback(ctx: click.Context, run: Run, number: int, directory: str | None) -> None:
    """Take back the last migration that was applied, or the last N, with what stands below -- migrate:down.

    \b
      sldb migrate rollback
      sldb migrate rollback 2
    """
    from sldb.migrate import runner
    from sldb.migrate.files import read_directory

    messages.check_format(run.format)
    migrations = {migration.version: migration for migration in read_directory(_path(ctx, run, directory))}
    done = []
    with closing(run.client()) as client:
        last = sorted(runner.read_applied(client).versions, reverse=True)[:number]
        if not last:
            messages.say(f"{run.database}: nothing to roll back")
        _check_files(last, migrations)
        for version in last:
            migration = migrations[version]
            reply = _timed(migration, partial(runner.roll_back, client, version, migration), "rolled back")
            if reply is not None:
                done.append((migration, reply))
    _show_applied(run, done)
    if done:
        messages.say(f"to undo this: {run.command_line('restore', '--at', str(done[0][1].txid - 1))}")


def _check_files(versions: Sequence[str], migrations: dict[str, Migration]) -> None:
    for version in versions:
        if version not in migrations:
            raise SldbError(
                "bad_request",
                f"{version} is applied, and there is no file that says how to roll it back",
                "bring its file back, or go back in time: sldb restore --at TXID",
                applied="no",
            )


for _command in (new, status, up, rollback):
    migrate.add_command(_command)
