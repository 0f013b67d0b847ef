"""The keys that sign tokens, and how often they are read."""

from __future__ import annotations

import pytest

from lambda_handlers.access.signing_keys import MISSING_SECONDS, SigningKeys
from lambda_handlers.access.tokens import key_id_of
from lambda_handlers.aws.secrets_manager import CURRENT, PREVIOUS, SecretUnreadable
from tests.fakes.clock import Clock

OLD, NEW = "o" * 64, "n" * 64


class Secret:
    """A secret with its versions, and a record of what was read."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions
        self.read: list[str] = []
        self.fails = False

    def text(self, stage: str) -> str | None:
        self.read.append(stage)
        if self.fails:
            raise SecretUnreadable("AccessDeniedException")
        return self.versions.get(stage)


def test_the_current_key_is_read_once() -> None:
    secret, clock = Secret(AWSCURRENT=NEW, AWSPREVIOUS=OLD), Clock()
    keys = SigningKeys(secret.text, clock.now)
    for _ in range(1000):
        assert keys.secret(key_id_of(NEW)) == NEW
        clock.time += 10
    assert secret.read == [CURRENT]


def test_the_previous_key_is_read_where_it_is_needed() -> None:
    secret = Secret(AWSCURRENT=NEW, AWSPREVIOUS=OLD)
    keys = SigningKeys(secret.text, Clock().now)
    assert [keys.secret(key_id_of(text)) for text in (OLD, NEW, OLD)] == [OLD, NEW, OLD]
    assert secret.read == [CURRENT, PREVIOUS]


def test_a_key_from_after_the_start_is_read() -> None:
    secret = Secret(AWSCURRENT=OLD)
    keys = SigningKeys(secret.text, Clock().now)
    assert keys.secret(key_id_of(OLD)) == OLD
    secret.versions = {CURRENT: NEW, PREVIOUS: OLD}
    assert [keys.secret(key_id_of(text)) for text in (NEW, OLD)] == [NEW, OLD]


def test_a_key_that_is_gone_is_searched_once_a_minute_and_delays_no_other() -> None:
    secret, clock = Secret(AWSCURRENT=OLD), Clock()
    keys = SigningKeys(secret.text, clock.now)
    gone = key_id_of("g" * 64)
    for _ in range(1000):
        assert keys.secret(gone) is None
        clock.time += MISSING_SECONDS / 1000
    assert len(secret.read) <= 4
    secret.versions = {CURRENT: NEW}
    assert keys.secret(key_id_of(NEW)) == NEW
    secret.versions = {CURRENT: "g" * 64}
    clock.time += MISSING_SECONDS
    assert keys.secret(gone) == "g" * 64


def test_a_failure_is_no_absence() -> None:
    secret = Secret(AWSCURRENT=NEW)
    secret.fails = True
    keys = SigningKeys(secret.text, Clock().now)
    with pytest.raises(SecretUnreadable):
        keys.secret(key_id_of(NEW))
    secret.fails = False
    assert keys.secret(key_id_of(NEW)) == NEW


@pytest.mark.parametrize("text", ["", "short"])
def test_a_text_that_is_too_short_is_no_key(text: str) -> None:
    secret = Secret(AWSCURRENT=text, AWSPREVIOUS=OLD)
    assert SigningKeys(secret.text, Clock().now).secret(key_id_of(OLD)) == OLD
