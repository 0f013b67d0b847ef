"""The targets of fuzzing, with the rule for any input. A target takes chance, makes one input, and raises on a breach.

Decoders raise the errors expected by their callers and no other; an accepted input is the written one, or complete. The
checksums of half the damaged files are made right again, to reach the code behind them.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import Any, TypeAlias

import apsw
from fastcrc import crc64

from lambda_handlers.database.transaction import token
from lambda_handlers.shared import sealed_json
from lambda_handlers.sql import script
from lambda_handlers.storage.log import keys, ltx
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.pages import atlas
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.page_map import BadPageMap, PageMap
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.wire import ERROR_CODES, Action, Column, Reply, Request, Result, SldbError, Statement, StoredRows
from sldb import sql_text
from sldb.aws.http import HttpReply
from sldb.params.arguments import parse_params
from sldb.shell import reader
from sldb.targets import stored_rows
from sldb.targets.lambda_responses import decode
from tests.fakes.databases.service import container
from tests.fakes.databases.transactions import kept_insert, open_transaction
from tests.fakes.stores.memory import memory_store
from tests.fuzz import fronts
from tests.fuzz.http_targets import batons, http_events, pipelines
from tests.fuzz.mutate import damaged, damaged_json, damaged_text

Target: TypeAlias = Callable[[Random], None]


# The wire

_EVENTS: list[Any] = [
    {"query": "SELECT ?", "params": [1, 2.5, "x", None, {"$blob": "AAE="}, {"$float": "inf"}]},
    {"query": "SELECT :a", "params": {"a": 1, ":b": "x"}, "database": "main", "at": 5, "max_staleness": 1.5},
    {"statements": [{"query": "SELECT 1"}, {"query": "SELECT ?", "params": ["x"]}], "if_txid": 3, "request_id": "r"},
    {"query": "SELECT 1", "at": "2026-11-01T10:00:00Z", "dry_run": True, "timeout": 3, "read_only": True},
    {"query": "SELECT 1", "min_txid": 2, "max_staleness": 60},
    {"query": "SELECT 1", "transaction": {"begin": True, "lastrowid": True}, "create": False},
    {"transaction": {"token": "t", "end": "commit"}, "if_txid": 3},
    {
        "statements": [
            {"query": "SELECT 1", "if": {"is_autocommit": True}},
            {"query": "SELECT 2", "if": {"not": {"ok": 0}}},
        ]
    },
    {"query": "SELECT 1", "on_error": "continue"},
]
_ACTIONS: list[Any] = [
    {"action": "history", "database": "main", "arguments": {"limit": 5, "before": 3}, "timeout": 2},
    {"action": "result", "arguments": {"request_id": "r"}},
    {"action": "cancel", "arguments": {"request_id": "r", "attempt": "a"}},
]
_SHAPES: list[Any] = [
    {"httpMethod": "POST", "requestContext": {}, "body": '{"query": "SELECT 1"}', "isBase64Encoded": False},
    {"rawPath": "/", "requestContext": {"http": {}}, "body": "eyJxdWVyeSI6ICIxIn0=", "isBase64Encoded": True},
    {"Records": [{"messageId": "m", "eventSource": "aws:sqs", "attributes": {}, "body": '{"query": "SELECT 1"}'}]},
]
_REPLY = Reply(
    (Result((Column("a", "INTEGER"),), [(1, "x", None, 1.5, b"\0")], 1), Result(rowcount=2, lastrowid=7)), 5, "main"
)
_REPLIES: list[Any] = [
    {"statusCode": 200, "body": _REPLY.encode()},
    {"statusCode": 200, "body": Reply((Result(stored=StoredRows("https://x", 3)),), 1, "main").encode()},
    {"statusCode": 200, "body": Reply((Result(digest="00"),), 1, "main", transaction={"token": "t"}).encode()},
    {"statusCode": 409, "body": SldbError("conflict", "m", "h", txid=5, holder={"a": 1}).encode()},
    {"statusCode": 400, "body": SldbError("sql_error", "m").in_transaction({"token": "t"}).encode()},
]


def events(chance: Random) -> None:
    """Check that a decoded event is encoded to an equivalent one, and any other is a bad_request."""
    kind, seeds = chance.choice(((Request, _EVENTS), (Action, _ACTIONS)))
    try:
        asked = kind.decode(damaged_json(chance, chance.choice(seeds)))
    except SldbError as error:
        assert error.code == "bad_request"
        assert len(json.dumps(error.encode())) < 20_000
        return
    again = kind.decode(asked.encode())
    assert json.dumps(again.encode()) == json.dumps(asked.encode())


@lru_cache(maxsize=1)
def _service() -> Any:
    return container(memory_store())


def shapes(chance: Random) -> None:
    """Check that any event has a reply, and none is an internal error."""
    reply = _service().handle(damaged_json(chance, chance.choice((*_SHAPES, *_EVENTS, *_ACTIONS))))
    if "batchItemFailures" not in reply:
        body = json.loads(reply["body"]) if isinstance(reply["body"], str) else reply["body"]
        assert reply["statusCode"] == 200 or body["error"]["code"] != "internal", body


def answers(chance: Random) -> None:
    """Check that a client accepts replies, and reports anything else as none."""
    body = json.dumps(damaged_json(chance, chance.choice(_REPLIES))).encode()
    if chance.random() < 0.3:
        body = damaged(chance, body, [body])
    try:
        reply = decode(HttpReply(200, {}, body), "f", Reply.decode)
    except SldbError as error:
        assert error.code in ERROR_CODES
        assert isinstance(error.exit_code, int)
        return
    assert isinstance(reply, Reply)


@lru_cache(maxsize=1)
def _far() -> tuple[bytes, tuple[tuple[Any, ...], ...]]:
    from lambda_handlers.wire import encode_line

    rows = tuple((number, "é" * number, None, bytes(range(number % 250))) for number in range(300))
    gzip = zlib.compressobj(1, zlib.DEFLATED, 31)
    return gzip.compress(b"".join(map(encode_line, rows))) + gzip.flush(), rows


def distant_rows(chance: Random) -> None:
    """Check that exactly the rows sent are read, or there is an error."""
    data, rows = _far()
    body = damaged(chance, data, [data])
    reply = Reply((Result((Column("a", None),), rowcount=len(rows), stored=StoredRows("u", len(rows))),), 1, "main")
    with suppress(SldbError):
        got = stored_rows.fetch(reply, lambda url: iter((body,)), "", sleep=lambda seconds: None)
        assert got.rows == list(rows)


# Storage


@lru_cache(maxsize=1)
def _files() -> list[tuple[bytes, list[tuple[int, bytes]]]]:
    """LTX files, each with its pages."""
    chance, made = Random(1), []
    for page_size, numbers in ((512, range(1, 30)), (4096, (1, 2, 5, 9)), (65536, (1, 3)), (512, ())):
        pages = [(Pgno(number), chance.randbytes(64) * (page_size // 64)) for number in numbers]
        header = Header(page_size, max(numbers, default=0), 1, 7, 1_790_000_000_000, node_id=5)
        made.append((encode_ltx(header, pages), [(int(pgno), page) for pgno, page in pages]))
    return made


def _signed(data: bytes) -> bytes:
    """Return the file with a checksum of its present contents, as far as they can be read."""
    try:
        head, position = data[: ltx.HEADER_BYTES], ltx.HEADER_BYTES
        page_size, checksum = int.from_bytes(head[8:12], "big"), crc64.go_iso(head)
        while data[position : position + 6] != bytes(6) and position < len(data):
            size = int.from_bytes(data[position + 6 : position + 10], "big")
            import lz4.block

            page = lz4.block.decompress(data[position + 10 : position + 10 + size], uncompressed_size=page_size)
            checksum = crc64.go_iso(data[position : position + 10] + page, checksum)
            position += 10 + size
        checksum = crc64.go_iso(data[position:-8], checksum) | 1 << 63
        return data[:-8] + checksum.to_bytes(8, "big")
    except Exception:  # noqa: BLE001 - it is too damaged to be signed
        return data


def ltx_files(chance: Random) -> None:
    """A file read whole gives exactly its pages, or is corrupt."""
    data, pages = chance.choice(_files())
    body = damaged(chance, data, [other for other, _ in _files()])
    resigned = chance.random() < 0.5
    body = _signed(body) if resigned else body
    step = chance.choice((1 << 20, 1000, 7))
    chunks = (body[start : start + step] for start in range(0, len(body), step))
    try:
        got = [(int(pgno), bytes(page)) for pgno, page in Decoder(chunks, "main/0000/x.ltx").pages()]
    except SldbError as error:
        assert error.code == "corrupt"
        assert error.details["key"] == "main/0000/x.ltx"
        return
    originals = dict(_files())
    assert resigned or got == originals.get(body, pages)


@lru_cache(maxsize=1)
def _maps() -> list[bytes]:
    made = []
    for data, pages in _files():
        decoder = Decoder([data], "k")
        builder = PageMapBuilder(decoder.header)
        for pgno, page in pages:
            builder.add(ltx.compressed(Pgno(pgno), page))
        made.append(builder.build(len(data), carry=True).encode())
    return made


def page_maps(chance: Random) -> None:
    """Check that a decoded map answers lookups, and any other raises BadPageMap."""
    data = chance.choice(_maps())
    body = damaged(chance, data, _maps())
    if chance.random() < 0.5 and len(body) > 8:  # damage behind the checksums
        inner = body[8:]
        with suppress(zlib.error):
            head, rest = body[8:56], zlib.decompressobj().decompress(data[56:], 1 << 20)
            inner = head + zlib.compress(damaged(chance, rest, [rest]))
        body = body[:4] + zlib.crc32(inner).to_bytes(4, "little") + inner
    with suppress(BadPageMap):
        PageMap.decode(body)


def atlases(chance: Random) -> None:
    """Check that a damaged atlas has no page maps, and rubbish with a right checksum none longer than itself."""
    data = atlas.encode({LtxName(9, 1, number): one for number, one in enumerate(_maps(), start=1)}, "main")
    body = damaged(chance, data, [data])
    if body != data:
        assert atlas.decode(body, "main") == {}
    forged = body[:4] + zlib.crc32(body[8:], zlib.crc32(b"main/atlas\n")).to_bytes(4, "little") + body[8:]
    assert sum(map(len, atlas.decode(forged, "main").values())) <= len(forged)


_HEAD_FILES = (HeadFile(LtxName(9, 1, 5), 1000, True), HeadFile(LtxName(1, 6, 7), 100, False))
_HEAD = Head(7, 1.79e9, 3, _HEAD_FILES).encode("main")


def heads(chance: Random) -> None:
    """Check that damaged bytes are no head, and that the fields below a right checksum are checked."""
    body = damaged(chance, _HEAD, [_HEAD])
    assert (Head.decode(body, "main") is None) == (body != _HEAD)
    fields = damaged_json(chance, json.loads(_HEAD))
    head = (
        Head.decode(sealed_json.seal(fields, "main/head.json"), "main") if isinstance(fields, dict) and fields else None
    )
    assert head is None or isinstance(head.txid, int)


_TRANSACTION = open_transaction(1e9, *[kept_insert(number) for number in range(9)], attached={"other": 7})
_TRANSACTION_BODY = token.encode(_TRANSACTION)


def transactions(chance: Random) -> None:
    """Check that the body of a token is a transaction that can be written again, or a bad_request."""
    body = damaged(chance, _TRANSACTION_BODY, [_TRANSACTION_BODY])
    if chance.random() < 0.8:  # damage behind the checksum
        packed = zlib.decompress(_TRANSACTION_BODY)
        body = zlib.compress(damaged(chance, packed, [packed]))
    try:
        found = token.decode(body)
    except SldbError as error:
        assert error.code == "bad_request"
        return
    assert repr(token.decode(token.encode(found))) == repr(found)


def object_keys(chance: Random) -> None:
    """Check that a parsed key is built again."""
    names = ["main/0000/0000000000000001-0000000000000001.ltx", "main/0009/0000000000000001-00000000000000ff.pages"]
    key = damaged_text(chance, chance.choice(names), [*names, "/../", "０٣", "ABCDEF", "\n"])
    found = keys.parse_ltx_key("main", key)
    assert found is None or found.key("main") == key
    mapped = keys.parse_page_map_key("main", key)
    assert mapped is None or key in mapped.page_map_keys("main")
    progress = keys.parse_map_progress_key("main", key)
    assert progress is None or progress.map_progress_key("main") == key


# SQL

_SQL = [
    "SELECT 1; SELECT 'a;b', \"c;d\", `e;f`, [g;h] -- comment; more\n; /* x;y */ SELECT 2",
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT 2; END; SELECT 3;",
    "CREATE TEMP TRIGGER IF NOT EXISTS t INSTEAD OF DELETE ON v BEGIN SELECT CASE WHEN 1 THEN 2 END; END",
    "EXPLAIN CREATE TRIGGER x BEGIN; END; /**/ ;;; -- x\n VACUUM; BEGIN; COMMIT",
    "'it''s' ; \ufeffPRAGMA x ; x'00' ; :a ; $b ; @c ; ?1 ; 1e5 ; 0x1F ; a.b ; -> ; ->> ; /*/ ; */",
]
_TOKENS = [*_SQL, ";", ";;", "'", '"', "`", "[", "]", "/*", "*/", "--", "\n", " BEGIN ", " END ", " CREATE TRIGGER "]


def scripts(chance: Random) -> None:
    """Check both splitters: the pieces are the text, each ends at SQLite's end, and none is two to SQLite."""
    text = damaged_text(chance, chance.choice(_SQL), _TOKENS)
    assert "".join(sql_text.split_statements(text)) == text
    pieces = list(sql_text.split_statements(text))
    for piece in pieces[:-1]:
        assert sqlite3.complete_statement(piece)
    sql_text.is_blank(text)
    with suppress(SldbError):
        reader.read(text)
    try:
        ours = list(script.split(text))
    except SldbError as error:
        assert error.code in ("bad_request", "too_large")
        return
    position = 0
    for piece in ours:
        assert text[piece.offset : piece.offset + len(piece.sql)] == piece.sql
        between = text[position : piece.offset]
        assert not _says(between), between
        position = piece.offset + len(piece.sql)
        assert _statements_in(piece.sql) <= 1, piece.sql
    assert not _says(text[position:])
    for piece in ours[:-1]:
        assert apsw.complete(piece.sql)


def _says(text: str) -> bool:
    """Return True if SQLite would run a part of it."""
    return _statements_in(text) > 0


class _Stop(Exception):
    pass


def _statements_in(text: str) -> int:
    """Return the least number of statements that SQLite's parser finds; a refused one counts."""
    connection = apsw.Connection(":memory:")
    seen = 0

    def count(_cursor: object, sql: str, bindings: object) -> bool:
        nonlocal seen
        seen += not sql_text.is_blank(sql.replace("\ufeff", " "))  # to SQLite that is space
        if seen > 1:
            raise _Stop
        return True

    connection.exec_trace = count
    try:
        for _ in connection.execute(text):
            pass
    except _Stop:
        pass
    except apsw.Error:
        seen += seen == 0
    finally:
        connection.close(True)
    return seen


_PARAMS = ["a=1", "n:int=5", "x:null", "b:blob=00ff", "j:json=[1,2]", "r:real=1e5", ":int=7", "=a=b", "t:text=@x", "5"]


def parameters(chance: Random) -> None:
    """Check that `--param` gives values for a request, or a bad_request."""
    texts = [damaged_text(chance, chance.choice(_PARAMS), [*_PARAMS, "@", "é", "9" * 30]) for _ in range(2)]
    if any("@" in text or "file" in text for text in texts):
        return  # would read files
    try:
        params = parse_params(texts)
    except SldbError as error:
        assert error.code == "bad_request"
        return
    with suppress(SldbError):  # text with a lone surrogate, which only a test can type
        request = Request((Statement("SELECT 1", params),))
        assert repr(Request.decode(request.encode())) == repr(request)


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        *(events, shapes, answers, distant_rows, ltx_files, page_maps, atlases, heads),
        *(transactions, object_keys, scripts, parameters, http_events, pipelines, batons),
        *(fronts.fronts, fronts.callers, fronts.callers_tokens),
    )
}


def cases(name: str, first: int, count: int | None = None) -> Iterator[int]:
    """Run the target with one seed after the other; a failure names its seed."""
    target, number = TARGETS[name], first
    while count is None or number < first + count:
        try:
            target(Random(f"{name}/{number}"))
        except Exception as error:
            raise AssertionError(f"{name}, seed {number}: python -m tests.fuzz {name} {number}") from error
        yield number
        number += 1
