"""What every page weighs, and what no page may contain."""

import gzip
import re
from hashlib import sha256
from pathlib import Path

import pytest

from casino.templatetags.table_script import MODULES

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
#: Allauth's and the admin's own templates are not ours to judge.
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
OURS = [
    path for path in TEMPLATES if path.parts[-2] in {"templates", "partials", "errors", "parts"}
]
OURS += sorted((ROOT / "templates" / "tables").glob("*.html"))
#: No page of a player loads them.
STAFF_SHEETS = ("admin", "console", "floor", "incident", "staff", "support")


def _packed(paths) -> int:
    return sum(len(gzip.compress(path.read_bytes())) for path in paths)


@pytest.mark.feature("F91")
def test_all_style_sheets_of_players_together_stay_under_30_kb_compressed():
    sheets = [path for path in (STATIC / "css").glob("*.css") if path.stem not in STAFF_SHEETS]
    assert len(sheets) >= 10
    assert _packed(sheets) <= 30_000


def test_the_style_sheets_of_staff_stay_under_15_kb_compressed():
    assert _packed(STATIC / "css" / f"{name}.css" for name in STAFF_SHEETS) <= 15_000


@pytest.mark.feature("F91")
def test_the_table_page_s_own_modules_stay_under_40_kb_compressed():
    modules = [STATIC / "js" / "table.js", *(STATIC / "js" / "table").glob("*.js")]
    assert len(modules) > 10
    assert _packed(modules) <= 40_000


def test_the_table_page_asks_for_every_module_at_once():
    found = sorted(path.stem for path in (STATIC / "js" / "table").glob("*.js"))
    assert sorted(MODULES) == found


def test_the_vendored_player_is_the_package_s_own_file():
    """hls.js as npm ships it, less the line that names a source map which we do not ship."""
    found = (STATIC / "vendor" / "hls.js" / "hls.light.min.js").read_bytes()
    note = (STATIC / "vendor" / "hls.js" / "README.md").read_text()
    assert sha256(found).hexdigest() in note
    as_shipped = found + b"//# sourceMappingURL=hls.light.min.js.map\n"
    assert sha256(as_shipped).hexdigest() == (
        "482cccb3a224554f64d8c2cf0d335dba4a3819bdb726afbfddfe15de4c277d82"
    )
    licence = (STATIC / "vendor" / "hls.js" / "LICENSE").read_text()
    assert "Apache License, Version 2.0" in licence


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
    scripts = list((STATIC / "js").rglob("*.js"))
    assert len(scripts) > 10
    for path in scripts:
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", path.read_text()
        )


def test_style_sheets_fetch_nothing_from_elsewhere():
    sheets = list((STATIC / "css").glob("*.css"))
    assert len(sheets) > 5
    for path in sheets:
        text = path.read_text()
        assert "@import" not in text
        for address in re.findall(r'url\("([^"]+)"\)', text):
            assert (path.parent / address).resolve().is_file(), address


def test_every_icon_that_a_page_names_exists():
    known = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "img" / "icons.svg").read_text()))
    for path in TEMPLATES:
        for name in re.findall(r'{% icon "([^"]+)" %}', path.read_text()):
            assert name in known, f"{path.name}: {name}"
