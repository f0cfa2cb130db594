"""The desk and what lies about it, in a browser: each page whole, plain to read, on two screens."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from accounts.roles import Role
from audit.database_clock import database_now
from kernel.ids import Actor, new_id
from kernel.money import Money
from ledger import accounts
from payments import overdue
from payments.disputes import applying, chargebacks, debts
from payments.disputes.models import ProviderDispute
from payments.models import Deposit
from payments.providers.protocol import DisputeReport, DisputeState
from payments.steps import begin
from tables.bets.intake import take_bets
from tables.bets.slips import place_bets
from tests import house
from tests.browser.test_axe import violations
from tests.flows.chargeback_steps import captured_deposit, disputed, finance, spend
from tests.flows.ledger_steps import correction, held
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


def somebody_who_owes() -> tuple[object, object]:
    """A player with a debt of 50, 30 on the account and 5 of it held; and a proposal to collect."""
    player, one, other = house.player(), finance(), finance()
    paid = captured_deposit(player, 5_000)
    spend(player, 5_000)
    chargebacks.approve(disputed(paid, 5_000, by=one, dispute=new_id().hex).id, actor=other)
    house.fund(player, 3_000)
    held(correction(accounts.player_cash(player, "EUR"), 500, ref="dispute:9"))
    how = {"reason": "debt_agreed", "note": "They wrote so.", "id": new_id(), "actor": one}
    return player, debts.propose(player, Money(2_000, "EUR"), **how).id


def reported_dispute() -> UUID:
    """A dispute that a provider told of, of a payment that is late meanwhile."""
    paid = captured_deposit(house.player(), 2_000)
    said = DisputeReport(
        payment_id=paid.pk,
        provider_ref=f"dp_{new_id().hex}",
        deposit_ref=paid.provider_ref or "",
        state=DisputeState.LOST,
        amount=Money(2_000, "EUR"),
        fee=Money(1_500, "EUR"),
        reason="fraudulent",
    )
    applying.apply(said, provider=paid.provider, cause="a test", actor=Actor.system("test"))
    late = Deposit(player_id=paid.player_id, provider=paid.provider, key=new_id().hex)
    late.amount_minor, late.currency = 2_500, "EUR"
    with transaction.atomic():
        begin(late, "deposit", actor=Actor.system("test"))
    Deposit.objects.filter(pk=late.pk).update(expected_by=database_now() - timedelta(hours=1))
    overdue.sweep()
    return ProviderDispute.objects.get(deposit=paid).pk


def pages_of(anna, round_id, table: str) -> dict[Role, dict[str, str]]:
    """What each role works with: name → address."""
    debtor, proposal = somebody_who_owes()
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
            "disputes": "/admin/disputes/",
            "dispute": f"/admin/disputes/{reported_dispute()}/",
            "late-payments": "/admin/late-payments/",
            "debtor": f"/admin/players/{debtor}/",
            "held": "/admin/holds/",
            "adjustments": "/admin/adjustments/",
            "adjustment-form": "/admin/adjustments/propose/",
            "debt": f"/admin/adjustments/{proposal}/",
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


@pytest.mark.parametrize(
    ("device", "theme", "language"),
    [("phone", "dark", "de"), ("desktop", "light", "en")],
)
def test_a_player_who_owes_reads_at_the_cashier_what_is_owed_and_what_is_held(
    visit, pit, device, theme, language
):
    debtor, _ = somebody_who_owes()
    page = visit(debtor, device=device, theme=theme, language=language)
    page.goto("/cashier/")
    held_list, heading = {
        "en": ("Held", "What you owe us"),
        "de": ("Zurückgehalten", "Was Sie uns schulden"),
    }[language]
    expect(page.get_by_role("list", name=held_list)).to_be_visible()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"cashier-{device}-{theme}.png", full_page=True)
    assert violations(page) == []
    assert sideways(page) <= 0
