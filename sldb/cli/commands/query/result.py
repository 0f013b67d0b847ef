"""`sldb result`: what became of a request."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from sldb.cli import messages
from sldb.cli.command import command
from sldb.cli.run import Run

HELP = """Tell what became of a request, by its id.

The id is the one that an error names, that sldb query --request-id gave, or Lambda's own of an invocation. Requests are
remembered for an hour after they were applied.

\b
  applied      with the transaction and the time; --rows prints what it gave, as sldb query did
  not_applied  not since the time that is told; what is on its way may still come
  unknown      it was made too long ago

\b
  sldb result 0d5c7f2e9b0a4b57
  sldb result import-2026-11-25 --rows --format json

Exit status: 0 applied; 1 not applied, or unknown.
"""


@command("result", help=HELP, short_help="Tell what became of a request.")
@click.argument("request_id", metavar="ID")
@click.option("--rows", is_flag=True, help="Print what the request gave.")
def result(run: Run, request_id: str, rows: bool) -> int:
    messages.check_format(run.format)
    with closing(run.client()) as client:
        told, reply = client.result(request_id)
        if rows and reply is not None:
            messages.show_results(run.format, reply.results)
        else:
            columns = ("request_id", "state", "txid", "time")
            messages.show_rows(run.format, columns, [[told[name] for name in columns]])
    messages.say(_sentence(told))
    return 0 if told["state"] == "applied" else 1


def _sentence(told: dict[str, Any]) -> str:
    from sldb.moments import local

    match told["state"]:
        case "applied":
            return f"applied by transaction {told['txid']}, {local(told['time'])}"
        case "unknown":
            return "the request was made more than an hour ago: if it was applied, that is forgotten"
        case _:
            return f"not applied since {local(told['since'])}; if it is on its way, it may still be"
