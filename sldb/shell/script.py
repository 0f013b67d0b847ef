"""A script: statements and dot commands from a file or a pipe, one after the other, up to the first error.

As in the shell, the SQL that is complete at the end of a line is submitted, as one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from lambda_handlers.wire import SldbError
from sldb.params.missing import shell_hint
from sldb.shell.reader import DotCommand, NeedMore, Reading, Run, read
from sldb.shell.session import Session
from sldb.shell.submission import submit
from sldb.sql_text import is_blank

_MAY_COMPLETE = (";", "*/", "\\g", "\\G")

Obey: TypeAlias = "Callable[[DotCommand, Session], bool]"  # runs a dot command; False: it ends the session


def run_script(lines: Iterable[str], session: Session, obey: Obey) -> bool:
    """Run the lines; return False if a command among them ended the session.

    Raises the first SldbError; its `details["line"]` is the line number at which the submission begins.
    """
    for number, submission in submissions(lines):
        if session.echoes:
            session.output.say(_text(submission))
        try:
            if isinstance(submission, Run):
                submit(session, submission.sql, line=number, is_vertical=submission.is_vertical)
            elif not obey(submission, session):
                return False
        except SldbError as error:
            error.details.setdefault("line", number)
            error.hint = shell_hint(error) or error.hint
            raise
    session.run_waiting()
    return True


def _text(submission: Run | DotCommand) -> str:
    return submission.sql if isinstance(submission, Run) else " ".join((f".{submission.name}", *submission.arguments))


def submissions(lines: Iterable[str]) -> Iterator[tuple[int, Run | DotCommand]]:
    """Yield the submissions in the lines, each with the number (from 1) of its first line.

    Text at the end without a semicolon is a submission too.
    """
    buffer, begun = "", 0
    for number, line in enumerate(lines, start=1):
        begun = begun if buffer else number
        buffer += line
        if buffer is not line and not any(mark in line for mark in _MAY_COMPLETE):
            continue  # such a line completes nothing, and reading a long buffer again for each line adds up
        reading = _read(buffer, begun)
        if isinstance(reading, NeedMore):
            continue
        if isinstance(reading, (Run, DotCommand)):
            yield begun, reading
        buffer = ""
    if not is_blank(buffer):
        yield begun, Run(buffer.strip())


def _read(buffer: str, number: int) -> Reading:
    try:
        return read(buffer)
    except SldbError as error:
        error.details.setdefault("line", number)
        raise
