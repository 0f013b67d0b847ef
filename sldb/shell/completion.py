"""What may follow: keywords, tables, columns, and the columns of an alias after its dot.

`suggest` is pure: text before and after the place, names known → candidates. Where the names come from, and that
they are never fetched while a key is handled, is `sldb.shell.session`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sldb.shell.catalog import Names
from sldb.shell.vocabulary import functions, keywords

_BARE_NAME = re.compile(r"[^\W\d]\w*")
_LAST_WORD = re.compile(r"(?:(?P<owner>\w+|\"[^\"]+\")\.)?(?P<word>\w*)\Z")
_TABLE_FOLLOWS = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|ON|DESCRIBE)\s+(?:\w+\s*,\s*)*\w*\Z", re.IGNORECASE)
_TABLE_NAMED = re.compile(
    r"\b(?:FROM|JOIN|INTO|UPDATE|,)\s*(\w+|\"[^\"]+\")(?:\s+(?:AS\s+)?(?!(?:WHERE|ON|SET|JOIN|LEFT|INNER|ORDER|GROUP"
    r"|USING|VALUES|LIMIT|CROSS|NATURAL|FULL|RIGHT|HAVING|UNION|DEFAULT|SELECT|AS)\b)(\w+))?",
    re.IGNORECASE,
)


def last_word(before: str) -> str:
    """The part of the text before the cursor that a completion replaces."""
    match = _LAST_WORD.search(before)
    return match["word"] if match else ""


def suggest(before: str, after: str, names: Names) -> list[str]:
    """The candidates for the word that ends `before`; the likeliest kind first."""
    match = _LAST_WORD.search(before)
    if match is None:
        return []
    tables = _tables_of(before[: match.start()] + " " + after, names)
    if match["owner"]:
        found = tables.get(_unquote(match["owner"]).lower())
        return _matching(match["word"], map(quote, names.columns[found])) if found else []
    if not match["word"] and not before[:1].isspace() and before[-1:] not in (" ", ",", "("):
        return []
    return _matching(match["word"], _candidates(before, tables, names))


def quote(name: str) -> str:
    """A name as a statement must have it."""
    if _BARE_NAME.fullmatch(name) and name.upper() not in keywords():
        return name
    return '"' + name.replace('"', '""') + '"'


def _candidates(before: str, tables: dict[str, str], names: Names) -> Iterator[str]:
    if _TABLE_FOLLOWS.search(before):
        yield from map(quote, names.columns)
        return
    in_use = list(dict.fromkeys(tables.values())) or list(names.columns)
    for table in in_use:
        yield from map(quote, names.columns[table])
    yield from map(quote, names.columns)
    yield from keywords()
    yield from functions()


def _tables_of(text: str, names: Names) -> dict[str, str]:
    """Table names and aliases (lower case) that `text` mentions → the table."""
    known = {table.lower(): table for table in names.columns}
    found = {}
    for match in _TABLE_NAMED.finditer(text):
        table = known.get(_unquote(match[1]).lower())
        if table:
            found[table.lower()] = table
            if match[2]:
                found[match[2].lower()] = table
    return found


def _matching(word: str, candidates: Iterable[str]) -> list[str]:
    lower = word.lower()
    fresh = dict.fromkeys(name for name in candidates if name.lower().lstrip('"').startswith(lower))
    return sorted((name for name in fresh if name != word), key=lambda name: name.startswith('"'))


def _unquote(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
