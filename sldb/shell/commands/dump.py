"""`.dump`: the database as SQL text, as of the session's moment."""

from __future__ import annotations

import io
from pathlib import Path

from sldb.report import size
from sldb.shell.commands.command import optional_argument
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session


def dump(session: Session, command: DotCommand) -> None:
    from sldb.transfer.database.snapshot import Snapshot
    from sldb.transfer.files.output import open_output
    from sldb.transfer.formats.dump import dump as texts

    name = optional_argument(command)
    session.require_no_transaction(".dump")
    with session.exclusive_client() as client:
        source = Snapshot(client, session.at)
        pieces = texts(source)
        if name is None:
            session.output.write_lines(line for piece in pieces for line in piece.removesuffix("\n").split("\n"))
            return
        path, written = Path(name).expanduser(), 0
        with open_output(path, io.BytesIO()) as out:
            for piece in pieces:
                written += out.write(piece.encode())
    session.output.say(f"{source.database} as of transaction {source.txid} · {size(written)} of SQL in {path}")
