"""`.import`: the rows of a file into a table."""

from __future__ import annotations

import io
import time
from pathlib import Path

from lambda_handlers.wire import SldbError
from sldb.shell.commands.command import at_most
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session


def import_(session: Session, command: DotCommand) -> None:
    from sldb.transfer.formats.tables import Reading
    from sldb.transfer.importing import Plan, run, sentences

    name, table = at_most(2, command)
    if name is None:
        raise SldbError("bad_request", ".import needs a file", ".help import tells more")
    session.require_no_transaction(".import")
    session.require_present(".import")
    # As `sldb import` would take it, were it not for standard input, which the shell reads itself.
    plan = Plan((str(Path(name).expanduser().absolute()),), Reading(table))
    started = time.monotonic()
    with session.alone() as client:
        client.prepare_to_write()
        done = run(client, plan, io.BytesIO())
    if done.made:
        session.look_again()
    for sentence in sentences(done, time.monotonic() - started):
        session.output.say(sentence)
