"""The output of commands other than SQL: rows as data, and sentences for people on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sldb.cli import progress, streams

if TYPE_CHECKING:
    from lambda_handlers.wire import Reply, Result, Value
    from sldb.render import Screen


def show_rows(format_name: str, names: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    """Write rows as data, in any format."""
    from sldb.render import result_of

    show_table(format_name, result_of(names, rows))


def show_table(format_name: str, table: Result) -> None:
    """Write the table of a command as data, in any format; a terminal gets all of each cell."""
    screen = streams.screen(0)
    _write(format_name, [table], replace(screen, folds=True) if screen else None)


@contextmanager
def shown_in_parts(format_name: str) -> Iterator[Callable[[Result], None]]:
    """Yield a function for the parts of a table: it writes them at once, or at the end, by the format."""
    from sldb.render import Layout
    from sldb.render.merged import Merged

    screen = streams.screen(0)
    merged = Merged(format_name, streams.data_out(), replace(screen, folds=True) if screen else None, Layout())
    yield lambda part: merged.add(part.columns, part.rows)
    merged.end()


def show_results(format_name: str, results: Sequence[Result]) -> None:
    """Write the results of SQL as data, in any format."""
    _write(format_name, results, streams.screen(0))


def _write(format_name: str, results: Sequence[Result], screen: Screen | None) -> None:
    from sldb import render

    out = streams.data_out()
    render.write(results, format_name, out, screen)
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
