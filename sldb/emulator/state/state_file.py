"""The file of an emulator's state: `state.sqlite` in the directory of `sldb emulator --data`.

    objects   bucket, key → the pickled versions of an S3 object
    states    name → anything else that is saved as a whole: "ec2/us-east-1", "bucket/NAME", "stacks", …
    large     SHA-256 → bytes that several states hold, such as the code of functions

What is saved has reached the disk before the caller goes on. One process may have the file open at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lambda_handlers.wire import SldbError

FILE_NAME = "state.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (bucket TEXT, key TEXT, versions BLOB NOT NULL, PRIMARY KEY (bucket, key));
CREATE TABLE IF NOT EXISTS states (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS large (sha256 TEXT PRIMARY KEY, content BLOB NOT NULL);
"""


class StateFile:
    """The open file. Used by one thread at a time: under moto's lock."""

    def __init__(self, directory: Path) -> None:
        """Open the file, or make it with its directory. Raises `bad_request`."""
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(
                directory / FILE_NAME, timeout=0, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.executescript(_SCHEMA)
        except OSError as error:
            raise SldbError("bad_request", f"--data {directory}: {error.strerror}") from error
        except sqlite3.OperationalError as error:
            hint = "another sldb emulator may be using it: `sldb emulator env` finds that one"
            raise SldbError("bad_request", f"--data {directory}: {error}", hint) from error
        except sqlite3.DatabaseError as error:
            raise SldbError("bad_request", f"--data {directory}: {FILE_NAME} is not an emulator's: {error}") from error

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Apply the changes inside together."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def put_states(self, states: Mapping[str, bytes]) -> None:
        self._connection.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", states.items())

    def put_objects(self, bucket: str, versions: Mapping[str, bytes | None]) -> None:
        """Save objects by their keys; None deletes one."""
        for key, content in versions.items():
            if content is None:
                self._connection.execute("DELETE FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
            else:
                self._connection.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", (bucket, key, content))

    def put_large(self, sha256: str, content: bytes) -> None:
        self._connection.execute("INSERT OR IGNORE INTO large VALUES (?, ?)", (sha256, content))

    def delete_bucket(self, bucket: str, name: str) -> None:
        """Delete the state with this name, and the objects of the bucket."""
        self._connection.execute("DELETE FROM states WHERE name = ?", (name,))
        self._connection.execute("DELETE FROM objects WHERE bucket = ?", (bucket,))

    def states(self) -> dict[str, bytes]:
        return dict(self._connection.execute("SELECT name, content FROM states ORDER BY name"))

    def objects(self) -> Iterator[tuple[str, str, bytes]]:
        yield from self._connection.execute("SELECT bucket, key, versions FROM objects ORDER BY bucket, key")

    def large(self, sha256: str) -> bytes:
        found: tuple[bytes] = self._connection.execute(
            "SELECT content FROM large WHERE sha256 = ?", (sha256,)
        ).fetchone()
        return found[0]

    def keep_large(self, used: Iterable[str]) -> None:
        """Delete the large bytes that no state holds any more."""
        kept = set(used)
        for (sha256,) in self._connection.execute("SELECT sha256 FROM large").fetchall():
            if sha256 not in kept:
                self._connection.execute("DELETE FROM large WHERE sha256 = ?", (sha256,))
