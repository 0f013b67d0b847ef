"""By which way the bytes of a push or pull go.

    directory   a local target: files on this disk
    bucket      straight to and from the bucket, with the user's own rights, and without the function
    function    by addresses that the function signs, with no right but to invoke it

Of a deployed stack both are tried, the bucket first; what a push has brought by one the other one finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.push_pull.presigned import AddressCarrier
from sldb.push_pull.transport import Carrier
from sldb.targets.aws_lambda import LambdaTarget

T = TypeVar("T")

WAYS = ("bucket", "function")
_ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Way:
    name: str
    client: Client
    carrier: Carrier


def by_first(client: Client, through: str | None, attempt: Callable[[Way], T], note: Callable[[str], None]) -> T:
    """What `attempt` returns by the first way that lets it. `through`: the only one to try. Raises SldbError."""
    if not isinstance(client.target, LambdaTarget):
        if through is not None:
            raise SldbError("bad_request", f"--through {through} is for a deployed stack, not for {client.target.name}")
        with _directory(client) as way:
            return attempt(way)
    if through != "function":
        try:
            with _bucket(client, client.target) as way:
                return attempt(way)
        except SldbError as error:
            if through == "bucket" or not _is_refusal(error):
                raise
            note("no way to the bucket with your own rights: through the function")
    with _function(client, client.target) as way:
        return attempt(way)


def _is_refusal(error: SldbError) -> bool:
    """Whether another way may do what this one could not; never, where it is not known whether it has been done."""
    return error.code == "store_error" and error.details.get("applied") != "unknown"


@contextmanager
def _directory(client: Client) -> Iterator[Way]:
    from sldb.push_pull.direct import StoreCarrier
    from sldb.targets.local import LocalTarget

    assert isinstance(client.target, LocalTarget)
    with closing(StoreCarrier(client.database, client.target.open_store)) as carrier:
        yield Way("directory", client, carrier)


@contextmanager
def _bucket(client: Client, target: LambdaTarget) -> Iterator[Way]:
    from sldb.push_pull.direct import StoreCarrier
    from sldb.targets.bucket import BucketTarget

    bucket = BucketTarget(target.deployed_function, target.aws)
    with closing(StoreCarrier(client.database, bucket.open_store)) as carrier:
        yield Way("bucket", replace(client, target=bucket), carrier)


@contextmanager
def _function(client: Client, target: LambdaTarget) -> Iterator[Way]:
    from sldb.aws.http import PlainHttp

    http = PlainHttp(target.aws, _ANSWER_SECONDS)
    try:
        yield Way("function", client, AddressCarrier(client, http.exchange))
    finally:
        http.close()
