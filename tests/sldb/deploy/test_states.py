from __future__ import annotations

import pytest
from botocore.session import get_session

from lambda_handlers.wire import SldbError
from sldb.deploy.failures import OperationFailed
from sldb.deploy.states import Step, next_step

STATUSES: list[str] = get_session().get_service_model("cloudformation").shape_for("StackStatus").metadata["enum"]


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (None, Step.CREATE),
        ("REVIEW_IN_PROGRESS", Step.CREATE),  # a plan that nobody applied
        ("ROLLBACK_COMPLETE", Step.RECREATE),
        ("ROLLBACK_FAILED", Step.RECREATE),
        ("CREATE_COMPLETE", Step.UPDATE),
        ("UPDATE_COMPLETE", Step.UPDATE),
        ("UPDATE_ROLLBACK_COMPLETE", Step.UPDATE),
    ],
)
def test_what_to_do(status: str | None, step: Step) -> None:
    assert next_step("test-db", status) is step


@pytest.mark.parametrize("status", [s for s in STATUSES if s.endswith("_IN_PROGRESS") and s != "REVIEW_IN_PROGRESS"])
def test_a_busy_stack_is_a_conflict(status: str) -> None:
    with pytest.raises(SldbError, match=status) as caught:
        next_step("test-db", status)
    assert caught.value.exit_code == 75


def test_a_stack_stuck_in_an_update_says_how_to_get_out() -> None:
    with pytest.raises(OperationFailed) as caught:
        next_step("test-db", "UPDATE_ROLLBACK_FAILED")
    assert "continue-update-rollback --stack-name test-db" in caught.value.hint


def test_a_half_deleted_stack_says_how_to_go_on() -> None:
    with pytest.raises(OperationFailed) as caught:
        next_step("test-db", "DELETE_FAILED")
    assert "sldb destroy" in caught.value.hint


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_an_answer(status: str) -> None:
    answer: object
    try:
        answer = next_step("test-db", status)
    except SldbError as error:
        answer = error.hint
    assert answer
