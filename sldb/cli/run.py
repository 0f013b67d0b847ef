"""The run of one command: its settings, destination, client and writes."""

from __future__ import annotations

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sldb.cli import progress
from sldb.cli.settings import Settings, read_switch

if TYPE_CHECKING:
    from lambda_handlers.wire import SldbError
    from sldb.aws.options import AwsOptions
    from sldb.client import Client
    from sldb.database_creation import DatabaseCreation
    from sldb.destination import Destination
    from sldb.progress.lock_watch import Look
    from sldb.targets.deployed_function import DeployedFunction
    from sldb.targets.http_auth import AuthSettings
    from sldb.targets.protocol import Target

MAX_NAMES = 5  # of databases in a message


class Run:
    def __init__(self) -> None:
        self.settings = Settings()
        self.written: list[str] = []  # databases, once for each write

    # The destination

    @property
    def destination(self) -> Destination:
        """The stack, function or directory of this run. Raises `bad_request` if the settings contradict each other."""
        from sldb.destination import resolve

        return resolve(self.settings.find("target"), self.settings.find("stack"))

    @cached_property
    def deployed_function(self) -> DeployedFunction:
        """The query function of the destination, for targets other than local ones."""
        from sldb.targets.deployed_function import DeployedFunction

        return DeployedFunction(self.aws, stack=self.destination.stack, function=self.destination.function)

    @cached_property
    def stack(self) -> str:
        """The stack of the destination (not a local one); requested from AWS if a function is named.

        Raises SldbError.
        """
        self._refuse_url()
        destination = self.destination
        return str(destination.stack) if destination.function is None else self.deployed_function.find_stack()

    def _refuse_url(self) -> None:
        """Raise `bad_request` if the target is a URL: what belongs to a stack must not be looked for in another."""
        from lambda_handlers.wire import SldbError

        if self.destination.url is not None:
            raise SldbError(
                "bad_request",
                f"this is for a stack or a directory, and the target is {self.destination.url}",
                "--target lambda is the function of the stack (--stack)",
            )

    def refuse_local(self, command: str) -> None:
        """Raise `bad_request` if the target is local: a command for AWS must not reach an account in its place."""
        from lambda_handlers.wire import SldbError

        self._refuse_url()
        if self.destination.is_local:
            raise SldbError(
                "bad_request",
                f"{command} is for AWS, and the target is {self.destination.place}",
                "a local target needs no deployment: leave --local out, or unset SLDB_TARGET",
            )

    @property
    def _directory(self) -> Path | None:
        """The directory in the target's name."""
        given = self.destination.directory
        return Path(given).expanduser().absolute() if given else None

    @property
    def missing_directory(self) -> Path | None:
        """The directory of the target if it and its parent are missing: to create it, the user must confirm."""
        from sldb.database_creation import missing_path

        return missing_path(self._directory)

    @property
    def is_new_directory(self) -> bool:
        """True if the target is a directory that does not exist yet."""
        return self._directory is not None and not self._directory.exists()

    def check_directory(self, *, creates: bool) -> None:
        """Raise `bad_request` if the target is a file, and `not_found` if it is a directory that is missing with its
        parent, and may not be created."""
        from lambda_handlers.wire import SldbError

        directory = self._directory
        if directory is not None and directory.exists() and not directory.is_dir():
            raise SldbError(
                "bad_request",
                f"{directory} is a file, and databases are in a directory",
                "sldb push FILE brings a SQLite file into a database",
            )
        if not creates and self.missing_directory is not None:
            raise SldbError(
                "not_found",
                f"there is no directory {directory}",
                "--create lets the first write create it",
                applied="no",
            )

    # Settings

    @property
    def database(self) -> str:
        return self.settings.find("database").value

    @property
    def format(self) -> str:
        return self.settings.find("format").value

    @property
    def is_format_given(self) -> bool:
        return not self.settings.find("format").is_default

    def table_or_json(self) -> str:
        """Return the format of a command with these two; raise `bad_request` if an option requests another one.

        Environment and config name a format for rows, and so are no reason to refuse.
        """
        from lambda_handlers.wire import SldbError

        setting = self.settings.find("format")
        if setting.value in ("table", "json"):
            return setting.value
        if setting.is_option:
            raise SldbError("bad_request", f"--format: got {setting.value!r}, want table or json")
        return "table"

    @property
    def aws(self) -> AwsOptions:
        """The options for AWS. Raises `bad_request` for a URL: no command for it must reach an account instead."""
        self._refuse_url()
        return self.aws_options

    @property
    def aws_options(self) -> AwsOptions:
        """The options for what any target may need of AWS: files in S3, proxies, certificates."""
        from sldb.aws.options import AwsOptions

        profile, region = self.settings.find("profile"), self.settings.find("region")
        # boto3 finds the profile of the environment by itself.
        named = profile.value if profile.source != "AWS_PROFILE" else None
        return AwsOptions(profile=named or None, region=region.value or None)

    # The client, and its writes

    def client(
        self,
        database: str | None = None,
        *,
        create: bool = False,
        message: str | None = None,
        command: str | None = None,
    ) -> Client:
        """Return a client of the destination. `create`: writes may create the database without a question. `message`,
        `command`: the note of its writes."""
        from sldb.cli.message_option import note
        from sldb.client import Client, open_local, open_url
        from sldb.ops.lock_look import DirectoryLook, FunctionLook, no_look

        destination = self.destination
        if destination.directory is not None:
            local = open_local(destination.directory)
            target: Target = local
            look: Look = DirectoryLook(local)
        elif destination.url is not None:
            target, look = open_url(destination.url, self._http_auth, self.aws_options), no_look
        else:
            from sldb.targets.aws_lambda import LambdaTarget

            target = LambdaTarget(self.deployed_function, self.aws)
            look = FunctionLook(self.deployed_function)
        creation = self._creation(create)
        # Ctrl-C stops the engine of a directory by itself: it runs in this process.
        on_cancel = None if destination.is_local else progress.say
        name, shown = database or self.database, partial(progress.show_request, look=look)
        given = note(message, command)
        return Client(
            target, name, creation, destination.place, self.written.append, on_cancel, on_send=shown, note=given
        )

    @property
    def _http_auth(self) -> AuthSettings:
        from sldb.targets.http_auth import AuthSettings

        find = self.settings.find
        return AuthSettings(find("http_auth"), find("token_file"), find("api_key_file"))

    def _creation(self, create: bool) -> DatabaseCreation:
        from sldb.cli import questions, streams
        from sldb.database_creation import VARIABLE, DatabaseCreation

        confirm = questions.confirm_creation if streams.can_ask() else None
        return DatabaseCreation(create or read_switch(VARIABLE), confirm, self._directory)

    def report_write(self, database: str) -> None:
        """Report a successful write to this database at once."""
        self.written.append(database)
        self.report_writes()

    def report_writes(self, *, always: bool = False) -> None:
        """Report the databases of successful writes, unless the destination is evident."""
        from sldb.render.text import escape

        databases = list(dict.fromkeys(self.written))
        self.written.clear()
        if databases and (always or not self.destination.is_evident):
            shown = ", ".join(databases[:MAX_NAMES]) + (", …" if len(databases) > MAX_NAMES else "")
            noun = "database" if len(databases) == 1 else "databases"
            click.echo(escape(f"written to {noun} {shown} of {self.destination.place}"), err=True)

    def suggest_databases(self, error: SldbError) -> None:
        """Add the existing databases to the hint of an error about a missing one. A write has them already. Raises
        SldbError."""
        missing = error.details.get("database")
        if error.code != "not_found" or missing is None or error.details.get("creatable"):
            return
        from contextlib import closing

        from sldb.database_creation import suggest_names

        with closing(self.client()) as client:
            names = suggest_names(str(missing), client.database_names())
            error.hint = f"{names}; {error.hint}" if error.hint else names

    # Commands in messages

    def complete_commands(self, text: str) -> str:
        """Return a message with the options of this run's destination added to its sldb commands."""
        import shlex

        from lambda_handlers.wire import with_options
        from sldb.destination import Destination

        destination, found = self.destination, self.__dict__.get("stack")  # of a function, too, once it is known
        if destination.function and found:
            destination = Destination(stack=found, is_named=True)
        options = destination.options()
        for name in ("region", "profile", "use"):
            if name in self.settings.given and not (destination.is_local and name != "use"):
                options += [f"--{name}", self.settings.given[name]]
        return with_options(text, [shlex.quote(word) for word in options])

    def command_line(self, *words: str, database: str | None = None) -> str:
        """Return a command to type, with the options of this run and so the same destination. The subcommands of
        `databases` take the database as an argument."""
        import shlex

        omitted = {"format", "database"} if words[0] == "databases" else {"format"}
        given = {name: value for name, value in self.settings.given.items() if name not in omitted}
        if database is not None:
            given["database"] = database
        options = [word for name, value in given.items() for word in (f"--{name}", value)]
        return shlex.join(["sldb", *words, *options])
