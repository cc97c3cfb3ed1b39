"""A hook of MkDocs: pages from all over the repository become pages of the site, and links lead where they led there.

So a page is written once, and reads the same on the site and where the repository is looked at.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
#: Pages outside of docs/, and where the site has them.
ELSEWHERE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "recipes/README.md": "recipes.md",
    "bench/RESULTS.md": "results.md",
    "bench/HISTORY.md": "history.md",
    "bench/gpu/README.md": "gpu.md",
    "examples/README.md": "example.md",
} | {str(page.relative_to(ROOT)): f"tasks/{page.parent.name}.md" for page in sorted(ROOT.glob("evaltasks/*/README.md"))}
#: What the search brings first, and last.
BOOST = {"reference/options.md": 4, "reference/sentences.md": 0.5, "changelog.md": 0.1, "history.md": 0.1}
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_CODE = re.compile(r"^(```.*?^```|(?: {4}|\t).*?$)", re.M | re.S)


def _source(src_uri: str) -> PurePosixPath:
    """Return where a page of the site lies in the repository."""
    known = {page: source for source, page in ELSEWHERE.items()}
    return PurePosixPath(known.get(src_uri, f"docs/{src_uri}"))


def _uri(path: PurePosixPath) -> str:
    """Return what the site calls a file of the repository."""
    if str(path) in ELSEWHERE:
        return ELSEWHERE[str(path)]
    return str(path.relative_to("docs")) if path.is_relative_to("docs") else f"files/{path}"


def _targets(text: str) -> list[str]:
    return [target for _, target, _, _ in _LINK.findall(_CODE.sub("", text)) if ":" not in target]


def _resolved(source: PurePosixPath, target: str) -> PurePosixPath:
    return PurePosixPath(os.path.normpath(source.parent / target))


def on_files(files: Files, *, config: MkDocsConfig, **_: Any) -> Files:
    """Add the pages from elsewhere, and the files that any page links to."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for page in list(files.documentation_pages()):
        source = _source(page.src_uri)
        for target in _targets(page.content_string):
            path = _resolved(source, target)
            if not (ROOT / path).is_file():
                raise PluginError(f"{source} links to {target}, which is no file of the repository")
            if files.get_file_from_path(_uri(path)) is None:
                files.append(File.generated(config, _uri(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Return a page's text with its links as the site needs them."""
    if page.file.src_uri in BOOST:
        page.meta["search"] = {"boost": BOOST[page.file.src_uri]}
    source, folder = _source(page.file.src_uri), PurePosixPath(page.file.src_uri).parent

    def linked(match: re.Match[str]) -> str:
        opening, target, anchor, closing = match.groups()
        if ":" in target:
            return match.group()
        return f"{opening}{os.path.relpath(_uri(_resolved(source, target)), folder)}{anchor or ''}{closing}"

    parts = _CODE.split(markdown)
    # Every second part is code, which is left as it stands.
    parts[::2] = [_LINK.sub(linked, part) for part in parts[::2]]
    return "".join(parts)
