"""Targets of fuzzing for the fronts of the API: their events, the list of callers, and tokens."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import Any

from lambda_handlers.access.callers import BadDocument, Document
from lambda_handlers.access.tokens import BadToken, make_token, new_id, read_token
from tests.fuzz.mutate import damaged, damaged_json, damaged_text
from tests.lambda_handlers.attacks.fronts import ENTRIES, SECRET, Stack

_DOCUMENT = Document(("0a0b0c0d",), {name: entry.encode() for name, entry in ENTRIES.items()}).encode()
_TOKENS = [make_token(new_id(bytes([number] * 16)), SECRET, name="ada") for number in range(3)]


@lru_cache(maxsize=1)
def _stack() -> Stack:
    return Stack()


def fronts(chance: Random) -> None:
    """Check that any event of a front has a response, and none is an internal error."""
    stack = _stack()
    event: Any = chance.choice(list(stack.events().values()))
    response = stack.service.handle(damaged_json(chance, event))
    body = json.loads(response["body"]) if isinstance(response["body"], str) else response["body"]
    assert response["statusCode"] == 200 or body["error"]["code"] != "internal", body


def callers(chance: Random) -> None:
    """Check that a list of callers is read, or is refused as one that is not understood."""
    value = json.dumps(damaged_json(chance, json.loads(_DOCUMENT))).encode()
    data = value if chance.random() < 0.5 else damaged(chance, _DOCUMENT, [_DOCUMENT, value])
    with suppress(BadDocument):
        document = Document.decode(data)
        for identity in document.callers:
            with suppress(BadDocument):
                entry = document.find(identity)
                assert entry is not None
                assert entry.caller.name


def callers_tokens(chance: Random) -> None:
    """Check that no text but a token itself is accepted."""
    text = damaged_text(chance, chance.choice(_TOKENS), [*_TOKENS, ".", "=", "sldb_"])
    with suppress(BadToken):
        assert read_token(text).is_signed_by(SECRET) == (text in _TOKENS)
