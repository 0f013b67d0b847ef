"""The sources of SQL for `sldb query`: the argument, -c and -f in their order, or standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from sldb.cli import streams


@dataclass(frozen=True, slots=True)
class Source:
    text: str
    file: str | None = None  # its path, for messages
    name: str = "the SQL"  # for messages about the whole of it

    @property
    def is_dot_command(self) -> bool:
        return self.text.lstrip().startswith((".", "\\"))


def read(sql: str | None, given: Sequence[tuple[str, str]]) -> list[Source]:
    """Return the sources; `given`: ("command", SQL) or ("file", path) for each -c and -f. Raises UsageError."""
    if sql is not None and given:
        raise click.UsageError("SQL as an argument and -c or -f exclude each other: give one of them")
    if sum(kind == "file" and value == "-" for kind, value in given) > 1:
        raise click.UsageError("-f - reads standard input to its end: it can be given once")
    sources = list(_sources(sql, given))
    if all(_is_blank(source.text) for source in sources):
        raise click.UsageError(f"{_names(sources)}: there is nothing to run")
    return sources


def _sources(sql: str | None, given: Sequence[tuple[str, str]]) -> Iterator[Source]:
    if sql is None and not given:
        if sys.stdin.isatty():
            raise click.UsageError('nothing to run: sldb query "SELECT 1", or -f FILE, or SQL on standard input')
        yield _standard_input()
    elif sql is not None:
        _refuse_file_name(sql)
        yield _standard_input() if sql == "-" else Source(sql)
    for kind, value in given:
        yield Source(value) if kind == "command" else _file(value)


def _refuse_file_name(sql: str) -> None:
    """Raise UsageError for the name of a file in place of SQL: no statement but COMMIT and its like is one word."""
    if Path(sql).suffix and not Source(sql).is_dot_command and len(sql) < 256 and Path(sql).is_file():
        raise click.UsageError(f"{sql} is a file, and no SQL: sldb query -f {sql}")


def _is_blank(text: str) -> bool:
    """Return True if the text holds no statement. Most texts begin with a word, and need no look at the rest."""
    if text.lstrip(" \t\r\n;")[:1] not in ("", "-", "/", "\f", "\v"):
        return False
    from sldb.sql_text import is_blank

    return is_blank(text)


def _names(sources: Sequence[Source]) -> str:
    """Return the sources and their common fault."""
    names = ", ".join(dict.fromkeys(source.name for source in sources))
    return f"{names} {'has no statement' if any(source.text.strip() for source in sources) else 'is empty'}"


def are_on_standard_input(sql: str | None, given: Sequence[tuple[str, str]]) -> bool:
    """Return True if `read` reads standard input."""
    return sql == "-" or ("file", "-") in given or (sql is None and not given)


def _file(path: str) -> Source:
    if path == "-":
        return _standard_input()
    try:
        return Source(Path(path).read_bytes().decode("utf-8-sig"), path, path)  # \r\n may stand in a value
    except OSError as error:
        raise click.UsageError(f"-f {path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise click.UsageError(f"-f {path} cannot be read: {error}") from None


def _standard_input() -> Source:
    try:
        return Source(streams.read_standard_input(), name="standard input")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"standard input is not UTF-8 text: {error}") from None
