"""Fixtures of all tests: hypothesis' profiles, and one emulated S3 for the whole run.

HYPOTHESIS_PROFILE=thorough looks longer and differently each time; the default repeats itself, so that a red run is
red again (with the same tests before it in its process: hypothesis also tries constants of the loaded modules).
"""

from __future__ import annotations

import gc
import os
import signal
import threading
import uuid
from collections import defaultdict
from collections.abc import Generator, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import botocore.hooks
import botocore.parsers
import botocore.session
import pytest
from botocore.client import ClientCreator
from botocore.hooks import EVENT_ALIASES, EventAliaser
from botocore.loaders import Loader, create_loader
from botocore.model import ServiceModel
from botocore.utils import parse_timestamp
from hypothesis import HealthCheck, settings

from lambda_handlers.settings import Credentials, Settings
from lambda_handlers.store.protocol import ObjectStore
from tests.running.certificates import trust
from tests.running.long_files import check_long_tests_are_found, may_have_long_tests
from tests.running.sampling import mark_all_but_samples
from tests.running.scheduling import Scheduling, put_slow_first

# How long one example takes depends on the machine; that nothing hangs is pytest-timeout's to see.
_UNTIMED = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", _UNTIMED, max_examples=60, derandomize=True)
settings.register_profile("thorough", _UNTIMED, max_examples=2000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Each session of boto3 looks for the models of its services and reads them anew, for EC2 0.8 s long, and many tests
# begin a session. What one has found serves the others.
_found: dict[str | None, dict[Any, Any]] = defaultdict(dict)  # by the user's path of models


def _create_loader(search_path: str | None = None) -> Loader:
    loader = create_loader(search_path)
    loader._cache = _found[search_path]
    return loader


botocore.session.create_loader = _create_loader

# The methods of a client are made anew for each, for EC2 800 of them in 0.1 s. Those of a service are the same.
_make_methods = ClientCreator._create_methods
_methods: dict[tuple[str, str], dict[str, Any]] = {}  # by the name of the service, and the version of its interface


def _create_methods(creator: ClientCreator, model: ServiceModel) -> dict[str, Any]:
    key = (model.service_name, model.api_version)
    if key not in _methods:
        _methods[key] = _make_methods(creator, model)
    return dict(_methods[key])  # botocore adds to it


ClientCreator._create_methods = _create_methods  # type: ignore[method-assign]  # as intended

# So are the names of events and the signatures of handlers: a third of what is left of a session's beginning.
_event_names: dict[str, str] = {}
_begin_aliaser = EventAliaser.__init__


def _init_aliaser(aliaser: EventAliaser, emitter: Any, aliases: Any = None) -> None:
    _begin_aliaser(aliaser, emitter, aliases)
    if aliases in (None, EVENT_ALIASES):
        aliaser._alias_name_cache = _event_names


EventAliaser.__init__ = _init_aliaser  # type: ignore[method-assign]  # as intended
_accepts_kwargs = botocore.hooks.accepts_kwargs
_accepting: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def _accepts(handler: Any) -> Any:
    function = getattr(handler, "__func__", handler)
    if function not in _accepting:
        _accepting[function] = _accepts_kwargs(function)
    return _accepting[function]


botocore.hooks.accepts_kwargs = _accepts

# The model of a service looks for its operations and shapes as they are asked for; one for all clients does so once.
_make_model = ClientCreator._load_service_model


def _load_service_model(creator: ClientCreator, service_name: str, api_version: str | None = None) -> ServiceModel:
    found, key = creator._loader._cache, (ServiceModel, service_name, api_version)
    if key not in found:
        found[key] = _make_model(creator, service_name, api_version)
    return found[key]  # type: ignore[no-any-return]


ClientCreator._load_service_model = _load_service_model  # type: ignore[method-assign]  # as intended

# All events of a stack are read before each of its operations, and their times parsed, 0.5 ms each.
botocore.parsers.DEFAULT_TIMESTAMP_PARSER = lru_cache(10_000)(parse_timestamp)

# A loss of power ends no test: files need not reach the disk. Tests of syncs put their own function there.
os.fsync = lambda descriptor: os.fstat(descriptor) and None  # type: ignore[assignment,arg-type]

# No test starts a machine, and the images of a region take moto 0.2 s to make, after each of its resets.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

# A shell that starts a job in the background has it ignore Ctrl-C, and children inherit that; tests send it to theirs.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave the modules and tests to no search for garbage: they stay to the end, and it would pass them again and
    again, an eighth of the time of all tests. What tests import later, moto most of all, is passed more rarely."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(5_000, 10, 20)
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    only_long = config.getoption("markexpr") == "long" and collection_path.name.startswith("test_")
    return True if only_long and collection_path.is_file() and not may_have_long_tests(collection_path) else None


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_all_but_samples(items)
    check_long_tests_are_found(items)
    put_slow_first(items)


@pytest.hookimpl(optionalhook=True)  # without the plugin there are no workers
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    return Scheduling(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(tryfirst=True)  # before fixtures
def pytest_runtest_setup(item: pytest.Item) -> None:
    trust(system=item.get_closest_marker("network") is not None)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The endpoint of an emulated S3."""
    from tests.fakes.aws.moto_server import serve_aws

    with serve_aws() as aws:
        yield aws.url


@pytest.fixture(scope="session")
def s3_client(s3_url: str) -> Iterator[Any]:
    """A client of the emulated S3; making one takes as long as several tests."""
    import boto3

    client = boto3.client("s3", "us-east-1", endpoint_url=s3_url, aws_access_key_id="k", aws_secret_access_key="s")
    yield client
    client.close()


@pytest.fixture
def s3_settings(s3_url: str, s3_client: Any) -> Settings:
    """The settings of a store in a bucket of its own."""
    # moto has one state for the whole process, and so also the buckets of the emulator's tests.
    bucket = f"stores-{uuid.uuid4().hex}"
    s3_client.create_bucket(Bucket=bucket)
    return Settings(
        f"s3://{bucket}/stores/one",
        lock="none",
        endpoint_url=s3_url,
        credentials=Credentials("k", "s"),
        large_commits="parts",  # as over AWS's own S3
    )


@pytest.fixture
def s3_store(s3_settings: Settings) -> ObjectStore:
    from tests.fakes.stores.s3 import plain_s3

    return plain_s3(s3_settings)
