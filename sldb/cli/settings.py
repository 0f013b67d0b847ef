"""The settings of one run: each from the command line, the environment, the config file or its default.

The config file is read at the first setting without a value on the command line or in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sldb.config.file import Config
    from sldb.config.settings import Setting


class Settings:
    def __init__(self) -> None:
        self.given: dict[str, str] = {}  # global options of the command line
        self._config: Config | None = None

    def update(self, given: Mapping[str, Any]) -> None:
        """Add options of the command line; None stands for an absent one. Raises UsageError for an empty value."""
        for name, value in given.items():
            if value == "":  # perhaps a variable that is not set: it must not become the default
                raise click.UsageError(f"--{name} is empty: give a value, or leave it out")
        self.given.update({name: value for name, value in given.items() if value is not None})

    def find(self, name: str, given: str | None = None) -> Setting:
        """Return the value in force of a key of `KEYS`; `given`: the value of the command's own option."""
        from sldb.config.settings import KEYS, Level, Setting

        key, local = KEYS[name], self.given.get("local")
        if name == "target" and local:
            if self.given.get("target"):
                raise click.UsageError("--local DIR is short for --target local:DIR: give one of them")
            return Setting(f"local:{local}", "--local", Level.COMMAND_LINE)
        if given or self.given.get(name):
            return Setting(given or self.given[name], f"--{name}", Level.COMMAND_LINE)
        for variable in key.variables:
            if os.environ.get(variable):
                return Setting(os.environ[variable], variable, Level.ENVIRONMENT)
        if name == "profile" and os.environ.get("AWS_ACCESS_KEY_ID"):
            # The environment's credentials outweigh the config's.
            return Setting("", "AWS_ACCESS_KEY_ID", Level.ENVIRONMENT)
        return self.config.find(name, self.use) or Setting(key.default, "default")

    @property
    def use(self) -> str | None:
        """The profile of the config file in force."""
        from sldb.config.settings import USE_VARIABLE

        return self.given.get("use") or os.environ.get(USE_VARIABLE) or None

    @property
    def config(self) -> Config:
        """The config file. Raises `bad_request` if it cannot be read as one."""
        from sldb.config.file import config_path, read_config

        if self._config is None:
            self._config = read_config(config_path(os.environ))
        return self._config


def read_switch(variable: str) -> bool:
    """Return True for 1 and False for 0 in an environment variable; raise `bad_request` for another value."""
    from lambda_handlers.wire import SldbError

    value = os.environ.get(variable, "")
    if value not in ("", "0", "1"):
        raise SldbError("bad_request", f"{variable}: got {value!r}, want 1 or 0")
    return value == "1"
