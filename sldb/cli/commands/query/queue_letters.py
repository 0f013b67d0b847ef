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
_COUNTED = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
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

    Others see them again after a moment. sldb logs --request-id ID shows each delivery, with the code of its error.
    With --waiting the messages of the queue itself are shown: SQS counts that as a delivery, and their group waits
    meanwhile.

    \b
      sldb queue peek --format json
      sldb queue peek --failed
    """
    from lambda_handlers.shared import times
    from sldb.queue import letters
    from sldb.queue.stack_queue import is_fifo, open_queue
    from sldb.render import FOR_PEOPLE

    messages.check_format(run.format)
    run.refuse_local("queue")
    if failed and waiting:
        raise click.UsageError("--failed and --waiting exclude each other: give one of them")
    queue = open_queue(run.aws, run.stack)
    url = _url(queue, failed=failed, waiting=waiting)
    attributes = queue.attributes(url)
    total, in_flight = (int(attributes[name]) for name in _COUNTED)
    found = letters.peek(queue, url, limit)
    if not found and run.format in FOR_PEOPLE:
        hidden = total + in_flight
        messages.say(_all_hidden(hidden) if hidden else _nothing(failed=failed, waiting=waiting))
        return
    rows: list[list[Value]] = [
        [each.request_id, each.database, times.utc(each.sent_ms), each.deliveries, each.group, each.failure, each.body]
        for each in found
    ]
    messages.show_rows(run.format, _COLUMNS, rows)
    hidden = min(limit, total) - len(found)
    if hidden > 0 and is_fifo(url):
        more = f"{hidden:,} more {'is' if hidden == 1 else 'are'} behind these"
        messages.say(f"{more}: SQS shows the first messages of a group until they are gone")


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
    from sldb.queue.stack_queue import name_of, open_queue
    from sldb.report import count

    run.refuse_local("queue")
    if failed and source:
        raise click.UsageError("--failed and --from exclude each other: give one of them")
    queue = open_queue(run.aws, run.stack)
    own_arn = None if failed or source else queue.attributes(queue.url)["QueueArn"]
    url = source or _url(queue, failed=failed)
    question = f"Send the messages of {name_of(url)} to the queue again?"
    if not yes and not _has_messages(queue, url):
        messages.say(_nothing(failed=failed, name=name_of(url) if source else ""))
        return 0
    if not _confirmed(run, yes, question, "redrive"):
        return 1
    done = letters.redrive(queue, url, limit, own_arn=own_arn)
    if not done.sent and not done.left:
        messages.say(_nothing(failed=failed, name=name_of(url) if source else ""))
        return 0
    for message in done.sent:
        click.echo(message.request_id)
    sent = f"{count(len(done.sent), 'message')} sent again"
    messages.say(
        run.complete_commands(f"{sent}; `sldb result ID` tells of each once it has run") if done.sent else sent
    )
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
    from sldb.queue.stack_queue import name_of, open_queue
    from sldb.report import count
    from sldb.stack.queues import count_of

    run.refuse_local("queue")
    if failed and waiting:
        raise click.UsageError("--failed and --waiting exclude each other: give one of them")
    queue = open_queue(run.aws, run.stack)
    url = _url(queue, failed=failed, waiting=waiting)
    total = count_of(queue.client, url)
    name = name_of(url)
    if not total:
        messages.say(f"{_nothing(failed=failed, waiting=waiting)}: {NOT_CHANGED}")
        return 0
    about = f"about {count(total, 'message')}"
    if not _confirmed(run, yes, f"Delete {about} of {name}, for good?", "purge"):
        return 1
    with aws_errors(f"purge the queue {name}"):
        queue.client.purge_queue(QueueUrl=url)
    messages.say(f"deleted: {about} of {name}; SQS takes up to a minute")
    return 0


def _url(queue: StackQueue, *, failed: bool = False, waiting: bool = False) -> str:
    if failed:
        return queue.failed_invocations_url
    return queue.url if waiting else queue.dead_letters_url


def _nothing(*, failed: bool = False, waiting: bool = False, name: str = "") -> str:
    """Return the sentence for no such messages."""
    if name:
        return f"no messages in {name}"
    return "no failed invocations" if failed else "no messages wait in the queue" if waiting else "no dead letters"


def _all_hidden(total: int) -> str:
    return f"no message can be shown now: in flight: {total:,}; they come back after their visibility timeout"


def _has_messages(queue: StackQueue, url: str) -> bool:
    from sldb.stack.queues import count_of

    return bool(count_of(queue.client, url))


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
