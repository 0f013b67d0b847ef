"""Object keys: every one is built and parsed here and nowhere else.

Below the store's prefix (the layout of Litestream 0.5 on S3):

    <database>/0000/<txid>-<txid>.ltx   level 0: one committed transaction
    <database>/0001/ … 0008/            compacted runs of transactions
    <database>/0009/<1>-<txid>.ltx      snapshot: every page as of txid
    <database>/…/<min>-<max>.pages      page map of the large LTX file with the same name: the places of its pages
    <database>/…/<min>-<max>.2.pages    the same, if a damaged one lies at the first name
    <database>/…/<min>-<max>.part.pages the scheduled function's progress in mapping a very large file
    <database>/head.json                the files for a reader to begin with; a hint, never the truth
    <database>/atlas                    page maps of the newest chain's files, in one object
    <database>/maintenance.json         the lease of the current maintenance pass
    <database>/uploads/<id>/<part>      parts of a file being pushed
    _replies/<nonce>                    a reply too large for the log of requests
    _replies/<nonce>.jsonl.gz           too many rows for a reply; no database can have the name _replies
    _replies/<nonce>-<database>.jsonl.gz    the same in a store without URLs; <database> is a hash of its name
    _replies/<nonce>.json, .ndjson      a response too large for HTTP behind Lambda
    _streams/<sha256>                   an open transaction too large for its token
    _keys/transactions                  the secret key by which the stack knows its own tokens
    _cancel/<hash of a request id>      the marks that cancel requests with this id
    _locks/<database>/lock.json         the lock, if its kind is s3 (lambda_handlers.shared.lock_holder)
    _work/<database>/<txid>             a work item: there is work for a maintenance pass
    _sweep/maintenance.json             the progress of the sweep over all databases
    _doubt-<database>/<txid>            a doubt: the name has objects, and perhaps no database
    _doubts/complete                    every other name has a database
    _moves/<id>/<start>                 a slice of a file on its way from another store

Levels are 4 lower-case hex digits, txids 16. Anything not named <txid>-<txid>.ltx is ignored by Litestream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.patterns import pattern
from lambda_handlers.store.protocol import PRIVATE_PREFIX
from lambda_handlers.wire import DATABASE_NAME

FOLD_LEVEL = 1  # what writers fold of the newest transactions
MERGE_LEVEL = 2  # what maintenance merges of them
SNAPSHOT_LEVEL = 9
_FILE_KEY = re.compile(r"([0-9a-f]{4})/([0-9a-f]{16})-([0-9a-f]{16})\.(ltx|pages|2\.pages|part\.pages)")

_REPLY_KEY = pattern(r"_replies/[0-9a-f]{16}")
_WORK_KEY = pattern(r"_work/([^/]+)/([0-9a-f]{16})")
_DOUBT_KEY = pattern(r"_doubt-([^/]+)/([0-9a-f]{16})")
_ROWS_KEY = pattern(r"_replies/([0-9a-f]{16})(-[0-9a-f]{16})?\.jsonl\.gz")


@dataclass(frozen=True, slots=True, order=True)
class LtxName:
    """The transactions in one LTX file, and its level."""

    level: int
    min_txid: int
    max_txid: int

    def key(self, database: str) -> str:
        """Return the key of the file."""
        return f"{self._stem(database)}.ltx"

    def page_map_key(self, database: str) -> str:
        return f"{self._stem(database)}.pages"

    def page_map_keys(self, database: str) -> tuple[str, str]:
        """Return the two possible keys of its page map. The second is used if a damaged object lies at the first, which
        a query may neither write over nor delete."""
        return self.page_map_key(database), f"{self._stem(database)}.2.pages"

    def map_progress_key(self, database: str) -> str:
        return f"{self._stem(database)}.part.pages"

    def _stem(self, database: str) -> str:
        return f"{database}/{self.level:04x}/{self.min_txid:016x}-{self.max_txid:016x}"


def database_prefix(database: str) -> str:
    """Return the prefix of all keys of a database."""
    return f"{database}/"


def transaction(txid: int) -> LtxName:
    """Return the name of the level-0 file of one transaction."""
    return LtxName(0, txid, txid)


def before_transaction(database: str, txid: int) -> str:
    """Return a string right before the keys of the level-0 file of a transaction and of its page maps, for a LIST."""
    return f"{singles_prefix(database)}{txid:016x}"


def singles_prefix(database: str) -> str:
    """Return the prefix of level 0, whose keys come first in a LIST of the database."""
    return f"{database_prefix(database)}0000/"


def behind_singles(database: str) -> str:
    """Return a string behind the keys of level 0 and before those of all other levels, for a LIST."""
    return f"{database_prefix(database)}00000"


def snapshot(txid: int) -> LtxName:
    """Return the name of the file of every page as of `txid`."""
    return LtxName(SNAPSHOT_LEVEL, 1, txid)


def parse_ltx_key(database: str, key: str) -> LtxName | None:
    """Return the name of an LTX file of this database; None for any other key."""
    return _parse(database, key, "ltx")


def parse_page_map_key(database: str, key: str) -> LtxName | None:
    """Return the LTX file of a page map of this database; None for any other key."""
    return _parse(database, key, "pages", "2.pages")


def parse_map_progress_key(database: str, key: str) -> LtxName | None:
    """Return the LTX file of a mapping in progress; None for any other key."""
    return _parse(database, key, "part.pages")


def _parse(database: str, key: str, *kinds: str) -> LtxName | None:
    prefix = database_prefix(database)
    if not key.startswith(prefix) or not (match := _FILE_KEY.fullmatch(key, len(prefix))) or match[4] not in kinds:
        return None
    level, low, high = (int(match[number], 16) for number in (1, 2, 3))
    return LtxName(level, low, high) if 1 <= low <= high and level <= SNAPSHOT_LEVEL else None


def head_key(database: str) -> str:
    return f"{database}/head.json"


def atlas_key(database: str) -> str:
    return f"{database}/atlas"


def maintenance_key(database: str) -> str:
    return f"{database}/maintenance.json"


def uploads_prefix(database: str) -> str:
    return f"{database}/uploads/"


def upload_prefix(database: str, upload_id: str) -> str:
    return f"{uploads_prefix(database)}{upload_id}/"


def upload_key(database: str, upload_id: str, part: str) -> str:
    return f"{upload_prefix(database, upload_id)}{part}"


def replies_prefix() -> str:
    return "_replies/"


def reply_key(nonce: str) -> str:
    """Return the key of a reply for the log of requests. `nonce`: 16 hex digits."""
    return f"{replies_prefix()}{nonce}"


def rows_key(nonce: str, database: str | None = None) -> str:
    """Return the key of the rows of a reply. `nonce`: 16 hex digits. `database`: of the request, in a store without
    URLs: a caller with the nonce, and without a right to the database, finds no rows."""
    if database is None:
        return f"{replies_prefix()}{nonce}.jsonl.gz"
    import hashlib  # a cold start does not need it

    return f"{replies_prefix()}{nonce}-{hashlib.sha256(database.encode()).hexdigest()[:16]}.jsonl.gz"


def rows_nonce(key: str) -> str:
    """Return the nonce of a key of `rows_key`."""
    match = _ROWS_KEY.fullmatch(key)
    assert match, key
    return match[1]


def response_key(nonce: str, ending: str) -> str:
    """Return the key of a response to HTTP. `nonce`: 16 hex digits; `ending`: json or ndjson."""
    return f"{replies_prefix()}{nonce}.{ending}"


def moves_prefix() -> str:
    return "_moves/"


def move_key(upload_id: str, start: int) -> str:
    """Return the key of a slice of a file on its way from another store. `upload_id`: 16 hex digits."""
    return f"{moves_prefix()}{upload_id}/{start}"


def work_prefix(database: str | None = None) -> str:
    """Return the prefix of the work items of one database; of all without one."""
    return "_work/" if database is None else f"_work/{database}/"


def work_key(database: str, txid: int) -> str:
    return f"{work_prefix(database)}{txid:016x}"


def parse_work_key(key: str) -> tuple[str, int] | None:
    """Return the database and the transaction of a work item; None for any other key."""
    return _database_and_txid(_WORK_KEY, key)


def sweep_key() -> str:
    """Return the key of the progress of the sweep. It ends as a lease does: the same rights hold for both."""
    return "_sweep/maintenance.json"


def sweep_clock_key() -> str:
    """Return the key of an object whose date shows the time by the store's clock."""
    return "_sweep/clock"


def doubt_directory(database: str) -> str:
    """Return the directory of a database's doubts, as a LIST of all directories shows it."""
    return f"_doubt-{database}"


def doubt_key(database: str, txid: int) -> str:
    return f"{doubt_directory(database)}/{txid:016x}"


def parse_doubt_key(key: str) -> tuple[str, int] | None:
    """Return the database and the transaction of a doubt; None for any other key."""
    return _database_and_txid(_DOUBT_KEY, key)


def _database_and_txid(pattern: re.Pattern[str], key: str) -> tuple[str, int] | None:
    match = pattern.fullmatch(key)
    return (match[1], int(match[2], 16)) if match and DATABASE_NAME.fullmatch(match[1]) else None


def doubts_complete_key() -> str:
    return "_doubts/complete"


def streams_prefix() -> str:
    return "_streams/"


def stream_key(sha256: str) -> str:
    """Return the key of an open transaction that is too large for its token. `sha256`: of the object, in hex."""
    return f"{streams_prefix()}{sha256}"


def transactions_key() -> str:
    """Return the key of the object with the secret that authenticates tokens."""
    return f"{PRIVATE_PREFIX}transactions"


def cancel_prefix() -> str:
    return "_cancel/"


def cancel_key(digest: str) -> str:
    """Return the key of the marks of a request. `digest`: 32 hex digits."""
    return f"{cancel_prefix()}{digest}"


def is_reply_key(key: str) -> bool:
    return _REPLY_KEY.fullmatch(key) is not None


def is_rows_key(key: str) -> bool:
    return _ROWS_KEY.fullmatch(key) is not None


def database_names(directories: Iterable[str]) -> list[str]:
    """Return the names of databases among the directories of the store."""
    return [name for name in directories if DATABASE_NAME.fullmatch(name)]
