"""Values on their way: those of Python become SQLite's (adapters), those of columns become Python's (converters).

The rules are those of the module sqlite3: an adapter by the exact type of a value, then the method `__conform__` of the
value; a converter by the first word of a column's declared type, or by a type in brackets in its name. They count for
the whole process. Those of dates, times, decimals and UUIDs are there from the beginning, as ISO 8601 and text.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Column, Row, Value
from sldb.dbapi.errors import InterfaceError, ProgrammingError
from sldb.sql_parameters import slots_of

PARSE_DECLTYPES, PARSE_COLNAMES = 1, 2

Parameters: TypeAlias = "Sequence[Any] | Mapping[str, Any]"
Adapter = Callable[[Any], Any]
Converter = Callable[[bytes], Any]


class PrepareProtocol:
    """The argument of a value's method `__conform__`."""


adapters: dict[tuple[type, type], Adapter] = {}  # by the type of a value, and PrepareProtocol
_ADAPTED_LATER = {("decimal", "Decimal"): str, ("uuid", "UUID"): str}  # modules that most programs do not import
converters: dict[str, Converter] = {}  # by the name of the type in upper case
_NOTHING = object()


def register_adapter(of: type, adapter: Adapter, /) -> None:
    """Have values of exactly this type stored as the adapter returns them."""
    adapters[of, PrepareProtocol] = adapter


def register_converter(name: str, converter: Converter, /) -> None:
    """Have columns of a declared type read with the converter; it gets the value as bytes."""
    converters[name.upper()] = converter


def adapt(value: Any, protocol: Any = PrepareProtocol, alternative: Any = _NOTHING, /) -> Any:
    """Return the value as an adapter makes it, or its own or the protocol's method; else the alternative. Raises
    ProgrammingError if there is none of these."""
    if adapter := adapters.get((type(value), protocol)) or _adapter_later(type(value)):
        return adapter(value)
    for owner, argument, method in ((protocol, value, "__adapt__"), (value, protocol, "__conform__")):
        if hasattr(owner, method):
            found = _asked(owner, method, argument)
            if found is not None:
                return found
    if alternative is _NOTHING:
        raise ProgrammingError("can't adapt")
    return alternative


def _adapter_later(of: type) -> Adapter | None:
    return _ADAPTED_LATER.get((of.__module__, of.__qualname__))


def _asked(owner: Any, method: str, argument: Any) -> Any:
    try:
        # The method of a class is called as that of a value of it.
        return getattr(owner, method)(argument)
    except TypeError:  # it says so that it does not know the other
        return None


def adapted(value: Any) -> Value:
    """Return the value to be stored. Raises ProgrammingError for a type without an adapter, OverflowError for an
    integer of more than 64 bits."""
    of = type(value)
    if of in _PLAIN and (of, PrepareProtocol) not in adapters:
        return _checked(value)
    return _native(adapt(value, PrepareProtocol, value))


_PLAIN = (str, int, float, bytes, type(None))


def _native(value: Any) -> Value:
    """Return a value of a subclass of SQLite's own types, or with a buffer, as one of these."""
    for plain in (int, float, str, bytes):
        if isinstance(value, plain):
            return _checked(value if type(value) is plain else _plain(plain, value))
    if value is None:
        return None
    try:
        return bytes(memoryview(value))
    except TypeError:
        name = type(value).__name__
        raise ProgrammingError(f"type '{name}' is not supported: register_adapter makes it so") from None


def _plain(plain: type, value: Any) -> Any:
    # A subclass may have changed its text: str.__str__ returns its own characters.
    return str.__str__(value) if plain is str else plain(value)


def _checked(value: Value) -> Value:
    if isinstance(value, int) and not INTEGER_MIN <= value <= INTEGER_MAX:
        raise OverflowError("Python int too large to convert to SQLite INTEGER")
    if isinstance(value, str):
        value.encode()  # raises UnicodeEncodeError for lone surrogates
    return value


def bound(statement: str, parameters: Parameters) -> Row | dict[str, Value]:
    """Return the parameters of a statement as they are sent; of a mapping, those named by the statement. Raises as
    `adapted` does."""
    return binder(statement)(parameters)


def binder(statement: str) -> Callable[[Parameters], Row | dict[str, Value]]:
    """Return the function that binds parameters to a statement, once or often."""
    names: list[str] | None = None

    def bind(parameters: Parameters) -> Row | dict[str, Value]:
        nonlocal names
        if isinstance(parameters, (tuple, list)):
            return _row(parameters)
        if isinstance(parameters, Mapping) or not hasattr(parameters, "__len__"):
            names = [slot for slot in slots_of(statement) if slot] if names is None else names
            return _named(names, parameters)
        if isinstance(parameters, (str, bytes)) and not parameters:
            return ()
        return tuple(adapted(parameters[number]) for number in range(len(parameters)))

    return bind


def _row(values: Sequence[Any]) -> Row:
    """Return the values as `adapted` does; most rows hold only those that stay as they are."""
    types = set(map(type, values))
    if not types.issubset(_PLAIN) or not adapters.keys().isdisjoint((of, PrepareProtocol) for of in types):
        return tuple(map(adapted, values))
    if str in types and not "".join(value for value in values if type(value) is str).isascii():
        return tuple(map(adapted, values))
    if int in types and not all(INTEGER_MIN <= value <= INTEGER_MAX for value in values if type(value) is int):
        return tuple(map(adapted, values))
    return tuple(values)


def _named(names: Sequence[str], parameters: Any) -> dict[str, Value]:
    if not hasattr(parameters, "__getitem__"):
        raise ProgrammingError("parameters are of unsupported type")
    try:
        return {name: adapted(parameters[name]) for name in names}
    except LookupError as error:
        missing = next(name for name in names if name not in parameters)
        raise ProgrammingError(f"You did not supply a value for binding parameter :{missing}.") from error


def converter_of(column: Column, detect_types: int) -> Converter | None:
    """Return the converter of a column, if there is one for its type."""
    if detect_types & PARSE_COLNAMES and "[" in column.name:
        named = column.name.partition("[")[2].partition("]")[0].upper()
        if named in converters:
            return converters[named]
    if detect_types & PARSE_DECLTYPES and column.type:
        return converters.get(column.type.partition("(")[0].partition(" ")[0].upper())
    return None


def shown_name(column: Column, detect_types: int) -> str:
    """Return the name of a column in its description: without a type in brackets, if types are read from names."""
    if detect_types & PARSE_COLNAMES and "[" in column.name:
        return column.name.partition("[")[0].rstrip()
    return column.name


def converted(value: Value, converter: Converter) -> Any:
    """Return the result of a converter for a column's value; NULL stays None."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return converter(value)
    # Of a REAL all digits, where SQLite's own text has 15: the value comes back as it was.
    return converter(str(value).encode())


def _register_defaults() -> None:
    register_adapter(datetime.date, datetime.date.isoformat)
    register_adapter(datetime.time, datetime.time.isoformat)
    register_adapter(datetime.datetime, lambda moment: moment.isoformat(" "))
    register_converter("date", lambda text: datetime.date.fromisoformat(text.decode()))
    register_converter("time", lambda text: datetime.time.fromisoformat(text.decode()))
    register_converter("timestamp", _timestamp)
    register_converter("datetime", _timestamp)


def _timestamp(text: bytes) -> datetime.datetime:
    """Return the time in a text of SQLite's or of ISO 8601. Raises InterfaceError for another text."""
    written = text.decode().replace("Z", "+00:00")
    day, _, rest = written.partition(" " if " " in written else "T")
    clock, _, fraction = rest.partition(".")
    digits = fraction[: len(fraction) - len(fraction.lstrip("0123456789"))]
    try:
        return datetime.datetime.fromisoformat(
            f"{day} {clock}.{digits:0<6.6}{fraction[len(digits) :]}" if digits else f"{day} {rest or '00:00:00'}"
        )
    except ValueError as error:
        raise InterfaceError(f"{written!r} is no time: want YYYY-MM-DD HH:MM:SS") from error


_register_defaults()
