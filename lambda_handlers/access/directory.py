"""The directory of callers: a copy of the access document, read again by its age.

A copy is at most `max_age_seconds` old, counted from before it was read. An identity that it lacks makes it be read
again at once, so that a new caller works at once: it has been proven by a signature, AWS or an issuer. The id of a
signing key, which strangers can choose, does so once a second at most. While the document is as it was, reading costs
one HEAD; the ETag of another content is another one.

No copy is used beyond its age. If the document cannot be read then, or is not understood, every lookup is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from lambda_handlers.access.callers import KEY, BadDocument, Document, Entry
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, ObjectInfo, StoreError
from lambda_handlers.wire import SldbError

UNKNOWN_SECONDS = 1.0  # the least time between two readings for keys that the copy lacks

T = TypeVar("T")


class DocumentStore(Protocol):
    """The verbs of an object store that are used here."""

    def get_with_tag(self, key: str) -> tuple[bytes, str]: ...

    def info(self, key: str) -> ObjectInfo: ...


@dataclass(frozen=True, slots=True)
class _Copy:
    document: Document
    etag: str  # empty: unknown, or there is no document
    read_at: float  # unix seconds, before it was read


class Directory:
    def __init__(self, store: DocumentStore, now: Callable[[], float], max_age_seconds: float) -> None:
        self._store = store
        self._now = now
        self._max_age_seconds = max_age_seconds
        self._copy: _Copy | None = None

    def find(self, identity: str) -> Entry | None:
        """Return the entry of a caller; None if there is none. Raises SldbError if the document, or this entry of it,
        cannot be read. `identity`: one that is proven, and no text that strangers can choose."""
        document = self._document(lambda document: identity in document.callers, 0.0)
        return _understood(lambda: document.find(identity))

    def accepts_key(self, key_id: str) -> bool:
        """Return True if tokens signed by this key are accepted. Raises SldbError if the document cannot be read."""
        return key_id in self._document(lambda document: key_id in document.key_ids, UNKNOWN_SECONDS).key_ids

    def _document(self, has_it: Callable[[Document], bool], unknown_seconds: float) -> Document:
        """Return the document; a copy that lacks what is searched is that old at most."""
        if not self._is_younger(self._max_age_seconds):
            return self._read()
        assert self._copy is not None
        if has_it(self._copy.document) or self._is_younger(unknown_seconds):
            return self._copy.document
        return self._read()

    def _is_younger(self, seconds: float) -> bool:
        """Return True for a copy of less than this age. A clock that was set back makes it too old."""
        return self._copy is not None and 0 <= self._now() - self._copy.read_at < seconds

    def _read(self) -> Document:
        read_at, copy = self._now(), self._copy
        try:
            if copy is not None and copy.etag and self._store.info(KEY).etag == copy.etag:
                document, etag = copy.document, copy.etag
            else:
                data, etag = self._store.get_with_tag(KEY)
                document = _understood(lambda: Document.decode(data))
        except NotFound:
            document, etag = Document(), ""
        except StoreError as error:
            raise store_error(error) from error
        self._copy = _Copy(document, etag, read_at)
        return document


def _understood(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except BadDocument as error:
        raise SldbError(
            "corrupt",
            f"the list of the API's callers cannot be read: {KEY}: {error}",
            "an operator finds out more: sldb doctor",
            key=KEY,
            applied="no",
        ) from error
