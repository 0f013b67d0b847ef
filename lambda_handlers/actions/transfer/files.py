"""Files by their bytes, through the function: for stores without URLs, such as EFS.

Bodies are base64 text of at most SLICE_BYTES before that, since a request of Lambda has 6 MB. What is larger comes in
slices, each under a key of its own; the last one makes the file of all of them.

push_part       Arguments: upload, part, start, total, body. A part of an upload, as `push` has it
pull_part       Arguments: file (a name in the reply to `pull`), start, length. Reply: {"body"}
file_list       Arguments: prefix, after. Reply: {"files": [[key, bytes, unix seconds], …], at most LISTED of them}
file_names      Reply: {"names": of the databases, the dropped ones too}. A move begins with it: it removes the slices
                of files that an earlier one did not finish
file_read       Arguments: key, start, length. Reply: {"body", "size": of the file}
file_create     Arguments: key, upload, start, total, body. Reply: {"etag"}. Raises `exists`

The actions file_… are for the function that moves databases to another store (SLDB_MOVES_FILES), and for operators.
They know the files of databases, and no others.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

from lambda_handlers.actions import arguments
from lambda_handlers.actions.context import ActionContext
from lambda_handlers.storage.log.keys import (
    database_names,
    database_prefix,
    doubts_complete_key,
    move_key,
    moves_prefix,
    parse_ltx_key,
    parse_page_map_key,
    sweep_key,
    upload_key,
)
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import SLICE_BYTES, AlreadyExists, CopyOf, NotFound, StoreError
from lambda_handlers.wire import DATABASE_NAME, Action, SldbError, bad_request

LISTED = 1000
MAX_BYTES = 1 << 50
_UPLOAD = re.compile(r"[0-9a-f]{16}")
_PART = re.compile(r"[0-9]{5}-[0-9a-f]{32}")


def push_part(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "upload", "part", "start", "total", "body")
    upload, part = _text(given, "upload", _UPLOAD), _text(given, "part", _PART)
    key = upload_key(action.database, upload, part)
    with_slices = _Slices(context, given, lambda start: upload_key(action.database, upload, f"{part}.{start}"))
    return _answered(lambda: {"etag": with_slices.store(key, again=True)})


def pull_part(context: ActionContext, action: Action) -> dict[str, Any]:
    given = arguments.known(action, "file", "start", "length")
    name = given.get("file")
    key = f"{database_prefix(action.database)}{name}"
    if not isinstance(name, str) or parse_ltx_key(action.database, key) is None:
        bad_request("arguments.file", name, "the name of a file from the reply of `pull`")
    start, length = _range(given)
    return _answered(lambda: {"body": _encoded(context.store.get_range(key, start, length))})


def file_list(context: ActionContext, action: Action) -> dict[str, Any]:
    _check_moves(context, action)
    given = arguments.known(action, "prefix", "after")
    prefix, after = given.get("prefix", ""), given.get("after")
    if not isinstance(prefix, str) or not DATABASE_NAME.fullmatch(prefix.partition("/")[0]):
        bad_request("arguments.prefix", prefix, "the name of a database and a slash")

    def listed() -> dict[str, Any]:
        found = itertools.islice(context.store.list_objects(prefix, after), LISTED)
        return {"files": [[info.key, info.size, info.modified_at] for info in found]}

    return _answered(listed)


def file_names(context: ActionContext, action: Action) -> dict[str, Any]:
    _check_moves(context, action)
    arguments.known(action)

    def names() -> dict[str, Any]:
        slices = [info.key for info in context.store.list_objects(moves_prefix())]
        # Dropped databases are about to come without their doubts: the next sweep puts those.
        context.store.delete_many([*slices, doubts_complete_key(), sweep_key()])
        return {"names": database_names(context.store.list_directories(""))}

    return _answered(names)


def file_read(context: ActionContext, action: Action) -> dict[str, Any]:
    _check_moves(context, action)
    given = arguments.known(action, "key", "start", "length")
    key, (start, length) = _file_key(given), _range(given)

    def read() -> dict[str, Any]:
        body = context.store.get_range(key, start, length) if length else b""
        return {"body": _encoded(body), "size": context.store.size(key)}

    return _answered(read)


def file_create(context: ActionContext, action: Action) -> dict[str, Any]:
    _check_moves(context, action)
    given = arguments.known(action, "key", "upload", "start", "total", "body")
    key, upload = _file_key(given), _text(given, "upload", _UPLOAD)
    with_slices = _Slices(context, given, lambda start: move_key(upload, start))
    return _answered(lambda: {"etag": with_slices.store(key, again=False)})


class _Slices:
    """One slice of a file, and the ones before it."""

    def __init__(self, context: ActionContext, given: Mapping[str, Any], key_of: Callable[[int], str]) -> None:
        self._store = context.store
        self._key_of = key_of
        self._body = _decoded(given)
        self._total = arguments.whole_number(given, "total", least=len(self._body), most=MAX_BYTES)
        self._start = arguments.whole_number(given, "start", 0, least=0, most=MAX_BYTES)
        if self._total is None or self._start % SLICE_BYTES or self._start + len(self._body) > self._total:
            bad_request("arguments.start", self._start, "a multiple of the size of slices, within the file")

    def store(self, key: str, *, again: bool) -> str:
        """Store the slice or, with the last one, the file; return its ETag, if it came in one. `again`: a file that is
        there is replaced. Raises StoreError."""
        if self._start + len(self._body) < self._total:
            self._store.put(self._key_of(self._start), self._body)
            return ""
        if self._total == len(self._body):
            return self._store.put(key, self._body) if again else self._store.create(key, self._body)
        before = [self._key_of(start) for start in range(0, self._start, SLICE_BYTES)]
        try:
            self._store.assemble(key, [*(CopyOf(each, 0, SLICE_BYTES) for each in before), self._body])
        except AlreadyExists:
            if not again:
                raise
        except NotFound:
            self._check_is_there(key)  # sent again: the slices are gone because the file is complete
            if not again:
                raise AlreadyExists(key) from None
        self._store.delete_many(before)
        return ""

    def _check_is_there(self, key: str) -> None:
        """Raise NotFound unless the file exists with the size of the slices."""
        if self._store.size(key) != self._total:
            raise NotFound(key)


def _check_moves(context: ActionContext, action: Action) -> None:
    context.caller.require_operator(f"the action {action.name}")
    if not context.resources.settings.moves_files:
        raise SldbError(
            "bad_request",
            f"this function does not have the action {action.name}",
            "sldb migrate-storage makes one that has",
        )


def _answered(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return act()
    except NotFound as error:
        raise SldbError("not_found", str(error), "list the files again", applied="no") from error
    except AlreadyExists as error:
        raise SldbError("exists", str(error), "read it, and compare", applied="no") from error
    except StoreError as error:
        raise store_error(error) from error


def _file_key(given: Mapping[str, Any]) -> str:
    key = given.get("key")
    database = key.partition("/")[0] if isinstance(key, str) else ""
    is_file = isinstance(key, str) and (parse_ltx_key(database, key) or parse_page_map_key(database, key))
    if not (DATABASE_NAME.fullmatch(database) and is_file):
        bad_request("arguments.key", key, "the key of a file of a database's log")
    return str(key)


def _range(given: Mapping[str, Any]) -> tuple[int, int]:
    start = arguments.whole_number(given, "start", 0, least=0, most=MAX_BYTES)
    length = arguments.whole_number(given, "length", 0, least=0, most=SLICE_BYTES)
    return start, length


def _encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


def _decoded(given: Mapping[str, Any]) -> bytes:
    try:
        body = base64.b64decode(given.get("body", ""), validate=True)
    except (binascii.Error, ValueError, TypeError):
        bad_request("arguments.body", "other text", "base64 text")
    if len(body) > SLICE_BYTES:
        bad_request("arguments.body", f"{len(body)} bytes", f"{SLICE_BYTES} bytes at most")
    return body


def _text(given: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        bad_request(f"arguments.{name}", value, f"text that matches {pattern.pattern}")
    return value
