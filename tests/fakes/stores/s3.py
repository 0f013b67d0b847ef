"""Stores over a real S3 protocol: bare, for tests of single requests, and as in a container."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lambda_handlers.settings import Settings
from lambda_handlers.store.conditional_writes import PROBE_KEY
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.store.s3 import ObstoreStore, open_s3
from tests.fakes.aws.moto_server import Aws

Environ = dict[str, Any]


def plain_s3(settings: Settings) -> ObstoreStore:
    """Return a store without the probe before the first write to a custom endpoint."""
    bucket, _, prefix = settings.store.partition("://")[2].partition("/")
    return open_s3(settings, bucket, prefix)


def probed_s3(settings: Settings) -> ObjectStore:
    """Return an empty store in the state after a container's first write."""
    store = open_store(settings)
    store.put("first", b"")
    store.delete_many(["first", PROBE_KEY])
    return store


@contextmanager
def closed(store: ObjectStore) -> Iterator[ObjectStore]:
    """Its connections end with it: these servers keep them open."""
    try:
        yield store
    finally:
        store.close()


@contextmanager
def altered(aws: Aws, alter: Callable[[Environ], None]) -> Iterator[list[str]]:
    """While it runs, each request is altered before it is answered. Gives the requests: `PUT db/a`, of parts with
    their query."""
    inner, asked = aws._application, list[str]()

    def answer(environ: Environ, start_response: Callable[..., Any]) -> Any:
        alter(environ)
        asked.append(_described(environ))
        return inner(environ, start_response)

    aws._application = answer
    try:
        yield asked
    finally:
        aws._application = inner


def ignore(*names: str, where: Callable[[Environ], bool] = lambda environ: True) -> Callable[[Environ], None]:
    """Return a server that ignores these headers."""

    def alter(environ: Environ) -> None:
        for name in names if where(environ) else ():
            environ.pop("HTTP_" + name.upper().replace("-", "_"), None)

    return alter


def is_completion(environ: Mapping[str, Any]) -> bool:
    return environ["REQUEST_METHOD"] == "POST" and "uploadId=" in environ["QUERY_STRING"]


def _described(environ: Mapping[str, Any]) -> str:
    query = environ["QUERY_STRING"]
    text = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO'].split('/', 2)[-1]}"
    return f"{text}?{query.partition('=')[0]}" if query else text
