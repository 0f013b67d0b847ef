"""`sldb migrate-storage`: the databases of a stack move between S3 and EFS, with their whole history.

1. The stack gets the file system, if it has none yet, and a function that gives and takes files (Migration=files). The
   databases are copied while they are in use.
2. Writes, maintenance and the queue are switched off (Migration=final), and all requests from before end: as long as
   the function may run. What was written meanwhile is copied; every file is compared with its checksum, and with the
   copy.
3. The stack uses the other store, and writes again.

Stopped anywhere, the same command continues: files never change, so that a copy needs only those that are missing.
`abort` goes back to the store in use, as long as the third step has not begun. The source keeps its files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambda_handlers.host import Host
from lambda_handlers.store.protocol import StoreError
from lambda_handlers.wire import SldbError
from sldb.backup.backup import databases_in
from sldb.backup.copying import Copied, CopiedFile, Source, copy_files
from sldb.deploy.storage.options import EFS, FILES, FINAL, NO_MIGRATION, StorageChoices
from sldb.move.function_store import FunctionStore

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
    progress: Progress
    sleep: Callable[[float], None] = field(default=time.sleep)
    host: Host = field(default_factory=Host)

    def run(self, state: StackState) -> None:
        """Move the databases of a stack. Raises SldbError; the stack then serves them from where they were."""
        if state.storage == self.target:
            raise SldbError("bad_request", f"the databases of this stack are in {self.target} already", applied="no")
        if state.parameters.get("Migration", NO_MIGRATION) == NO_MIGRATION:
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
        self.deploy(StorageChoices(storage=self.target, migration=NO_MIGRATION))
        self.note(f"moved {len(known)} database{'s' if len(known) != 1 else ''} to {self.target}")

    def abort(self, state: StackState) -> None:
        """Let the stack write again where its databases are."""
        if state.parameters.get("Migration", NO_MIGRATION) == NO_MIGRATION:
            raise SldbError("bad_request", "the databases of this stack are not being moved", applied="no")
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
            copied: Known = {}
            for name in databases_in(source):
                found = self._copy_one(source, target, name, known.get(name, ()))
                if found is not None:
                    copied[name] = found.files
            return copied
        finally:
            bucket.close()
            files.close()

    def _copy_one(
        self, source: ObjectStore, target: ObjectStore, name: str, known: tuple[CopiedFile, ...]
    ) -> Copied | None:
        """Return the copy; None for the rest of a database that was never finished."""
        try:
            return copy_files(Source(source, name), target, known, self.progress, self.host)
        except SldbError as error:
            if error.code != "not_found":
                raise
            self.note(f"{name} is not a finished database, and stays: {error.message}")
            return None


def stores_of(account: Account, aws: AwsOptions) -> Stores:
    """Return the way to the stores of a stack that has the function that moves files."""

    def stores(state: StackState) -> tuple[ObjectStore, ObjectStore]:
        from sldb.targets.aws_lambda import LambdaTarget
        from sldb.targets.bucket import bare_store

        address = f"s3://{state.outputs['DataBucket']}/databases"
        bucket = bare_store(address, account.session)[0]
        return bucket, FunctionStore(LambdaTarget(state.outputs["FilesFunctionName"], aws))

    return stores
