"""The request: SQL statements that run in one transaction against one database.

{"query": "SELECT 1", "params": […]} or {"statements": [{"query", "params", "if"}, …]}, and the optional fields of
`Request`. A statement that runs many times has {"many": [[…], …]} in place of params. A request that begins or ends a
transaction of several requests (`wire.transaction`) may have no statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lambda_handlers.shared.dataclasses import dataclass, defaults_of
from lambda_handlers.wire.checks import check_known, decode_optional, encode_optional
from lambda_handlers.wire.errors import SldbError, bad_request
from lambda_handlers.wire.names import DEFAULT_DATABASE
from lambda_handlers.wire.values import (
    Bound,
    Many,
    Params,
    decode_many,
    decode_names,
    decode_value,
    encode_many,
    encode_value,
)

if TYPE_CHECKING:
    from lambda_handlers.wire.conditions import Condition
    from lambda_handlers.wire.pin import Pin
    from lambda_handlers.wire.transaction import InTransaction


@dataclass(frozen=True, slots=True)
class Statement:
    query: str  # SQL text; several statements only where params is not a sequence
    params: Bound = None  # Many: it runs once with each row of values
    condition: Condition | None = None  # "if": the statement is skipped unless it holds; only within `statements`


@dataclass(frozen=True, slots=True)
class Request:
    """A transaction against one database. Its fields are those of the event, and their defaults are stated only here:
    an event may leave out all but the SQL."""

    statements: tuple[Statement, ...]
    database: str = DEFAULT_DATABASE
    at: int | str | None = None  # txid or RFC 3339 time: a read-only view of that moment
    max_staleness: float = 0.0  # seconds
    read_only: bool = False
    if_txid: int | None = None
    request_id: str | None = None
    attempt: str | None = None  # of the client to run the request: what the action `cancel` names
    dry_run: bool = False
    careful: bool = False  # refuse (`unconfirmed`) a statement that destroys data, and list what it would destroy
    create: bool = True  # may a write create the database
    timeout: float | None = None  # seconds
    stack: str | None = None  # the addressee: a function of another stack refuses
    on_error: str = "stop"  # "continue": an error of a statement is its result, and the next entry runs
    transaction: InTransaction | None = None  # of several requests: which one, and if it ends with this request
    message: str | None = None  # of its user, for the history
    command: str | None = None  # of the client that sends it, for the history; never values or SQL
    expect: tuple[str | None, ...] | None = None  # digests of the results; None in it: any result
    pin: Pin | None = None  # chance and time for the statements: only for operators
    last: bool = False  # its client sends no other one soon: work may go on after the reply
    min_txid: int = 0  # never answer from an older state; an error if the log has no such transaction

    def encode(self) -> dict[str, Any]:
        """Return the event of this request, with defaults left out."""
        event: dict[str, Any] = {}
        if len(self.statements) == 1 and self.statements[0].condition is None:
            event.update(_encode_statement(self.statements[0]))
        elif self.statements or self.transaction is None:
            event["statements"] = [_encode_statement(statement) for statement in self.statements]
        event.update(encode_optional(self, _DEFAULTS))
        if self.expect is not None:
            event["expect"] = list(self.expect)
        if self.transaction is not None:
            event["transaction"] = self.transaction.encode()
        if self.pin is not None:
            event["pin"] = self.pin.encode()
        return event

    @classmethod
    def decode(cls, event: object) -> Request:
        """Return the request in an event. Raises `bad_request` with the field, its value and the allowed ones."""
        if not isinstance(event, Mapping):
            bad_request("event", event, 'an object such as {"query": "SELECT 1"}')
        check_known(event, _FIELDS)
        given = decode_optional(event, [name for name in _DEFAULTS if name not in _NESTED])
        if "expect" in given:
            given["expect"] = tuple(given["expect"])
        if event.get("pin") is not None:
            given["pin"] = _decode_pin(event["pin"])
        transaction = None if event.get("transaction") is None else _decode_transaction(event["transaction"], given)
        return cls(statements=_decode_statements(event, transaction), transaction=transaction, **given)


_DEFAULTS = defaults_of(Request)
_FIELDS = {"query", "params", "many", "statements", *_DEFAULTS}
_VALUES = ("params", "many")
_OF_AN_ENTRY = {"query", "if", *_VALUES}
_NESTED = ("transaction", "pin")  # decoded by modules of their own, which a cold start does not need


def _decode_pin(value: object) -> Pin:
    from lambda_handlers.wire.pin import Pin

    return Pin.decode(value)


def _decode_transaction(value: object, given: Mapping[str, Any]) -> InTransaction:
    from lambda_handlers.wire.transaction import InTransaction

    transaction = InTransaction.decode(value)
    transaction.check_beside({name: one for name, one in given.items() if one != _DEFAULTS[name]})
    return transaction


def _encode_statement(statement: Statement) -> dict[str, Any]:
    encoded: dict[str, Any] = {"query": statement.query}
    if isinstance(statement.params, Many):
        encoded["many"] = encode_many(statement.params)
    elif isinstance(statement.params, dict):
        encoded["params"] = {name: encode_value(value) for name, value in statement.params.items()}
    elif statement.params is not None:
        encoded["params"] = [encode_value(value) for value in statement.params]
    if statement.condition is not None:
        encoded["if"] = statement.condition.encode()
    return encoded


def _decode_statements(event: Mapping[str, Any], transaction: InTransaction | None) -> tuple[Statement, ...]:
    query, statements = event.get("query"), event.get("statements")
    if transaction is not None and transaction.may_lack_statements and query is None and statements is None:
        _refuse_params(event, "only beside query")
        return ()
    if (query is None) == (statements is None):
        raise SldbError(
            "bad_request",
            "the request needs either query or statements, and has " + ("neither" if query is None else "both"),
            'send {"query": "SELECT 1"} or {"statements": [{"query": …, "params": …}, …]}',
        )
    if statements is None:
        return (_decode_statement("", event, 0),)
    _refuse_params(event, "inside each entry of statements")
    if not isinstance(statements, Sequence) or isinstance(statements, str) or not statements:
        bad_request("statements", statements, "a list of {query, params, if}")
    return tuple(_decode_statement(f"statements[{i}].", entry, i) for i, entry in enumerate(statements))


def _refuse_params(event: Mapping[str, Any], place: str) -> None:
    for name in _VALUES:
        if event.get(name) is not None:
            bad_request(name, event[name], f"{name} {place}")


def _decode_statement(where: str, entry: object, position: int) -> Statement:
    if not isinstance(entry, Mapping):
        bad_request(where.rstrip("."), entry, "an object {query, params, if}")
    if where and (unknown := sorted(set(entry) - _OF_AN_ENTRY)):
        bad_request(where + str(unknown[0]), entry[unknown[0]], "only query, params or many, and if")
    query = entry.get("query")
    if not isinstance(query, str):
        bad_request(where + "query", query, "SQL text")
    params = _decode_values(where, entry)
    return Statement(query, params, _decode_condition(where + "if", entry.get("if"), position))


def _decode_condition(where: str, condition: object, position: int) -> Condition | None:
    if condition is None:
        return None
    from lambda_handlers.wire.conditions import decode_condition  # few requests have one, and imports cost time

    return decode_condition(where, condition, position)


def _decode_values(where: str, entry: Mapping[Any, Any]) -> Bound:
    params, many = entry.get("params"), entry.get("many")
    if many is None:
        return _decode_params(where + "params", params)
    if params is not None:
        bad_request(where + "params", params, "params or many, not both")
    return decode_many(many, where + "many")


def _decode_params(where: str, params: object) -> Params:
    if params is None:
        return None
    if isinstance(params, Mapping):
        return decode_names(params, where)
    if not isinstance(params, Sequence) or isinstance(params, str):
        bad_request(where, params, "a list or an object")
    return tuple(decode_value(value, f"{where}[{i}]") for i, value in enumerate(params))
