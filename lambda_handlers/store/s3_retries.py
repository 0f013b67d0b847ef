"""Retries: one request to S3, sent again as long as another try may help.

Only the loop that sends the tries can interpret the last answer: a refusal after a try that may have been carried out
proves nothing (`S3Error.verdict`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lambda_handlers.store.s3_responses import Failure, is_transient, may_be_applied, unclear

T = TypeVar("T")


class S3Error(Exception):
    """The last failure of a request, after all its tries."""

    def __init__(self, failure: Failure, may_be_applied: bool) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.may_be_applied = may_be_applied  # by this try, or by one before it

    @property
    def verdict(self) -> Failure:
        """The failure, which is not definite if one of the tries may have been carried out."""
        return unclear(self.failure) if self.may_be_applied else self.failure


def send_with_retries(
    attempt: Callable[[], T | Failure],
    tries: int,
    first_pause_seconds: float,  # doubled from try to try
    sleep: Callable[[float], None],
    may_retry: Callable[[Failure], bool] = is_transient,
) -> T:
    """Return the first good answer. Raises S3Error after the last try, or a failure that another try cannot fix."""
    is_perhaps_applied = False
    for number in range(tries):
        answer = attempt()
        if not isinstance(answer, Failure):
            return answer
        is_perhaps_applied = is_perhaps_applied or may_be_applied(answer)
        if number + 1 == tries or not may_retry(answer):
            break
        sleep(first_pause_seconds * 2**number)
    assert isinstance(answer, Failure)
    raise S3Error(answer, is_perhaps_applied)
