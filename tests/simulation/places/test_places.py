"""The design of docs/express.md keeps its promises in every order of steps, and each planted bug breaks one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.simulation.places.model import BUGS, BrokenError, Model

PAGE = (Path(__file__).parents[3] / "docs/express.md").read_text("utf-8")


@pytest.mark.long
def test_no_order_of_steps_breaks_a_promise() -> None:
    states = Model(max_txid=2, max_switches=2).explore()
    assert states > 10_000


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_breaks_its_promise(bug: str) -> None:
    with pytest.raises(BrokenError, match=BUGS[bug]):
        Model(frozenset({bug}), max_txid=3, max_switches=1).explore()


def test_the_page_names_each_planted_bug() -> None:
    text = re.sub(r"\s+", " ", PAGE)
    assert [bug for bug in BUGS if bug not in text] == []
