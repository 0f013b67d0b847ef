"""Completion: keywords, functions, tables, columns, the columns of an alias after its dot; for dot commands their names
and arguments.

`complete` is pure, except for the names of local files: text before and after the cursor, and known names → candidates.
The names are fetched by `sldb.shell.schema_names`, never while a key is handled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sldb.shell.catalog import Names
from sldb.shell.keywords import functions, keywords
from sldb.sql_text import ends_in_quotes_or_comment, split_statements

MAX_CHARACTERS = 20_000  # of a long script that are searched, on each side of the cursor
MAX_FILES = 200

_BARE_NAME = re.compile(r"[^\W\d]\w*")
_LAST_WORD = re.compile(r"(?:(?P<owner>\w+|\"[^\"]+\")\.)?(?P<word>\w*)\Z")
_TABLE_FOLLOWS = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|DESCRIBE)\s+(?:\w+\s*,\s*)*\w*\Z", re.IGNORECASE)
_INDEXED_TABLE_FOLLOWS = re.compile(r"\b(?:INDEX|TRIGGER)\b[^;]*\bON\s+\w*\Z", re.IGNORECASE)
_TABLE_NAMED = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|,)\s*(\w+|\"[^\"]+\")(?:\s+(?:AS\s+)?(?!(?:WHERE|ON|SET|JOIN|LEFT|INNER|ORDER|GROUP"
    r"|USING|VALUES|LIMIT|CROSS|NATURAL|FULL|RIGHT|HAVING|UNION|DEFAULT|SELECT|AS)\b)(\w+))?",
    re.IGNORECASE,
)
_INDEX_NAMED = re.compile(r"\bON\s+(\w+|\"[^\"]+\")\s*\(", re.IGNORECASE)
_COMMON_TABLE = re.compile(
    r"(?:\bWITH(?:\s+RECURSIVE)?|,)\s+(\w+)\s*(?:\([^()]*\)\s*)?AS\s+(?:NOT\s+)?(?:MATERIALIZED\s*)?\(", re.IGNORECASE
)
_COMMAND = re.compile(r"\s*(?P<name>[.\\]\S*)(?P<rest>\s.*)?\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Candidate:
    text: str
    replaces: int  # number of characters before the cursor


@dataclass(frozen=True, slots=True)
class Known:
    """The names to complete."""

    names: Names = field(default_factory=Names)
    commands: Mapping[str, str] = field(default_factory=dict)  # ".tables" → the kind of its argument
    choices: Mapping[str, Callable[[], Iterable[str]]] = field(default_factory=dict)  # kind → possible arguments


def complete(before: str, after: str, known: Known, *, is_requested: bool = False) -> list[Candidate]:
    """Return candidates, the likeliest kind first. An empty word has some only if `is_requested` (Tab was pressed)."""
    if before.lstrip().startswith((".", "\\")) and (command := _COMMAND.match(before)):
        return _complete_command(command["name"], command["rest"], after, known, is_requested=is_requested)
    word = last_word(before)
    if not word and not is_requested and not before.endswith("."):
        return []
    return [Candidate(text, len(word)) for text in suggest(before, after, known.names)]


def _complete_command(name: str, rest: str | None, after: str, known: Known, *, is_requested: bool) -> list[Candidate]:
    if rest is None:
        found = sorted(spelling for spelling in known.commands if spelling.startswith(name))
        return [Candidate(spelling, len(name)) for spelling in found if spelling != name]
    kind = known.commands.get(name.lower() if name.startswith(".") else name, "")
    if kind == "sql":
        return complete(rest.lstrip(), after, Known(known.names), is_requested=is_requested)
    word = rest.split(" ")[-1] if kind != "file" else rest.lstrip().lstrip('"')
    if kind != "file" and rest.strip() != word:
        return []  # one argument is completed
    if kind == "file":
        return [Candidate(path, len(word)) for path in files(word)]
    offered = map(quote_argument, known.names.columns) if kind == "table" else known.choices.get(kind, list)()
    return [Candidate(text, len(word)) for text in _matching(word, offered)]


def last_word(before: str) -> str:
    """Return the word before the cursor, to be replaced by a completion."""
    match = _LAST_WORD.search(before)
    return match["word"] if match else ""


def suggest(before: str, after: str, names: Names) -> list[str]:
    """Return the candidates for the last word of `before`, within the statement around the cursor."""
    before, after = _own_statement(before[-MAX_CHARACTERS:], after[:MAX_CHARACTERS])
    match = _LAST_WORD.search(before)
    if match is None or ends_in_quotes_or_comment(before):
        return []
    tables = _tables_of(before[: match.start()] + " " + after, names)
    if match["owner"]:
        found = tables.get(_unquote(match["owner"]).lower())
        return _matching(match["word"], map(quote, names.columns[found])) if found else []
    return _matching(match["word"], _candidates(before, tables, names))


def files(prefix: str) -> list[str]:
    """Return paths that begin with `prefix`, directories with a slash at the end; hidden ones only after a dot."""
    directory, _, start = prefix.rpartition("/")
    try:
        with os.scandir(Path(directory + "/" if directory or prefix.startswith("/") else ".").expanduser()) as entries:
            found = sorted(
                entry.name + ("/" if entry.is_dir() else "")
                for entry in entries
                if entry.name.startswith(start) and (start.startswith(".") or not entry.name.startswith("."))
            )
    except OSError:
        return []
    head = prefix[: len(prefix) - len(start)]
    return [head + name for name in found[:MAX_FILES] if name != start]


def quote(name: str) -> str:
    """Return the name as SQL, quoted if necessary."""
    if _BARE_NAME.fullmatch(name) and name.upper() not in keywords():
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_argument(name: str) -> str:
    """Return the name as an argument of a dot command, quoted if necessary."""
    return f'"{name}"' if any(character.isspace() for character in name) else name


def _own_statement(before: str, after: str) -> tuple[str, str]:
    pieces = list(split_statements(before))
    ended = not pieces or pieces[-1].rstrip().endswith(";")
    return "" if ended else pieces[-1], next(iter(split_statements(after)), "")


def _candidates(before: str, tables: dict[str, str], names: Names) -> Iterator[str]:
    if _TABLE_FOLLOWS.search(before) or _INDEXED_TABLE_FOLLOWS.search(before):
        yield from dict.fromkeys(match[1] for match in _COMMON_TABLE.finditer(before))
        yield from map(quote, names.columns)
        return
    in_use = list(dict.fromkeys(tables.values())) or list(names.columns)
    for table in in_use:
        yield from map(quote, names.columns[table])
    yield from (alias for alias, table in tables.items() if alias != table.lower())
    yield from map(quote, names.columns)
    yield from keywords()
    yield from functions()


def _tables_of(text: str, names: Names) -> dict[str, str]:
    """Return table names and aliases (lower case) in `text` → the table."""
    known = {table.lower(): table for table in names.columns}
    found = {}
    for match in (*_TABLE_NAMED.finditer(text), *_INDEX_NAMED.finditer(text)):
        table = known.get(_unquote(match[1]).lower())
        if table:
            found[table.lower()] = table
            if match.re is _TABLE_NAMED and match[2]:
                found[match[2].lower()] = table
    return found


def _matching(word: str, candidates: Iterable[str]) -> list[str]:
    lower = word.lower()
    fresh = dict.fromkeys(name for name in candidates if name.lower().lstrip('"').startswith(lower.lstrip('"')))
    return sorted((name for name in fresh if name != word), key=lambda name: name.startswith('"'))


def _unquote(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
