"""Changes of the access document, each a function from document to document. Pure.

A dead entry, revoked or expired, grants nothing. It stays for a while, for `sldb token list --all`. The entry of an
expired API key stays until it is revoked, because its revocation deletes the key as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lambda_handlers.access.callers import MAX_CALLERS, BadDocument, Document, Entry
from lambda_handlers.wire import SldbError

PRUNED_AFTER_MS = 90 * 86_400_000  # since the end of an entry


def add(document: Document, identity: str, entry: Entry) -> Document:
    """Return the document with a new entry. Raises `exists` if its name or identity has another, not revoked one, and
    `bad_request` for an impossible entry. Adding the same entry again changes nothing."""
    known = _find(document, identity)
    if known is not None and replace(known, revoked_ms=None) == entry:
        return document  # added by an earlier try, whose answer was lost
    if known is not None and known.revoked_ms is None:
        raise _exists(f"{identity} is there already, as {known.name}", known.name)
    for other, each in _readable(document):
        if other != identity and each.name == entry.name and each.revoked_ms is None:
            ended = f" (its time ended: {each.refusal(entry.created_ms)})" if each.refusal(entry.created_ms) else ""
            raise _exists(f"there is a caller {entry.name} already{ended}", entry.name)
    try:
        return prune(document, entry.created_ms, room=1).with_entry(identity, entry)
    except ValueError as error:
        hint = "revoke callers that are not needed any more" if len(document.callers) >= MAX_CALLERS else ""
        raise SldbError("bad_request", str(error), hint, applied="no") from error


def name_ended_ms(document: Document, name: str) -> int | None:
    """Return when the last caller of this name was revoked; None if none was."""
    ended = (entry.revoked_ms for _, entry in _readable(document) if entry.name == name)
    return max((at for at in ended if at is not None), default=None)


def sign_with(document: Document, key_id: str) -> Document:
    """Return the document with this key, the first one, among those accepted. Raises `conflict` if only other keys are
    accepted: this one must not become valid again after `sldb token rotate --now`."""
    if not document.key_ids:
        return document.with_key_ids((key_id,))
    if key_id not in document.key_ids:
        raise SldbError(
            "conflict",
            "the stack's signing key has been replaced meanwhile",
            "try again",
            applied="no",
        )
    return document


def revoke(document: Document, identity: str, now_ms: int) -> Document:
    """Return the document with an entry revoked. A damaged one is removed, with the same effect."""
    if identity not in document.callers:
        return document
    entry = _find(document, identity)
    if entry is None:
        return document.without(identity)
    revoked = entry if entry.revoked_ms is not None else replace(entry, revoked_ms=now_ms)
    return prune(document.with_entry(identity, revoked), now_ms)


def revoke_tokens(document: Document, now_ms: int) -> Document:
    """Return the document with all tokens revoked."""
    callers = dict(document.callers)
    for identity, entry in _readable(document):
        if identity.startswith("token:") and entry.revoked_ms is None:
            callers[identity] = replace(entry, revoked_ms=now_ms).encode()
    return prune(Document(document.key_ids, callers), now_ms)


def prune(document: Document, now_ms: int, room: int = 0) -> Document:
    """Return the document without long ended entries; without more of them, the oldest first, if there is no `room`
    for so many more."""
    ended = sorted((ended_ms, identity) for identity, ended_ms in _ended(document, now_ms))
    excess = len(document.callers) + room - MAX_CALLERS
    pruned = {
        identity
        for count, (ended_ms, identity) in enumerate(ended)
        if count < excess or ended_ms <= now_ms - PRUNED_AFTER_MS
    }
    kept = {identity: entry for identity, entry in document.callers.items() if identity not in pruned}
    return Document(document.key_ids, kept) if pruned else document


def _ended(document: Document, now_ms: int) -> Iterator[tuple[str, int]]:
    """Yield the identities of entries to be pruned, and when they ended."""
    for identity, entry in _readable(document):
        if entry.revoked_ms is not None:
            yield identity, entry.revoked_ms
        elif entry.expires_ms is not None and entry.expires_ms <= now_ms and not identity.startswith("key:"):
            yield identity, entry.expires_ms


def _readable(document: Document) -> Iterator[tuple[str, Entry]]:
    """Yield the entries, without damaged ones: those have no rights, and no names."""
    for identity in document.callers:
        entry = _find(document, identity)
        if entry is not None:
            yield identity, entry


def _find(document: Document, identity: str) -> Entry | None:
    """Return the entry of an identity; None if there is none, or a damaged one."""
    try:
        return document.find(identity)
    except BadDocument:
        return None


def _exists(message: str, name: str) -> SldbError:
    return SldbError("exists", message, f"choose another name, or revoke it: `sldb token revoke {name}`", applied="no")
