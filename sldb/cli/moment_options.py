"""The options --at and --since, shared by the commands on the past, and the report of their transaction."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sldb.cli import messages

if TYPE_CHECKING:
    from sldb.cli.run import Run
    from sldb.client import Client

LANGUAGE = 'a txid, or a time ("2026-11-26 20:04", RFC 3339, 10m, "2h ago", yesterday)'

F = TypeVar("F", bound=Callable[..., Any])


def at_option(subject: str, *, required: bool = False) -> Callable[[F], F]:
    """Return the option --at, with `subject` as the beginning of its help."""
    return click.option("--at", required=required, metavar="TXID|TIME", help=f"{subject}: {LANGUAGE}.")


def since_option(default: str) -> Callable[[F], F]:
    """Return the option --since."""
    return click.option(
        "--since", default=default, show_default=True, metavar="TXID|TIME", help=f"From then on: {LANGUAGE}."
    )


def parse_moment(text: str | None) -> int | str | None:
    """Return the moment in its form of the wire; None for now. Raises `bad_request`."""
    from sldb import moments

    return None if text is None else moments.wire_form(text)


def say_moment(client: Client, text: str | None, txid: int, time: str | None = None) -> None:
    """Write the transaction of --at (its `text`); nothing without --at.

    `time`: the time of the transaction, if the reply has it.
    """
    from sldb.actions import as_of

    if text is None or not txid:
        return
    for sentence in as_of.look_up_sentences(client, txid, time):
        messages.say(sentence)


def resolve_since_ms(run: Run, text: str, now: float) -> int:
    """Return the moment of --since in unix milliseconds; `now`: unix seconds.

    Raises `bad_request` for an invalid or future moment, `not_found` for a transaction without a known time.
    """
    from sldb import moments
    from sldb.actions import as_of

    at_ms = moments.since_ms(text, clock=moments.Clock(lambda: now))
    if at_ms is None:
        with closing(run.client()) as client:
            return as_of.find_time_ms(client, int(text))
    return at_ms
