"""Packing: numbers, texts and SQLite values as bytes, compact and exact, for the tokens of transactions.

    number     unsigned, LEB128: 7 bits a byte, the lowest first, the last byte below 128
    bytes      their number, and themselves
    text       the bytes of its UTF-8; lone surrogates, which the text of a statement may hold, as three bytes
    real       8 bytes, IEEE 754, big-endian
    value      one byte for the kind (`_NULL` …), and the content; an INTEGER is a zigzag number (0, -1, 1, -2, …)
    params     one byte for the kind, and for a list or an object its length and its values, each behind its name; for
               many of these the bytes of JSON: a module in C writes and reads that

Equal values give equal bytes. Reading distrusts: `Unpacker` raises ValueError for bytes that end too early, and for any
kind or number that packing does not write.
"""

from __future__ import annotations

import json
import struct

from lambda_handlers.wire import SldbError
from lambda_handlers.wire.values import Bound, Many, Value, decode_many, encode_many

_NULL, _INTEGER, _REAL, _TEXT, _BLOB = range(5)
_NO_PARAMS, _LIST, _OBJECT, _MANY = range(4)
_DOUBLE = struct.Struct(">d")
_MAX_BITS = 64


class Packer:
    """Bytes that grow by what is packed."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def packed(self) -> bytes:
        return bytes(self._bytes)

    def add(self, content: bytes) -> None:
        """Add bytes of a known number."""
        self._bytes += content

    def number(self, number: int) -> None:
        while number > 127:
            self._bytes.append(number & 127 | 128)
            number >>= 7
        self._bytes.append(number)

    def content(self, content: bytes) -> None:
        self.number(len(content))
        self._bytes += content

    def text(self, text: str) -> None:
        self.content(text.encode("utf-8", "surrogatepass"))

    def real(self, number: float) -> None:
        self._bytes += _DOUBLE.pack(number)

    def value(self, value: Value) -> None:
        if value is None:
            self._bytes.append(_NULL)
        elif isinstance(value, int):
            self._bytes.append(_INTEGER)
            self.number(value << 1 if value >= 0 else (~value << 1) | 1)
        elif isinstance(value, float):
            self._bytes.append(_REAL)
            self.real(value)
        elif isinstance(value, str):
            self._bytes.append(_TEXT)
            self.text(value)
        else:
            self._bytes.append(_BLOB)
            self.content(value)

    def params(self, params: Bound) -> None:
        if params is None:
            self._bytes.append(_NO_PARAMS)
        elif isinstance(params, Many):
            self._bytes.append(_MANY)
            self.content(json.dumps(encode_many(params), separators=(",", ":")).encode())
        elif isinstance(params, dict):
            self._bytes.append(_OBJECT)
            self.number(len(params))
            for name, value in params.items():
                self.text(name)
                self.value(value)
        else:
            self._bytes.append(_LIST)
            self.number(len(params))
            for value in params:
                self.value(value)


class Unpacker:
    """The reader of packed bytes, from the first to the last. Every method raises ValueError for other bytes."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._at = 0

    def end(self) -> None:
        """Raise ValueError if there is more."""
        if self._at != len(self._packed):
            raise ValueError(f"{len(self._packed) - self._at} bytes behind the end")

    def take(self, count: int) -> bytes:
        taken = self._packed[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError(f"got {len(taken)} bytes, want {count}")
        self._at += count
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        number = shift = 0
        while (byte := self.byte()) & 128:
            number |= (byte & 127) << shift
            shift += 7
        number |= byte << shift
        if number.bit_length() > _MAX_BITS or (shift and not byte):
            raise ValueError("a number of more bytes than it needs, or of more than 64 bits")
        return number

    def content(self) -> bytes:
        return self.take(self.number())

    def text(self) -> str:
        return self.content().decode("utf-8", "surrogatepass")

    def real(self) -> float:
        number: float = _DOUBLE.unpack(self.take(_DOUBLE.size))[0]
        return number

    def value(self) -> Value:
        kind = self.byte()
        if kind == _NULL:
            return None
        if kind == _INTEGER:
            number = self.number()
            return ~(number >> 1) if number & 1 else number >> 1
        if kind == _REAL:
            return self.real()
        if kind == _TEXT:
            return self.text()
        if kind == _BLOB:
            return self.content()
        raise ValueError(f"a value of kind {kind}")

    def params(self) -> Bound:
        kind = self.byte()
        if kind == _NO_PARAMS:
            return None
        if kind == _LIST:
            return tuple([self.value() for _ in range(self.number())])
        if kind == _OBJECT:
            return {self.text(): self.value() for _ in range(self.number())}
        if kind == _MANY:
            return self._many()
        raise ValueError(f"params of kind {kind}")

    def _many(self) -> Many:
        try:
            return decode_many(json.loads(self.content()), "many")
        except SldbError as error:
            raise ValueError(str(error)) from error
