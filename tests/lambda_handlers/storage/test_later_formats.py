"""Stored objects of a later version, in the hands of this one: hints are absent, fields that it does not know are left
alone, and what it must understand and does not is refused by name.

The code of a later version is this one with another number.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable

import pytest

from lambda_handlers.access import tokens
from lambda_handlers.access.callers import BadDocument, Document
from lambda_handlers.shared.lock_holder import decode_object, lock_key
from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.sql.own import request_log
from lambda_handlers.storage.log.keys import LtxName, atlas_key, head_key, transaction
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.pages import atlas, head, page_map
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.page_map_binding import decoded
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Reply, SldbError
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.lambda_handlers.storage.pages.test_page_map import ltx_file, map_of

KEY = transaction(2).key("main")


@pytest.fixture
def store() -> ObjectStore:
    """With a head."""
    made = memory_store()
    service = container(made)
    for statement in ("CREATE TABLE t (a)", *["INSERT INTO t VALUES (1)"] * 16):
        run(service, statement)
    service.close()
    return made


def rewrite(store: ObjectStore, key: str, change: Callable[[bytes], bytes]) -> None:
    body = store.get(key)
    store.delete(key)
    store.create(key, change(body))


def sealed_header(body: bytes) -> bytes:
    return body[:96] + zlib.crc32(body[:96]).to_bytes(4, "big") + body[100:]


@pytest.mark.parametrize(
    "change",
    [lambda body: b"LTX2" + body[4:], lambda body: body[:4] + (4).to_bytes(4, "big") + body[8:]],
    ids=["version", "flags"],
)
def test_a_log_file_is_refused_by_name_and_damage_is_still_damage(
    store: ObjectStore, change: Callable[[bytes], bytes]
) -> None:
    body = store.get(transaction(17).key("main"))
    later = sealed_header(change(body))
    assert Header.decode(body, KEY).has_checksum
    for data, code in ((later, "unsupported"), (change(body), "corrupt")):
        with pytest.raises(SldbError) as caught:
            Header.decode(data, KEY)
        assert (caught.value.code, caught.value.details["key"]) == (code, KEY)
    rewrite(store, transaction(17).key("main"), lambda _: later)
    service = container(store)
    for statement in ("SELECT 1 FROM t", "INSERT INTO t VALUES (2)"):
        with pytest.raises(SldbError, match="later version of sldb"):
            run(service, statement)
    assert not [info for info in store.list_objects("main/0000/") if "12-" in info.key]  # nothing was written


def test_a_head_and_an_atlas_are_absent(store: ObjectStore) -> None:
    key = head_key("main")
    fields = unseal(store.get(key), key)
    assert fields is not None
    rewrite(store, key, lambda _: seal({**fields, "version": fields["version"] + 1}, key))
    assert head.Head.decode(store.get(key), "main") is None
    store.put(atlas_key("main"), b"SLA3" + bytes(20))
    assert atlas.read(store, "main") == {}
    service = container(store)
    assert run(service, "SELECT count(*) FROM t").results[0].rows == [(16,)]
    run(service, "INSERT INTO t VALUES (2)")


def test_a_page_map_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    body = ltx_file([1, 2, 3])
    file = HeadFile(LtxName(1, 1, 2), len(body), is_mapped=True, in_atlas=False)
    assert decoded(map_of(body).encode(), file) is not None
    monkeypatch.setattr(page_map, "_VERSION", 2)
    later = map_of(body).encode()
    monkeypatch.undo()
    assert decoded(later, file) is None


def test_a_lock_is_held_for_its_holder() -> None:
    fields = {"version": 3, "owner": "abc", "created_at": 5.0, "doing": "INSERT t", "database": "main", "new": [1]}
    found = decode_object("main", seal(fields, lock_key("main")))
    assert found is not None
    assert found.holder is not None
    assert found.holder.owner == "abc"


def test_an_entry_of_the_request_log_may_have_more_fields() -> None:
    reply = Reply((), 7, "main")
    body = {**reply.encode(), "of_tomorrow": {"a": 1}}
    entry = zlib.compress(json.dumps(body).encode())
    found = request_log.decode(entry, lambda _: b"")
    assert found is not None
    assert (found.txid, found.database) == (7, "main")


def test_the_list_of_callers_and_their_tokens_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    body = Document((), {}).encode()
    later = body.replace(b'"version":1', b'"version":2').replace(b'"version": 1', b'"version": 2')
    assert later != body
    with pytest.raises(BadDocument, match="another version"):
        Document.decode(later)
    monkeypatch.setattr(tokens, "VERSION", 2)
    token = tokens.make_token(tokens.new_id(bytes(16)), "s" * 40)
    monkeypatch.undo()
    with pytest.raises(tokens.BadToken, match="another version"):
        tokens.read_token(token)
