"""Planted bugs: each disables one rule of the product's code for a while. A checker that does not find them proves
nothing.

They live in this folder, a module for each subject, and are patched in from outside; the product has no switch for
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

Patch = Any  # a context manager of unittest.mock
Patches = Callable[[], list[Patch]]


@dataclass(frozen=True, slots=True)
class Bug:
    name: str
    within: int  # seeds that find it
    patches: Patches
    looks_from: int  # seeds below this are known not to; only time is saved
    prefix: str = ""  # of the seeds: see `histories.transactions`

    @contextmanager
    def planted(self) -> Iterator[None]:
        with ExitStack() as stack:
            for one in self.patches():
                stack.enter_context(one)
            yield


def add_to(bugs: list[Bug], name: str, within: int, looks_from: int = 0, prefix: str = "") -> Callable[[Patches], None]:
    """Return the decorator of a function that makes the patches of a bug."""

    def add(patches: Patches) -> None:
        bugs.append(Bug(name, within, patches, looks_from, prefix))

    return add
