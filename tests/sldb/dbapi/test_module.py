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
