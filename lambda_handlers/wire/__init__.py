"""The wire: requests, replies, values and errors as they travel between client and server.

A leaf: standard library only, no I/O. Both sides import its names from here, those of transactions from
`wire.transaction`: a cold start does not need them.

Request (a Lambda event)  {"query": "SELECT 1"} and the optional fields of `Request`.
Action (an event too)     {"action": "history", "database": "main", "arguments": {...}}: an operation that is not SQL.
Reply                     {"statusCode": 200, "body": {...}}, see `Reply`.
Error                     {"statusCode": 4xx | 5xx, "body": {"error": {"code", "message", "hint", ...}}}.
Both have `transaction` in their bodies, if a transaction of several requests is open or has ended: see `transaction`.

Values are described in `values`, errors in `errors`. Rows that exceed the reply limit are in an object of their own,
gzip, one row per line: see `StoredRows`.
"""

from lambda_handlers.wire.action import Action, is_action
from lambda_handlers.wire.checks import (
    MAX_TXID_DIGITS,
    check_attempt,
    check_database,
    check_request_id,
    moment,
    moment_ms,
)
from lambda_handlers.wire.errors import ERROR_CODES, ErrorCode, SldbError, bad_request, bug_in, wrong_stack
from lambda_handlers.wire.hints import STACK_COMMANDS, with_options
from lambda_handlers.wire.ids import made_at, new_request_id
from lambda_handlers.wire.names import DATABASE_NAME, DEFAULT_DATABASE, DEFAULT_STACK
from lambda_handlers.wire.reply import ROWS_ADDRESS, Column, Notice, Reply, Result, StoredRows
from lambda_handlers.wire.request import Request, Statement
from lambda_handlers.wire.values import (
    INTEGER_MAX,
    INTEGER_MIN,
    Bound,
    Many,
    Params,
    Row,
    Value,
    decode_line,
    decode_value,
    encode_line,
    encode_many,
    encode_value,
)

__all__ = [
    "DATABASE_NAME",
    "DEFAULT_DATABASE",
    "DEFAULT_STACK",
    "ERROR_CODES",
    "INTEGER_MAX",
    "INTEGER_MIN",
    "MAX_TXID_DIGITS",
    "ROWS_ADDRESS",
    "STACK_COMMANDS",
    "Action",
    "Bound",
    "Column",
    "ErrorCode",
    "Many",
    "Notice",
    "Params",
    "Reply",
    "Request",
    "Result",
    "Row",
    "SldbError",
    "Statement",
    "StoredRows",
    "Value",
    "bad_request",
    "bug_in",
    "check_attempt",
    "check_database",
    "check_request_id",
    "decode_line",
    "decode_value",
    "encode_line",
    "encode_many",
    "encode_value",
    "is_action",
    "made_at",
    "moment",
    "moment_ms",
    "new_request_id",
    "with_options",
    "wrong_stack",
]
