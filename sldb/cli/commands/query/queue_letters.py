"""The commands `sldb queue peek`, `redrive` and `purge`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, streams
from sldb.cli.command import command
from sldb.cli.questions import yes_option
from sldb.cli.run import Run
from sldb.write_outcome import NOT_CHANGED

if TYPE_CHECKING:
    from lambda_handlers.wire import Value
    from sldb.queue.stack_queue import StackQueue

_COLUMNS = ("request_id", "database", "sent", "deliveries", "group", "failure", "body")
_limit = click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="At most so many messages."
)
_failed = click.option("--failed", is_flag=True, help="Those of asynchronous invocations that failed.")


@command("peek", short_help="Show dead letters, and leave them there.")
@_limit
@_failed
@click.option("--waiting", is_flag=True, help="Messages that wait; each look counts as one of their deliveries.")
def peek(run: Run, limit: int, failed: bool, waiting: bool) -> None:
    """Show dead letters with their requests, and leave them there.

    Others see them again after a moment. sldb logs --request-id ID shows why a delivery failed. With --waiting the
    messages of the queue itself are shown: SQS counts that as a delivery, and their group waits meanwhile.

    \b
      sldb queue peek --format json
      sldb queue peek --failed
    """
    from lambda_handlers.shared import times
    from sldb.queue import letters
    from sldb.queue.stack_queue import is_fifo, open_queue

    messages.check_format(run.format)
    run.refuse_local("queue")
    if failed and waiting:
        raise click.UsageError("--failed and --waiting exclude each other: give one of them")
    queue = open_queue(run.aws, run.stack)
    url = _url(queue, failed=failed, waiting=waiting)
    total = int(queue.attributes(url)["ApproximateNumberOfMessages"])
    found = letters.peek(queue, url, limit)
    rows: list[list[Value]] = [
        [each.request_id, each.database, times.utc(each.sent_ms), each.deliveries, each.group, each.failure, each.body]
        for each in found
    ]
    messages.show_rows(run.format, _COLUMNS, rows)
    hidden = min(limit, total) - len(found)
    if hidden > 0 and is_fifo(url):
        messages.say(f"{hidden:,} more are behind these: SQS shows the first messages of a group until they are gone")


@command("redrive", short_help="Send dead letters again.")
@yes_option()
@_limit
@_failed
@click.option("--from", "source", metavar="URL", help="From this queue, which an earlier deployment left.")
def redrive(run: Run, yes: bool, limit: int, failed: bool, source: str | None) -> int:
    """Send dead letters to the queue again, once their cause is mended.

    They keep their ids: a message that was applied before is not applied again. In a FIFO queue they come after what
    waits there already. Dead letters of other queues of the account are left alone; with --from, all are sent.

    \b
      sldb queue redrive
      sldb queue redrive --failed --yes      failed invocations, to the queue
    """
    from sldb.queue import letters
    from sldb.queue.stack_queue import open_queue

    run.refuse_local("queue")
    if failed and source:
        raise click.UsageError("--failed and --from exclude each other: give one of them")
    queue = open_queue(run.aws, run.stack)
    own_arn = None if failed or source else queue.attributes(queue.url)["QueueArn"]
    url = source or _url(queue, failed=failed)
    if not _confirmed(run, yes, f"Send the messages of {url.rpartition('/')[2]} to the queue again?", "redrive"):
        return 1
    done = letters.redrive(queue, url, limit, own_arn=own_arn)
    for message in done.sent:
        click.echo(message.request_id)
    messages.say(f"{len(done.sent):,} sent again; `sldb result ID` tells of each once it has run")
    for letter, reason in done.left:
        messages.say(f"left alone: {letter.message_id}: {reason}")
    return 1 if done.left else 0


@command("purge", short_help="Delete messages.")
@yes_option()
@_failed
@click.option("--waiting", is_flag=True, help="Messages that have not run, instead of dead letters.")
def purge(run: Run, yes: bool, failed: bool, waiting: bool) -> int:
    """Delete all dead letters, for good. They are writes that were not applied.

    \b
      sldb queue purge --yes
      sldb queue purge --waiting
    """
    from sldb.aws.errors import aws_errors
    from sldb.queue.stack_queue import open_queue
    from sldb.stack.queues import count_messages

    run.refuse_local("queue")
    if failed and waiting:
        raise click.UsageError("--failed and --waiting exclude each other: give one of them")
    queue = open_queue(run.aws, run.stack)
    url = _url(queue, failed=failed, waiting=waiting)
    total = next(each.total for each in count_messages(queue.client, queue.state.outputs) if each.url == url)
    name = url.rpartition("/")[2]
    if not _confirmed(run, yes, f"Delete {total:,} messages of {name}, for good?", "purge"):
        return 1
    with aws_errors(f"purge the queue {name}"):
        queue.client.purge_queue(QueueUrl=url)
    messages.say(f"about {total:,} messages are deleted; SQS takes up to a minute")
    return 0


def _url(queue: StackQueue, *, failed: bool = False, waiting: bool = False) -> str:
    if failed:
        return queue.failed_invocations_url
    return queue.url if waiting else queue.dead_letters_url


def _confirmed(run: Run, yes: bool, question: str, name: str) -> bool:
    if yes:
        return True
    if not streams.can_ask():
        raise SldbError(
            "bad_request", f"{name} asks before it does anything, and there is no terminal", "add --yes to confirm it"
        )
    messages.say_subject(f"stack {run.stack}")
    if click.confirm(question, err=True, default=False):
        return True
    messages.say(NOT_CHANGED)
    return False
