"""The common part of the locks: the pauses between tries, and the error when the time is up."""

from __future__ import annotations

from lambda_handlers.host import Host
from lambda_handlers.locks.protocol import Sleep
from lambda_handlers.shared.lock_holder import Holder
from lambda_handlers.wire import SldbError

BACKOFF_SECONDS = 0.2  # the first; each further one is twice as long, up to
BACKOFF_MAX_SECONDS = 5.0
CLOCK_GRAIN_SECONDS = 0.001  # a shorter rest of time counts as none: adding it may not move a clock of 64-bit floats


def spread(host: Host, seconds: float) -> float:
    """Return about so many seconds, a quarter more or less, so that waiting writers do not all return at once."""
    return seconds * (0.75 + host.jitter() / 2)


def backoff(host: Host, failures: int) -> float:
    """Return the pause in seconds after so many failures in a row (1 or more)."""
    longest = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2.0 ** (failures - 1))
    return longest * (0.5 + host.jitter() / 2)


def sleep_within(host: Host, seconds: float, deadline: float, sleep: Sleep | None = None) -> bool:
    """Sleep so long, but not past the deadline; False, without sleep, if that has come. `sleep`: instead of the
    host's."""
    left = deadline - host.now()
    if left < CLOCK_GRAIN_SECONDS:
        return False
    (sleep or host.sleep)(min(seconds, left))
    return True


def lock_timeout(database: str, holder: Holder | None, now: float, hint: str) -> SldbError:
    """Return the error for a lock that was not free in time; `holder` is None if unknown."""
    who = describe(holder, now) if holder else "by an unknown writer"
    return SldbError(
        "lock_timeout",
        f"database {database} is locked {who}, and was not free in time",
        hint,
        database=database,
        holder=holder.encode(now) if holder else None,
        applied="no",
    )


def describe(holder: Holder, now: float) -> str:
    """Return `by 5f0c… for 12.3 s (INSERT users)`: a part of a sentence."""
    age = holder.age_seconds(now)
    held = "" if age is None else f" for {age:.1f} s"
    doing = f" ({holder.doing})" if holder.doing else ""
    return f"by {holder.owner or 'an unknown writer'}{held}{doing}"


def unlock_hint(database: str, max_age_seconds: float) -> str:
    return (
        f"send it again later; a lock whose writer is gone is freed {max_age_seconds:g} s after it was taken, "
        f"or at once by: sldb unlock --database {database}"
    )
