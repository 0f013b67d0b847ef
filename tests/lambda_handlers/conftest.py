"""Containers over a store in memory."""

from __future__ import annotations

import pytest

from tests.fakes.databases.service import container as new_container
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def store():
    return memory_store()


@pytest.fixture
def container():
    """Makes containers, and closes them all at the end."""
    made = []

    def make(*args, **settings):
        made.append(new_container(*args, **settings))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(container, store):
    return container(store)
