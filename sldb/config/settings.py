"""The settings of the command line: their keys, levels and values.

A value comes from the command line, else the environment, else the config's profile in use, else the top of the
config (`sldb.config.file`), else the default. There are no secrets among them: AWS keeps the credentials, and
`profile` names one of AWS's profiles.
"""

from __future__ import annotations

from enum import IntEnum

from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.wire import DATABASE_NAME

FILE_VARIABLE = "SLDB_CONFIG"
USE_VARIABLE = "SLDB_USE"
LOCAL = "local"
HTTP_AUTHS = ("token", "key", "iam")


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    variables: tuple[str, ...]  # of the environment; the first that is set counts
    default: str
    meaning: str


KEYS = {
    key.name: key
    for key in (
        Key("target", ("SLDB_TARGET",), "lambda", "lambda, lambda:FUNCTION, local, local:DIR or https://HOST"),
        Key("database", ("SLDB_DATABASE",), "main", "the database"),
        Key("stack", ("SLDB_STACK",), "test-db", "the CloudFormation stack"),
        Key("profile", ("AWS_PROFILE",), "", "the AWS profile"),
        # AWS's own command line reads AWS_REGION, botocore AWS_DEFAULT_REGION: here both work for every command.
        Key("region", ("AWS_REGION", "AWS_DEFAULT_REGION"), "", "the AWS region"),
        Key("format", ("SLDB_FORMAT",), "table", "how rows are printed"),
        Key("theme", ("SLDB_THEME",), "default", "the colours: default, dark, light, none, or a style of pygments"),
        Key("http_auth", ("SLDB_HTTP_AUTH",), "", "how an https target knows you: token, key or iam"),
        Key("token_file", ("SLDB_TOKEN_FILE",), "", "a file with the token for an https target"),
        Key("api_key_file", ("SLDB_API_KEY_FILE",), "", "a file with the API key for an https target"),
        Key("migrations", ("SLDB_MIGRATIONS",), "db/migrations", "the directory of `sldb migrate`"),
    )
}


class Level(IntEnum):
    """The place of a setting; the highest level counts."""

    DEFAULT = 0
    FILE = 1  # the top of the config
    PROFILE = 2  # of the config
    ENVIRONMENT = 3
    COMMAND_LINE = 4


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and its source."""

    value: str
    source: str  # --format, SLDB_FORMAT, /home/ada/.config/sldb/config.toml:3, default
    level: Level = field(default=Level.DEFAULT, compare=False)

    @property
    def is_default(self) -> bool:
        return self.source == "default"

    @property
    def is_option(self) -> bool:
        """True if an option of the command line gave the value."""
        return self.level == Level.COMMAND_LINE


def find_problem(key: str, value: str) -> str:
    """Return the problem with the value of a known key; empty if the value is valid."""
    if key == "format":
        from sldb.did_you_mean import with_suggestion
        from sldb.render import FORMATS

        wanted = with_suggestion(value, FORMATS, f"a format is one of {', '.join(FORMATS)}")
        return "" if value in FORMATS else f"no such format: {value}; {wanted}"
    if key == "theme":
        from sldb import theme

        problem = None if value in theme.COLOURS else theme.find_problem(value)
        return "; ".join(problem) if problem else ""
    if key == "target" and value.partition(":")[0] not in ("lambda", LOCAL, "http", "https"):
        return f"no such target: {value}; a target is lambda, lambda:FUNCTION, local, local:DIRECTORY or https://HOST"
    if key == "http_auth" and value and value not in HTTP_AUTHS:
        return f"http_auth: got {value!r}, want one of {', '.join(HTTP_AUTHS)}"
    if key == "database" and not DATABASE_NAME.fullmatch(value):
        return f"database: got {value!r}, want a name that matches {DATABASE_NAME.pattern}"
    return ""
