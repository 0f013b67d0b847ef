"""The command `sldb result`: the outcome of a request."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from sldb.cli import messages
from sldb.cli.command import command
from sldb.cli.run import Run

HELP = """Show the outcome of a request, by its id.

The id is the one in an error, the one given to sldb query --request-id, or Lambda's own of an invocation. Requests are
remembered for an hour after they were applied; those of a queue for weeks, but SQS has no look-up: until a message has
run, it is not_applied here. sldb queue status counts what waits, sldb queue peek shows dead letters.

\b
  applied      with the transaction and the time; --rows prints its rows
  not_applied  not since the time shown; what is on its way may still be
  unknown      it was made too long ago

\b
  sldb result 0d5c7f2e9b0a4b57
  sldb result import-2026-11-25 --rows --format json

Exit status: 0 applied; 1 not applied, or unknown.
"""


@command("result", help=HELP, short_help="Show the outcome of a request.")
@click.argument("request_id", metavar="ID")
@click.option("--rows", is_flag=True, help="Print the rows of the request.")
def result(run: Run, request_id: str, rows: bool) -> int:
    messages.check_format(run.format)
    with closing(run.client()) as client:
        outcome, reply = client.result(request_id)
        if rows and reply is not None:
            messages.show_results(run.format, reply.results)
        else:
            columns = ("request_id", "state", "txid", "time")
            messages.show_rows(run.format, columns, [[outcome[name] for name in columns]])
    messages.say(run.complete_commands(sentence(outcome, has_logs=run.destination.is_deployed)))
    return 0 if outcome["state"] == "applied" else 1


def sentence(outcome: dict[str, Any], *, has_logs: bool) -> str:
    """Return the outcome in words. `has_logs`: in AWS, the function's log tells of failed attempts."""
    from sldb.moments import local

    match outcome["state"]:
        case "applied":
            return f"applied by transaction {outcome['txid']}, {local(outcome['time'])}"
        case "unknown":
            said = "the request was made more than an hour ago: if it was applied, that is forgotten"
            return f"{said}; {_logs(outcome['request_id'])}" if has_logs else said
        case _:
            since = f"not applied since {local(outcome['since'])}"
            if not has_logs:
                return f"{since}; if it is on its way, it may still be"
            may = "if it is on its way, or in a queue (`sldb queue status`), it may still be"
            return f"{since}; {may}; {_logs(outcome['request_id'])}"


def _logs(request_id: str) -> str:
    """Return the command for the attempts in the log, from the making of the id on if it has its time."""
    import shlex
    import time

    from lambda_handlers.wire import made_at

    made = made_at(request_id)
    hours = 24 if made is None else max(1, int((time.time() - made) // 3600) + 1)
    return f"`sldb logs --since {hours}h --request-id {shlex.quote(request_id)}` shows each attempt, with its status"
