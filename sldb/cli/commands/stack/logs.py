"""The command `sldb logs`: the log lines of the functions."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages, moment_options
from sldb.cli.command import command
from sldb.cli.old_spellings import old_spelling
from sldb.cli.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sldb.ops.logs import LogEvent
    from sldb.stack.state import StackState

HELP = """Show the log lines of the functions, from CloudWatch Logs.

On a terminal a line for each request: time, database, what, how long it took, status. Otherwise, and with --format
jsonl, the lines as they were written: JSON of the functions, text of Lambda. Values are
never logged, and SQL only with `sldb deploy --insights`, without its literals.

\b
  sldb logs
  sldb logs -F
  sldb logs --since 2h --function deadlock-fix
  sldb logs --since yesterday --request-id 0d5c7f2e9b0a4b57
  sldb logs --since 1h --format jsonl | grep lock_timeout
"""


@command("logs", help=HELP, short_help="Show the log lines of the functions.")
@click.option("-F", "--follow", is_flag=True, help="Follow new lines, until Ctrl-C.")
@old_spelling("-f", now="-F", is_flag=True)
@moment_options.since_option("10m")
@click.option(
    "--function",
    type=click.Choice(["query", "read", "deadlock-fix", "authorizer", "api"]),
    default="query",
    show_default=True,
    help="Which function; api: the access log of the APIs.",
)
@click.option("--request-id", metavar="ID", help="Only what is about this request: its own id, or Lambda's.")
def logs(run: Run, follow: bool, since: str, function: str, request_id: str | None) -> None:
    from sldb import moments
    from sldb.ops import logs as source
    from sldb.ops.status import serving
    from sldb.stack.account import connect

    run.refuse_local("logs")
    start_ms = moment_options.resolve_since_ms(run, since, time.time())
    account = connect(run.aws)
    state = serving(account, run.stack)
    group = _group(state, function)
    try:
        found = source.follow(account.logs, group, start_ms) if follow else source.read(account.logs, group, start_ms)
        wanted = (event for event in found if request_id is None or source.about(event, request_id))
        shown = _show(wanted, as_written=_as_written(run))
    except SldbError as error:
        raise _explained(error, state, function) from None
    if not shown:
        about = f" about {request_id}" if request_id else ""
        messages.say(f"no lines{about} since {moments.shown(start_ms, to_the_second=True)}; --since goes further back")


def _explained(error: SldbError, state: StackState, function: str) -> SldbError:
    """Return the error for a missing log: the stack may have no such function."""
    if "log" not in error.details:
        return error
    from sldb.stack.api_addresses import OUTPUTS

    parts = {  # not of every stack: the outputs that tell of it, and the option that adds it
        "read": ("no function that only reads", ("ReadFunctionName",), "--readers"),
        "authorizer": ("no function that checks tokens", (OUTPUTS["token"],), "--api token"),
        "api": ("no API", tuple(OUTPUTS.values()), "--api token"),
    }
    what, outputs, option = parts.get(function, ("", ("FunctionName",), ""))
    if any(state.outputs.get(name) for name in outputs):
        return error
    return SldbError("not_found", f"the stack has {what}, and so no log of it", f"`sldb deploy {option}` adds one")


def _group(state: StackState, function: str) -> str:
    from sldb.stack import names

    match function:
        case "read":
            return names.log_group(names.read_function(state.function))
        case "deadlock-fix":
            return names.log_group(names.deadlock_fix_function(state.function))
        case "authorizer":
            return names.log_group(names.authorizer_function(state.function))
        case "api":
            return names.api_log_group(state.function)
    return names.log_group(state.function)


def _as_written(run: Run) -> bool:
    format_setting = run.settings.find("format")
    if format_setting.source == "--format":
        return format_setting.value != "table"
    return not sys.stdout.isatty()


def _show(events: Iterable[LogEvent], *, as_written: bool) -> int:
    """Write the lines; return how many."""
    from sldb.ops.logs import line_for
    from sldb.render.text import escape_lines

    shown = 0
    for event in events:
        line = event.message.rstrip("\n") if as_written else line_for(event)
        if line is not None:
            click.echo(line if as_written else escape_lines(line))
            sys.stdout.flush()
            shown += 1
    return shown
