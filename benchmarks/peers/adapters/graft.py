"""graft: a log of commits in S3, by its SQLite extension. It is opened here as far as it loads."""

import apsw
import sqlite_graft


def open_peer(url, argument):
    connection = apsw.Connection(":memory:")
    connection.enable_load_extension(True)
    connection.load_extension(sqlite_graft.loadable_path())
    raise NotImplementedError("graft loads here: its operations are not written yet")
