"""The text about a step of a long operation, with a clock of the test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sldb.progress.protocol import SILENT, Progress
from sldb.progress.step import Step
from tests.fakes.clock import Clock


def phrases(step: Step) -> str:
    return " · ".join(step.phrases())


def test_a_step_without_amounts_has_its_seconds() -> None:
    clock = Clock()
    step = Step("running", now=clock.now)
    clock.sleep(12.9)
    assert phrases(step) == "12 s"
    assert step.part is None


def test_rows_of_an_unknown_number_have_a_rate_and_the_seconds() -> None:
    clock = Clock()
    step = Step("exporting", {"rows": None}, clock.now)
    step.advance({"rows": 1_000})
    clock.sleep(2)
    step.advance({"rows": 1_000, "bytes": 3_000_000})
    assert phrases(step) == "2,000 rows · 3.0 MB · 1,000 rows/s · 2 s"


def test_a_known_total_gives_the_time_left() -> None:
    clock = Clock()
    step = Step("importing", {"rows": None, "bytes": 4_000_000}, clock.now)
    clock.sleep(10)
    step.advance({"rows": 500, "bytes": 1_000_000})
    assert step.part == 0.25
    assert phrases(step) == "500 rows · 1.0 MB · 50 rows/s · 30 s left"


def test_things_are_counted_out_of_their_number() -> None:
    clock = Clock()
    step = Step("querying", {"databases": 300}, clock.now)
    clock.sleep(4)
    step.advance({"databases": 100})
    assert phrases(step) == "100 of 300 databases · 8 s left"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "0 s"), (59.9, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7805, "2 h 10 min")]
)
def test_times_have_two_units_at_most(seconds: float, shown: str) -> None:
    clock = Clock()
    step = Step("running", now=clock.now)
    clock.sleep(seconds)
    assert phrases(step) == shown


def test_an_estimate_that_was_too_low_gives_no_time_left() -> None:
    clock = Clock()
    step = Step("exporting", {"rows": 10}, clock.now)
    clock.sleep(2)
    step.advance({"rows": 11})
    assert step.part is None
    assert phrases(step) == "11 rows · 6 rows/s · 2 s"


amounts = st.integers(0, 1 << 62)
totals = st.none() | amounts


@given(st.dictionaries(st.sampled_from(["rows", "bytes", "wheels"]), totals), st.floats(0, 1e7), amounts, amounts)
def test_any_amounts_have_a_text(units: dict[str, int | None], seconds: float, rows: int, others: int) -> None:
    clock = Clock(0.0)
    step = Step("working", units, clock.now)
    assert phrases(step)
    clock.sleep(seconds)
    step.advance({"rows": rows, "files": others})
    assert "  " not in phrases(step)
    assert step.part is None or 0 <= step.part <= 1


def test_silent_progress_takes_everything() -> None:
    progress: Progress = SILENT
    progress.begin("working", rows=1)
    progress.advance(rows=1)
    progress.note("done")
    assert not progress.is_shown
