"""The reply to a request: results of its statements, the transaction, and statistics.

Its rows travel once: `columns` and `rows` (or `rows_url` and `rows_count`) of the last result that has columns stand at
the top of the body, and that entry of `results` has `"rows_at_top": true` in their place. Replies of earlier versions,
which the log of requests remembers, have them in both places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.wire.errors import SldbError
from lambda_handlers.wire.values import Row, decode_row, encode_rows

ROWS_ADDRESS = "sldb://rows/"  # with 16 hex digits: in a store without URLs, read by the action `rows`


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str | None  # as declared; None for an expression

    def encode(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type}


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning: the request did what it says, and probably not all that was meant."""

    code: str  # no_effect
    message: str

    def encode(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows in an object of the store, because they exceed the reply limit: gzip, one JSON list per line."""

    url: str  # presigned, for a GET, for minutes; or ROWS_ADDRESS and an id; inside the server the object's key
    count: int  # of rows

    def encode(self) -> dict[str, Any]:
        return {"rows_url": self.url, "rows_count": self.count}

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> StoredRows | None:
        return cls(body["rows_url"], body["rows_count"]) if "rows_url" in body else None


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one statement. `columns` is empty for a statement without rows."""

    columns: tuple[Column, ...] = ()
    rows: list[Row] = field(default_factory=list)  # empty if they are in an object of the store
    rowcount: int = 0  # rows returned, or rows inserted, updated or deleted
    lastrowid: int | None = None  # rowid of the newest row that an INSERT of this statement made
    stored: StoredRows | None = None
    digest: str | None = None  # of what the result shows, hexadecimal: for `expect`, and in a transaction
    error: SldbError | None = None  # with `on_error` "continue": why the statement failed
    rolled_back: bool = False  # the error has ended the transaction that was open
    skipped: bool = False  # the statement has not run

    def encode_rows(self) -> dict[str, Any]:
        """Return the fields of the rows."""
        rows = {"rows": encode_rows(self.rows)}
        return {
            "columns": [column.encode() for column in self.columns],
            **(self.stored.encode() if self.stored else rows),
        }

    def encode(self, *, has_rows_at_top: bool = False) -> dict[str, Any]:
        return {
            **({"rows_at_top": True} if has_rows_at_top else self.encode_rows()),
            "rowcount": self.rowcount,
            "lastrowid": self.lastrowid,
            **({} if self.digest is None else {"digest": self.digest}),
            **(self.error.encode() if self.error else {}),
            **({"rolled_back": True} if self.rolled_back else {}),
            **({"skipped": True} if self.skipped else {}),
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any], top: Mapping[str, Any]) -> Result:
        """Return the result in an entry of `results`. `top`: the body of the reply."""
        shown = top if "rows_at_top" in body else body
        stored = StoredRows.decode(shown)
        return cls(
            columns=tuple(Column(column["name"], column["type"]) for column in shown["columns"]),
            rows=[] if stored else [decode_row(row) for row in shown["rows"]],
            rowcount=body["rowcount"],
            lastrowid=body["lastrowid"],
            stored=stored,
            digest=body.get("digest"),
            error=SldbError.decode(body) if "error" in body else None,
            rolled_back=body.get("rolled_back", False),
            skipped=body.get("skipped", False),
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a request. `columns` and `rows` are those of the last statement that returns rows."""

    results: tuple[Result, ...]
    txid: int  # the version that was read or made
    database: str
    stats: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, dict[str, int]] | None = None  # of a dry run: table → rows inserted, updated, deleted
    destroys: list[dict[str, Any]] | None = None  # of a dry run: see `lambda_handlers.sql.changes`
    time: str | None = None  # of a view of the past (`at`): when `txid` was made, RFC 3339 in UTC
    transaction: Mapping[str, Any] | None = None  # {"token"} of an open one, or {"ended": "commit" | "rollback"}
    warnings: tuple[Notice, ...] = ()

    @property
    def last(self) -> Result:
        return Result() if self._last is None else self.results[self._last]

    @property
    def _last(self) -> int | None:
        """The position of the last statement that returns rows."""
        return next((i for i in reversed(range(len(self.results))) if self.results[i].columns), None)

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.last.columns

    @property
    def rows(self) -> list[Row]:
        return self.last.rows

    def encode(self) -> dict[str, Any]:
        last = self._last
        return {
            **self.last.encode_rows(),
            "results": [result.encode(has_rows_at_top=i == last) for i, result in enumerate(self.results)],
            "txid": self.txid,
            "database": self.database,
            "stats": self.stats,
            **({} if self.changes is None else {"changes": self.changes, "destroys": self.destroys}),
            **({} if self.time is None else {"time": self.time}),
            **({} if self.transaction is None else {"transaction": dict(self.transaction)}),
            **({"warnings": [notice.encode() for notice in self.warnings]} if self.warnings else {}),
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> Reply:
        return cls(
            results=tuple(Result.decode(result, body) for result in body["results"]),
            txid=body["txid"],
            database=body["database"],
            stats=dict(body.get("stats", {})),
            changes=body.get("changes"),
            destroys=body.get("destroys"),
            time=body.get("time"),
            transaction=body.get("transaction"),
            warnings=tuple(Notice(notice["code"], notice["message"]) for notice in body.get("warnings", ())),
        )
