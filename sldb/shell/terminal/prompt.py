"""The prompt: prompt_toolkit around `reader.read` and a `Session`. All decisions are made there, none here.

Enter submits complete input, or else begins a new line; Ctrl-C drops the input, or stops waiting for a reply; Ctrl-D on
an empty line leaves. Pasted text goes into the input unchanged, with its lines.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.cursor_shapes import ModalCursorShapeConfig
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import DynamicLexer, Lexer, PygmentsLexer
from prompt_toolkit.styles import DynamicStyle

from lambda_handlers.wire import SldbError
from sldb import render, theme
from sldb.cancelling import TooLate
from sldb.shell.commands.registry import COMMANDS, obey
from sldb.shell.completion import Known, complete
from sldb.shell.parameters import NotAnswered
from sldb.shell.reader import DotCommand, NeedMore, Run, read, read_whole
from sldb.shell.schema_names import LiveDatabases
from sldb.shell.session import Session
from sldb.shell.submission import interrupted_message, submit
from sldb.shell.terminal import style, toolbar
from sldb.shell.terminal.first_look import FirstLook, Interruption
from sldb.shell.terminal.proposals import LastLines

_ABOUT_VALUES = " a value for the statement · :null is NULL, :text=5 a text · Ctrl-C runs nothing"
_MAX_COLOURED_CHARACTERS = 100_000


def run_loop(session: Session, show_error: Callable[[SldbError], None], history: History, *, vi: bool = False) -> None:
    """Prompt, read and run until the user leaves."""
    prompt: PromptSession[str] = PromptSession(
        lexer=DynamicLexer(_lexer),
        completer=_Completer(session),
        history=history,
        auto_suggest=LastLines(),
        key_bindings=_keys(),
        multiline=True,
        editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
        cursor=ModalCursorShapeConfig() if vi else None,
        bottom_toolbar=lambda: _toolbar(session),
        prompt_continuation=_continuation,
        include_default_pygments_style=False,
        style=DynamicStyle(lambda: style.of(theme.in_use())),
        complete_while_typing=True,
        reserve_space_for_menu=6,
        enable_open_in_editor=True,
        tempfile_suffix=".sql",
    )

    look = FirstLook(prompt, session)

    def arrive() -> None:
        look.succeed()
        _complete_now(prompt)

    def fetch_names(_app: object) -> None:
        """Fetch once the prompt is visible; that also loads the engine or starts the function while the user types."""
        prompt.app.after_render -= fetch_names
        if session.names is not None:
            session.names.on_arrival = arrive
            session.names.on_failure = look.fail
            session.names.refresh()

    prompt.app.after_render += fetch_names
    while _take_turn(prompt, session, show_error, look):
        pass


def _complete_now(prompt: PromptSession[str]) -> None:
    """Complete the text typed before the names arrived, and show the state that came with them."""

    def start() -> None:
        buffer = prompt.default_buffer
        if buffer.text and buffer.complete_state is None:
            buffer.start_completion(select_first=False)
        prompt.app.invalidate()

    loop = prompt.app.loop
    if loop is not None:
        with suppress(RuntimeError):  # the prompt has just ended
            loop.call_soon_threadsafe(start)


def _take_turn(
    prompt: PromptSession[str], session: Session, show_error: Callable[[SldbError], None], look: FirstLook
) -> bool:
    """Prompt once and run the input; return False if the user leaves. Ctrl-C ends only this turn. Raises SldbError if
    the target is not there."""
    typed = ""
    try:
        draft, session.draft = session.draft, ""
        # prompt_toolkit's own handler would swallow a Ctrl-C while the prompt is being removed.
        typed = prompt.prompt(lambda: _prompt(session), default=draft, handle_sigint=False)
        size = shutil.get_terminal_size()
        session.output.resize(size.columns or 80, size.lines or 24)
        return _run(typed, session)
    except EOFError:
        return False
    except SldbError as error:
        look.raise_failure()
        show_error(error)
    except NotAnswered:
        session.output.say("nothing was run")
    except Interruption as stop:
        session.draft = stop.typed
        session.output.say(str(stop))
    except TooLate as late:
        session.output.say(str(late))
    except KeyboardInterrupt:
        if typed:
            session.output.say(interrupted_message(session, typed))
    return True


def _run(typed: str, session: Session) -> bool:
    match read_whole(typed):  # Alt-Enter submits input without a semicolon
        case Run(sql, is_vertical):
            submit(session, sql, is_vertical=is_vertical)
        case DotCommand() as command:
            return obey(command, session)
    return True


def ask_value(name: str, proposal: str) -> str:
    """Ask for the value of a parameter. Raises KeyboardInterrupt or EOFError after Ctrl-C or Ctrl-D."""
    prompt: PromptSession[str] = PromptSession(bottom_toolbar=_ABOUT_VALUES, style=style.of(theme.in_use()))
    return prompt.prompt(f"{name} = ", default=proposal, handle_sigint=False)


def confirm(where: str, what: str) -> bool:
    """Ask the user, below a line that names the database and stack; Ctrl-C and Ctrl-D mean no."""
    click.echo(f"{where[:1].upper()}{where[1:]}:", err=True)
    try:
        return click.confirm(f"{what} Go on?", err=True)
    except click.Abort:
        click.echo(err=True)
        return False


def open_history(path: Path) -> History:
    """Return the history in the file, or one in memory if the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # statements may hold secrets
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        completing = buffer.complete_state
        if completing and completing.current_completion and len(completing.completions) > 1:
            buffer.complete_state = None  # chosen from several: there may be more to type
        elif _needs_more(buffer.text):
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _submit_anyway(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys


def _needs_more(buffer: str) -> bool:
    try:
        return isinstance(read(buffer), NeedMore)
    except SldbError:
        return False  # submitting it shows the error


def _lexer() -> Lexer | None:
    """Return None for an empty prompt, lest it wait for pygments, and for text too long to colour."""
    return _sql() if 0 < len(get_app().current_buffer.text) < _MAX_COLOURED_CHARACTERS else None


@functools.cache
def _sql() -> Lexer:
    from pygments.lexers.sql import SqlLexer

    return PygmentsLexer(SqlLexer)


def _prompt(session: Session) -> StyleAndTextTuples:
    return [("class:prompt.open" if session.transaction else "class:prompt", toolbar.prompt(session))]


def _continuation(width: int, _line_number: int, wrap_count: int) -> StyleAndTextTuples:
    return [("class:prompt", "… ".rjust(width) if not wrap_count else " " * width)]


def _toolbar(session: Session) -> StyleAndTextTuples:
    kind = "class:bottom-toolbar.open" if session.transaction else ""
    return [(kind, toolbar.line(session, get_app().output.get_size().columns))]


class _Completer(Completer):
    """A completer with only the names at hand: see `sldb.shell.schema_names`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._databases = LiveDatabases(session.database_names)
        self._commands = {spelling: command.argument_kind for command in COMMANDS for spelling in command.spellings}

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        session = self._session
        known = Known(
            session.names.current if session.names else Known().names,
            self._commands,
            {
                "format": lambda: render.FORMATS,
                "switch": lambda: ("on", "off"),
                "vertical": lambda: ("auto", "on", "off"),
                "theme": theme.names,
                "command": lambda: [command.names[0] for command in COMMANDS],
                "named": session.query_names,
                "param": lambda: ("set", "list", "unset", "clear"),
                "database": self._databases.names,
            },
        )
        is_requested = complete_event.completion_requested
        for candidate in complete(
            document.text_before_cursor, document.text_after_cursor, known, is_requested=is_requested
        ):
            yield Completion(candidate.text, start_position=-candidate.replaces)
