"""The access document: who may call the API of a stack, and what each caller may do. Pure.

    {"version": 1,
     "key_ids": ["<kid>", …],           of the signing keys whose tokens are accepted, newest first
     "callers": {"<identity>": {"name", "databases", "scope", "created", "expires", "revoked"}, …}}

    identity    that of `lambda_handlers.access.identities`: `token:<id>`, `key:<id>`, `iam:<ARN>`, `jwt:<sub>`
    name        of the caller, as in `lambda_handlers.caller`
    databases   a list of names, or "*" for all
    scope       "read" or "write"
    created, expires, revoked     times in RFC 3339, UTC without an offset; the last two may be null

It is an allow list: an identity that is not in it has no rights. Operators write it (`sldb token`), always as a whole
and on the condition that it has not changed; the authorizer and the query function read it, and never write.

A document that is not understood completely is refused: of another version, with fields that are not known (which might
limit), with an identity twice. An entry is decoded when it is looked up, which costs the same in a large document as in
a small one; a damaged one is an error for its own caller, and for no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lambda_handlers.access.identities import check_identity
from lambda_handlers.access.tokens import KEY_ID
from lambda_handlers.caller import NAME, Caller
from lambda_handlers.shared import times
from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.wire import DATABASE_NAME

KEY = "_access/callers.json"  # of the object, below the prefix of the store; no database can have that name
VERSION = 1
ALL = "*"
READ, WRITE = "read", "write"
MAX_CALLERS = 5_000
MAX_KEY_IDS = 16
MAX_DATABASES = 100  # of one caller; more need "*"
MAX_BYTES = 4 << 20  # of a document

_TOP_FIELDS = {"version", "key_ids", "callers"}
_ENTRY_FIELDS = {"name", "databases", "scope", "created", "expires", "revoked"}


class BadDocument(ValueError):
    """A document, or an entry of it, that is not understood. The text names the place, and no values of others."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Raises ValueError for a name, database or number of databases that no caller has."""

    name: str
    databases: frozenset[str] | None  # None: all
    may_write: bool
    created_ms: int  # unix milliseconds
    expires_ms: int | None = None  # None: never; from then on it is refused
    revoked_ms: int | None = None  # None: it is not

    def __post_init__(self) -> None:
        if not re.fullmatch(NAME, self.name):
            raise ValueError(f"{self.name!r} is no name of a caller")
        if self.databases is None:
            return
        if len(self.databases) > MAX_DATABASES:
            raise ValueError(f'{len(self.databases)} databases, and {MAX_DATABASES} are allowed, or "{ALL}"')
        for name in self.databases:
            if not DATABASE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a database")

    def refusal(self, now_ms: int) -> str:
        """Return why the entry has no rights: "revoked", "expired", or "" if it has them."""
        if self.revoked_ms is not None:
            return "revoked"
        return "expired" if self.expires_ms is not None and now_ms >= self.expires_ms else ""

    @property
    def caller(self) -> Caller:
        return Caller(self.name, self.databases, may_write=self.may_write)

    def encode(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "databases": ALL if self.databases is None else sorted(self.databases),
            "scope": WRITE if self.may_write else READ,
            "created": times.utc(self.created_ms),
            "expires": None if self.expires_ms is None else times.utc(self.expires_ms),
            "revoked": None if self.revoked_ms is None else times.utc(self.revoked_ms),
        }

    @classmethod
    def decode(cls, value: object) -> Entry:
        """Return the entry. Raises BadDocument."""
        if not isinstance(value, Mapping) or set(value) != _ENTRY_FIELDS:
            raise BadDocument("want an object with exactly the fields " + ", ".join(sorted(_ENTRY_FIELDS)))
        name, scope = value["name"], value["scope"]
        if not isinstance(name, str):
            raise BadDocument("name: want a text")
        if scope not in (READ, WRITE):
            raise BadDocument(f'scope: want "{READ}" or "{WRITE}"')
        created, expires, revoked = (_time(value, field) for field in ("created", "expires", "revoked"))
        if created is None:
            raise BadDocument("created: want a time")
        try:
            return cls(name, _databases(value["databases"]), scope == WRITE, created, expires, revoked)
        except ValueError as error:
            raise BadDocument(str(error)) from error


@dataclass(frozen=True, slots=True)
class Document:
    """Raises ValueError for an identity or key id of another form, and for too many of them."""

    key_ids: tuple[str, ...] = ()
    callers: Mapping[str, object] = field(default_factory=dict)  # by identity: entries that are not decoded

    def __post_init__(self) -> None:
        if len(self.key_ids) > MAX_KEY_IDS or not all(KEY_ID.fullmatch(key_id) for key_id in self.key_ids):
            raise ValueError(f"key_ids: want at most {MAX_KEY_IDS} of 8 lower-case hex digits")
        if len(self.callers) > MAX_CALLERS:
            raise ValueError(f"{len(self.callers):,} callers, and {MAX_CALLERS:,} are allowed")

    def find(self, identity: str) -> Entry | None:
        """Return the entry of a caller. Raises BadDocument if it is damaged."""
        if identity not in self.callers:
            return None
        try:
            return Entry.decode(self.callers[identity])
        except BadDocument as error:
            raise BadDocument(f"the entry {identity}: {error}") from error

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Return each identity with its entry. Raises BadDocument at one that is damaged."""
        for identity in self.callers:
            entry = self.find(identity)
            assert entry is not None
            yield identity, entry

    def with_entry(self, identity: str, entry: Entry) -> Document:
        """Return the document with this entry, in place of the one that the identity has. Raises ValueError."""
        check_identity(identity)
        return Document(self.key_ids, {**self.callers, identity: entry.encode()})

    def without(self, identity: str) -> Document:
        """Return the document without the entry of an identity."""
        return Document(self.key_ids, {known: entry for known, entry in self.callers.items() if known != identity})

    def with_key_ids(self, key_ids: tuple[str, ...]) -> Document:
        """Return the document with these signing keys. Raises ValueError."""
        return Document(key_ids, self.callers)

    def encode(self) -> bytes:
        """Return the text of the document. Raises ValueError if it is too large."""
        document = {"version": VERSION, "key_ids": list(self.key_ids), "callers": dict(self.callers)}
        data = json.dumps(document, indent=1).encode()
        if len(data) > MAX_BYTES:
            raise ValueError(f"the callers take {len(data):,} bytes, and {MAX_BYTES:,} are allowed")
        return data

    @classmethod
    def decode(cls, data: bytes) -> Document:
        """Return the document. Raises BadDocument."""
        fields = _json(data)
        if not isinstance(fields, dict) or type(fields.get("version")) is not int or fields["version"] != VERSION:
            raise BadDocument(f"want an object of version {VERSION}; another version needs another function")
        if unknown := set(fields) - _TOP_FIELDS:
            raise BadDocument(f"{len(unknown)} fields that are not known")
        key_ids, callers = fields.get("key_ids", []), fields.get("callers", {})
        if not isinstance(key_ids, list) or not all(isinstance(key_id, str) for key_id in key_ids):
            raise BadDocument("key_ids: want a list of texts")
        if not isinstance(callers, dict):
            raise BadDocument("callers: want an object")
        try:
            return cls(tuple(key_ids), callers)
        except ValueError as error:
            raise BadDocument(str(error)) from error


def _json(data: bytes) -> object:
    if len(data) > MAX_BYTES:
        raise BadDocument(f"{len(data):,} bytes, and {MAX_BYTES:,} are allowed")
    try:
        return json.loads(data.decode(), object_pairs_hook=_without_repetition)
    except BadDocument:
        raise
    except (ValueError, RecursionError):
        raise BadDocument("not JSON in UTF-8") from None  # whose text might have values


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Two entries of one identity may say different things: neither is believed."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadDocument("a name stands twice in one object")
    return found


def _time(value: Mapping[str, Any], name: str) -> int | None:
    text = value[name]
    if text is None:
        return None
    written = times.read(text) if isinstance(text, str) else None
    if written is None:
        raise BadDocument(f"{name}: want a time in RFC 3339, or null")
    return written.start_ms


def _databases(value: object) -> frozenset[str] | None:
    if value == ALL:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise BadDocument(f'databases: want a list of names, or "{ALL}"')
    return frozenset(value)
