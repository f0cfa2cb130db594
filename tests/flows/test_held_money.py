"""What is held of a player's balance is shown wherever the balance is, from its first moment."""

from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from events import hints
from kernel.ids import new_id
from ledger import accounts, holds
from ledger.postings import TransferKind
from payments import selectors
from tables.push import account_state
from tests import house
from tests.flows.ledger_steps import captured, correction, held, move, voided
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.feature("F72")


@pytest.fixture
def anna(database):
    return house.player(balance_minor=10_000)


@pytest.fixture
def purse(anna):
    return accounts.player_cash(anna, "EUR")


def cashier(player) -> str:
    client = Client()
    user = User.objects.get(pk=player)
    client.force_login(user, backend="accounts.authentication.PasswordAtOwnDoor")
    return client.get("/cashier/").content.decode()


def reversal(purse, minor: int):
    clearing = accounts.psp_clearing("simulated", "EUR")
    return move(purse, clearing, minor, TransferKind.DEPOSIT_REVERSAL, ref="deposit:7")


def test_the_player_reads_what_is_held_for_what_and_until_when(anna, purse):
    assert "Held" not in cashier(anna)
    held(correction(purse, 1_500))
    until = held(reversal(purse, 500)).expires_at
    page = cashier(anna)
    assert "€80.00" in page  # to play or withdraw: the balance less what is held
    assert "Held: €20.00 more is yours" in page
    assert "A round whose result is being looked into" in page
    assert "A deposit that may go back to its source" in page
    local = until.astimezone(ZoneInfo("Europe/Malta"))
    assert f"{local:, %H:%M} at the latest" in page
    funds = selectors.funds(anna)
    assert (funds.available_minor, funds.set_aside_minor) == (8_000, 2_000)
    assert [one.amount_minor for one in funds.holds] == [1_500, 500]


def test_what_was_captured_or_let_go_is_held_no_more(anna, purse):
    one, other = correction(purse, 1_500), reversal(purse, 500)
    held(one)
    held(other)
    voided(one.id)
    captured(other.id, 200)
    assert holds.open_on(purse) == []
    assert "Held" not in cashier(anna)
    funds = selectors.funds(anna)
    assert (funds.available_minor, funds.set_aside_minor, funds.holds) == (9_800, 0, ())


def test_staff_see_it_on_the_players_page_and_finance_among_all_holds(anna, purse):
    held(correction(purse, 1_500, ref="dispute:9"))
    finance = staff_client(Role.FINANCE)
    page = finance.get(f"/admin/players/{anna}/").content.decode()
    assert "<h3>Held</h3>" in page
    assert "15.00 EUR" in page
    assert "dispute:9" in page
    listed = finance.get("/admin/holds/").content.decode()
    assert f"player:{anna}" in listed
    assert "dispute:9" in listed
    assert staff_client(Role.SUPPORT).get("/admin/holds/").status_code == 403


def test_the_live_page_is_told_when_a_hold_is_made_and_when_it_ends(anna, purse, monkeypatch):
    """The account's number grows, so that the page takes the state; and the hint goes out."""
    house.pit()
    told = []
    monkeypatch.setattr(hints, "accounts_changed", told.append)
    monkeypatch.setattr(holds.hints, "accounts_changed", told.append)
    seat = account_state.Seat(anna, "EUR", database_now())

    def state():
        [one] = account_state.read("alexandria", [seat])
        return one.n, one.balance_minor

    n, balance = state()
    assert balance == 10_000
    first, second = correction(purse, 1_500), correction(purse, 500)
    held(first)
    assert state() == (n + 1, 8_500)
    held(second)
    assert state() == (n + 2, 8_000)
    voided(first.id)
    assert state() == (n + 3, 9_500)
    captured(second.id)  # an entry, and the end of the hold
    assert state() == (n + 5, 9_500)
    assert told.count({purse}) == 3
    assert all(purse in ids for ids in told)


def test_a_hold_of_another_account_is_not_shown(anna, purse):
    other = house.player(balance_minor=5_000)
    held(correction(accounts.player_cash(other, "EUR"), 700, id=new_id()))
    assert holds.open_on(purse) == []
    assert "Held" not in cashier(anna)
