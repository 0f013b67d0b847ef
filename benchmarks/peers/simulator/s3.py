"""S3's verbs over buckets in memory: a request in, an answer out, no time and no network.

Objects (ranges, If-Match, If-None-Match, versionId), conditional writes, multipart uploads, copies, both forms of
listing, DeleteObjects. Signatures are not checked. A bucket exists as soon as it is named.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5
from itertools import count
from urllib.parse import unquote

from benchmarks.peers.simulator.listing import listing
from benchmarks.peers.simulator.objects import Body, Bucket, Bytes, Object

XML = {"content-type": "application/xml"}
KEPT_HEADERS = ("content-type", "content-encoding", "cache-control")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str  # /bucket/key, not quoted
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case
    body: bytes = b""

    @property
    def place(self) -> tuple[str, str]:
        """The bucket and the key."""
        bucket, _, key = self.path.lstrip("/").partition("/")
        return bucket, key


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Body = field(default_factory=Body)
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None  # the content-length of an answer to HEAD


def verb_of(request: Request) -> str:
    """Return the name by which a request is counted: S3's classes of prices."""
    _, key = request.place
    if request.method == "GET" and not key:
        return "LIST"
    return "PUT" if request.method == "POST" else request.method


class S3:
    def __init__(self) -> None:
        self.buckets: defaultdict[str, Bucket] = defaultdict(Bucket)
        self._uploads: dict[str, dict[int, Object]] = {}
        self._numbers = count(1)

    def answer(self, request: Request) -> Answer:
        name, key = request.place
        bucket = self.buckets[name]
        if not key:
            return self._bucket(request, bucket, name)
        if request.method in ("GET", "HEAD"):
            return _read(request, bucket, key)
        if request.method == "PUT":
            return self._write(request, bucket, key)
        if request.method == "DELETE":
            return self._delete(request, bucket, key)
        return self._post(request, bucket, key)

    def _bucket(self, request: Request, bucket: Bucket, name: str) -> Answer:
        if request.method == "GET" and "location" in request.query:
            return _xml("<LocationConstraint/>")
        if request.method == "GET":
            return _xml(listing(bucket, name, request.query))
        if request.method == "POST":
            keys = re.findall(r"<Key>(.*?)</Key>", request.body.decode(), re.S)
            for key in keys:
                bucket.delete(key.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
            return _xml("<DeleteResult/>")
        return Answer(200, headers={"x-amz-bucket-region": "us-east-1"})

    def _write(self, request: Request, bucket: Bucket, key: str) -> Answer:
        body, etag = self._sent(request)
        if "partNumber" in request.query:
            self._uploads[request.query["uploadId"]][int(request.query["partNumber"])] = Object(body, etag)
            return _copied(etag) if "x-amz-copy-source" in request.headers else Answer(200, headers=_etag(etag))
        if refused := _refused(request, bucket.get(key)):
            return refused
        kept = {name: value for name, value in request.headers.items() if name in KEPT_HEADERS}
        kept |= {name: value for name, value in request.headers.items() if name.startswith("x-amz-meta-")}
        written = bucket.put(key, body, etag, {name: v for name, v in kept.items() if v != "aws-chunked"})
        if "x-amz-copy-source" in request.headers:
            return _copied(etag)
        return Answer(200, headers={**_etag(etag), "x-amz-version-id": written.version})

    def _sent(self, request: Request) -> tuple[Body, str]:
        """Return the body of a PUT, or the bytes that it copies, with the ETag."""
        source = request.headers.get("x-amz-copy-source")
        if source is None:
            return Body((Bytes(request.body),)), md5(request.body, usedforsecurity=False).hexdigest()
        name, _, key = unquote(source).lstrip("/").partition("/")
        found = self.buckets[name].get(key.partition("?versionId")[0])
        assert found, f"no such source: {source}"
        if span := re.match(r"bytes=(\d+)-(\d+)$", request.headers.get("x-amz-copy-source-range", "")):
            low, high = int(span[1]), int(span[2])
            return found.body.part(low, high + 1 - low), found.etag
        return found.body, found.etag

    def _delete(self, request: Request, bucket: Bucket, key: str) -> Answer:
        if "uploadId" in request.query:
            self._uploads.pop(request.query["uploadId"], None)
        elif "if-match" in request.headers and (refused := _refused(request, bucket.get(key))):
            return refused
        else:
            bucket.delete(key)
        return Answer(204)

    def _post(self, request: Request, bucket: Bucket, key: str) -> Answer:
        if "uploads" in request.query:
            upload = f"upload-{next(self._numbers)}"
            self._uploads[upload] = {}
            return _xml(f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")
        if refused := _refused(request, bucket.get(key)):
            return refused
        sent = [part for _, part in sorted(self._uploads.pop(request.query["uploadId"]).items())]
        digest = md5(b"".join(bytes.fromhex(part.etag) for part in sent), usedforsecurity=False).hexdigest()
        etag = f"{digest}-{len(sent)}"
        bucket.put(key, Body(tuple(piece for part in sent for piece in part.body.parts)), etag)
        return _xml(f'<CompleteMultipartUploadResult><ETag>"{etag}"</ETag></CompleteMultipartUploadResult>')


def _read(request: Request, bucket: Bucket, key: str) -> Answer:
    found = bucket.get(key)
    if found is None or request.query.get("versionId", found.version) != found.version:
        return failure(404, "NoSuchKey")
    if refused := _unmet(request, found):
        return refused
    headers = {
        **_etag(found.etag),
        "last-modified": formatdate(found.modified_at, usegmt=True),
        "accept-ranges": "bytes",
        "content-type": "binary/octet-stream",
        **found.headers,
        **({"x-amz-version-id": found.version} if bucket.versioned else {}),
    }
    status, body, whole = 200, found.body, len(found.body)
    if "range" in request.headers:
        span = _range(request.headers["range"], whole)
        if span is None:
            return failure(416, "InvalidRange")
        status, body = 206, found.body.part(*span)
        headers["content-range"] = f"bytes {span[0]}-{span[0] + span[1] - 1}/{whole}"
    return Answer(status, Body() if request.method == "HEAD" else body, headers, len(body))


def _range(text: str, whole: int) -> tuple[int, int] | None:
    """Return start and length of a range of a body of `whole` bytes; None if it has none of them."""
    found = re.match(r"bytes=(\d*)-(\d*)$", text)
    assert found, text
    if not found[1]:
        start, end = max(0, whole - int(found[2])), whole
    else:
        start, end = int(found[1]), min(whole, int(found[2]) + 1 if found[2] else whole)
    return (start, end - start) if start < end else None


def _unmet(request: Request, found: Object) -> Answer | None:
    """Return the refusal of a conditional read."""
    if "if-match" in request.headers and not _matches(request.headers["if-match"], found):
        return failure(412, "PreconditionFailed")
    if "if-none-match" in request.headers and _matches(request.headers["if-none-match"], found):
        return Answer(304, headers=_etag(found.etag))
    return None


def _refused(request: Request, found: Object | None) -> Answer | None:
    """Return the refusal of a conditional write."""
    if request.headers.get("if-none-match") == "*" and found is not None:
        return failure(412, "PreconditionFailed")
    if "if-match" not in request.headers:
        return None
    if found is None:
        return failure(404, "NoSuchKey")
    return None if _matches(request.headers["if-match"], found) else failure(412, "PreconditionFailed")


def _matches(header: str, found: Object) -> bool:
    return header == "*" or found.etag in [each.strip().strip('"') for each in header.split(",")]


def _etag(etag: str) -> dict[str, str]:
    return {"etag": f'"{etag}"'}


def _copied(etag: str) -> Answer:
    return _xml(f'<CopyObjectResult><ETag>"{etag}"</ETag></CopyObjectResult>')


def _xml(text: str, status: int = 200) -> Answer:
    return Answer(status, Body((Bytes(f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()),)), XML)


def failure(status: int, code: str) -> Answer:
    """Return an answer with one of S3's errors."""
    return _xml(f"<Error><Code>{code}</Code><Message>{code}</Message><RequestId>1</RequestId></Error>", status)
