"""The tests of `make interop`: it installs the servers and passes their place (SLDB_INTEROP).

A module of tests names its SERVER, started for the module; contract.py has the common tests.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from lambda_handlers.settings import Settings
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.stores.s3 import closed, plain_s3, probed_s3
from tests.interop.servers import SERVERS, Server

if not os.environ.get("SLDB_INTEROP"):
    collect_ignore_glob = ["test_*"]

pytest.register_assert_rewrite("tests.interop.contract", "tests.lambda_handlers.store.test_protocol")

# What a server does otherwise than S3, where no database is in danger: our keys need none of it.
_ORDER = "it lists a directory before a sibling of its name with a -"
LACKS = {
    (
        "localstack",
        "test_delete_version_takes_no_later_one",
    ): "no conditional delete: objects of free locks stay",
    ("seaweedfs", "test_a_directory_goes_with_its_last_object"): "a directory stays when its last object goes",
    ("seaweedfs", "test_a_listing_goes_on_behind_any_key"): _ORDER,
    ("seaweedfs", "test_objects_are_listed_in_order_of_their_keys"): _ORDER,
}


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    name = request.module.SERVER
    with SERVERS[name](tmp_path_factory.mktemp(name)) as server:
        yield server


@pytest.fixture
def settings(server: Server) -> Settings:
    """The settings of a store of its own."""
    return server.settings(f"stores/{uuid.uuid4().hex}")


@pytest.fixture
def store(server: Server, settings: Settings, request: pytest.FixtureRequest) -> Iterator[ObjectStore]:
    """The store as in a container."""
    if reason := LACKS.get((server.name, request.function.__name__)):
        request.applymarker(pytest.mark.xfail(reason=reason))
    with closed(probed_s3(settings)) as store:
        yield store


@pytest.fixture
def s3_store(store: ObjectStore) -> ObjectStore:
    return store


@pytest.fixture
def plain(settings: Settings) -> Iterator[ObjectStore]:
    """Without the probe, and with parts."""
    with closed(plain_s3(settings)) as store:
        yield store


@pytest.fixture(params=["none", "s3", "security-group"])
def lock(request: pytest.FixtureRequest, server: Server) -> str:
    if request.param == "security-group" and server.name != "ministack":
        pytest.skip(f"{server.name} runs here without EC2")
    return str(request.param)
