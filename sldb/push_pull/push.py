"""Push: a SQLite file becomes the content of a database, in one transaction.

The file is encoded here, part by part, while a few parts are on their way; those that an earlier try has brought are
not sent again. When all are there, the action `push_commit` makes a transaction of them. Until it does nothing of the
database has changed, and whatever stops the push, the same push again goes on.
"""

from __future__ import annotations

import base64
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lambda_handlers.host import Call, Host
from lambda_handlers.wire import SldbError
from sldb.client import Client
from sldb.push_pull.encoding import Encoding
from sldb.push_pull.source import Source
from sldb.push_pull.transport import Carrier, Progress

PARTS_IN_FLIGHT = 4  # with the one that is being made, each takes some times PART_BYTES of memory
_ROUNDS = 3  # of uploads, where parts vanish before they are committed


@dataclass(frozen=True, slots=True)
class Push:
    client: Client
    carrier: Carrier
    progress: Progress
    host: Host

    def run(self, source: Source, if_txid: int | None, allow: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """The reply to `push_commit`, with `sent_bytes`. `allow` gets the reply to `push_begin`, before anything is
        sent, and raises if that is not wanted. Raises SldbError."""
        push, sent = secrets.token_hex(7), 0
        begun = self.client.act("push_begin", upload=Encoding(source).upload_id)
        _check_txid(begun, if_txid)
        allow(begun)
        for _ in range(_ROUNDS):
            encoding = Encoding(source)
            names, newly_sent = self._upload(encoding, source, begun["parts"])
            sent += newly_sent
            # Asked again just before, so that little has to be looked through for a commit whose answer gets lost.
            begun = self.client.act("push_begin", upload=encoding.upload_id)
            try:
                reply = self._commit(encoding, source, names, push, begun["txid"], if_txid)
            except SldbError as error:
                if "missing" not in error.details:
                    raise
                gone = error.details.get("damaged", names)  # who pushes the same file clears all, not only what is told
                begun["parts"] = {name: size for name, size in begun["parts"].items() if name not in gone}
                missing = error
            else:
                self.carrier.clear(encoding.upload_id)
                return {**reply, "sent_bytes": sent}
        raise missing

    def _upload(self, encoding: Encoding, source: Source, there: dict[str, int]) -> tuple[list[str], int]:
        """The names of the parts, and how many bytes were sent."""
        self.progress.begin("pushing", source.size)
        names, sent, on_their_way = [], 0, deque[tuple[Call, int]]()

        def arrive() -> None:
            call, size = on_their_way.popleft()
            call.result()
            self.progress.advance(size)

        try:
            for part in encoding.parts():
                names.append(part.name)
                if there.get(part.name) == len(part.body):
                    self.progress.advance(part.source_bytes)
                    continue
                sent += len(part.body)
                call = self.host.start(
                    lambda name=part.name, body=part.body: self.carrier.put(encoding.upload_id, name, body)  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
                )
                on_their_way.append((call, part.source_bytes))
                if len(on_their_way) >= PARTS_IN_FLIGHT:
                    arrive()
            while on_their_way:
                arrive()
        except SldbError:
            # What else is on its way arrives, or fails as this did: the next try finds all of it.
            for call, _ in on_their_way:
                with suppress(SldbError):
                    call.result()
            raise
        return names, sent

    def _commit(
        self, encoding: Encoding, source: Source, names: list[str], push: str, since: int, if_txid: int | None
    ) -> dict[str, Any]:
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
    """Page 1 of a database that keeps no WAL, with the number of pages where old versions of SQLite left it out."""
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
            "look again (sldb history), and decide again",
            txid=begun["txid"],
            applied="no",
        )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
