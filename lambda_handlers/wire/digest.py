"""The digest of a result: equal for two runs of a statement that show their client the same. Pure.

It covers all of a result that a client can see: columns with their declared types, rows in their order, the number of
rows, and the rowid of an INSERT if it was handed out; of an error its code and that of SQLite, and of many
runs the one that failed, not its text; of EXPLAIN
not the rows, which have addresses in memory. It is the beginning of a SHA-256 over an unambiguous text of these: rows
are the lines of `encode_line`, each of which begins with a bracket and ends with its only line break.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence

from lambda_handlers.wire.errors import SldbError
from lambda_handlers.wire.reply import Column
from lambda_handlers.wire.values import Row, encode_line

DIGEST_BYTES = 16


class ResultDigest:
    """The digest of one result, whose rows may be more than fit into memory."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(b"result\n")

    def passing(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows, and add each to the digest."""
        for row in rows:
            self._hash.update(encode_line(row))
            yield row

    def end(self, columns: Sequence[Column] = (), rowcount: int = 0, lastrowid: int | None = None) -> str:
        """Return the digest as hex digits. `lastrowid`: None if it was not handed out."""
        rest = [[column.encode() for column in columns], rowcount, lastrowid]
        self._hash.update(json.dumps(rest, separators=(",", ":")).encode())
        return self._hash.hexdigest()[: 2 * DIGEST_BYTES]

    @staticmethod
    def of_error(error: SldbError) -> str:
        """Return the digest of an error that a client was shown as a result."""
        shown_values = [error.code, error.details.get("sqlite_code")]
        if "row" in error.details:  # of many: those before it have run
            shown_values.append(error.details["row"])
        shown = json.dumps(shown_values, separators=(",", ":"))
        return hashlib.sha256(b"error\n" + shown.encode()).hexdigest()[: 2 * DIGEST_BYTES]
