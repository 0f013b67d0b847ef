"""The module of PEP 249, which the package `sldb` itself is: docs/python.md.

    import sldb
    with sldb.connect("lambda", "main") as connection:
        connection.execute("INSERT INTO test (name) VALUES (?)", ("x",))

It is much like the module sqlite3. The differences: transactions may last over hours and conflict at COMMIT
(`OperationalError.retryable`), and there are no callbacks into the program.
"""

from sldb.dbapi.adapting import (
    PARSE_COLNAMES,
    PARSE_DECLTYPES,
    PrepareProtocol,
    adapt,
    adapters,
    converters,
    register_adapter,
    register_converter,
)
from sldb.dbapi.connecting import connect
from sldb.dbapi.connection import Connection
from sldb.dbapi.cursor import Cursor
from sldb.dbapi.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004 - PEP 249's name
)
from sldb.dbapi.executor import LEGACY_TRANSACTION_CONTROL
from sldb.dbapi.row import Row
from sldb.dbapi.types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)

apilevel = "2.0"
threadsafety = 3  # threads may share connections and cursors
paramstyle = "qmark"  # :name works as well

__all__ = [
    "BINARY",
    "DATETIME",
    "LEGACY_TRANSACTION_CONTROL",
    "NUMBER",
    "PARSE_COLNAMES",
    "PARSE_DECLTYPES",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "PrepareProtocol",
    "ProgrammingError",
    "Row",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "adapt",
    "adapters",
    "apilevel",
    "connect",
    "converters",
    "paramstyle",
    "register_adapter",
    "register_converter",
    "threadsafety",
]
