"""The completions of values by a shell. None of them uses the network: no completion is better than a wait for
AWS. Files and directories: `sldb.cli.path_types`.
"""

from __future__ import annotations

from pathlib import Path

import click

from sldb.cli.run import Run


def formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    from sldb.render import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    return [name for name in ("lambda", "lambda:", "local", "local:") if name.startswith(incomplete)]


def databases(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Return the databases of a local target: its directories."""
    from lambda_handlers.wire import DATABASE_NAME

    directory = _typed_run(ctx).destination.directory
    if directory is None:
        return []
    from sldb.client import default_directory

    root = Path(directory).expanduser() if directory else default_directory()
    names = [entry.name for entry in root.iterdir() if entry.is_dir()] if root.is_dir() else []
    return sorted(name for name in names if name.startswith(incomplete) and DATABASE_NAME.fullmatch(name))


def config_profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    return [name for name in _typed_run(ctx).settings.config.profiles if name.startswith(incomplete)]


def config_keys(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    from sldb.config.settings import KEYS

    return [name for name in KEYS if name.startswith(incomplete)]


def aws_profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's signature
    """Return the profiles of AWS's two files; importing boto3 takes too long for a completion."""
    import os
    import re

    files = [
        os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config",
        os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
    ]
    text = "\n".join(
        path.read_text("utf-8", "replace") for name in files if (path := Path(name).expanduser()).is_file()
    )
    names = re.findall(r"^\s*\[(?:profile\s+)?([^\]\s]+)\s*\]", text, re.MULTILINE)
    return sorted({name for name in names if name.startswith(incomplete)})


def _typed_run(ctx: click.Context) -> Run:
    """Return the run of the command line as far as it is typed."""
    found = Run()
    for context in (ctx.find_root(), ctx):
        found.settings.update({name: value for name, value in context.params.items() if name in _GLOBAL_NAMES})
    return found


_GLOBAL_NAMES = ("target", "local", "database", "stack", "use")
