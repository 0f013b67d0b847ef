"""The build of a wheel adds its version to it, and the man pages: share/man/man1 of the environment, where `man sldb`
looks.

The build has click, which the commands are made of, and nothing else of what sldb needs at run time.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own type of its configuration
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write version and pages. `version`: "standard", or "editable" for a wheel that is merely installed: it has
        neither."""
        if version != "standard":
            return
        self._directory = tempfile.TemporaryDirectory()
        directory = Path(self._directory.name)
        of_build = self.metadata.version
        (directory / "_version.py").write_text(f'"""The version of this build."""\n\n__version__ = "{of_build}"\n')
        build_data["force_include"][str(directory / "_version.py")] = "sldb/_version.py"
        sys.path.insert(0, self.root)
        try:
            import sldb

            sldb.__version__ = of_build
            from docs import man_pages
        finally:
            sys.path.remove(self.root)
        for page in man_pages.write(directory / "man"):
            build_data["shared_data"][str(page)] = f"share/man/man1/{page.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002 - its signature
        if version == "standard":
            self._directory.cleanup()
