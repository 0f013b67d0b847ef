"""The programs in a page of the documentation, and what the page says that they print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.M | re.S)
_THIRD_PARTY = re.compile(r"^(?:import|from) (?:httpx|turso_serverless)\b", re.M)


@dataclass(frozen=True, slots=True)
class Program:
    line: int  # of the page
    language: str
    text: str
    output: str | None  # None: the page shows none

    @property
    def needs_packages(self) -> bool:
        """True for one that neither Python's own library nor a shell can run."""
        return self.language in ("javascript", "go") or bool(_THIRD_PARTY.search(self.text))


def programs(page: str) -> list[Program]:
    text = (DOCS / page).read_text("utf-8")
    return [
        Program(text.count("\n", 0, found.start()) + 1, found[1], found[2], found[3])
        for found in _BLOCK.finditer(text)
        if found[1] != "text"
    ]
