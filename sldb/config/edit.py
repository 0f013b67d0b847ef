"""The edits of a config file: one line changes, all others stay as they were, comments included.

The new text is decoded before it is written. If its settings are not the wanted ones (a key in a spelling unknown
here), nothing is written and the message reports it: no edit ever loses a setting.
"""

from __future__ import annotations

import json

from lambda_handlers.wire import SldbError
from sldb import atomic_file
from sldb.config.file import PROFILES, Config, decode, line_of
from sldb.config.settings import KEYS, find_problem
from sldb.did_you_mean import with_suggestion

TEMPLATE = """\
# Settings of sldb's command line. The command line and the environment outweigh them.
{keys}
# [profiles.dev]               in force with --use dev, or SLDB_USE=dev
# target = "local:~/databases"
"""


def template() -> str:
    """Return the text of a file with every key, commented out."""
    return TEMPLATE.format(keys="".join(f"\n# {key.meaning}\n# {key.name} = {_quoted(key.default)}\n" for key in _ALL))


_ALL = tuple(KEYS.values())


def with_value(config: Config, key: str, value: str, profile: str | None) -> Config:
    """Return `config` with the key set, in a profile or at the top. Raises `bad_request`."""
    _check(key)
    if not value:
        raise SldbError("bad_request", f"{key}: got nothing, want a value", f"sldb config unset {key} removes it")
    if problem := find_problem(key, value):
        raise SldbError("bad_request", problem)
    if profile is not None and (not profile or any(letter in profile for letter in "\n\"'[].")):
        raise SldbError("bad_request", f"--use: {profile!r} cannot name a profile")
    wanted = {**_table(config, profile), key: value}
    return _checked(config, _set_line(config.text, _header(profile), key, f"{key} = {_quoted(value)}"), profile, wanted)


def without(config: Config, key: str, profile: str | None) -> Config:
    """Return `config` without the key, or `config` itself if it does not set the key."""
    _check(key)
    table = _table(config, profile)
    if key not in table:
        return config
    wanted = {name: value for name, value in table.items() if name != key}
    return _checked(config, _set_line(config.text, _header(profile), key, None), profile, wanted)


def write(config: Config) -> None:
    """Write the file whole or not at all. Raises `bad_request`."""
    if config.path.exists() and not config.path.is_file():  # /dev/null, which the emulator names, may not be replaced
        raise SldbError("bad_request", f"{config.path} is not a writable file", "see SLDB_CONFIG")
    try:
        config.path.parent.mkdir(parents=True, exist_ok=True)
        atomic_file.replace_with(config.path, config.text.encode(), new_mode=0o600)
    except OSError as error:
        raise SldbError("bad_request", f"{config.path} cannot be written: {error.strerror}") from error


def _check(key: str) -> None:
    if key not in KEYS:
        hint = with_suggestion(key, KEYS, f"a key is one of {', '.join(KEYS)}")
        raise SldbError("bad_request", f"no such key: {key}", hint)


def _table(config: Config, profile: str | None) -> dict[str, str]:
    return dict(config.top if profile is None else config.profiles.get(profile, {}))


def _header(profile: str | None) -> str:
    return "" if profile is None else f"{PROFILES}.{profile}"


def _set_line(text: str, table: str, key: str, line: str | None) -> str:
    """Return `text` with the line of this key replaced, or added after the last of its table; None removes it."""
    lines = text.removesuffix("\n").split("\n") if text else []
    number = line_of(text, table, key)
    if number:
        lines[number - 1 : number] = [] if line is None else [line]
    elif line is not None:
        lines = _with_new_line(lines, text, table, line)
    return "".join(f"{each}\n" for each in lines)


def _with_new_line(lines: list[str], text: str, table: str, line: str) -> list[str]:
    last = max(line_of(text, table, key) for key in KEYS)
    if last:
        return [*lines[:last], line, *lines[last:]]
    if not table:
        return [line, *([""] if lines else []), *lines]
    for number, each in enumerate(lines, start=1):
        if each.split("#")[0].strip().replace('"', "") == f"[{table}]":
            return [*lines[:number], line, *lines[number:]]
    name = table.removeprefix(f"{PROFILES}.")
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return [*lines, *([""] if lines else []), f"[{table}]" if plain else f"[{PROFILES}.{_quoted(name)}]", line]


def _checked(config: Config, text: str, profile: str | None, wanted: dict[str, str]) -> Config:
    """Return `text` as a config. Raises `bad_request` unless it differs from `config` in one table, now `wanted`."""
    profiles = {name: dict(table) for name, table in config.profiles.items()}
    top = dict(config.top)
    if profile is None:
        top = wanted
    else:
        profiles[profile] = wanted
    try:
        edited = decode(config.path, text)
    except SldbError:
        edited = Config(config.path)
    if edited.top != top or {n: dict(t) for n, t in edited.profiles.items()} != profiles:
        raise SldbError("bad_request", f"{config.path} has a form that sldb cannot edit", "edit it by hand")
    return edited


def _quoted(value: str) -> str:
    """Return a TOML basic string: except for DEL, JSON's escapes are valid in TOML."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
