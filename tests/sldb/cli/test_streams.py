"""The stream of messages: each is written once, or dropped if it cannot be."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from sldb.cli import streams


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_a_message_that_ctrl_c_interrupts_is_not_written_twice(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = pipe
    out = streams.messages_to(writer, "utf-8")
    write = streams._Unfailing.write

    def write_and_interrupt(self: Any, data: Any) -> int:
        write(self, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012 - both are one step
        patch.setattr(streams._Unfailing, "write", write_and_interrupt)
        out.write("first\n")
    out.write("second\n")
    out.flush()
    assert os.read(reader, 100) == b"first\nsecond\n"


def test_a_message_is_written_with_its_line(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    out = streams.messages_to(writer, "ascii")
    out.write("\u00e9 \n")
    assert os.read(reader, 100) == b"\\xe9 \n"


def test_a_message_that_cannot_be_written_is_dropped() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    out = streams.messages_to(writer, "utf-8")
    out.write("nobody reads it\n")
    out.flush()
    os.close(writer)


def test_a_message_that_does_not_fit_is_cut(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.set_blocking(writer, False)
    out = streams.messages_to(writer, "utf-8")
    out.write("x" * 1_000_000 + "\n")  # more than fits into the pipe
    os.set_blocking(writer, True)
    assert set(os.read(reader, 2_000_000)) == {ord("x")}
