"""A client of interactive transactions: it keeps nothing but the newest token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lambda_handlers.service import Service
from lambda_handlers.wire import Reply, Request, SldbError


class Interactive:
    """One transaction. Each request may go to another container, the one passed or the one before."""

    def __init__(self, service: Service, database: str = "main", **fields: Any) -> None:
        """`fields`: of the request that begins."""
        self.service = service
        self.database = database
        self.tokens: list[str] = []
        self._send({"begin": True}, **fields)

    @property
    def token(self) -> str:
        """The newest token."""
        return self.tokens[-1]

    def run(self, query: str, params: Any = None, service: Service | None = None, **fields: Any) -> Reply:
        """Run statements inside the transaction."""
        self.service = service or self.service
        return self._send({"token": self.token}, query=query, params=params, **fields)

    def rows(self, query: str, params: Any = None, service: Service | None = None) -> list[tuple[Any, ...]]:
        return self.run(query, params, service).rows

    def commit(self, service: Service | None = None, token: str | None = None, **fields: Any) -> Reply:
        self.service = service or self.service
        return self._send({"token": token or self.token, "end": "commit"}, **fields)

    def rollback(self, **fields: Any) -> Reply:
        return self._send({"token": self.token, "end": "rollback"}, **fields)

    def _send(self, transaction: Mapping[str, Any], lastrowid: bool = False, **fields: Any) -> Reply:
        with_rowids = {**transaction, "lastrowid": True} if lastrowid else transaction
        event = {"database": self.database, "transaction": with_rowids, **fields}
        try:
            reply = self.service.reply(Request.decode(event))
        except SldbError as error:
            self._note(error.transaction)
            raise
        self._note(reply.transaction)
        return reply

    def _note(self, transaction: Mapping[str, Any] | None) -> None:
        if transaction and "token" in transaction:
            self.tokens.append(transaction["token"])


def in_turns(clients: Sequence[Interactive], query: str) -> list[Reply]:
    """Run the same statements in several transactions, one after the other."""
    return [client.run(query) for client in clients]
