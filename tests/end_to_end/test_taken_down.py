"""The last file: it takes the stack down."""

from __future__ import annotations

import pytest

from sldb.cli.main import run as run_command

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


@pytest.mark.long
def test_destroy_keeps_the_data_and_deploy_finds_it_again(stack, capsys):
    """Last: it takes the stack down."""
    stack.use_lock("none")
    table = stack.new_table()
    stack.run(f"INSERT INTO {table} VALUES ('kept')")
    assert run_command(["destroy", "--yes"]) == 0
    assert run_command(["query", "SELECT 1"]) == 3
    assert stack.deploy() == 0
    stack.lock = "security-group"
    assert stack.rows(table) == ["kept"]
