"""Dot commands about the past: look at it, list it, take back the last write, branch off."""

from __future__ import annotations

from dataclasses import replace

from lambda_handlers.wire import SldbError
from lambda_handlers.wire.checks import MAX_MESSAGE_CHARACTERS, check_text
from lambda_handlers.wire.note import Note
from sldb.actions import as_of
from sldb.actions.branch import Branch
from sldb.actions.history import table
from sldb.actions.undo import Move, unconfirmed
from sldb.moments import wire_form
from sldb.shell.commands.command import noted, optional_argument, whole_number
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session
from sldb.write_outcome import NOT_CHANGED


def at(session: Session, command: DotCommand) -> None:
    word = " ".join(command.arguments)  # "2h ago" and "2026-11-26 20:04" are two words
    if word:
        session.go_to(wire_form(word, ".at"))
    if session.at is None:
        session.output.say("statements see and change the newest state")
        return
    time = session.last.time if session.last is not None and session.last.txid == session.at else None
    with session.exclusive_client() as client:
        seen, *warnings = as_of.look_up_sentences(client, session.at, time)
    session.output.say(f"statements see {session.client.database} {seen}; .at now leaves it")
    for warning in warnings:
        session.output.say(warning)


def history(session: Session, command: DotCommand) -> None:
    word = optional_argument(command)
    limit = None if word is None else whole_number(word, command)
    reply = session.client.act("history", limit=limit)
    lines = reply["transactions"]
    session.output.show_table(table(lines, session.output.format))
    if reply["next"] is not None:
        session.output.say(f"there are older ones: .history {2 * len(lines)}", softly=True)


def undo(session: Session, command: DotCommand) -> None:
    _move(session, command, "undo", then=("redo", "brings"))


def redo(session: Session, command: DotCommand) -> None:
    _move(session, command, "redo", then=("undo", "takes"))


def _move(session: Session, command: DotCommand, action: str, then: tuple[str, str]) -> None:
    """Go back or forward as many steps as the argument says, after a confirmation if there is a user. `then`: the
    opposite, and its verb."""
    word = optional_argument(command)
    session.require_no_transaction(f".{action}")
    session.require_present(f".{action}")
    move = Move.find(session.client, action, 1 if word is None else whole_number(word, command))
    if session.confirm is None and move.warning:
        raise unconfirmed(move, f"sldb undo{_steps(move)} --yes takes {move.pronoun} back")
    if session.confirm is not None and not session.confirm(move.sentence):
        session.output.say(NOT_CHANGED)
        return
    reply = move.run(noted(session.client, f"{action} {word or ''}".rstrip()))
    opposite, verb = then
    back = f"; .{opposite}{_steps(move)} {verb} {move.pronoun} back" if reply["changed"] else ""
    session.output.say(f"{move.outcome(reply)}{back}")
    session.refresh_names()


def _steps(move: Move) -> str:
    return f" {move.count}" if move.count > 1 else ""


def message(session: Session, command: DotCommand) -> None:
    """Set the message of the writes from now on."""
    text = " ".join(command.arguments)
    if text:
        check_text("message", text, MAX_MESSAGE_CHARACTERS)
    session.use(replace(session.client, note=Note(text or None)))
    session.output.say(f"writes have the message: {text}" if text else "writes have no message")


def branch(session: Session, command: DotCommand) -> None:
    name, when = next(iter(command.arguments), None), " ".join(command.arguments[1:])
    if name is None:
        raise SldbError("bad_request", ".branch needs a name", ".help branch explains it")
    then = wire_form(when, ".branch") if when else session.at
    made = Branch.create(session.client, name, then)
    for warning in made.warnings:
        session.output.say(warning)
    session.output.say(f"{made.outcome}; .database {name} goes there" if made.is_new else made.outcome)
