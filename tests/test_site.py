"""The documentation site, built and opened as files in a real browser that reaches no network."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browser import chromium

ROOT = Path(__file__).parents[1]
FETCHED = re.compile(r'<(?:script|link|img|iframe|video|source)\b[^>]*?(?:src|href)="((?:https?:)?//[^"]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="needs the dependency group docs: make docs")
    pytest.importorskip("mkdocstrings", reason="needs the dependency group docs: make docs")
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(place)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return place


@pytest.mark.slow
def test_no_page_fetches_anything_from_the_network(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    assert {str(page): found for page in pages if (found := FETCHED.findall(page.read_text(encoding="utf-8")))} == {}


@pytest.mark.slow
def test_every_page_of_the_manual_is_in_the_navigation(site):
    start = (site / "index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="([^"#]+\.html)', start))
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert len(pages) > 20
    assert {str(page) for page in pages} - linked <= {"index.html"}


@pytest.mark.slow
def test_the_search_finds_a_word_in_a_site_that_was_opened_as_files(site, tmp_path):
    with chromium(tmp_path / "profile") as browser:
        from selenium.webdriver.common.by import By  # noqa: PLC0415

        browser.get((site / "index.html").as_uri())
        field = browser.find_element(By.CSS_SELECTOR, ".md-search__input")
        browser.execute_script("document.querySelector('[data-md-toggle=search]').click()")
        field.send_keys("antithetic")
        deadline, found = time.monotonic() + 20, []
        while not found and time.monotonic() < deadline:
            time.sleep(0.1)
            found = browser.find_elements(By.CSS_SELECTOR, ".md-search-result__link")
        assert any("glossary.html" in each.get_attribute("href") for each in found), browser.get_log("browser")
        assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
