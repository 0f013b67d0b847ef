"""Hashes: `md5`, `sha1`, `sha256` and `sha512` as hexadecimal text; `sha3` as bytes, like that of SQLite's shell.

Text is hashed as UTF-8, and a whole number as its digits. NULL gives NULL.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import apsw

from lambda_handlers.wire import SldbError

SHA3_SIZES = (224, 256, 384, 512)


def hexadecimal(name: str) -> Callable[[apsw.SQLiteValue], str | None]:
    """Return the function for a hash of hashlib's."""

    def digest(value: apsw.SQLiteValue) -> str | None:
        data = _bytes(name, value)
        return None if data is None else hashlib.new(name, data, usedforsecurity=False).hexdigest()

    return digest


def sha3(value: apsw.SQLiteValue, size: apsw.SQLiteValue = 256) -> bytes | None:
    if size not in SHA3_SIZES:
        raise SldbError("sql_error", f"sha3: the size is one of {', '.join(map(str, SHA3_SIZES))}")
    data = _bytes("sha3", value)
    return None if data is None else hashlib.new(f"sha3_{size}", data).digest()


def _bytes(name: str, value: apsw.SQLiteValue) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, float):
        raise SldbError(
            "sql_error",
            f"{name}: a floating-point number has several texts, and so no hash",
            f"write the text that is meant: {name}(printf('%.2f', x)), {name}(CAST(x AS TEXT))",
        )
    return bytes(value)
