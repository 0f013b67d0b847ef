"""The reply to a request: results of its statements, the transaction, and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lambda_handlers.wire.values import Row, decode_value, encode_value


class Column(NamedTuple):
    name: str
    type: str | None  # as declared; None for an expression

    def encode(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type}


@dataclass(frozen=True, slots=True)
class StoredRows:
    """Rows in an object of the store, because they exceed the reply limit: gzip, one JSON list per line."""

    url: str  # presigned, for a GET, for minutes; inside the server the object's key
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

    def encode(self) -> dict[str, Any]:
        rows = {"rows": [[encode_value(value) for value in row] for row in self.rows]}
        return {
            "columns": [column.encode() for column in self.columns],
            **(self.stored.encode() if self.stored else rows),
            "rowcount": self.rowcount,
            "lastrowid": self.lastrowid,
            **({} if self.digest is None else {"digest": self.digest}),
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> Result:
        stored = StoredRows.decode(body)
        return cls(
            columns=tuple(Column(column["name"], column["type"]) for column in body["columns"]),
            rows=[] if stored else [tuple([decode_value(value) for value in row]) for row in body["rows"]],
            rowcount=body["rowcount"],
            lastrowid=body["lastrowid"],
            stored=stored,
            digest=body.get("digest"),
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

    @property
    def last(self) -> Result:
        return next((result for result in reversed(self.results) if result.columns), Result())

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.last.columns

    @property
    def rows(self) -> list[Row]:
        return self.last.rows

    def encode(self) -> dict[str, Any]:
        results = [result.encode() for result in self.results]
        none: dict[str, Any] = {"columns": [], "rows": []}
        last = next((result for result in reversed(results) if result["columns"]), none)
        return {
            **{name: last[name] for name in ("columns", "rows", "rows_url", "rows_count") if name in last},
            "results": results,
            "txid": self.txid,
            "database": self.database,
            "stats": self.stats,
            **({} if self.changes is None else {"changes": self.changes, "destroys": self.destroys}),
            **({} if self.time is None else {"time": self.time}),
            **({} if self.transaction is None else {"transaction": dict(self.transaction)}),
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> Reply:
        return cls(
            results=tuple(Result.decode(result) for result in body["results"]),
            txid=body["txid"],
            database=body["database"],
            stats=dict(body.get("stats", {})),
            changes=body.get("changes"),
            destroys=body.get("destroys"),
            time=body.get("time"),
            transaction=body.get("transaction"),
        )
