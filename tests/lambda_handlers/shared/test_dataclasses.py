"""The dataclasses of the functions, against those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.shared import dataclasses as ours


def point(module: Any, **kind: Any) -> type:
    """Return the same class by another module's decorator."""

    class Point:
        x: int
        y: float = 1.5
        tags: list[str] = module.field(default_factory=list)
        note: str = module.field(default="", compare=False)

        def __post_init__(self) -> None:
            if self.x == 13:
                raise ValueError("13")

        @property
        def double(self) -> int:
            return 2 * self.x

    made: type = module.dataclass(slots=True, **kind)(Point)
    return made


KINDS = [{"frozen": True}, {}, {"frozen": True, "eq": False}, {"frozen": True, "order": True}]
POINTS = [(point(ours, **kind), point(dataclasses, **kind)) for kind in KINDS]


@ours.dataclass(frozen=True, slots=True)
class Pair:
    a: int
    b: tuple[int, ...] = ()


@ours.dataclass(slots=True)
class Empty:
    pass


def outcome(do: Callable[[], Any]) -> Any:
    """Return what a call returns, or the kind and text of its error."""
    try:
        return do()
    except (TypeError, ValueError) as error:
        return type(error), str(error)


VALUES = st.tuples(
    st.integers(11, 14), st.floats(allow_nan=False), st.lists(st.text(max_size=2), max_size=2), st.text(max_size=2)
)


@pytest.mark.parametrize(("own", "standard"), POINTS)
@given(one=VALUES, other=VALUES, given_fields=st.integers(1, 4))
def test_values_are_made_compared_and_shown_as_by_the_standard_library(
    own: type, standard: type, one: tuple[Any, ...], other: tuple[Any, ...], given_fields: int
) -> None:
    def seen(cls: type) -> Any:
        a, b = (cls(*values[:given_fields]) for values in (one, other))
        same = a == b, a == cls(*one[:given_fields])
        below = (a < b, a <= b, a > b, a >= b) if hasattr(cls, "__lt__") and "__lt__" in cls.__dict__ else ()
        return repr(a), same, below, a.double, dataclasses.asdict(a), repr(dataclasses.replace(a, x=1))

    assert outcome(lambda: seen(own)) == outcome(lambda: seen(standard))


@pytest.mark.parametrize(("own", "standard"), POINTS)
@pytest.mark.parametrize(
    "do",
    [
        lambda cls: cls(),
        lambda cls: cls(1, 2, 3, 4, 5),
        lambda cls: cls(1, x=2),
        lambda cls: cls(1, unknown=2),
    ],
)
def test_what_is_refused_is_refused_by_the_same_error(own: type, standard: type, do: Callable[[type], Any]) -> None:
    assert outcome(lambda: do(own))[0] is outcome(lambda: do(standard))[0]


@pytest.mark.parametrize(("own", "standard"), POINTS)
def test_the_standard_librarys_tools_see_the_same_class(own: type, standard: type) -> None:
    assert [(one.name, one.type, one.compare) for one in dataclasses.fields(own)] == [
        (one.name, one.type, one.compare) for one in dataclasses.fields(standard)
    ]
    assert str(inspect.signature(own)) == str(inspect.signature(standard))
    assert dataclasses.is_dataclass(own)
    assert own.__match_args__ == standard.__match_args__  # type: ignore[attr-defined]
    assert own.__slots__ == standard.__slots__  # type: ignore[attr-defined]


def test_a_frozen_value_is_not_changed() -> None:
    pair = Pair(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'a'"):
        pair.a = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'a'"):
        del pair.a
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'other'"):
        pair.other = 2  # type: ignore[attr-defined]
    assert pair == Pair(1)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_frozen_value_is_copied(copied: Callable[[Pair], Pair]) -> None:
    assert copied(Pair(1, (2, 3))) == Pair(1, (2, 3))


def test_equal_values_are_one_key_and_those_that_change_are_none() -> None:
    assert len({Pair(1), Pair(1), Pair(2)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(Empty())
    assert Empty() == Empty()


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("own_methods", [{"__eq__"}, {"__hash__"}, {"__eq__", "__hash__"}])
def test_methods_of_ones_own_stay(own_methods: set[str], frozen: bool) -> None:
    def seen(module: Any) -> Any:
        methods = {"__eq__": lambda self, other: True, "__hash__": lambda self: 5}
        body = {name: methods[name] for name in own_methods} | {"__annotations__": {"x": "int"}}
        cls = module.dataclass(slots=True, frozen=frozen)(type("Own", (), body))
        return cls(1) == cls(2), outcome(lambda: hash(cls(1)) == 5)

    assert seen(ours) == seen(dataclasses)


def test_each_value_has_its_own_default() -> None:
    one, other = (POINTS[1][0](1) for _ in range(2))
    one.tags.append("a")
    assert other.tags == []


def test_the_optional_fields_with_their_defaults() -> None:
    assert ours.defaults_of(POINTS[0][0]) == {"y": 1.5, "tags": [], "note": ""}


def test_replace_changes_some_fields() -> None:
    assert ours.replace(Pair(1, (2,)), a=3) == Pair(3, (2,))
    with pytest.raises(TypeError, match="unknown"):
        ours.replace(Pair(1), unknown=3)  # type: ignore[call-arg]


def test_a_class_that_inherits_fields_is_refused() -> None:
    with pytest.raises(TypeError, match="Child: a dataclass of the functions inherits no fields"):

        @ours.dataclass(slots=True)
        class Child(Pair):
            pass


def test_a_class_without_slots_is_refused() -> None:
    with pytest.raises(TypeError, match="slots"):
        ours.dataclass(slots=False)


def test_the_first_values_may_be_made_by_several_threads_at_once() -> None:
    """`__init__` is compiled by whoever comes first; a second compilation does no harm."""
    fresh = point(ours, frozen=True)
    first = fresh.__init__  # type: ignore[misc]
    one = object.__new__(fresh)
    first(one, 1)
    other = object.__new__(fresh)
    first(other, 1)
    assert one == other


def test_neither_the_standard_librarys_nor_inspect_is_imported() -> None:
    program = "import sys, lambda_handlers.wire; print(*{'dataclasses', 'inspect', 'ast'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert ran.stdout.split() == []
