"""`sldb undo`: take back the last write."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages
from sldb.cli.command import command
from sldb.cli.global_options import Globals
from sldb.last_write import last_write
from sldb.write_outcome import NOT_CHANGED

HELP = """Take back the last write to a database.

A new transaction brings back the state before it. Should somebody write in the very moment, nothing is done: only the
write that is shown is ever taken back. The command that brings it back is printed; another undo does so too.

\b
  sldb undo
  sldb undo --if-txid 41
"""


@command("undo", help=HELP, short_help="Take back the last write.")
@click.option("--if-txid", type=int, metavar="TXID", help="Only if the last write is this transaction.")
def undo(run_globals: Globals, if_txid: int | None) -> None:
    messages.check_format(run_globals.format)
    with closing(run_globals.client()) as client:
        written = last_write(client)
        if written is None:
            raise SldbError("not_found", f"nothing was ever written to {run_globals.database}")
        last, newest = (written.txid, written.newest) if if_txid is None else (if_txid, if_txid)
        reply = client.act("restore", at=last - 1, if_txid=newest)
    if not reply["changed"]:
        messages.report(run_globals.format, reply, f"transaction {last} has nothing left to take back: {NOT_CHANGED}")
        return
    messages.report(
        run_globals.format,
        reply,
        f"took back transaction {last}{_what(written.line, last)} · txid {reply['txid']}",
        f"to have it again: {run_globals.command_line('restore', '--at', str(last))}",
    )


def _what(line: dict[str, Any], last: int) -> str:
    """(DELETE, of 2026-11-24 10:00:00.123+09:00)"""
    from sldb.moments import local

    if line["txid"] != last or not line["time"]:
        return ""
    return f" ({line['kind'] or 'unknown'}, of {local(line['time'])})"
