"""Which version a stack may go back to: one that has the databases where they are, and no step of a move."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.wire import SldbError
from sldb.deploy.kept.version import Version, before


def line(*steps: tuple[str, str]) -> list[Version]:
    """Return the versions 1, 2, … of a stack with these values of Storage and Migration."""
    return [
        Version(number, "t", {"Storage": storage, "Migration": migration, "Vpc": "", "CreateVpc": "true"})
        for number, (storage, migration) in enumerate(steps, 1)
    ]


TO_EFS = (("s3", "none"), ("s3", "files"), ("s3", "final"), ("efs", "none"))


def refused(versions: list[Version], wanted: str = "") -> SldbError:
    with pytest.raises(SldbError) as caught:
        before(versions, versions[-1], wanted)
    assert caught.value.details["applied"] == "no"
    return caught.value


def test_across_a_move_there_is_no_way_back_but_a_move() -> None:
    for wanted in ("", "1"):
        error = refused(line(*TO_EFS), wanted)
        assert (error.code, "are in efs" in error.message) == ("bad_request", True)
        assert "sldb migrate-storage s3" in (error.hint or "")
        assert "--rollback 1" in (error.hint or "")


@pytest.mark.parametrize("wanted", ["2", "3"])
def test_a_step_of_a_move_is_no_goal(wanted: str) -> None:
    error = refused(line(*TO_EFS, ("s3", "none")), wanted)
    assert (error.code, "step of a move" in error.message) == ("bad_request", True)


def test_steps_of_a_move_that_was_taken_back_are_passed_over() -> None:
    versions = line(("s3", "none"), ("s3", "files"), ("s3", "final"), ("s3", "none"))
    assert before(versions, versions[-1], "").number == 1


@pytest.mark.parametrize("step", ["files", "final"])
def test_during_a_move_there_is_none(step: str) -> None:
    for wanted in ("", "1"):
        error = refused(line(("s3", "none"), ("s3", step)), wanted)
        assert (error.code, "--abort" in (error.hint or "")) == ("bad_request", True)


def test_a_file_system_stays_in_its_network() -> None:
    old, new = line(("efs", "none"), ("efs", "none"))
    moved = Version(2, "t", {**new.parameters, "Vpc": "vpc-1a", "CreateVpc": "false"})
    assert "another network" in refused([old, moved]).message


def test_a_version_of_before_there_was_a_choice_is_in_s3() -> None:
    versions = [Version(1, "t", {"BundleKey": "b"}), *line(("s3", "none"), ("s3", "none"))[1:]]
    assert before(versions, versions[-1], "").number == 1


@given(st.lists(st.sampled_from([*TO_EFS, ("efs", "files"), ("efs", "final")]), min_size=1, max_size=8), st.data())
def test_no_way_back_leaves_the_databases_behind(steps: list[tuple[str, str]], data: Any) -> None:
    versions = line(*steps)
    wanted = data.draw(st.sampled_from(["", *(str(each.number) for each in versions)]))
    try:
        goal = before(versions, versions[-1], wanted)
    except SldbError:
        return
    assert goal.parameters["Storage"] == steps[-1][0]
    assert {goal.parameters["Migration"], steps[-1][1]} == {"none"}
