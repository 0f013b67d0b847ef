"""A small S3 over HTTP on loopback, with scripted answers and a count of open connections.

    with serve_s3() as s3:
        s3.script = lambda ask: refused(403, "AccessDenied") if ask.call == "PUT" else None

The script gets each request. It returns None to have it carried out, or an answer in its stead; `ask.act()` carries the
request out all the same. It keeps objects in memory, conditions and multipart uploads included; one request at a time.
"""

from __future__ import annotations

import gc
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.fakes.network.forward_proxy import wrap

BUCKET = "the-bucket"
SECRETS = ("arn:aws", "123456789012", "the-role", BUCKET, "REQUEST-ID", "HOST-ID", "<", "http://")  # never in a reply


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drops: bool = False  # closes the connection instead


@dataclass(frozen=True, slots=True)
class Ask:
    method: str
    key: str  # without the bucket
    query: dict[str, str]
    headers: dict[str, str]  # names in lower case
    body: bytes
    _s3: ScriptedS3

    @property
    def call(self) -> str:
        """The kind of request: GET, HEAD, LIST, PUT, CREATE, REPLACE, DELETE, BEGIN, PART, COPY, COMPLETE or ABORT."""
        if "uploads" in self.query:
            return "BEGIN"
        if "partNumber" in self.query:
            return "COPY" if "x-amz-copy-source" in self.headers else "PART"
        if "uploadId" in self.query:
            return "COMPLETE" if self.method == "POST" else "ABORT"
        if "list-type" in self.query:
            return "LIST"
        if self.method == "PUT":
            names = {"if-none-match": "CREATE", "if-match": "REPLACE"}
            return next((call for name, call in names.items() if name in self.headers), "PUT")
        return "DELETE" if self.method in ("POST", "DELETE") else self.method

    def act(self) -> Answer:
        return self._s3.carry_out(self)


def refused(status: int, code: str, headers: dict[str, str] | None = None) -> Answer:
    """Return a refusal of S3's, with secrets that no reply may repeat."""
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>User: '
        "arn:aws:sts::123456789012:assumed-role/the-role/f is not authorized to perform: s3:PutObject on resource: "
        f'"arn:aws:s3:::{BUCKET}/p/db"</Message><BucketName>{BUCKET}</BucketName><RequestId>REQUEST-ID</RequestId>'
        "<HostId>HOST-ID</HostId></Error>"
    )
    return Answer(status, text.encode() if code else b"", headers or {})


DROPPED = Answer(0, drops=True)


class ScriptedS3:
    def __init__(self) -> None:
        self.url = ""
        self.script: Callable[[Ask], Answer | None] = lambda ask: None
        self.now: Callable[[], float] = time.time
        self.asked: list[Ask] = []
        self.objects: dict[str, tuple[bytes, str, float]] = {}  # by key: body, ETag, time
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._guard = threading.RLock()
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()

    @property
    def calls(self) -> list[str]:
        return [ask.call for ask in self.asked]

    @property
    def open_connections(self) -> int:
        with self._changed:
            return len(self._open)

    def wait_for_connections(self, count: int, seconds: float = 10.0) -> bool:
        gc.collect()  # a client in the traceback of an error that was caught is closed no sooner
        with self._changed:
            return self._changed.wait_for(lambda: len(self._open) == count, seconds)

    def note(self, connection: socket.socket, is_open: bool) -> None:
        with self._changed:
            (self._open.add if is_open else self._open.discard)(connection)
            self._changed.notify_all()

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        url = urlsplit(target)
        key = unquote(url.path).lstrip("/").removeprefix(BUCKET).lstrip("/")
        ask = Ask(method, key, dict(parse_qsl(url.query, keep_blank_values=True)), headers, body, self)
        with self._guard:
            self.asked.append(ask)
            return self.script(ask) or ask.act()

    def carry_out(self, ask: Ask) -> Answer:
        with self._guard:
            return getattr(self, "_" + ask.call.lower())(ask)

    def _get(self, ask: Ask) -> Answer:
        if ask.key not in self.objects:
            return refused(404, "NoSuchKey")
        body, etag, at = self.objects[ask.key]
        headers = {"ETag": etag, "Last-Modified": formatdate(at, usegmt=True)}
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", ask.headers.get("range", ""))
        if match is None:
            return Answer(200, body, headers)
        start, end = int(match[1]), min(int(match[2]) + 1, len(body))
        if start >= len(body):
            return refused(416, "InvalidRange")
        return Answer(206, body[start:end], {**headers, "Content-Range": f"bytes {start}-{end - 1}/{len(body)}"})

    _head = _get

    def _put(self, ask: Ask) -> Answer:
        return self._store(ask.key, ask.body)

    def _create(self, ask: Ask) -> Answer:
        return refused(412, "PreconditionFailed") if ask.key in self.objects else self._store(ask.key, ask.body)

    def _replace(self, ask: Ask) -> Answer:
        if ask.key not in self.objects:
            return refused(404, "NoSuchKey")
        is_it = self.objects[ask.key][1] == ask.headers["if-match"]
        return self._store(ask.key, ask.body) if is_it else refused(412, "PreconditionFailed")

    def _store(self, key: str, body: bytes, xml: str = "") -> Answer:
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        self.objects[key] = (body, etag, self.now())
        return Answer(200, xml.encode(), {"ETag": etag})

    def _delete(self, ask: Ask) -> Answer:
        if "if-match" in ask.headers and ask.headers["if-match"] != self.objects.get(ask.key, (b"", ""))[1]:
            return refused(412 if ask.key in self.objects else 404, "PreconditionFailed")
        keys = re.findall(r"<Key>([^<]*)</Key>", ask.body.decode()) if ask.method == "POST" else [ask.key]
        for key in keys:
            self.objects.pop(key, None)
        if ask.method == "DELETE":
            return Answer(204)
        told = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
        return Answer(200, f"<DeleteResult>{told}</DeleteResult>".encode())

    def _list(self, ask: Ask) -> Answer:
        prefix, delimiter = ask.query.get("prefix", ""), ask.query.get("delimiter", "")
        after = ask.query.get("start-after", "")
        found, folders = [], set()
        for key in sorted(key for key in self.objects if key.startswith(prefix) and key > after):
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                continue
            body, etag, at = self.objects[key]
            moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))
            found.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>{moment}</LastModified><ETag>{escape(etag)}</ETag>"
                f"<Size>{len(body)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
        folded = "".join(f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders))
        text = f"<IsTruncated>false</IsTruncated>{''.join(found)}{folded}"
        return Answer(200, f"<ListBucketResult>{text}</ListBucketResult>".encode())

    def _begin(self, ask: Ask) -> Answer:
        name = f"upload-{len(self._uploads)}"
        self._uploads[name] = {}
        return Answer(200, f"<R><UploadId>{name}</UploadId></R>".encode())

    def _part(self, ask: Ask) -> Answer:
        self._uploads[ask.query["uploadId"]][int(ask.query["partNumber"])] = ask.body
        return Answer(200, headers={"ETag": '"part"'})

    def _copy(self, ask: Ask) -> Answer:
        source = unquote(ask.headers["x-amz-copy-source"]).lstrip("/").removeprefix(BUCKET).lstrip("/")
        if source not in self.objects:
            return refused(404, "NoSuchKey")
        first, last = (int(number) for number in ask.headers["x-amz-copy-source-range"][6:].split("-"))
        body = self.objects[source][0][first : last + 1]
        self._uploads[ask.query["uploadId"]][int(ask.query["partNumber"])] = body
        return Answer(200, b"<R><ETag>part</ETag></R>")

    def _complete(self, ask: Ask) -> Answer:
        if ask.query["uploadId"] not in self._uploads:
            return refused(404, "NoSuchUpload")
        if "if-none-match" in ask.headers and ask.key in self.objects:
            return refused(412, "PreconditionFailed")
        parts = self._uploads.pop(ask.query["uploadId"])
        return self._store(ask.key, b"".join(parts[number] for number in sorted(parts)), "<R><ETag>whole</ETag></R>")

    def _abort(self, ask: Ask) -> Answer:
        self._uploads.pop(ask.query["uploadId"], None)
        return Answer(204)


@contextmanager
def serve_s3(certificate: Path | None = None) -> Iterator[ScriptedS3]:
    s3 = ScriptedS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            s3.note(self.connection, True)

        def finish(self) -> None:
            s3.note(self.connection, False)
            super().finish()

        def go(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = s3.answer(self.command, self.path, headers, body)
            if answer.drops:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            told = answer.headers | {"Content-Length": str(len(answer.body))}
            if answer.status in (204, 304):
                told.pop("Content-Length")
            head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
            text = b"" if self.command == "HEAD" or answer.status in (204, 304) else answer.body
            self.wfile.write(f"HTTP/1.1 {answer.status} Status\r\n{head}\r\n".encode() + text)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = go  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Ignore closed connections."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate:
            wrap(server, certificate)
        s3.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield s3
        finally:
            server.shutdown()
            thread.join()
