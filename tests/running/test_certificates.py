"""What is trusted in a test."""

from __future__ import annotations

import ssl

from tests.running.certificates import UNUSED, trust


def test_one_certificate_is_trusted_but_for_tests_of_the_network() -> None:
    paths = ssl.get_default_verify_paths
    assert (paths().cafile, len(ssl.create_default_context().get_ca_certs())) == (str(UNUSED), 1)
    trust(system=True)
    assert paths().cafile != str(UNUSED)
    trust(system=False)
    assert paths().cafile == str(UNUSED)
