"""Files that are none on the player's own page: each has its sentence, and nothing else is lost."""

from __future__ import annotations

import pytest

from compliance.kyc.file_guard import BYTES_MAX
from compliance.kyc.states import State
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows.test_kyc_documents import SVG, archive, bomb
from tests.flows.test_kyc_pages import IDENTITY, browser, file, form

pytestmark = [pytest.mark.feature("F112"), pytest.mark.usefixtures("database")]


@pytest.fixture(autouse=True)
def _vault(tmp_path):
    with kyc.own_vault(tmp_path / "documents"):
        yield


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (lambda: b"", "empty"),
        (lambda: SVG, "Drawings (SVG) are not taken."),
        (archive, "Archives are not taken."),
        (lambda: kyc.card() + archive(), "holds more than a picture"),
        (lambda: kyc.pdf() + archive(), "holds more than a picture"),
        (lambda: kyc.card() + b"<script>alert(1)</script>", "holds more than a picture"),
        (lambda: kyc.pdf(200, side=20), "more than 10 pages"),
        (bomb, "larger than any camera"),
        (lambda: kyc.card()[:2_000], "is cut off"),
        (lambda: b"MZ\x90\0 a program", "no picture and no PDF"),
        (lambda: b"\xff\xd8\xff" + b"\0" * BYTES_MAX, "larger than"),
    ],
    ids=[
        *(
            "empty",
            "svg",
            "zip-bomb",
            "picture-and-archive",
            "pdf-and-archive",
            "picture-and-script",
        ),
        *("200-pages", "pixel-bomb", "cut-in-half", "program", "too-large"),
    ],
)
def test_a_bad_file_has_its_sentence_and_the_good_one_stays(tmp_path, bad, words):
    player = house.player()
    client = browser(player)
    answer = client.post(IDENTITY, form(front=file(kyc.card()), back=file(bad(), "back.jpg")))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert "Anna Maria Eriksson" in page
    assert "Arrived " in page
    assert [one.kind for one in kyc.documents(player)] == ["front"]
    stored = [path for path in (tmp_path / "documents").rglob("*") if path.is_file()]
    assert len(stored) == 1
    again = form(key=answer.context["form"]["key"].value(), back=file(kyc.card()))
    assert client.post(IDENTITY, again).status_code == 302
    assert sorted(one.kind for one in kyc.documents(player)) == ["back", "front"]
    assert kyc.check(player).state == State.DOCUMENTS
