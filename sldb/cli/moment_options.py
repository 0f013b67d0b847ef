"""What the commands share that look at the past: the options --at and --since, and saying which transaction it was."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sldb.cli import messages

if TYPE_CHECKING:
    from sldb.cli.global_options import Globals
    from sldb.client import Client

LANGUAGE = 'a txid, or a time ("2026-11-26 20:04", RFC 3339, 10m, "2h ago", yesterday)'

F = TypeVar("F", bound=Callable[..., Any])


def at_option(what: str, *, required: bool = False) -> Callable[[F], F]:
    """The option --at; `what` begins its help."""
    return click.option("--at", required=required, metavar="TXID|TIME", help=f"{what}: {LANGUAGE}.")


def since_option(default: str) -> Callable[[F], F]:
    """The option --since."""
    return click.option(
        "--since", default=default, show_default=True, metavar="TXID|TIME", help=f"From then on: {LANGUAGE}."
    )


def moment(text: str | None) -> int | str | None:
    """Return what the wire calls the moment; None for now. Raise `bad_request`."""
    from sldb import moments

    return None if text is None else moments.wire_form(text)


def tell(client: Client, text: str | None, txid: int, time: str | None = None) -> None:
    """Say which transaction `text`, what --at was given, has meant; nothing where it was not given. `time`: when that
    was made, where the reply says it."""
    from sldb.operations import as_of

    if text is None or not txid:
        return
    for sentence in as_of.told(client, txid, time):
        messages.say(sentence)


def since_ms(run_globals: Globals, text: str, now: float) -> int:
    """Return the unix millisecond from which on something is wanted; `now`: unix seconds. Raise SldbError:
    `bad_request` for what is no moment or in the future, `not_found` for a transaction of which no time is known."""
    from sldb import moments
    from sldb.operations import as_of

    at_ms = moments.since_ms(text, clock=moments.Clock(lambda: now))
    if at_ms is None:
        with closing(run_globals.client()) as client:
            return as_of.since_ms(client, int(text))
    return at_ms
