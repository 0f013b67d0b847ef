"""The command `sldb token`: the callers of the stack's APIs, with their databases and rights."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from sldb.cli import messages
from sldb.cli.command import command, command_group
from sldb.cli.commands.access.token_create import create
from sldb.cli.commands.access.token_revoke import revoke
from sldb.cli.commands.access.token_rotate import rotate
from sldb.cli.run import Run

if TYPE_CHECKING:
    from lambda_handlers.wire import Value
    from sldb.access.listing import Listed

HELP = """Give applications and people access to the stack's APIs (sldb deploy --api), and take it away.

A caller has a name, databases, and the right to read or to write; a token, an API key, an AWS principal or the subject
of a JWT identifies it. All others are refused. A change holds within a minute.

\b
  TOKEN=$(sldb token create ci --read-only --expires 30d)
  sldb token list
  sldb token revoke ci
"""
_COLUMNS = ("name", "kind", "databases", "scope", "created", "expires", "state", "id")


@command_group("token", help=HELP, short_help="Give access to the stack's APIs, and take it away.")
@click.option("--all", "shows_all", is_flag=True, help="Also those that were revoked.")
@click.pass_context
def token(ctx: click.Context, run: Run, shows_all: bool) -> None:
    if ctx.invoked_subcommand is None:
        _list(run, shows_all)


@command("list", short_help="List the callers.")
@click.option("--all", "shows_all", is_flag=True, help="Also those that were revoked.")
def list_(run: Run, shows_all: bool) -> None:
    """List the callers with their databases, rights and time, the oldest first. No secrets are in the list.

    Those that were revoked or have expired go out of it 90 days later; those whose API key has expired stay until they
    are revoked.

    \b
      sldb token list --all --format json
    """
    _list(run, shows_all)


def _list(run: Run, shows_all: bool) -> None:
    from sldb.access.listing import listed
    from sldb.access.stack_access import open_access
    from sldb.render import FOR_PEOPLE, check_format

    format_name = check_format(run.format)
    run.refuse_local("token")
    now_ms = int(time.time() * 1000)
    found = listed(open_access(run.aws, run.stack).document.read())
    shown = [one for one in found if shows_all or one.state(now_ms) != "revoked"]
    for_people = format_name in FOR_PEOPLE
    messages.show_rows(format_name, _COLUMNS, [_row(one, now_ms, for_people=for_people) for one in shown])
    for one in shown:
        if one.entry is None:
            messages.say(f"{one.identity} is damaged, and has no rights: {one.problem}")
    if not found:
        messages.say("no callers yet: `sldb token create NAME` makes one")


def _row(one: Listed, now_ms: int, *, for_people: bool) -> tuple[Value, ...]:
    from lambda_handlers.shared import times
    from sldb import moments
    from sldb.access.entries import databases_text, scope_text

    def at(moment_ms: int | None) -> str | None:
        if moment_ms is None:
            return None
        return moments.shown(moment_ms, to_the_second=True) if for_people else times.utc(moment_ms)

    entry = one.entry
    if entry is None:
        return (None, one.kind, None, None, None, None, one.state(now_ms), one.id)
    expires = at(entry.expires_ms) or ("never" if for_people else None)
    fields = (databases_text(entry), scope_text(entry), at(entry.created_ms), expires)
    return (entry.name, one.kind, *fields, one.state(now_ms), one.id)


for _command in (create, list_, revoke, rotate):
    token.add_command(_command)
