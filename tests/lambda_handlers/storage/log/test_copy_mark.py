"""The mark of a copy in progress."""

from __future__ import annotations

from lambda_handlers.storage.log.copy_mark import MARK_BYTES
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_encoder import encode_ltx


def test_a_mark_is_recognised_by_its_size() -> None:
    assert len(encode_ltx(Header(512, 0, 1, 2, 0), ())) == MARK_BYTES
    assert len(encode_ltx(Header(512, 1, 1, 1, 0), [(1, bytes(512))])) > MARK_BYTES
