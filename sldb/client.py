"""The client: Request → Reply over a target, a Lambda function or the same code in this process over a directory.

A target is written `lambda`, `lambda:NAME`, `local`, `local:DIR` or `https://…`; `sldb.destination` combines it with a
stack, and targets/protocol.py defines its verbs. Heavy imports (boto3, the engine) happen when a target that needs them
is opened.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lambda_handlers.shared.dataclasses import dataclass, field, replace
from lambda_handlers.wire import DEFAULT_STACK, Action, Reply, Request, SldbError, Statement, check_database
from lambda_handlers.wire.note import Note
from sldb.aws.options import AwsOptions
from sldb.database_creation import DatabaseCreation
from sldb.targets.protocol import Target, with_id
from sldb.write_outcome import may_write

if TYPE_CHECKING:
    from sldb.targets.http_auth import AuthSettings
    from sldb.targets.local import LocalTarget

T = TypeVar("T")

# Actions that write: the field of the reply with the database, and the one that is true after a change.
_WRITES: dict[str, tuple[str, str | None]] = {
    "restore": ("database", "changed"),
    "undo": ("database", "changed"),
    "redo": ("database", "changed"),
    "branch": ("as", "created"),
    "create_database": ("database", "created"),
    "set_database": ("database", "changed"),
    "drop_database": ("database", "dropped"),
    "rename_database": ("to", None),
    "push_commit": ("database", None),
}
_NOTED = ("restore", "undo", "redo")  # actions whose transactions have notes
_NOTE_FIELDS = ("message", "command", "arguments.message", "arguments.command")
_CREATING_ACTIONS = ("create_database", "push_commit", "set_database")  # see `DatabaseCreation`


@dataclass(frozen=True, slots=True)
class Client:
    """A target, and the values common to all requests."""

    target: Target
    database: str = "main"
    creation: DatabaseCreation = field(default_factory=DatabaseCreation)
    place: str = ""  # the target in words, for messages
    on_write: Callable[[str], None] | None = None  # called with the database of each acknowledged write
    on_cancel: Callable[[str], None] | None = None  # called with messages: Ctrl-C cancels a request at the target
    on_txid: Callable[[str, int], None] | None = None  # called with a database and its newest transaction, once known
    on_send: Callable[[Request | Action], AbstractContextManager[None]] | None = None  # open while a request runs
    note: Note = field(default_factory=Note)  # of the transactions of its writes; the caller is the function's to know

    def __post_init__(self) -> None:
        """Raise `bad_request` for an invalid database name: only the function checks the names in requests."""
        check_database("database", self.database)

    @property
    def where(self) -> str:
        """The database and the target, for messages."""
        return f"database {self.database}" + (f" of {self.place}" if self.place else "")

    def execute(self, request: Request) -> Reply:
        """Send a request and return its reply. Raises SldbError: its details["offset"] counts in details["query"]."""
        request = with_id(replace(request, database=self.database))
        try:
            reply = self._creating(
                lambda may_create: self._send_noted(replace(request, create=may_create)),
                may_create=request.create and self.creation.allows(self.database),
                may_ask=request.create and not request.dry_run,
            )
        except SldbError as error:
            if error.code == "cancelled" and not may_write(request):
                error.details.pop("applied", None)
            part = error.details.get("part", 0)
            if len(request.statements) == 1 or "part" in error.details:
                error.details.setdefault("query", request.statements[part].query)
            raise
        self._report_write(reply)
        if request.at is None:
            self._report_txid(self.database, reply.txid)
        return reply

    def act(self, name: str, /, **arguments: Any) -> dict[str, Any]:
        """Run an operation other than SQL on this client's database; None omits an argument. Raises SldbError."""
        given = {key: value for key, value in arguments.items() if value is not None}
        reply = self._creating(
            lambda may_create: self._act_noted(Action(name, self.database, given, create=may_create)),
            may_create=name not in _CREATING_ACTIONS or self.creation.allows(self.database),
        )
        self._report_action(name, reply)
        return reply

    def _act_noted(self, action: Action) -> dict[str, Any]:
        if action.name not in _NOTED or action.arguments.get("preview"):
            return self._act(action)

        def send(note: Note) -> dict[str, Any]:
            noted = {"message": note.message, "command": note.command}
            given = {name: value for name, value in noted.items() if value}
            return self._act(replace(action, arguments={**action.arguments, **given}))

        return self._with_note(send)

    def prepare_to_write(self) -> None:
        """Raise SldbError unless a write may create the database; a question comes before the work for the write."""
        if self.creation.allows(self.database):
            return
        probe = Request((Statement("PRAGMA user_version = 0"),), self.database, dry_run=True)

        def send(may_create: bool) -> Reply:
            with self._shown(probe):
                return self.target.send(replace(probe, create=may_create))

        self._creating(send, may_create=False)

    def database_names(self) -> list[str]:
        """Return the names of all databases, damaged and unfinished ones included. Raises SldbError."""
        return [str(one["name"]) for one in self.list_databases(details=False) if one.get("state") != "dropped"]

    def list_databases(self, **arguments: Any) -> list[dict[str, Any]]:
        """Return the reply of the action `databases` to these arguments. A function of an earlier version looks at each
        database in any case. Raises SldbError."""
        try:
            return list(self._act(Action("databases", self.database, arguments))["databases"])
        except SldbError as error:
            if error.details.get("field") not in ("arguments.details", "arguments.names"):
                raise
        names = arguments.get("names")
        given = {"all": arguments["all"]} if "all" in arguments else {}
        found = self._act(Action("databases", self.database, given))["databases"]
        return [one for one in found if names is None or one["name"] in names]

    def _creating(self, send: Callable[[bool], T], *, may_create: bool, may_ask: bool = True) -> T:
        """Send a request; send it again if its creation of the database was refused and is then confirmed."""
        try:
            return send(may_create)
        except SldbError as error:
            if not error.details.get("creatable"):
                raise
            creation = self.creation if may_ask else replace(self.creation, confirm=None)
            creation.require(self.database, error, self.database_names())
        return send(True)

    def _report_action(self, name: str, reply: dict[str, Any]) -> None:
        if name in _WRITES:
            key, fact = _WRITES[name]
            database = str(reply.get(key, self.database))
            if self.on_write is not None and (fact is None or reply.get(fact)):
                self.on_write(database)
            self._report_txid(database, reply.get("txid"))
        elif name == "history":
            self._report_txid(self.database, reply.get("txid"))

    def _report_txid(self, database: str, txid: int | None) -> None:
        if self.on_txid is not None and txid is not None:
            self.on_txid(database, txid)

    def _send_noted(self, request: Request) -> Reply:
        """Send a request, with the note of the client if it may write."""
        if request.read_only or request.at is not None or request.message or request.command:
            return self._send(request)
        return self._with_note(lambda note: self._send(replace(request, message=note.message, command=note.command)))

    def _with_note(self, send: Callable[[Note], T]) -> T:
        """Return the result of `send` with the note. To a function of an earlier version, which knows no notes, send a
        command without it; a message is refused."""
        try:
            return send(self.note)
        except SldbError as error:
            if error.details.get("field") not in _NOTE_FIELDS or self.note.is_empty:
                raise
            if self.note.message:
                error.hint = error.hint or "a function of an earlier version knows no messages: sldb deploy updates it"
                raise
        return send(Note())

    def _report_write(self, reply: Reply) -> None:
        if self.on_write is not None and _has_written(reply):
            self.on_write(self.database)

    def _act(self, action: Action) -> dict[str, Any]:
        with self._shown(action):
            return self.target.act(action)

    def _shown(self, sent: Request | Action) -> AbstractContextManager[None]:
        return nullcontext() if self.on_send is None else self.on_send(sent)

    def _send(self, request: Request) -> Reply:
        with self._shown(request):
            return self._send_cancellable(request)

    def _send_cancellable(self, request: Request) -> Reply:
        if self.on_cancel is None:
            return self.target.send(request)
        from sldb import cancelling

        try:
            return cancelling.send(
                lambda: self.target.send(request),
                lambda: self.cancel(str(request.request_id), request.attempt),
                self.on_cancel,
            )
        except cancelling.TooLate as late:
            self._report_write(late.reply)
            self._report_txid(self.database, late.reply.txid)
            raise

    def cancel(self, request_id: str, attempt: str | None = None) -> dict[str, Any]:
        """Have the request with this id stopped, and return what is known of it now, as the action `cancel` reports it.

        `attempt`: of the request, if only that one is meant. The outcome comes with the reply to the request itself.
        Raises SldbError.
        """
        return self.act("cancel", request_id=request_id, attempt=attempt)

    def result(self, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        """Return the outcome of a request, as the action `result` reports it, and its reply if it was applied.

        Raises SldbError.
        """
        return self.target.result(self.database, request_id)

    def close(self) -> None:
        self.target.close()


def _has_written(reply: Reply) -> bool:
    """Return True if a request wrote. The stored reply of a repeated request has no commit time, but its changes."""
    if reply.changes is not None:  # a dry run
        return False
    if reply.transaction is not None and reply.transaction.get("ended") != "commit":
        return False
    changed = any(not result.columns and result.rowcount for result in reply.results)
    return changed or bool(reply.stats.get("commit_ms"))


def open_target(text: str, aws: AwsOptions | None = None, stack: str | None = None) -> Target:
    """Return the target with the name `text`, of the given stack if any.

    Raises `bad_request` for an unknown target, and for a contradiction of target and stack.
    """
    from sldb import destination
    from sldb.config.settings import Level, Setting

    target = Setting(text, "target", Level.COMMAND_LINE)
    named = Setting(stack or DEFAULT_STACK, "stack", Level.COMMAND_LINE if stack else Level.DEFAULT)
    found = destination.resolve(target, named)
    if found.directory is not None:
        return open_local(found.directory)
    if found.url is not None:
        return open_url(found.url, None, aws or AwsOptions())
    from sldb.targets.aws_lambda import LambdaTarget
    from sldb.targets.deployed_function import DeployedFunction

    options = aws or AwsOptions()
    return LambdaTarget(DeployedFunction(options, stack=found.stack, function=found.function), options)


def open_local(directory: str) -> LocalTarget:
    """Return the target over a directory; "": over the default one."""
    from sldb.targets.local import LocalTarget

    return LocalTarget(Path(directory) if directory else default_directory())


def open_url(url: str, auth: AuthSettings | None, aws: AwsOptions) -> Target:
    """Return the target of an HTTP interface. Raises `bad_request` for unusable credentials. `auth`: None for those in
    the environment and the keyring."""
    from sldb.targets.http_auth import find_auth
    from sldb.targets.https import HttpsTarget

    return HttpsTarget(url, find_auth(url, auth), aws)


def default_directory() -> Path:
    """Return the directory of the databases of `local` without a directory."""
    import platformdirs

    return Path(platformdirs.user_data_dir("sldb", appauthor=False)) / "databases"
