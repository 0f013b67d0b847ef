"""`sldb --target https://… doctor`."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from sldb.client import Client
from sldb.doctor import url
from sldb.targets.local import LocalTarget
from tests.fakes.local_http import served
from tests.fakes.terminal.command import sldb

TOKEN = "0123456789abcdef"


def test_an_interface_that_answers_and_credentials_that_are_refused(tmp_path: Path) -> None:
    with served(tmp_path / "db", TOKEN) as server:
        place, extra = ("--target", server.url), {"SLDB_TOKEN": TOKEN}
        sldb(tmp_path, *place, "query", "CREATE TABLE t (a)", extra=extra)
        ran = sldb(tmp_path, *place, "doctor", "--format", "json", extra=extra)
        refused = sldb(tmp_path, *place, "doctor")
    found = {row["check"]: row for row in json.loads(ran.stdout)}
    assert (ran.returncode, found["engine"]["state"], found["rights"]["state"]) == (0, "ok", "ok")
    assert found["rights"]["says"] == "1 database can be read: main"
    assert (refused.returncode, "401" in refused.stdout, "rights" in refused.stdout) == (1, True, False)


def test_names_beyond_a_line(tmp_path: Path) -> None:
    with closing(Client(LocalTarget(tmp_path))) as client:
        assert url.rights(client).says == "there is no database yet that can be read"
        for number in range(url.MAX_NAMES + 1):
            Client(client.target, f"d{number:02}").act("create_database")
        assert url.rights(client).says.startswith("11 databases can be read: d00, d01")
        assert url.rights(client).says.endswith("d09, …")
