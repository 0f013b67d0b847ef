"""The notes about the store of a stack in the plan of a deployment: its standing charges. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sldb import price
from sldb.deploy.storage.options import has_files


def storage_notes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Yield the notes about a new file system. `before`, `after`: the parameters of the stack."""
    if not has_files(after) or has_files(before):
        return
    yield (
        f"EFS: ${price.EFS_GB_MONTH:.2f} a month for each GB, ${price.EFS_BACKUP_GB_MONTH:.2f} for its backups;"
        f" ${price.EFS_READ_GB:.2f} for each GB read, ${price.EFS_WRITE_GB:.2f} for each GB written"
    )
    if after["CreateVpc"] == "true":
        yield "the network of the file system costs nothing: it has no NAT gateway and no endpoint"
