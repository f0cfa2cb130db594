"""Chargebacks at the desk: finance enters one, a second person decides it on a page."""

import pytest

from accounts.roles import Role
from ledger import chargebacks as booked
from tests import house
from tests.flows.chargeback_steps import captured_deposit, cash, owed, spend
from tests.flows.ledger_steps import assert_books_clean
from tests.flows.staff_steps import staff_client

pytestmark = pytest.mark.feature("F72")
LIST, FORM = "/admin/chargebacks/", "/admin/chargebacks/enter/"


@pytest.fixture
def finance(database):
    return staff_client(Role.FINANCE)


@pytest.fixture
def other(database):
    return staff_client(Role.FINANCE)


@pytest.fixture
def anna(database):
    return house.player()


@pytest.fixture
def paid(anna):
    return captured_deposit(anna, 5_000)


def typed(deposit, **more):
    return {
        "deposit": deposit.provider_ref,
        "dispute": "dp_77",
        "amount": "50.00",
        "currency": "",
        "shortfall": "receivable",
        "note": "Card <stolen>, says the bank.",
    } | more


def test_two_people_book_a_chargeback_and_its_return_by_hand(finance, other, anna, paid):
    spend(anna, 3_800)
    for _ in range(2):  # sent twice, entered once
        assert finance.post(FORM, typed(paid)).status_code == 302
    (asked,) = booked.waiting()
    at = f"{LIST}{asked.id}/"
    assert "simulated dp_77" in other.get(LIST).content.decode()
    assert "Proposed chargebacks" in other.get("/admin/").content.decode()
    own, page = finance.get(at).content.decode(), other.get(at).content.decode()
    assert ("Take it back" in own, ">Approve<" in own) == (True, False)
    assert ("Take it back" in page, ">Approve<" in page) == (False, True)
    assert "Card &lt;stolen&gt;, says the bank." in page
    assert "Approved now, it would be booked so" in page
    assert "12.00 EUR" in page
    assert "38.00 EUR" in page
    assert "somebody else of: finance, administrator" in page

    refused = finance.post(f"{at}approve/", follow=True).content.decode()
    assert "Somebody else decides what you proposed. (same_person)" in refused
    assert (cash(anna), owed(anna)) == (1_200, 0)

    done = other.post(f"{at}approve/", follow=True).content.decode()
    assert "Done: approved." in done
    assert "Booked" in done
    assert (cash(anna), owed(anna)) == (0, 3_800)

    assert "The provider returned it" not in staff_client(Role.AUDITOR).get(at).content.decode()
    assert "The provider returned it" in finance.get(at).content.decode()
    entered = finance.post(f"{at}return/", {"note": "Won."}, follow=True).content.decode()
    assert "Done: entered; it waits for a second person." in entered
    (back,) = booked.waiting()
    assert "Off the player&#x27;s debt" in entered or "Off the player's debt" in entered
    assert "The provider returned it" not in finance.get(at).content.decode()
    other.post(f"{LIST}{back.id}/approve/")
    assert (cash(anna), owed(anna)) == (1_200, 0)
    assert_books_clean()


def test_a_refusal_wants_a_word_and_moves_nothing(finance, other, anna, paid):
    finance.post(FORM, typed(paid))
    at = f"{LIST}{booked.waiting()[0].id}/"
    assert "Say why." in other.post(f"{at}refuse/", follow=True).content.decode()
    done = other.post(f"{at}refuse/", {"note": "No."}, follow=True).content.decode()
    assert "Done: refused." in done
    assert cash(anna) == 5_000


def test_a_deposit_leads_from_its_players_page_to_the_form(finance, anna, paid):
    link = f"{FORM}?deposit={paid.pk}"
    assert link in finance.get(f"/admin/players/{anna}/").content.decode()
    assert f'value="{paid.pk}"' in finance.get(link).content.decode()
    auditor = staff_client(Role.AUDITOR)
    assert link not in auditor.get(f"/admin/players/{anna}/").content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"deposit": "pay_?"}, "unknown_deposit"),
        ({"dispute": " "}, "bad_dispute"),
        ({"amount": "5.001"}, "too_many_decimals"),
        ({"amount": "0"}, "not_positive"),
        ({"amount": "50.01"}, "above_deposit"),
        ({"currency": "GBP"}, "currency_mismatch"),
        ({"shortfall": ""}, "unknown_shortfall"),
        ({"note": " "}, "no_reason"),
    ],
)
def test_a_form_that_is_wrong_says_so_and_keeps_what_was_typed(finance, paid, wrong, said):
    answer = finance.post(FORM, typed(paid) | wrong)
    page = answer.content.decode()
    assert (answer.status_code, f"({said})" in page) == (409, True), page[:2000]
    assert 'value="Card &lt;stolen&gt;, says the bank."' in page or "note" in wrong
    assert booked.waiting() == []
