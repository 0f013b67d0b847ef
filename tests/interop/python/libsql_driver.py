"""The package libsql against a server: the client of libSQL in Rust, on which those of Go, Ruby and PHP stand as well.

It runs in an environment of its own, without the project. Python's integers beyond 53 bits are bound as floats by it.
"""

import os
from contextlib import suppress

import libsql

URL, TOKEN = os.environ["SLDB_URL"], os.environ["SLDB_TOKEN"]


def main() -> None:
    connection = libsql.connect(URL, auth_token=TOKEN)
    connection.execute("CREATE TABLE p (a INTEGER, b)")
    connection.execute("INSERT INTO p VALUES (?, ?)", (1 << 52, b"\x00\xff"))
    connection.commit()
    assert connection.execute("SELECT * FROM p").fetchall() == [(1 << 52, b"\x00\xff")]
    assert connection.execute("SELECT 9007199254740993, NULL, 0.5, 'ü'").fetchall() == [(2**53 + 1, None, 0.5, "ü")]
    connection.execute("INSERT INTO p VALUES (2, 'gone')")
    assert connection.execute("SELECT count(*) FROM p").fetchone() == (2,)
    connection.rollback()
    assert connection.execute("SELECT count(*) FROM p").fetchone() == (1,)
    connection.executemany("INSERT INTO p VALUES (?, ?)", [(3, "c"), (4, "d")])
    connection.commit()
    assert libsql.connect(URL, auth_token=TOKEN).execute("SELECT count(*) FROM p").fetchone() == (3,)
    with suppress(ValueError):
        raise AssertionError(connection.execute("SELECT * FROM missing").fetchall())


main()
