"""The rules of the house: who may import whom. The table `RULES` is the specification; docs/architecture.md says why.

Imports are read from the source, wherever they stand: an import inside a function or below TYPE_CHECKING is a
dependency too. That what is *loaded* stays small is measured in a fresh interpreter.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("sldb", "lambda_handlers")


@dataclass(frozen=True, slots=True)
class Rule:
    """No module of `who` (those of `but` apart) imports one of `never`; `except_for` may be imported all the same.

    A name stands for the module and everything below it; "stdlib" for the standard library, "others" for all
    packages that are neither that nor ours.
    """

    why: str
    who: tuple[str, ...]
    never: tuple[str, ...]
    except_for: tuple[str, ...] = ()
    but: tuple[str, ...] = ()


RULES = (
    Rule(
        "the bundle has no client and no AWS SDK in it",
        who=("lambda_handlers",),
        never=("sldb", "boto3", "botocore", "click", "rich", "prompt_toolkit", "pygments", "platformdirs"),
    ),
    Rule(
        "client and server share two leaves, wire and shared; more of the server is seen only by what runs it in this "
        "process or emulates it, and by push, pull, backups and moves, which read and write the files of the log",
        who=("sldb",),
        never=("lambda_handlers",),
        except_for=("lambda_handlers.wire", "lambda_handlers.shared"),
        but=(
            "sldb.targets.local",
            "sldb.targets.bucket",
            "sldb.http",
            "sldb.access",
            "sldb.push_pull",
            "sldb.backup",
            "sldb.move",
            "sldb.emulator",
            "sldb.doctor.store",
        ),
    ),
    Rule(
        "who makes tokens knows what they and the access document look like, and no more of the server",
        who=("sldb.access",),
        never=("lambda_handlers",),
        except_for=("lambda_handlers.wire", "lambda_handlers.shared", "lambda_handlers.access"),
    ),
    Rule(
        "push and pull know the files of the log, not what the server does with them",
        who=("sldb.push_pull",),
        never=("lambda_handlers",),
        except_for=(
            "lambda_handlers.wire",
            "lambda_handlers.shared",
            "lambda_handlers.host",
            "lambda_handlers.storage",
            "lambda_handlers.store",
        ),
    ),
    Rule(
        "backups know the files of the log, and how a copy of a database is marked",
        who=("sldb.backup",),
        never=("lambda_handlers",),
        except_for=(
            "lambda_handlers.wire",
            "lambda_handlers.shared",
            "lambda_handlers.host",
            "lambda_handlers.actions.clone_mark",
            "lambda_handlers.storage",
            "lambda_handlers.store",
        ),
    ),
    Rule(
        "the shared leaves need nothing of the rest",
        who=("lambda_handlers.wire", "lambda_handlers.shared"),
        never=("sldb", "lambda_handlers", "others"),
        except_for=("lambda_handlers.wire", "lambda_handlers.shared"),
    ),
    Rule(
        "a store knows bytes and keys, not what they mean",
        who=("lambda_handlers.store", "lambda_handlers.aws"),
        never=("lambda_handlers",),
        except_for=(
            "lambda_handlers.wire",
            "lambda_handlers.shared",
            "lambda_handlers.host",
            "lambda_handlers.settings",
            "lambda_handlers.store_clock",
            "lambda_handlers.store",
            "lambda_handlers.aws",
        ),
    ),
    Rule(
        "storage knows pages and objects, not SQL, locks or requests",
        who=("lambda_handlers.storage",),
        never=("lambda_handlers",),
        except_for=(
            "lambda_handlers.storage",
            "lambda_handlers.store.protocol",
            "lambda_handlers.store.errors",
            "lambda_handlers.deadline",
            "lambda_handlers.host",
            "lambda_handlers.log",
            "lambda_handlers.shared",
            "lambda_handlers.store_clock",
            "lambda_handlers.wire",
        ),
    ),
    Rule(
        "the log knows nothing of the pages in it, the pages nothing of replicas, replicas nothing of upkeep",
        who=("lambda_handlers.storage.log",),
        never=("lambda_handlers.storage",),
        except_for=("lambda_handlers.storage.log",),
    ),
    Rule(
        "pages are below replicas",
        who=("lambda_handlers.storage.pages",),
        never=("lambda_handlers.storage",),
        except_for=("lambda_handlers.storage.log", "lambda_handlers.storage.pages"),
    ),
    Rule(
        "only the scheduled function does upkeep",
        who=("lambda_handlers",),
        never=("lambda_handlers.storage.upkeep",),
        but=("lambda_handlers.storage.upkeep", "lambda_handlers.deadlock_fix"),
    ),
    Rule(
        "a lock knows nothing of what it guards but the key of its object",
        who=("lambda_handlers.locks",),
        never=("lambda_handlers.storage", "lambda_handlers.sql", "lambda_handlers.database", "lambda_handlers.service"),
        except_for=("lambda_handlers.storage.log.keys",),
    ),
    Rule(
        "SQL runs over a draft; it neither locks nor talks to the store",
        who=("lambda_handlers.sql",),
        never=("lambda_handlers.locks", "lambda_handlers.store", "lambda_handlers.database"),
    ),
    Rule(
        "a database is below the service, the service below the handlers",
        who=("lambda_handlers.database", "lambda_handlers.service", "lambda_handlers.events"),
        never=("lambda_handlers.db_function", "lambda_handlers.deadlock_fix"),
    ),
    Rule(
        "actions use databases and storage; the service finds them by name",
        who=("lambda_handlers.actions",),
        never=("lambda_handlers.service", "lambda_handlers.events", "lambda_handlers.db_function"),
    ),
    Rule(
        "only the registry knows which actions there are, and imports one when it is asked for",
        who=("lambda_handlers",),
        never=("lambda_handlers.actions",),
        except_for=("lambda_handlers.actions.registry", "lambda_handlers.actions.context"),
        but=("lambda_handlers.actions",),
    ),
    Rule(
        "one module speaks to S3, and one SigV4",
        who=("lambda_handlers",),
        never=("obstore",),
        but=("lambda_handlers.store.s3", "lambda_handlers.store.obstore_client"),
    ),
    Rule(
        "commands are the top: nothing below imports them",
        who=("sldb",),
        never=("sldb.cli",),
        but=("sldb.cli", "sldb.__main__"),
    ),
    Rule(
        "what commands share does not know the commands",
        who=("sldb.cli",),
        never=("sldb.cli.commands",),
        but=("sldb.cli.commands",),
    ),
    Rule(
        "what is deployed does not know the emulator",
        who=("sldb",),
        never=("sldb.emulator", "moto", "werkzeug", "awslambdaric"),
        but=("sldb.emulator", "sldb.cli.commands.stack.emulator"),
    ),
    Rule(
        "clients of AWS are below stacks, stacks below targets, targets below what deploys",
        who=("sldb.aws", "sldb.stack", "sldb.targets"),
        never=("sldb.deploy", "sldb.ops", "sldb.doctor", "sldb.client", "sldb.push_pull", "sldb.transfer"),
    ),
    Rule(
        "rows are rendered without knowing where they come from",
        who=("sldb.render", "sldb.report", "sldb.params", "sldb.price"),
        never=("sldb", "boto3", "botocore", "click", "prompt_toolkit"),
        except_for=("sldb.render", "sldb.params", "sldb.price", "sldb.moments", "sldb.did_you_mean", "sldb.theme"),
    ),
    Rule(
        "rows go in and out over any target, and without a terminal",
        who=("sldb.transfer",),
        never=("click", "rich", "prompt_toolkit", "sldb.aws", "sldb.targets", "sldb.deploy", "sldb.shell"),
        except_for=("sldb.targets.protocol", "sldb.aws.errors"),
    ),
    Rule(
        "the shell's brain needs no terminal",
        who=("sldb.shell",),
        never=("prompt_toolkit", "rich", "click", "sldb.shell.terminal"),
        but=("sldb.shell.terminal",),
    ),
    Rule(
        "the shell works over any target",
        who=("sldb.shell",),
        never=("boto3", "botocore", "sldb.aws", "sldb.targets", "sldb.stack", "sldb.deploy", "sldb.ops"),
    ),
)

# What a fresh interpreter may not have loaded after running this.
LOADS = (
    (
        "import lambda_handlers.db_function",
        ("http.client", "sldb", "boto3", "botocore", "click", "rich", "prompt_toolkit"),
    ),
    ("import lambda_handlers.deadlock_fix", ("sldb", "boto3", "botocore", "click", "rich", "prompt_toolkit")),
    ("import sldb", ("lambda_handlers", "click", "rich", "boto3", "apsw", "prompt_toolkit")),
    (
        "from sldb.cli.main import run; assert run(['--version']) == 0",
        ("rich", "boto3", "botocore", "apsw", "obstore", "prompt_toolkit", "pygments", "platformdirs"),
    ),
    (
        "from sldb.cli.main import run; assert run(['query', '--help']) == 0",
        ("rich", "boto3", "botocore", "apsw", "obstore", "prompt_toolkit"),
    ),
    (
        "from sldb.cli.main import run; assert run(['--local', '.', 'query', 'select 1']) == 0",
        ("rich", "boto3", "botocore", "obstore", "prompt_toolkit", "pygments"),
    ),
)


@dataclass(frozen=True, slots=True)
class Import:
    importer: str
    imported: str  # a module; for `from package import module`, that module
    line: int
    at_start: bool  # as soon as the importer is imported

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def source_files() -> dict[str, Path]:
    """Module name → file."""
    files = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


FILES = source_files()


def imports_of(module: str, source: str, is_package: bool = False) -> Iterator[Import]:
    tree = ast.parse(source)
    lazy = {id(node) for late in ast.walk(tree) if _runs_later(late) for node in ast.walk(late)}
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom():
                origin = _origin(module, is_package, node)
                # One import for each name: whether it is a module or something inside one, the file list tells.
                names = [
                    f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in FILES else origin for alias in node.names
                ]
            case _:
                continue
        for name in dict.fromkeys(names):
            yield Import(module, name, node.lineno, id(node) not in lazy)


def _runs_later(node: ast.AST) -> bool:
    is_typing = isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
    return is_typing or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))


def _origin(module: str, is_package: bool, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    parents = parts[: len(parts) - node.level + is_package]
    return ".".join([*parents, *([node.module] if node.module else [])])


def breaches(rule: Rule, imports: list[Import]) -> list[str]:
    return [
        str(entry)
        for entry in imports
        if _is_one_of(entry.importer, rule.who)
        and not _is_one_of(entry.importer, rule.but)
        and _is_one_of(entry.imported, rule.never)
        and not _is_one_of(entry.imported, rule.except_for)
        # An empty __init__ to find files by: the code of it stays untouched.
        and not (entry.imported == "lambda_handlers" and "lambda_handlers" not in entry.importer)
    ]


def _is_one_of(module: str, names: tuple[str, ...]) -> bool:
    top = module.partition(".")[0]
    kind = "stdlib" if top in sys.stdlib_module_names else "ours" if top in PACKAGES else "others"
    return any(name in (kind, module) or module.startswith(f"{name}.") for name in names)


@cache  # and not at the import: every worker imports all tests
def all_imports() -> list[Import]:
    return [
        found
        for module, path in FILES.items()
        for found in imports_of(module, path.read_text("utf-8"), path.name == "__init__.py")
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.why)
def test_imports_follow_the_rules(rule: Rule) -> None:
    assert not breaches(rule, all_imports())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.why)
def test_every_rule_speaks_of_modules_that_exist(rule: Rule) -> None:
    """A rule about a module that was renamed would hold for ever."""
    ours = [name for name in (*rule.who, *rule.never, *rule.except_for, *rule.but) if name.split(".")[0] in PACKAGES]
    assert not [name for name in ours if name not in FILES]


def test_no_module_needs_itself_to_be_imported() -> None:
    graph: dict[str, set[str]] = {module: set() for module in FILES}
    for entry in all_imports():
        if entry.at_start and entry.imported in FILES and entry.imported != entry.importer:
            graph[entry.importer].add(entry.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a cycle of imports: " + " → ".join(error.args[1]))


def _room(module: str) -> str:
    """Return the folder of a module; a module beside the folders of its package is a room of its own."""
    return module if module.count(".") <= 1 or FILES[module].name == "__init__.py" else module.rpartition(".")[0]


@pytest.mark.parametrize("node_of", [str, _room], ids=["modules", "folders"])
def test_imports_never_lead_back(node_of: Callable[[str], str]) -> None:
    """Wherever they stand: in a function or for types only, too."""
    graph: dict[str, set[str]] = {}
    for entry in all_imports():
        if entry.imported in FILES and node_of(entry.importer) != node_of(entry.imported):
            graph.setdefault(node_of(entry.importer), set()).add(node_of(entry.imported))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a cycle of imports: " + " → ".join(error.args[1]))


def test_importing_the_server_package_costs_nothing() -> None:
    assert (ROOT / "lambda_handlers" / "__init__.py").read_bytes() == b""


@pytest.mark.parametrize(("code", "unwanted"), LOADS, ids=[code for code, _ in LOADS])
def test_a_fresh_interpreter_loads_no_more_than_it_needs(code: str, unwanted: tuple[str, ...], tmp_path: Path) -> None:
    report = "import sys; print('\\nloaded:', *sys.modules)"
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}\n{report}"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )
    loaded = set(ran.stdout.rpartition("loaded: ")[2].split())
    assert "sys" in loaded
    assert not [name for name in unwanted if name in loaded]


@pytest.mark.parametrize(
    ("source", "imported"),
    [
        ("import boto3", "boto3"),
        ("def f():\n    from boto3 import session", "boto3"),
        ("if TYPE_CHECKING:\n    import sldb.client", "sldb.client"),
        ("from sldb import client", "sldb.client"),
        ("try:\n    import sldb.cli\nexcept ImportError: pass", "sldb.cli"),
    ],
)
def test_the_check_sees_imports_wherever_they_stand(source: str, imported: str) -> None:
    found = list(imports_of("lambda_handlers.storage.log.chain", source))
    assert [entry.imported for entry in found] == [imported]
    assert breaches(RULES[0], found)


@pytest.mark.parametrize(
    ("module", "is_package", "source", "imported"),
    [
        ("sldb.shell.reader", False, "from .session import Session", "sldb.shell.session"),
        ("sldb.shell.reader", False, "from . import session", "sldb.shell.session"),
        ("sldb.shell.reader", False, "from ..cli.main import run", "sldb.cli.main"),
        ("sldb.shell", True, "from .session import Session", "sldb.shell.session"),
    ],
)
def test_the_check_follows_relative_imports(module: str, is_package: bool, source: str, imported: str) -> None:
    assert [entry.imported for entry in imports_of(module, source, is_package)] == [imported]
