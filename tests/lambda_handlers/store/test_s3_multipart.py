"""What may go wrong with each of the four calls of a multipart upload, over HTTP, and what is left then."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import boto3
import pytest

from lambda_handlers.aws import connections
from lambda_handlers.settings import Credentials
from lambda_handlers.shared.endpoints import Endpoint
from lambda_handlers.store import s3_multipart, s3_requests
from lambda_handlers.store.protocol import PART_BYTES, AlreadyExists, CopyOf, NotFound, Refused, StoreError, Unavailable
from lambda_handlers.store.s3_multipart import create, in_parts
from lambda_handlers.store.s3_requests import S3Requests
from tests.fakes.aws.moto_server import Aws, free_port, serve_aws

ROOT = Path(s3_multipart.__file__).parents[2]
Environ: TypeAlias = dict[str, Any]
Act: TypeAlias = Callable[[], "tuple[str, list[Any], bytes]"]
Fault: TypeAlias = Callable[[Environ, Act], "tuple[str, list[Any], bytes]"]

BEGIN, PART, COMPLETE, ABORT = "POST uploads", "PUT part", "POST complete", "DELETE"
THREE_PARTS = [b"a" * PART_BYTES, b"b" * PART_BYTES, b"the end"]


def xml(status: str, code: str) -> tuple[str, list[Any], bytes]:
    return status, [], f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()


def answers(status: str, code: str) -> Fault:
    """Instead of doing it."""
    return lambda environ, act: xml(status, code)


def lose_answer(environ: Environ, act: Act) -> tuple[str, list[Any], bytes]:
    act()
    return xml("500 Internal Server Error", "InternalError")


def drop(environ: Environ, act: Act) -> tuple[str, list[Any], bytes]:
    """The connection ends before anything is done."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def drop_after(environ: Environ, act: Act) -> tuple[str, list[Any], bytes]:
    act()
    return drop(environ, act)


class Server:
    """An S3 with a plan of faults for each of the calls."""

    def __init__(self, aws: Aws) -> None:
        self.url = aws.url
        self.client = boto3.client(
            "s3", "us-east-1", endpoint_url=aws.url, aws_access_key_id="k", aws_secret_access_key="s"
        )
        self.plans: dict[str, list[Fault]] = {}
        self.calls: list[str] = []
        self.peers: set[Any] = set()
        self._inner = aws._application
        aws._application = self.answer

    def answer(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        call = kind_of(environ)
        self.calls.append(call)
        self.peers.add((environ["REMOTE_ADDR"], environ.get("REMOTE_PORT")))
        plan = self.plans.get(call)
        fault = plan.pop(0) if plan else None
        started: list[Any] = []

        def act() -> tuple[str, list[Any], bytes]:
            body = b"".join(self._inner(environ, lambda *answer: started.extend(answer)))
            return started[0], started[1], body

        status, headers, body = fault(environ, act) if fault else act()
        start_response(status, headers or [("Content-Length", str(len(body)))])
        return [body]

    def body(self, key: str) -> bytes | None:
        try:
            return bytes(self.client.get_object(Bucket="bucket", Key=f"p/{key}")["Body"].read())
        except self.client.exceptions.NoSuchKey:
            return None

    def uploads(self) -> int:
        return len(self.client.list_multipart_uploads(Bucket="bucket").get("Uploads", []))


def kind_of(environ: Environ) -> str:
    query = environ["QUERY_STRING"]
    if "partNumber=" in query:
        return PART
    if "uploadId=" in query:
        return COMPLETE if environ["REQUEST_METHOD"] == "POST" else environ["REQUEST_METHOD"]
    return BEGIN if "uploads" in query and environ["REQUEST_METHOD"] == "POST" else "other"


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    with serve_aws() as aws:
        server = Server(aws)
        server.client.create_bucket(Bucket="bucket")
        yield server
        server.client.close()


@pytest.fixture
def server(served: Server) -> Iterator[Server]:
    listed = served.client.list_objects_v2(Bucket="bucket").get("Contents", [])
    for entry in listed:
        served.client.delete_object(Bucket="bucket", Key=entry["Key"])
    for upload in served.client.list_multipart_uploads(Bucket="bucket").get("Uploads", []):
        served.client.abort_multipart_upload(Bucket="bucket", Key=upload["Key"], UploadId=upload["UploadId"])
    served.plans, served.calls = {}, []
    yield served
    served.plans = {}


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def requests(server: Server, pauses: list[float]) -> Iterator[S3Requests]:
    made = S3Requests(
        "us-east-1", Credentials("k", "s"), "bucket", "p", Endpoint(f"{server.url}/bucket"), sleep=pauses.append
    )
    yield made
    made.close()


PASSING = [
    answers("500 Internal Server Error", "InternalError"),
    answers("503 Slow Down", "SlowDown"),
    answers("400 Bad Request", "RequestTimeout"),
    answers("200 OK", "InternalError"),
    drop,
]


@pytest.mark.sampled
@pytest.mark.parametrize("call", [BEGIN, PART, COMPLETE])
@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_tried_again(
    server: Server, requests: S3Requests, pauses: list[float], call: str, fault: Fault
) -> None:
    server.plans[call] = [fault, fault]
    create(requests, "a", THREE_PARTS)

    assert server.body("a") == b"".join(THREE_PARTS)
    assert server.uploads() == 0
    # Parts wait side by side, so that each of the two may have met its own part's first try.
    assert sorted(pauses) in ([0.2, 0.4], [0.2, 0.2])


@pytest.mark.parametrize("call", [BEGIN, PART])
@pytest.mark.parametrize("fault", [lose_answer, drop_after])
def test_a_lost_answer_before_the_completion_costs_a_try(
    server: Server, requests: S3Requests, call: str, fault: Fault
) -> None:
    server.plans[call] = [fault]
    create(requests, "a", THREE_PARTS)

    assert server.body("a") == b"".join(THREE_PARTS)


@pytest.mark.parametrize("fault", [lose_answer, drop_after])
def test_a_completion_that_is_repeated_may_be_known_as_such(server: Server, requests: S3Requests, fault: Fault) -> None:
    server.plans[COMPLETE] = [fault]
    create(requests, "a", THREE_PARTS)

    assert server.body("a") == b"".join(THREE_PARTS)


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (answers("412 Precondition Failed", "PreconditionFailed"), AlreadyExists),
        (answers("404 Not Found", "NoSuchUpload"), Unavailable),
    ],
)
@pytest.mark.parametrize("first", [lose_answer, drop_after])
def test_a_completion_that_is_repeated_may_meet_its_own_object(
    server: Server, requests: S3Requests, first: Fault, second: Fault, error: type[StoreError]
) -> None:
    """Never a definite no: whoever asked finds out by reading the object's header."""
    server.plans[COMPLETE] = [first, second]
    with pytest.raises(error):
        create(requests, "a", THREE_PARTS)

    assert server.body("a") == b"".join(THREE_PARTS)


@pytest.mark.parametrize(
    "refusal",
    [("403 Forbidden", "AccessDenied"), ("404 Not Found", "NoSuchUpload"), ("400 Bad Request", "ExpiredToken")],
)
def test_a_refusal_after_a_lost_answer_is_no_definite_no(
    server: Server, requests: S3Requests, refusal: tuple[str, str]
) -> None:
    server.plans[COMPLETE] = [drop_after, answers(*refusal)]
    with pytest.raises(Unavailable):
        create(requests, "a", THREE_PARTS)

    assert server.body("a") == b"".join(THREE_PARTS)


@pytest.mark.parametrize("call", [BEGIN, PART, COMPLETE])
@pytest.mark.parametrize("fault", [answers("503 Slow Down", "SlowDown"), answers("200 OK", "InternalError"), drop])
def test_what_does_not_pass_is_unavailable_and_nothing_is_left(
    server: Server, requests: S3Requests, pauses: list[float], call: str, fault: Fault
) -> None:
    server.plans[call] = [fault] * 100
    with pytest.raises(Unavailable, match="a: "):
        create(requests, "a", THREE_PARTS)

    assert s3_requests.TRIES <= server.calls.count(call) <= s3_requests.TRIES * len(THREE_PARTS)
    assert max(pauses) < 5
    assert (server.body("a"), server.uploads()) == (None, 0)


def test_half_an_answer_to_the_completion_is_none(server: Server, requests: S3Requests) -> None:
    """S3 keeps the connection alive with blanks while it assembles; what ends there has not succeeded."""
    server.plans[COMPLETE] = [lambda *_: ("200 OK", [], b'<?xml version="1.0" encoding="UTF-8"?>\n  \n')] * 100
    with pytest.raises(Unavailable):
        create(requests, "a", THREE_PARTS)


@pytest.mark.parametrize(
    ("status", "code"),
    [("412 Precondition Failed", "PreconditionFailed"), ("409 Conflict", "ConditionalRequestConflict")],
)
def test_a_conflict_at_the_completion_is_an_object_that_exists(
    server: Server, requests: S3Requests, status: str, code: str
) -> None:
    server.plans[COMPLETE] = [answers(status, code)]
    with pytest.raises(AlreadyExists):
        create(requests, "a", THREE_PARTS)

    assert (server.body("a"), server.uploads()) == (None, 0)


@pytest.mark.parametrize("call", [BEGIN, PART])
def test_a_conflict_anywhere_else_says_nothing_about_the_object(
    server: Server, requests: S3Requests, call: str
) -> None:
    server.plans[call] = [answers("409 Conflict", "InvalidBucketState")] * 100
    with pytest.raises(Unavailable):
        create(requests, "a", THREE_PARTS)


@pytest.mark.parametrize("call", [BEGIN, PART, COMPLETE])
def test_no_permission_is_refused_at_once(server: Server, requests: S3Requests, pauses: list[float], call: str) -> None:
    server.plans[call] = [answers("403 Forbidden", "AccessDenied")] * 100
    with pytest.raises(Refused, match="AccessDenied"):
        create(requests, "a", THREE_PARTS)

    assert pauses == []
    assert server.uploads() == 0


def test_no_bucket_is_refused(server: Server) -> None:
    requests = S3Requests(
        "us-east-1", Credentials("k", "s"), "nobody-has-this", "p", Endpoint(f"{server.url}/nobody-has-this")
    )
    with pytest.raises(Refused, match="NoSuchBucket"):
        create(requests, "a", THREE_PARTS)
    requests.close()


@pytest.mark.parametrize("call", [PART, COMPLETE])
def test_an_upload_that_is_gone_is_not_an_object_that_is_not_found(
    server: Server, requests: S3Requests, call: str
) -> None:
    server.plans[call] = [answers("404 Not Found", "NoSuchUpload")] * 100
    with pytest.raises(Unavailable):
        create(requests, "a", THREE_PARTS)


@pytest.mark.parametrize("after", [1, 2, 9])
def test_what_raises_half_way_is_aborted_after_its_last_part(server: Server, requests: S3Requests, after: int) -> None:
    """A part that comes behind the abort would be kept and paid for."""

    def parts() -> Iterator[bytes]:
        yield from [b"x" * PART_BYTES] * after
        raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        create(requests, "a", parts())

    assert server.calls[-1] == ABORT
    assert server.calls.count(PART) == after
    assert (server.body("a"), server.uploads()) == (None, 0)


def test_an_abort_that_fails_hides_nothing(server: Server, requests: S3Requests) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt

    server.plans[ABORT] = [answers("500 Internal Server Error", "InternalError")] * 100
    with pytest.raises(KeyboardInterrupt):
        create(requests, "a", parts())

    assert server.calls.count(ABORT) == s3_multipart.ABORT_TRIES


def test_what_should_be_copied_and_is_not_there_is_not_found(server: Server, requests: S3Requests) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        create(requests, "a", [CopyOf("nowhere", 0, 10)])

    assert (server.body("a"), server.uploads()) == (None, 0)


def test_nothing_is_an_object_too(server: Server, requests: S3Requests) -> None:
    for number, parts in enumerate(([], [b""], [CopyOf("x", 0, 0), b""])):
        create(requests, f"empty-{number}", parts)
        assert server.body(f"empty-{number}") == b""


def test_long_ranges_are_copied_in_pieces_of_which_none_is_short(
    server: Server, requests: S3Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bytes(range(251)) * 65_536
    server.client.put_object(Bucket="bucket", Key="p/source ü", Body=source)
    monkeypatch.setattr(s3_multipart, "COPIED_PART_BYTES", 12 << 20)
    create(requests, "a", [CopyOf("source ü", 7, (12 << 20) + 1), b"", b"tail"])

    assert server.body("a") == source[7 : 7 + (12 << 20) + 1] + b"tail"
    assert server.calls.count(PART) == 3


@pytest.mark.parametrize("length", [1, 255, 256, 257, 512, 513, 1000])
def test_ranges_are_whole(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(s3_multipart, "COPIED_PART_BYTES", 256)
    ranges = list(s3_multipart._ranges(CopyOf("a", 5, length)))

    assert [one.start for one in ranges] == [5, *(one.start + one.length for one in ranges[:-1])]
    assert sum(one.length for one in ranges) == length
    assert max(one.length for one in ranges) <= 256
    assert min(one.length for one in ranges) >= max(one.length for one in ranges) - 1


@pytest.mark.parametrize("sizes", [[], [0], [1], [5, 0, 7], [10], [20], [9, 1, 1], [25, 4]])
def test_parts_have_the_same_bytes(monkeypatch: pytest.MonkeyPatch, sizes: list[int]) -> None:
    monkeypatch.setattr(s3_multipart, "PART_BYTES", 10)
    chunks = [bytes([number]) * size for number, size in enumerate(sizes)]
    parts = list(in_parts(chunks))

    assert b"".join(parts) == b"".join(chunks)
    assert all(len(part) == 10 for part in parts[:-1])
    assert all(0 < len(part) <= 10 for part in parts)


def test_of_many_at_once_one_creates(server: Server, requests: S3Requests) -> None:
    won, lost = [], []

    def attempt(name: bytes) -> None:
        try:
            create(requests, "a", [name * PART_BYTES, name])
            won.append(name)
        except AlreadyExists:
            lost.append(name)

    threads = [threading.Thread(target=attempt, args=(bytes([number]),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(won), len(lost)) == (1, 5)
    assert server.body("a") == won[0] * (PART_BYTES + 1)
    assert server.uploads() == 0


def test_nobody_at_home_is_unavailable(pauses: list[float]) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    requests = S3Requests(
        "us-east-1", Credentials("k", "s"), "bucket", "p", Endpoint(f"{nobody}/bucket"), sleep=pauses.append
    )
    with pytest.raises(Unavailable, match="a: no connection") as caught:
        create(requests, "a", [b"x"])

    assert "127.0.0.1" in caught.value.detail  # for the log
    assert caught.value.is_unmade
    assert pauses == [0.2, 0.4, 0.8, 1.6]


# Memory and connections, with a server of its own process: it takes what comes and keeps nothing.

SINK = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

peers, bodies = set(), []

class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        left = int(self.headers.get("content-length") or 0)
        if self.command == "PUT":
            peers.add(self.client_address)
            bodies.append(left)
        while left:
            left -= len(self.rfile.read(min(left, 1 << 16)))
        text = b"<x><UploadId>u</UploadId><ETag>e</ETag></x>"
        if self.command == "GET":
            text = f"{len(peers)} {len(bodies)} {sum(bodies)}".encode()
        self.send_response(200)
        self.send_header("ETag", '"e"')
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_DELETE = answer
    log_message = lambda *_: None

server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def sink() -> Iterator[str]:
    with subprocess.Popen([sys.executable, "-c", SINK], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def test_memory_and_connections_are_few_whatever_the_size(sink: str) -> None:
    from urllib.request import urlopen

    requests = S3Requests("us-east-1", Credentials("k", "s"), "bucket", "", Endpoint(f"{sink}/bucket"))
    chunk = bytes(1 << 20)
    tracemalloc.start()
    try:
        create(requests, "a", in_parts(bytes(chunk) + bytes([number]) for number in range(130)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        requests.close()

    with urlopen(f"{sink}/counts") as answer:
        peers, parts, total = map(int, answer.read().split())
    assert total == 130 * ((1 << 20) + 1)
    assert parts == -(-total // PART_BYTES)
    assert peers <= s3_multipart.PARTS_IN_FLIGHT + 1  # parts share connections, and the first one begins the upload
    assert peak < 64 << 20


def test_a_connection_that_the_server_dropped_is_not_used_again(
    server: Server, requests: S3Requests, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[bool] = []
    really = connections._is_dropped

    def look(connection: Any) -> bool:
        connection.sock.shutdown(socket.SHUT_RD)
        dropped.append(really(connection))
        return dropped[-1]

    monkeypatch.setattr(connections, "_is_dropped", look)
    create(requests, "a", [b"x"])
    create(requests, "b", [b"x"])

    assert all(dropped)
    assert pauses == []


def test_importing_the_store_loads_none_of_it() -> None:
    """A function that reads and commits small transactions pays for no http.client of Python's."""
    code = "import sys, lambda_handlers.store.s3; print([m for m in ('http.client', 'ssl') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)

    assert shown.stdout.strip() == "[]"
