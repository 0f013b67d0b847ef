"""Completion: keywords, functions, tables, columns, the columns of an alias after its dot; the names that an opened
quote may begin; conditions of joins, values of checks; for dot commands their names and arguments.

`complete` is pure, except for the names of local files: text before and after the cursor, and known names → candidates.
The names are fetched by `sldb.shell.schema_names`, never while a key is handled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sldb.shell import relations
from sldb.shell.catalog import Names
from sldb.shell.keywords import functions, keywords
from sldb.shell.sources import quote, tables_of
from sldb.sql_text import ends_in_quotes_or_comment, open_quote, split_statements, unquoted

MAX_CHARACTERS = 20_000  # of a long script that are searched, on each side of the cursor
MAX_FILES = 200

_LAST_WORD = re.compile(r"(?:(?P<owner>\w+|\"[^\"]+\")\.)?(?P<word>\w*)\Z")
_LINE_ENDS = re.compile(r"[\r\n]")
_CLOSING = {"'": "'", '"': '"', "`": "`", "[": "]"}
_TABLE_FOLLOWS = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|DESCRIBE)\s+(?:\w+\s*,\s*)*\w*\Z", re.IGNORECASE)
_INDEXED_TABLE_FOLLOWS = re.compile(r"\b(?:INDEX|TRIGGER)\b[^;]*\bON\s+\w*\Z", re.IGNORECASE)
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
    if quoted := open_quote(before[-MAX_CHARACTERS:]):
        return _complete_quoted(before, quoted, after, known.names, is_requested=is_requested)
    word = last_word(before)
    if not word and not is_requested and not before.endswith("."):
        return []
    return [Candidate(text, len(word)) for text in suggest(before, after, known.names)]


def _complete_quoted(before: str, quoted: str, after: str, names: Names, *, is_requested: bool) -> list[Candidate]:
    """Return the names that begin as the text after an opened quote does. `quoted`: that text, with the quote.

    A text in '…' may be any value: it has candidates only if they are requested, if a table must follow, or if a check
    lists the values of the column.
    """
    mark, word = quoted[0], quoted[1:].replace(_CLOSING[quoted[0]] * 2, _CLOSING[quoted[0]])
    own, rest = _own_statement(before[: -len(quoted)][-MAX_CHARACTERS:] + " ", after[:MAX_CHARACTERS])
    wants_table = _wants_table(own)
    literals = relations.values(own, rest, names) if mark == "'" else ()
    found = [
        *(unquoted(literal) for literal in literals if literal.startswith("'")),
        *_names_in_quotes(own, rest, wants_table, names),
    ]
    if not is_requested and (not word or (mark == "'" and not (wants_table or literals))):
        return []
    if mark == "'" and wants_table:
        mark = '"'  # SQLite reads 'users' as a name there, other databases do not
    matching = (name for name in found if name.lower().startswith(word.lower()) and not _LINE_ENDS.search(name))
    return [Candidate(_in_quotes(name, mark, after), len(quoted)) for name in dict.fromkeys(matching)]


def _names_in_quotes(own: str, rest: str, wants_table: bool, names: Names) -> Iterator[str]:
    """Yield the names that fit between the text before the quote and the text after it, the likeliest first."""
    tables = tables_of(f"{own} {rest}", names)
    owner = _LAST_WORD.search(own.rstrip())
    if owner is not None and owner["owner"] and not owner["word"]:
        yield from names.columns.get(tables.get(unquoted(owner["owner"]).lower(), ""), ())
        return
    if not wants_table:
        for table in dict.fromkeys(tables.values()) or names.columns:
            yield from names.columns[table]
    yield from names.columns


def _in_quotes(name: str, mark: str, after: str) -> str:
    """Return the name in quotes; the last one is left out if it follows already."""
    closing = _CLOSING[mark]
    if mark == "[" and closing in name:  # there is no way to write it in brackets
        return '"' + name.replace('"', '""') + '"'
    return mark + name.replace(closing, closing * 2) + ("" if after.startswith(closing) else closing)


def _complete_command(name: str, rest: str | None, after: str, known: Known, *, is_requested: bool) -> list[Candidate]:
    if rest is None:
        found = sorted(spelling for spelling in known.commands if spelling.startswith(name))
        return [Candidate(spelling, len(name)) for spelling in found if spelling != name]
    kind = known.commands.get(name.lower() if name.startswith(".") else name, "")
    if kind == "sql":
        return complete(rest.lstrip(), after, Known(known.names), is_requested=is_requested)
    argument = rest.lstrip()
    if kind == "file":
        return _complete_file(argument, after)
    offered = list(known.names.columns) if kind == "table" else list(known.choices.get(kind, list)())
    if argument.startswith(('"', "'")):
        mark, word = argument[0], argument[1:]
        fitting = (name for name in offered if name.lower().startswith(word.lower()) and mark not in name)
        return [Candidate(_in_quotes(name, mark, after), len(argument)) for name in fitting]
    if " " in argument:
        return []  # one argument is completed
    return [Candidate(text, len(argument)) for text in _matching(argument, map(quote_argument, offered))]


def _complete_file(argument: str, after: str) -> list[Candidate]:
    """Return paths; one with a space in quotes, which a directory leaves open."""
    mark = argument[:1] if argument.startswith(('"', "'")) else ""
    word = argument.removeprefix(mark)
    candidates = []
    for path in files(word):
        quote_ = mark or ('"' if any(map(str.isspace, path)) else "")
        is_closed = path.endswith("/") or after.startswith(quote_ or " ")
        candidates.append(Candidate(quote_ + path + ("" if is_closed else quote_), len(argument)))
    return candidates


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
    tables = tables_of(before[: match.start()] + " " + after, names)
    if match["owner"]:
        found = tables.get(unquoted(match["owner"]).lower())
        return _matching(match["word"], map(quote, names.columns[found])) if found else []
    likely = [*relations.joined(before, names), *relations.values(before, after, names)]
    return _matching(match["word"], [*likely, *_candidates(before, tables, names)])


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


def quote_argument(name: str) -> str:
    """Return the name as an argument of a dot command, quoted if necessary."""
    return f'"{name}"' if any(character.isspace() for character in name) else name


def _own_statement(before: str, after: str) -> tuple[str, str]:
    pieces = list(split_statements(before))
    ended = not pieces or pieces[-1].rstrip().endswith(";")
    return "" if ended else pieces[-1], next(iter(split_statements(after)), "")


def _candidates(before: str, tables: dict[str, str], names: Names) -> Iterator[str]:
    if _wants_table(before):
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


def _wants_table(before: str) -> bool:
    return bool(_TABLE_FOLLOWS.search(before) or _INDEXED_TABLE_FOLLOWS.search(before))


def _matching(word: str, candidates: Iterable[str]) -> list[str]:
    lower = word.lower()
    fresh = dict.fromkeys(name for name in candidates if name.lower().lstrip('"').startswith(lower.lstrip('"')))
    return sorted((name for name in fresh if name != word), key=lambda name: name.startswith('"'))
