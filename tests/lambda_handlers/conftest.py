"""Containers over a store in memory."""

from __future__ import annotations

import pytest

from lambda_handlers.host import Host
from tests.fakes.databases.service import container as new_container
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def store():
    return memory_store()


@pytest.fixture
def host():
    """The host of each container that is given none."""
    return Host()


@pytest.fixture
def container(host):
    """Makes containers, and closes them all at the end."""
    made = []

    def make(store, lock=None, host=host, **settings):
        made.append(new_container(store, lock, host, **settings))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(container, store):
    return container(store)
