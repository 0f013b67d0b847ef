"""The module sqlite3 as CPython's own tests want it, made of the driver; run as a program, it runs those tests.

    python sqlite3_shim.py REPORT

A database in memory is a new one of a directory; so is one in a file. What the driver has no use for (callbacks,
blobs, backups, limits) is not there: the tests of that fail. REPORT: outcomes in JUnit's format.
"""

import itertools
import sqlite3
import sys
import tempfile
import types
import unittest
from pathlib import Path
from xml.etree import ElementTree

import sldb
from sldb import dbapi
from sldb.client import Client
from sldb.targets.local import LocalTarget

_numbers = itertools.count()


def _client(path):
    """Return a client of the database of a file, which has its name: it ends when the file is removed."""
    name = f"database-{next(_numbers)}"
    if path != ":memory:":
        try:
            with open(path, "a+") as file:
                file.seek(0)
                name = file.read() or name
                file.write(name if file.tell() == 0 else "")
        except OSError as error:
            raise sldb.OperationalError("unable to open database file") from error
    return Client(target, name)


class Connection(sldb.Connection):
    def __init__(
        self,
        database,
        timeout=5.0,
        detect_types=0,
        isolation_level="",
        check_same_thread=True,
        factory=None,
        cached_statements=128,
        uri=False,
    ):
        options = {"detect_types": detect_types, "isolation_level": isolation_level}
        super().__init__(_client(database), foreign_keys=False, create=True, **options)


def connect(database, *arguments, **options):
    factory = arguments[4] if len(arguments) > 4 else options.get("factory", Connection)
    return factory(database, *arguments, **options)


def shim():
    module = types.ModuleType("sqlite3")
    for name in dir(sqlite3):
        if name.startswith("SQLITE_") or name in (
            "version",
            "sqlite_version",
            "sqlite_version_info",
            "complete_statement",
        ):
            setattr(module, name, getattr(sqlite3, name))
    for name in dbapi.__all__:
        setattr(module, name, getattr(dbapi, name))
    module.Connection, module.connect = Connection, connect
    return module


class Outcomes(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.suite = ElementTree.Element("testsuite")

    def _note(self, test, outcome, text=""):
        test = getattr(test, "test_case", test)
        of, name = test.id().split(".")[-2:]
        case = ElementTree.SubElement(self.suite, "testcase", classname=of, name=name)
        if outcome:
            ElementTree.SubElement(case, outcome).text = text

    def addSuccess(self, test):  # noqa: N802 - unittest's name
        self._note(test, None)

    def addSkip(self, test, reason):  # noqa: N802 - unittest's name
        self._note(test, "skipped")

    def addExpectedFailure(self, test, err):  # noqa: N802 - unittest's name
        self._note(test, None)

    def addError(self, test, err):  # noqa: N802 - unittest's name
        text = self._exc_info_to_string(err, test)
        print(test.id(), text)
        self._note(test, "failure")

    addFailure = addError  # noqa: N815 - unittest's name

    def addSubTest(self, test, subtest, err):  # noqa: N802 - unittest's name
        if err is not None:
            self.addError(test, err)


if __name__ == "__main__":
    directory = tempfile.TemporaryDirectory()
    target = LocalTarget(Path(directory.name))
    sys.modules["sqlite3"] = shim()
    suite = unittest.defaultTestLoader.loadTestsFromName("test.test_sqlite3")
    outcomes = Outcomes()
    suite.run(outcomes)
    ElementTree.ElementTree(outcomes.suite).write(sys.argv[1])
