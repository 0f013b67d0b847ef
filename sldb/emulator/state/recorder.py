"""The state of an emulator on disk: saved before the answer to the call that changed it, and read at the start.

An S3 object is saved by itself, the state of another service as a whole: that is small, since the large parts are
objects and code. The log lines of functions are saved at most once a second, and at the end: a process that is killed
loses the newest. Running containers and uploads that are not complete end with the process.
"""

from __future__ import annotations

import html
import json
import re
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

from moto.backends import get_backend
from moto.s3.models import s3_backends

from lambda_handlers.wire import SldbError
from sldb.emulator.calls.actions import split_bucket_and_key
from sldb.emulator.calls.call import ACCOUNT, Call
from sldb.emulator.calls.moto_app import GLOBAL, Moto
from sldb.emulator.state import pickling
from sldb.emulator.state.state_file import StateFile

SAVE_SECONDS = 1.0  # between two times that log lines are saved
_SERVICES = (
    *("ec2", "iam", "lambda", "events", "logs", "secretsmanager", "apigatewayv2"),
    *("sns", "monitoring", "kms", "elasticfilesystem"),
)
_BACKENDS = {"monitoring": "cloudwatch", "elasticfilesystem": "efs"}  # moto's names, where they differ
_READS = ("Get", "List", "Describe", "Head", "Filter", "Simulate", "Validate")
_BUCKET, _REST, _STACKS, _POLICIES, _MADE_BY = "bucket/", "s3/rest", "stacks", "bucket_policies", "made_by"
_REST_APIS, _QUEUES, _EVENT_SOURCES = "rest_apis", "queues", "event_sources"
_UPLOADING = ("uploads", "uploadId", "partNumber")


class Recorder:
    """The saving of one emulator's state. Every method is called under moto's lock."""

    def __init__(self, moto: Moto, directory: Path) -> None:
        """Read the state of the directory into moto. Raises `bad_request` if it is in use or of another version."""
        self._moto = moto
        self._file = StateFile(directory)
        self._saved: dict[str, bytes] = {}  # the small states, as they are in the file
        self._used_large: set[str] = set()
        self._logs_of: set[str] = set()  # regions with log lines that are not saved
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._save_logs_now_and_then, daemon=True)
        self.stacks: Any = None  # of CloudFormation, if there are some
        self.bucket_policies: dict[str, str] = {}
        self.rest_apis: dict[str, Any] = {}  # by region
        self.queues: dict[str, Any] = {}  # by region
        self.event_sources: list[dict[str, Any]] = []
        try:
            self._restore(directory)
        except BaseException:
            self._file.close()
            raise
        self._thread.start()

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        with self._moto.lock:
            self._save_logs()
            self._file.close()

    # Saving

    def after(self, call: Call) -> None:
        """Save the changes of a call that has succeeded."""
        if call.service == "s3":
            if call.method not in ("GET", "HEAD"):
                self._after_s3(call)
        elif call.service in _SERVICES and not call.action.startswith(_READS):
            self._save_backend(_BACKENDS.get(call.service, call.service), call.region)

    def logged(self, region: str) -> None:
        """Remember that there are new log lines."""
        self._logs_of.add(region)

    def save_stacks(self, stacks: Any) -> None:
        with self._moto.lock:
            self._save({_STACKS: self._dump(stacks)})

    def save_bucket_policies(self, texts: dict[str, str]) -> None:
        self._save({_POLICIES: json.dumps(texts).encode()})

    def save_rest_apis(self, documents: dict[str, Any]) -> None:
        self._save({_REST_APIS: json.dumps(documents).encode()})

    def save_queues(self, queues: dict[str, Any]) -> None:
        self._save({_QUEUES: json.dumps(queues).encode()})

    def save_event_sources(self, mappings: list[dict[str, Any]]) -> None:
        self._save({_EVENT_SOURCES: json.dumps(mappings).encode()})

    def _after_s3(self, call: Call) -> None:
        bucket, key = split_bucket_and_key(call.path)
        found = self._s3.buckets.get(bucket)
        with self._file.transaction():
            if found is None:
                self._file.delete_bucket(bucket, _BUCKET + bucket)
            elif key:
                if (call.method == "POST" and "uploadId" in call.query) or not call.query.keys() & {*_UPLOADING}:
                    self._save_objects(found, [key])
            elif "delete" in call.query:
                self._save_objects(found, [html.unescape(each) for each in _keys_in(call.body)])
            else:
                self._file.put_states({_BUCKET + bucket: pickling.dump_bucket(found)})
            rest = {name: value for name, value in self._s3.__dict__.items() if name != "buckets"}
            self._put_if_changed(_REST, pickling.dump(rest))

    def _save_objects(self, bucket: Any, keys: list[str]) -> None:
        versions = {key: bucket.keys.getlist(key, []) for key in keys}
        self._file.put_objects(
            bucket.name, {key: pickling.dump(found) if found else None for key, found in versions.items()}
        )

    def _save_backend(self, service: str, region: str) -> None:
        region = "aws" if service in GLOBAL else region
        with self._file.transaction():
            self._put_if_changed(f"{service}/{region}", self._dump(self._moto.backend(service, region)))

    def _save(self, states: dict[str, bytes]) -> None:
        with self._file.transaction():
            self._file.put_states(states)

    def _put_if_changed(self, name: str, content: bytes) -> None:
        if self._saved.get(name) != content:
            self._file.put_states({name: content})
            self._saved[name] = content

    def _dump(self, found: Any) -> bytes:
        return pickling.dump(found, self._put_large)

    def _put_large(self, sha256: str, content: bytes) -> None:
        if sha256 not in self._used_large:
            self._file.put_large(sha256, content)
            self._used_large.add(sha256)

    def _save_logs_now_and_then(self) -> None:
        while not self._stopping.wait(SAVE_SECONDS):
            with self._moto.lock:
                self._save_logs()

    def _save_logs(self) -> None:
        for region in self._logs_of:
            self._save_backend("logs", region)
        self._logs_of.clear()

    # Reading

    def _restore(self, directory: Path) -> None:
        states = self._file.states()
        made_by = f"sldb emulator 1, moto {metadata.version('moto')}".encode()
        if states and states.get(_MADE_BY) != made_by:
            raise SldbError(
                "bad_request",
                f"--data {directory} is of another version: {states.get(_MADE_BY, b'unknown').decode()}, "
                f"and this is {made_by.decode()}",
                "begin with another directory, or install that version of moto",
            )
        self._save({_MADE_BY: made_by})
        for name, content in states.items():
            self._restore_state(name, content)
        for bucket, key, versions in self._file.objects():
            self._s3.buckets[bucket].keys.setlist(key, pickling.load(versions, self._file.large))
        with self._file.transaction():
            self._file.keep_large(self._used_large)

    def _restore_state(self, name: str, content: bytes) -> None:
        if name == _POLICIES:
            self.bucket_policies = json.loads(content)
        elif name == _REST_APIS:
            self.rest_apis = json.loads(content)
        elif name == _QUEUES:
            self.queues = json.loads(content)
        elif name == _EVENT_SOURCES:
            self.event_sources = json.loads(content)
        elif name == _STACKS:
            self.stacks = self._load(content)
        elif name.startswith(_BUCKET):
            bucket = self._load(content)
            self._s3.buckets[bucket.name] = bucket
            s3_backends.bucket_accounts[bucket.name] = (bucket.partition, ACCOUNT)
        elif name == _REST:
            self._s3.__dict__.update(self._load(content))
        elif name != _MADE_BY:
            service, _, region = name.partition("/")
            account: Any = get_backend(service)[ACCOUNT]  # type: ignore[call-overload]
            account[region] = self._load(content)

    def _load(self, content: bytes) -> Any:
        def large(sha256: str) -> bytes:
            self._used_large.add(sha256)
            return self._file.large(sha256)

        return pickling.load(content, large)

    @property
    def _s3(self) -> Any:
        return self._moto.backend("s3", "aws")


def _keys_in(body: bytes) -> list[str]:
    """Return the keys in the body of DeleteObjects, as XML has them."""
    return re.findall(r"<Key>(.*?)</Key>", body.decode("utf-8"), re.DOTALL)
