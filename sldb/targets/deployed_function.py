"""The query function for the requests, and the stack that they are meant for.

The function of a stack is `<stack>-function` by convention, so that a request needs no extra call to look it up. Each
event carries the name of the stack; the function compares it with its own before it opens anything. If that fails
(there is no such function; it belongs to another stack, or is not sldb's; it is so old that it does not know the
field), CloudFormation is queried for the stack's function, once. A named function (`lambda:NAME`) is used as it is; a
stack named beside it must be its own.

`environment` returns the function's variables, once it is the right function: for operations without it.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.aws.options import AwsOptions
from sldb.stack.names import default_function, read_function
from sldb.targets.lambda_responses import NoSuchFunction, NotOurs

if TYPE_CHECKING:
    import boto3

    from sldb.stack.state import StackState

DISPENSABLE = ("attempt", "last")  # fields without which a request means the same


class DeployedFunction:
    """A query function, found by its name or by its stack. Safe for threads: targets share one."""

    def __init__(self, aws: AwsOptions, *, stack: str | None = None, function: str | None = None) -> None:
        """Set the function: its name; None: the function of the stack."""
        assert stack or function
        self.aws = aws
        self.stack = stack  # that requests are meant for; None: any
        self.name = function or default_function(str(stack))
        self._is_named = function is not None
        self._sends_stack = stack is not None  # in the events
        self._unknown: frozenset[str] = frozenset()  # fields that the function, an older one, does not know
        self._is_looked_up = False  # in CloudFormation
        self._correcting = threading.Lock()

    @classmethod
    def of(cls, function: str | DeployedFunction, aws: AwsOptions) -> DeployedFunction:
        """Return the function; for a name, a new one."""
        return function if isinstance(function, DeployedFunction) else cls(aws, function=function)

    def addressed(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event for the function: with the name of the stack in it if the function is to compare it, and
        without a field that it does not know."""
        named = {**event, "stack": self.stack} if self._sends_stack else event
        return {name: value for name, value in named.items() if name not in self._unknown}

    def correct(self, name: str, error: SldbError) -> bool:
        """Correct the name or the events after an error of the function `name`; return True if the same event is to be
        sent again. Raises SldbError if no function fits."""
        if (field := error.details.get("field")) in DISPENSABLE:
            was_sent, self._unknown = field not in self._unknown, self._unknown | {str(field)}
            return was_sent
        is_about_function = isinstance(error, (NoSuchFunction, NotOurs)) or field == "stack"
        if self.stack is None or not is_about_function:
            return False
        with self._correcting:
            if name != self.name:  # corrected by another thread meanwhile
                return True
            return self._correct(error)

    def environment(self) -> Mapping[str, str]:
        """Return the variables of the function, once it is known to be the right one. Raises SldbError."""
        while True:
            name = self.name
            try:
                return self._environment(name)
            except SldbError as error:
                if not self.correct(name, error):
                    raise

    def look_up(self) -> None:
        """Set the name to the one in CloudFormation, and trust no convention. Raises SldbError."""
        if self._is_named:
            self.find_stack()
            return
        self.name = self._function_of(str(self.stack))
        self._is_looked_up = True

    def find_stack(self) -> str:
        """Return the stack of the function: its query function, or the one that only reads. Raises SldbError."""
        if not self._is_named:
            return str(self.stack)
        own = self.environment()["SLDB_STACK"]
        found = self._function_of(own)
        if not (_is_same(found, self.name) or _is_same(read_function(_bare(found)), self.name)):
            raise SldbError(
                "store_error",
                f"the function {self.name} reports that it belongs to the stack {own}, whose query function is {found}",
                "give the intended stack: --stack NAME",
            )
        return own

    def _correct(self, error: SldbError) -> bool:
        own = error.details.get("stack")  # of a function that knows the field
        if self._is_named:
            return self._correct_named(error, own)
        if self._is_looked_up:
            if isinstance(error, NotOurs):
                return False
            if isinstance(error, NoSuchFunction) or own is not None:
                raise self._broken(own)
            self._sends_stack = False  # according to CloudFormation it is the right one
            return True
        try:
            found = self._function_of(str(self.stack))
        except _LookUpFailed as reason:
            raise self._unverified(error, reason) from reason
        self._is_looked_up = True
        if _is_same(found, self.name):
            return self._correct(error)
        self.name = found
        return True

    def _correct_named(self, error: SldbError, own: str | None) -> bool:
        if isinstance(error, (NoSuchFunction, NotOurs)):
            return False
        if own is None:  # an old function does not know the field
            try:
                found = self._function_of(str(self.stack))
            except _LookUpFailed as reason:
                raise self._unverified(error, reason) from reason
            if _is_same(found, self.name):
                self._sends_stack = False
                return True
        raise self._contradiction(own) from error

    def _contradiction(self, own: str | None) -> SldbError:
        what = f"which belongs to the stack {own}" if own else f"which is not the function of the stack {self.stack}"
        return SldbError(
            "bad_request",
            f"--target lambda:{self.name}, {what}, and --stack {self.stack} contradict each other",
            "give one of them",
        )

    def _broken(self, own: str | None) -> SldbError:
        problem = f"reports that it belongs to the stack {own}" if own else "does not exist"
        return SldbError(
            "store_error",
            f"the function {self.name} of the stack {self.stack} {problem}",
            "sldb deploy brings it up to date",
        )

    def _unverified(self, error: SldbError, reason: SldbError) -> SldbError:
        """Return the error for a function that CloudFormation could not be queried about."""
        if isinstance(error, NoSuchFunction):
            problem = error.message
        else:
            problem = f"{self.name} may be the function of another stack than {self.stack}"
        return SldbError(
            "store_error",
            f"{problem}, and the stack's function cannot be looked up: {reason.message}",
            f"{reason.hint}; or name the function: --target lambda:NAME".removeprefix("; "),
        )

    def _function_of(self, stack: str) -> str:
        """Return the name of a stack's query function in CloudFormation. Raises _LookUpFailed; other SldbErrors if the
        stack does not exist, or is not sldb's."""
        from sldb.stack.ownership import no_such_stack, not_ours

        region, state, is_ours = self._look_up(stack)
        if state is not None and not is_ours:
            raise not_ours(stack)
        if state is None or state.status == "REVIEW_IN_PROGRESS":  # prepared, and not there yet
            raise no_such_stack(stack, region)
        return state.function

    def _look_up(self, name: str) -> tuple[str, StackState | None, bool]:
        """Return the region, the existing stack, and True if it is sldb's. Raises _LookUpFailed."""
        from sldb.aws.errors import aws_errors
        from sldb.stack.cloudformation import Stack

        try:
            with aws_errors(f"look up the stack {name}"):
                session = self._session()
                stack = Stack(session.client("cloudformation"), name)
                state = stack.describe()
                if state is None or state.gone:
                    return session.region_name, None, False
                return session.region_name, state, stack.is_ours(state)
        except SldbError as error:
            raise _LookUpFailed(error) from error

    def _environment(self, name: str) -> Mapping[str, str]:
        from sldb.aws.errors import aws_errors

        with aws_errors(f"read the settings of the function {name}"):
            session = self._session()
            client = session.client("lambda")
            try:
                found = client.get_function_configuration(FunctionName=name)
            except client.exceptions.ResourceNotFoundException as error:
                raise NoSuchFunction(name, session.region_name) from error
        variables = found.get("Environment", {}).get("Variables", {})
        own = variables.get("SLDB_STACK")
        if self.stack is not None and own is not None and own != self.stack:
            raise SldbError("bad_request", f"{name} belongs to the stack {own}", field="stack", stack=own)
        if own is None or not variables.get("SLDB_STORE", "").startswith(("s3://", "file:///")):
            raise NotOurs("store_error", f"the function {name} is not sldb's", "sldb deploy creates one")
        return variables

    def _session(self) -> boto3.Session:
        from sldb.aws.session import boto3_session

        return boto3_session(self.aws)


class _LookUpFailed(SldbError):
    """CloudFormation could not be queried."""

    def __init__(self, error: SldbError) -> None:
        super().__init__(error.code, error.message, error.hint, **error.details)


def _is_same(name: str, other: str) -> bool:
    return _bare(name) == _bare(other)


def _bare(name: str) -> str:
    """Return the function's name alone, from `NAME`, `NAME:VERSION` or an ARN."""
    parts = name.split(":")
    return parts[6] if parts[0] == "arn" and len(parts) > 6 else parts[0]
