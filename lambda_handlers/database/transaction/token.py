"""The token of an open transaction: all that a function needs to continue it, carried by the client.

A token is base64url, without padding, of

    version   1 byte: 1; 2 if a statement has many rows of values, which earlier functions do not know
    place     1 byte: 0, the transaction follows; 1, the SHA-256 of the object with it follows (`stored_tokens`)
    body      the transaction, packed (`_pack`) and compressed by zlib; or the digest
    seal      32 bytes: HMAC-SHA256, by the key of the stack, of a fixed text and all of the above

It is no secret for the client, which wrote the statements. It is authenticated, because it decides about the clock and
the chance of the statements. Nothing of a token is read before its seal has been verified; of a token with a right seal
nothing is believed without a check either, and its expansion is limited. A token is valid for one database, one caller
and one version of the engine, for a day.

Equal transactions have equal tokens. Of each token there is one text: another spelling of the same bytes is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Mapping
from typing import NoReturn

import apsw

from lambda_handlers.database.errors import transaction_expired
from lambda_handlers.database.transaction.key import StackKey
from lambda_handlers.database.transaction.packing import Packer, Unpacker
from lambda_handlers.database.transaction.stored_tokens import StoredTokens
from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.sql.own.transaction_log import Attempt
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store_clock import SKEW_SECONDS
from lambda_handlers.wire import Bound, Many, SldbError, bad_request
from lambda_handlers.wire.pin import Pin

LIFE_SECONDS = 86_400.0  # of a token, since its transaction was begun
MAX_CHARACTERS = 64 << 10  # of a token; a transaction that needs more becomes an object
MAX_BYTES = 16 << 20  # of a packed transaction
DIGEST_BYTES = 16  # of a result
PREFIX_BYTES = 6  # of the hash of a transaction's first statements

# Another engine may give other results for the same statements: SQLite's version, and a number to be raised when sldb
# itself runs statements differently.
ENGINE = f"{apsw.sqlite_lib_version()}/1"

_VERSION, _VERSION_WITH_MANY = 1, 2
_INLINE, _STORED = range(2)
_HEAD_BYTES, _SEAL_BYTES, _SHA256_BYTES = 2, 32, 32
_MAX_INLINE_BYTES = MAX_CHARACTERS * 3 // 4 - _HEAD_BYTES - _SEAL_BYTES
_PURPOSE = b"sldb: token of a transaction\n"
_LEVEL = 6  # of zlib


@dataclass(frozen=True, slots=True)
class Kept:
    """An executed statement of an open transaction."""

    sql: str
    params: Bound
    digest: bytes  # of its result, DIGEST_BYTES
    shows_lastrowid: bool  # the client was shown it, so that it is in the digest


@dataclass(frozen=True, slots=True)
class Transaction:
    id: str  # 16 hex digits, random
    database: str
    base: int  # txid
    pin: Pin
    attached: Mapping[str, int]  # name in ATTACH → txid
    statements: tuple[Kept, ...]
    writes: bool
    expires_at: float  # unix seconds
    engine: str
    caller: str

    @property
    def key(self) -> bytes:
        """The digest of the transaction and of all that has happened in it so far."""
        return hashlib.sha256(_pack(self)).digest()

    def attempt(self) -> Attempt:
        """Return the part of the transaction that the log of transactions compares."""
        return Attempt(self.id, self._prefixes(), self.expires_at)

    def _prefixes(self) -> bytes:
        """Return the hashes of the first statement, the first two, and so on, PREFIX_BYTES each."""
        hashes, latest = bytearray(), b""
        for kept in self.statements:
            packer = Packer()
            packer.add(latest)
            packer.text(kept.sql)
            packer.params(kept.params)
            packer.number(kept.shows_lastrowid)
            latest = hashlib.sha256(packer.packed()).digest()
            hashes += latest[:PREFIX_BYTES]
        return bytes(hashes)


class Tokens:
    """The tokens of a container."""

    def __init__(self, store: MeteredStore, host: Host, engine: str = ENGINE, *, only_reads: bool = False) -> None:
        """`only_reads`: this function makes no key of the stack, and removes no old objects."""
        self._clock = store.clock
        self._host = host
        self._engine = engine
        self._key = StackKey(store, host, may_make=not only_reads)
        self._stored = StoredTokens(store, host, may_remove=not only_reads)

    def seal(self, transaction: Transaction) -> str:
        """Return the token. Raises `too_large`, `store_error` and `corrupt`."""
        body = encode(transaction)
        if len(body) <= _MAX_INLINE_BYTES:
            return self._sealed(_version(transaction), _INLINE, body)
        return self._sealed(_version(transaction), _STORED, self._stored.keep(body))

    def open(self, text: object, database: str, caller: str) -> Transaction:
        """Return the transaction of a token. Raises `bad_request` if it was not made by this stack for this database
        and caller, `not_found` if it has expired, `conflict` if another engine made it; `store_error`, `corrupt`."""
        transaction = decode(self._body(text))
        if transaction.database != database:
            _refuse(f"it is of the database {transaction.database}, and the request is for {database}")
        if transaction.caller != caller:
            _refuse("it was given to another caller")
        self._check_time(transaction.expires_at)
        if transaction.engine != self._engine:
            raise SldbError(
                "conflict",
                f"the transaction was begun by the engine {transaction.engine}, and this is {self._engine}",
                "begin it again",
                applied="no",
            )
        return transaction

    def expires_at(self) -> float:
        """Return the time (unix seconds) at which a transaction that is begun now expires."""
        return self._now() + LIFE_SECONDS

    def _now(self) -> float:
        return self._clock.corrected(self._host.now())

    def _check_time(self, expires_at: float) -> None:
        """Raise `not_found` if a token has expired, or lasts longer than one that was made just now."""
        left = expires_at - self._now()
        if not -SKEW_SECONDS <= left <= LIFE_SECONDS + SKEW_SECONDS:
            raise transaction_expired()

    def _sealed(self, version: int, place: int, body: bytes) -> str:
        content = bytes((version, place)) + body
        return base64.urlsafe_b64encode(content + _seal(self._key.secret(), content)).rstrip(b"=").decode("ascii")

    def _body(self, text: object) -> bytes:
        """Return the compressed transaction of a token with a right seal."""
        raw = _bytes_of(text)
        content, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
        if len(content) <= _HEAD_BYTES or not self._is_ours(content, seal):
            _refuse("it was not made by this stack, or is not complete")
        version, place, body = content[0], content[1], content[_HEAD_BYTES:]
        if version not in (_VERSION, _VERSION_WITH_MANY) or place not in (_INLINE, _STORED):
            _refuse("it was made by another version of sldb; begin the transaction again")
        if place == _INLINE:
            return body
        if len(body) != _SHA256_BYTES:
            _refuse("it names no object")
        return self._stored.kept(body)

    def _is_ours(self, content: bytes, seal: bytes) -> bool:
        def is_right() -> bool:
            return hmac.compare_digest(_seal(self._key.secret(), content), seal)

        return is_right() or (self._key.has_changed() and is_right())


def _version(transaction: Transaction) -> int:
    has_many = any(isinstance(kept.params, Many) for kept in transaction.statements)
    return _VERSION_WITH_MANY if has_many else _VERSION


def encode(transaction: Transaction) -> bytes:
    """Return a transaction packed and compressed. Raises `too_large`."""
    packed = _pack(transaction)
    if len(packed) > MAX_BYTES:
        raise SldbError(
            "too_large",
            f"the transaction has {len(packed)} bytes of statements and params, and may have {MAX_BYTES}",
            "commit it in parts; a transaction of one request may write more",
            applied="no",
        )
    return zlib.compress(packed, _LEVEL)


def decode(body: bytes) -> Transaction:
    """Return the transaction that `encode` was given. Raises `bad_request` for other bytes."""
    expansion = zlib.decompressobj()
    try:
        packed = expansion.decompress(body, MAX_BYTES + 1)
        if len(packed) > MAX_BYTES or not expansion.eof or expansion.unused_data:
            raise ValueError("not one stream of the right size")
        return _unpack(packed)
    except (zlib.error, ValueError):
        _refuse("it holds no transaction")


def _pack(transaction: Transaction) -> bytes:
    """Return the fields in order; SQL texts once, in the order of their first use; the digests at the end, because they
    are random to the compression."""
    packer = Packer()
    for text in (transaction.id, transaction.database, transaction.caller, transaction.engine):
        packer.text(text)
    packer.number(transaction.base)
    packer.content(transaction.pin.seed)
    packer.value(transaction.pin.time_ms)
    packer.real(transaction.expires_at)
    packer.number(transaction.writes)
    packer.number(len(transaction.attached))
    for name, txid in sorted(transaction.attached.items()):
        packer.text(name)
        packer.number(txid)
    numbers = {sql: number for number, sql in enumerate(dict.fromkeys(kept.sql for kept in transaction.statements))}
    packer.number(len(numbers))
    for sql in numbers:
        packer.text(sql)
    packer.number(len(transaction.statements))
    for kept in transaction.statements:
        packer.number(numbers[kept.sql] << 1 | kept.shows_lastrowid)
        packer.params(kept.params)
    for kept in transaction.statements:
        assert len(kept.digest) == DIGEST_BYTES, kept.digest
        packer.add(kept.digest)
    return packer.packed()


def _unpack(packed: bytes) -> Transaction:
    """Return the transaction that `_pack` was given. Raises ValueError."""
    reader = Unpacker(packed)
    id_, database, caller, engine = (reader.text() for _ in range(4))
    base = reader.number()
    pin = Pin(reader.content(), _whole(reader.value()))
    expires_at, writes = reader.real(), bool(reader.number())
    attached = {reader.text(): reader.number() for _ in range(reader.number())}
    sqls = [reader.text() for _ in range(reader.number())]
    heads = [(reader.number(), reader.params()) for _ in range(reader.number())]
    if any(number >> 1 >= len(sqls) for number, _ in heads):
        raise ValueError("a statement without a text")
    statements = tuple(
        [Kept(sqls[number >> 1], params, reader.take(DIGEST_BYTES), bool(number & 1)) for number, params in heads]
    )
    reader.end()
    return Transaction(id_, database, base, pin, attached, statements, writes, expires_at, engine, caller)


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


def _seal(secret: bytes, content: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + content, "sha256")


def _bytes_of(text: object) -> bytes:
    """Return the bytes of a token; of other spellings of the same bytes, all but one are refused."""
    if not isinstance(text, str) or not 0 < len(text) <= MAX_CHARACTERS:
        bad_request("transaction.token", text, f"a token: 1 to {MAX_CHARACTERS} characters")
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        _refuse("it is not base64url")
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != text:
        _refuse("it is not base64url as sldb writes it")
    return raw


def _refuse(reason: str) -> NoReturn:
    raise SldbError(
        "bad_request",
        f"transaction.token: this is no token for this request: {reason}",
        "send the token of the latest reply as it is, or begin a new transaction",
        field="transaction.token",
    )
