"""Migration files, in dbmate's format: `20261125103000_create_users.sql` with

    -- migrate:up
    CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);

    -- migrate:down
    DROP TABLE users;

The digits before the name are the version. As with dbmate, versions are compared as text, other files of the directory
are ignored, only comments may precede `-- migrate:up`, and there must be a `-- migrate:down`, possibly empty. Unlike
with dbmate, two files with one version are an error, and so is an unknown option.

`transaction:false` is accepted: a migration is one request, and so one transaction, in any case. The usual reasons for
that option work nevertheless: PRAGMAs at the beginning of a block take effect before that transaction
(lambda_handlers/sql/session.py), journal_mode and its like have no effect (lambda_handlers/sql/settings/rights.py), and
a VACUUM that is alone in its block runs by itself (`runner`).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambda_handlers.wire import SldbError
from sldb import atomic_file

TEMPLATE = "-- migrate:up\n\n\n-- migrate:down\n\n"
_NAME = re.compile(r"(\d+)(.*)\.sql", re.DOTALL)
_DIRECTIVE = re.compile(r"^--[ \t]*migrate:(up|down)(?=\s|\Z)([^\n]*)\n?", re.MULTILINE)
_OPTIONS = ("transaction:false", "transaction:true")


@dataclass(frozen=True, slots=True)
class Block:
    sql: str
    begins: int  # characters of the file before it
    transaction: bool = True  # False: the file requests none


@dataclass(frozen=True, slots=True)
class Migration:
    version: str
    path: Path
    text: str  # all of the file
    up: Block
    down: Block

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def sha256(self) -> str:
        """The SHA-256 of the statements, without line ends and surrounding space: a checkout may change those."""
        return hashlib.sha256(self.up.sql.replace("\r\n", "\n").strip().encode()).hexdigest()

    def place(self, offset: int) -> dict[str, Any]:
        """Return a place in the file, for the details of an error."""
        return {"file": str(self.path), "query": self.text, "offset": offset}


def read_directory(directory: Path) -> tuple[Migration, ...]:
    """Return the migrations of a directory, in the order of their versions. Raises `bad_request`."""
    try:
        paths = sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name) and path.is_file())
    except OSError as error:
        raise SldbError(
            "bad_request",
            f"the directory of the migrations, {directory}, cannot be read: {error.strerror}",
            "sldb migrate new NAME creates one; --dir DIR names another",
        ) from None
    found: dict[str, Migration] = {}
    for path in paths:
        migration = read(path)
        if migration.version in found:
            raise SldbError(
                "bad_request",
                f"{found[migration.version].name} and {path.name} have the same version, {migration.version}",
                "give one of them another version",
            )
        found[migration.version] = migration
    return tuple(found[version] for version in sorted(found))


def read(path: Path) -> Migration:
    """Read a migration. Raises `bad_request`."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SldbError("bad_request", f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SldbError("bad_request", f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    return parse(path, text)


def parse(path: Path, text: str) -> Migration:
    """Return the migration in the text of a file. Raises `bad_request` with the place."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise SldbError("bad_request", f"{path}: a migration is named VERSION_NAME.sql, its version in digits")
    directives = list(_DIRECTIVE.finditer(text))
    found_error = _find_error(text, directives)
    if found_error:
        message, offset = found_error
        raise SldbError("bad_request", message, _HINT, file=str(path), query=text, offset=offset)
    up, down = directives
    return Migration(
        match[1],
        path,
        text,
        Block(text[up.end() : down.start()], up.end(), "transaction:false" not in up[2].split()),
        Block(text[down.end() :], down.end(), "transaction:false" not in down[2].split()),
    )


_HINT = "a migration is: -- migrate:up, its SQL, -- migrate:down, and the SQL that reverts it"


def _find_error(text: str, directives: list[re.Match[str]]) -> tuple[str, int] | None:
    """Return the first error in the directives, and its offset."""
    kinds = [directive[1] for directive in directives]
    for kind in ("up", "down"):
        if kind not in kinds:
            return f"there is no line -- migrate:{kind}", len(text) if kind == "down" else 0
    for position, (directive, kind) in enumerate(zip(directives, kinds, strict=True)):
        if kind in kinds[:position]:
            return f"there is a second line -- migrate:{kind}", directive.start()
        for option in directive[2].split():
            if option not in _OPTIONS:
                return f"no such option: {option}", directive.start(2) + directive[2].index(option)
    if kinds != ["up", "down"]:
        return "-- migrate:down comes before -- migrate:up", directives[0].start()
    offset = 0
    for line in text[: directives[0].start()].splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("--"):
            return "there is SQL before -- migrate:up, which would never run", offset
        offset += len(line)
    return None


def create_file(directory: Path, name: str, now: float) -> Path:
    """Create the file of a migration of this name, with the time in UTC as its version. Raises `bad_request`."""
    slug = re.sub(r"\s+", "_", name.strip())
    if not re.fullmatch(r"[\w.-]+", slug):
        raise SldbError("bad_request", f"{name!r} cannot name a migration", "use letters, digits, - and _")
    path = directory / f"{time.strftime('%Y%m%d%H%M%S', time.gmtime(now))}_{slug}.sql"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        atomic_file.create_with(path, TEMPLATE.encode())
    except OSError as error:
        raise SldbError("bad_request", f"{path} cannot be created: {error.strerror}") from None
    return path


@dataclass(frozen=True, slots=True)
class VersionStatus:
    """The status of one version: of the files, of the database, or of both."""

    version: str
    name: str  # of the file; empty if there is none
    state: str  # applied, pending, out_of_order (pending, older than one that is applied), changed, missing

    @property
    def is_pending(self) -> bool:
        return self.state in ("pending", "out_of_order")


def list_versions(migrations: tuple[Migration, ...], applied: Mapping[str, str | None]) -> list[VersionStatus]:
    """Return all versions. `applied`: version → sha256 when applied, None if unknown (dbmate has applied it)."""
    newest = max(applied, default="")
    found = [_standing(migration, applied, newest) for migration in migrations]
    known = {migration.version for migration in migrations}
    found += [VersionStatus(version, "", "missing") for version in applied if version not in known]
    return sorted(found, key=lambda version_status: version_status.version)


def _standing(migration: Migration, applied: Mapping[str, str | None], newest: str) -> VersionStatus:
    if migration.version not in applied:
        state = "out_of_order" if migration.version < newest else "pending"
    else:
        state = "applied" if applied[migration.version] in (None, migration.sha256) else "changed"
    return VersionStatus(migration.version, migration.name, state)
