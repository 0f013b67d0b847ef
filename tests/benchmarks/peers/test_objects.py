"""Bodies in parts of memory and of files behave as their bytes, and keys come in order."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.peers.simulator.objects import Body, Bucket, Bytes, FilePart

parts = st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # the file is written anew
@given(parts, st.data())
def test_a_part_of_a_body_is_that_part_of_its_bytes(
    tmp_path: Path, parts: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    whole = b"".join(content for _, content in parts)
    file = tmp_path / "body"
    file.write_bytes(whole)
    pieces, start = list[Bytes | FilePart](), 0
    for in_file, content in parts:
        pieces.append(FilePart(file, start, len(content)) if in_file else Bytes(content))
        start += len(content)
    body = Body(tuple(pieces))
    low = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, len(whole) - low))
    assert len(body) == len(whole)
    assert b"".join(body.part(low, length).pieces()) == whole[low : low + length]
    assert body.md5() == hashlib.md5(whole).hexdigest()


@given(st.sets(st.text("ab/", max_size=4)), st.sets(st.text("ab/", max_size=4)), st.text("ab/", max_size=2))
def test_keys_come_in_order(added: set[str], removed: set[str], prefix: str) -> None:
    bucket = Bucket()
    for key in added:
        bucket.put(key, Body(), "etag")
    for key in removed:
        bucket.delete(key)
    expected = sorted(key for key in added - removed if key.startswith(prefix))
    assert list(bucket.keys(prefix)) == expected
    for key in expected:
        assert list(bucket.keys(prefix, key)) == [each for each in expected if each > key or not key]
