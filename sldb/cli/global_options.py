"""The global options of one run, each with where its value comes from: the command line, the environment, the config
file, or the default. The file is read when something asks for what the command line and the environment do not say.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sldb.aws.options import AwsOptions
    from sldb.client import Client
    from sldb.config import Config, Setting
    from sldb.database_creation import Creation
    from sldb.destination import Aim
    from sldb.targets.deployed_function import DeployedFunction
    from sldb.targets.protocol import Target


MOST_SHOWN = 5  # databases in a message


class Globals:
    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._config: Config | None = None
        self.written: list[str] = []  # databases, once for each write

    def update(self, given: dict[str, Any]) -> None:
        for name, value in given.items():
            if value == "":  # a variable that is not set, perhaps: not to be taken for the default
                raise click.UsageError(f"--{name} is empty: give a value, or leave it out")
        self._given.update({name: value for name, value in given.items() if value is not None})

    def setting(self, name: str, given: str | None = None) -> Setting:
        """The value in force of a key of `sldb.config.KEYS`; `given`: by an option of the command itself."""
        from sldb.config import KEYS, Level, Setting

        key, local = KEYS[name], self._given.get("local")
        if name == "target" and local:
            if self._given.get("target"):
                raise click.UsageError("--local DIR is short for --target local:DIR: give one of them")
            return Setting(f"local:{local}", "--local", Level.COMMAND_LINE)
        if given or self._given.get(name):
            return Setting(given or self._given[name], f"--{name}", Level.COMMAND_LINE)
        for variable in key.variables:
            if os.environ.get(variable):
                return Setting(os.environ[variable], variable, Level.ENVIRONMENT)
        if name == "profile" and os.environ.get("AWS_ACCESS_KEY_ID"):
            # The environment's credentials outweigh the config's.
            return Setting("", "AWS_ACCESS_KEY_ID", Level.ENVIRONMENT)
        return self.config.find(name, self.use) or Setting(key.default, "default")

    @property
    def use(self) -> str | None:
        """The profile of the config file that is in force."""
        from sldb.config import USE_VARIABLE

        return self._given.get("use") or os.environ.get(USE_VARIABLE) or None

    @property
    def config(self) -> Config:
        """Raises `bad_request` where the file cannot be read as one."""
        from sldb.config import config_path, read_config

        if self._config is None:
            self._config = read_config(config_path(os.environ))
        return self._config

    @property
    def aim(self) -> Aim:
        """Where this run goes to. Raises `bad_request` where what was given contradicts itself."""
        from sldb.destination import resolve

        return resolve(self.setting("target"), self.setting("stack"))

    @cached_property
    def deployed_function(self) -> DeployedFunction:
        """The query function that the aim means; not for a local target."""
        from sldb.targets.deployed_function import DeployedFunction

        return DeployedFunction(self.aws, stack=self.aim.stack, function=self.aim.function)

    @cached_property
    def stack(self) -> str:
        """The stack that the aim means (no local one); AWS is asked where a function is named. Raises SldbError."""
        aim = self.aim
        return str(aim.stack) if aim.function is None else self.deployed_function.find_stack()

    @property
    def database(self) -> str:
        return self.setting("database").value

    @property
    def format(self) -> str:
        return self.setting("format").value

    @property
    def format_given(self) -> bool:
        return not self.setting("format").is_default

    def table_or_json(self) -> str:
        """The format of a command that knows these two; raises `bad_request` for an option that asks for another.
        What environment or config say is meant for rows, and no reason to refuse."""
        from lambda_handlers.wire import SldbError

        setting = self.setting("format")
        if setting.value in ("table", "json"):
            return setting.value
        if setting.source == "--format":
            raise SldbError("bad_request", f"--format: got {setting.value!r}, want table or json")
        return "table"

    @property
    def aws(self) -> AwsOptions:
        from sldb.aws.options import AwsOptions

        profile, region = self.setting("profile"), self.setting("region")
        # What the environment names, boto3 finds by itself.
        named = profile.value if profile.source != "AWS_PROFILE" else None
        return AwsOptions(profile=named or None, region=region.value or None)

    def client(self, database: str | None = None, *, create: bool = False) -> Client:
        """`create`: whether writes may create the database without a question."""
        from sldb.client import Client, open_local

        aim = self.aim
        if aim.directory is not None:
            target: Target = open_local(aim.directory)
        else:
            from sldb.targets.aws_lambda import LambdaTarget

            target = LambdaTarget(self.deployed_function, self.aws)
        creation = self._creation(create)
        return Client(target, database or self.database, creation, aim.place, self.written.append)

    def _creation(self, create: bool) -> Creation:
        from sldb.cli import confirm, streams
        from sldb.database_creation import VARIABLE, Creation

        ask = confirm.to_create if streams.somebody_is_there() else None
        return Creation(create or _is_set(VARIABLE), ask, self._directory)

    @property
    def _directory(self) -> Path | None:
        """The directory that the target names."""
        given = self.aim.directory
        return Path(given).expanduser().absolute() if given else None

    @property
    def missing_directory(self) -> Path | None:
        """The directory of the target, where it is too far from what is there to be made without a question."""
        from sldb.database_creation import missing_path

        return missing_path(self._directory)

    def tell_write(self, database: str) -> None:
        """Say at once that something was written to this database."""
        self.written.append(database)
        self.tell_writes()

    def tell_writes(self, *, also_where_plain: bool = False) -> None:
        """Say to which databases something was written, where that is not plain to see."""
        from sldb.render.text import escape

        databases = list(dict.fromkeys(self.written))
        self.written.clear()
        if databases and (also_where_plain or not self.aim.is_plain):
            shown = ", ".join(databases[:MOST_SHOWN]) + (", …" if len(databases) > MOST_SHOWN else "")
            noun = "database" if len(databases) == 1 else "databases"
            click.echo(escape(f"written to {noun} {shown} of {self.aim.place}"), err=True)

    def completed(self, text: str) -> str:
        """A message whose commands of sldb go where this run goes."""
        import shlex

        from lambda_handlers.wire import with_options
        from sldb.destination import Aim

        aim, found = self.aim, self.__dict__.get("stack")  # once it is known, of a function, too
        if aim.function and found:
            aim = Aim(stack=found, is_named=True)
        options = aim.options()
        for name in ("region", "profile", "use"):
            if name in self._given and not (aim.is_local and name != "use"):
                options += [f"--{name}", self._given[name]]
        return with_options(text, [shlex.quote(word) for word in options])

    def command_line(self, *words: str, database: str | None = None) -> str:
        """A command to type, which works where this one did: with the options that it was given."""
        import shlex

        given = {name: value for name, value in self._given.items() if name != "format"}
        if database is not None:
            given["database"] = database
        options = [word for name, value in given.items() for word in (f"--{name}", value)]
        return shlex.join(["sldb", *words, *options])


def _is_set(variable: str) -> bool:
    """Return what a variable says that is 1 or 0; raise `bad_request` for one that is neither."""
    from lambda_handlers.wire import SldbError

    value = os.environ.get(variable, "")
    if value not in ("", "0", "1"):
        raise SldbError("bad_request", f"{variable}: got {value!r}, want 1 or 0")
    return value == "1"
