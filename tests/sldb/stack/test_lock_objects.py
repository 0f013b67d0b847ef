"""The locks in a bucket: one LIST finds them, and those that are there are read, whatever the number of databases."""

from __future__ import annotations

import io
from typing import Any

from lambda_handlers.shared.lock_holder import Holder, encode_held, encode_released, lock_key
from sldb.stack.lock_objects import LockObjects

PREFIX = "databases/"


class Bucket:
    """A client of S3 over one bucket, which counts its requests."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = {f"{PREFIX}{key}": body for key, body in objects.items()}
        self.asked: list[str] = []

    def get_paginator(self, name: str) -> Bucket:
        assert name == "list_objects_v2"
        return self

    def paginate(self, **given: Any) -> Any:
        found = sorted(key for key in self.objects if key.startswith(given["Prefix"]))
        for start in range(0, max(1, len(found)), 2):
            self.asked.append("LIST")
            yield {"Contents": [{"Key": key} for key in found[start : start + 2]]} if found else {}

    def get_object(self, **given: Any) -> Any:
        self.asked.append("GET")
        return {"Body": io.BytesIO(self.objects[given["Key"]]), "ETag": '"tag"'}


def holders(objects: dict[str, bytes]) -> tuple[list[str], list[str]]:
    client: Any = Bucket(objects)
    found = LockObjects(client, "bucket", PREFIX).holders()
    return [holder.database for holder in found], client.asked


def test_one_list_and_a_get_for_each_lock_that_is_there() -> None:
    idle = {f"db-{number}/0000/{1:016x}-{1:016x}.ltx": b"" for number in range(1000)}
    assert holders(idle) == ([], ["LIST"])
    taken = {lock_key(name): encode_held(Holder("0" * 32, name, "0" * 32, 1.0, "INSERT t")) for name in ("a", "b")}
    free = {lock_key("free"): encode_released("0" * 32, "free", 1.0), "_locks/x": b"", lock_key("bad"): b"damaged"}
    names, asked = holders({**idle, **taken, **free})
    assert names == ["a", "b"]
    assert sorted(asked) == ["GET"] * 4 + ["LIST"] * 3
