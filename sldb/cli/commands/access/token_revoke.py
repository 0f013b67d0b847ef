"""The command `sldb token revoke`: take the rights of a caller away."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, streams
from sldb.cli.command import command
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from sldb.access.listing import Listed


@command("revoke", short_help="Take the rights of a caller away.")
@click.argument("caller", metavar="NAME|ID")
@yes_option()
def revoke(run: Run, caller: str, yes: bool) -> int:
    """Take the rights of a caller away. An API key is deleted, too. It cannot be undone; the name is free again.

    Its requests are refused within a minute; one that is running comes to its end, and addresses of large results that
    it has fetched are valid for 15 minutes.

    \b
      sldb token revoke ci
      sldb token revoke ci --yes
    """
    from sldb.access import operations
    from sldb.access.listing import find
    from sldb.access.stack_access import open_access

    messages.check_format(run.format)
    run.refuse_local("token")
    access = open_access(run.aws, run.stack)
    now_ms = int(time.time() * 1000)
    found = find(access.document.read(), caller)
    was_revoked = found.state(now_ms) == "revoked"
    if not (was_revoked or yes or _confirm(found, access.stack, now_ms)):
        messages.say(NOT_CHANGED)
        return 1
    operations.revoke(access.document, access.api_keys, found.identity, now_ms)
    reply = {"name": found.name, "id": found.id, "revoked": not was_revoked}
    done = "was revoked already" if was_revoked else "is revoked: it is refused within a minute"
    messages.show_reply(run.format, reply, f"{found.name} {done}")
    return 0


def _confirm(found: Listed, stack: str, now_ms: int) -> bool:
    from sldb.access.entries import rights

    if not streams.can_ask():
        raise SldbError(
            "bad_request", "revoke asks before it does anything, and there is no terminal", "add --yes to confirm it"
        )
    messages.say_subject(f"stack {stack}")
    may = f"may {rights(found.entry)}" if found.entry is not None else "has a damaged entry"
    messages.say(f"{found.name} ({found.kind} {found.id}, {found.state(now_ms)}) {may}.")
    return click.confirm("Revoke it?", err=True, default=False)
