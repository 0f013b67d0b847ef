"""A role that requires an MFA code asks on the terminal only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_handlers.wire import SldbError
from sldb.aws import session

PROFILES = """
[profile base]
region = us-east-1
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = secret

[profile mfa]
role_arn = arn:aws:iam::123456789012:role/reader
source_profile = base
mfa_serial = arn:aws:iam::123456789012:mfa/ada
region = us-east-1
"""


@pytest.mark.parametrize(
    "command",
    [
        ["query", "SELECT 1"],
        ["query", "-f", "-"],
        ["status"],
        ["deploy"],
        ["destroy", "--yes"],
        ["doctor"],
        ["doctor", "--store", "s3://bucket"],
        ["unlock"],
        ["logs"],
        ["databases"],
    ],
    ids=" ".join,
)
def test_without_a_terminal_it_says_what_to_do_and_reads_nothing(tmp_path: Path, command: list[str]) -> None:
    config = tmp_path / "config"
    config.write_text(PROFILES)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLDB_"))}
    environment |= {"AWS_CONFIG_FILE": str(config), "AWS_EC2_METADATA_DISABLED": "true"}
    ran = subprocess.run(
        [sys.executable, "-m", "sldb", "--profile", "mfa", *command],
        input="SELECT 1\n",
        capture_output=True,
        text=True,
        env={**environment, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "SLDB_CONFIG": os.devnull},
        start_new_session=True,  # without a controlling terminal
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    assert "requires an MFA code, and there is no terminal" in ran.stderr
    assert "hint: run it on a terminal, or" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_where_there_is_a_terminal_it_is_asked_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"typed at {prompt}")
    assert session.prompt_for_code("code: ") == "typed at code: "
    monkeypatch.setattr(session, "_has_terminal", lambda: False)
    with pytest.raises(SldbError, match="no terminal"):
        session.prompt_for_code("code: ")
