"""The client of sldb, a relational database without a server; and its driver of PEP 249: docs/python.md.

Importing this package costs nothing: heavy modules are imported on first use, `sldb.dbapi` with the first of its names.
"""

from typing import TYPE_CHECKING

try:
    from sldb._version import __version__ as __version__
except ModuleNotFoundError:  # a checkout: only a build knows its version, from the tag (docs/wheel_hook.py)
    __version__ = "0+checkout"

if TYPE_CHECKING:
    from sldb.dbapi import *  # noqa: F403 - for type checkers, which do not see `__getattr__`

# The names of sldb.dbapi. Those of submodules must not import it.
_DRIVER = frozenset(
    [
        "apilevel",
        "paramstyle",
        "threadsafety",
        "connect",
        "Connection",
        "Cursor",
        "Row",
        "Warning",
        "Error",
        "InterfaceError",
        "DatabaseError",
        "DataError",
        "OperationalError",
        "IntegrityError",
        "InternalError",
        "ProgrammingError",
        "NotSupportedError",
        "BINARY",
        "DATETIME",
        "NUMBER",
        "ROWID",
        "STRING",
        "Binary",
        "Date",
        "DateFromTicks",
        "Time",
        "TimeFromTicks",
        "Timestamp",
        "TimestampFromTicks",
        "LEGACY_TRANSACTION_CONTROL",
        "PARSE_COLNAMES",
        "PARSE_DECLTYPES",
        "PrepareProtocol",
        "adapt",
        "adapters",
        "converters",
        "register_adapter",
        "register_converter",
    ]
)


def __getattr__(name: str) -> object:
    if name not in _DRIVER:
        raise AttributeError(f"module 'sldb' has no attribute {name!r}")
    from sldb import dbapi

    return getattr(dbapi, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_DRIVER})
