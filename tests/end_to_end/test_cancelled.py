"""Writes that are cancelled while they run."""

from __future__ import annotations

import signal
import subprocess
import threading

import pytest

from tests.fakes.terminal.command import COMMAND, environment
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


@pytest.mark.long
def test_a_running_write_is_cancelled_by_another_container_and_frees_its_lock(stack):
    stack.use_lock("security-group")
    table = stack.new_table()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"
    answers = []

    def insert():
        event = {"query": f"INSERT INTO {table} {endless}", "request_id": "endless", "attempt": "a"}
        answers.append(stack.invoke(event))

    thread = threading.Thread(target=insert)
    thread.start()
    wait_until(stack.locks, "that it runs: it has the lock")
    cancel = {"action": "cancel", "arguments": {"request_id": "endless", "attempt": "a"}}
    status, body = stack.invoke(cancel)
    thread.join()
    assert (status, body["state"]) == (200, "not_applied")
    status, body = answers[0]
    assert (status, body["error"]["code"], body["error"]["applied"]) == (499, "cancelled", "no")
    assert stack.locks() == []
    assert stack.rows(table) == []


@pytest.mark.long
@pytest.mark.parametrize("doing", ["query", "fleet", "import", "migrate"])
def test_ctrl_c_cancels_a_write_at_the_function_and_frees_its_lock(stack, tmp_path, doing):
    stack.use_lock("security-group")
    table = stack.new_table()
    stack.run(
        f"CREATE VIEW endless_{table} AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT i FROM n;"
        f"CREATE TABLE loaded_{table} (a); CREATE TRIGGER slow_{table} AFTER INSERT ON loaded_{table} BEGIN "
        f"INSERT INTO {table} SELECT i FROM endless_{table} WHERE i < 0; END"
    )
    insert = f"INSERT INTO {table} SELECT i FROM endless_{table} WHERE i < 0"
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "20260101000000_slow.sql").write_text(f"-- migrate:up\n{insert};\n-- migrate:down\n")
    arguments = {
        "query": ["query", insert],
        "fleet": ["query", insert, "--all-databases", "main", "--yes"],
        "import": ["import", "rows.csv", "--table", f"loaded_{table}"],
        "migrate": ["migrate", "up", "--dir", "migrations"],
    }
    process = subprocess.Popen(
        [*COMMAND, *arguments[doing]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment(tmp_path, stack.aws.environment()),
    )
    wait_until(stack.locks, "that it runs: it has the lock")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    said = b"stopped: applied in 0 of 1 database" if doing == "fleet" else b"nothing was applied [cancelled]"
    assert said in stderr
    assert stack.locks() == []
    assert stack.rows(table) == []
    stack.run(f"INSERT INTO {table} VALUES (1)")
    assert stack.rows(table) == [1]
