"""The settings of the command line: which there are, and what the user's config file says about them.

    target = "lambda:orders-function"      # for every run
    region = "eu-central-1"

    [profiles.dev]                         # with --use dev, or SLDB_USE=dev
    target = "local:~/orders"

A value comes from the command line, else the environment, else the config's profile in use, else the top of the
config, else the default. There are no secrets in here: credentials are AWS's business (`profile` names one of AWS's).

The file is `config.toml` in the user's configuration directory, or what SLDB_CONFIG names; there need not be one.
What it cannot mean (another key, a value that is no text, bad TOML) is an error with its line.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

from lambda_handlers.wire import DATABASE_NAME, SldbError

FILE_VARIABLE = "SLDB_CONFIG"
USE_VARIABLE = "SLDB_USE"
PROFILES = "profiles"
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    variables: tuple[str, ...]  # of the environment; the first that is set counts
    default: str
    meaning: str


KEYS = {
    key.name: key
    for key in (
        Key("target", ("SLDB_TARGET",), "lambda", "lambda, lambda:FUNCTION, local or local:DIR"),
        Key("database", ("SLDB_DATABASE",), "main", "the database"),
        Key("stack", ("SLDB_STACK",), "test-db", "the CloudFormation stack"),
        Key("profile", ("AWS_PROFILE",), "", "the AWS profile"),
        # AWS's own command line reads AWS_REGION, botocore AWS_DEFAULT_REGION: here both work for every command.
        Key("region", ("AWS_REGION", "AWS_DEFAULT_REGION"), "", "the AWS region"),
        Key("format", ("SLDB_FORMAT",), "table", "how rows are printed"),
        Key("migrations", ("SLDB_MIGRATIONS",), "db/migrations", "the directory of `sldb migrate`"),
    )
}


class Level(IntEnum):
    """How near to the user a value was set; the nearest counts."""

    DEFAULT = 0
    FILE = 1  # the top of the config
    PROFILE = 2  # of the config
    ENVIRONMENT = 3
    COMMAND_LINE = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and where it comes from."""

    value: str
    source: str  # --format, SLDB_FORMAT, /home/ada/.config/sldb/config.toml:3, default
    level: Level = field(default=Level.DEFAULT, compare=False)

    @property
    def is_default(self) -> bool:
        return self.source == "default"


@dataclass(frozen=True, slots=True)
class Config:
    """What a config file says, checked."""

    path: Path
    text: str = ""
    top: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def find(self, key: str, profile: str | None) -> Setting | None:
        """Raises `bad_request` for a profile that is not there."""
        tables = [(f"{PROFILES}.{profile}", self.profile(profile)), ("", self.top)] if profile else [("", self.top)]
        for table, values in tables:
            if key in values:
                line = line_of(self.text, table, key)
                level = Level.PROFILE if table else Level.FILE
                return Setting(values[key], f"{self.path}:{line}" if line else str(self.path), level)
        return None

    def profile(self, name: str) -> Mapping[str, str]:
        if name in self.profiles:
            return self.profiles[name]
        known = ", ".join(sorted(self.profiles)) or "none"
        raise SldbError(
            "bad_request",
            f"there is no profile {name} in {self.path}; there: {known}",
            f"sldb config set KEY VALUE --use {name} begins one",
        )


def config_path(environment: Mapping[str, str]) -> Path:
    if environment.get(FILE_VARIABLE):
        return Path(environment[FILE_VARIABLE]).expanduser()
    return user_config_directory() / "config.toml"


def user_config_directory() -> Path:
    """What platformdirs says. On Linux without asking it: its import would cost every start of every command."""
    if sys.platform == "linux":
        given = os.environ.get("XDG_CONFIG_HOME", "").strip()
        return Path(given or os.path.expanduser("~/.config")) / "sldb"  # not Path.home(): there may be none
    import platformdirs

    return Path(platformdirs.user_config_dir("sldb", appauthor=False))


def read_config(path: Path) -> Config:
    """The config in a file; an empty one where there is none. Raises `bad_request`."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (FileNotFoundError, NotADirectoryError):
        return Config(path)
    except OSError as error:
        raise SldbError("bad_request", f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SldbError("bad_request", f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
    return decode(path, text)


def decode(path: Path, text: str) -> Config:
    """Raises `bad_request` with the place."""
    top = _parse(path, text)
    tables = top.pop(PROFILES, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise _misplaced(path, text, "", PROFILES, f"{PROFILES} holds tables, such as [{PROFILES}.dev]")
    for table, values in (("", top), *((f"{PROFILES}.{name}", values) for name, values in tables.items())):
        for key, value in values.items():
            if problem := _problem(key, value):
                raise _misplaced(path, text, table, key, problem)
    return Config(path, text, top, tables)


def _parse(path: Path, text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        parsed: dict[str, Any] = tomllib.loads(text)
        return parsed
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        found = re.search(r"line (\d+), column (\d+)", place)
        offset = _offset(text, int(found[1]), int(found[2])) if found else len(text.rstrip())
        raise SldbError(
            "bad_request",
            f"not TOML: {message[:1].lower()}{message[1:]}",
            'a line is: key = "value"',
            **_place(path, text, offset),
        ) from None


def _problem(key: str, value: object) -> str:
    """What is wrong with a key and its value; empty where nothing is."""
    if key not in KEYS:
        return f"no such key: {key}; a key is one of {', '.join(KEYS)}"
    if not isinstance(value, str) or not value:
        return f'{key}: got {value!r}, want text in quotes: {key} = "…"'
    return value_problem(key, value)


def value_problem(key: str, value: str) -> str:
    """What the value of a known key cannot mean; empty where it can."""
    if key == "format":
        from sldb.render import FORMATS

        return "" if value in FORMATS else f"no such format: {value}; a format is one of {', '.join(FORMATS)}"
    if key == "target" and value.partition(":")[0] not in ("lambda", LOCAL, "http", "https"):
        return f"no such target: {value}; a target is lambda, lambda:FUNCTION, local or local:DIRECTORY"
    if key == "database" and not DATABASE_NAME.fullmatch(value):
        return f"database: got {value!r}, want a name that matches {DATABASE_NAME.pattern}"
    return ""


def line_of(text: str, table: str, key: str) -> int:
    """The number of the line, from 1, that sets the key of a table ("": the top); 0 where no line does so plainly."""
    here = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if header := _HEADER.match(line):
            here = ".".join(_bare(part) for part in header[1].split("."))
        elif (assigned := _ASSIGNMENT.match(line)) and here == table and _bare(assigned[1]) == key:
            return number
    return 0


_HEADER = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"""\s*([A-Za-z0-9_-]+|"[^"]*"|'[^']*')\s*[.=]""")


def _bare(name: str) -> str:
    return name.strip().strip("\"'")


def _misplaced(path: Path, text: str, table: str, key: str, problem: str) -> SldbError:
    line = line_of(text, table, key) or line_of(text, "", PROFILES)
    place = _place(path, text, _offset(text, line, 1)) if line else {"file": str(path)}
    return SldbError("bad_request", problem, "sldb config shows what is in force", **place)


def _place(path: Path, text: str, offset: int) -> dict[str, Any]:
    return {"file": str(path), "query": text, "offset": offset}


def _offset(text: str, line: int, column: int) -> int:
    before = text.split("\n")[: line - 1]
    return sum(len(each) + 1 for each in before) + column - 1
