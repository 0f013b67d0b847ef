"""Asking on the terminal before something is destroyed; the brain is `sldb.safety`."""

from __future__ import annotations

import time
from dataclasses import dataclass

import click

from sldb.cli import outcome


@dataclass(slots=True)
class Asking:
    was_agreed: bool = False
    seconds: float = 0.0  # that the question stood

    def agree(self, question: str) -> bool:
        started = time.monotonic()
        outcome.say(f"{question} Afterwards, sldb undo takes it back.")
        self.was_agreed = click.confirm("Go on?", err=True, default=False)
        self.seconds += time.monotonic() - started
        return self.was_agreed
