"""The command `sldb backup`: databases with their whole history, copied elsewhere and back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, progress, streams
from sldb.cli.command import command, command_group
from sldb.cli.run import Run

if TYPE_CHECKING:
    from sldb.backup.manifest import BackupName, Manifest
    from sldb.backup.places import Store

F = TypeVar("F", bound=Callable[..., Any])

HELP = """Copy databases with their whole history to another place, and bring them back.

A place is a directory, or s3://BUCKET/PREFIX, also of another account or region (--place-profile, --place-region).
Each backup copies only what is new. It needs no function: databases are read and written with your own rights.

\b
  sldb backup create s3://my-backups/orders --place-region eu-west-1
  sldb backup list s3://my-backups/orders --place-region eu-west-1
  sldb backup restore s3://my-backups/orders --stack other
"""


def _place_options(decorated: F) -> F:
    for option in (
        click.argument("place"),
        click.option("--place-profile", metavar="NAME", help="The AWS profile for the place (default: the usual one)."),
        click.option("--place-region", metavar="NAME", help="The AWS region of the place (default: the usual one)."),
    ):
        decorated = option(decorated)
    return decorated


_databases_option = click.option(
    "--only", "names", multiple=True, metavar="DATABASE", help="Only this database; may be repeated (default: all)."
)


@command_group("backup", help=HELP, short_help="Copy databases with their history elsewhere, and back.")
@click.pass_context
def backup(ctx: click.Context, run: Run) -> None:  # noqa: ARG001  # as every command
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@command("create", short_help="Copy what a place does not have yet.")
@_place_options
@_databases_option
@click.option("--only-newest", is_flag=True, help="The newest state alone, without the history.")
@click.option("--verify", is_flag=True, help="Then read everything back, and have SQLite check it.")
def create(
    run: Run,
    place: str,
    place_profile: str | None,
    place_region: str | None,
    names: Sequence[str],
    only_newest: bool,
    verify: bool,
) -> None:
    """Copy what a place does not have yet of each database, while writers go on.

    Each file is compared with its checksum. A backup counts once all of its files are there; if it is stopped, the same
    command again goes on.

    \b
      sldb backup create ~/backups
      sldb backup create s3://my-backups/orders --only main --verify
    """
    from sldb.backup.backup import back_up, databases_in
    from sldb.backup.copying import Source
    from sldb.report import count, size

    as_json = run.table_or_json() == "json"
    store, where = _store(run)
    target = _open(run, place, place_profile, place_region, creates=True)
    made = []
    for name in names or databases_in(store):
        with progress.show() as shown:
            manifest, copied = back_up(Source(store, name, only_newest), target, where, shown)
            if verify:
                _verify(target, manifest, shown)
        made.append(_facts(manifest.name) | {"new_files": copied.new_files, "new_bytes": copied.new_bytes})
        if not as_json:
            done = "verified" if verify else "copied"
            new = f"{count(copied.new_files, 'new file')}, {size(copied.new_bytes)}"
            messages.say(f"{name}: {done} up to transaction {copied.txid} ({new})")
    if not made:
        messages.say("there are no databases to copy")
    if as_json:
        click.echo(json.dumps(made))


@command("list", short_help="List the backups in a place.")
@_place_options
def list_(run: Run, place: str, place_profile: str | None, place_region: str | None) -> None:
    """List the backups in a place: their databases, newest transactions and times.

    \b
      sldb backup list s3://my-backups/orders
    """
    from sldb.backup.manifest import list_backups
    from sldb.ops.status_report import write_table
    from sldb.report import age

    as_json = run.table_or_json() == "json"
    found = list_backups(_open(run, place, place_profile, place_region, creates=False))
    if as_json:
        click.echo(json.dumps([_facts(name) for name in found]))
        return
    now = time.time()
    rows = [(each.database, str(each.txid), f"{age(max(0.0, now - each.made_at_ms / 1000))} ago") for each in found]
    write_table(streams.data_out(), "backups: none", ("database", "txid", "made"), rows)


@command("verify", short_help="Read backups and check them.")
@_place_options
@_databases_option
def verify_(run: Run, place: str, place_profile: str | None, place_region: str | None, names: Sequence[str]) -> None:
    """Read every file of the newest backups, compare it with its checksum, and have SQLite check the newest state.

    \b
      sldb backup verify s3://my-backups/orders
    """
    store = _open(run, place, place_profile, place_region, creates=False)
    for manifest in _newest(store, names):
        with progress.show() as shown:
            _verify(store, manifest, shown)
        messages.say(f"{manifest.name.database}: intact up to transaction {manifest.name.txid}")


@command("restore", short_help="Make databases of backups.")
@_place_options
@_databases_option
@click.option("--as", "new_name", metavar="NAME", help="The name of the database to make, with one --only.")
def restore(
    run: Run,
    place: str,
    place_profile: str | None,
    place_region: str | None,
    names: Sequence[str],
    new_name: str | None,
) -> None:
    """Make databases of the newest backups, with their history. No existing database is overwritten: if one of the
    names is taken, nothing is done.

    A database appears once all of it is there; if it is stopped before, the same command again goes on.

    \b
      sldb backup restore s3://my-backups/orders --stack other
      sldb backup restore ~/backups --only main --as main-before
    """
    from sldb.backup.backup import check_names
    from sldb.backup.backup import restore as bring_back
    from sldb.report import count, size

    if new_name and len(names) != 1:
        raise SldbError("bad_request", "--as names one database: add --only DATABASE")
    target, _ = _store(run)
    source = _open(run, place, place_profile, place_region, creates=False)
    wanted = {new_name or manifest.name.database: manifest for manifest in _newest(source, names)}
    check_names(source, wanted, target)
    restored: list[str] = []
    for name, manifest in wanted.items():
        try:
            with progress.show() as shown:
                made = bring_back(source, manifest, target, name, shown)
        except SldbError as error:
            raise _stopped(error, restored, [each for each in wanted if each not in restored]) from None
        restored.append(name)
        run.report_write(name)
        new = f"{count(made.new_files, 'new file')}, {size(made.new_bytes)}"
        messages.say(f"{name}: restored up to transaction {made.txid} ({new})")


def _stopped(error: SldbError, restored: Sequence[str], left: Sequence[str]) -> SldbError:
    """Add the databases restored before it to an error, and return it."""
    if restored:
        error.details.pop("applied", None)  # it is about one database
        outcome = f"restored: {', '.join(restored)}; not restored: {', '.join(left)}"
        error.hint = f"{outcome}; the same command again goes on" + (f"; {error.hint}" if error.hint else "")
    return error


def _newest(store: Store, names: Sequence[str]) -> list[Manifest]:
    """Return the manifests of the newest backups. Raises `not_found` if a database has none."""
    from sldb.backup.manifest import list_backups, newest_of, read_manifest

    newest = newest_of(list_backups(store))
    if missing := [name for name in names if name not in newest] or ([] if newest else ["any database"]):
        raise SldbError("not_found", f"there is no backup of {missing[0]} here", "`sldb backup list` lists all")
    return [read_manifest(store, newest[name]) for name in names or sorted(newest)]


def _verify(store: Store, manifest: Manifest, shown: Any) -> None:
    from sldb.backup.backup import verify_backup
    from sldb.backup.integrity import check_integrity
    from sldb.push_pull.integrity import not_checked

    verify_backup(store, manifest, shown)
    for table in check_integrity(store, manifest).unchecked:
        shown.note(not_checked(table))


def _facts(name: BackupName) -> dict[str, Any]:
    return {"database": name.database, "txid": name.txid, "made_at_ms": name.made_at_ms}


def _store(run: Run) -> tuple[Store, str]:
    """Return the store of the destination, and its place in words."""
    destination = run.destination
    if destination.directory is None:
        from sldb.targets.bucket import BucketTarget

        return BucketTarget(run.deployed_function, run.aws).open_store(), destination.place
    from sldb.backup.places import open_place
    from sldb.client import default_directory

    root = Path(destination.directory) if destination.directory else default_directory()
    return open_place(str(root), run.aws_options, creates=True), destination.place


def _open(run: Run, place: str, profile: str | None, region: str | None, *, creates: bool) -> Store:
    from sldb.aws.options import AwsOptions
    from sldb.backup.places import open_place

    usual = run.aws_options
    return open_place(place, AwsOptions(profile or usual.profile, region or usual.region), creates=creates)


for _command in (create, list_, verify_, restore):
    backup.add_command(_command)
