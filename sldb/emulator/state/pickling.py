"""moto's objects as bytes, and back.

Bytes of 64 KiB and more, the code of functions, are stored once and referred to by their hash. The objects and the
uploads of a bucket are left out: objects have rows of their own, and an upload ends with the process.
"""

from __future__ import annotations

import hashlib
import io
import pickle  # nosec B403 - of files that the emulator itself wrote, below the user's own folder
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from moto.s3.models import FakeBucket, MultipartDict
from moto.s3.utils import _VersionedKeyStore

LARGE_BYTES = 65_536
_PROTOCOL = 5


def dump(found: Any, put_large: Callable[[str, bytes], None] | None = None) -> bytes:
    """Return an object as bytes. `put_large` stores large bytes by their hash; without it they stay in the result."""
    buffer = io.BytesIO()
    _Pickler(buffer, put_large).dump(found)
    return buffer.getvalue()


def load(content: bytes, large: Callable[[str], bytes]) -> Any:
    """Return the object. `large` returns the bytes with a hash."""
    return _Unpickler(io.BytesIO(content), large).load()


def dump_bucket(bucket: FakeBucket) -> bytes:
    """Return a bucket without its objects and uploads."""
    bare = FakeBucket.__new__(FakeBucket)
    bare.__dict__.update({**bucket.__dict__, "keys": _VersionedKeyStore(), "multiparts": MultipartDict()})
    return pickle.dumps(bare, _PROTOCOL)


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, put_large: Callable[[str, bytes], None] | None) -> None:
        super().__init__(file, _PROTOCOL)
        self._put_large = put_large

    def persistent_id(self, obj: Any) -> Any:
        if self._put_large is None or type(obj) is not bytes or len(obj) < LARGE_BYTES:
            return None
        sha256 = hashlib.sha256(obj).hexdigest()
        self._put_large(sha256, obj)
        return sha256

    def reducer_override(self, obj: Any) -> Any:
        """Save what pickle refuses: weak references, a local function that makes empty dictionaries, keys of KMS."""
        if isinstance(obj, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            return _private_key, (_der(obj),)
        if type(obj) is WeakValueDictionary:
            return _weak, (dict(obj),)
        if type(obj) is defaultdict and "<lambda>" in getattr(obj.default_factory, "__qualname__", ""):
            assert obj.default_factory is not None
            return defaultdict, (type(obj.default_factory()),), None, None, iter(obj.items())
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, large: Callable[[str], bytes]) -> None:
        super().__init__(file)
        self._large = large

    def persistent_load(self, pid: Any) -> bytes:
        return self._large(pid)


def _weak(entries: dict[str, Any]) -> WeakValueDictionary[str, Any]:
    return WeakValueDictionary(entries)


def _der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _private_key(der: bytes) -> Any:
    return serialization.load_der_private_key(der, password=None)
