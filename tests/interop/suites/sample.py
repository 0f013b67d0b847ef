"""A plugin of pytest: of the tests in their order, only each n-th runs (SLDB_EVERY)."""

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    every = int(os.environ["SLDB_EVERY"])
    left_out = [item for number, item in enumerate(items) if number % every]
    items[:] = items[::every]
    config.hook.pytest_deselected(items=left_out)
