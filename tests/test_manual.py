"""The manual in its two other forms: a site (docs/site.py), and man pages (docs/man_pages.py)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs import man_pages
from sldb.cli import spec
from sldb.cli.main import sldb

ROOT = Path(__file__).parents[1]
REQUESTS = {".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi"}
FOREIGN_FILE = re.compile(r"""(?:src|href)="https?://[^"]+\.(?:js|css|woff2?|png|svg)\"""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site; --strict makes a link or anchor to nothing, and a page without a place in the menu, an error."""
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


@pytest.mark.long
def test_the_site_has_every_page(site: Path) -> None:
    outside = {"index", "contributing", "changelog"}
    assert {page.stem for page in site.glob("*.html")} - {"404"} == {p.stem for p in ROOT.glob("docs/*.md")} | outside


def test_the_site_needs_no_network(site: Path) -> None:
    loaded = [found for page in site.glob("*.html") for found in FOREIGN_FILE.findall(page.read_text("utf-8"))]
    assert loaded == []


def test_links_between_the_pages_of_the_site_stay_in_it(site: Path) -> None:
    for page in site.glob("*.html"):
        links = re.findall(r'href="([^"#:]+\.html)', page.read_text("utf-8"))
        assert [link for link in links if not (site / link).exists() and not link.startswith("/")] == [], page.name


def test_links_to_files_that_are_no_pages_become_their_names(site: Path) -> None:
    assert not re.search(r'href="[^"]+\.(?:py|md)["#]', (site / "interface.html").read_text("utf-8"))


def test_no_line_of_a_man_page_is_wrapped_in_80_columns() -> None:
    for name, page in man_pages.pages().items():
        for block in re.findall(r"^\.nf\n(.*?)^\.fi", page, re.MULTILINE | re.DOTALL):
            lines = block.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\").splitlines()
            assert [line for line in lines if len(line) > 80 - 7] == [], name


def test_every_command_has_a_man_page_that_names_its_options() -> None:
    pages = man_pages.pages()
    for path, command in spec.walk(sldb):
        page = pages[f"sldb-{'-'.join(path)}.1"].replace(r"\-", "-")
        for parameter in spec.own_parameters(command, sldb):
            if not getattr(parameter, "hidden", False) and parameter.param_type_name == "option":
                assert all(rf"\fB{name}\fR" in page for name in parameter.opts)


def test_text_in_a_man_page_is_no_request() -> None:
    for name, page in man_pages.pages().items():
        for line in page.splitlines():
            assert not line.startswith("'"), name
            assert not line.startswith(".") or line.split()[0] in REQUESTS, (name, line)


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_groff_has_nothing_to_say_about_the_man_pages(tmp_path: Path) -> None:
    files = man_pages.write(tmp_path)
    command = ["groff", "-K", "utf8", "-man", "-ww", "-z", "-T", "utf8", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
