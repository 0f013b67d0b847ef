"""The config file: its place, its syntax, and the settings in it.

    target = "lambda:orders-function"      # for every run
    region = "eu-central-1"

    [profiles.dev]                         # with --use dev, or SLDB_USE=dev
    target = "local:~/orders"

The file is `config.toml` in the user's configuration directory, or the path in SLDB_CONFIG; it is optional.
Content without meaning (another key, a value other than text, bad TOML) is an error with its line.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambda_handlers.wire import SldbError
from sldb.config.settings import FILE_VARIABLE, KEYS, Level, Setting, find_problem
from sldb.did_you_mean import with_suggestion

PROFILES = "profiles"


@dataclass(frozen=True, slots=True)
class Config:
    """The valid content of a config file."""

    path: Path
    text: str = ""
    top: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def find(self, key: str, profile: str | None) -> Setting | None:
        """Return the setting of a key, from the profile or the top. Raises `bad_request` for an unknown profile."""
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
            with_suggestion(name, self.profiles, f"sldb config set KEY VALUE --use {name} begins one"),
        )


def config_path(environment: Mapping[str, str]) -> Path:
    if environment.get(FILE_VARIABLE):
        return Path(environment[FILE_VARIABLE]).expanduser()
    return user_config_directory() / "config.toml"


def user_config_directory() -> Path:
    """Return the directory of platformdirs; on Linux without its import, a cost at every start of a command."""
    if sys.platform == "linux":
        given = os.environ.get("XDG_CONFIG_HOME", "").strip()
        return Path(given or os.path.expanduser("~/.config")) / "sldb"  # not Path.home(): there may be none
    import platformdirs

    return Path(platformdirs.user_config_dir("sldb", appauthor=False))


def read_config(path: Path) -> Config:
    """Return the config of a file, or an empty one if there is no file. Raises `bad_request`."""
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
    """Return the config in a text. Raises `bad_request` with the place in it."""
    top = _parse(path, text)
    tables = top.pop(PROFILES, {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise _misplaced(path, text, "", PROFILES, f"{PROFILES} holds tables, such as [{PROFILES}.dev]")
    for table, values in (("", top), *((f"{PROFILES}.{name}", values) for name, values in tables.items())):
        for key, value in values.items():
            if problem := _find_problem(key, value):
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


def _find_problem(key: str, value: object) -> str:
    """Return the problem with a key and its value; empty if both are valid."""
    if key not in KEYS:
        return f"no such key: {key}; {with_suggestion(key, KEYS, 'a key is one of ' + ', '.join(KEYS))}"
    if not isinstance(value, str) or not value:
        return f'{key}: got {value!r}, want text in quotes: {key} = "…"'
    return find_problem(key, value)


def line_of(text: str, table: str, key: str) -> int:
    """Return the line (from 1) with the key of a table ("": the top); 0 if none is recognized."""
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
