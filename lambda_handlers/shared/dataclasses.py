"""The dataclasses of the functions: a part of the standard library's, made for cold starts.

A decorator of the standard library writes and compiles up to eight methods for a class, 0.6 ms a class, and loads
`inspect` with `ast` and `dis` beneath it, 6 ms: together half of the import of the query function. Here one method is
compiled, `__init__`, when the first value of the class is made; the others are functions of this module.

All classes have slots, and none inherits fields. Type checkers read the standard library's dataclasses, and its
`fields`, `replace` and `asdict` take these classes, too.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from dataclasses import dataclass, field, replace

__all__ = ["dataclass", "defaults_of", "field", "replace"]

_MISSING: Any = object()


class _Field:
    """A field of a class: its default, or the function for one, and its part in comparisons."""

    __slots__ = ("annotation", "compare", "default", "default_factory", "name")

    def __init__(self, default: Any, default_factory: Any, compare: bool) -> None:
        self.default = default
        self.default_factory = default_factory
        self.compare = compare
        self.name = ""
        self.annotation: Any = None


class _Lazy:
    """An attribute of a class for the standard library's tools, made at their first question."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        made = _of_standard_library(owner, self._name)
        setattr(owner, self._name, made)
        return made


if not TYPE_CHECKING:

    def dataclass(*, slots, frozen=False, eq=True, order=False):
        """Return a decorator: it gives a class the methods of a dataclass with slots."""
        if not slots:
            raise TypeError("slots=True is the only kind here")
        return lambda made_from: _make(made_from, frozen, eq, order)

    def field(*, default=_MISSING, default_factory=_MISSING, compare=True):
        """Return the description of a field with more than an annotation."""
        return _Field(default, default_factory, compare)

    def replace(value, /, **changes):
        """Return a copy of a value with some of its fields changed."""
        cls = value.__class__
        return cls(**{name: getattr(value, name) for name in cls.__match_args__} | changes)


def defaults_of(kind: type) -> dict[str, Any]:
    """Return the optional fields of a dataclass with their defaults, in order."""
    fields: tuple[_Field, ...] = kind._fields_of_dataclass  # type: ignore[attr-defined]  # unknown to type checkers
    made = {one.name: one.default_factory() for one in fields if one.default_factory is not _MISSING}
    given = {one.name: one.default for one in fields if one.default is not _MISSING}
    return {one.name: (made | given)[one.name] for one in fields if one.name in made or one.name in given}


def _make(made_from: type, frozen: bool, eq: bool, order: bool) -> type:
    """Return the class again, with slots and the methods; its own methods stay."""
    fields = tuple(_read_fields(made_from))
    names = tuple(one.name for one in fields)
    own = {name: value for name, value in made_from.__dict__.items() if name not in ("__dict__", "__weakref__", *names)}
    methods: dict[str, Any] = dict(METHODS)
    if eq:
        if own.get("__hash__") is None:  # as Python sets it beside an `__eq__` of the class's own
            own.pop("__hash__", None)
        methods |= {"__eq__": _equal, "__hash__": _hash if frozen else None}
    if order:
        methods |= ORDER
    if frozen:
        methods |= FROZEN
    body = {
        **methods,
        **own,
        "__qualname__": made_from.__qualname__,
        "__slots__": names,
        "__match_args__": names,
        "_fields_of_dataclass": fields,
        # With the class, since a getter of a single attribute gives no tuple.
        "_compared": attrgetter("__class__", *(one.name for one in fields if one.compare)),
    }
    return type(made_from)(made_from.__name__, made_from.__bases__, body)


def _read_fields(made_from: type) -> Iterator[_Field]:
    if any(hasattr(base, "_fields_of_dataclass") for base in made_from.__bases__):
        raise TypeError(f"{made_from.__name__}: a dataclass of the functions inherits no fields")
    for name, annotation in made_from.__annotations__.items():
        given = made_from.__dict__.get(name, _MISSING)
        one = given if isinstance(given, _Field) else _Field(given, _MISSING, True)
        one.name, one.annotation = name, annotation
        yield one


def _compile_first(self: Any, *args: Any, **kwargs: Any) -> None:
    """Stand in for the `__init__` of a class until it is called."""
    cls: Any = next(one for one in type(self).__mro__ if "_fields_of_dataclass" in one.__dict__)
    cls.__init__ = made = _compile(cls)
    made(self, *args, **kwargs)


def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({shown})"


def _equal(self: Any, other: Any) -> bool:
    return self._compared(self) == other._compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(self._compared(self))


def _less(self: Any, other: Any) -> bool:
    return self._compared(self) < other._compared(other) if other.__class__ is self.__class__ else NotImplemented


def _less_or_equal(self: Any, other: Any) -> bool:
    return self._compared(self) <= other._compared(other) if other.__class__ is self.__class__ else NotImplemented


def _refuse_to_assign(_self: Any, name: str, _value: Any) -> None:
    from dataclasses import FrozenInstanceError  # for faults of programs only

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(_self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> tuple[Any, ...]:
    return tuple(getattr(self, name) for name in self.__match_args__)


def _set_state(self: Any, state: tuple[Any, ...]) -> None:
    for name, value in zip(self.__match_args__, state, strict=True):
        object.__setattr__(self, name, value)


METHODS = {
    "__init__": _compile_first,
    "__repr__": _repr,
    **{name: _Lazy(name) for name in ("__dataclass_fields__", "__dataclass_params__", "__signature__")},
}
ORDER = {"__lt__": _less, "__le__": _less_or_equal}  # Python finds the other two by them
FROZEN = {
    "__setattr__": _refuse_to_assign,
    "__delattr__": _refuse_to_delete,
    "__getstate__": _state,  # copies and pickles of slots are set by `__setattr__` otherwise
    "__setstate__": _set_state,
}


def _compile(cls: Any) -> Callable[..., None]:
    """Return `__init__`: fields are assigned by the descriptors of their slots, as `__setattr__` of a frozen class
    refuses."""
    names: dict[str, Any] = {"_missing": _MISSING}
    parameters, lines = [], []
    frozen = _is_frozen(cls)
    for one in cls._fields_of_dataclass:
        names |= {f"_set_{one.name}": getattr(cls, one.name).__set__}
        value = one.name
        if one.default_factory is not _MISSING:
            names[f"_factory_{one.name}"] = one.default_factory
            parameters.append(f"{one.name}=_missing")
            value = f"_factory_{one.name}() if {one.name} is _missing else {one.name}"
        elif one.default is not _MISSING:
            names[f"_default_{one.name}"] = one.default
            parameters.append(f"{one.name}=_default_{one.name}")
        else:
            parameters.append(one.name)
        lines.append(f" _set_{one.name}(self, {value})" if frozen else f" self.{one.name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    source = "\n".join([f"def __init__({', '.join(['self', *parameters])}):", *(lines or [" pass"])])
    exec(source, names)  # nosec B102 - names of fields in our own code, and nothing else
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _is_frozen(cls: Any) -> bool:
    return cls.__setattr__ is _refuse_to_assign


def _of_standard_library(cls: Any, name: str) -> Any:
    """Return an attribute of the standard library's dataclass of these fields."""
    import dataclasses
    import inspect

    described = []
    for one in cls._fields_of_dataclass:
        given = {key: value for key in ("default", "default_factory") if (value := getattr(one, key)) is not _MISSING}
        described.append((one.name, one.annotation, dataclasses.field(compare=one.compare, **given)))
    twin = dataclasses.make_dataclass(cls.__name__, described, frozen=_is_frozen(cls))
    return inspect.signature(twin) if name == "__signature__" else getattr(twin, name)
