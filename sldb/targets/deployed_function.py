"""The query function that requests go to, and the stack that they are meant for.

Of a stack it is `<stack>-function` by convention, so that a request pays no call to find out. Each event carries the
name of the stack, which the function compares with its own before it opens anything. Where that fails (there is no such
function; it is of another stack, or none of sldb's; it is so old that it does not know the field), CloudFormation is
asked for the stack's function, once. A function that is named (`lambda:NAME`) is used as it is; a stack that is named
beside it must be its own.

`settings` answers for what is done without the function: its environment, once it is the right one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import SldbError
from sldb.aws.options import AwsOptions
from sldb.stack.names import default_function
from sldb.targets.lambda_responses import NoSuchFunction, NotOurs

if TYPE_CHECKING:
    import boto3

    from sldb.stack.state import StackState


class DeployedFunction:
    """Safe for threads: targets share one."""

    def __init__(self, aws: AwsOptions, *, stack: str | None = None, function: str | None = None) -> None:
        """`function`: the one to use, else the stack's."""
        assert stack or function
        self.aws = aws
        self.stack = stack  # that requests are meant for; None: whichever the function is of
        self.function = function or default_function(str(stack))
        self._is_named = function is not None
        self._claims = stack is not None  # events carry the stack
        self._has_looked = False  # at CloudFormation
        self._correcting = threading.Lock()

    def stamped(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event as it goes out."""
        return {**event, "stack": self.stack} if self._claims else event

    def is_corrected(self, function: str, error: SldbError) -> bool:
        """Return whether what `function` answered shows that another one is meant, or that it must be told less: then
        the same event goes to what is right by now. Raises SldbError where there is nothing right."""
        is_about_function = isinstance(error, (NoSuchFunction, NotOurs)) or error.details.get("field") == "stack"
        if self.stack is None or not is_about_function:
            return False
        with self._correcting:
            if function != self.function:  # by another thread, meanwhile
                return True
            return self._correct(error)

    def settings(self) -> Mapping[str, str]:
        """Return the environment of the function, once it is known to be the right one. Raises SldbError."""
        while True:
            function = self.function
            try:
                return self._settings(function)
            except SldbError as error:
                if not self.is_corrected(function, error):
                    raise

    def confirm(self) -> None:
        """Take nothing but CloudFormation's word for which function the stack has. Raises SldbError."""
        if self._is_named:
            self.find_stack()
            return
        self.function = self._function_of(str(self.stack))
        self._has_looked = True

    def find_stack(self) -> str:
        """Return the stack that the function is of, whose query function it must be. Raises SldbError."""
        if not self._is_named:
            return str(self.stack)
        own = self.settings()["SLDB_STACK"]
        theirs = self._function_of(own)
        if not _is_same(theirs, self.function):
            raise SldbError(
                "store_error",
                f"the function {self.function} says that it is of the stack {own}, whose query function is {theirs}",
                "name the stack that is meant: --stack NAME",
            )
        return own

    def _correct(self, error: SldbError) -> bool:
        own = error.details.get("stack")  # of a function that knows the field
        if self._is_named:
            return self._correct_named(error, own)
        if self._has_looked:
            if isinstance(error, NotOurs):
                return False
            if isinstance(error, NoSuchFunction) or own is not None:
                raise self._broken(own)
            self._claims = False  # CloudFormation says that it is the right one
            return True
        try:
            found = self._function_of(str(self.stack))
        except _CannotLook as reason:
            raise self._unverified(error, reason) from reason
        self._has_looked = True
        if _is_same(found, self.function):
            return self._correct(error)
        self.function = found
        return True

    def _correct_named(self, error: SldbError, own: str | None) -> bool:
        if isinstance(error, (NoSuchFunction, NotOurs)):
            return False
        if own is None:  # it does not know the field
            try:
                theirs = self._function_of(str(self.stack))
            except _CannotLook as reason:
                raise self._unverified(error, reason) from reason
            if _is_same(theirs, self.function):
                self._claims = False
                return True
        raise self._contradiction(own) from error

    def _contradiction(self, own: str | None) -> SldbError:
        what = f"which is of the stack {own}" if own else f"which is not the function of the stack {self.stack}"
        return SldbError(
            "bad_request",
            f"--target lambda:{self.function}, {what}, and --stack {self.stack} contradict each other",
            "give one of them",
        )

    def _broken(self, own: str | None) -> SldbError:
        says = f"says that it is of the stack {own}" if own else "is not there"
        return SldbError(
            "store_error",
            f"the function {self.function} of the stack {self.stack} {says}",
            "sldb deploy brings it up to date",
        )

    def _unverified(self, error: SldbError, reason: SldbError) -> SldbError:
        """Say what is in the way, where CloudFormation cannot be asked."""
        if isinstance(error, NoSuchFunction):
            what = error.message
        else:
            what = f"{self.function} may be the function of another stack than {self.stack}"
        return SldbError(
            "store_error",
            f"{what}, and the stack's function cannot be looked up: {reason.message}",
            f"{reason.hint}; or name the function: --target lambda:NAME".removeprefix("; "),
        )

    def _function_of(self, stack: str) -> str:
        """Return the name of the query function, as CloudFormation has it. Raises _CannotLook; other SldbErrors where
        the stack is not there, or none of sldb's."""
        from sldb.stack.ownership import not_ours

        region, state, is_ours = self._look_up(stack)
        if state is not None and not is_ours:
            raise not_ours(stack)
        if state is None or state.status == "REVIEW_IN_PROGRESS":  # prepared, and not there yet
            raise no_such_stack(stack, region)
        return state.outputs.get("FunctionName") or state.parameters["FunctionName"]

    def _look_up(self, name: str) -> tuple[str, StackState | None, bool]:
        """Return the region, the stack that is there, and whether it is sldb's. Raises _CannotLook."""
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
            raise _CannotLook(error) from error

    def _settings(self, function: str) -> Mapping[str, str]:
        from sldb.aws.errors import aws_errors

        with aws_errors(f"read the settings of the function {function}"):
            session = self._session()
            client = session.client("lambda")
            try:
                found = client.get_function_configuration(FunctionName=function)
            except client.exceptions.ResourceNotFoundException as error:
                raise NoSuchFunction(function, session.region_name) from error
        variables = found.get("Environment", {}).get("Variables", {})
        own = variables.get("SLDB_STACK")
        if self.stack is not None and own is not None and own != self.stack:
            raise SldbError("bad_request", f"{function} is of the stack {own}", field="stack", stack=own)
        if own is None or not variables.get("SLDB_STORE", "").startswith("s3://"):
            raise NotOurs("store_error", f"the function {function} is none of sldb's", "sldb deploy makes one")
        return variables

    def _session(self) -> boto3.Session:
        from sldb.aws.session import boto3_session

        return boto3_session(self.aws)


class _CannotLook(SldbError):
    """CloudFormation could not be asked."""

    def __init__(self, error: SldbError) -> None:
        super().__init__(error.code, error.message, error.hint, **error.details)


def no_such_stack(stack: str, region: str) -> SldbError:
    return SldbError(
        "store_error",
        f"there is no stack {stack} in {region}",
        "sldb deploy makes it; if it is elsewhere, give --stack, --region or --profile",
    )


def _is_same(name: str, other: str) -> bool:
    return _bare(name) == _bare(other)


def _bare(name: str) -> str:
    """The function's name alone, of `NAME`, `NAME:VERSION` or an ARN."""
    parts = name.split(":")
    return parts[6] if parts[0] == "arn" and len(parts) > 6 else parts[0]
