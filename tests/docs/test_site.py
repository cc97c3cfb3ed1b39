"""The documentation site: it builds without a broken link, asks nothing of a network, and is found and read in a browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.browser import Browser, contrast

ROOT = Path(__file__).parents[2]
QUIET = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(site)]
    return subprocess.run(command, capture_output=True, text=True, env=QUIET, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    result = build(ROOT / "mkdocs.yml", directory)
    assert result.returncode == 0, result.stderr
    return directory


def test_no_page_asks_a_network_for_anything(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        text = page.read_text(encoding="utf-8")
        # What a page loads; a link that a reader may follow is something else.
        loaded = re.findall(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="?([^">\s]+)', text)
        loaded += re.findall(
            r'<link\b[^>]*\brel="?(?:stylesheet|icon|preload|preconnect)"?[^>]*\bhref="?([^">\s]+)', text
        )
        assert loaded, page
        assert [source for source in loaded if "//" in source] == [], page


def test_what_lies_elsewhere_is_there_with_its_links(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in ("use", "try", "ratio", "score", "recipes", "results", "example", "security", "reference/options"):
        assert re.search(rf'href="?{page}\.html', home), page
        assert (site / f"{page}.html").is_file()
    recipes = (site / "recipes.html").read_text(encoding="utf-8")
    assert 'href="files/recipes/llama2-7b/gsm8k-mft.yaml"' in recipes
    assert (site / "files/recipes/llama2-7b/gsm8k-mft.yaml").read_bytes() == (
        ROOT / "recipes/llama2-7b/gsm8k-mft.yaml"
    ).read_bytes()
    tasks = (site / "reference/tasks.html").read_text(encoding="utf-8")
    assert 'href="../tasks/cotmask_gsm8k.html"' in tasks


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[gone](gone.md)", "docs/guarantees.md links to gone.md, which is no file of the repository"),
        ("[gone](../axolotl_cotmask/gone.py)", "which is no file of the repository"),
        ("[gone](verdicts.md#gone)", "gone"),
    ],
)
def test_a_broken_link_fails(line: str, sentence: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("docs", "bench", "recipes", "evaltasks", "examples"):
        shutil.copytree(ROOT / name, copy / name)
    for file in ROOT.glob("*.md"):
        shutil.copy(file, copy)
    (copy / "axolotl_cotmask").symlink_to(ROOT / "axolotl_cotmask")
    shutil.copy(ROOT / "mkdocs.yml", copy)
    with (copy / "docs" / "guarantees.md").open("a", encoding="utf-8") as page:
        page.write(f"\n{line}\n")
    result = build(copy / "mkdocs.yml", tmp_path / "site")
    assert result.returncode != 0
    assert sentence in result.stdout + result.stderr


@pytest.mark.slow
def test_it_is_read_in_a_browser(site: Path, tmp_path: Path) -> None:
    with Browser(tmp_path) as browser:
        browser.look()
        browser.open(site / "index.html")
        # The search, in pages that were opened as files.
        browser.click(".md-search__input")
        browser.press(*"strip_mask_token")
        browser.wait("document.querySelector('.md-search-result__link')")
        assert "reference/options.html" in browser.value("document.querySelector('.md-search-result__link').href")
        for scheme in ("light", "dark"):
            browser.look(390, 800, scheme)
            for page in ("index", "use", "reference/options", "reference/commands", "results"):
                browser.open(site / f"{page}.html")
                browser.settle()
                width = browser.value("document.documentElement.scrollWidth")
                assert width <= 390, f"{page} is {width} pixels wide on a phone"
                ink, paper = browser.value(
                    "[getComputedStyle(document.querySelector('article p')).color, "
                    "getComputedStyle(document.body).backgroundColor]"
                )
                assert contrast(ink, paper) >= 4.5, (page, scheme)
        assert [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
        assert browser.complaints == []
