"""A job: adds the sales of a CSV file to a database, once however often it runs, and prints the sums by day.

    python report.py TARGET FILE

TARGET is `lambda`, `local:DIR` or `https://…`; FILE has the columns id, day, product, cents.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import sldb

TABLE = "CREATE TABLE IF NOT EXISTS sales (id TEXT PRIMARY KEY, day DATE, product TEXT, cents INTEGER)"
SUMS = "SELECT day, count(*), sum(cents) / 100.0 FROM sales GROUP BY day ORDER BY day"


def add(connection: sldb.Connection, file: Path) -> int:
    """Add the rows that are not there yet, all of them or none, and return their number."""
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [(row["id"], row["day"], row["product"], int(row["cents"])) for row in csv.DictReader(lines)]

    def work(inside: sldb.Connection) -> int:
        inside.execute(TABLE)
        return inside.executemany("INSERT OR IGNORE INTO sales VALUES (?, ?, ?, ?)", rows).rowcount

    return connection.run(work)


def main(target: str, file: str) -> None:
    connection = sldb.connect(target, "sales", create=True, message=f"import of {Path(file).name}")
    try:
        print(f"{add(connection, Path(file))} new sales")
        for day, count, total in connection.execute(SUMS):
            print(f"{day}  {count:5}  {total:12,.2f}")
    finally:
        connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
