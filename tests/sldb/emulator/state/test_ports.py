from __future__ import annotations

from pathlib import Path

from sldb.emulator.state import ports


def test_the_port_of_the_last_run(tmp_path: Path) -> None:
    assert ports.read(tmp_path) is None
    ports.write(tmp_path, 5000)
    assert ports.read(tmp_path) == 5000
    (tmp_path / "port").write_text("x")
    assert ports.read(tmp_path) is None
