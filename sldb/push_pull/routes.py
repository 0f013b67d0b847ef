"""The routes for the bytes of a push or pull.

    directory   a local target: files on this disk
    bucket      directly to and from the bucket, with the user's own rights, and without the function
    function    by URLs signed by the function, with no right but to invoke it; through its requests, in slices, if its
                store has no URLs, such as EFS

For a deployed stack both are tried, the bucket first; parts sent by one are found by the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.push_pull.presigned import NoUrls, PresignedTransport
from sldb.push_pull.sliced import SlicedTransport
from sldb.push_pull.transport import Transport
from sldb.targets.aws_lambda import LambdaTarget
from sldb.targets.https import HttpsTarget

T = TypeVar("T")

_ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    client: Client
    transport: Transport


def try_routes(client: Client, through: str | None, attempt: Callable[[Route], T], note: Callable[[str], None]) -> T:
    """Return the result of `attempt` by the first working route. `through`: the only one to try. Raises SldbError."""
    if isinstance(client.target, HttpsTarget):
        if through not in (None, "function"):
            raise SldbError("bad_request", f"--through {through} is for a deployed stack, not for {client.target.name}")
        return _try_url(client, client.target, attempt)
    if not isinstance(client.target, LambdaTarget):
        if through is not None:
            raise SldbError("bad_request", f"--through {through} is for a deployed stack, not for {client.target.name}")
        with _directory(client) as route:
            return attempt(route)
    if through != "function":
        try:
            with _bucket(client, client.target) as route:
                return attempt(route)
        except SldbError as error:
            if through == "bucket" or not _is_refusal(error):
                raise
            note("the bucket is not accessible with your own rights: through the function")
    try:
        with _function(client, client.target) as route:
            return attempt(route)
    except NoUrls:  # raised before the first byte is sent
        return attempt(Route("function", client, SlicedTransport(client)))


def _try_url(client: Client, target: HttpsTarget, attempt: Callable[[Route], T]) -> T:
    """Return the result of `attempt` through the function behind a URL. Raises SldbError, `bad_request` for
    files that have no URLs: of a directory behind `sldb serve`, or of a stack's file system."""
    try:
        with _function(client, target) as route:
            return attempt(route)
    except NoUrls as error:
        raise SldbError(
            "bad_request",
            f"{target.name} serves a directory or a file system, and whole files do not move over HTTP",
            "use --local DIR on its machine, or --stack NAME; `import` and `export -o x.sqlite` work over HTTP, too",
            applied="no",
        ) from error


def _is_refusal(error: SldbError) -> bool:
    """Return True if another route may succeed; never, if this one may have succeeded."""
    return error.code == "store_error" and error.details.get("applied") != "unknown"


@contextmanager
def _directory(client: Client) -> Iterator[Route]:
    from sldb.push_pull.direct import DirectTransport
    from sldb.targets.local import LocalTarget

    assert isinstance(client.target, LocalTarget)
    with closing(DirectTransport(client.database, client.target.open_store)) as transport:
        yield Route("directory", client, transport)


@contextmanager
def _bucket(client: Client, target: LambdaTarget) -> Iterator[Route]:
    from sldb.push_pull.direct import DirectTransport
    from sldb.targets.bucket import BucketTarget

    bucket = BucketTarget(target.deployed_function, target.aws)
    with closing(DirectTransport(client.database, bucket.open_store)) as transport:
        yield Route("bucket", replace(client, target=bucket), transport)


@contextmanager
def _function(client: Client, target: LambdaTarget | HttpsTarget) -> Iterator[Route]:
    from sldb.aws.http import PlainHttp

    http = PlainHttp(target.aws, _ANSWER_SECONDS)
    try:
        yield Route("function", client, PresignedTransport(client, http.exchange))
    finally:
        http.close()
