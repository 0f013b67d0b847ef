"""The standing charges of a file system in the plan of a deployment."""

from __future__ import annotations

from sldb.deploy.storage.notes import storage_notes
from sldb.deploy.storage.options import STORAGE_DEFAULTS


def test_a_stack_in_s3_has_none() -> None:
    assert list(storage_notes({}, STORAGE_DEFAULTS)) == []


def test_the_prices_and_the_network() -> None:
    prices, network = storage_notes({}, {**STORAGE_DEFAULTS, "Storage": "efs", "CreateVpc": "true"})
    assert "$0.30 a month for each GB, $0.05 for its backups; $0.03 for each GB read, $0.06" in prices
    assert "no NAT gateway" in network


def test_of_a_file_system_that_stays_there_is_nothing_to_say() -> None:
    stays = {**STORAGE_DEFAULTS, "Storage": "efs", "CreateVpc": "true"}
    assert list(storage_notes(stays, stays)) == []


def test_a_network_of_your_own_and_a_move() -> None:
    assert len(list(storage_notes({}, {**STORAGE_DEFAULTS, "Migration": "files", "Vpc": "vpc-1"}))) == 1
