"""The rights of the template, the reasons of those without a use, and the merging of uses: all without a stack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sldb.emulator.access.policy import Ground
from sldb.emulator.access.uses import SERVICE, Use
from tests.access.rights import UNUSED_HERE, Right, is_of_the_code, keep, kept, rights, unknown, unused

ROOT = Path(__file__).parents[2]
ROLE = "arn:aws:iam::123456789012:role/test-db-QueryRole-1a2B3c"
LOCK = "arn:aws:s3:::test-db-data-123456789012-us-east-1/databases/*/lock.json"
REPLACES_A_LOCK = Use(
    ROLE, "test-db-function", "data", Ground("OverwriteNothing", "s3:PutObject", LOCK), "s3:PutObject"
)


def test_the_rights_are_those_of_all_roles_in_all_branches() -> None:
    found = {(right.role, right.sid, right.action) for right in rights()}
    assert {role for role, _, _ in found} == {"QueryRole", "ReadRole", "DeadlockFixRole", "AuthorizerRole", "FilesRole"}
    assert ("QueryRole", "TakeMessages", "sqs:DeleteMessage") in found  # of a policy beside the role
    assert ("QueryRole", "EncryptFailedInvocations", "kms:Decrypt") in found  # of an optional statement
    assert {right.resource for right in rights() if right.sid == "TakeMessages"} == {"<FifoQueue>", "<StandardQueue>"}
    assert ("QueryRole", "OverwriteOnlyWhatWasSeen", "s3:PutObject") not in found  # it only denies


def test_a_use_is_of_one_right() -> None:
    (used,) = [right for right in rights() if right.is_used_by(REPLACES_A_LOCK)]
    assert (used.role, used.sid, used.resource[-11:]) == ("QueryRole", "OverwriteNothing", "*/lock.json")


def test_queues_of_either_kind_are_told_apart() -> None:
    for arn, name in (
        ("arn:aws:sqs:us-east-1:1:q.fifo", "<FifoQueue>"),
        ("arn:aws:sqs:us-east-1:1:q", "<StandardQueue>"),
    ):
        use = Use(ROLE, SERVICE, "queue", Ground("TakeMessages", "sqs:DeleteMessage", arn), "sqs:DeleteMessage")
        assert [right.resource for right in rights() if right.is_used_by(use)] == [name]


@pytest.mark.parametrize(
    "use",
    [
        replace(REPLACES_A_LOCK, entity_arn=ROLE.replace("QueryRole", "ReadRole")),
        replace(REPLACES_A_LOCK, policy="other"),
        replace(REPLACES_A_LOCK, ground=replace(REPLACES_A_LOCK.ground, resource="*")),
    ],
)
def test_a_use_that_is_of_no_right_is_told(use: Use) -> None:
    assert unknown([use, REPLACES_A_LOCK]) == [use]


def test_calls_of_tests_are_no_uses() -> None:
    assert [is_of_the_code(replace(REPLACES_A_LOCK, session=name)) for name in ("test", "", SERVICE)] == [
        False,
        False,
        True,
    ]
    wanted = [right for right in rights() if right.is_used_by(REPLACES_A_LOCK)]
    assert set(wanted) <= set(unused([replace(REPLACES_A_LOCK, session="test")]))
    assert not set(wanted) & set(unused([REPLACES_A_LOCK]))


def test_uses_are_kept_for_all_emulators_of_a_run(tmp_path: Path) -> None:
    other = replace(REPLACES_A_LOCK, session=SERVICE)
    for uses in ({REPLACES_A_LOCK}, {REPLACES_A_LOCK, other}, set[Use]()):
        keep(uses, str(tmp_path / "uses"))
    assert kept(tmp_path / "uses") == {REPLACES_A_LOCK, other}
    keep({REPLACES_A_LOCK}, None)


def test_each_reason_is_about_a_right_and_names_the_code() -> None:
    about = {key for right in rights() for key in right.reasons()}
    assert about == set(UNUSED_HERE)
    for _, place in UNUSED_HERE.values():
        path, _, name = place.partition(": ")
        assert name in (ROOT / path).read_text(), place


def test_no_right_of_a_role_has_a_wildcard_in_its_action() -> None:
    assert [right for right in rights() if "*" in right.action] == []


def test_a_right_is_readable() -> None:
    right = Right("QueryRole", "data", "List", "s3:ListBucket", "arn:${AWS::Partition}:s3:::${Bucket}")
    assert str(right) == "QueryRole data/List s3:ListBucket on arn:${AWS::Partition}:s3:::${Bucket}"
