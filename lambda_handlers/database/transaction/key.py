"""The key of the stack: 32 random bytes that authenticate the tokens of transactions.

It is an object of the store, made by a conditional create when a token is first needed: if two containers make one at
the same time, one create succeeds and both use its key. Each container reads it once. In S3 only the query function,
and the one that only reads, may read it (cloudformation/template.yaml), in a directory only the owner of the file.

A function that only reads makes no key, and has no transactions before there is one.

Deleting the object invalidates all tokens: a new key is made, and containers that have the old one read the new one
when they meet a token of it.
"""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.storage.log.keys import transactions_key
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import AlreadyExists, NotFound, StoreError, Unavailable
from lambda_handlers.wire import SldbError

SECRET_BYTES = 32
MAX_ATTEMPTS = 3
MIN_SECONDS_BETWEEN_READINGS = 60.0  # after the first: forged tokens are no reason for more
_VERSION = 1
_READINGS = 2  # of a damaged object: it may have been damaged in transit


class StackKey:
    def __init__(self, store: MeteredStore, host: Host, *, may_make: bool = True) -> None:
        self._store = store
        self._host = host
        self._may_make = may_make
        self._secret: bytes | None = None
        self._read_at = 0.0  # unix seconds

    def secret(self) -> bytes:
        """Return the key; make it if there is none. Raises `corrupt`, `store_error`, or `read_only` if it must not be
        made here."""
        if self._secret is None:
            self._secret = self._read_or_make()
        return self._secret

    def has_changed(self) -> bool:
        """Return True if the store has another key by now, which `secret` then returns. It is not read more than once a
        minute. Raises as `secret` does."""
        before = self._secret
        if before is None or abs(self._host.now() - self._read_at) < MIN_SECONDS_BETWEEN_READINGS:
            return False
        self._secret = self._read_or_make()
        return self._secret != before

    def _read_or_make(self) -> bytes:
        self._read_at = self._host.now()
        try:
            for _ in range(MAX_ATTEMPTS - 1):
                try:
                    return self._read() or self._make()
                except (AlreadyExists, Unavailable):
                    continue  # another container was faster, or an answer was lost: read it
            return self._read() or self._make()
        except StoreError as error:
            raise store_error(error, applied="no") from error

    def _read(self) -> bytes | None:
        """Return the key, None if there is none."""
        key = transactions_key()
        for _ in range(_READINGS):
            try:
                fields = unseal(self._store.get(key), key)
            except NotFound:
                return None
            if fields is not None:
                return _secret_in(fields)
        raise _damaged("its checksum does not fit")

    def _make(self) -> bytes:
        if not self._may_make:
            raise _missing()
        secret, key = self._host.entropy(SECRET_BYTES), transactions_key()
        self._store.create(key, seal({"version": _VERSION, "secret": secret.hex()}, key))
        return secret


def _secret_in(fields: dict[str, object]) -> bytes:
    if fields.get("version") != _VERSION:
        raise _damaged(f"its version is {fields.get('version')!r}, not {_VERSION}")
    try:
        secret = bytes.fromhex(str(fields.get("secret")))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise _damaged(f"it has no secret of {SECRET_BYTES} bytes")
    return secret


def _missing() -> SldbError:
    return SldbError(
        "read_only",
        "the stack has no key yet that authenticates transactions, and this function only reads: it may not make one",
        "begin a transaction on the query function of the stack once: that makes the key",
        key=transactions_key(),
        applied="no",
    )


def _damaged(reason: str) -> SldbError:
    key = transactions_key()
    return SldbError(
        "corrupt",
        f"{key}: the key of transactions is damaged: {reason}",
        "delete the object: a new key is made, and transactions that are open now end without a commit",
        key=key,
        applied="no",
    )
