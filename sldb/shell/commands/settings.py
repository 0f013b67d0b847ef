"""Dot commands for the look of results and scripts, with the names that sqlite3 has for them."""

from __future__ import annotations

from dataclasses import replace

from lambda_handlers.wire import SldbError
from sldb.render import result_of
from sldb.shell.commands.command import one_of, optional_argument, required_argument, whole_number
from sldb.shell.reader import DotCommand
from sldb.shell.session import Session

_SWITCH = ("on", "off")


def headers(session: Session, command: DotCommand) -> None:
    layout = session.output.layout
    turn_on = _switched(command, is_on=layout.header)
    session.output.layout = replace(layout, header=turn_on)
    session.output.say(f"the names of columns are {'shown' if turn_on else 'left out'}")


def set_theme(session: Session, command: DotCommand) -> None:
    from sldb import theme  # imports slow down the start of the shell

    name = optional_argument(command)
    if name is None:
        session.output.say(f"theme {theme.in_use().name}; others: {', '.join(theme.names())}")
    else:
        theme.use(name)


def null_value(session: Session, command: DotCommand) -> None:
    text = required_argument(command)
    session.output.layout = replace(session.output.layout, null=text)


def width(session: Session, command: DotCommand) -> None:
    """Limit the width of all columns: each has what it needs, up to that."""
    if len(command.arguments) > 1:
        hint = ".max_width N limits all of them"
        raise SldbError("bad_request", ".width: columns are as wide as their content, and have no width each", hint)
    word = optional_argument(command)
    number = 0 if word is None else whole_number(word.removeprefix("-"), command)
    session.output.limit_width(number or None)


def echo(session: Session, command: DotCommand) -> None:
    session.echoes = _switched(command, is_on=session.echoes)


def print_(session: Session, command: DotCommand) -> None:
    session.output.write_lines([" ".join(command.arguments)])


def changes(session: Session, command: DotCommand) -> None:
    _switched(command, is_on=False)
    session.output.say("the line below each result says how many rows were changed: .timing on, or off")


def bail(session: Session, command: DotCommand) -> None:
    """Accept what is so anyway, and refuse the other."""
    if not _switched(command, is_on=False):
        raise SldbError("bad_request", ".bail off: a script always ends at its first error", "the prompt never does")
    session.output.say("a script ends at its first error")


def show(session: Session, command: DotCommand) -> None:
    optional_argument(command)
    output, layout = session.output, session.output.layout
    settings = {
        "target": session.client.target.name,
        "database": session.client.database,
        "mode": output.format,
        "headers": _word(layout.header),
        "nullvalue": layout.null,
        "timing": _word(output.timing),
        "pager": _word(output.pages),
        "echo": _word(session.echoes),
        "output": "a file" if output.is_in_file else "stdout",
    }
    output.show_table(result_of(("setting", "value"), list(settings.items())))


def _switched(command: DotCommand, *, is_on: bool) -> bool:
    """Return the state after the command; without an argument, the other one."""
    word = optional_argument(command)
    return not is_on if word is None else one_of(word, _SWITCH, command) == "on"


def _word(is_on: bool) -> str:
    return "on" if is_on else "off"
