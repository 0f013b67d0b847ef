"""push: a SQLite file as the new content of a database, in one transaction of any size.

The client encodes the file as an LTX file (storage.prepared), puts it in parts below <database>/uploads/<upload>/, and
has it committed: only its first and its last part pass through here. Parts are named by their number and the MD5 of
their content, so that an interrupted upload continues where it stopped, and two concurrent uploads do not disturb each
other. Before the commit each part is compared with its name: by the ETag in a LIST, or, if that is not an MD5, by
reading the part. Until the commit the database does not change; maintenance removes parts never committed.

push_begin      Arguments: upload. Reply: {"database", "txid", "bytes": of the database as it is, "parts": {name: bytes}
                of those uploaded before}
push_urls       Arguments: upload, parts. Reply: {"urls": for a PUT of each, or null if the store has none,
                "seconds": for how long}
push_commit     Arguments: upload, parts: in their order; page_map, first_page: base64; push: 14 hex digits, unique to
                this push; since: a txid, after which it may have been committed; if_txid
                Reply: {"database", "txid", "before": the newest txid before, "replaced_bytes", "pages", "bytes"}

A repeated commit finds the transaction of the first by `push`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from lambda_handlers.actions import arguments
from lambda_handlers.actions.branch import newest_header
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.noted_state import noted
from lambda_handlers.actions.replace_content import stamped
from lambda_handlers.actions.transfer.pushed_schema import check_names
from lambda_handlers.database.newest_state import check_newest
from lambda_handlers.storage import foreign_keys
from lambda_handlers.storage.listing import list_chain, read_agreed_header, side_by_side
from lambda_handlers.storage.log import doubts, kinds
from lambda_handlers.storage.log.keys import transaction, upload_key, upload_prefix
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header, Pgno, Txid
from lambda_handlers.storage.pages.page_map import BadPageMap, PageMap
from lambda_handlers.storage.prepared_file import Prepared
from lambda_handlers.storage.replica import Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import CopyOf, NotFound, ObjectInfo, ObjectStore, StoreError, Unavailable
from lambda_handlers.wire import Action, SldbError, bad_request

URL_SECONDS = 900
MAX_URLS = 100
MAX_PARTS = 10_000  # S3's limit for one object
MAX_SINCE = 10_000  # transactions among which an earlier commit of this push is looked for
MIN_PART_BYTES = 5 << 20  # S3's limit for every part but the last
_UPLOAD = re.compile(r"[0-9a-f]{16}")
_PART = re.compile(r"[0-9]{5}-[0-9a-f]{32}")
_PUSH = re.compile(r"[0-9a-f]{14}")


def push_begin(context: ActionContext, action: Action) -> dict[str, Any]:
    upload = _text(arguments.known(action, "upload"), "upload", _UPLOAD)
    listing = list_chain(context.store, action.database)
    try:
        newest = newest_header(context.store, listing)
        if not listing.newest:
            doubts.put(context.store, action.database)
        parts = {name: info.size for name, info in _parts_there(context.store, action.database, upload).items()}
    except StoreError as error:
        raise store_error(error) from error
    size = newest.commit * newest.page_size if newest else 0
    return {"database": action.database, "txid": listing.newest, "bytes": size, "parts": parts}


def push_urls(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "upload", "parts")
    upload, parts = _text(given, "upload", _UPLOAD), _names(given, MAX_URLS)
    keys = [upload_key(action.database, upload, part) for part in parts]
    try:
        urls = context.store.presign("PUT", keys, URL_SECONDS)
    except StoreError as error:
        raise store_error(error) from error
    return {"urls": urls, "seconds": URL_SECONDS}


def push_commit(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "upload", "parts", "page_map", "first_page", "push", "since", "if_txid")
    arguments.required(given, ("since",))
    upload, names = _text(given, "upload", _UPLOAD), _names(given, MAX_PARTS)
    since, if_txid = arguments.txid(given, "since"), arguments.txid(given, "if_txid")
    node_id = kinds.node_id(Kind.PUSH, bytes.fromhex("00" + _text(given, "push", _PUSH)))
    assert since is not None
    prepared = _prepared(context, action.database, upload, names, _page_map(given))
    # A pushed file is a plain SQLite file: it has no such setting.
    first_page = foreign_keys.with_enforcement(_bytes(given, "first_page"), enforced=False)
    if len(first_page) != prepared.page_size:
        bad_request("arguments.first_page", f"{len(first_page)} bytes", f"a page of {prepared.page_size} bytes")

    _check_schema(context, prepared, first_page)

    def attempt(current: Replica) -> dict[str, Any]:
        done = _find_done(context, current, since, node_id)
        if done is not None:
            return {"txid": done, "before": done - 1, "replaced_bytes": None}
        check_newest(current, if_txid)
        database.check_may_create(action.create)
        context.reading_deadline.check()
        before, replaced = current.txid, current.page_count * current.page_size
        stamp = bytes(current.read(Pgno(1))) if current.page_count else b""
        page, marks = noted(context, stamped(first_page, stamp) if stamp else first_page, before + 1)
        try:
            txid = current.commit_prepared(prepared, page, node_id, marks)
        except NotFound as error:  # another client pushed the same file at the same time, and removed the parts
            raise _missing([error.key.rpartition("/")[2]]) from error
        return {"txid": txid, "before": before, "replaced_bytes": replaced}

    database = context.database(action.database)
    reply = database.change("push", context.deadline, attempt, may_create=action.create)
    return {"database": action.database, **reply, "pages": prepared.page_count, "bytes": prepared.file_bytes}


def _prepared(context: ActionContext, database: str, upload: str, names: list[str], page_map: PageMap) -> Prepared:
    try:
        there = _parts_there(context.store, database, upload)
        missing = [name for name in names if name not in there]
        if missing:
            raise _missing(missing)
        small = [name for name in names[:-1] if there[name].size < MIN_PART_BYTES]
        if small:
            bad_request("arguments.parts", f"{small[0]} of {there[small[0]].size} bytes", f"{MIN_PART_BYTES} or more")
        parts = [CopyOf(there[name].key, 0, there[name].size) for name in names]
        first = _read_part(context.store, names[0], there[names[0]])
        last = first if len(parts) == 1 else _read_part(context.store, names[-1], there[names[-1]])
        _check_parts(context, names[1:-1], there)
    except NotFound as error:
        raise _missing([error.key.rpartition("/")[2]]) from error
    except StoreError as error:
        raise store_error(error) from error
    return Prepared.check(parts, first, last, page_map)


def _read_part(store: ObjectStore, name: str, info: ObjectInfo) -> bytes:
    """Return the bytes of a part; read it again if they differ from its name: the answer may have been damaged. Raises
    `not_found`."""
    for _ in range(2):
        body = store.get(info.key)
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        if md5 == _hash_in(name) or _is_named(name, (body,)):
            return body
    raise _damaged([name])


def _check_parts(context: ActionContext, names: list[str], there: Mapping[str, ObjectInfo]) -> None:
    """Raise `not_found` for parts with content that differs from their names. If the store reports an MD5, and they are
    named by it, nothing is read for the check."""

    def is_sound(name: str) -> bool:
        context.reading_deadline.check()
        info = there[name]
        return _is_named(name, context.store.chunks(info.key)) or _is_named(name, context.store.chunks(info.key))

    unverified = [name for name in names if there[name].etag.strip('"') != _hash_in(name)]
    found = zip(unverified, side_by_side(context.host, is_sound, unverified), strict=True)
    damaged = [name for name, sound in found if not sound]
    if damaged:
        raise _damaged(damaged)


def _is_named(name: str, chunks: Iterable[bytes]) -> bool:
    """Return True if a part has the hash in its name: an MD5 or, from older clients, the beginning of a SHA-256."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for chunk in chunks:
        md5.update(chunk)
        sha256.update(chunk)
    return _hash_in(name) in (md5.hexdigest(), sha256.hexdigest()[:32])


def _hash_in(name: str) -> str:
    return name.partition("-")[2]


def _check_schema(context: ActionContext, prepared: Prepared, first_page: bytes) -> None:
    try:
        check_names(context.store, prepared, first_page, context.reading_deadline)
    except NotFound as error:
        raise _missing([error.key.rpartition("/")[2]]) from error
    except StoreError as error:
        raise store_error(error) from error


def _parts_there(store: ObjectStore, database: str, upload: str) -> dict[str, ObjectInfo]:
    prefix = upload_prefix(database, upload)
    return {info.key.removeprefix(prefix): info for info in store.list_objects(prefix)}


def _missing(names: list[str]) -> SldbError:
    return SldbError(
        "not_found",
        f"{len(names)} of the uploaded parts are missing from the store, the first is {names[0]}",
        "push again: parts in the store are not sent again",
        missing=names,
        applied="no",
    )


def _damaged(names: list[str]) -> SldbError:
    return SldbError(
        "not_found",
        f"{len(names)} of the uploaded parts differ from the sent ones, the first is {names[0]}",
        "push again: undamaged parts are not sent again",
        missing=names,
        damaged=names,
        applied="no",
    )


def _find_done(context: ActionContext, current: Replica, since: Txid, node_id: int) -> Txid | None:
    """Return the transaction of this very push, if there is one."""

    def header_of(txid: Txid) -> Header | None:
        try:
            return read_agreed_header(context.store, current.database, transaction(txid))
        except NotFound:  # an older transaction: level 0 stays for an hour at least
            return None

    txids = range(since + 1, current.txid + 1)
    if len(txids) > MAX_SINCE:
        bad_request("arguments.since", since, f"a txid at most {MAX_SINCE} before {current.txid}")
    try:
        for txid, header in zip(txids, side_by_side(context.host, header_of, txids), strict=True):
            if header is not None and header.node_id == node_id:
                return txid
    except (StoreError, SldbError) as error:  # one of them may be this push's
        key = current.database
        doubt = error if isinstance(error, StoreError) else Unavailable(key, f"a header is damaged: {error.message}")
        raise store_error(doubt, applied="unknown") from error
    return None


def _names(given: Mapping[str, Any], most: int) -> list[str]:
    names = given.get("parts")
    if (
        not isinstance(names, list)
        or not 1 <= len(names) <= most
        or not all(isinstance(name, str) and _PART.fullmatch(name) for name in names)
    ):
        bad_request("arguments.parts", names, f"1 to {most} names of parts, as 00001-<32 hex digits>")
    return names


def _page_map(given: Mapping[str, Any]) -> PageMap:
    try:
        return PageMap.decode(_bytes(given, "page_map"))
    except (BadPageMap, ValueError) as error:
        _refuse("page_map", f"one that does not decode ({error})", "the page map of the file")


def _bytes(given: Mapping[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(given.get(name, ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        _refuse(name, given.get(name), "base64 text")


def _text(given: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(name, value, f"text that matches {pattern.pattern}")
    return value


def _refuse(name: str, got: object, want: str) -> NoReturn:
    bad_request(f"arguments.{name}", got, want)
