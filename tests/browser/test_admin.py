"""The desk and what lies about it, in a browser: each page whole, plain to read, on two screens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from accounts.roles import Role
from kernel.ids import new_id
from tables.bets.intake import take_bets
from tables.bets.slips import place_bets
from tests import house
from tests.browser.test_axe import violations
from tests.flows.chargeback_steps import captured_deposit, disputed, finance
from tests.gates.tools import why_no_axe

pytestmark = [
    pytest.mark.feature("F94"),
    pytest.mark.skipif(bool(why_no_axe()), reason=why_no_axe() or "there"),
]
#: The theme's scroller in its sidebar makes several regions of one name.
THEMES_OWN = "simplebar-content-wrapper"
#: Pictures of what the tests see, for people: `FARO_ADMIN_PICTURES=DIR`.
PICTURES = os.environ.get("FARO_ADMIN_PICTURES", "")


@pytest.fixture
def round_id(pit: house.Pit, anna) -> object:
    """A round that was played, staked on and paid."""
    pit.open_round()
    take_bets(
        place_bets(
            anna,
            pit.table.id,
            key=new_id().hex,
            currency="EUR",
            stakes=[("red", 200), ("straight:17", 100)],
        )
    )
    return pit.play(17).id


def pages_of(anna, round_id, table: str) -> dict[Role, dict[str, str]]:
    """What each role works with: name → address."""
    dispute = disputed(captured_deposit(anna, 1_000), 500, by=finance(), dispute=new_id().hex).id
    return {
        Role.COMPLIANCE: {
            "players": "/admin/players/",
            "player": f"/admin/players/{anna}/",
            "round": f"/admin/rounds/{round_id}/",
            "changes": "/admin/changes/",
        },
        Role.ADMINISTRATOR: {
            "staff": "/admin/staff/",
            "limits": f"/admin/changes/propose/{table}/limits/EUR/",
            "self-check": "/staff/self-check/",
            "tokens": "/staff/tokens/",
            "chargeback": f"/admin/chargebacks/{dispute}/",
        },
        Role.FINANCE: {
            "transfers": "/admin/ledger/transferrow/",
            "accounts": "/admin/ledger/account/",
            "chargebacks": "/admin/chargebacks/",
            "chargeback-form": "/admin/chargebacks/enter/",
        },
        Role.AUDITOR: {"audit": "/admin/audit/auditevent/", "rounds": "/admin/tables/round/"},
    }


def sideways(page: Page) -> int:
    """How far the page itself, not a table in it, can be pushed sideways, in CSS pixels."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


@pytest.mark.parametrize(
    ("device", "theme"),
    [("phone", "dark"), ("desktop", "light")],
)
def test_no_page_of_the_desk_breaks_a_rule(visit, pit, anna, round_id, device, theme):
    found = []
    for role, addresses in pages_of(anna, round_id, pit.table.id).items():
        page = visit.staff(role, device=device, theme=theme)
        for name, path in {"home": "/admin/", **addresses}.items():
            page.goto(path)
            expect(page.locator("h1").first).to_be_visible()
            if PICTURES:
                shot = f"{role.value}-{name}-{device}-{theme}.png"
                page.screenshot(path=Path(PICTURES) / shot, full_page=True)
            found += [one for one in violations(page) if THEMES_OWN not in one]
            if sideways(page) > 0:
                found.append(f"{path} can be pushed sideways by {sideways(page)} px")
    assert found == [], "\n".join(found)
