"""A database opened again, by another container."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tests.fakes.databases.engine import Engine

MakeEngine: TypeAlias = Callable[..., Engine]


def reopened(engine: MakeEngine) -> Engine:
    """Return another container, with the database read from the log."""
    cold = engine()
    cold.replica.refresh()
    assert cold.is_sound()
    return cold
