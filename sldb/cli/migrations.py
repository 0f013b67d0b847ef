"""The shared parts of the commands of `sldb migrate`: the directory of migrations, and the report of applied ones."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sldb.cli import messages, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambda_handlers.wire import Reply, Value
    from sldb.cli.run import Run
    from sldb.migrate.files import Migration

DIRECTORY_KEY = "sldb.migrations"  # in click's context: --dir of the group, before the name of the subcommand
directory_option = click.option("--dir", "directory", metavar="DIR", help="Where the migrations are.")


def directory_path(ctx: click.Context, run: Run, directory: str | None) -> Path:
    """Return the directory of migrations; `directory`: --dir of the subcommand."""
    return Path(run.settings.find("migrations", directory or ctx.meta[DIRECTORY_KEY]).value).expanduser()


def report_step(migration: Migration, act: Callable[[], Reply | None], done: str) -> Reply | None:
    """Run the step of one migration and report it as `done`; return its reply, None if another client was first."""
    from sldb.cancelling import TooLate
    from sldb.report import duration
    from sldb.write_outcome import UNKNOWN

    started = time.monotonic()
    try:
        with progress.show(f"{'rolling back' if done == 'rolled back' else 'applying'} {migration.name}"):
            reply = act()
    except TooLate as late:
        messages.say(f"{migration.name}: {late}")
        raise
    except KeyboardInterrupt:
        messages.say(f"{migration.name}: stopped waiting; {UNKNOWN} (sldb migrate status)")
        raise
    took = duration((time.monotonic() - started) * 1000)
    if reply is None:
        messages.say(f"{migration.name}: {done} already, by another client")
        return None
    block = migration.down if done == "rolled back" else migration.up
    note = "" if block.transaction else " · as one transaction, although transaction:false"
    messages.say(f"{done} {migration.name} · {took} · txid {reply.txid}{note}")
    messages.say_warnings(reply)
    return reply


def show_applied(run: Run, done: Sequence[tuple[Migration, Reply]]) -> None:
    """Write the migrations as rows, in a format for programs."""
    if run.format != "table":
        rows: list[tuple[Value, ...]] = [(one.version, one.name, reply.txid) for one, reply in done]
        messages.show_rows(run.format, ("version", "file", "txid"), rows)
