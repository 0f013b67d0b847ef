"""The sending of one request of `sldb query`, its confirmation, and the output of its reply."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

import click

from lambda_handlers.wire import Reply, Request, SldbError
from sldb import report
from sldb.cli import messages, moment_options, streams
from sldb.write_outcome import NOT_CHANGED, UNKNOWN, may_write

if TYPE_CHECKING:
    from sldb.cli.query.printing import Printing
    from sldb.cli.query.statements import Work
    from sldb.cli.questions import Question
    from sldb.cli.run import Run
    from sldb.client import Client
    from sldb.render import Screen


@dataclass(frozen=True, slots=True)
class Sending:
    run: Run
    client: Client
    work: Work
    printing: Printing
    confirms: bool  # asks before data is destroyed
    shows_stats: bool
    at: str | None = None  # the moment, as it was given

    def send(self, request: Request, out: TextIO, screen: Screen | None) -> None:
        """Send the request and print the reply. Raises SldbError with its place in the work; Exit after a no."""
        question = self._question() if self.confirms else None
        started = time.monotonic()
        try:
            reply = self._execute(request, question)
        except SldbError as error:
            self.work.locate(error)
            raise
        if reply is None:
            messages.say(NOT_CHANGED)
            raise click.exceptions.Exit(1)
        elapsed_ms = (time.monotonic() - started - (question.seconds if question else 0.0)) * 1000
        reply = replace(reply, results=self.work.results(reply.results))
        self._print(reply, out, screen)
        moment_options.say_moment(self.client, self.at, reply.txid, reply.time)
        self._say_summary(reply, elapsed_ms, screen)
        messages.say_warnings(reply)
        if request.dry_run:
            say_dry_run(reply.changes or {})
            _say_drops(reply)
        if question and question.was_confirmed:
            click.echo(f"to undo this: {self.run.command_line('undo')}", err=True)

    def _question(self) -> Question:
        from sldb.cli.questions import Question

        return Question(self.client.where, self.run.command_line("undo"))

    def _execute(self, request: Request, question: Question | None) -> Reply | None:
        from sldb.cancelling import TooLate
        from sldb.targets.protocol import with_id

        request = with_id(request)
        try:
            if question is None:
                return self.client.execute(request)
            from sldb.actions import confirmation

            return confirmation.execute(self.client, request, question.confirm)
        except TooLate as late:
            click.echo(str(late), err=True)
            raise
        except KeyboardInterrupt:
            messages.say(f"stopped waiting; {self._open_outcome(request)}")
            raise

    def _open_outcome(self, request: Request) -> str:
        """Return the sentence about a request that was left alone."""
        if not may_write(request):
            return NOT_CHANGED
        return f"{UNKNOWN}: {self.run.command_line('result', str(request.request_id))}"

    def _print(self, reply: Reply, out: TextIO, screen: Screen | None) -> None:
        from sldb import render

        render.write(reply.results, self.printing.format, out, screen, self.printing.layout)
        out.flush()
        if note := render.describe_hidden(reply.results, self.printing.format, screen):
            click.echo(note, err=True)

    def _say_summary(self, reply: Reply, elapsed_ms: float, screen: Screen | None) -> None:
        if self.shows_stats:
            click.echo(report.details(reply, elapsed_ms), err=True)
        elif screen is not None and sys.stderr.isatty():
            click.echo(streams.styled("soft", report.summary(reply, elapsed_ms)), err=True)
        elif not reply.columns:
            click.echo(f"{report.outcomes(reply)} · txid {reply.txid}", err=True)


def say_dry_run(changes: Mapping[str, Mapping[str, int]]) -> None:
    """Write the numbers of rows changed by a dry run, and its rollback."""
    messages.say("dry run: all of it was rolled back")
    for line in report.changed(changes):
        messages.say(f"  {line}")


def _say_drops(reply: Reply) -> None:
    destroyed: list[dict[str, Any]] = reply.destroys or []
    for each in destroyed:
        if each["does"].startswith("drop"):
            messages.say(f"  {each['message']}")
