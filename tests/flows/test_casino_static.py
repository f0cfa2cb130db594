"""What travels to a browser, and how long it may keep it."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys

import pytest
from django.test import Client

from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("database")


def get(path, **headers):
    answer = Client(headers={"accept-encoding": "gzip", **headers}).get(path)
    body = b"".join(answer) if answer.streaming else answer.content
    answer.close()
    return answer, body


@pytest.mark.parametrize("path", ["/help/", "/static/css/base.css", "/static/img/icons.svg"])
def test_texts_travel_compressed(path):
    answer, body = get(path)
    assert answer["Content-Encoding"] == "gzip"
    assert len(body) < len(gzip.decompress(body)) / 2
    assert "Accept-Encoding" in answer["Vary"]
    assert (answer.streaming, int(answer["Content-Length"])) == (False, len(body))


def test_files_are_not_padded_and_pages_are():
    files = {len(get("/static/js/table.js")[1]) for _ in range(5)}
    plain = (ROOT / "static" / "js" / "table.js").read_bytes()
    assert files == {len(gzip.compress(plain, 6, mtime=0))}
    pages = {get("/help/")[1][3] for _ in range(3)}
    assert pages == {8}  # FNAME: the flag of the name that Django pads with (RFC 1952 §2.3.1)


def test_fonts_are_compressed_already_and_stay_as_they_are():
    answer, _ = get("/static/fonts/figtree.woff2")
    assert answer.status_code == 200
    assert "Content-Encoding" not in answer


def test_a_browser_that_asks_for_none_gets_none():
    answer, body = get("/help/", **{"accept-encoding": "identity"})
    assert "Content-Encoding" not in answer
    assert b"<h1>Help</h1>" in body


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """The static files as a production installation collects them."""
    home = tmp_path_factory.mktemp("collected")
    subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
        cwd=ROOT,
        env=os.environ
        | {"FARO_MODE": "production", "FARO_STATE_DIR": str(home), "FARO_JURISDICTIONS": "DE"},
        check=True,
        capture_output=True,
    )
    return home / "static"


@pytest.mark.feature("F91")
def test_collected_modules_import_each_other_by_hashed_names(collected):
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    assert re.fullmatch(r"js/table\.[0-9a-f]{12}\.js", names["js/table.js"])
    text = (collected / names["js/table.js"]).read_text()
    imports = re.findall(r'from "\./(table/[^"]+)"', text)
    assert len(imports) > 5
    assert {f"js/{one}" for one in imports} <= set(names.values())


def test_collected_texts_lie_beside_their_compressed_form(collected):
    names = json.loads((collected / "staticfiles.json").read_text())["paths"]
    for name in ("js/table.js", "css/base.css", "img/icons.svg"):
        assert (collected / f"{names[name]}.gz").exists(), name
