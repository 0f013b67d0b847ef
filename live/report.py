"""The outcome of a run as Markdown, to be pasted into docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator

from live import figures
from live.session import Outcome


def lines(outcome: Outcome, place: str) -> Iterator[str]:
    """Yield the lines. `place`: where and when the run was."""
    yield f"### {place}"
    yield ""
    if outcome.samples:
        yield "| lock | request | number | waited for | in the function | requests to S3 | a million cost |"
        yield "|---|---|---|---|---|---|---|"
        yield from figures.table(outcome.samples)
        yield ""
    yield "| option | outcome |"
    yield "|---|---|"
    for option, problem in outcome.scenarios.items():
        yield f"| {option} | {cell(problem) or 'works'} |"
    yield ""
    yield "| not verified before | outcome | observation |"
    yield "|---|---|---|"
    for claim, (result, observation) in sorted(outcome.checks.items()):
        yield f"| {claim} | {result} | {cell(observation)} |"
    yield ""
    yield f"Left in the account: {', '.join(outcome.left)}" if outcome.left else "Nothing is left in the account."
    if outcome.pending:
        yield f"Pending deletion, and free until then: {', '.join(outcome.pending)}"


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
