"""Rows that a reply left in the store: read by the client as if they had come with it, or told to be missing."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lambda_handlers.wire import Reply, Result, SldbError, StoredRows, encode_line
from sldb.aws.http import SignedHttp
from sldb.aws.options import AwsOptions
from sldb.targets import stored_rows
from tests.fakes.databases.service import container, run

ROWS = [(number, "é\n" * 20, None, b"\x00\xff") for number in range(3000)]
OBJECT = gzip.compress(b"".join(map(encode_line, ROWS)))


def reply(url: str = "u", count: int = len(ROWS)) -> Reply:
    return Reply((Result(rowcount=1), Result(rowcount=count, stored=StoredRows(url, count))), 1, "main")


def fetched(*answers: bytes | OSError, count: int = len(ROWS)) -> Reply:
    """What the client makes of the store's answers, one a try."""
    left = list(answers)

    def download(url: str) -> Iterator[bytes]:
        answer = left.pop(0)
        if isinstance(answer, OSError):
            raise answer
        yield from (answer[start : start + 1000] for start in range(0, len(answer), 1000))

    return stored_rows.fetch(reply(count=count), download, "again", sleep=lambda _: None)


def test_rows_take_their_place() -> None:
    assert fetched(OBJECT).results == (Result(rowcount=1), Result(rowcount=len(ROWS), rows=ROWS))


def test_what_breaks_on_the_way_is_read_again() -> None:
    assert fetched(OSError("reset"), OBJECT[:-9], OBJECT).results[1].rows == ROWS


@pytest.mark.parametrize(
    "damaged",
    [
        OBJECT[:-1],
        OBJECT[: len(OBJECT) // 2],
        OBJECT[:-8] + bytes(4) + OBJECT[-4:],  # the checksum
        OBJECT[:500] + bytes([OBJECT[500] ^ 1]) + OBJECT[501:],
        b"",
        b"<Error><Code>AccessDenied</Code></Error>",
        gzip.compress(b"[1]\n[2", mtime=0),
        gzip.compress(b"[1]\n{}\n", mtime=0),
        gzip.compress(b'[{"$blob": 1}]\n', mtime=0),
        gzip.compress(encode_line((1,)), mtime=0),
    ],
)
def test_other_rows_than_these_are_never_taken_for_them(damaged: bytes) -> None:
    with pytest.raises(SldbError) as caught:
        fetched(damaged, damaged, damaged)
    assert (caught.value.code, caught.value.hint) == ("store_error", "again")


def test_too_few_rows_and_too_many() -> None:
    for count in (len(ROWS) - 1, len(ROWS) + 1):
        with pytest.raises(SldbError, match=f"want {count}"):
            fetched(OBJECT, OBJECT, OBJECT, count=count)


@contextmanager
def serving(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert "Authorization" not in self.headers
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/key?X-Amz-Signature=secret"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> Iterator[SignedHttp]:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    http = SignedHttp("lambda", AwsOptions(region="eu-west-1"), 5)
    yield http
    http.close()


def test_a_download(http: SignedHttp) -> None:
    with serving(200, OBJECT) as url:
        assert b"".join(http.download(url)) == OBJECT


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_download_that_fails_does_not_tell_the_key(http: SignedHttp, status: int) -> None:
    with serving(status, b"<Error/>") as url, pytest.raises(OSError) as caught:  # noqa: PT011 - whatever it says
        b"".join(http.download(url))
    assert "secret" not in str(caught.value)


def test_nobody_listens(http: SignedHttp) -> None:
    with pytest.raises(OSError, match="no answer") as caught:
        b"".join(http.download("http://127.0.0.1:1/key?X-Amz-Signature=secret"))
    assert "secret" not in str(caught.value)


def test_by_a_url_that_s3_made(s3_store, http: SignedHttp) -> None:
    """More than one part of an upload."""
    service = container(s3_store, reply_limit_bytes=100_000)
    query = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) SELECT i, randomblob(6000) FROM n"
    )
    run(service, f"CREATE TABLE t AS {query}")
    far = run(service, "SELECT * FROM t")
    service.close()
    local = container(s3_store)
    assert far.rows == []
    assert stored_rows.fetch(far, http.download, "again").rows == run(local, "SELECT * FROM t").rows
    local.close()
