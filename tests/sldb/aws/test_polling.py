"""Calls are repeated with pauses, until the result or the error is final."""

from __future__ import annotations

from itertools import islice, repeat

import pytest

from sldb.aws.polling import Backoff, poll, retry


class Failing:
    """A call that fails some times with an error, then returns the number of calls."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.failures = failures
        self.error = error
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return self.calls


def is_temporary(error: Exception) -> bool:
    return isinstance(error, OSError)


def test_a_temporary_error_is_tried_again_after_each_pause() -> None:
    slept: list[float] = []
    assert retry(Failing(2, OSError()), is_temporary, [1.0, 2.0, 3.0], slept.append) == 3
    assert slept == [1.0, 2.0]


def test_the_last_error_is_raised_without_another_pause() -> None:
    slept: list[float] = []
    call = Failing(9, OSError("still"))
    with pytest.raises(OSError, match="still"):
        retry(call, is_temporary, repeat(3.0, 2), slept.append)
    assert (call.calls, slept) == (3, [3.0, 3.0])


def test_another_error_is_raised_at_once() -> None:
    slept: list[float] = []
    call = Failing(9, ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        retry(call, is_temporary, [1.0], slept.append)
    assert (call.calls, slept) == (1, [])


def test_the_pauses_grow_up_to_a_maximum() -> None:
    backoff = Backoff(0.2, 2.0)
    pauses = list(islice(backoff, 8))
    assert pauses[:2] == pytest.approx([0.2, 0.3])
    assert pauses == sorted(pauses)
    assert pauses[-1] == 2.0
    backoff.reset()
    assert next(backoff) == 0.2


def test_polling_ends_with_the_first_result() -> None:
    slept: list[float] = []
    looks = iter([None, None, "", "later"])
    assert poll(lambda: next(looks), Backoff(1.0, 1.0), slept.append) == ""
    assert slept == [1.0, 1.0]


def test_a_look_that_begins_the_pauses_again_is_followed_by_the_first() -> None:
    backoff, slept = Backoff(0.2, 2.0), list[float]()

    def look() -> bool | None:
        if len(slept) == 9:
            backoff.reset()
        return True if len(slept) == 11 else None

    assert poll(look, backoff, slept.append)
    assert slept[8] == 2.0
    assert slept[9:] == pytest.approx([0.2, 0.3])
