"""What every page weighs, and what no page may contain."""

import gzip
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
#: Allauth's and the admin's own templates are not ours to judge.
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
OURS = [
    path for path in TEMPLATES if path.parts[-2] in {"templates", "partials", "errors", "parts"}
]
OURS += sorted((ROOT / "templates" / "tables").glob("*.html"))


def _packed(paths) -> int:
    return sum(len(gzip.compress(path.read_bytes())) for path in paths)


@pytest.mark.feature("F91")
def test_all_style_sheets_together_stay_under_30_kb_compressed():
    assert _packed((STATIC / "css").glob("*.css")) <= 30_000


@pytest.mark.feature("F91")
def test_the_table_module_stays_under_6_kb():
    assert len((STATIC / "js" / "table.js").read_bytes()) <= 6 * 1024


def test_fonts_are_small_and_come_with_their_licences():
    fonts = sorted(path.name for path in (STATIC / "fonts").glob("*.woff2"))
    assert fonts == ["figtree.woff2", "newsreader-500.woff2"]
    assert sum((STATIC / "fonts" / name).stat().st_size for name in fonts) <= 45_000
    for name in ("figtree", "newsreader"):
        licence = (STATIC / "fonts" / f"{name}.OFL.txt").read_text()
        assert "SIL Open Font License, Version 1.1" in licence


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_no_page_needs_an_exception_to_the_strict_content_policy(path):
    text = path.read_text()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=\"", text)
    for script in re.findall(r"<script[^>]*>", text):
        assert " src=" in script
    assert "autoescape off" not in text


def test_scripts_make_no_markup():
    for path in (STATIC / "js").glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", path.read_text()
        )


def test_style_sheets_fetch_nothing_from_elsewhere():
    for path in (STATIC / "css").glob("*.css"):
        text = path.read_text()
        assert "@import" not in text
        for address in re.findall(r'url\("([^"]+)"\)', text):
            assert (path.parent / address).resolve().is_file(), address


def test_every_icon_that_a_page_names_exists():
    known = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "img" / "icons.svg").read_text()))
    for path in TEMPLATES:
        for name in re.findall(r'{% icon "([^"]+)" %}', path.read_text()):
            assert name in known, f"{path.name}: {name}"
