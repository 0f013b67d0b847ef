"""The caller: its name, its rights, and the texts of its request ids."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.caller import OPERATOR, WHOLE_NAME, Caller
from lambda_handlers.wire import SldbError, check_request_id

NAMES = st.from_regex(WHOLE_NAME, fullmatch=True)
IDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)


@pytest.mark.parametrize("name", ["-a", "a b", "a\x03b", "a" * 65, "ä", "a\n", ".", "jwt:", "jwt:jwt:a", "key:a"])
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        Caller(name)


@pytest.mark.parametrize("limits", [{"databases": frozenset({"main"})}, {"may_write": False}])
def test_an_operator_has_no_limits(limits: dict[str, frozenset[str] | bool]) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        Caller(**limits)  # type: ignore[arg-type]  # each value has the type of its field


def test_an_operator_may_do_everything() -> None:
    OPERATOR.require("any", writes=True)
    OPERATOR.require_operator("it")
    assert OPERATOR.is_operator


def test_a_caller_may_use_what_is_in_its_scope() -> None:
    caller = Caller("app", frozenset({"main"}))
    caller.require("main", writes=True)
    assert caller.may_read("main")
    assert not caller.may_read("other")
    assert not caller.is_operator


@pytest.mark.parametrize(
    ("caller", "database", "writes"),
    [
        (Caller("app", frozenset({"main"})), "other", False),
        (Caller("app", frozenset({"main"})), "other", True),
        (Caller("app", frozenset()), "main", False),
        (Caller("app", may_write=False), "main", True),
    ],
)
def test_anything_else_is_forbidden(caller: Caller, database: str, writes: bool) -> None:
    with pytest.raises(SldbError) as refused:
        caller.require(database, writes=writes)
    assert (refused.value.code, refused.value.status) == ("forbidden", 403)
    assert refused.value.details["applied"] == "no"


def test_a_caller_with_all_databases_is_no_operator() -> None:
    with pytest.raises(SldbError, match="pin is for operators"):
        Caller("app").require_operator("pin")


@given(name=NAMES, other=NAMES, request_id=IDS, other_id=IDS)
@example(name="app", other="a", request_id="1", other_id="pp1")
def test_two_callers_have_no_id_in_common(name: str, other: str, request_id: str, other_id: str) -> None:
    one, two = Caller(name).own_id(request_id), Caller(other).own_id(other_id)
    assert (one == two) == ((name, request_id) == (other, other_id))
    assert one != OPERATOR.own_id(other_id)
    assert OPERATOR.own_id(request_id) == request_id  # as before there were callers


def test_an_operator_cannot_write_the_id_of_another_caller_as_a_request_id() -> None:
    with pytest.raises(SldbError):
        check_request_id("request_id", Caller("app").own_id("1"))
