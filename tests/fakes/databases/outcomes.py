"""The outcomes of requests: their errors, and the keys in the store."""

from __future__ import annotations

import pytest

from lambda_handlers.wire import Request, SldbError
from tests.fakes.databases.service import run


def refused(service, query, params=None, **fields):
    """The error of a request, after a look that nothing was applied."""
    before = service.reply(Request.decode({"query": "SELECT 1"})).txid
    with pytest.raises(SldbError) as caught:
        run(service, query, params, **fields)
    assert service.reply(Request.decode({"query": "SELECT 1"})).txid == before
    return caught.value


def keys(store, database="main"):
    return [info.key for info in store.list_objects(f"{database}/")]
