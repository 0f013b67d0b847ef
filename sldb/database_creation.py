"""The creation of a database by a write: allowed, confirmed on a terminal, or refused.

The server decides, by the state before the write: a request with `create: false` for a missing database is
refused with `not_found` and `creatable`. The client never looks beforehand, for the state might change until the write.

`main` is created without a question. Its local directory is made as mkdir would make it: a directory with an existing
parent. A path with more missing parts is more probably a mistyped one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.wire import DEFAULT_DATABASE, SldbError
from sldb.did_you_mean import suggestion

VARIABLE = "SLDB_CREATE"
MAX_NAMES = 10  # in a question or a hint

Confirm = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class DatabaseCreation:
    """The rights of one run's writes to create databases."""

    is_allowed: bool = True  # any database: --create
    confirm: Confirm | None = None  # None: there is no terminal
    directory: Path | None = None  # of the local target
    _confirmed: set[str] = field(default_factory=set, compare=False)  # databases

    def allows(self, database: str) -> bool:
        """Return True if a write may create the database without a question."""
        if self.is_allowed or database in self._confirmed:
            return True
        return database == DEFAULT_DATABASE and missing_path(self.directory) is None

    def require(self, database: str, refusal: SldbError, names: Sequence[str]) -> None:
        """Ask whether to create the database; raise the refusal, with a hint, without a terminal or after a no.

        `names`: of the existing databases.
        """
        missing = missing_path(self.directory)
        if self.confirm is None or not self.confirm(_question(database, refusal, names, missing)):
            raise _with_hint(database, refusal, names, missing)
        self._confirmed.add(database)


def missing_path(directory: Path | None) -> Path | None:
    """Return the directory if neither it nor its parent exists."""
    if directory is None or directory.exists() or directory.parent.exists():
        return None
    return directory


def suggest_names(name: str, names: Sequence[str]) -> str:
    """Return the existing names in one phrase, those like `name` apart."""
    if not names:
        return "there is no database yet"
    meant = f"{found} " if (found := suggestion(name, names)) else ""
    main_first = sorted(names, key=lambda one: (one != DEFAULT_DATABASE, one))
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return f"{meant}there is: {', '.join(main_first[:MAX_NAMES])}{more}"


def _question(database: str, refusal: SldbError, names: Sequence[str], missing: Path | None) -> str:
    if missing is not None:
        return f"{missing} does not exist: create it?"
    if "txid" in refusal.details:
        return f"{refusal.message}: create it again? ({suggest_names(database, names)})"
    return f"{database} does not exist: create it? ({suggest_names(database, names)})"


def _with_hint(database: str, refusal: SldbError, names: Sequence[str], missing: Path | None) -> SldbError:
    ways = f"--create creates it, as do {VARIABLE}=1 and `sldb databases create {database}`"
    if missing is not None:
        refusal.message = f"there is no directory {missing}"
        refusal.hint = ways
    elif "txid" in refusal.details:
        refusal.hint = f"{refusal.hint}, with --create or {VARIABLE}=1"
    else:
        refusal.hint = f"{suggest_names(database, names)}; {ways}"
    return refusal
