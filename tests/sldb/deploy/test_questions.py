"""What is asked on a terminal, and what becomes of the answers."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from sldb.cli import streams
from tests.sldb.commands import BUNDLE_BUCKET, DATA_BUCKET, Commands, Ran

Answering = Callable[..., Ran]  # the answer, then the command


@pytest.fixture
def answering(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> Answering:
    def run(answer: str, *arguments: str) -> Ran:
        with monkeypatch.context() as patch:
            patch.setattr(streams, "can_ask", lambda: True)
            patch.setattr("sys.stdin", io.StringIO(answer + "\n"))
            return sldb(*arguments)

    return run


def test_a_no_changes_nothing(sldb: Commands, answering: Answering) -> None:
    ran = answering("n", "deploy")
    assert ran.status == 1
    assert "nothing was changed" in ran.err
    assert sldb.stack_status() is None
    assert sldb.buckets() == []


@pytest.mark.long
def test_a_yes_goes_on_also_where_something_is_replaced(sldb: Commands, answering: Answering) -> None:
    assert answering("y", "deploy").status == 0
    ran = answering("y", "deploy", "--function", "other")
    assert ran.status == 0
    assert "±  QueryFunction" in ran.err
    assert sldb.stack_status() == "UPDATE_COMPLETE"


def test_the_end_of_input_is_no_answer(sldb: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "can_ask", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert sldb("deploy").status == 130
    assert sldb.stack_status() is None


@pytest.mark.long
def test_the_data_goes_only_for_the_name_of_the_stack(sldb: Commands, answering: Answering) -> None:
    sldb.ok("deploy")
    assert answering("y", "destroy", "--delete-data").status == 1
    assert sldb.buckets() == [BUNDLE_BUCKET, DATA_BUCKET]
    assert answering("test-db", "destroy", "--delete-data").status == 0
    assert sldb.buckets() == []


def test_a_plain_destroy_asks_once_and_keeps_the_data(sldb: Commands, answering: Answering) -> None:
    sldb.ok("deploy")
    assert answering("n", "destroy").status == 1
    assert sldb.stack_status() == "CREATE_COMPLETE"
    ran = answering("y", "destroy")
    assert ran.status == 0
    assert "The databases stay" in ran.err
    assert sldb.buckets() == [DATA_BUCKET]
