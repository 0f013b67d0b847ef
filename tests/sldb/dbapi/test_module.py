"""The package `sldb` is the module of PEP 249."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sldb
from sldb import dbapi


def test_the_attributes_of_the_module() -> None:
    assert (sldb.apilevel, sldb.threadsafety, sldb.paramstyle) == ("2.0", 3, "qmark")
    for name in dbapi.__all__:
        assert getattr(sldb, name) is getattr(dbapi, name)
        assert name in dir(sldb)
    with pytest.raises(AttributeError):
        sldb.nothing  # noqa: B018
    with pytest.raises(ImportError):
        from sldb import nothing  # type: ignore[attr-defined]  # noqa: F401


# The modules that a connection to a directory takes, besides those of the interpreter's start: names at the top, and of
# the project all. Another one needs a reason: the import is to take less than three times that of sqlite3.
STANDARD = frozenset(
    "abc base64 binascii bisect collections contextlib copyreg datetime enum errno fnmatch functools gc glob grp "  # noqa: SIM905
    "importlib ipaddress itertools json keyword math ntpath operator os pathlib posixpath pwd re reprlib signal stat "
    "struct sys threading time types typing urllib warnings weakref zlib".split()
)
OWN = frozenset(
    "aws aws.options cancelling client config config.settings database_creation dbapi dbapi.adapting dbapi.batches "  # noqa: SIM905
    "dbapi.connecting dbapi.connection dbapi.cursor dbapi.errors dbapi.executor dbapi.kinds dbapi.row dbapi.session "
    "dbapi.streaming dbapi.types destination did_you_mean report sql_parameters sql_text stack stack.names "
    "targets targets.interrupts targets.local targets.protocol transaction_control write_outcome".split()
)


def test_connecting_loads_these_modules_and_no_other() -> None:
    code = (
        "import sys; before = set(sys.modules); import sldb; sldb.connect('local:x'); print(*set(sys.modules) - before)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name for name in ran.stdout.split() if not name.startswith("_")}
    own = {name.removeprefix("sldb.") for name in loaded if name.startswith("sldb.")} - {"_version"}
    tops = {name.partition(".")[0] for name in loaded} - {"sldb", "lambda_handlers"}
    assert own - OWN == set()
    assert tops - STANDARD == set()
    server = {name.split(".")[1] for name in loaded if name.startswith("lambda_handlers.")}
    assert server == {"wire", "shared"}


@pytest.mark.parametrize(
    ("target", "never"),
    [
        ("local:x", ("boto3", "botocore", "apsw", "obstore", "click", "rich", "prompt_toolkit")),
        ("https://example.com", ("boto3", "apsw", "obstore", "click", "rich", "prompt_toolkit")),
    ],
)
def test_what_connecting_does_not_load(target: str, never: tuple[str, ...]) -> None:
    check = f"import sys, sldb; sldb.connect({target!r}); print([one for one in {never!r} if one in sys.modules])"
    assert subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True).stdout == "[]\n"
