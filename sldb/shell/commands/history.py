"""Dot commands about the past: look at it, list it, take back the last write, branch off."""

from __future__ import annotations

from typing import Any

from lambda_handlers.wire import SldbError, Value
from sldb import as_of
from sldb.last_write import last_write
from sldb.moments import local, wire_form
from sldb.report import count, size
from sldb.shell.commands.command import argument, whole_number
from sldb.shell.reader import DotCommand
from sldb.shell.result_tables import FOR_PEOPLE, result
from sldb.shell.session import Session
from sldb.write_outcome import NOT_CHANGED

_FIELDS = ("txid", "min_txid", "time", "kind", "pages", "bytes", "readable")


def at(session: Session, command: DotCommand) -> None:
    word = " ".join(command.arguments)  # "2h ago" and "2026-11-26 20:04" are two words
    if word:
        session.go_to(wire_form(word, ".at"))
    if session.at is None:
        session.output.say("statements see and change what is newest")
        return
    time = session.last.time if session.last is not None and session.last.txid == session.at else None
    with session.alone() as client:
        seen, *warnings = as_of.told(client, session.at, time)
    session.output.say(f"statements see {session.client.database} {seen}; .at now leaves it")
    for warning in warnings:
        session.output.say(warning)


def history(session: Session, command: DotCommand) -> None:
    word = argument(command)
    limit = None if word is None else whole_number(word, command)
    reply = session.client.act("history", limit=limit)
    lines = reply["transactions"]
    if session.output.format in FOR_PEOPLE:
        shown = result(("txid", "time", "what", "pages", "size", "readable"), [_for_people(line) for line in lines])
    else:
        rows = [[int(line[name]) if name == "readable" else line[name] for name in _FIELDS] for line in lines]
        shown = result(_FIELDS, rows)
    session.output.show_data([shown])
    if reply["next"] is not None:
        session.output.say(f"there are older ones: .history {2 * len(lines)}", softly=True)


def _for_people(line: dict[str, Any]) -> list[Value]:
    txids = line["txid"] if line["txid"] == line["min_txid"] else f"{line['min_txid']}..{line['txid']}"
    time = local(line["time"]) if line["time"] else "gone"
    pages = "" if line["pages"] is None else line["pages"]
    return [txids, time, line["kind"] or "", pages, size(line["bytes"]), "yes" if line["readable"] else "no"]


def undo(session: Session, command: DotCommand) -> None:
    argument(command)
    session.require_no_transaction(".undo")
    session.require_present(".undo")
    written = last_write(session.client)
    if written is None:
        raise SldbError("not_found", f"nothing was ever written to {session.client.database}")
    last, line = written.txid, written.line
    when = f", of {local(line['time'])}" if line["time"] else ""
    what = f"transaction {last} ({line['kind'] or 'unknown'}{when})"
    if session.agree is not None and not session.agree(f"This takes back {what}."):
        session.output.say(NOT_CHANGED)
        return
    reply = session.client.act("restore", at=last - 1, if_txid=written.newest)
    if not reply["changed"]:
        session.output.say(f"{what} has nothing left to take back: {NOT_CHANGED}")
        return
    session.output.say(f"took back {what} · txid {reply['txid']}; .undo once more has it again")
    session.look_again()


def branch(session: Session, command: DotCommand) -> None:
    name, when = next(iter(command.arguments), None), " ".join(command.arguments[1:])
    if name is None:
        raise SldbError("bad_request", ".branch needs a name", ".help branch tells more")
    then = wire_form(when, ".branch") if when else session.at
    reply = session.client.act("branch", **{"as": name, "at": then})
    time = reply.get("time")  # an older function does not tell it
    what = f"{reply['as']} is {reply['database']} as of {as_of.transaction(reply['at'], time)}"
    for warning in as_of.warnings(reply["at"], time):
        session.output.say(warning)
    if not reply["created"]:
        session.output.say(f"{what}, already: {NOT_CHANGED}")
        return
    session.output.say(f"{what} · {count(reply['files'], 'file')}, {size(reply['bytes'])}; .database {name} goes there")
