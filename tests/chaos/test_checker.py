"""The checker finds each kind of lie, and no other."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.wire import Request, SldbError, Statement
from sldb.targets.local import LocalTarget
from tests.chaos.bookkeeping import COUNTS, CREATE, Attempt, Journal, entry, read_journals, says_not_applied
from tests.chaos.checker import check

Lie = Callable[[list[Attempt]], list[Attempt]]


@pytest.fixture
def target(tmp_path: Path) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path / "databases")
    target.send(CREATE)
    yield target
    target.close()


@pytest.fixture
def truth(target: LocalTarget, tmp_path: Path) -> list[Attempt]:
    """Two writes, a read, a third write whose answer was lost, and one that never arrived."""
    with Journal(tmp_path / "a.journal") as journal:
        for name in ("w1", "w2", "r", "w3", "w4"):
            kind = "read" if name == "r" else "write"
            journal.begin(name, kind, 10)
            if name != "w4":
                reply = target.send(COUNTS if kind == "read" else entry(name, 10))
            if name not in ("w3", "w4"):
                journal.replied(name, reply, kind)
    return read_journals([tmp_path / "a.journal"])


def violations(target: LocalTarget, attempts: list[Attempt], tmp_path: Path) -> tuple[str, ...]:
    return check(attempts, target.send, DirectoryStore(target.directory), tmp_path / "replayed").violations


def changed(name: str, **fields: object) -> Lie:
    return lambda truth: [replace(each, **fields) if each.id == name else each for each in truth]


def test_the_truth(target: LocalTarget, truth: list[Attempt], tmp_path: Path) -> None:
    verdict = check(truth, target.send, DirectoryStore(target.directory), tmp_path / "replayed")
    assert verdict.violations == ()
    assert verdict.transactions == 4
    assert verdict.outcomes == {"acknowledged": 2, "unknown": 2, "reads": 1}
    assert verdict.resolved == {"applied": 1, "not applied": 1}
    assert target.send(COUNTS).results[0].rows == [(4, 4)]


@pytest.mark.parametrize(
    ("lie", "found"),
    [
        (changed("w4", outcome="acknowledged", txid=9), "acknowledged write w4 (transaction 9) is lost"),
        (changed("w2", txid=2), "write w2 was made by transaction 3, acknowledged as 2"),
        (changed("w3", outcome="refused"), "refused write w3 was made by transaction 4"),
        (lambda truth: [each for each in truth if each.id != "w2"], "nobody wrote w2, which transaction 3 made"),
        (changed("r", counts=(1, 1)), "read r saw (1, 1) as transaction 3"),
        (changed("r", txid=2, counts=(1, 1)), "read r is of transaction 2, begun after a reply of 3"),
    ],
    ids=["lost", "another transaction", "refused and applied", "a stranger", "a dirty read", "a stale read"],
)
def test_a_lie(target: LocalTarget, truth: list[Attempt], tmp_path: Path, lie: Lie, found: str) -> None:
    assert found in "\n".join(violations(target, lie(truth), tmp_path))


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE total SET entries = entries - 1", "is torn: 3 entries, 2 counted"),
        ("INSERT INTO entries SELECT * FROM entries", "goes from 3 to 6 entries"),
        ("DELETE FROM entries WHERE id = 'w1'", "write w1 is there 0 times in the end, want 1"),
    ],
    ids=["torn", "twice", "gone again"],
)
def test_damage(target: LocalTarget, truth: list[Attempt], tmp_path: Path, damage: str, found: str) -> None:
    target.send(Request((Statement(damage),)))
    assert found in "\n".join(violations(target, truth, tmp_path))


def test_a_request_that_is_applied_again(target: LocalTarget, truth: list[Attempt], tmp_path: Path) -> None:
    """Simulates a lost record."""
    target.send(Request((Statement("DROP TABLE IF EXISTS other"),)))
    forgetful = [replace(each, outcome="unknown", txid=None) if each.id == "w1" else each for each in truth]

    def ask(request: Request) -> object:
        return target.send(replace(request, request_id=request.request_id and request.request_id + "!"))

    found = check(forgetful, ask, DirectoryStore(target.directory), tmp_path / "replayed").violations
    assert "unknown write w1 was made by transaction 2; sent again, the answer is 5" in "\n".join(found)
    assert "write w1 is there 2 times in the end, want 1" in found


def test_a_transaction_that_is_missing(target: LocalTarget, truth: list[Attempt], tmp_path: Path) -> None:
    next(target.directory.rglob("0000/*3.ltx")).unlink()
    with pytest.raises(AssertionError, match="gaps"):
        violations(target, truth, tmp_path)


def test_a_journal_survives_its_client(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from tests.chaos.bookkeeping import Journal\n"
        "Journal(Path(sys.argv[1])).begin('w', 'write', 7)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "a.journal"
    ended = subprocess.run([sys.executable, "-c", code, str(path)], cwd=Path(__file__).parents[2], check=False)
    with path.open("ab") as file:
        file.write(b'{"id": "half a li')
    (attempt,) = read_journals([path])
    assert ended.returncode == -signal.SIGKILL
    assert (attempt.id, attempt.size_bytes, attempt.outcome) == ("w", 7, "unknown")


@pytest.mark.parametrize(
    ("error", "promised"),
    [
        (SldbError("conflict", "…"), False),
        (SldbError("store_error", "…", applied="no"), True),
        (SldbError("store_error", "…", applied="unknown"), False),
        (SldbError("internal", "a bug"), False),
    ],
)
def test_what_an_error_promises(error: SldbError, promised: bool) -> None:
    assert says_not_applied(error) is promised
