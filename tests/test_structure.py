"""The shape of the tree: its folders are those of the plan in docs/architecture.md, none is crowded, long files and
functions are listed with their reason, and every module has its tests.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_architecture import FILES, ROOT

PLAN = ROOT / "docs" / "architecture.md"
PACKAGES = ("lambda_handlers", "sldb", "demo", "live")
MAX_MODULES = 20  # of a folder: more means that a room is missing
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50

# Longer files, each with its reason.
LONG_FILES = {
    "lambda_handlers/store/directory.py": "one class: the verbs of a store, each with its syncs, which belong together",
    "sldb/emulator/cloudformation/engine.py": "one state machine",
}
# Longer functions, likewise.
LONG_FUNCTIONS = {
    "sldb/cli/commands/query/query.py::query": "its parameters are the options of the command, and their help",
}

# Modules that no test imports: they are tested by the commands, requests or calls that reach them.
# Test file → modules; a package stands for all in it.
TESTED_IN = {
    "tests/interop/test_harlequin.py": ("sldb.harlequin.adapter",),
    "tests/sldb/mcp/test_server.py": ("sldb.cli.commands.access.mcp",),
    "tests/sldb/sqlalchemy/test_dialect.py": ("sldb.sqlalchemy.module",),
    "tests/sldb/testing/test_plugin.py": ("sldb.testing.stack",),
    "tests/sldb/dbapi/test_transactions.py": ("sldb.dbapi.executor", "sldb.dbapi.session"),
    "tests/sldb/deploy/operation/test_alarms_deployed.py": (
        "sldb.deploy.checks.operation",
        "sldb.deploy.operation.topic",
        "sldb.emulator.access.key_permissions",
    ),
    "tests/sldb/emulator/cloudformation/resources/test_lambda_aliases.py": ("sldb.emulator.front.lambda_aliases",),
    "tests/sldb/emulator/monitoring/test_alarms.py": (
        "sldb.emulator.front.cloudwatch_rules",
        "sldb.emulator.front.moto_calls",
        "sldb.emulator.front.watching",
        "sldb.emulator.monitoring.metrics",
        "sldb.emulator.monitoring.notices",
        "sldb.emulator.monitoring.watch",
    ),
    "tests/lambda_handlers/actions/test_create.py": ("lambda_handlers.database.vanished_files",),
    "tests/lambda_handlers/actions/test_databases.py": (
        "lambda_handlers.actions.arguments",
        "lambda_handlers.actions.create_database",
        "lambda_handlers.actions.drop_database",
        "lambda_handlers.actions.rename_database",
        "lambda_handlers.storage.listing",
    ),
    "tests/lambda_handlers/actions/transfer/test_push.py": ("lambda_handlers.actions.transfer.pushed_schema",),
    "tests/lambda_handlers/actions/past/test_restore.py": (
        "lambda_handlers.actions.past.history",
        "lambda_handlers.actions.readable_state",
    ),
    "tests/lambda_handlers/database/test_trusted_copies.py": ("lambda_handlers.database.newest_requests",),
    "tests/lambda_handlers/test_store_clock.py": ("lambda_handlers.storage.commit_times",),
    "tests/lambda_handlers/database/test_database.py": (
        "lambda_handlers.database.local_copy",
        "lambda_handlers.database.request_runner",
        "lambda_handlers.database.run",
        "lambda_handlers.resources",
    ),
    "tests/lambda_handlers/database/test_moments.py": ("lambda_handlers.database.past_reader",),
    "tests/lambda_handlers/database/transaction/test_transactions.py": (
        "lambda_handlers.database.parts",
        "lambda_handlers.database.transaction.open_sessions",
        "lambda_handlers.database.transaction.runner",
    ),
    "tests/lambda_handlers/http/test_bodies.py": ("lambda_handlers.database.delivery", "lambda_handlers.http.spool"),
    "tests/lambda_handlers/http/hrana/test_endpoints.py": (
        "lambda_handlers.http.hrana.outcomes",
        "lambda_handlers.http.hrana.steps",
        "lambda_handlers.http.hrana.stream_requests",
    ),
    "tests/lambda_handlers/locks/test_contract.py": ("lambda_handlers.locks.waiting",),
    "tests/lambda_handlers/locks/test_file.py": ("lambda_handlers.store.file_locks",),
    "tests/lambda_handlers/storage/upkeep/test_maintenance.py": ("lambda_handlers.storage.upkeep.report",),
    "tests/lambda_handlers/queue/test_batch.py": ("lambda_handlers.queue.alone",),
    "tests/lambda_handlers/shared/test_proxies.py": ("lambda_handlers.aws.tunnel",),
    "tests/lambda_handlers/sql/test_changes.py": ("lambda_handlers.sql.change_savepoints",),
    "tests/lambda_handlers/sql/test_session.py": (
        "lambda_handlers.sql.connection",
        "lambda_handlers.sql.vacuum",
    ),
    "tests/lambda_handlers/sql/functions/test_automaton.py": ("lambda_handlers.sql.functions.pattern",),
    "tests/lambda_handlers/sql/functions/test_functions.py": (
        "lambda_handlers.sql.functions.calls",
        "lambda_handlers.sql.functions.hashes",
        "lambda_handlers.sql.functions.regexp",
        "lambda_handlers.sql.functions.series",
    ),
    "tests/lambda_handlers/sql/settings/test_rights.py": ("lambda_handlers.sql.statement_runs",),
    "tests/lambda_handlers/test_wire.py": ("lambda_handlers.wire",),
    "tests/sldb/cli/commands/access/test_token.py": (
        "sldb.cli.commands.access.token_create",
        "sldb.cli.commands.access.token_revoke",
        "sldb.cli.commands.access.token_rotate",
    ),
    "tests/sldb/cli/commands/data/test_export.py": ("sldb.transfer.files.s3_object",),
    "tests/sldb/cli/commands/data/test_import.py": (
        "sldb.cli.commands.data.import_",
        "sldb.transfer.batches",
        "sldb.transfer.staging",
    ),
    "tests/sldb/cli/commands/data/test_push_and_pull.py": (
        "sldb.cli.commands.data.pull",
        "sldb.cli.commands.data.push",
    ),
    "tests/sldb/cli/commands/databases/test_migrate.py": (
        "sldb.cli.commands.databases.migrate_rollback",
        "sldb.cli.commands.databases.migrate_up",
        "sldb.cli.migrations",
    ),
    "tests/sldb/cli/commands/history/test_history.py": (
        "sldb.cli.commands.history.branch",
        "sldb.cli.commands.history.redo",
        "sldb.cli.commands.history.restore",
        "sldb.cli.commands.history.undo",
        "sldb.cli.message_option",
    ),
    "tests/sldb/cli/commands/query/test_query.py": ("sldb.cli.query.sending",),
    "tests/sldb/cli/commands/query/test_query_input.py": (
        "sldb.cli.query.sources",
        "sldb.cli.query.statements",
    ),
    "tests/sldb/cli/commands/query/test_query_output.py": ("sldb.cli.query.printing",),
    "tests/sldb/cli/commands/query/test_shell.py": ("sldb.shell.commands.dump",),
    "tests/sldb/cli/commands/query/test_terminal.py": (
        "sldb.shell.terminal.first_look",
        "sldb.shell.terminal.prompt",
    ),
    "tests/sldb/cli/commands/stack/test_completion.py": (
        "sldb.cli.completers",
        "sldb.cli.path_types",
    ),
    "tests/sldb/cli/query/test_many_databases.py": ("sldb.render.merged",),
    "tests/sldb/cli/test_contract.py": (
        "sldb.cli.command",
        "sldb.cli.commands.databases.databases",
        "sldb.cli.messages",
        "sldb.cli.settings",
    ),
    "tests/sldb/deploy/test_cures.py": (
        "sldb.deploy.data_bucket",
        "sldb.deploy.repair",
    ),
    "tests/cloudformation/test_apis.py": ("sldb.deploy.checks.check",),
    "tests/sldb/deploy/test_apis_deployed.py": ("sldb.deploy.apis.log_role", "sldb.deploy.caller_rights"),
    "tests/sldb/deploy/test_parameters.py": ("sldb.cli.commands.stack.deploy_options",),
    "tests/sldb/deploy/protection/test_deployed.py": (
        "sldb.deploy.protection.bucket",
        "sldb.doctor.protection",
        "sldb.emulator.access.key_uses",
        "sldb.emulator.front.access_log_rules",
        "sldb.emulator.front.kms_rules",
    ),
    "tests/sldb/deploy/kept/test_rollback.py": ("sldb.deploy.kept.line", "sldb.ops.versions"),
    "tests/sldb/deploy/test_destroy.py": (
        "sldb.cli.commands.stack.destroy",
        "sldb.deploy.bucket_content",
        "sldb.deploy.teardown",
    ),
    "tests/sldb/deploy/test_tags.py": ("sldb.deploy.bucket_tags",),
    "tests/sldb/diff/test_comparison.py": (
        "sldb.cli.commands.history.diff",
        "sldb.diff.queries",
    ),
    "tests/sldb/doctor/test_aws.py": ("sldb.cli.commands.stack.doctor",),
    "tests/sldb/cli/test_quoting.py": ("sldb.cli.query.sql_command",),
    "tests/sldb/emulator/access/test_iam.py": (
        "sldb.emulator.access.bucket_policy",
        "sldb.emulator.access.permissions",
    ),
    "tests/sldb/queue/test_deployed.py": (
        "sldb.cli.commands.query.queue",
        "sldb.cli.commands.query.queue_letters",
        "sldb.cli.query.enqueueing",
        "sldb.queue.rows",
        "sldb.queue.stack_queue",
    ),
    "tests/sldb/emulator/event_sources/test_poller.py": (
        "sldb.emulator.event_sources.mappings",
        "sldb.emulator.front.messaging",
        "sldb.emulator.runtime.destinations",
    ),
    "tests/sldb/emulator/sqs/test_api.py": ("sldb.emulator.sqs.clock", "sldb.emulator.sqs.queues"),
    "tests/sldb/emulator/cloudformation/test_api.py": (
        "sldb.emulator.cloudformation.reads",
        "sldb.emulator.cloudformation.change",
        "sldb.emulator.cloudformation.change_sets",
        "sldb.emulator.cloudformation.describe",
        "sldb.emulator.cloudformation.failures",
        "sldb.emulator.cloudformation.query",
        "sldb.emulator.cloudformation.resources",
        "sldb.emulator.cloudformation.saving_lock",
    ),
    "tests/sldb/deploy/storage/test_deployed.py": (
        "sldb.cli.commands.stack.migrate_storage",
        "sldb.deploy.checks.files",
        "sldb.deploy.storage.file_system",
        "sldb.emulator.cloudformation.resources.efs",
        "sldb.doctor.file_system",
        "sldb.emulator.runtime.mounts",
        "sldb.ops.file_system",
        "sldb.push_pull.sliced",
    ),
    "tests/sldb/emulator/gateway/test_iam.py": ("sldb.emulator.gateway.http_api.iam_authorizer",),
    "tests/sldb/emulator/gateway/test_stack.py": (
        "sldb.emulator.gateway.domains",
        "sldb.emulator.gateway.gateway",
        "sldb.emulator.gateway.kinds",
        "sldb.emulator.front.api_gateway",
    ),
    "tests/sldb/emulator/gateway/rest_api/control/test_api.py": (
        "sldb.emulator.gateway.rest_api.control.api_keys",
        "sldb.emulator.gateway.rest_api.control.apis",
        "sldb.emulator.gateway.rest_api.control.methods",
        "sldb.emulator.gateway.rest_api.control.stages",
        "sldb.emulator.gateway.rest_api.control.tags",
        "sldb.emulator.gateway.rest_api.control.usage_plans",
    ),
    "tests/sldb/emulator/gateway/rest_api/test_handler.py": ("sldb.emulator.gateway.rest_api.mock",),
    "tests/sldb/emulator/gateway/test_rest_stack.py": ("sldb.emulator.gateway.rest_api.control.mappings",),
    "tests/sldb/emulator/runtime/test_functions.py": (
        "sldb.emulator.front.execution_role",
        "sldb.emulator.front.lambda_rules",
        "sldb.emulator.runtime.bootstrap",
    ),
    "tests/sldb/emulator/test_emulator.py": ("sldb.emulator.calls.moto_app", "sldb.emulator.front.serving"),
    "tests/sldb/ops/test_insights.py": ("sldb.cli.commands.stack.insights",),
    "tests/sldb/ops/test_cost.py": ("sldb.cli.commands.stack.cost",),
    "tests/sldb/ops/test_logs.py": ("sldb.cli.commands.stack.logs",),
    "tests/sldb/ops/test_status.py": ("sldb.cli.commands.stack.status",),
    "tests/sldb/push_pull/test_pull.py": ("sldb.push_pull.image",),
    "tests/sldb/push_pull/test_source.py": ("sldb.push_pull.backup_vfs",),
    "tests/sldb/render/test_formats.py": ("sldb.render.values",),
    "tests/sldb/render/test_parquet.py": ("sldb.transfer.formats.parquet",),
    "tests/sldb/shell/commands/test_history.py": ("sldb.transfer.formats.dump_tables",),
    "tests/sldb/shell/test_completion.py": ("sldb.shell.keywords", "sldb.shell.relations"),
    "tests/sldb/shell/test_index_advice.py": ("sldb.shell.commands.explain",),
    "tests/sldb/shell/test_submission.py": (
        "sldb.shell.commands.import_",
        "sldb.shell.commands.help_text",
        "sldb.shell.commands.output",
        "sldb.shell.commands.param",
        "sldb.shell.commands.settings",
        "sldb.shell.commands.system",
        "sldb.shell.commands.table",
        "sldb.shell.commands.schema",
    ),
    "tests/sldb/transfer/test_left_out.py": ("sldb.transfer.rejects",),
    "tests/sldb/transfer/formats/test_dump.py": ("sldb.transfer.database.virtual_table",),
    "tests/sldb/transfer/formats/test_tables.py": ("sldb.transfer.formats.stream",),
}


def folders_of_the_plan(text: str) -> set[str]:
    """Return the folders that the tree of the plan shows: indented by two spaces below the folder that holds them; one
    line may name several."""
    tree = text.partition("```\n")[2].partition("```")[0]
    found: set[str] = set()
    above: list[str] = []
    for line in tree.splitlines():
        indent = (len(line) - len(line.lstrip())) // 2
        names = re.match(r"\s*((?:[\w.]+/ *)+)(?:  |$)", line)
        if names is None:
            continue
        folders = [name.strip("/ ") for name in names.group(1).split()]
        above = above[:indent]
        found |= {"/".join([*above, name]) for name in folders}
        above.append(folders[-1])
    return found


def product() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_the_folders_are_those_of_the_plan() -> None:
    folders = {path.parent.relative_to(ROOT).as_posix() for path in product()}
    assert folders_of_the_plan(PLAN.read_text("utf-8")) == folders | {"cloudformation", "examples"}


def test_the_plan_is_read_as_it_is_drawn() -> None:
    tree = "```\na/      one\n  b/    two: c/ is none\n    d/  e/  f/\n  x.py  no folder\n  g/\nh/\n```"
    assert folders_of_the_plan(tree) == {"a", "a/b", "a/b/d", "a/b/e", "a/b/f", "a/g", "h"}


@pytest.mark.parametrize("root", [*PACKAGES, "tests", "benchmarks"])
def test_no_folder_is_crowded(root: str) -> None:
    modules = Counter(path.parent for path in (ROOT / root).rglob("*.py") if path.name != "__init__.py")
    assert {str(folder): count for folder, count in modules.items() if count > MAX_MODULES} == {}


def test_long_files_are_listed_with_their_reason() -> None:
    long = {
        path.relative_to(ROOT).as_posix()
        for path in product()
        if len(path.read_text("utf-8").splitlines()) > MAX_FILE_LINES
    }
    assert long == set(LONG_FILES)


def test_long_functions_are_listed_with_their_reason() -> None:
    long = {
        f"{path.relative_to(ROOT).as_posix()}::{node.name}"
        for path in product()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    }
    assert long == set(LONG_FUNCTIONS)


def test_imports_are_absolute() -> None:
    relative = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in (*PACKAGES, "tests", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(r"\bfrom\s*\.", text := path.read_text("utf-8"))  # parsing all files takes seconds
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_every_module_has_its_tests() -> None:
    """A file of its own at the mirrored path, or a test that names it: in an import, or in TESTED_IN."""
    elsewhere = {name for names in TESTED_IN.values() for name in names}
    assert [name for name in untested() if not elsewhere & set(_prefixes(name))] == []


def test_what_is_tested_elsewhere_has_no_tests_of_its_own() -> None:
    left = {prefix for name in untested() for prefix in _prefixes(name)}
    assert [name for names in TESTED_IN.values() for name in names if name not in left] == []
    assert [path for path in TESTED_IN if not (ROOT / path).exists()] == []


def untested() -> list[str]:
    """Return the modules without a test file at the mirrored path, and in no test's imports."""
    named = _named_in_tests()
    return [
        module
        for module, path in FILES.items()
        if path.name not in ("__init__.py", "__main__.py")
        and module not in named
        and not (ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{path.name}").exists()
    ]


@functools.cache
def _named_in_tests() -> set[str]:
    names: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        if path == Path(__file__):
            continue
        text = path.read_text("utf-8")
        names |= set(re.findall(r"\b(?:sldb|lambda_handlers)(?:\.\w+)+", text))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {part for name in names for part in _prefixes(name)}


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))
