"""The text that is proposed after the cursor: the rest of a line of the history. Right arrow or Ctrl-E takes it."""

from __future__ import annotations

from itertools import islice

from prompt_toolkit.auto_suggest import AutoSuggest, Suggestion
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document

MAX_ENTRIES = 1000  # of the history, the newest: each key press looks through them


class LastLines(AutoSuggest):
    """Proposes the newest line that begins with the line before the cursor. The history is that of one target."""

    def get_suggestion(self, buffer: Buffer, document: Document) -> Suggestion | None:
        typed = document.text.rpartition("\n")[2]
        if not typed.strip():
            return None
        for entry in islice(reversed(buffer.history.get_strings()), MAX_ENTRIES):
            for line in reversed(entry.splitlines()):
                if line.startswith(typed):
                    return Suggestion(line[len(typed) :])
        return None
