"""The sending of one request to the queue, in place of the function: `sldb query --enqueue`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import DEFAULT_DATABASE, Request
from sldb.cli import messages
from sldb.cli.run import Run
from sldb.cli.settings import read_switch
from sldb.database_creation import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sldb.queue.messages import Outgoing

_FOR_PROGRAMS = ("json", "jsonl")


def enqueue(run: Run, request: Request, *, creates: bool) -> None:
    """Send a request to the queue of the stack, and print its id. Raises SldbError.

    No one can confirm the creation of a database later: a write creates `main`, and another one only with `creates`.
    """
    from sldb.queue.messages import message_of
    from sldb.queue.sending import send
    from sldb.queue.stack_queue import open_queue
    from sldb.targets.protocol import with_id

    run.refuse_local("--enqueue")
    may_create = creates or read_switch(VARIABLE) or request.database == DEFAULT_DATABASE
    message = message_of(replace(with_id(request), create=may_create))
    show_ids(run, send(open_queue(run.aws, run.stack), [message]))
    messages.say(f"in the queue; {run.command_line('result', message.request_id)} tells of it once it has run")


def show_ids(run: Run, sent: Sequence[Outgoing]) -> None:
    """Print the ids of requests, each on a line; in a format for programs with their databases."""
    if run.is_format_given and run.format in _FOR_PROGRAMS:
        messages.show_rows(run.format, ("request_id", "database"), [(each.request_id, each.database) for each in sent])
        return
    for each in sent:
        click.echo(each.request_id)
