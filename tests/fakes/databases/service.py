"""Containers for tests: the real service over any store, in this process."""

from __future__ import annotations

import tempfile
from typing import Any

from lambda_handlers.host import Host
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Reply, Request


def container(store: ObjectStore, lock: WriteLock | None = None, host: Host | None = None, **settings: Any) -> Service:
    """A fresh container. Without a lock it is one of kind none."""
    host = host or Host()
    settings = {"store": "file:///unused", "lock": "s3" if lock else "none", "log_level": "error", **settings}
    return Service(Settings(temp_dir=tempfile.gettempdir(), **settings), host, store, lock or NoLock(host))


def run(service: Service, query: str, params: Any = None, **fields: Any) -> Reply:
    """The reply to one query, by way of the event's form; raises SldbError."""
    return service.reply(Request.decode({"query": query, "params": params, **fields}))
