"""The modules that a cold start of the query function, or of the authorizer, loads before the first request: what users
wait for.

A module that comes here makes every cold start slower. Modules that only some requests need, such as an action or a
kind of store, are imported when they are first used.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Package → its modules that are loaded, and no other.
OURS = {
    "lambda_handlers": """
        after_reply caller db_function deadline events extension host log resources service settings store_clock
        watchdog
    """,
    "lambda_handlers.database": """
        applied_requests attached_databases database delivery errors local_copy moments newest_requests newest_state
        parts replies request_runner run vanished_files write_access writer_turns
    """,
    "lambda_handlers.locks": """
        build
    """,
    "lambda_handlers.shared": """
        dataclasses endpoints patterns proxies sealed_json temporary times
    """,
    "lambda_handlers.sql": """
        attachment authorizer chance connection errors execution groups pragmas reply_limit script
        session statement_runs statements
    """,
    "lambda_handlers.sql.own": """
        own_tables request_log
    """,
    "lambda_handlers.sql.settings": """
        rights
    """,
    "lambda_handlers.storage": """
        announcements commit commit_checks commit_permit commit_times draft folding foreign_keys freshness local_pages
        log_follower probes publishing replica time_limit vfs
    """,
    "lambda_handlers.storage.log": """
        chain copy_mark keys kinds ltx ltx_decoder ltx_encoder ltx_index
    """,
    "lambda_handlers.storage.pages": """
        atlas btree copies fetch head layers not_mapped opening page_cache page_map page_map_binding page_map_builder
        walks
    """,
    "lambda_handlers.store": """
        errors metered open protocol
    """,
    "lambda_handlers.wire": """
        action checks errors hints ids names reply request values
    """,
}
PACKAGES = ("apsw", "fastcrc", "lz4")
AUTHORIZER = {
    "lambda_handlers": "authorizer caller host log settings",
    "lambda_handlers.access": "callers directory identities signing_keys tokens",
    "lambda_handlers.aws": "connections secrets_manager sigv4",
    "lambda_handlers.shared": "dataclasses endpoints patterns proxies temporary times",
    "lambda_handlers.store": "errors open protocol",
    "lambda_handlers.wire": OURS["lambda_handlers.wire"],
}
# Of the standard library; Python's versions differ in which of them load each other, and in the private ones.
STANDARD_LIBRARY = """
    array base64 binascii bisect collections contextlib copy copyreg enum functools gc
    itertools json keyword math operator re reprlib struct threading types typing warnings weakref zlib
"""

PROGRAM = """
import sys
before = set(sys.modules)
import lambda_handlers.{handler}
print(*sorted(set(sys.modules) - before))
"""


def loaded(handler: str = "db_function") -> set[str]:
    """Return the modules that importing the handler adds to those of a fresh interpreter."""
    program = PROGRAM.format(handler=handler)
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(("handler", "ours"), [("db_function", OURS), ("authorizer", AUTHORIZER)])
def test_a_cold_start_loads_these_modules_of_ours_and_no_other(handler: str, ours: dict[str, str]) -> None:
    packages = {".".join(package.split(".")[:end]) for package in ours for end in range(1, package.count(".") + 2)}
    modules = {f"{package}.{name}" for package, names in ours.items() for name in names.split()}
    assert {name for name in loaded(handler) if name.partition(".")[0] == "lambda_handlers"} == packages | modules


def test_a_cold_start_loads_these_of_other_packages_and_no_other() -> None:
    others = {name.partition(".")[0] for name in loaded()} - {"lambda_handlers"} - sys.stdlib_module_names
    assert {name for name in others if not name.startswith("_")} == set(PACKAGES)


def test_a_cold_start_of_the_authorizer_loads_no_other_package() -> None:
    """Neither SQLite nor S3's client: the store is opened once the settings are known."""
    others = {name.partition(".")[0] for name in loaded("authorizer")} - {"lambda_handlers"} - sys.stdlib_module_names
    assert {name for name in others if not name.startswith("_")} == set()


def test_a_cold_start_loads_no_more_of_the_standard_library() -> None:
    standard = {name.partition(".")[0] for name in loaded()} & sys.stdlib_module_names
    assert {name for name in standard if not name.startswith("_")} <= set(STANDARD_LIBRARY.split())


def test_no_module_of_the_server_imports_the_standard_librarys_dataclasses_as_it_is_imported() -> None:
    """It loads `inspect`, and compiles for half a millisecond for each class: `shared.dataclasses` has the same."""
    own = ROOT / "lambda_handlers" / "shared" / "dataclasses.py"
    found = {
        path.name: node.lineno
        for path in (ROOT / "lambda_handlers").rglob("*.py")
        if path != own
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if (isinstance(node, ast.ImportFrom) and node.module in ("dataclasses", "inspect"))
        or (isinstance(node, ast.Import) and {each.name for each in node.names} & {"dataclasses", "inspect"})
    }
    assert found == {}
