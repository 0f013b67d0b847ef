"""A stream: a connection as SQL over HTTP sees it, and its baton.

No server keeps a stream. Its baton holds all of it: the token of the open transaction (`docs/transactions.md`), the
stored SQL texts, and the settings of the connection, which each request begins with. Only the token is sealed, since
the rest is what the client has sent and may send again. A baton never expires but with its transaction, and an older
one continues the stream as it was then.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from lambda_handlers.http.hrana.control import (
    FOREIGN_KEYS,
    RELEASE,
    ROLLBACK_TO,
    SAVEPOINT,
    SETTING,
    Control,
    control_of,
)
from lambda_handlers.http.hrana.failure import ProtocolFailure
from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.sql import script
from lambda_handlers.wire import SldbError

MAX_STORED_TEXTS = 128
MAX_STORED_CHARACTERS = 256 << 10
_MAX_SETTINGS = 32  # eleven PRAGMAs and ten attached databases are fewer
_MAX_BATON_BYTES = 4 << 20  # after its expansion
_VERSION = 1


@dataclass(slots=True)
class Stream:
    database: str
    token: str | None = None  # of the open transaction
    savepoints: list[str] | None = None  # of a transaction that the first of them began; None: BEGIN did
    settings: dict[str, str] = field(default_factory=dict)  # key → statement
    stored: dict[int, str] = field(default_factory=dict)  # id → SQL text

    @property
    def is_autocommit(self) -> bool:
        return self.token is None

    @property
    def has_state(self) -> bool:
        return bool(self.token or self.settings or self.stored)

    def end_transaction(self) -> None:
        self.token = self.savepoints = None

    def close(self) -> None:
        """Drop all state."""
        self.end_transaction()
        self.settings.clear()
        self.stored.clear()

    def is_committed_by(self, what: Control) -> bool:
        """Return True for the RELEASE of the savepoint that has begun the transaction."""
        names = self.savepoints or []
        return what.does == RELEASE and names[:1] == [what.name] and what.name not in names[1:]

    def note_savepoint(self, what: Control) -> None:
        """Follow a statement that has run, in a transaction that a savepoint has begun."""
        if self.savepoints is None:
            return
        if what.does == SAVEPOINT:
            self.savepoints.append(what.name)
        elif what.does in (RELEASE, ROLLBACK_TO) and what.name in self.savepoints:
            newest = max(i for i, name in enumerate(self.savepoints) if name == what.name)
            del self.savepoints[newest + (what.does == ROLLBACK_TO) :]

    def note_setting(self, what: Control, sql: str, *, is_autocommit: bool) -> None:
        """Note a setting that holds from now on; SQLite ignores foreign_keys in a transaction."""
        if what.does != SETTING or (what.key == FOREIGN_KEYS and not is_autocommit):
            return
        self.settings.pop(what.key, None)
        if not what.ends_setting:
            self.settings[what.key] = sql

    def has_room(self, sql_id: int, sql: str) -> bool:
        """Return True if a text may be stored."""
        others = [text for one, text in self.stored.items() if one != sql_id]
        return len(others) < MAX_STORED_TEXTS and sum(map(len, others)) + len(sql) <= MAX_STORED_CHARACTERS

    def encode(self) -> str:
        """Return the baton."""
        fields: dict[str, Any] = {"v": _VERSION, "d": self.database}
        if self.token is not None:
            fields["t"] = self.token
        if self.savepoints is not None:
            fields["p"] = self.savepoints
        if self.settings:
            fields["c"] = self.settings
        if self.stored:
            fields["s"] = {str(sql_id): sql for sql_id, sql in self.stored.items()}
        body = zlib.compress(json.dumps(fields, separators=(",", ":")).encode(), 1)
        return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def open_stream(baton: str | None, database: str) -> Stream:
    """Return the stream of a baton, or a new one. Raises ProtocolFailure."""
    if baton is None:
        return Stream(database)
    stream = _decoded(baton)
    if stream.database != database:
        raise ProtocolFailure(404, f"stream not found: the baton is one of the database {stream.database}")
    return stream


def _decoded(baton: str) -> Stream:
    try:
        return _stream(_fields(baton))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error):
        raise ProtocolFailure(400, "baton: it is none of this server") from None


def _fields(baton: str) -> dict[str, Any]:
    try:
        packed = base64.b64decode(baton + "=" * (-len(baton) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError from error
    expander = zlib.decompressobj()
    body = expander.decompress(packed, _MAX_BATON_BYTES)
    if not expander.eof or expander.unused_data:
        raise ValueError
    fields: dict[str, Any] = json.loads(body)
    return fields


def _stream(fields: dict[str, Any]) -> Stream:
    if fields["v"] != _VERSION:
        raise ValueError
    savepoints, token = fields.get("p"), fields.get("t")
    stream = Stream(
        _text(fields["d"]),
        None if token is None else _text(token),
        None if savepoints is None or token is None else [_text(name) for name in savepoints],
        {_text(key): _text(sql) for key, sql in fields.get("c", {}).items()},
        {int(sql_id): _text(sql) for sql_id, sql in fields.get("s", {}).items()},
    )
    if len(stream.settings) > _MAX_SETTINGS or not all(map(_is_setting, stream.settings.values())):
        raise ValueError
    return stream


def _is_setting(sql: str) -> bool:
    try:
        pieces = list(script.split(sql))
    except SldbError:
        return False
    control = control_of(sql) if len(pieces) == 1 else None
    return control is not None and control.does == SETTING


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    value.encode()  # raises ValueError for a lone surrogate
    return value
