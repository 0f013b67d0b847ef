"""The shell on a terminal: prompt_toolkit around `reader.read` and a `Session`. Nothing is decided here.

Enter submits what is complete and else begins a new line; Ctrl-C drops the input, or stops waiting for a reply;
Ctrl-D on an empty line leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from prompt_toolkit.styles import Style
from pygments.lexers.sql import SqlLexer

from lambda_handlers.wire import SldbError
from sldb.render import text
from sldb.report import duration
from sldb.shell.catalog import Names
from sldb.shell.commands import COMMANDS, obey
from sldb.shell.completion import last_word, suggest
from sldb.shell.reader import DotCommand, NeedMore, Run, read
from sldb.shell.session import Session

_STYLE = Style.from_dict(
    {
        "prompt": "bold ansicyan",
        "bottom-toolbar": "noreverse ansibrightblack",
        "toolbar.strong": "bold",
        "pygments.keyword": "bold ansiblue",
        "pygments.name.builtin": "ansiblue",
        "pygments.literal.string": "ansigreen",
        "pygments.literal.number": "ansimagenta",
        "pygments.comment": "ansibrightblack",
    }
)
_DOT_COMMANDS = sorted(f".{command.names[0]}" for command in COMMANDS)


def talk(session: Session, show_error: Callable[[SldbError], None], history: History, *, vi: bool = False) -> None:
    """Prompt, read, run, until the user leaves."""
    prompt: PromptSession[str] = PromptSession(
        lexer=PygmentsLexer(SqlLexer),
        completer=_SqlCompleter(session),
        history=history,
        key_bindings=_keys(),
        multiline=True,
        editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
        bottom_toolbar=lambda: _toolbar(session),
        prompt_continuation=_continuation,
        style=_STYLE,
        complete_while_typing=True,
        reserve_space_for_menu=6,
    )
    while _take_turn(prompt, session, show_error):
        pass


def _take_turn(prompt: PromptSession[str], session: Session, show_error: Callable[[SldbError], None]) -> bool:
    """One prompt and what it leads to; False when the user leaves. Ctrl-C ends no more than the turn."""
    typed = ""
    try:
        typed = prompt.prompt([("class:prompt", _prompt(session))])
        return _submit(typed, session)
    except EOFError:
        return False
    except SldbError as error:
        show_error(error)
    except KeyboardInterrupt:
        if typed:
            session.output.say("stopped waiting; what writes may still be applied")
    return True


def _submit(typed: str, session: Session) -> bool:
    match read(typed):
        case Run(sql):
            session.run(sql)
        case DotCommand() as command:
            return obey(command, session)
    return True


def history_at(path: Path) -> History:
    """The history in the file; only in memory where the file cannot be kept."""
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
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        elif _wants_more(buffer.text):
            buffer.newline(copy_margin=False)
        else:
            buffer.validate_and_handle()

    @keys.add("escape", "enter")
    def _submit_anyway(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys


def _wants_more(buffer: str) -> bool:
    try:
        return isinstance(read(buffer), NeedMore)
    except SldbError:
        return False  # submitting it shows the error


def _prompt(session: Session) -> str:
    """notes/main> ; in the past notes/main@41> ; in an open transaction notes/main*>"""
    past = f"@{text.escape(str(session.at))}" if session.at is not None else ""
    mark = "*" if session.transaction is not None else ""
    return f"{short_name(session.client.target.name)}/{session.client.database}{past}{mark}> "


def short_name(target: str) -> str:
    """`local:/a/long/way/to/notes` → `local:notes`; other targets as they are."""
    kind, _, rest = target.partition(":")
    directory = re.split(r"[/\\]", rest.rstrip("/\\"))[-1]
    return f"local:{text.escape(directory)}" if kind == "local" and directory else text.escape(target)


def _continuation(width: int, _line_number: int, wrap_count: int) -> StyleAndTextTuples:
    return [("class:prompt", "… ".rjust(width) if not wrap_count else " " * width)]


def _toolbar(session: Session) -> StyleAndTextTuples:
    client, last = session.client, session.last
    parts = [text.escape(client.target.name), client.database]
    if last is not None:
        parts += [f"txid {last.txid}", duration(session.last_ms)]
    left, right = " " + " · ".join(parts), "; Enter runs · .help "
    space = get_app().output.get_size().columns - text.width(left) - text.width(right)
    return [("", left), ("", " " * space + right if space > 2 else "")]


class _SqlCompleter(Completer):
    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        before = document.text_before_cursor
        if before.startswith("."):
            candidates = [name for name in _DOT_COMMANDS if name.startswith(before)]
            yield from (Completion(name, start_position=-len(before)) for name in candidates)
            return
        word = last_word(before)
        if not word and not before.endswith(".") and not complete_event.completion_requested:
            return
        names = self._session.names.current if self._session.names else Names()
        for name in suggest(before, document.text_after_cursor, names):
            yield Completion(name, start_position=-len(word))
