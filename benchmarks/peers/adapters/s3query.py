"""sqlite-s3-query: a reader of one version of a SQLite file in a versioned bucket."""

from sqlite_s3_query import sqlite_s3_query


class S3Query:
    def __init__(self, url: str) -> None:
        self._url = f"{url}/versioned/database.db"

    def run(self, sql, writes):
        with sqlite_s3_query(self._url) as query, query(sql) as (_, rows):
            return list(rows)


def open_peer(url, argument):
    return S3Query(url)
