"""The command `sldb serve`: HTTP over a directory."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

import click

from lambda_handlers.wire import SldbError
from sldb.cli import messages
from sldb.cli.command import command
from sldb.cli.run import Run

TOKEN_VARIABLE = "SLDB_TOKEN"
DEFAULT_PORT = 8080

HELP = """Serve the databases of a directory over HTTP, until Ctrl-C.

The routes are those of a deployed function, so that programs can be developed and tested without an account:
POST /main/query, POST /main/read.

Programs of this machine need no token unless one is set; an address other than loopback requires one. Web pages are
refused, but for those of --cors.

\b
  sldb --local ~/databases serve
  sldb --local ~/databases serve --port 0 --cors http://localhost:5173
  sldb --local ~/databases serve --host 0.0.0.0 --token ~/.sldb-token
"""


@command("serve", help=HELP, short_help="Serve a directory over HTTP.")
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="Listen on this address (default: 127.0.0.1).")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=DEFAULT_PORT,
    metavar="N",
    help=f"Listen on this port (default: {DEFAULT_PORT}; 0: a free one).",
)
@click.option(
    "--token",
    "token_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"Demand the token in this file (default: the one in {TOKEN_VARIABLE}, or none).",
)
@click.option("--cors", multiple=True, metavar="ORIGIN", help="Let web pages of this origin use it; may be repeated.")
def serve(run: Run, host: str, port: int, token_file: Path | None, cors: tuple[str, ...]) -> int:
    if not run.destination.is_local:
        raise SldbError(
            "bad_request",
            f"serve is for a directory, and the target is {run.destination.place}",
            "sldb --local DIR serve",
        )
    from sldb.client import open_local
    from sldb.http.access import Access
    from sldb.http.application import Application
    from sldb.http.server import HttpServer

    access = Access(host, _token(token_file), frozenset(origin.rstrip("/").lower() for origin in cors))
    with closing(open_local(str(run.destination.directory))) as target:
        server = HttpServer(Application(target.http(), access), host, port)
        _announce(target.name, server.url, has_token=access.token is not None)
        return server.run()


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        return file.expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SldbError("bad_request", f"--token {file}: {reason}") from error


def _announce(name: str, url: str, *, has_token: bool) -> None:
    token = " -H 'authorization: Bearer …'" if has_token else ""
    messages.say(f"{name} is served at {url}. Ctrl-C stops it.")
    messages.say(f"""  curl {url}/main/query{token} -H 'content-type: application/json' -d '{{"query": "SELECT 1"}}'""")
    messages.say(f"  libSQL clients: {url}/main/ (with the slash at its end)")
