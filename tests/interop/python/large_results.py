"""A response beyond the limit of a function: which clients follow its 303 to the store. Prints the outcome of each."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

import aiohttp
import httpx
import libsql
import requests
from turso_serverless import Error, connect

URL = os.environ["SLDB_URL"]
TOKEN = os.environ["SLDB_TOKEN"]
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 80)"
LARGE = f"{NUMBERS} SELECT i, hex(zeroblob(50000)) FROM n"
BODY = json.dumps({"query": LARGE})
HEADERS = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}


def status() -> int:
    parts = urlsplit(URL)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("POST", f"{parts.path}read", BODY, HEADERS)
    found = connection.getresponse().status
    connection.close()
    return found


def by_urllib() -> int:
    with urllib.request.urlopen(urllib.request.Request(f"{URL}read", BODY.encode(), HEADERS)) as response:
        return len(json.load(response)["rows"])


def by_requests() -> int:
    return len(requests.post(f"{URL}read", BODY, headers=HEADERS).json()["rows"])


def by_httpx() -> int:
    return len(httpx.post(f"{URL}read", content=BODY, headers=HEADERS, follow_redirects=True).json()["rows"])


def by_aiohttp() -> int:
    async def count() -> int:
        async with aiohttp.ClientSession() as session, session.post(f"{URL}read", data=BODY, headers=HEADERS) as got:
            return len((await got.json())["rows"])

    return asyncio.run(count())


def by_curl() -> int:
    headers = [part for name, value in HEADERS.items() for part in ("-H", f"{name}: {value}")]
    done = subprocess.run(["curl", "-sSL", f"{URL}read", *headers, "-d", BODY], capture_output=True, check=True)
    return len(json.loads(done.stdout)["rows"])


def by_turso() -> int:
    connection = connect(URL, auth_token=TOKEN)
    return len(connection.execute(LARGE).fetchall())


def by_libsql() -> int:
    connection = libsql.connect(database=URL, auth_token=TOKEN)
    return len(connection.execute(LARGE).fetchall())


def outcome(count: Callable[[], int]) -> int | str:
    """Return the number of rows, or what the client says instead."""
    try:
        return count()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode()}"
    except (ValueError, Error) as error:
        return str(error)


CLIENTS = [by_urllib, by_requests, by_httpx, by_aiohttp, by_curl, by_turso, by_libsql]
print(json.dumps({"status": status(), **{client.__name__: outcome(client) for client in CLIENTS}}))
