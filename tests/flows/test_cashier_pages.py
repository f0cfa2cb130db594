"""The cashier's pages: lists as far back as they go, one payment as it moves, amounts offered."""

from __future__ import annotations

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client, override_settings

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from kernel.ids import Actor, PlayerId, new_id
from notices.models import Notice
from payments import listing, overdue
from payments.listing import Stand, Wanted
from payments.models import Deposit, Instrument, Withdrawal
from payments.pages.forms import DepositForm, quick_amounts
from payments.paying_in import deposits
from payments.states import DepositState, WithdrawalState
from payments.steps import move_deposit, move_withdrawal
from tests import house
from tests.flows import payout_steps
from tests.flows.fraud_steps import paid_with
from tests.flows.staff_steps import staff_client
from tests.flows.support_steps import identify
from tests.flows.test_payments_explained import made

pytestmark = pytest.mark.feature("F67")

US = Actor.system("test")


@pytest.fixture
def anna(database) -> PlayerId:
    return house.player(balance_minor=10_000)


def browser(player: PlayerId) -> Client:
    client = Client()
    client.force_login(
        User.objects.get(pk=player), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    return client


def many(owner, player: PlayerId, count: int) -> list:
    """Payments of both directions, a minute apart, the newest first."""
    found = []
    for number in range(count):
        kind, state = (
            (Deposit, DepositState.SUCCEEDED) if number % 3 else (Withdrawal, WithdrawalState.PAID)
        )
        one = made(kind, state, player)
        at = database_now() - timedelta(days=100) + timedelta(minutes=number)
        owner.execute(
            f"UPDATE {kind._meta.db_table} SET created_at = %s WHERE id = %s",  # noqa: S608  (above)
            [at, one.pk],
        )
        found.append(one.pk)
    return found[::-1]


# -- the list --------------------------------------------------------------------------------------


def test_every_payment_is_on_one_page_and_on_one_only_however_old(anna, owner):
    ids, seen, before = many(owner, anna, 12), [], None
    while True:
        found = listing.page(anna, Wanted(), before=before, limit=5)
        seen += [one.pk for one in found.payments]
        before = found.older_than
        if before is None:
            break
        made(Deposit, DepositState.CREATED, anna)  # one that is made meanwhile shifts nothing
    assert seen == ids


def test_payments_of_one_instant_are_each_shown_once(anna, owner):
    ids = many(owner, anna, 6)
    same = database_now()
    for table in ("payments_deposit", "payments_withdrawal"):
        owner.execute(f"UPDATE {table} SET created_at = %s", [same])  # noqa: S608  (above)
    first = listing.page(anna, Wanted(), limit=4)
    rest = listing.page(anna, Wanted(), before=first.older_than, limit=4)
    assert [one.pk for one in first.payments + rest.payments] == sorted(ids, reverse=True)
    assert rest.older_than is None


def test_filters_narrow_by_way_stand_and_day(anna, owner):
    paid = made(Withdrawal, WithdrawalState.PAID, anna)
    sent = made(Withdrawal, WithdrawalState.IN_TRANSIT, anna)
    came = made(Deposit, DepositState.SUCCEEDED, anna)
    failed = made(Deposit, DepositState.FAILED, anna)
    old = database_now() - timedelta(days=40)
    owner.execute("UPDATE payments_deposit SET created_at = %s WHERE id = %s", [old, came.pk])
    for wanted, expected in (
        (Wanted(direction="withdrawal"), {paid.pk, sent.pk}),
        (Wanted(stand=Stand.WAITING), {sent.pk}),
        (Wanted(stand=Stand.DONE), {paid.pk, came.pk}),
        (Wanted(stand=Stand.NOT_DONE), {failed.pk}),
        (Wanted(direction="deposit", since=old + timedelta(days=1)), {failed.pk}),
        (Wanted(until=old + timedelta(days=1)), {came.pk}),
    ):
        assert {one.pk for one in listing.page(anna, wanted).payments} == expected, wanted


def test_a_place_that_is_another_players_payment_leads_nowhere(anna, owner):
    many(owner, anna, 2)
    theirs = made(Deposit, DepositState.CREATED, house.player())
    assert listing.page(anna, Wanted(), before=theirs.pk) == listing.Page()
    assert listing.page(anna, Wanted(), before=new_id()) == listing.Page()


def test_the_page_of_all_payments_pages_filters_and_forgives_what_is_no_filter(anna, owner):
    many(owner, anna, listing.PER_PAGE + 2)
    mine = browser(anna)
    first = mine.get("/cashier/payments/")
    assert first.content.decode().count('class="pay-name"') == listing.PER_PAGE
    older = re.search(r'rel="next" href="([^"]+)"', first.content.decode())[1]
    second = mine.get("/cashier/payments/" + older).content.decode()
    assert second.count('class="pay-name"') == 2
    assert 'rel="next"' not in second
    assert 'rel="prev"' in second
    only = mine.get("/cashier/payments/", {"direction": "withdrawal"}).content.decode()
    assert "/cashier/withdrawals/" in only
    assert "/cashier/deposits/" not in only
    for nonsense in (
        {"direction": "sideways"}, {"since": "yesterday"}, {"until": "9999-12-31"},
        {"since": "0001-01-01"}, {"before": "x"}, {"stand": "lost"},
    ):  # fmt: skip
        assert mine.get("/cashier/payments/", nonsense).status_code == 200, nonsense
    none = mine.get("/cashier/payments/", {"since": "2001-01-01", "until": "2001-01-02"})
    assert "Nothing in your payments is like this." in none.content.decode()


# -- one payment -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Deposit, Withdrawal])
def test_nobody_reads_anothers_payment_by_any_of_its_addresses(anna, kind):
    state = DepositState.PROCESSING if kind is Deposit else WithdrawalState.IN_TRANSIT
    theirs = made(kind, state, house.player())
    way = "deposits" if kind is Deposit else "withdrawals"
    mine = browser(anna)
    for address in (
        f"/cashier/{way}/{theirs.pk}/",
        f"/cashier/{way}/{theirs.pk}/now",
        f"/api/account/payments/{theirs.pk}",
    ):
        assert mine.get(address).status_code == 404, address
        turned_away = 401 if address.startswith("/api/") else 302
        assert Client().get(address).status_code == turned_away, address


def test_a_payments_page_has_the_five_answers_in_the_players_own_time(anna):
    sent = made(Withdrawal, WithdrawalState.IN_TRANSIT, anna)
    page = browser(anna).get(f"/cashier/withdrawals/{sent.pk}/").content.decode()
    for words in (
        "Your bank has it. Banks take up to two working days.",
        "What is awaited", "That your bank puts it on your account.",
        "From whom", "Your bank",
        "By when", "we look into it ourselves and write to you",
        "What you can do", "You need to do nothing.",
        "Waiting for your bank",
        "Times are those of Europe/Malta.",
        str(sent.pk),
    ):  # fmt: skip
        assert words in page, words
    local = sent.expected_by.astimezone(ZoneInfo("Europe/Malta"))
    assert f"{local:%H:%M}" in page


def test_a_payment_page_that_was_left_is_linked_from_the_payments_page(anna):
    left = made(Deposit, DepositState.REQUIRES_ACTION, anna)
    Deposit.objects.filter(pk=left.pk).update(redirect_url="http://psp.example/pay/x")
    page = browser(anna).get(f"/cashier/deposits/{left.pk}/").content.decode()
    assert 'href="http://psp.example/pay/x"' in page
    assert "Go to the payment page" in page
    assert "confirm it with your bank where it asks you to" in page


def test_the_page_asks_again_and_hears_only_what_changed(anna):
    paying = made(Deposit, DepositState.PROCESSING, anna)
    mine, address = browser(anna), f"/cashier/deposits/{paying.pk}/now"
    first = mine.get(address)
    assert 'data-waiting="1"' in first.content.decode()
    same = mine.get(address, headers={"If-None-Match": first["ETag"]})
    assert (same.status_code, same.content) == (304, b"")
    move_deposit(paying, DepositState.SUCCEEDED, actor=US, cause="test")
    moved = mine.get(address, headers={"If-None-Match": first["ETag"]})
    assert moved.status_code == 200
    page = moved.content.decode()
    assert 'data-said="Paid in. It is in your balance."' in page
    assert 'data-waiting="0"' in page
    assert "<html" not in page


def test_the_cashier_shows_what_is_under_way_and_hears_when_it_is_not_any_more(anna):
    sent = made(Withdrawal, WithdrawalState.IN_TRANSIT, anna)
    mine = browser(anna)
    page = mine.get("/cashier/").content.decode()
    assert "Under way" in page
    assert 'data-live-part="/cashier/now"' in page
    first = mine.get("/cashier/now")
    assert 'data-waiting="1"' in first.content.decode()
    move_withdrawal(sent, WithdrawalState.PAID, actor=US, cause="test")
    moved = mine.get("/cashier/now", headers={"If-None-Match": first["ETag"]})
    assert 'data-waiting="0"' in moved.content.decode()
    assert "Under way" not in moved.content.decode()


@pytest.mark.parametrize(
    ("brand", "name"),
    [("visa", "Visa"), ("american_express", "American Express"), ("PlayPurse", "PlayPurse")],
)
def test_with_what_was_paid_is_shown_to_its_owner(anna, brand, name):
    paid = made(Deposit, DepositState.SUCCEEDED, anna)
    card = Instrument.objects.create(
        player_id=anna, provider="simulated", token="t", kind="card", brand=brand, last4="4242"
    )
    Deposit.objects.filter(pk=paid.pk).update(instrument=card, refunded_minor=1_200)
    page = browser(anna).get(f"/cashier/deposits/{paid.pk}/").content.decode()
    assert f"{name} •• 4242" in page
    assert "Of it, €12.00 went back to where it came from." in page


def test_a_withdrawal_in_parts_shows_each_part_and_where_it_goes(database):
    player = payout_steps.verified()
    card = Instrument.objects.create(
        player_id=player, provider="simulated", token="t", kind="card", brand="visa", last4="4242"
    )
    payout_steps.paid_in(player, 3_000, instrument=card)
    payout_steps.own_account(player)
    house.fund(player, 2_000)
    first, second = payout_steps.ask(player, 4_500)
    page = browser(player).get(f"/cashier/withdrawals/{first.pk}/").content.decode()
    assert "You asked for €45.00." in page
    assert "Visa •• 4242" in page
    assert "Bank account •• 3000" in page
    assert f"/cashier/withdrawals/{second.pk}/" in page


# -- amounts ---------------------------------------------------------------------------------------


def test_amounts_are_offered_up_to_what_is_left_and_none_is_chosen():
    assert [one.text for one in quick_amounts("EUR", None)] == ["10", "20", "50", "100"]
    assert [one.minor for one in quick_amounts("EUR", 5_000)] == [1_000, 2_000, 5_000]
    assert [one.text for one in quick_amounts("SEK", 50_000)] == ["100", "200", "500"]
    assert [(one.text, one.minor) for one in quick_amounts("JPY", 2_000)] == [
        ("1000", 1_000), ("2000", 2_000),
    ]  # fmt: skip
    assert quick_amounts("EUR", 0) == []


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        ({"amount": "12,50"}, "12,50"),
        ({"amount": "", "quick": "20"}, "20"),
        ({"quick": "20"}, "20"),
        ({"amount": "20", "quick": "20"}, "20"),
        ({"amount": "30", "quick": "20"}, None),
        ({"amount": ""}, None),
        ({}, None),
    ],
)
def test_a_deposit_is_of_one_amount_or_asks_which(sent, amount):
    form = DepositForm({"key": "k"} | sent)
    assert (form.cleaned_data["amount"] if form.is_valid() else None) == amount


def test_the_cashier_offers_no_amount_above_the_players_limit(anna):
    mine = browser(anna)
    mine.post("/play-safely/limits/deposit/", {"deposit-period": "week", "deposit-amount": "150"})
    page = mine.get("/cashier/").content.decode()
    assert "€50.00 left" in page
    assert re.findall(r'name="quick" value="(\d+)"', page) == ["10", "20", "50"]
    assert "checked" not in page


# -- for others ------------------------------------------------------------------------------------


def test_the_support_desk_reads_the_same_words_as_the_player(database):
    anna, desk = house.player(), staff_client(Role.SUPPORT)
    identify(desk, anna)
    failed = made(Deposit, DepositState.FAILED, anna, reason="insufficient_funds")
    stranger = staff_client(Role.SUPPORT).get(f"/support/players/{anna}/").content.decode()
    assert "not enough money" not in stranger
    page = desk.get(f"/support/players/{anna}/").content.decode()
    assert "There was not enough money on the card or account." in page
    assert "Pay in a smaller amount, or in another way." in page
    assert str(failed.pk) in page


def test_a_question_about_a_payment_names_it(anna):
    paid = made(Withdrawal, WithdrawalState.PAID, anna)
    mine = browser(anna)
    link = f"/account/cases/new/?kind=complaint&payment={paid.pk}"
    assert (
        link.replace("&", "&amp;") in mine.get(f"/cashier/withdrawals/{paid.pk}/").content.decode()
    )
    assert f'value="Withdrawal {paid.pk}"' in mine.get(link).content.decode()
    theirs = made(Deposit, DepositState.SUCCEEDED, house.player())
    other = mine.get(f"/account/cases/new/?payment={theirs.pk}").content.decode()
    assert str(theirs.pk) not in other.replace(f"payment={theirs.pk}", "")


# -- with what is paid -----------------------------------------------------------------------------


def card(player: PlayerId, provider: str = "simulated", **more) -> Instrument:
    facts = {"token": new_id().hex, "kind": "card", "brand": "visa", "last4": "4242"} | more
    return Instrument.objects.create(player_id=player, provider=provider, **facts)


def test_what_was_paid_with_before_is_offered_and_removed_by_its_owner_alone(anna):
    mine, elsewhere = card(anna), card(anna, provider="elsewhere", last4="1111")
    theirs = card(house.player(), last4="9999")
    for one in (mine, elsewhere, theirs):
        paid_with(one)
    client = browser(anna)
    page = client.get("/cashier/").content.decode()
    assert "Visa •• 4242" in page
    assert f'name="instrument" value="{mine.pk}" checked' in page
    assert str(elsewhere.pk) not in page
    assert "9999" not in page
    assert client.post(f"/cashier/instruments/{theirs.pk}/remove/").status_code == 404
    theirs.refresh_from_db()
    assert theirs.removed_at is None
    done = client.post(f"/cashier/instruments/{mine.pk}/remove/", follow=True).content.decode()
    assert "Removed. What you paid with it stays in your payments." in done
    assert str(mine.pk) not in done
    assert Client().post(f"/cashier/instruments/{elsewhere.pk}/remove/").status_code == 302
    elsewhere.refresh_from_db()
    assert elsewhere.removed_at is None


def test_a_deposit_names_the_saved_one_and_somebody_elses_is_refused(anna, monkeypatch):
    asked = []

    def start(**wanted):
        asked.append(wanted["instrument"])
        return made(Deposit, DepositState.UNKNOWN, anna)

    mine = card(anna)
    with monkeypatch.context() as patched:
        patched.setattr(deposits, "start", start)
        for sent in (str(mine.pk), ""):
            form = {"amount": "20", "key": new_id().hex, "instrument": sent}
            assert browser(anna).post("/cashier/deposits/", form).status_code == 302
    assert asked == [mine.pk, None]
    theirs = card(house.player())
    with override_settings(SIMULATED_PSP_URL="http://127.0.0.1:9", PSP_WEBHOOK_SECRET="s" * 32):
        form = {"amount": "20", "key": new_id().hex, "instrument": str(theirs.pk)}
        refused = browser(anna).post("/cashier/deposits/", form)
    assert refused.status_code == 422
    assert "is not saved with us any more" in refused.content.decode()
    assert Deposit.objects.filter(asked_with__isnull=False).count() == 0


def test_a_late_payment_names_its_case_on_its_page_in_its_words_and_by_the_api(anna):
    sent = made(Withdrawal, WithdrawalState.IN_TRANSIT, anna)
    Withdrawal.objects.filter(pk=sent.pk).update(expected_by=database_now() - timedelta(hours=1))
    overdue.sweep()
    sent.refresh_from_db()
    assert sent.case_reference
    client = browser(anna)
    page = client.get(f"/cashier/withdrawals/{sent.pk}/").content.decode()
    assert f"looking into it ourselves, in case {sent.case_reference}." in page
    assert f'href="/account/cases/{sent.case_reference}/"' in page
    assert "It should have been by" in page
    told = client.get(f"/api/account/payments/{sent.pk}").json()["payment"]
    assert (told["is_late"], told["case"]) == (True, sent.case_reference)
    assert Notice.objects.filter(person_id=anna, kind="payment_late").count() == 1
    assert client.get(f"/account/cases/{sent.case_reference}/").status_code == 200
