"""Plots: every point lies within its panel, in the order of its values, and the picture is XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.svg import HEIGHT, LEFT, WIDTH, Panel, Scale, plot

values = st.floats(1e-3, 1e12)
points = st.lists(st.tuples(values, values), min_size=1, max_size=3)
lines = st.dictionaries(st.sampled_from(["a", "b", "<&"]), points, min_size=1)


@given(lines)
def test_each_point_is_drawn_within_its_panel(series: dict[str, list[tuple[float, float]]]) -> None:
    picture = plot([Panel("a title", "MB", "ms", series)])
    ElementTree.fromstring(picture)
    count = sum(map(len, series.values()))
    dots = re.findall(r'<circle cx="([\d.-]+)" cy="([\d.-]+)"', picture)  # those of the legend come last
    assert len(dots) == count + 2 * len(series)
    assert all(LEFT <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in dots[:count])


@given(values, values)
def test_a_larger_value_is_farther_along(first: float, second: float) -> None:
    scale = Scale(-3, 12, 0, 100)
    low, high = sorted((first, second))
    assert 0 <= scale.at(low) <= scale.at(high) <= 100
    assert scale.ticks[0] == 0.001
    assert len(scale.ticks) <= 7
