"""The commands over the target `http://…` of a running `sldb serve`: the same as over the directory itself."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lambda_handlers.http.messages import HttpRequest, HttpResponse, Limits
from sldb.http.application import Service
from sldb.http.server import HttpServer
from sldb.targets.local import LocalTarget
from tests.fakes.local_http import served, serving
from tests.fakes.terminal.command import running, sldb
from tests.fakes.terminal.story import STORY, told

TOKEN = "0123456789abcdef"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpServer]:
    with served(tmp_path / "db", TOKEN) as server:
        yield server


@pytest.mark.parametrize("length", [13, pytest.param(len(STORY), marks=pytest.mark.long)])
def test_the_same_commands_over_a_directory_and_over_its_server(
    server: HttpServer, tmp_path: Path, length: int
) -> None:
    targets = {"--local": str(tmp_path / "directory"), "--target": server.url}
    seen = {
        option: told(tmp_path / option.strip("-"), STORY[:length], (option, target), {"SLDB_TOKEN": TOKEN})
        for option, target in targets.items()
    }
    assert seen["--target"] == seen["--local"]


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "deploy --yes",
        "destroy --yes",
        "cost",
        "logs",
        "unlock",
        "serve",
        "push whole.sqlite",
        "pull a.sqlite",
    ],
)
def test_what_a_url_cannot_do_says_so(server: HttpServer, tmp_path: Path, words: str) -> None:
    extra = {"SLDB_TOKEN": TOKEN}
    assert sldb(tmp_path, "--target", server.url, "query", "CREATE TABLE t (a)", extra=extra).returncode == 0
    assert sldb(tmp_path, "--target", server.url, "export", "-o", "whole.sqlite", extra=extra).returncode == 0
    ran = sldb(tmp_path, "--target", server.url, *words.split(), extra=extra)
    assert ran.returncode == 2, ran.stderr
    assert "hint: " in ran.stderr or "Error: " in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("extra", [{}, {"SLDB_TOKEN": "wrong-wrong-wrong-wrong"}, {"SLDB_API_KEY": "wrong-wrong"}])
def test_a_wrong_token_is_exit_status_3(server: HttpServer, tmp_path: Path, extra: dict[str, str]) -> None:
    for words in (["query", "SELECT 1"], ["shell"], ["databases"], ["dump"], ["import", "-", "--table", "t"]):
        ran = sldb(tmp_path, "--target", server.url, *words, stdin='{"a": 1}\n', extra=extra)
        assert ran.returncode == 3, (words, ran.stderr)
        assert "401" in ran.stderr
        assert "wrong-wrong" not in ran.stdout + ran.stderr


class Noting:
    """A service that notes when a request has reached it."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.has_begun = threading.Event()

    def respond(self, http: HttpRequest, limits: Limits | None = None) -> HttpResponse:
        self.has_begun.set()
        return self._service.respond(http, limits)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("words", [("query",), ("shell",)])
def test_ctrl_c_stops_the_request_at_the_server(tmp_path: Path, words: tuple[str, ...]) -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c;\n"
    given, given_end = os.pipe()
    out_end, out = os.pipe()
    os.write(given_end, endless.encode())
    os.close(given_end)
    with closing(LocalTarget(tmp_path / "db")) as directory:
        service = Noting(directory.http())
        with serving(service, TOKEN) as server:
            arguments, variables = ["--target", server.url, *words], {"SLDB_TOKEN": TOKEN}
            with open(out_end, "rb") as said, running(tmp_path, arguments, (given, out, out), variables) as process:
                os.close(given)
                os.close(out)
                assert service.has_begun.wait(60)
                os.kill(process.pid, signal.SIGINT)
                assert b"the request was cancelled; nothing was changed" in said.read()
                assert process.wait(60) == 130
