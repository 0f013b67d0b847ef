"""The destination of a run: `--target`, `--local`, `--stack`, their variables and the config, resolved in one place.

    lambda          the query function of the named stack, or of test-db
    lambda:NAME     this function; a stack given beside it must be its stack
    local:DIR       a directory; there is no stack
    https://…       the HTTP interface of a function or of `sldb serve`; http:// on loopback only

A target and a stack may come from different levels (the command line, the environment, the config). The nearer one
decides; on the same level, or with the stack nearer, they must not contradict each other.
"""

from __future__ import annotations

from lambda_handlers.shared.dataclasses import dataclass, field
from lambda_handlers.shared.did_you_mean import closest, question
from lambda_handlers.wire import DEFAULT_STACK, SldbError
from sldb.config.settings import LOCAL, Level, Setting
from sldb.stack.names import check_stack_name

LAMBDA = "lambda"
SCHEMES = ("https", "http")


@dataclass(frozen=True, slots=True)
class Destination:
    directory: str | None = None  # of a local target; "": the default one; None: AWS, or a URL
    stack: str | None = None  # None: a local target, or the unknown stack of `function`
    function: str | None = None  # None: the stack's own
    url: str | None = None  # of an HTTP interface, without a slash at its end; then there is no stack either
    is_evident: bool = True  # the default, or a directory on the command line: needs no mention
    is_named: bool = field(default=False, compare=False)  # the stack, other than by default

    @property
    def is_local(self) -> bool:
        return self.directory is not None

    @property
    def is_deployed(self) -> bool:
        """True for a function in AWS, reached by AWS's own API as its logs are."""
        return self.directory is None and self.url is None

    @property
    def place(self) -> str:
        """The destination in words, for messages."""
        if self.directory is not None:
            return f"{LOCAL}:{self.directory}" if self.directory else LOCAL
        if self.url:
            return self.url
        return f"function {self.function}" if self.function else f"stack {self.stack}"

    def options(self) -> list[str]:
        """Return the options of a command to the same destination; none for the default stack, unless it was named."""
        if self.directory is not None:
            return ["--local", self.directory] if self.directory else ["--target", LOCAL]
        if self.url:
            return ["--target", self.url]
        if self.function:
            return ["--target", f"{LAMBDA}:{self.function}"]
        return [] if self.stack == DEFAULT_STACK and not self.is_named else ["--stack", str(self.stack)]


def resolve(target: Setting, stack: Setting) -> Destination:
    """Return the destination of a run. Raises `bad_request` for an unknown target, and for a contradiction."""
    kind, colon, rest = target.value.partition(":")
    if kind in SCHEMES:
        return _http_destination(target, stack)
    if kind not in (LAMBDA, LOCAL) or (colon and not rest):
        raise no_such_target(target.value)
    is_named = stack.level > Level.DEFAULT
    stack_decides = is_named and stack.level >= target.level
    if kind == LOCAL:
        if stack_decides:
            raise _contradiction(target, stack)
        return Destination(directory=rest, is_evident=target.level == Level.COMMAND_LINE)
    if rest and not stack_decides:
        return Destination(function=rest, is_evident=False)
    check_stack_name(stack.value)
    is_evident = not rest and stack.value == DEFAULT_STACK
    return Destination(stack=stack.value, function=rest or None, is_evident=is_evident, is_named=is_named)


def _http_destination(target: Setting, stack: Setting) -> Destination:
    if stack.level > Level.DEFAULT and stack.level >= target.level:
        raise _contradiction(target, stack)
    return Destination(url=checked_url(target.value), is_evident=target.level == Level.COMMAND_LINE)


def checked_url(text: str) -> str:
    """Return the URL of an HTTP interface without the slash at its end. Raises `bad_request`: a token must not travel
    in clear, and a password must not be in a command line."""
    from urllib.parse import urlsplit  # for URLs only, as below: imports take time

    try:
        url = urlsplit(text)
        host, _port = url.hostname, url.port
    except ValueError:
        host = None
    if not host or url.query or url.fragment or "@" in url.netloc or not _is_address(text):
        raise SldbError(
            "bad_request", "the target is no URL of an HTTP interface", "want https://HOST[:PORT][/PREFIX], and no more"
        )
    if url.scheme == "http" and not is_loopback(host):
        raise SldbError(
            "bad_request", f"http:// is for this machine, and {host} is another", f"want https://{url.netloc}{url.path}"
        )
    return text.rstrip("/")


def _is_address(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def is_loopback(host: str) -> bool:
    """Return True for an address of this machine, or the name localhost."""
    if host == "localhost":
        return True
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def no_such_target(text: str) -> SldbError:
    kind, colon, rest = text.partition(":")
    like = question(f"{each}{colon}{rest}" for each in closest(kind, (LAMBDA, LOCAL)))
    return SldbError(
        "bad_request",
        f"no such target: {text}",
        f"{like} a target is lambda, lambda:FUNCTION, local, local:DIRECTORY or https://HOST".lstrip(),
    )


def _contradiction(target: Setting, stack: Setting) -> SldbError:
    return SldbError(
        "bad_request",
        f"the target {target.value} ({target.source}) and the stack {stack.value} ({stack.source}) contradict each "
        f"other: a {'directory' if target.value.startswith(LOCAL) else 'URL'} is in no stack",
        "leave one of them out; --target lambda is the function of the stack",
    )
