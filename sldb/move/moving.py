"""`sldb migrate-storage`: the databases of a stack move between S3 and EFS, with their whole history.

1. The stack gets the file system, if it has none yet, and a function that gives and takes files (Migration=files). The
   databases are copied while they are in use.
2. Writes, maintenance and the queue are switched off (Migration=final), and all requests from before end: as long as
   the function may run. What was written meanwhile is copied; every file is compared with its checksum, and with the
   copy.
3. The stack uses the other store, and writes again. To EFS in two deployments: roles are updated before functions, and
   lose the bucket only when no function reads it any more. Between the two the stack serves everything; a move that
   ends there is over but for those rights, and the same command or `abort` takes them away.

Stopped anywhere, the same command continues: files never change, so that a copy needs only those that are missing.
`abort` goes back to the store in use, as long as the third step has not begun. The source keeps its files.

Another database of the same name in the other store, left by an earlier stack, ends a move with `exists`: nothing of it
is overwritten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambda_handlers.host import Host
from lambda_handlers.storage.listing import list_files
from lambda_handlers.storage.log import doubts
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import StoreError
from lambda_handlers.wire import SldbError
from sldb.backup.backup import databases_in
from sldb.backup.copying import Copied, CopiedFile, OtherBytes, Source, copy_files
from sldb.deploy.storage.options import EFS, FILES, FINAL, NO_MIGRATION, StorageChoices
from sldb.move.function_store import FunctionStore
from sldb.stack.ownership import TAG

if TYPE_CHECKING:
    from lambda_handlers.store.protocol import ObjectStore
    from sldb.aws.options import AwsOptions
    from sldb.progress.protocol import Progress
    from sldb.stack.account import Account
    from sldb.stack.state import StackState

SLACK_SECONDS = 5.0  # beyond the longest request from before

Deploy = Callable[[StorageChoices], "StackState"]  # brings the stack to these parameters
Stores = Callable[["StackState"], tuple["ObjectStore", "ObjectStore"]]  # opens the bucket, and the file system
Known = dict[str, tuple[CopiedFile, ...]]  # by database: what an earlier round has copied


@dataclass(frozen=True, slots=True)
class Move:
    stores: Stores
    target: str  # s3 or efs
    network: StorageChoices  # of a stack that has no file system yet
    deploy: Deploy
    note: Callable[[str], None]
    working: Callable[[], AbstractContextManager[Progress]]  # shows the copying while it is open
    sleep: Callable[[float], None] = field(default=time.sleep)
    host: Host = field(default_factory=Host)

    def check(self, state: StackState, *, aborts: bool = False) -> None:
        """Raise `bad_request` if there is nothing to move, or to take back."""
        if aborts and not state.moving_to:
            raise SldbError("bad_request", "the databases of this stack are not being moved", applied="no")
        ends = state.moving_to and not state.refuses_writes  # as `abort` does, or for the last deployment
        if not aborts and state.storage == self.target and not ends:
            hint = (
                f"`sldb migrate-storage {state.moving_to}` goes on with the move there, and with --abort takes it back"
            )
            raise SldbError(
                "bad_request",
                f"the databases of this stack are in {self.target} already",
                hint if state.moving_to else "",
                applied="no",
            )

    def run(self, state: StackState) -> None:
        """Move the databases of a stack. Raises SldbError; the stack then serves them from where they were."""
        self.check(state)
        if state.storage == self.target:
            self.abort(state)
            self.note(f"the databases are in {self.target}, and the move has ended")
            return
        if not state.moving_to:
            network = self.network
            state = self.deploy(StorageChoices(None, network.vpc, network.subnets, network.create_vpc, FILES))
        self.note("copying the databases while they are in use")
        known = self._copy(state, {})
        self.note("writes are refused from now on, until the databases have moved")
        state = self.deploy(StorageChoices(migration=FINAL))
        seconds = float(state.parameters["Timeout"]) + SLACK_SECONDS
        self.note(f"waiting {seconds:.0f} s for requests from before")
        self.sleep(seconds)
        known = self._copy(state, known)
        if self.target == EFS:
            self.deploy(StorageChoices(storage=EFS, migration=FILES))
        self.deploy(StorageChoices(storage=self.target, migration=NO_MIGRATION))
        self.note(f"moved {len(known)} database{'s' if len(known) != 1 else ''} to {self.target}")
        self.note(_what_stays(state))

    def abort(self, state: StackState) -> None:
        """Let the stack write again where its databases are."""
        self.check(state, aborts=True)
        self._clear(state)
        self.deploy(StorageChoices(migration=NO_MIGRATION))

    def _clear(self, state: StackState) -> None:
        """Remove the slices of unfinished files: without the function of the move, no other one may reach a file system
        out of use."""
        bucket, files = self.stores(state)
        try:
            files.list_directories("")  # which clears them, as for a new move
        except StoreError as error:
            self.note(f"what the file system has of unfinished files stays until the next move: {error}")
        finally:
            bucket.close()
            files.close()

    def _copy(self, state: StackState, known: Mapping[str, tuple[CopiedFile, ...]]) -> Known:
        """Copy what is missing of every database; return the files of the copies. Raises SldbError."""
        bucket, files = self.stores(state)
        source, target = (bucket, files) if self.target == EFS else (files, bucket)
        try:
            with self.working() as progress:
                copy = _Copy(source, target, progress, self.host)
                names = databases_in(source)
                if not known and (others := sorted(set(databases_in(target)) - set(names))):
                    progress.note(f"{', '.join(others)} in {self.target} will be served too, as found there")
                found = {name: self._copy_one(copy, name, known.get(name, ()), state) for name in names}
            return {name: copied.files for name, copied in found.items() if copied is not None}
        finally:
            bucket.close()
            files.close()

    def _copy_one(self, copy: _Copy, name: str, known: tuple[CopiedFile, ...], state: StackState) -> Copied | None:
        """Return the copy; None for the rest of a database that was never finished. Raises SldbError, `exists` for
        another database of its name."""
        try:
            found = copy.of(name, known)
        except SldbError as error:
            if error.code != "not_found":
                raise
            copy.progress.note(f"{name} is not a finished database, and stays: {error.message}")
            return None
        if found is None:
            raise _taken(name, self.target, state)
        return found


@dataclass(frozen=True, slots=True)
class _Copy:
    """The copying of databases from a store to another."""

    source: ObjectStore
    target: ObjectStore
    progress: Progress
    host: Host

    def of(self, name: str, known: tuple[CopiedFile, ...]) -> Copied | None:
        """Return the copy of a database; None if there is another one of its name. Raises SldbError."""
        try:
            if not known and not isinstance(self.target, FunctionStore):  # the function itself sees to the file system
                doubts.put(self.target, name)
            there = list_files(self.target, name).newest  # first: writers go on, in the source alone
            if there > list_files(self.source, name).newest:
                return None
            return copy_files(Source(self.source, name), self.target, known, self.progress, self.host)
        except OtherBytes:
            return None
        except StoreError as error:
            raise store_error(error) from error


def _taken(name: str, target: str, state: StackState) -> SldbError:
    files, bucket = state.outputs.get("FileSystem", ""), state.outputs.get("DataBucket", "")
    remove = (
        f"`aws efs untag-resource --resource-id {files} --tag-keys {TAG}` lets the next move make another file system"
        if target == EFS
        else f"`aws s3 rm --recursive s3://{bucket}/databases/{name}/` removes the one there, if it is not needed"
    )
    return SldbError(
        "exists",
        f"there is another database {name} in {target}, of an earlier stack, and nothing of it is overwritten",
        f"`sldb migrate-storage {target} --abort` takes the move back; then {remove}",
        database=name,
        applied="no",
    )


def _what_stays(state: StackState) -> str:
    """Return what becomes of the old files. `state`: before the last step of the move."""
    if state.storage == EFS:
        files = state.outputs.get("FileSystem", "")
        return (
            f"the file system {files} stays, with the files of before; `aws efs delete-file-system --file-system-id "
            f"{files}` removes it once you do not need them"
        )
    place = f"s3://{state.outputs.get('DataBucket', '')}/databases/"
    return (
        f"the files of before stay in {place}; `aws s3 rm --recursive {place} --exclude '_*'` removes them once you do "
        "not need them"
    )


def stores_of(account: Account, aws: AwsOptions) -> Stores:
    """Return the way to the stores of a stack that has the function that moves files."""

    def stores(state: StackState) -> tuple[ObjectStore, ObjectStore]:
        from sldb.targets.aws_lambda import LambdaTarget
        from sldb.targets.bucket import bare_store

        address = f"s3://{state.outputs['DataBucket']}/databases"
        bucket = bare_store(address, account.session)[0]
        return bucket, FunctionStore(LambdaTarget(state.outputs["FilesFunctionName"], aws))

    return stores
