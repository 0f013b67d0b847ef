"""The output of commands other than SQL: rows as data, and sentences for people on standard error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sldb.cli import progress, streams

if TYPE_CHECKING:
    from lambda_handlers.wire import Reply, Result, Value


def show_rows(format_name: str, names: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    """Write rows as data, in any format."""
    from sldb.render import result_of

    show_results(format_name, [result_of(names, rows)])


def show_results(format_name: str, results: Sequence[Result]) -> None:
    """Write results as data, in any format."""
    from sldb import render

    out = streams.data_out()
    render.write(results, format_name, out, streams.screen(0))
    out.flush()


def check_format(format_name: str) -> None:
    """Raise `bad_request` for an unknown format, before the command does anything."""
    from sldb import render

    render.check_format(format_name)


def show_reply(format_name: str, reply: Mapping[str, Any], *sentences: str) -> None:
    """Write the sentences about a reply; in a format for programs, also the reply as one row."""
    if format_name != "table":
        from sldb.render import truth

        values = [truth(value, format_name) if isinstance(value, bool) else value for value in reply.values()]
        show_rows(format_name, list(reply), [values])
    for sentence in sentences:
        say(sentence)


def say(sentence: str) -> None:
    """Write a sentence to standard error."""
    progress.say(sentence)


def say_warnings(reply: Reply) -> None:
    """Write the warnings of a reply to standard error."""
    for warning in reply.warnings:
        say(f"note: {warning.message}")


def say_subject(where: str) -> None:
    """Write the subject of the next question: the database, and its stack or directory."""
    say(f"{where[:1].upper()}{where[1:]}:")
