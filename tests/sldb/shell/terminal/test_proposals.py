from __future__ import annotations

import pytest
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory

from sldb.shell.terminal.proposals import MAX_ENTRIES, LastLines


class Entry(str):
    """Counts how often an entry is looked at."""

    looks = 0

    def splitlines(self, keepends: bool = False) -> list[str]:
        Entry.looks += 1
        return super().splitlines(keepends)


def proposed(history: list[str], typed: str) -> str | None:
    kept = InMemoryHistory()
    for entry in history:
        kept.append_string(entry)
    found = LastLines().get_suggestion(Buffer(history=kept), Document(typed))
    return found and found.text


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("SELECT", " * FROM b;"),  # the newest
        ("SELECT * FROM a", ";"),
        ("WHERE", " x = 1;"),  # a line of an entry
        ("SELECT 1\nWHERE x", " = 1;"),
        ("", None),
        ("  ", None),
        ("select", None),
    ],
)
def test_the_newest_line_that_begins_so(typed: str, text: str | None) -> None:
    assert proposed(["SELECT * FROM a;", "DELETE FROM c\nWHERE x = 1;", "SELECT * FROM b;"], typed) == text


def test_a_long_history_costs_no_more_than_a_short_one() -> None:
    Entry.looks = 0
    history: list[str] = [Entry(f"SELECT {number};") for number in range(50_000)]
    assert proposed(history, "DROP") is None
    assert Entry.looks == MAX_ENTRIES
