"""The table page's pure modules agree with the server: run in Node, with facts from our rules."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from django.utils import translation

from casino.templatetags import money
from tables import selectors
from tables.rules.roulette import ALL_ANNOUNCED, ALL_POSITIONS, ORDER, BetKind
from tests.gates.tools import why_no_node

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {kind for kind in BetKind if list(BetKind).index(kind) >= list(BetKind).index("column")}
MINORS = (0, 5, 100, 123_450, -650, 9_999_999)
CHIPS = (50, 100, 250, 500, 50_000, 100_000, 250_000)


def _amounts():
    for language, currency in (("en", "EUR"), ("en", "SEK"), ("de", "EUR"), ("de", "JPY")):
        with translation.override(language):
            yield {
                "locale": f"{language} {currency}",
                "writing": money.writing(currency),
                "money": [[minor, money.net(minor, currency)] for minor in MINORS],
                "chips": [[minor, money.chip_label(minor, currency)] for minor in CHIPS],
            }


def _bands(monkeypatch):
    """The band for every count of rounds, by the function that the page's first HTML shows."""
    bands = {}
    for spins in range(selectors.RESULTS_COUNTED + 1):
        numbers = [selectors.ResultShown(0, "green", None)] * spins
        monkeypatch.setattr(selectors, "results", lambda *_, numbers=numbers, **__: numbers)
        bands[spins] = selectors.statistics("alexandria")[2]
    return bands


def _facts(bands):
    inside = [position for position in ALL_POSITIONS if position.kind not in OUTSIDE]
    return {
        "inside": [position.code for position in inside],
        "numbers": {position.code: list(position.numbers) for position in inside}
        | {position.code: [] for position in ALL_POSITIONS if position.kind in OUTSIDE},
        "wheel": list(ORDER),
        "neighbours": {
            call.code: [position.code for position, _count in call.chips]
            for call in ALL_ANNOUNCED
            if call.code.startswith("neighbours:")
        },
        "bands": bands,
        "amounts": list(_amounts()),
    }


@pytest.mark.feature("F10", "F7", "F18")
def test_the_modules_of_the_table_page_do_as_the_server_does(tmp_path, monkeypatch):
    if why := why_no_node():
        pytest.skip(why)
    facts = tmp_path / "facts.json"
    facts.write_text(json.dumps(_facts(_bands(monkeypatch))))
    done = subprocess.run(
        ["node", "--no-warnings", "--test", str(ROOT / "tests" / "js" / "table.test.mjs")],
        env=os.environ | {"FARO_FACTS": str(facts)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    failed = done.stdout.split("not ok")[1:]
    assert done.returncode == 0, "\n".join(part[:1_500] for part in failed)
    assert "# fail 0" in done.stdout
    assert "# pass 0" not in done.stdout
