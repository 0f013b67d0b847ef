"""The command `sldb unlock`: free the write lock of a dead writer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from sldb.cli import streams
from sldb.cli.command import command
from sldb.cli.old_spellings import old_spelling
from sldb.cli.questions import yes_option
from sldb.cli.run import Run

if TYPE_CHECKING:
    from lambda_handlers.shared.lock_holder import Holder

HELP = """Free the write lock of a database.

Shows its holder, age and purpose, and asks. The lock of a dead writer is freed by itself after a while; this does it
now. It is always safe: the old holder can no longer commit over another writer.

Without a terminal, --yes is needed to free it.

\b
  sldb unlock
  sldb unlock --database orders --yes
"""
SAFE = "Its old holder can no longer commit over another writer: after another commit, its own is refused."


@command("unlock", help=HELP, short_help="Free the write lock of a dead writer.")
@yes_option()
@old_spelling("--force", now="--yes", is_flag=True)
def unlock(run: Run, yes: bool) -> int:
    if run.destination.is_local:
        _say("Nothing to free: the locks of a local target are the operating system's and end with their process.")
        return 0
    from sldb.ops.locks import function_locks
    from sldb.stack.state import FILE_LOCKS

    locks = function_locks(run.deployed_function)
    if locks.place.kind == "none":
        _say(f"The stack {locks.place.stack} works without locks: nothing to free.")
        return 0
    if locks.place.kind == FILE_LOCKS:
        _say(
            f"Nothing to free: the databases of the stack {locks.place.stack} are in a file system, which frees the "
            "lock of a writer that is gone."
        )
        return 0
    held = locks.held(run.database)
    if held is None:
        _say(f"The lock of database {run.database} is free.")
        return 0
    _show(held, locks.place.stack)
    if not yes and not _confirmed():
        _say("Not freed.")
        return 1
    freed = locks.free(held)
    _say(f"Freed. {SAFE}" if freed else "It was released in the meantime, or taken by another: nothing was freed.")
    return 0


def _show(held: Holder, stack: str) -> None:
    from sldb import moments
    from sldb.render.text import escape
    from sldb.report import age

    taken = "at an unknown time"
    if held.created_at is not None:
        ago = age(max(0.0, time.time() - held.created_at))
        taken = f"{ago} ago, {moments.shown(int(held.created_at * 1000), to_the_second=True)}"
    lines = {
        "stack": stack,
        "database": held.database,
        "lock": held.lock_id,
        "holder": held.owner or "unknown",
        "taken": taken,
        "doing": held.doing or "unknown",
    }
    for label, value in lines.items():
        _say(f"  {label:<10}{escape(value)}")


def _confirmed() -> bool:
    if not streams.can_ask():
        raise click.UsageError("there is no terminal to ask on: add --yes to free the lock")
    return click.confirm("Free this lock?", err=True)


def _say(message: str) -> None:
    click.echo(message, err=True)
