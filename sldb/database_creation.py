"""Which databases a write may create, and what follows when it must not: a question on a terminal, else an error.

The server decides, by the state that the write builds on: a request with `create: false` that would begin a database
is refused with `not_found` and `creatable`. The client never looks beforehand, for what it saw might have changed.

`main` is created without a question. Its local directory is made as mkdir would make it: a directory whose parent is
there, and no longer path, which is more probably a mistyped one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from lambda_handlers.wire import DEFAULT_DATABASE, SldbError

VARIABLE = "SLDB_CREATE"
MAX_NAMES = 10  # that a question or a hint lists

Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Creation:
    """What the writes of one run may create."""

    is_allowed: bool = True  # any database: --create
    ask: Ask | None = None  # None: there is no terminal
    directory: Path | None = None  # of the local target
    _agreed: set[str] = field(default_factory=set, compare=False)  # databases

    def allows(self, database: str) -> bool:
        """Return whether a write may create the database without a question."""
        if self.is_allowed or database in self._agreed:
            return True
        return database == DEFAULT_DATABASE and missing_path(self.directory) is None

    def agree(self, database: str, refusal: SldbError, names: Sequence[str]) -> None:
        """Ask whether the database is to be created; raise the refusal, with a hint, where nobody can be asked or the
        answer is no. `names`: of the databases there are."""
        missing = missing_path(self.directory)
        if self.ask is None or not self.ask(_question(database, refusal, names, missing)):
            raise _with_hint(database, refusal, names, missing)
        self._agreed.add(database)


def missing_path(directory: Path | None) -> Path | None:
    """Return the directory where it and its parent are not there."""
    if directory is None or directory.exists() or directory.parent.exists():
        return None
    return directory


def suggestion(name: str, names: Sequence[str]) -> str:
    """Return the names there are in one phrase, those that are like `name` apart."""
    if not names:
        return "there is no database yet"
    like = get_close_matches(name, names, n=3)
    meant = f"did you mean {' or '.join(like)}? " if like else ""
    main_first = sorted(names, key=lambda one: (one != DEFAULT_DATABASE, one))
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return f"{meant}there is: {', '.join(main_first[:MAX_NAMES])}{more}"


def _question(database: str, refusal: SldbError, names: Sequence[str], missing: Path | None) -> str:
    if missing is not None:
        return f"{missing} does not exist: create it?"
    if "txid" in refusal.details:
        return f"{refusal.message}: begin it anew? ({suggestion(database, names)})"
    return f"{database} does not exist: create it? ({suggestion(database, names)})"


def _with_hint(database: str, refusal: SldbError, names: Sequence[str], missing: Path | None) -> SldbError:
    way = f"--create makes it, as do {VARIABLE}=1 and `sldb databases create {database}`"
    if missing is not None:
        refusal.message = f"there is no directory {missing}"
        refusal.hint = way
    elif "txid" in refusal.details:
        refusal.hint = f"{refusal.hint}, with --create or {VARIABLE}=1"
    else:
        refusal.hint = f"{suggestion(database, names)}; {way}"
    return refusal
