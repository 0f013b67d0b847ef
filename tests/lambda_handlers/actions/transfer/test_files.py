"""Files of databases by their bytes, through the function."""

from __future__ import annotations

import base64
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.actions.transfer import files
from lambda_handlers.service import Service
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.wire import Action, SldbError
from tests.fakes.databases.service import container, run

FIRST = "main/0000/0000000000000001-0000000000000001.ltx"
UPLOAD = "a" * 16
Slices = list[tuple[int, bytes]]


def act(service: Service, name: str, **arguments: Any) -> dict[str, Any]:
    return service.act(Action(name, "main", arguments))


def send(service: Service, key: str, body: bytes) -> None:
    for start in range(0, max(1, len(body)), files.SLICE_BYTES):
        piece = base64.b64encode(body[start : start + files.SLICE_BYTES]).decode()
        act(service, "file_create", key=key, upload=UPLOAD, start=start, total=len(body), body=piece)


@pytest.fixture
def mover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(files, "SLICE_BYTES", 1000)
    with closing(container(DirectoryStore(tmp_path), read_only=True, moves_files=True)) as service:
        yield service


@pytest.mark.parametrize("size", [0, 1, 1000, 1001, 2500])
def test_a_file_of_slices_is_read_as_it_was_sent(mover: Service, tmp_path: Path, size: int) -> None:
    body = bytes(range(256)) * 10
    send(mover, FIRST, body[:size])
    pieces = [act(mover, "file_read", key=FIRST, start=at, length=1000)["body"] for at in range(0, max(1, size), 1000)]
    assert b"".join(map(base64.b64decode, pieces)) == body[:size]
    assert [each[:2] for each in act(mover, "file_list", prefix="main/")["files"]] == [[FIRST, size]]
    assert act(mover, "file_names")["names"] == ["main"]
    assert not list((tmp_path / "_moves").rglob("[0-9]*"))


def test_nothing_is_overwritten(mover: Service) -> None:
    send(mover, FIRST, b"one")
    with pytest.raises(SldbError, match="exists"):
        send(mover, FIRST, b"two")
    assert base64.b64decode(act(mover, "file_read", key=FIRST, length=9)["body"]) == b"one"


@pytest.mark.parametrize("key", ["", "main", "main/head.json", "_keys/transactions", "../main/0000/x.ltx", 7])
def test_only_files_of_a_log_can_be_named(mover: Service, key: Any) -> None:
    for name in ("file_read", "file_create"):
        more = {"upload": UPLOAD, "start": 0, "total": 0, "body": ""} if name == "file_create" else {}
        with pytest.raises(SldbError) as caught:
            act(mover, name, key=key, **more)
        assert caught.value.code == "bad_request"


def test_the_function_that_moves_files_writes_to_no_database(mover: Service) -> None:
    with pytest.raises(SldbError) as caught:
        run(mover, "CREATE TABLE t (a)")
    assert caught.value.code == "read_only"


@pytest.mark.parametrize("name", ["file_list", "file_names", "file_read", "file_create"])
def test_other_functions_have_no_such_actions(tmp_path: Path, name: str) -> None:
    with closing(container(DirectoryStore(tmp_path))) as service, pytest.raises(SldbError) as caught:
        act(service, name)
    assert caught.value.code == "bad_request"


def test_a_part_is_sent_again_without_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "SLICE_BYTES", 1000)
    part = f"00001-{'0' * 32}"
    with closing(container(DirectoryStore(tmp_path))) as service:
        for _ in range(2):
            for start, length in ((0, 1000), (1000, 500)):
                body = base64.b64encode(bytes(length)).decode()
                act(service, "push_part", upload=UPLOAD, part=part, start=start, total=1500, body=body)
        assert act(service, "push_begin", upload=UPLOAD)["parts"] == {part: 1500}


def test_a_part_of_a_file_is_read(tmp_path: Path) -> None:
    with closing(container(DirectoryStore(tmp_path))) as service:
        run(service, "CREATE TABLE t (a)")
        name = FIRST.removeprefix("main/")
        body = base64.b64decode(act(service, "pull_part", file=name, start=0, length=4)["body"])
        assert body == (tmp_path / FIRST).read_bytes()[:4]
        with pytest.raises(SldbError) as caught:
            act(service, "pull_part", file=name.replace("1.ltx", "2.ltx"), start=0, length=4)
        assert caught.value.code in ("not_found", "bad_request")
