"""The format of SQLite's sqllogictest, as far as its files here use it: a file to records, rows to the text expected.

    statement ok | error
    query <type per column: I R T> nosort | rowsort | valuesort [label]
    skipif | onlyif <engine>        for the next record; then `halt` ends the file
    hash-threshold <n>              results of more values are a hash

A query's SQL ends with a line of four dashes, its result follows: a value per line, or `<n> values hashing to <md5>`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from lambda_handlers.wire import Value

ENGINE = "sqlite"


@dataclass(frozen=True, slots=True)
class Record:
    line: int  # of the file, from 1
    sql: str
    must_fail: bool = False
    types: str = ""  # of a query: I, R or T per column
    sort: str = ""
    label: str = ""
    expected: tuple[str, ...] | None = None  # None for a statement

    @property
    def may_fail(self) -> bool:
        """A query without expected values may also fail, such as an overflowing sum()."""
        return self.must_fail or self.expected == ()

    @property
    def is_one_statement(self) -> bool:
        return ";" not in self.sql.rstrip().rstrip(";")


def parse(text: str) -> Iterator[Record]:
    """Yield the records for SQLite."""
    lines = text.splitlines()
    position = 0
    while position < len(lines):
        block_start = position
        block: list[str] = []
        while position < len(lines) and lines[position].strip():
            if not lines[position].startswith("#"):
                block.append(lines[position])
            position += 1
        position += 1
        is_ours = True
        while block and block[0].split()[0] in ("skipif", "onlyif"):
            kind, engine = block.pop(0).split()[:2]
            is_ours &= (engine == ENGINE) == (kind == "onlyif")
        if not block or not is_ours:
            continue
        if block[0].split()[0] == "halt":
            return
        if block[0].split()[0] != "hash-threshold":
            yield _record(block, block_start + 1)


def _record(block: list[str], line: int) -> Record:
    words = block[0].split()
    if words[0] == "statement":
        return Record(line, "\n".join(block[1:]), must_fail=words[1] == "error")
    if words[0] != "query":
        raise ValueError(f"line {line}: {block[0]!r} is no record")
    end = block.index("----") if "----" in block else len(block)
    return Record(
        line,
        "\n".join(block[1:end]),
        types=words[1],
        sort=words[2] if len(words) > 2 else "nosort",
        label=words[3] if len(words) > 3 else "",
        expected=tuple(block[end + 1 :]),
    )


def text_of(value: Value, kind: str) -> str:
    if value is None:
        return "NULL"
    if kind == "I":
        return str(_integer(value))
    if kind == "R":
        return f"{Decimal(f'{float(value):.16g}'):.3f}"  # SQLite's printf knows 16 significant digits
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(c if " " <= c <= "~" else "@" for c in text) or "(empty)"


def _integer(value: Value) -> int:
    """Return the integer of the leading digits of a text, as sqlite3_column_int64 does."""
    if isinstance(value, (int, float)):
        return int(value)
    digits = ""
    for character in str(value).strip():
        if not (character.isdigit() or (character in "+-" and not digits)):
            break
        digits += character
    return int(digits) if digits.strip("+-") else 0


def result_lines(record: Record, rows: Sequence[Sequence[Value]]) -> list[str]:
    """The values as the file has them, before any hash."""
    texts = [[text_of(value, kind) for value, kind in zip(row, record.types, strict=True)] for row in rows]
    if record.sort == "rowsort":
        texts.sort()
    values = [text for row in texts for text in row]
    return sorted(values) if record.sort == "valuesort" else values


def digest(values: Sequence[str]) -> str:
    md5 = hashlib.md5("".join(f"{value}\n" for value in values).encode(), usedforsecurity=False).hexdigest()
    return f"{len(values)} values hashing to {md5}"


def agrees(record: Record, values: list[str]) -> bool:
    expected = list(record.expected or ())
    if len(expected) == 1 and " values hashing to " in expected[0]:
        return digest(values) == expected[0]
    return values == expected
