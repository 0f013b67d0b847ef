"""The output of a session: results and messages to a terminal, a pipe or a file. No terminal is needed.

Data goes to `out`, everything else to `err`. For a screen with a pager the data is rendered to text first, and `page`
decides if it fits on the screen.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TextIO

from lambda_handlers.wire import Result, SldbError
from sldb import file_formats, render, theme
from sldb.render import Layout, Screen, text


@dataclass(slots=True)
class Output:
    out: TextIO
    err: TextIO
    format: str = "table"
    screen: Screen | None = None  # None: out is not a terminal
    timing: bool = True
    page: Callable[[str, bool], None] | None = None  # shows text at once or page by page; its lines chopped, if True
    pages: bool = True  # False: `page` is not used
    _format_before_vertical: str = "table"
    layout: Layout = field(default_factory=Layout)
    is_format_given: bool = False  # by the user: a file with an unknown ending gets it
    _origin: tuple[TextIO, Screen | None] | None = None  # out and screen while results go to a file
    _file_format: str | None = None  # of that file
    _once: bool = False  # back to them after the next result
    _file: ExitStack = field(default_factory=ExitStack)  # closes it

    @property
    def current_format(self) -> str:
        """The format of the next result: of its file, if it has one."""
        return self._file_format or self.format

    @property
    def is_in_file(self) -> bool:
        """True while results go to a file."""
        return self._origin is not None

    def show_table(self, table: Result) -> None:
        """Print the table of a command in the format that is set; a terminal gets all of each cell."""
        self.show_data([table], folds=True)

    def show_data(self, results: Sequence[Result], *, folds: bool = False) -> None:
        """Print results in the format that is set."""
        with self._no_partial_file():
            shown = self._data_stream()
            format_name, screen = self.current_format, self.screen and replace(self.screen, folds=folds)
            render.write(results, format_name, shown, screen, self.layout)
            # Only a table that was to be printed beyond the edge is scrolled sideways: all else is whole.
            self._finish(shown, chops=format_name == "markdown" or not (screen is None or screen.turns))
        if note := render.describe_hidden(results, format_name, screen):
            self.say(note, softly=True)

    def show_parts(self, parts: Iterable[str | Result]) -> None:
        """Print results, and text between them, in the format that is set: one for people."""
        with self._no_partial_file():
            shown = self._data_stream()
            for part in parts:
                if isinstance(part, Result):
                    render.write([part], self.current_format, shown, self.screen, self.layout)
                else:
                    shown.write((text.escape_lines(part) if self.screen else part) + "\n")
            self._finish(shown)

    def write_lines(self, lines: Iterable[str]) -> None:
        """Write text unchanged to a file, with control characters escaped to a terminal."""
        with self._no_partial_file():
            shown = self._data_stream()
            for line in lines:
                shown.write((text.escape_lines(line) if self.screen else line) + "\n")
            self._finish(shown)

    @contextmanager
    def _no_partial_file(self) -> Iterator[None]:
        """End a file for one result after an error: it does not appear, then."""
        try:
            yield
        except BaseException as error:
            if self._once:
                self._end_file(error)
            raise

    def _data_stream(self) -> TextIO:
        return io.StringIO() if self.screen is not None and self.page is not None and self.pages else self.out

    def _finish(self, shown: TextIO, *, chops: bool = False) -> None:
        if self.page is not None and shown is not self.out and isinstance(shown, io.StringIO):
            self.page(shown.getvalue(), chops)
        self.out.flush()
        if self._once:
            self._end_file()

    def say(self, message: str, *, softly: bool = False) -> None:
        """Print a message about the data. `softly`: dim on a terminal in colour."""
        message = text.escape_lines(message)
        screen = self._origin[1] if self._origin else self.screen
        if screen is not None and self.err.isatty():
            message = "\n".join(text.fold(line, screen.columns) for line in message.split("\n"))
            if softly and screen.color:
                message = theme.in_use().paint("soft", message)
        print(message, file=self.err, flush=True)

    def set_vertical(self, wish: str | None = None) -> None:
        """Print vertically always (`on`), never (`off`), or only what does not fit (`auto`); without a word, toggle."""
        is_vertical = self.format == "vertical"
        if (not is_vertical) if wish is None else (wish == "on"):
            if not is_vertical:
                self._format_before_vertical, self.format = self.format, "vertical"
        elif is_vertical:
            self.format = self._format_before_vertical
        if wish is not None:
            self._change_screens(turns=wish != "off")

    @contextmanager
    def vertically(self) -> Iterator[None]:
        """Print vertically while the context lasts."""
        before, of_file = self.format, self._file_format
        self.format, self._file_format = "vertical", None
        try:
            yield
        finally:
            self.format, self._file_format = before, of_file if self._origin is not None else None

    @contextmanager
    def without_pager(self) -> Iterator[None]:
        """Print whole results while the context lasts: no key is pressed between them."""
        before, self.pages = self.pages, False
        try:
            yield
        finally:
            self.pages = before

    def choose_format(self, name: str) -> None:
        """Print in this format from now on, also into the file that results go to. Raises `bad_request`."""
        self.format = render.check_format(name)
        self.is_format_given = True
        if self._origin is not None:
            self._file_format = name

    def limit_rows(self, rows: int) -> None:
        """Show at most so many rows of a table; 0: all."""
        self._change_screens(max_rows=rows)

    def limit_width(self, columns: int | None) -> None:
        """Show at most so many characters of a cell of a table; 0: no limit; None: as there is room."""
        self._change_screens(max_width=columns)

    def resize(self, columns: int, lines: int) -> None:
        """Set the size of the terminal, in characters."""
        self._change_screens(columns=columns, lines=lines)

    def _change_screens(self, **changes: int | bool | None) -> None:
        if self.screen is not None:
            self.screen = replace(self.screen, **changes)  # type: ignore[arg-type]  # fields of a Screen
        if self._origin is not None and self._origin[1] is not None:
            self._origin = (self._origin[0], replace(self._origin[1], **changes))  # type: ignore[arg-type]

    def redirect(self, path: str | None, *, once: bool = False) -> None:
        """Send results to the file from now on, or `once`; without a path, back to the original stream.

        The ending of the file's name chooses their format; one without a format of its own leaves it to `.mode`. Raises
        `bad_request` for an ending that is not known; then nothing changes.
        """
        format_name = None if path is None else self._format_of(path, once)
        self._end_file()
        if path is not None and format_name is not None:
            opened = ExitStack()
            out = opened.enter_context(_written(Path(path).expanduser(), once=once))
            self._origin, self._file, self._once = (self.out, self.screen), opened, once
            self.out, self.screen, self._file_format = out, None, format_name

    def _end_file(self, error: BaseException | None = None) -> None:
        """Go back to the original stream, if results go to a file."""
        if self._origin is None:
            return
        (self.out, self.screen), self._origin, self._file_format = self._origin, None, None
        opened, self._file, self._once = self._file, ExitStack(), False
        opened.__exit__(type(error) if error else None, error, None)

    def _format_of(self, path: str, once: bool) -> str:
        """Return the format of a file; parquet holds one result."""
        writable = (*render.FORMATS, "parquet") if once else render.FORMATS
        has_own = file_formats.format_of(path) not in (None, "table")
        given = self.format if self.is_format_given and not has_own else None
        name = file_formats.output_format(path, writable, given, self.format, ".mode")
        return render.check_format(name, to_file=True)


@contextmanager
def _written(path: Path, *, once: bool) -> Iterator[TextIO]:
    """Yield the file for text, compressed if its name says so; a file for one result appears whole or not at all."""
    from sldb.transfer.files import compression
    from sldb.transfer.files.output import open_output

    with ExitStack() as opened:
        if once:
            raw = opened.enter_context(open_output(path, io.BytesIO()))
        else:
            try:
                raw = opened.enter_context(path.open("wb"))
            except OSError as error:
                raise SldbError("bad_request", f"{path} cannot be written: {error.strerror or error}") from None
            kind = file_formats.split_compression(path.name)[1]
            if kind is not None:
                raw = opened.enter_context(closing(compression.writer(raw, kind)))
        out = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        try:
            yield out
        finally:
            out.detach()  # flushes
