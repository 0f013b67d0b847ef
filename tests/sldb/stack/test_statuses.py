from __future__ import annotations

import pytest
from botocore.session import get_session

from lambda_handlers.wire import SldbError
from sldb.aws.errors import OperationFailed
from sldb.stack.statuses import Step, health, next_step

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
        ("UPDATE_ROLLBACK_FAILED", Step.RESUME),
        ("IMPORT_COMPLETE", Step.UPDATE),
        ("IMPORT_ROLLBACK_COMPLETE", Step.UPDATE),
    ],
)
def test_what_to_do(status: str | None, step: Step) -> None:
    assert next_step("test-db", status) is step


@pytest.mark.parametrize("status", [s for s in STATUSES if s.endswith("_IN_PROGRESS") and s != "REVIEW_IN_PROGRESS"])
def test_a_busy_stack_is_a_conflict(status: str) -> None:
    with pytest.raises(SldbError, match=status) as caught:
        next_step("test-db", status)
    assert caught.value.exit_code == 75


@pytest.mark.parametrize("status", ["UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED"])
def test_a_stack_that_another_tool_left_half_way_says_how_to_get_out(status: str) -> None:
    with pytest.raises(OperationFailed) as caught:
        next_step("orders", status)
    assert "`sldb destroy`, then `sldb deploy`" in caught.value.hint


def test_a_half_deleted_stack_says_how_to_go_on() -> None:
    with pytest.raises(OperationFailed) as caught:
        next_step("test-db", "DELETE_FAILED")
    assert "`sldb destroy`" in caught.value.hint


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_an_answer(status: str) -> None:
    answer: object
    try:
        answer = next_step("test-db", status)
    except SldbError as error:
        answer = error.hint
    assert answer


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_a_verdict_and_what_is_not_well_a_next_step(status: str) -> None:
    found = health(status)
    assert status in found.says
    assert (found.state == "ok") == (not found.next)
    assert (found.state == "ok") == (status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"))
    at_work = status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"
    assert ("AWS is changing it" in found.says) == at_work
    if not at_work and found.state == "fail":
        assert "`sldb de" in found.next  # deploy or destroy


def test_the_reason_is_told() -> None:
    assert health("ROLLBACK_COMPLETE", "User Initiated").says == "ROLLBACK_COMPLETE: User Initiated"
