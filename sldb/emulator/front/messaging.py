"""The queues of an emulator, put together: SQS, event source mappings, destinations."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sldb.emulator.access.bucket_policy import BucketPolicies
from sldb.emulator.access.iam import Authorizer
from sldb.emulator.access.policy import Document
from sldb.emulator.calls.moto_app import Moto
from sldb.emulator.event_sources.mappings import EventSources
from sldb.emulator.event_sources.poller import Poller
from sldb.emulator.runtime.destinations import Destinations
from sldb.emulator.runtime.functions import Functions
from sldb.emulator.sqs.api import Sqs
from sldb.emulator.sqs.clock import Clock
from sldb.emulator.sqs.queues import Queues
from sldb.emulator.state.recorder import Recorder

_TO_POLL = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def open_queues(moto: Moto, recorder: Recorder | None) -> Queues:
    if recorder is None:
        return Queues(Clock(), moto.lock)
    return Queues(Clock(), moto.lock, recorder.queues, recorder.save_queues)


def authorizer(moto: Moto, buckets: BucketPolicies, queues: Queues) -> Authorizer:
    return Authorizer(moto, buckets, partial(_queue_policies, queues), partial(_queue_key, queues))


def _queue_key(queues: Queues, arn: str) -> str:
    """Return the ARN of the key of KMS that encrypts a queue; "" without one."""
    queue = queues.by_arn(arn)
    return queue.attributes.get("KmsMasterKeyId", "") if queue else ""


def _queue_policies(queues: Queues, arn: str) -> list[Document]:
    """Return the policy of a queue, if it has one."""
    queue = queues.by_arn(arn)
    text = queue.attributes.get("Policy") if queue else None
    return [json.loads(text)] if text else []


def destinations(moto: Moto, queues: Queues, judge: Authorizer) -> Destinations:
    return Destinations(moto, queues, lambda role, queue: judge.role_may(role, "sqs:SendMessage", queue))


@dataclass(frozen=True, slots=True)
class Messaging:
    """The servers of queues, and the movers of their messages."""

    queues: Queues
    sqs: Sqs
    sources: EventSources
    poller: Poller

    @classmethod
    def open(
        cls,
        moto: Moto,
        queues: Queues,
        functions: Functions,
        judge: Authorizer,
        recorder: Recorder | None,
        url: Callable[[], str],
    ) -> Messaging:
        may_poll = partial(_may_poll, judge)
        if recorder is None:
            sources = EventSources(moto, queues, may_poll)
        else:
            sources = EventSources(moto, queues, may_poll, recorder.event_sources, recorder.save_event_sources)
        return cls(queues, Sqs(queues, url), sources, Poller(moto, queues, sources, functions))


def _may_poll(judge: Authorizer, role: str, queue: str) -> bool:
    return all(judge.role_may(role, action, queue) for action in _TO_POLL)
