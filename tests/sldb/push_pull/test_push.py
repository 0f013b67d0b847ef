"""Pushes: interrupted, with other writers, or with lost parts, they are finished all the same."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import CopyOf
from lambda_handlers.wire import Action, Request, SldbError, Statement
from sldb.client import Client
from sldb.progress.protocol import Silent
from sldb.push_pull.direct import DirectTransport
from sldb.push_pull.push import Push
from sldb.push_pull.source import open_source
from sldb.targets.local import LocalTarget
from tests.fakes.databases import sqlite_files
from tests.fakes.targets.faulty_transport import FaultyTransport
from tests.sldb.push_pull.whole_files import pull, push, rows, tables


def uploaded(client: Client) -> set[str]:
    assert isinstance(client.target, LocalTarget)
    root = client.target.directory / client.database / "uploads"
    return {path.name for path in root.rglob("[!.]*") if path.is_file()}


class Cut(Exception):
    pass


def cut() -> None:
    raise Cut


def at_once() -> Host:
    from tests.fakes.immediate_call import ImmediateCall

    return Host(start=ImmediateCall)


@pytest.mark.usefixtures("small_parts")
def test_a_push_that_is_cut_off_anywhere_goes_on_where_it_stopped(new_client, file, tmp_path):
    client = new_client()
    rows(client, "CREATE TABLE old (x)")
    sent = []
    for number in range(1, 100):
        transport = FaultyTransport(client, number, cut)
        try:
            with open_source(file) as source:
                reply = Push(client, transport, Silent(), at_once()).run(source, None, lambda _begun: None)
        except Cut:
            sent.append(transport.calls - 1)
            assert tables(client) == ["old"]
        else:
            break
    assert sum(sent) > len(sent) >= 2
    assert reply["sent_bytes"] < reply["bytes"] / 2
    assert reply["txid"] == 2
    pull(client, tmp_path / "out.db")
    assert sqlite_files.dump(tmp_path / "out.db") == sqlite_files.dump(file)
    assert uploaded(client) == set()


@pytest.mark.usefixtures("small_parts")
def test_parts_that_vanish_before_the_commit_are_sent_again(new_client, file, tmp_path):
    client = new_client()
    assert isinstance(client.target, LocalTarget)
    lost = []

    class Losing(DirectTransport):
        def put(self, upload: str, part: str, body: bytes) -> None:
            super().put(upload, part, body)
            if part.startswith("00003") and not lost:
                lost.append(part)
                self.clear(upload)

    with open_source(file) as source:
        transport = Losing(client.database, client.target.open_store)
        reply = Push(client, transport, Silent(), at_once()).run(source, None, lambda _begun: None)
    assert lost
    assert reply["txid"] == 1
    pull(client, tmp_path / "out.db")
    assert sqlite_files.dump(tmp_path / "out.db") == sqlite_files.dump(file)


@pytest.mark.parametrize("meanwhile", [None, "CREATE TABLE later (x)"], ids=["at once", "after another write"])
def test_a_commit_that_is_sent_twice_finds_what_the_first_has_done(new_client, file, monkeypatch, meanwhile):
    """A client without a reply repeats its commit."""
    client, really_act = new_client(), LocalTarget.act
    rows(client, "CREATE TABLE old (x)")

    def act_twice(target: LocalTarget, action: Action) -> dict[str, Any]:
        reply = really_act(target, action)
        if action.name != "push_commit":
            return reply
        if meanwhile:
            rows(client, meanwhile)
        return really_act(target, action)

    monkeypatch.setattr(LocalTarget, "act", act_twice)
    assert push(client, file)["txid"] == 2
    assert client.execute(Request((Statement("SELECT 1"),))).txid == 2 + bool(meanwhile)


@pytest.mark.usefixtures("small_parts")
def test_parts_that_vanish_while_they_are_assembled_are_sent_again(new_client, file, tmp_path, monkeypatch):
    """Two pushes of the same file at once: the first commit removes the parts of both."""
    client, really_assemble, cleared = new_client(), DirectoryStore.assemble, []

    def clear_once(store: DirectoryStore, key: str, parts: Any) -> None:
        if not cleared:
            cleared.extend(part.key for part in parts if isinstance(part, CopyOf))
            store.delete_many(cleared)
        really_assemble(store, key, parts)

    monkeypatch.setattr(DirectoryStore, "assemble", clear_once)
    assert push(client, file)["txid"] == 1
    assert cleared
    pull(client, tmp_path / "out.db")
    assert sqlite_files.dump(tmp_path / "out.db") == sqlite_files.dump(file)


@pytest.mark.usefixtures("small_parts")
def test_two_pushes_at_once_are_two_transactions(new_client, file, tmp_path):
    import threading

    client = new_client()
    replies: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: replies.append(push(client, file))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply["txid"] for reply in replies) == [1, 2]
    for txid in (1, 2):
        out = tmp_path / f"{txid}.db"
        pull(client, out, txid)
        assert sqlite_files.dump(out) == sqlite_files.dump(file)


def test_a_push_on_condition_of_a_txid(new_client, file):
    client = new_client()
    rows(client, "CREATE TABLE old (x)")
    with pytest.raises(SldbError) as caught:
        push(client, file, if_txid=0)
    assert caught.value.code == "conflict"
    assert uploaded(client) == set()  # nothing was sent for it
    assert push(client, file, if_txid=1)["txid"] == 2


def test_a_writer_in_between_is_a_conflict_only_on_condition(new_client, file):
    client = new_client()
    rows(client, "CREATE TABLE old (x)")

    def write() -> None:
        rows(client, "INSERT INTO old VALUES (1)")

    with open_source(file) as source, pytest.raises(SldbError) as caught:
        Push(client, FaultyTransport(client, 1, write), Silent(), at_once()).run(source, 1, lambda _begun: None)
    assert caught.value.code == "conflict"
    assert tables(client) == ["old"]
    with open_source(file) as source:
        reply = Push(client, FaultyTransport(client, 1, write), Silent(), at_once()).run(
            source, None, lambda _begun: None
        )
    assert reply["txid"] == reply["before"] + 1
    assert tables(client) == ["t"]


@pytest.mark.usefixtures("small_parts")
def test_a_part_that_was_damaged_on_its_way_is_sent_again(new_client, file, tmp_path):
    client, sent = new_client(), []

    class Damaging(DirectTransport):
        def put(self, upload: str, part: str, body: bytes) -> None:
            damaged = len(sent) == 2
            sent.append(part)
            super().put(upload, part, body[:-1] + bytes((body[-1] ^ 1,)) if damaged else body)

    with open_source(file) as source:
        Push(client, Damaging(client.database, client.target.open_store), Silent(), at_once()).run(
            source, None, lambda _begun: None
        )
    assert sent == [*dict.fromkeys(sent), sent[2]]
    pull(client, tmp_path / "out.db")
    assert sqlite_files.dump(tmp_path / "out.db") == sqlite_files.dump(file)
