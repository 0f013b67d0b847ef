"""A server that ignores conditions."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from lambda_handlers.store.conditional_writes import PROBE_KEY
from lambda_handlers.store.open import open_store
from lambda_handlers.store.protocol import Unfit
from tests.fakes.stores.s3 import plain_s3
from tests.interop.servers import rclone


def test_a_server_that_ignores_conditions_is_refused(tmp_path: Path) -> None:
    with rclone(tmp_path) as server:
        settings = server.settings(uuid.uuid4().hex)
        with pytest.raises(Unfit, match="If-None-Match"):
            open_store(settings).create("main/a", b"x")
        assert [info.key for info in plain_s3(settings).list_objects("")] == [PROBE_KEY]
