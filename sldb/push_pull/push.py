"""The push: a SQLite file becomes the content of a database, in one transaction.

The file is encoded here, part by part, while a few parts are being sent; parts of an earlier try are not sent again.
Then the action `push_commit` makes a transaction of the parts. Until then the database is unchanged, and an
interrupted push continues when it is repeated.
"""

from __future__ import annotations

import base64
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.host import Call, Host
from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.progress.protocol import Progress
from sldb.push_pull.encoding import Encoding, Part
from sldb.push_pull.source import Source
from sldb.push_pull.transport import Transport

PARTS_IN_FLIGHT = 4  # and one that is being encoded; each takes several times PART_BYTES of memory
_ROUNDS = 3  # of uploads, if parts vanish before they are committed


@dataclass(frozen=True, slots=True)
class Push:
    client: Client
    transport: Transport
    progress: Progress
    host: Host = field(default_factory=Host)

    def run(self, source: Source, if_txid: int | None, allow: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Push the file and return the reply to `push_commit`, with `sent_bytes`. Raises SldbError.

        `allow` gets the reply to `push_begin` before anything is sent, and raises to stop the push.
        """
        push, sent = secrets.token_hex(7), 0
        begun = self.client.act("push_begin", upload=Encoding(source).upload_id)
        _check_txid(begun, if_txid)
        allow(begun)
        for _ in range(_ROUNDS):
            encoding = Encoding(source)
            names, newly_sent = self._upload(encoding, source, begun["parts"])
            sent += newly_sent
            # Repeated just before the commit: if the reply gets lost, few transactions have to be searched for it.
            begun = self.client.act("push_begin", upload=encoding.upload_id)
            try:
                reply = self._commit(encoding, source, names, push, begun["txid"], if_txid)
            except SldbError as error:
                if "missing" not in error.details:
                    raise
                # By default all: another push of the same file removes all parts.
                gone = error.details.get("damaged", names)
                begun["parts"] = {name: size for name, size in begun["parts"].items() if name not in gone}
                missing = error
            else:
                self.transport.clear(encoding.upload_id)
                return {**reply, "sent_bytes": sent}
        raise missing

    def _upload(self, encoding: Encoding, source: Source, there: dict[str, int]) -> tuple[list[str], int]:
        """Send the parts; return their names and the number of bytes sent."""
        self.progress.begin("pushing", bytes=source.size)
        names, sent, in_flight = list[str](), 0, deque[tuple[Call, int]]()

        def finish_first() -> None:
            nonlocal sent
            call, source_bytes = in_flight.popleft()
            name, sent_bytes = call.result()
            names.append(name)
            sent += sent_bytes
            self.progress.advance(bytes=source_bytes)

        def begin(part: Part) -> None:
            call = self.host.start(lambda: self._send(encoding.upload_id, part, there))
            in_flight.append((call, part.source_bytes))

        try:
            for part in encoding.parts():
                begin(part)
                if len(in_flight) >= PARTS_IN_FLIGHT:
                    finish_first()
            while in_flight:
                finish_first()
        except SldbError:
            # The other parts in flight arrive or fail too: the next try finds those that arrived.
            for call, _ in in_flight:
                with suppress(SldbError):
                    call.result()
            raise
        return names, sent

    def _send(self, upload: str, part: Part, there: dict[str, int]) -> tuple[str, int]:
        """Send a part unless it is there; return its name, and the number of bytes sent."""
        name = part.name
        if there.get(name) == len(part.body):
            return name, 0
        self.transport.put(upload, name, part.body)
        return name, len(part.body)

    def _commit(
        self, encoding: Encoding, source: Source, names: list[str], push: str, since: int, if_txid: int | None
    ) -> dict[str, Any]:
        self.progress.begin("committing the parts")
        return self.client.act(
            "push_commit",
            upload=encoding.upload_id,
            parts=names,
            page_map=_text(encoding.page_map.encode()),
            first_page=_text(_rollback_journal(source.first_page, source.page_count)),
            push=push,
            since=since,
            if_txid=if_txid,
        )


def _rollback_journal(page: bytes, page_count: int) -> bytes:
    """Return page 1 of a database without WAL, with the number of pages, which old versions of SQLite left out."""
    result = bytearray(page)
    result[18:20] = b"\1\1"
    result[28:32] = page_count.to_bytes(4, "big")
    result[92:96] = result[24:28]
    return bytes(result)


def _check_txid(begun: dict[str, Any], if_txid: int | None) -> None:
    if if_txid is not None and begun["txid"] != if_txid:
        raise SldbError(
            "conflict",
            f"the newest transaction of {begun['database']} is {begun['txid']}, not {if_txid}",
            "check the newest state (sldb history), and decide again",
            txid=begun["txid"],
            applied="no",
        )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
