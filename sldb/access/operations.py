"""The operations of `sldb token`: make and revoke callers, replace signing keys. Each can be stopped at any step, and
leaves no rights behind without a word to the operator.

    create a token     its entry, then its text is handed out; before, another key if the current one is not accepted
    create a key       the key, its plan, its entry; an error takes back the steps before it
    revoke             the entry, then the API key
    rotate             the id of the new key among those accepted, the key, then without the ids of earlier ones
    rotate at once     the ids of earlier keys and all tokens are out, then the key
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from lambda_handlers.access.callers import MAX_KEY_IDS, READ, WRITE, Document, Entry
from lambda_handlers.access.identities import iam_identity, jwt_identity, key_identity, token_identity
from lambda_handlers.access.tokens import ID_BYTES, key_id_of, make_token, new_id
from lambda_handlers.shared import times
from lambda_handlers.wire import SldbError
from sldb.access import changes
from sldb.access.api_keys import ApiKeys
from sldb.access.document import AccessDocument
from sldb.access.listing import Listed, listed
from sldb.access.signing_keys import SigningKeys, new_secret
from sldb.access.stack_access import StackAccess


@dataclass(frozen=True, slots=True)
class Made:
    """A new caller."""

    identity: str
    secret: str | None = None  # the token or API key; None if AWS or another issuer knows the caller


def create(access: StackAccess, kind: str, subject: str, entry: Entry) -> Made:
    """Make a caller of the API of a kind: token, key, iam (`subject`: an ARN) or jwt (`subject`: as in its claim
    `sub`). Raises SldbError, `bad_request` if the stack has no such API."""
    access.require(kind)
    if kind == "token":
        return create_token(access.document, access.signing_keys, entry)
    if kind == "key":
        return create_key(access.document, access.api_keys, access.usage_plan_id, entry)
    try:
        identity = iam_identity(subject) if kind == "iam" else jwt_identity(subject)
    except ValueError as error:
        raise SldbError("bad_request", str(error), applied="no") from error
    access.document.change(lambda before: changes.add(before, identity, entry))
    return Made(identity)


def create_token(document: AccessDocument, keys: SigningKeys, entry: Entry) -> Made:
    """Make a token. Raises SldbError."""
    secret = _accepted_secret(document, keys)
    token_id = new_id(os.urandom(ID_BYTES))
    identity = token_identity(token_id)
    token = make_token(
        token_id,
        secret,
        name=entry.name,
        scope=WRITE if entry.may_write else READ,
        expires="" if entry.expires_ms is None else times.utc(entry.expires_ms),
    )

    def change(before: Document) -> Document:
        return changes.add(changes.sign_with(before, key_id_of(secret)), identity, entry)

    document.change(change)
    return Made(identity, token)


def _accepted_secret(document: AccessDocument, keys: SigningKeys) -> str:
    """Return the key that signs. Replaces one whose tokens are not accepted: that of a secret that was deleted and made
    again, or of a rotation at once that was stopped, when the key may be known to others. Raises SldbError."""
    key, accepted = keys.current(), document.read().key_ids
    if not accepted or key.key_id in accepted:
        return key.secret
    secret = new_secret()
    # Without a cleanup: another operator may be about to put a key whose id is among these.
    document.change(lambda found: _with_first(found, key_id_of(secret), found.key_ids))
    keys.replace(secret)
    return secret


def create_key(document: AccessDocument, keys: ApiKeys, plan_id: str, entry: Entry) -> Made:
    """Make an API key in the usage plan. Raises SldbError; then there is no key."""
    # Before there is anything to take back: the most likely error.
    changes.add(document.read(), key_identity("0"), entry)
    key = keys.create(entry.name)
    try:
        keys.add_to_plan(key.key_id, plan_id)
        identity = key_identity(key.key_id)
        document.change(lambda before: changes.add(before, identity, entry))
    except BaseException as error:
        _take_back(keys, key.key_id, error)
        raise
    return Made(identity, key.value)


def _take_back(keys: ApiKeys, key_id: str, error: BaseException) -> None:
    """Delete an unfinished key. If that fails too, name the key in the error, or raise the failure after a Ctrl-C."""
    try:
        keys.delete(key_id)
    except SldbError as left:
        what_is_left = f"{left.message}: it opens nothing, and can be deleted by hand"
        if not isinstance(error, SldbError):
            raise SldbError(left.code, what_is_left, left.hint) from error
        error.hint = f"{what_is_left}; {error.hint}".rstrip("; ")


def revoke(document: AccessDocument, keys: ApiKeys, identity: str, now_ms: int) -> None:
    """Revoke a caller; delete its API key. Raises SldbError, with `applied` yes if only the key is left."""
    document.change(lambda before: changes.revoke(before, identity, now_ms))
    kind, _, key_id = identity.partition(":")
    if kind != "key":
        return
    try:
        keys.delete(key_id)
    except SldbError as error:
        error.details["applied"] = "yes"
        error.hint = f"it is refused as revoked; the same command again deletes it. {error.hint}".rstrip()
        raise


def stopped_by_rotation(document: Document, keys: SigningKeys, now_ms: int, *, at_once: bool) -> list[Listed]:
    """Return the active tokens to be ended by a rotation: all of them at once, else those signed by the key before the
    current one. Raises SldbError."""
    active = [one for one in listed(document) if one.kind == "token" and one.state(now_ms) == "active"]
    if at_once or not active:
        return active
    has_earlier, current_since_ms = len(document.key_ids) > 1, keys.current().created_ms
    return [one for one in active if has_earlier and one.entry and one.entry.created_ms < current_since_ms]


def rotate(document: AccessDocument, keys: SigningKeys) -> None:
    """Have another key sign, and accept the tokens of the current one for longer. Raises SldbError."""
    secret, before = new_secret(), keys.current().key_id
    accepted: tuple[str, ...] = ()

    def announce(found: Document) -> Document:
        nonlocal accepted
        accepted = found.key_ids or (before,)
        return _with_first(found, key_id_of(secret), accepted)

    document.change(announce)
    keys.replace(secret)
    outdated = set(accepted) - {keys.previous_id()}
    document.change(lambda found: found.with_key_ids(tuple(each for each in found.key_ids if each not in outdated)))


def rotate_at_once(document: AccessDocument, keys: SigningKeys, now_ms: int) -> None:
    """Revoke all tokens, and have another key sign. Raises SldbError."""
    secret = new_secret()

    def stop(found: Document) -> Document:
        return changes.revoke_tokens(found, now_ms).with_key_ids((key_id_of(secret),))

    document.change(stop)
    try:
        keys.replace(secret)
    except SldbError as error:
        error.details["applied"] = "yes"
        error.hint = f"all tokens are revoked; the key is not replaced: run it again. {error.hint}".rstrip()
        raise


def _with_first(document: Document, key_id: str, others: tuple[str, ...]) -> Document:
    rest = tuple(each for each in others if each != key_id)
    return document.with_key_ids((key_id, *rest)[:MAX_KEY_IDS])
