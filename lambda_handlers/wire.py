"""The wire: what a request and a reply are, how values travel, and every error that a user can meet.

A leaf: standard library only, no I/O. Both sides import it.

Request (a Lambda event)  {"query": "SELECT 1"} and the optional fields of `Request`.
Action (an event too)     {"action": "history", "database": "main", "arguments": {...}}: what is not SQL, see `Action`.
Reply                     {"statusCode": 200, "body": {...}}, see `Reply`.
Error                     {"statusCode": 4xx | 5xx, "body": {"error": {"code", "message", "hint", ...}}}.

Values: NULL, INTEGER, REAL and TEXT are null, integer, float and string in JSON. What JSON cannot say is tagged:
{"$blob": "<base64>"} and {"$float": "inf" | "-inf" | "nan"}. Every value survives the round trip exactly.

Rows that do not fit into a reply lie in an object of their own, gzip, a row a line: see `FarRows`.

Errors: `SldbError` carries one of `ERROR_CODES`. Expected errors are replies; anything else is a bug, which leaves
a traceback in the log and reaches the user as `internal`.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, TypeAlias

from lambda_handlers.shared import times

Value: TypeAlias = "int | float | str | bytes | None"
Row: TypeAlias = "tuple[Value, ...]"
Params: TypeAlias = "tuple[Value, ...] | dict[str, Value] | None"

DEFAULT_DATABASE = "main"
DEFAULT_STACK = "test-db"
MOST_TXID_DIGITS = 20  # of 2**64 - 1
DATABASE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
MOST_SHOWN_CHARACTERS = 2000  # of a text in an error
INTEGER_MIN, INTEGER_MAX = -(1 << 63), (1 << 63) - 1  # SQLite's INTEGER is 64 bits, signed


class ErrorCode(NamedTuple):
    status: int  # HTTP status of the reply
    exit_code: int  # of the command-line client


ERROR_CODES: dict[str, ErrorCode] = {
    "bad_request": ErrorCode(400, 2),  # the event is not a request
    "sql_error": ErrorCode(400, 1),  # SQLite refused the statement
    "constraint": ErrorCode(409, 1),  # a constraint failed
    "read_only": ErrorCode(403, 1),  # a write in a read-only request or view
    "forbidden": ErrorCode(403, 1),  # a statement that reaches outside the database
    "unconfirmed": ErrorCode(428, 1),  # a careful request that destroys what is there; nothing was applied
    "not_found": ErrorCode(404, 1),  # no such database, txid or time outside history
    "conflict": ErrorCode(409, 75),  # another writer came first; nothing was applied
    "lock_timeout": ErrorCode(423, 75),  # the lock was not free in time; nothing was applied
    "query_timeout": ErrorCode(408, 1),  # stopped in time; nothing was applied
    "too_large": ErrorCode(413, 1),  # a request, value, result or memory limit
    "corrupt": ErrorCode(500, 1),  # a stored object is damaged
    "store_error": ErrorCode(503, 3),  # S3 or EC2 refused or did not answer
    "internal": ErrorCode(500, 70),  # a bug
}


class SldbError(Exception):
    """What went wrong, to what, and what to do next; `code` is a key of `ERROR_CODES`.

    `details` holds what a program may want beside the text: `statement` (0-based position of the statement that
    failed, as in `results`), `offset` (characters into the query's text), `sqlite_code`, `key`, `holder`, …
    """

    def __init__(self, code: str, message: str, hint: str = "", **details: Any) -> None:
        super().__init__(_shown(message))
        self.code = code
        self.message = _shown(message)
        self.hint = _shown(hint)
        self.details = {name: _shown(value) for name, value in details.items() if value is not None}

    @property
    def status(self) -> int:
        return ERROR_CODES[self.code].status

    @property
    def exit_code(self) -> int:
        return ERROR_CODES[self.code].exit_code

    def for_stack(self, stack: str) -> SldbError:
        """Return the error; the commands in its hint go to this stack now."""
        if stack != DEFAULT_STACK:
            self.hint = with_options(self.hint, ("--stack", stack))
        return self

    def encode(self) -> dict[str, Any]:
        return {
            "error": {"code": self.code, "message": self.message, "hint": self.hint, **self.details},
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> SldbError:
        fields = dict(body["error"])
        code = fields.pop("code")
        message = fields.pop("message", "")
        hint = fields.pop("hint", "")
        return cls(code if code in ERROR_CODES else "internal", message, hint, **fields)


# Commands of sldb that go to a stack.
STACK_COMMANDS = tuple(
    """branch cost databases deploy destroy diff doctor dump export history import logs migrate pull push query restore
    result shell status undo unlock""".split()  # noqa: SIM905 - reads better
)
# One as messages have it, up to the end of what belongs to it.
_COMMAND = re.compile(rf"(?<![\w./-])sldb (?P<name>{'|'.join(STACK_COMMANDS)})(?![\w-])(?P<rest>[^`;,.:()]*)")
_PLACES = {"--stack", "--target", "--local"}  # one of them says where a command goes


def with_options(text: str, options: Sequence[str]) -> str:
    """Return a message whose commands of sldb have these options (each with its value), where they do not have them
    already: `sldb deploy makes it` becomes `sldb deploy --stack two makes it`."""

    def completed(match: re.Match[str]) -> str:
        words = set(match["rest"].split())
        given = words | _PLACES if words & _PLACES else words
        pairs = zip(options[::2], options[1::2], strict=True)
        missing = [word for pair in pairs if pair[0] not in given for word in pair]
        return " ".join(("sldb", match["name"], *missing)) + match["rest"]

    return _COMMAND.sub(completed, text) if options else text


def _shown(value: Any) -> Any:
    """Text as it is, unless it is so long that an error would not fit into a reply: then its beginning."""
    is_long = isinstance(value, str) and len(value) > MOST_SHOWN_CHARACTERS
    return value[:MOST_SHOWN_CHARACTERS] + "…" if is_long else value


@dataclass(frozen=True, slots=True)
class Statement:
    query: str  # SQL text; several statements only where params is not a sequence
    params: Params = None


@dataclass(frozen=True, slots=True)
class Request:
    """One transaction against one database. Field by field as in the event, which may leave all but the SQL out."""

    statements: tuple[Statement, ...]
    database: str = DEFAULT_DATABASE
    at: int | str | None = None  # txid or RFC 3339 time: a read-only view of that moment
    max_staleness: float = 0.0  # seconds
    read_only: bool = False
    if_txid: int | None = None
    request_id: str | None = None
    dry_run: bool = False
    careful: bool = False  # refuse (`unconfirmed`) what destroys, and say what it would
    create: bool = True  # may a write create the database
    timeout: float | None = None  # seconds
    stack: str | None = None  # the one that is meant: a function of another refuses

    def encode(self) -> dict[str, Any]:
        """The event of this request, with defaults left out."""
        event: dict[str, Any] = {}
        if len(self.statements) == 1:
            event.update(_encode_statement(self.statements[0]))
        else:
            event["statements"] = [_encode_statement(statement) for statement in self.statements]
        for name, default in _OPTIONAL_DEFAULTS.items():
            value = getattr(self, name)
            if value != default:
                event[name] = value
        return event

    @classmethod
    def decode(cls, event: object) -> Request:
        """The request in an event. Raises `bad_request` that names the field, what it got and what it wants."""
        if not isinstance(event, Mapping):
            bad_request("event", event, 'an object such as {"query": "SELECT 1"}')
        unknown = sorted(set(event) - _FIELDS)
        if unknown:
            bad_request(str(unknown[0]), event[unknown[0]], f"one of the fields {', '.join(sorted(_FIELDS))}")
        fields = {name: event[name] for name in _OPTIONAL_DEFAULTS if event.get(name) is not None}
        for name, value in fields.items():
            _CHECKS[name](name, value)
        return cls(statements=_decode_statements(event), **fields)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is not SQL. What it may be, and what its arguments are, is the server's to say (`actions`).

    Each is safe to send twice: what the first has done, the second finds done.
    """

    name: str
    database: str = DEFAULT_DATABASE
    arguments: Mapping[str, Any] = field(default_factory=dict)
    create: bool = True  # may one that writes into the database create it
    timeout: float | None = None  # seconds
    stack: str | None = None  # the one that is meant: a function of another refuses

    def encode(self) -> dict[str, Any]:
        """The event of this action, with defaults left out."""
        event: dict[str, Any] = {"action": self.name}
        if self.database != DEFAULT_DATABASE:
            event["database"] = self.database
        if self.arguments:
            event["arguments"] = dict(self.arguments)
        if not self.create:
            event["create"] = False
        for name in ("timeout", "stack"):
            if (value := getattr(self, name)) is not None:
                event[name] = value
        return event

    @classmethod
    def decode(cls, event: object) -> Action:
        """The action in an event. Raises `bad_request` that names the field, what it got and what it wants."""
        if not isinstance(event, Mapping):
            bad_request("event", event, 'an object such as {"action": "history"}')
        unknown = sorted(set(event) - _ACTION_FIELDS)
        if unknown:
            bad_request(str(unknown[0]), event[unknown[0]], f"one of the fields {', '.join(sorted(_ACTION_FIELDS))}")
        name, arguments = event.get("action"), event.get("arguments")
        if not isinstance(name, str) or not name:
            bad_request("action", name, "the name of an action")
        if arguments is not None and not (
            isinstance(arguments, Mapping) and all(isinstance(k, str) for k in arguments)
        ):
            bad_request("arguments", arguments, "an object")
        optional = ("database", "create", "timeout", "stack")
        fields = {each: event[each] for each in optional if event.get(each) is not None}
        for field_name, value in fields.items():
            _CHECKS[field_name](field_name, value)
        return cls(name, arguments={str(key): value for key, value in (arguments or {}).items()}, **fields)


def is_action(event: object) -> bool:
    """Whether an event asks for an action rather than for SQL."""
    return isinstance(event, Mapping) and "action" in event


def moment(text: str) -> int | str:
    """A txid, or the text of a time; of more digits than a txid has, the text too, which is no time."""
    return int(text) if text.isdecimal() and len(text) <= MOST_TXID_DIGITS else text


def moment_ms(field_name: str, text: str) -> int:
    """Return the last unix millisecond that a time means; raise `bad_request` for what is none, or has no zone."""
    written = times.read(text)
    if written is None or written.offset_seconds is None:
        bad_request(
            field_name,
            text,
            "a txid or an RFC 3339 time with its zone, such as 2026-11-01T10:00:00Z or 2026-11-01T19:00:00+09:00",
        )
    return written.end_ms


def meant_for_another(stack: str, own: str) -> SldbError:
    """Return the refusal of what is meant for another stack. The detail `stack` is the function's own."""
    return SldbError(
        "bad_request",
        f"the request is for the stack {stack}, and this function is of the stack {own}",
        f"send it to the function of {stack}, or without the field stack",
        field="stack",
        stack=own,
    )


def bad_request(field_name: str, got: object, want: str) -> NoReturn:
    shown = repr(got)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    raise SldbError("bad_request", f"{field_name}: got {shown}, want {want}", field=field_name)


def _encode_statement(statement: Statement) -> dict[str, Any]:
    encoded: dict[str, Any] = {"query": statement.query}
    if isinstance(statement.params, dict):
        encoded["params"] = {name: encode_value(value) for name, value in statement.params.items()}
    elif statement.params is not None:
        encoded["params"] = [encode_value(value) for value in statement.params]
    return encoded


def _decode_statements(event: Mapping[str, Any]) -> tuple[Statement, ...]:
    query, statements = event.get("query"), event.get("statements")
    if (query is None) == (statements is None):
        raise SldbError(
            "bad_request",
            "the request needs either query or statements, and has " + ("neither" if query is None else "both"),
            'send {"query": "SELECT 1"} or {"statements": [{"query": …, "params": …}, …]}',
        )
    if statements is None:
        return (_decode_statement("", event),)
    if event.get("params") is not None:
        bad_request("params", event["params"], "params inside each entry of statements")
    if not isinstance(statements, Sequence) or isinstance(statements, str) or not statements:
        bad_request("statements", statements, "a list of {query, params}")
    return tuple(_decode_statement(f"statements[{i}].", entry) for i, entry in enumerate(statements))


def _decode_statement(where: str, entry: object) -> Statement:
    if not isinstance(entry, Mapping):
        bad_request(where.rstrip("."), entry, "an object {query, params}")
    if where and (unknown := sorted(set(entry) - {"query", "params"})):
        bad_request(where + str(unknown[0]), entry[unknown[0]], "only query and params")
    query = entry.get("query")
    if not isinstance(query, str):
        bad_request(where + "query", query, "SQL text")
    return Statement(query, _decode_params(where + "params", entry.get("params")))


def _decode_params(where: str, params: object) -> Params:
    if params is None:
        return None
    if isinstance(params, Mapping):
        # SQLite knows :id, @id and $id; all three spellings of the name, with or without the sign, mean the same.
        return {str(name).lstrip(":@$"): decode_value(value, f"{where}.{name}") for name, value in params.items()}
    if isinstance(params, Sequence) and not isinstance(params, str):
        return tuple(decode_value(value, f"{where}[{i}]") for i, value in enumerate(params))
    bad_request(where, params, "a list or an object")


def encode_value(value: Value) -> Any:
    """A SQLite value as JSON can say it."""
    if isinstance(value, bytes):
        return {"$blob": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    return value


def decode_value(value: object, where: str = "value") -> Value:
    """The SQLite value that JSON says; raises `bad_request` for what is none. true and false are 1 and 0."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            bad_request(where, value, "an integer of at most 64 bits, or text")
        return value
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            bad_request(where, value, "text without lone surrogates, or a $blob")
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        if "$blob" in value:
            return _decode_blob(value["$blob"], where)
        if value.get("$float") in ("inf", "-inf", "nan"):
            return float(value["$float"])
    bad_request(where, value, 'null, a number, text, {"$blob": base64} or {"$float": "inf", "-inf" or "nan"}')


def _decode_blob(text: object, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)  # type: ignore[arg-type]  # a wrong type raises, as it should
    except (binascii.Error, ValueError, TypeError):
        bad_request(where, text, "base64 text in $blob")


class Column(NamedTuple):
    name: str
    type: str | None  # as declared; None for an expression

    def encode(self) -> dict[str, Any]:
        return {"name": self.name, "type": self.type}


@dataclass(frozen=True, slots=True)
class FarRows:
    """Rows that lie in an object of the store instead of the reply: compressed by gzip, a JSON list a line."""

    url: str  # presigned, for a GET, for minutes; inside the server the object's key
    count: int  # of rows

    def encode(self) -> dict[str, Any]:
        return {"rows_url": self.url, "rows_count": self.count}

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> FarRows | None:
        return cls(body["rows_url"], body["rows_count"]) if "rows_url" in body else None


def encode_line(row: Row) -> bytes:
    """One row of `FarRows`."""
    return _line([encode_value(value) for value in row]).encode() + b"\n"


def decode_line(line: bytes) -> Row:
    """Raises ValueError or SldbError for what is no row."""
    return tuple([decode_value(value) for value in json.loads(line)])


_line = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement gave. `columns` is empty where it returns no rows."""

    columns: tuple[Column, ...] = ()
    rows: list[Row] = field(default_factory=list)  # empty where they are far
    rowcount: int = 0  # rows returned, or rows inserted, updated or deleted
    lastrowid: int | None = None  # rowid of the newest row that an INSERT of this statement made
    far: FarRows | None = None

    def encode(self) -> dict[str, Any]:
        rows = {"rows": [[encode_value(value) for value in row] for row in self.rows]}
        return {
            "columns": [column.encode() for column in self.columns],
            **(self.far.encode() if self.far else rows),
            "rowcount": self.rowcount,
            "lastrowid": self.lastrowid,
        }

    @classmethod
    def decode(cls, body: Mapping[str, Any]) -> Result:
        far = FarRows.decode(body)
        return cls(
            columns=tuple(Column(column["name"], column["type"]) for column in body["columns"]),
            rows=[] if far else [tuple([decode_value(value) for value in row]) for row in body["rows"]],
            rowcount=body["rowcount"],
            lastrowid=body["lastrowid"],
            far=far,
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request gave. `columns` and `rows` are those of the last statement that returns rows."""

    results: tuple[Result, ...]
    txid: int  # the version that was read or made
    database: str
    stats: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, dict[str, int]] | None = None  # of a dry run: table → rows inserted, updated, deleted
    destroys: list[dict[str, Any]] | None = None  # of a dry run: see `lambda_handlers.sql.changes`
    time: str | None = None  # of a view of the past (`at`): when `txid` was made, RFC 3339 in UTC

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
        )


def check_database(name: str, value: object) -> None:
    if not isinstance(value, str) or not DATABASE_NAME.fullmatch(value):
        bad_request(name, value, f"a name that matches {DATABASE_NAME.pattern}")


def _check_txid(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        bad_request(name, value, "a txid (a whole number)")


def _check_at(name: str, value: object) -> None:
    if isinstance(value, str):
        moment_ms(name, value)
    else:
        _check_txid(name, value)


_MOST_SECONDS = 1e12  # more is no time that a clock could add


def _check_seconds(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MOST_SECONDS:
        bad_request(name, value, "seconds, zero or more")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        bad_request(name, value, "true or false")


def _check_stack(name: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        bad_request(name, value, "the name of a stack")


def check_request_id(name: str, value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        bad_request(name, value, "1 to 200 printable characters")


def new_request_id(made: float, chance: bytes) -> str:
    """A request id that tells when it was made (unix seconds), as UUIDs of version 7 do. `chance`: 10 random bytes."""
    number = int.from_bytes(chance, "big")
    return f"{int(made * 1000):012x}7{number >> 64 & 0xFFF:03x}{8 | number >> 62 & 3:x}{number & (1 << 60) - 1:015x}"


def made_at(request_id: str) -> float | None:
    """When an id was made (unix seconds); None for one that does not tell."""
    return int(request_id[:12], 16) / 1000 if _TELLING_ID.fullmatch(request_id) else None


_TELLING_ID = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")

_CHECKS = {
    "database": check_database,
    "at": _check_at,
    "max_staleness": _check_seconds,
    "read_only": _check_flag,
    "if_txid": _check_txid,
    "request_id": check_request_id,
    "dry_run": _check_flag,
    "careful": _check_flag,
    "create": _check_flag,
    "timeout": _check_seconds,
    "stack": _check_stack,
}
_OPTIONAL_DEFAULTS: dict[str, Any] = {
    "database": DEFAULT_DATABASE,
    "at": None,
    "max_staleness": 0.0,
    "read_only": False,
    "if_txid": None,
    "request_id": None,
    "dry_run": False,
    "careful": False,
    "create": True,
    "timeout": None,
    "stack": None,
}
_FIELDS = {"query", "params", "statements", *_OPTIONAL_DEFAULTS}
_ACTION_FIELDS = {"action", "arguments", "create", "database", "timeout", "stack"}
