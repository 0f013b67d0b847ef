"""The certificates that are trusted while a test runs.

Each client of S3 reads all of the system's, and that is nearly all that making one takes: 7 ms, where one certificate
takes 0.1. Tests without the marker `network` connect to nobody who has a certificate of the system's, and trust one
whose key is lost.
"""

from __future__ import annotations

import os
from pathlib import Path

UNUSED = Path(__file__).with_name("unused.pem")
NAMES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

_given = {name: os.environ[name] for name in NAMES if name in os.environ}
_trusted: list[bool] = []  # the last choice


def trust(system: bool) -> None:
    """Trust what the user's environment says, or the one certificate.

    The same choice again changes nothing: a fixture of a whole module may have put a certificate of its own.
    """
    if _trusted == [system]:
        return
    _trusted[:] = [system]
    for name in NAMES:
        os.environ.pop(name, None)
    os.environ.update(_given if system else {NAMES[0]: str(UNUSED)})
