from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.build import build_lock
from lambda_handlers.locks.file import FileLock
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.locks.security_group import SecurityGroupLock
from lambda_handlers.settings import BadSetting, Credentials, Settings
from tests.fakes.stores.memory import memory_store

GROUPS = Settings("s3://bucket/prefix", vpc_id="vpc-1", credentials=Credentials("a", "b"))


def test_each_kind() -> None:
    store, host = memory_store(), Host()
    assert isinstance(build_lock(GROUPS, store, host), SecurityGroupLock)
    assert isinstance(build_lock(replace(GROUPS, lock="s3"), store, host), ObjectLock)
    assert isinstance(build_lock(replace(GROUPS, lock="none"), store, host), NoLock)


def test_s3_over_a_directory_is_a_file_lock(tmp_path: Path) -> None:
    lock = build_lock(Settings(tmp_path.as_uri(), lock="s3"), memory_store(), Host())
    assert isinstance(lock, FileLock)
    lock.acquire("main", 0.0, "")
    assert (tmp_path / "main" / "lock").exists()


def test_security_groups_over_a_directory_are_security_groups(tmp_path: Path) -> None:
    assert isinstance(build_lock(replace(GROUPS, store=tmp_path.as_uri()), memory_store(), Host()), SecurityGroupLock)


def test_security_groups_need_credentials() -> None:
    with pytest.raises(BadSetting, match="AWS_ACCESS_KEY_ID"):
        build_lock(replace(GROUPS, credentials=None), memory_store(), Host())


@pytest.mark.parametrize(
    ("store", "kind"), [("s3://bucket/prefix", "security-group"), ("file:///directory", "s3")], ids=["S3", "directory"]
)
def test_the_usual_lock(store: str, kind: str) -> None:
    assert Settings.from_environment({"SLDB_STORE": store}).lock == kind
    assert Settings.from_environment({"SLDB_STORE": store, "SLDB_LOCK": "none"}).lock == "none"


def test_nothing_heavy_is_imported_before_the_first_call() -> None:
    code = (
        "import sys; import lambda_handlers.deadlock_fix, lambda_handlers.locks.security_group;"
        "print(*sorted({'boto3', 'botocore', 'click', 'rich', 'sldb', 'http.client', 'ssl', 'logging', 'obstore',"
        " 'xml.etree.ElementTree'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_tags_of_locks_come_from_the_settings() -> None:
    settings = Settings.from_environment({"SLDB_STORE": "s3://b/p", "SLDB_LOCK_TAGS": '{"team":"data","x":""}'})
    lock = build_lock(replace(GROUPS, lock_tags=settings.lock_tags), memory_store(), Host())
    assert isinstance(lock, SecurityGroupLock)
    assert lock.tags == {"team": "data", "x": ""}
    assert build_lock(GROUPS, memory_store(), Host()).tags == {}  # type: ignore[attr-defined]  # of this kind


@pytest.mark.parametrize("text", ["team=data", "[]", '{"a":1}', "null"])
def test_tags_that_are_none(text: str) -> None:
    with pytest.raises(BadSetting, match="SLDB_LOCK_TAGS"):
        Settings.from_environment({"SLDB_STORE": "s3://b/p", "SLDB_LOCK_TAGS": text})
