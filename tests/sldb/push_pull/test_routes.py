"""The routes of a push: one refused by S3 fails at once, and the other is tried; no connection outlives it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.service import Service
from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store import s3 as s3_store
from lambda_handlers.store import s3_requests
from lambda_handlers.wire import Action, SldbError
from sldb.aws.options import AwsOptions
from sldb.client import Client
from sldb.progress.protocol import Silent
from sldb.push_pull import direct, encoding, routes
from sldb.push_pull.push import Push
from sldb.push_pull.routes import Route
from sldb.push_pull.source import open_source
from sldb.targets import bucket
from sldb.targets.aws_lambda import LambdaTarget
from sldb.targets.bucket import BucketTarget
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.sqlite_files import Recipe
from tests.fakes.stores.scripted_s3 import BUCKET, SECRETS, Answer, Ask, ScriptedS3, refused, serve_s3

LARGER = Recipe(1024, True, "full", 300, 1000, 30, True, False, True, False, 3, 2)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedS3]:
    monkeypatch.setattr(s3_store, "RETRIES", 1)
    for module in (s3_store, s3_requests, direct):
        monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(encoding, "PART_BYTES", 100_000)
    monkeypatch.setattr("lambda_handlers.actions.transfer.push.MIN_PART_BYTES", 50_000)
    with serve_s3() as s3:
        yield s3


@pytest.fixture
def settings(s3: ScriptedS3) -> Settings:
    return Settings(
        f"s3://{BUCKET}/p",
        lock="none",
        log_level="error",
        temp_dir=tempfile.gettempdir(),
        endpoint_url=s3.url,
        credentials=Credentials("k", "s"),
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.db"
    sqlite_files.make(path, LARGER).close()
    return path


@pytest.fixture
def push(
    settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[], object]], tuple[list[str], dict[str, Any]]]:
    """Push the file to a stack with this S3 as bucket and function; return the routes tried, and the reply.

    `before_function` is called before the second route is tried.
    """

    def open_s3(_settings: Settings) -> s3_store.ObstoreStore:
        return s3_store.open_s3(settings, BUCKET, "p")  # as it is where the S3 is AWS's

    def run(before_function: Callable[[], object]) -> tuple[list[str], dict[str, Any]]:
        tried: list[str] = []
        monkeypatch.setattr(bucket, "_settings_of", lambda _function, _aws: lambda: settings)
        monkeypatch.setattr(bucket, "open_store", open_s3)
        monkeypatch.setattr("lambda_handlers.store.open.open_store", open_s3)

        @contextmanager
        def function(client: Client, _target: LambdaTarget) -> Iterator[Route]:
            before_function()
            with closing(direct.DirectTransport(client.database, lambda: open_s3(settings))) as transport:
                yield Route("function", Client(BucketTarget("f", AwsOptions()), client.database), transport)

        monkeypatch.setattr(routes, "_function", function)

        def attempt(way: Route) -> dict[str, Any]:
            tried.append(way.name)
            with open_source(file, True) as source:
                return Push(way.client, way.transport, Silent(), Host()).run(source, None, lambda _begun: None)

        client = Client(LambdaTarget("f", AwsOptions()), "main")
        return tried, routes.try_routes(client, None, attempt, lambda _text: None)

    return run


PLACES: dict[str, Callable[[Ask], bool]] = {
    "part that is sent": lambda ask: ask.call == "PUT" and "/uploads/" in ask.key,
    "begin": lambda ask: ask.call == "BEGIN",
    "first part": lambda ask: ask.call == "PART",
    "copied part": lambda ask: ask.call == "COPY",
}


@pytest.mark.parametrize("status", [(501, "NotImplemented"), (403, "AccessDenied"), (500, "InternalError")], ids=str)
@pytest.mark.parametrize("place", PLACES)
def test_a_refused_part_gives_way_to_the_other(
    s3: ScriptedS3, push: Callable[..., Any], place: str, status: tuple[int, str]
) -> None:
    asked: list[Ask] = []

    def script(ask: Ask) -> Answer | None:
        if not PLACES[place](ask):
            return None
        asked.append(ask)
        return refused(*status)

    def mend() -> None:
        s3.script = lambda ask: None

    s3.script = script
    tried, reply = push(mend)

    assert (tried, reply["txid"]) == (["bucket", "function"], 1)
    if status[0] != 500:  # told at once: by each of the requests that are under way side by side, with new credentials
        assert len(asked) <= (2 * 6 if "part" in place else 1)
    assert s3.wait_for_connections(0)


@pytest.mark.parametrize("status", [(501, "NotImplemented"), (500, "InternalError")], ids=str)
@pytest.mark.parametrize("place", PLACES)
def test_where_no_way_helps_nothing_was_applied(
    s3: ScriptedS3, push: Callable[..., Any], place: str, status: tuple[int, str]
) -> None:
    s3.script = lambda ask: refused(*status) if PLACES[place](ask) else None
    with pytest.raises(SldbError) as caught:
        push(lambda: None)

    assert caught.value.details["applied"] == "no"
    assert not any(secret in caught.value.message for secret in SECRETS)


def test_a_completion_without_an_answer_is_not_tried_by_another_way(s3: ScriptedS3, push: Callable[..., Any]) -> None:
    s3.script = lambda ask: refused(500, "InternalError") if ask.call == "COMPLETE" else None
    with pytest.raises(SldbError) as caught:
        push(lambda: pytest.fail("the function was tried"))

    assert caught.value.details["applied"] == "unknown"


def test_a_bucket_that_is_used_directly_keeps_no_connection(s3: ScriptedS3, settings: Settings) -> None:
    with closing(Service(settings)) as service:
        service.act(Action("create_database", "main", {}))
        assert s3.open_connections
    assert s3.wait_for_connections(0)
