"""A service with a user's table, a second database, and credentials in its environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambda_handlers.service import Service
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.lambda_handlers.attacks.attempts import SECRET


@pytest.fixture
def store() -> ObjectStore:
    return memory_store()


@pytest.fixture
def service(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """With a table of the user's, and the table of requests; and credentials in the environment."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    service = container(store, log_level="debug")
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x')", request_id="first")
    run(service, "CREATE TABLE theirs (a); INSERT INTO theirs VALUES ('hidden')", database="other")
    yield service
    service.close()
