"""The display of a deployment on standard error: the plan, the events, short notes.

On a terminal rich draws tables, and one line per resource, updated while the stack works. Anywhere else there is one
plain line for each event. Names and reasons come from AWS and are only ever shown as text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, TextIO, TypeAlias

from sldb.deploy.plan import Plan
from sldb.progress.protocol import SILENT, Progress
from sldb.stack.events import StackEvent
from sldb.stack.resource_change import Change

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

Shown: TypeAlias = "AbstractContextManager[Progress]"

_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "<", "Dynamic": "?"}
_STYLES = {"+": "green", "~": "yellow", "-": "red", "±": "red", "<": "green", "?": "yellow"}


class Display:
    def __init__(
        self, stream: TextIO, completed: Callable[[str], str] = str, show: Callable[[str], Shown] | None = None
    ) -> None:
        """`completed`: adds the options of this run to the commands in a message. `show`: shows a step of long work;
        None: nothing does."""
        from rich.console import Console

        # rich honours NO_COLOR and TERM; markup and highlighting are for texts that are our own.
        self._console = Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=True)
        self._completed = completed
        self._show = show
        self._is_live = False
        self._live: Live | None = None
        self._latest: dict[str, StackEvent] = {}

    @property
    def on_terminal(self) -> bool:
        return self._console.is_terminal and not self._console.is_dumb_terminal

    def note(self, text: str) -> None:
        self._console.print(self._completed(text))

    def working(self, what: str) -> Shown:
        return nullcontext(SILENT) if self._show is None else self._show(what)

    def plan(self, plan: Plan) -> None:
        verb = "create" if plan.kind.value == "create" else "update"
        self.note(f"\nThis will {verb} the stack {plan.stack} in {plan.region}, account {plan.account}:")
        resources = [*_bundle_changes(plan), *(change for change in plan.changes if not change.grants)]
        self._changes("resource", resources)
        self._changes("permissions", [change for change in plan.changes if change.grants])
        for note in plan.notes:
            self.note(note)

    def _changes(self, title: str, changes: Sequence[Change]) -> None:
        if not changes:
            return
        if self.on_terminal:
            self._console.print(_change_table(title, changes), soft_wrap=False)
            return
        for change in changes:
            self.note("  ".join(filter(None, ("  " + sign(change), change.logical_id, change.type, details(change)))))

    @contextmanager
    def following(self) -> Iterator[None]:
        """Show events while this is open."""
        self._latest = {}
        if not self.on_terminal:
            yield
            return
        self._is_live = True
        try:
            yield
        finally:
            self._is_live = False
            if self._live is not None:
                self._live.stop()
                self._live = None

    def event(self, event: StackEvent) -> None:
        before = self._latest.get(event.logical_id)
        self._latest[event.logical_id] = event
        if self._is_live:
            self._draw()
        elif before is None or before.status != event.status:  # AWS reports IN_PROGRESS twice: with the id, and before
            reason = event.reason if event.failed else ""
            self.note("  ".join(filter(None, (f"  {event.status:<18}", event.logical_id, event.type, reason))))

    def _draw(self) -> None:
        """Draw the events; the first one begins that: before it, a step of work may be shown."""
        from rich.live import Live

        if self._live is None:
            self._live = Live(console=self._console, refresh_per_second=8)
            self._live.start()
        self._live.update(self._event_table())

    def _event_table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for event in self._latest.values():
            style = "red" if event.failed or "ROLLBACK" in event.status else "green" if event.done else "yellow"
            reason = event.reason if event.failed else ""
            table.add_row(
                Text(event.status, style=style), Text(event.logical_id), Text(event.type, style="dim"), Text(reason)
            )
        return table


def sign(change: Change) -> str:
    if change.is_gone:
        return "+"
    return "±" if change.replaces else _SIGNS.get(change.action, "?")


def details(change: Change) -> str:
    """Return the changed properties of an existing resource, and the word REPLACED if it is replaced."""
    if change.is_gone:
        return "is missing, and created again"
    words = []
    if change.replacement == "True":
        words.append("REPLACED")
    elif change.replacement == "Conditional":
        words.append("may be REPLACED")
    return " ".join([*words, ", ".join(change.properties)]).strip()


def _bundle_changes(plan: Plan) -> Iterator[Change]:
    step = plan.bundle
    if step.makes_bucket:
        yield Change("Add", step.bucket, "private bucket for the code")
    if step.uploads:
        without = "" if step.has_bytecode else ", without bytecode: cold starts take longer"
        yield Change("Add", step.key[:12], f"bundle of the code, {step.unpacked_bytes / 1e6:.0f} MB unpacked{without}")


def _change_table(title: str, changes: Sequence[Change]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    has_details = any(map(details, changes))
    table = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name in ("", title, "type", *(["what changes"] if has_details else [])):
        table.add_column(Text(name), overflow="fold")
    for change in changes:
        mark = sign(change)
        cells = [Text(mark, style=_STYLES[mark]), Text(change.logical_id), Text(change.type, style="dim")]
        if has_details:
            cells.append(Text(details(change), style="red" if change.replaces else ""))
        table.add_row(*cells)
    return table
