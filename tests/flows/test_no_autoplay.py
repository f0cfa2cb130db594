"""No bet is placed by a machine of ours: each needs an act of the player in its own round."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.urls import get_resolver

from kernel.ids import new_id
from kernel.refusal import Refused
from tables import urls
from tables.bets.betting import place_batch
from tables.bets.slips import BettingCode, Receipt, place_bets
from tables.push import messages
from tests import house

ROOT = Path(__file__).resolve().parents[2]
#: Pictures start by themselves; bets do not.
OF_PICTURES = re.compile(
    r"autoplay[\"'=\s]|\.autoplay|auto(?:focus|complete|matic|commit)|\bauto\b"
)


@pytest.mark.feature("F107")
def test_a_page_can_say_these_things_to_the_house_and_no_other():
    key, number = "k" * 16, 7
    said = {
        "bet": [{"key": key, "round": number, "stakes": [["red", 100]]},
                {"key": key, "round": number, "announced": "voisins", "chip": 100}],
        "undo": [{"key": key}],
        "rebet": [{"key": key, "round": number}],
        "double": [{"key": key, "round": number}],
    }  # fmt: skip
    import json

    for kind, bodies in said.items():
        for body in bodies:
            assert messages.parse(json.dumps({"k": kind} | body))
            for more in ({"rounds": 10}, {"times": 2}, {"auto": True}, {"every": 1}):
                with pytest.raises(ValueError, match="no such message"):
                    messages.parse(json.dumps({"k": kind} | body | more))
    for kind in ("auto", "autoplay", "repeat", "schedule", "start"):
        with pytest.raises(ValueError, match="no such message"):
            messages.parse(json.dumps({"k": kind, "key": key, "round": number}))


@pytest.mark.feature("F107")
def test_bets_have_four_addresses_and_none_of_them_repeats():
    acting = {
        one.name for one in urls.urlpatterns if getattr(one.callback, "__name__", "") == "act"
        or one.name in {"bet", "undo", "rebet", "double"}
    }  # fmt: skip
    assert acting == {"bet", "undo", "rebet", "double"}
    names = {str(name) for name in get_resolver().reverse_dict if isinstance(name, str)}
    assert not {name for name in names if "auto" in name.lower()}


@pytest.mark.feature("F107")
def test_no_script_of_the_table_and_no_page_of_it_knows_of_playing_by_itself():
    files = [
        *(ROOT / "static" / "js").rglob("*.js"),
        *(ROOT / "templates" / "tables").rglob("*.html"),
        *(ROOT / "tables" / "bets").glob("*.py"),
    ]
    assert len(files) > 30
    for path in files:
        text = OF_PICTURES.sub("", path.read_text().lower())
        assert "autoplay" not in text, path
        assert "auto_" not in text, path
        assert "autobet" not in text, path
    slips = (ROOT / "static/js/table.js").read_text() + "".join(
        path.read_text() for path in (ROOT / "static/js/table").glob("*.js")
    )
    asked = re.findall(r"slips\.ask\(", slips)
    timers = re.findall(r"set(?:Interval|Timeout)\([^)]*ask\(", slips)
    assert asked
    assert timers == []


@pytest.mark.feature("F107")
def test_a_bet_of_one_round_is_none_of_the_next(database):
    pit = house.pit()
    player = house.player(balance_minor=10_000)
    first = pit.open_round()

    def slip():
        return place_bets(
            player,
            pit.table.id,
            key=new_id().hex,
            currency="EUR",
            stakes=[("red", 100)],
            round_number=first.number,
        )

    [taken] = place_batch(pit.table.id, [slip()])
    assert isinstance(taken, Receipt)
    pit.play(17)
    pit.open_round()
    [refused] = place_batch(pit.table.id, [slip()])
    assert isinstance(refused, Refused)
    assert refused.code is BettingCode.TOO_LATE
