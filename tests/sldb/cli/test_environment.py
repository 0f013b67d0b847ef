"""Faults of the user's environment: reported as such, with exit status 3, as no bug, and before any request."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TypeAlias

import pytest

from sldb.cli.main import run
from tests.fakes.aws.moto_server import free_port

Environment: TypeAlias = "dict[str, str]"

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAAAAAAAAAAAAAAAAA", "AWS_SECRET_ACCESS_KEY": "x"}
SECRET = "s3cr3t"
ROLE = "arn:aws:iam::123456789012:role/x"
DATED = '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "soon"}'
CONFIG = f"""
[profile missing-process]
credential_process = /nope/credentials
[profile no-json]
credential_process = echo hello
[profile no-object]
credential_process = echo [1]
[profile bad-date]
credential_process = echo '{DATED}'
[profile failing-process]
credential_process = false
[profile open-quote]
credential_process = "
[profile sso]
sso_start_url = https://x.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = r
[profile sso-session]
sso_session = nope
sso_account_id = 123456789012
sso_role_name = r
[profile loop]
role_arn = {ROLE}
source_profile = pool
[profile pool]
role_arn = {ROLE}
source_profile = loop
[profile no-source]
role_arn = {ROLE}
source_profile = nope
[profile half]
aws_access_key_id = a
[profile bad-source]
role_arn = {ROLE}
credential_source = Nope
[profile bad-endpoint]
aws_access_key_id = a
aws_secret_access_key = b
endpoint_url = localhost:4566
"""
PROFILES = {
    "missing-process": "/nope/credentials",
    "no-json": "credential_process (echo …)",
    "no-object": "credential_process (echo …)",
    "bad-date": "soon",
    "failing-process": "custom-process",
    "open-quote": "quotation",
    "sso": "SSO",
    "sso-session": "nope",
    "loop": "loop",
    "no-source": "no-source",
    "half": "aws_secret_access_key",
    "bad-source": "bad-source",
    "bad-endpoint": "localhost:4566",
    "not-there": "not-there",
}
# What is wrong, and a word of what is said about it.
FAULTS: dict[str, tuple[Environment, str]] = {
    **{f"profile {name}": ({"AWS_PROFILE": name}, said) for name, said in PROFILES.items()},
    "web identity, no file": ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nope/token", "AWS_ROLE_ARN": ROLE}, "/nope/token"),
    "web identity, no role": ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/nope/token"}, "role"),
    "container, not allowed": ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://elsewhere.test/"}, "elsewhere.test"),
    "container, no URL": ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[::1"}, "FULL_URI"),
    "container, no token": (
        {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nope/token",
        },
        "/nope/token",
    ),
    "instance metadata, no URL": ({"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://[::1"}, "settings"),
    "instance metadata, no number": ({"AWS_METADATA_SERVICE_TIMEOUT": "soon"}, "soon"),
    "instance metadata, no tries": ({"AWS_METADATA_SERVICE_NUM_ATTEMPTS": "many"}, "many"),
    "no credentials": ({}, "credentials"),
    "line break in the key": ({**KEYS, "AWS_ACCESS_KEY_ID": f"{SECRET}\nx"}, "access key id"),
    "line break in the secret": ({**KEYS, "AWS_SECRET_ACCESS_KEY": f"{SECRET}\r"}, "secret"),
    "line break in the token": ({**KEYS, "AWS_SESSION_TOKEN": f"{SECRET}\r"}, "token"),
    "letter in the token": ({**KEYS, "AWS_SESSION_TOKEN": f"{SECRET}\N{KATAKANA LETTER A}"}, "token"),
    "half a key": ({"AWS_ACCESS_KEY_ID": "a"}, "AWS_SECRET_ACCESS_KEY"),
    "config is no config": ({**KEYS, "AWS_CONFIG_FILE": "rubbish"}, "rubbish"),
    "config is binary": ({**KEYS, "AWS_CONFIG_FILE": "binary"}, "binary"),
    "credentials are no config": ({"AWS_SHARED_CREDENTIALS_FILE": "rubbish"}, "rubbish"),
    "endpoint without a scheme": ({**KEYS, "AWS_ENDPOINT_URL": "localhost:4566"}, "localhost:4566"),
    "endpoint with no port": ({**KEYS, "AWS_ENDPOINT_URL": "http://localhost:99999"}, "99999"),
    "endpoint with half a host": ({**KEYS, "AWS_ENDPOINT_URL": "http://[::1"}, "[::1"),
    "endpoint of FTP": ({**KEYS, "AWS_ENDPOINT_URL": "ftp://x"}, "ftp://x"),
    "endpoint with a blank": ({**KEYS, "AWS_ENDPOINT_URL": "http://a b"}, "a b"),
    "region with blanks": ({**KEYS, "AWS_REGION": "us east 1"}, "us east 1"),
    "no region": ({**KEYS, "AWS_REGION": ""}, "region"),
    "no certificates": ({**KEYS, "AWS_CA_BUNDLE": "/nope.pem"}, "/nope.pem"),
    "certificates are a directory": ({**KEYS, "AWS_CA_BUNDLE": "/"}, "the certificate file /"),
    "no proxy": ({**KEYS, "HTTPS_PROXY": "http://[::1"}, "proxy"),
}
COMMANDS = {
    "query": ("query", "INSERT INTO t VALUES (1)"),
    "import": ("import", "rows.csv"),
    "push": ("push", "x.sqlite", "--yes"),
    "pull": ("pull", "y.sqlite"),
    "databases": ("databases",),
    "status": ("status",),
    "deploy": ("deploy", "--yes"),
    "destroy": ("destroy", "--yes"),
    "logs": ("logs",),
    "unlock": ("unlock",),
    "cost": ("cost",),
    "export": ("export", "t", "-o", "s3://bucket/rows.csv"),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CA_BUNDLE", *KEYS):
        monkeypatch.delenv(name, raising=False)
    Path("config").write_text(CONFIG)
    Path("rubbish").write_text("rubbish\n[[[")
    Path("binary").write_bytes(b"\xff\xfe\x00[default]\n")
    Path("rows.csv").write_text("a\n1\n")
    with sqlite3.connect("x.sqlite") as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    for name, value in {
        "HOME": str(tmp_path),
        "AWS_CONFIG_FILE": "config",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.sampled
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_fault_of_the_environment_is_told_and_is_no_bug(
    command: str, fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables, word = FAULTS[fault]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    status = run(COMMANDS[command])
    said = capsys.readouterr().err
    assert status == 3, said
    assert word in said
    assert "unknown" not in said  # nothing was sent
    assert SECRET not in said
    if command == "query":
        assert "nothing was applied" in said


def test_what_is_refused_at_the_door_was_not_applied(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sldb.targets.aws_lambda.BACKOFF_SECONDS", 0.0)
    assert run(COMMANDS["query"]) == 3
    assert "nothing was applied" in capsys.readouterr().err
