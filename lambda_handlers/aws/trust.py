"""The trusted certificates for TLS. To read all of a system's takes 40 ms of processor time, a function's whole start;
to read those of AWS, 4 ms. So a host of AWS is first compared with the roots that AWS's certificates have, as far as
the system trusts them. If that does not suffice, all of the system's count, as for any other host.
"""

from __future__ import annotations

from binascii import Error, a2b_base64
from ssl import SSLContext, SSLError, create_default_context, get_default_verify_paths

_ROOTS = (b"Amazon", b"Starfield")  # in the names of those of Amazon Trust Services
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


def trusting(ca_bundle: str | None) -> SSLContext:
    """Return a context that trusts the certificates of a PEM file, or those of the system. Raises OSError."""
    return create_default_context(cafile=ca_bundle)


def trusting_aws() -> SSLContext | None:
    """Return a context that trusts the roots of AWS among the system's certificates; None if none is found."""
    path = get_default_verify_paths().cafile
    try:
        with open(path or "", "rb") as file:
            found = b"".join(_roots(file.read()))
        return create_default_context(cadata=found) if found else None
    except (OSError, Error, SSLError):  # to be reported when all of them are read
        return None


def _roots(text: bytes) -> list[bytes]:
    certificates = (a2b_base64(part.partition(_END)[0]) for part in text.split(_BEGIN)[1:])
    return [one for one in certificates if any(name in one for name in _ROOTS)]
