"""`.import`: the rows of a file into a table."""

from __future__ import annotations

import io
import time
from pathlib import Path

from lambda_handlers.wire import SldbError
from sldb.shell.commands.command import noted, optional_arguments
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session


def import_(session: Session, command: DotCommand) -> None:
    from sldb.transfer.formats.tables import ReadOptions
    from sldb.transfer.importing import Plan, run
    from sldb.transfer.outcome import sentences

    name, table = optional_arguments(2, command)
    if name is None:
        raise SldbError("bad_request", ".import needs a file", ".help import explains it")
    session.require_no_transaction(".import")
    session.require_present(".import")
    # Absolute: to `sldb import` the name - means standard input, from which the shell reads itself.
    plan = Plan((str(Path(name).expanduser().absolute()),), ReadOptions(table))
    started = time.monotonic()
    with session.exclusive_client() as client:
        client.prepare_to_write()
        with session.working() as shown:
            done = run(noted(client, f"import {Path(name).name}"), plan, io.BytesIO(), shown)
    if done.made:
        session.refresh_names()
    for sentence in sentences(done, time.monotonic() - started):
        session.output.say(sentence)
