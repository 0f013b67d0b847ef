"""The checks of the queue: whether it is read, and whether something lies in it that was given up."""

from __future__ import annotations

from collections.abc import Iterator

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.doctor.finding import Finding, ok, unchecked
from sldb.report import count
from sldb.stack.account import Account
from sldb.stack.queues import QueueCounts, count_messages
from sldb.stack.state import StackState

_NEXT = {
    "dead letters": "`sldb queue peek` shows them, `sldb queue redrive` sends them again",
    "failed invocations": "`sldb queue peek --failed` shows them, `sldb queue redrive --failed` queues them",
}


def queue_findings(account: Account, state: StackState) -> Iterator[Finding]:
    """Yield the findings; none for a stack of an earlier version, which has no queues."""
    try:
        counts = count_messages(account.queues, state.outputs)
        mapping = _mapping_state(account, state)
    except SldbError as error:
        yield unchecked("queue", error)
        return
    if mapping is not None and mapping != "Enabled":
        says = f"the mapping to the function is {mapping.lower()}: messages wait, and none runs"
        yield Finding("queue", "fail", says, "enable the event source mapping of the function at Lambda")
    yield from filter(None, map(_counted, counts))


def _counted(counts: QueueCounts) -> Finding | None:
    if counts.is_gone:
        return None  # the check of the resources reports it
    if counts.role == "queue":
        return ok("queue", f"{counts.name}: {counts.waiting:,} waiting, {counts.in_flight:,} in flight")
    if counts.total:
        return Finding("queue", "warn", f"{count(counts.total, counts.noun)} in {counts.name}", _NEXT[counts.role])
    return ok("queue", f"no {counts.role}")


def _mapping_state(account: Account, state: StackState) -> str | None:
    """Return the state of the mapping; None if there is none, or none any more."""
    mapping_id = state.outputs.get("QueueMappingId")
    if mapping_id is None:
        return None
    with aws_errors("look at the mapping of the queue"):
        try:
            return str(account.functions.get_event_source_mapping(UUID=mapping_id)["State"])
        except account.functions.exceptions.ResourceNotFoundException:
            return None
