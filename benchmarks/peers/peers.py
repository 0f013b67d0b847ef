"""The peers: where each finds its database, in which environment it runs, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.peers.operations import READS, WRITES
from benchmarks.peers.simulator.client import Simulator

OTHERS, OWN = "others", "own"  # environments: .venv/peers, and the one that runs this
READS_ONLY = dict.fromkeys(WRITES, "reads only")
# A lock is not taken by a read: the reads of all kinds of locks are those of `none`.
AS_NONE = dict.fromkeys([name for name in READS if name != "point read"], "as with lock none")

LITESTREAM = {
    "LITESTREAM_REPLICA_URL": "s3://plain/log/main?endpoint={url}&forcePathStyle=true",
    "LITESTREAM_LOG_LEVEL": "error",
    "LITESTREAM_WRITE_ENABLED": "true",
    "LITESTREAM_SYNC_INTERVAL": "1h",
    "LITESTREAM_BUFFER_PATH": "{temporary}/litestream",
}


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    adapter: str
    form: str  # of its database: file, versioned, blocks, log
    argument: str = ""
    environment: str = OTHERS
    cannot: Mapping[str, str] = field(default_factory=dict)  # operation → reason
    variables: Mapping[str, str] = field(default_factory=dict)  # of the environment; see runs

    @property
    def is_own(self) -> bool:
        return self.environment == OWN


PEERS = (
    Peer("original", "original", "file"),
    Peer("django-s3-sqlite", "django_s3", "file"),
    Peer("sqlite-s3vfs", "s3vfs", "blocks"),
    Peer("sqlite-s3-query", "s3query", "versioned", cannot=READS_ONLY),
    Peer("Litestream VFS", "litestream", "log", variables=LITESTREAM),
    Peer("sldb, none", "ours", "log", "none", OWN),
    Peer("sldb, s3", "ours", "log", "s3", OWN, AS_NONE),
    Peer("sldb, security-group", "ours", "log", "security-group", OWN, AS_NONE),
)


def load(simulator: Simulator, peer: Peer, file: str, log: str) -> None:
    """Give a fresh simulator the database of a peer: a SQLite file, or a log of sldb's with the same content."""
    simulator.call("clear")
    if peer.form == "log":
        simulator.call("load_directory", bucket="plain", prefix="log/", path=log)
    elif peer.form == "blocks":
        simulator.call("load_blocks", bucket="plain", prefix="blocks", path=file, block_bytes=4096)
    else:
        bucket = "versioned" if peer.form == "versioned" else "plain"
        if peer.form == "versioned":
            simulator.call("version", bucket=bucket)
        simulator.call("load_file", bucket=bucket, key="database.db", path=file)
