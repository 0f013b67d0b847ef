"""The queue of a stack: found by the outputs of CloudFormation, with the clients for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.aws.errors import aws_errors
from sldb.stack.account import connect
from sldb.stack.cloudformation import Stack
from sldb.stack.ownership import no_such_stack

if TYPE_CHECKING:
    from sldb.aws.options import AwsOptions
    from sldb.stack.account import Account
    from sldb.stack.state import StackState


@dataclass(frozen=True, slots=True)
class StackQueue:
    account: Account
    stack: str
    state: StackState

    @property
    def url(self) -> str:
        """Raises `bad_request` if the stack has no queue."""
        return self._output("QueueUrl")

    @property
    def dead_letters_url(self) -> str:
        return self._output("DeadLettersUrl")

    @property
    def failed_invocations_url(self) -> str:
        return self._output("FailedInvocationsUrl")

    @property
    def is_fifo(self) -> bool:
        return is_fifo(self.url)

    @property
    def client(self) -> Any:
        return self.account.queues

    def attributes(self, url: str) -> dict[str, str]:
        """Return the attributes of a queue. Raises SldbError."""
        with aws_errors(f"look at the queue {name_of(url)}"):
            found: dict[str, str] = self.client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return found

    def _output(self, name: str) -> str:
        found = self.state.outputs.get(name)
        if found:
            return found
        if name == "FailedInvocationsUrl":
            message = f"the stack {self.stack} keeps no failed invocations: its version of sldb is older"
            raise SldbError("bad_request", message, "`sldb deploy` brings it up to date", applied="no")
        raise SldbError(
            "bad_request",
            f"the stack {self.stack} has no queue",
            "`sldb deploy --queue fifo` adds one, or --queue standard: docs/queue.md has the difference",
            applied="no",
        )


def open_queue(options: AwsOptions, stack: str) -> StackQueue:
    """Return the queue of a deployed stack. Raises SldbError if there is no stack of ours."""
    account = connect(options)
    state = Stack(account.cloudformation, stack).describe_ours()
    if state is None or not state.has_data_bucket:
        raise no_such_stack(stack, account.region, account.id)
    return StackQueue(account, stack, state)


def is_fifo(url: str) -> bool:
    return url.endswith(".fifo")


def name_of(url: str) -> str:
    return url.rpartition("/")[2]
