"""What is said before a run, and the refusals to make anything in an account that nobody has named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from live import figures, report
from live.__main__ import live
from live.figures import Sample
from live.options import OPTIONS
from live.plan import Option, Usage, announcement, cents
from live.session import REFUTED, Outcome
from live.stage import NAME, Stage, is_emulated, new_name, reason
from sldb.price import S3_WRITE, SECRET_MONTH


def option(**usage: Any) -> Option:
    return Option("a", "a stack", (), lambda _stage: None, usage=Usage(**usage))


def test_the_cost_is_that_of_all_options() -> None:
    nothing = {"requests": 0, "store_writes": 0, "store_reads": 0}
    assert option(**nothing | {"store_writes": 1000}).usage.dollars == pytest.approx(1000 * S3_WRITE)
    assert option(**nothing, dollars_a_month=SECRET_MONTH).usage.dollars == pytest.approx(SECRET_MONTH / 720)
    assert cents([option(**nothing)]) == 1
    assert cents([option(**nothing | {"store_writes": 3100})]) == 2
    assert cents(OPTIONS) < 10


def test_what_is_said_beforehand_has_all_options_and_the_cost() -> None:
    text = announcement("sldb-live-0a1b2c", "123456789012", "eu-west-1", OPTIONS)
    assert all(option.name in text for option in OPTIONS)
    assert "sldb-live-0a1b2c in account 123456789012, region eu-west-1" in text
    assert f"at most {cents(OPTIONS)} cents" in text


def test_names_are_random() -> None:
    names = {new_name() for _ in range(50)}
    assert len(names) == 50
    assert all(map(NAME.fullmatch, names))


@pytest.mark.parametrize("endpoint", ["", "https://lambda.us-east-1.amazonaws.com", "http://127.0.0.1.example.com"])
def test_a_real_account_is_asked_for(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing is made, and with the id of another account neither."""
    made: list[str] = []
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setattr(Stage, "account", type("Account", (), {"id": "123456789012", "region": "us-east-1"}))
    monkeypatch.setattr("live.session.perform", lambda _run: made.append("a stack"))
    for words in ([], ["--account", "999999999999"], ["--clean", new_name()], ["--clean", "test-db"]):
        assert CliRunner().invoke(live, words).exit_code == 2
    assert not is_emulated(endpoint)
    assert made == []


def test_credentials_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    ran = CliRunner().invoke(live, ["--account", "123456789012"])
    assert (ran.exit_code, "credentials" in ran.output) == (1, True)


def test_the_list_makes_nothing() -> None:
    ran = CliRunner().invoke(live, ["--list", "--only", "lock s3"])
    assert (ran.exit_code, "lock none" in ran.output) == (0, False)
    assert CliRunner().invoke(live, ["--list", "--only", "lock"]).exit_code == 2


def test_the_report() -> None:
    samples = [Sample("s3", "cold read", ms, ms / 2, 4, 3e-6) for ms in (100.0, 300.0, 200.0)]
    assert figures.table(samples) == ["| s3 | cold read | 3 | 200 ms | 100 ms | 4 | $3.00 |"]
    outcome = Outcome({"a": "", "b": "no | luck"}, {"http": (REFUTED, "other\nstatus")}, samples, ["bucket x"])
    text = "\n".join(report.lines(outcome, "AWS, eu-west-1, 2026-11-27"))
    assert "| a | works |\n| b | no \\| luck |" in text
    assert "| http | refuted | other status |" in text
    assert text.endswith("Left in the account: bucket x")
    outcome.pending = ["key arn:… (deleted on 2026-12-04)"]
    assert list(report.lines(outcome, ""))[-1].endswith("free until then: key arn:… (deleted on 2026-12-04)")
    assert not outcome.is_good


def test_an_error_is_one_line() -> None:
    assert reason(ValueError("two\nlines")) == "ValueError: two lines"
