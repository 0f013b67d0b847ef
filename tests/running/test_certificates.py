"""What is trusted in a test."""

from __future__ import annotations

import os
import ssl

import pytest

from tests.running.certificates import UNUSED, trust


def test_one_certificate_is_trusted_but_for_tests_of_the_network() -> None:
    paths = ssl.get_default_verify_paths
    assert (paths().cafile, len(ssl.create_default_context().get_ca_certs())) == (str(UNUSED), 1)
    trust(system=True)
    assert paths().cafile != str(UNUSED)
    trust(system=False)
    assert paths().cafile == str(UNUSED)


def test_what_a_fixture_of_a_module_trusts_stays_for_all_its_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    trust(system=False)
    monkeypatch.setenv("SSL_CERT_FILE", "its own")
    trust(system=False)
    assert os.environ["SSL_CERT_FILE"] == "its own"
