"""The deadline of a request: the time that is left, and the error once there is none."""

from __future__ import annotations

import pytest

from lambda_handlers.deadline import NEVER, Deadline
from lambda_handlers.wire import SldbError


def test_a_deadline_passes_when_its_moment_has_come() -> None:
    now = 100.0
    deadline = Deadline(102.0, lambda: now)
    assert deadline.seconds_left == 2.0
    deadline.check()
    now = 102.0
    assert deadline.is_over()
    with pytest.raises(SldbError) as caught:
        deadline.check()
    assert (caught.value.code, caught.value.details) == ("query_timeout", {"applied": "no"})
    now = 103.5
    assert deadline.seconds_left == -1.5


def test_the_error_names_the_statement_that_ran() -> None:
    assert Deadline(0.0, lambda: 1.0).error(3).details == {"statement": 3, "applied": "no"}


def test_the_same_deadline_with_another_error() -> None:
    other = Deadline(0.0, lambda: 1.0).reporting("it is not complete", "send it again")
    error = other.error()
    assert (error.message, error.hint, error.details) == ("it is not complete", "send it again", {"applied": "no"})
    assert other.without_outcome().error().details == {}
    assert other.is_over()


def test_there_is_a_deadline_that_never_comes() -> None:
    NEVER.check()
    assert not NEVER.is_over()
