"""The command `sldb queue`: the messages of the queue in front of the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sldb.cli import messages
from sldb.cli.command import command, command_group
from sldb.cli.commands.query.queue_letters import peek, purge, redrive
from sldb.cli.run import Run

if TYPE_CHECKING:
    from lambda_handlers.wire import Value
    from sldb.queue.stack_queue import StackQueue

HELP = """See the messages of the queue, and send dead letters again.

sldb deploy --queue fifo makes the queue, sldb query --enqueue and sldb import --enqueue send to it, and so may any
program. A message of which each delivery fails becomes a dead letter.

\b
  sldb queue status
  sldb queue peek
  sldb queue redrive --yes
"""
_COLUMNS = ("queue", "waiting", "in_flight", "name")


@command_group("queue", help=HELP, short_help="See the queue, and send dead letters again.")
@click.pass_context
def queue(ctx: click.Context, run: Run) -> None:
    if ctx.invoked_subcommand is None:
        _status(run)


@command("status", short_help="Count messages and dead letters.")
def status(run: Run) -> None:
    """Count the messages that wait, those in flight, the dead letters, and the invocations that failed.

    SQS counts approximately: the numbers settle within a minute.

    \b
      sldb queue status --format json
    """
    _status(run)


def _status(run: Run) -> None:
    from sldb.queue.stack_queue import open_queue
    from sldb.stack.queues import count_messages

    messages.check_format(run.format)
    run.refuse_local("queue")
    queue = open_queue(run.aws, run.stack)
    counts = count_messages(queue.client, queue.state.outputs)
    rows: list[list[Value]] = [[each.role, each.waiting, each.in_flight, each.name] for each in counts]
    messages.show_rows(run.format, _COLUMNS, rows)
    messages.say(_mapping(queue))
    for each in counts:
        if each.is_gone:
            messages.say(f"the queue of {each.role} is gone: `sldb deploy` makes another")
        elif each.total and each.role != "queue":
            option = " --failed" if each.role == "failed invocations" else ""
            messages.say(run.complete_commands(f"there are {each.role}: `sldb queue peek{option}` shows them"))


def _mapping(queue: StackQueue) -> str:
    from sldb.aws.errors import aws_errors

    mapping_id = queue.state.outputs.get("QueueMappingId")
    if mapping_id is None:
        return f"the stack {queue.stack} has no queue: `sldb deploy --queue fifo` adds one"
    with aws_errors("look at the mapping of the queue"):
        found = queue.account.functions.get_event_source_mapping(UUID=mapping_id)
    window = found.get("MaximumBatchingWindowInSeconds") or 0
    collected = f", collected for {window} s" if window else ""
    return f"the mapping to the function is {found['State'].lower()}: batches of {found['BatchSize']}{collected}"


for _command in (status, peek, redrive, purge):
    queue.add_command(_command)
