"""The keys that sign tokens, as the authorizer has them: texts of a secret in Secrets Manager, by their ids.

The current version of the secret signs new tokens, the previous one has signed older ones (`sldb token rotate`). A key
is read when a token of it arrives, once in the life of a container: its id is a digest of its text, so it never
changes. A key that neither version has is looked for again after a minute at the earliest, however many tokens name it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from lambda_handlers.access.tokens import key_id_of
from lambda_handlers.aws.secrets_manager import CURRENT, PREVIOUS

MISSING_SECONDS = 60.0


class SigningKeys:
    """`read` returns the text of the version with a label, or None (`SecretsManager.text`)."""

    def __init__(self, read: Callable[[str], str | None], now: Callable[[], float]) -> None:
        self._read = read
        self._now = now
        self._secrets: dict[str, str] = {}  # by their ids
        self._missing: dict[str, float] = {}  # ids that neither version has, and when that was seen

    def secret(self, key_id: str) -> str | None:
        """Return the key of this id; None if neither version is it. Raises SecretUnreadable. `key_id`: one of the
        access document, which has few."""
        if key_id not in self._secrets and not self._is_known_to_miss(key_id):
            self._search(key_id)
        return self._secrets.get(key_id)

    def _is_known_to_miss(self, key_id: str) -> bool:
        seen_at = self._missing.get(key_id)
        return seen_at is not None and 0 <= self._now() - seen_at < MISSING_SECONDS

    def _search(self, key_id: str) -> None:
        searched_at = self._now()
        for stage in (CURRENT, PREVIOUS):
            text = self._read(stage)
            if text is not None:
                with suppress(ValueError):  # a text that is too short is no key, and signs nothing
                    self._secrets[key_id_of(text)] = text
            if key_id in self._secrets:
                return
        self._missing[key_id] = searched_at
