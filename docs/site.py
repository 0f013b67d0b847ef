"""The site: README.md as its first page, and the pages of docs/. `make site` builds it with mkdocs (mkdocs.yml).

README, CONTRIBUTING and CHANGELOG stand outside of docs/, where people look for them first. They become pages here, and
links to and from them are written anew. A link to any other file of the repository becomes its name.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parent.parent
_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"(?P<before>!?\[(?P<text>[^\]]*)\])\((?P<path>[^)#:\s]*)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside of docs/."""
    for source, page in _PAGES.items():
        files.append(File.generated(config, page, content=_with_links((_ROOT / source).read_text("utf-8"), "")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - its signature
    """Return a page with links that hold in the site."""
    return markdown if page.file.src_uri in _PAGES.values() else _with_links(markdown, "docs/")


def _with_links(markdown: str, folder: str) -> str:
    """Rewrite the links of a page from this folder of the repository."""
    return _LINK.sub(lambda link: _link(link, folder), markdown)


def _link(link: re.Match[str], folder: str) -> str:
    path, anchor = link["path"], link["anchor"] or ""
    if not path:
        return link[0]
    target = (_ROOT / folder / path).resolve()
    if not target.is_relative_to(_ROOT) or not target.exists():
        return link[0]  # mkdocs reports it
    name = target.relative_to(_ROOT).as_posix()
    if name in _PAGES:
        return f"{link['before']}({_PAGES[name]}{anchor})"
    if name.startswith("docs/") and not name.endswith(".py"):
        return f"{link['before']}({name.removeprefix('docs/')}{anchor})"
    return link["text"] if "`" in link["text"] else f"{link['text']} (`{name}`)"
