"""The requests of a pipeline, and the decoding of HTTP bodies. All of a body is checked before any of it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from lambda_handlers.http.hrana.conditions import decode_condition
from lambda_handlers.http.hrana.failure import ProtocolFailure, malformed
from lambda_handlers.http.hrana.values import decode_text, decode_value
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import Params
from lambda_handlers.wire.conditions import Condition

_PREFIXES = ":@$"  # of the name of a parameter
_MAX_SQL_ID = 1 << 31


@dataclass(frozen=True, slots=True)
class Text:
    """SQL text, or the id of a stored one."""

    sql: str | None
    sql_id: int | None = None


@dataclass(frozen=True, slots=True)
class Stmt:
    text: Text
    params: Params = None
    mixes_params: bool = False  # it has values by position and by name, which is an error of the statement
    want_rows: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    stmt: Stmt
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Execute:
    stmt: Stmt


@dataclass(frozen=True, slots=True)
class Batch:
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Sequenced:
    text: Text


@dataclass(frozen=True, slots=True)
class Describe:
    text: Text


@dataclass(frozen=True, slots=True)
class StoreSql:
    sql_id: int
    sql: str


@dataclass(frozen=True, slots=True)
class CloseSql:
    sql_id: int


@dataclass(frozen=True, slots=True)
class GetAutocommit:
    pass


@dataclass(frozen=True, slots=True)
class Close:
    pass


StreamRequest: TypeAlias = "Execute | Batch | Sequenced | Describe | StoreSql | CloseSql | GetAutocommit | Close"


@dataclass(frozen=True, slots=True)
class Pipeline:
    baton: str | None
    requests: tuple[StreamRequest, ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    baton: str | None
    batch: Batch


def decode_pipeline(body: bytes, version: int) -> Pipeline:
    """Return the pipeline in a body. Raises ProtocolFailure."""
    fields = _object(_json(body), "body")
    requests = _list(fields.get("requests"), "requests")
    decoder = _Decoder(version)
    decoded = [decoder.request(request, f"requests[{i}]") for i, request in enumerate(requests)]
    if any(isinstance(request, Close) for request in decoded[:-1]):
        malformed("requests", "close as the last one only")
    return Pipeline(_baton(fields), tuple(decoded))


def decode_cursor(body: bytes, version: int) -> Cursor:
    """Return the cursor request in a body. Raises ProtocolFailure."""
    fields = _object(_json(body), "body")
    return Cursor(_baton(fields), _Decoder(version).batch(fields, ""))


class _Decoder:
    """The decoder of one version of the protocol: 2 knows nothing of autocommit."""

    def __init__(self, version: int) -> None:
        self._knows_autocommit = version >= 3

    def request(self, body: object, where: str) -> StreamRequest:
        fields = _object(body, where)
        kind = fields.get("type")
        decode = _REQUESTS.get(kind) if isinstance(kind, str) else None
        if decode is None or (kind == "get_autocommit" and not self._knows_autocommit):
            malformed(f"{where}.type", f"one of {', '.join(_REQUESTS)}")
        return decode(self, fields, where)

    def execute(self, fields: Mapping[str, Any], where: str) -> Execute:
        return Execute(_stmt(fields.get("stmt"), f"{where}.stmt"))

    def batch(self, fields: Mapping[str, Any], where: str) -> Batch:
        where = f"{where}.batch".lstrip(".")
        steps = _list(_object(fields.get("batch"), where).get("steps"), f"{where}.steps")
        return Batch(tuple(self._step(step, f"{where}.steps[{i}]", i) for i, step in enumerate(steps)))

    def _step(self, body: object, where: str, position: int) -> Step:
        fields = _object(body, where)
        condition = fields.get("condition")
        if condition is not None:
            knows = self._knows_autocommit
            condition = decode_condition(condition, f"{where}.condition", position, knows_autocommit=knows)
        return Step(_stmt(fields.get("stmt"), f"{where}.stmt"), condition)

    def sequence(self, fields: Mapping[str, Any], where: str) -> Sequenced:
        return Sequenced(_text(fields, where))

    def describe(self, fields: Mapping[str, Any], where: str) -> Describe:
        return Describe(_text(fields, where))

    def store_sql(self, fields: Mapping[str, Any], where: str) -> StoreSql:
        return StoreSql(_sql_id(fields.get("sql_id"), where), decode_text(fields.get("sql"), f"{where}.sql"))

    def close_sql(self, fields: Mapping[str, Any], where: str) -> CloseSql:
        return CloseSql(_sql_id(fields.get("sql_id"), where))

    def get_autocommit(self, _fields: Mapping[str, Any], _where: str) -> GetAutocommit:
        return GetAutocommit()

    def close(self, _fields: Mapping[str, Any], _where: str) -> Close:
        return Close()


_REQUESTS: dict[str, Callable[[_Decoder, Mapping[str, Any], str], StreamRequest]] = {
    "execute": _Decoder.execute,
    "batch": _Decoder.batch,
    "sequence": _Decoder.sequence,
    "describe": _Decoder.describe,
    "store_sql": _Decoder.store_sql,
    "close_sql": _Decoder.close_sql,
    "get_autocommit": _Decoder.get_autocommit,
    "close": _Decoder.close,
}


def _stmt(body: object, where: str) -> Stmt:
    fields = _object(body, where)
    args = _list(fields.get("args"), f"{where}.args", may_lack=True)
    values = [decode_value(value, f"{where}.args[{i}]") for i, value in enumerate(args)]
    named_args = _list(fields.get("named_args"), f"{where}.named_args", may_lack=True)
    named = dict(_named(one, f"{where}.named_args[{i}]") for i, one in enumerate(named_args))
    want_rows = fields.get("want_rows")
    if want_rows is not None and not isinstance(want_rows, bool):
        malformed(f"{where}.want_rows", "true or false")
    params: Params = named or tuple(values) or None
    return Stmt(_text(fields, where), params, bool(values and named), want_rows is not False)


def _named(body: object, where: str) -> tuple[str, Any]:
    fields = _object(body, where)
    name = decode_text(fields.get("name"), f"{where}.name")
    return name.lstrip(_PREFIXES), decode_value(fields.get("value"), f"{where}.value")


def _text(fields: Mapping[str, Any], where: str) -> Text:
    sql, sql_id = fields.get("sql"), fields.get("sql_id")
    if (sql is None) == (sql_id is None):
        malformed(where, "either sql or sql_id")
    if sql is not None:
        return Text(decode_text(sql, f"{where}.sql"))
    return Text(None, _sql_id(sql_id, where))


def _sql_id(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_MAX_SQL_ID <= value < _MAX_SQL_ID:
        malformed(f"{where}.sql_id", "an integer of 32 bits")
    return value


def _baton(fields: Mapping[str, Any]) -> str | None:
    baton = fields.get("baton")
    if baton is not None and not isinstance(baton, str):
        malformed("baton", "text or null")
    return baton


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        malformed(where, "an object")
    return value


def _list(value: object, where: str, *, may_lack: bool = False) -> Sequence[Any]:
    if value is None and may_lack:
        return ()
    if not isinstance(value, list):
        malformed(where, "a list")
    return value


def _json(body: bytes) -> object:
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ProtocolFailure(400, "the body is not JSON") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are none of JSON's
