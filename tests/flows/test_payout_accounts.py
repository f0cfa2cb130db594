"""Accounts that players are paid to: in their verified name, told to them, and not at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.rights import RightsCode
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice.players import data_export
from backoffice.tasks import keep_retention
from compliance.models import Standing
from kernel.ids import Actor
from kernel.refusal import Refused
from notices.models import Notice
from payments.approvals.models import AssessmentRow
from payments.models import Instrument, Withdrawal
from payments.paying_out import payout_accounts, payout_plan, withdrawals
from tests import house
from tests.flows.erasure_steps import closed, grant
from tests.flows.payout_steps import (
    IBAN,
    NAME,
    STAFF,
    PayingProvider,
    ask,
    at_work,
    own_account,
    paid_in,
    verified,
)
from tests.flows.staff_steps import officer

pytestmark = pytest.mark.feature("F66")
OTHER_IBANS = ("GB82WEST12345698765432", "NL91ABNA0417164300", "FR1420041010050500013M02606")
PSP = PayingProvider


@pytest.fixture
def anna(database):
    at_work()
    return verified(balance_minor=20_000)


def add(player, text: str = IBAN) -> Instrument:
    return payout_accounts.add(player_id=player, text=text, actor=Actor.player(player))


def code_of(act) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return str(refused.value.code)


def news() -> list[tuple[str, str, str]]:
    found = Notice.objects.filter(kind="payout_account_news").order_by("created_at")
    return [(one.context["news"], one.context["country"], one.context["last4"]) for one in found]


def test_an_account_is_told_to_the_provider_in_the_verified_name_and_kept_by_its_token(psp, anna):
    account = add(anna, "de89 3704 0044 0532 0130 00")
    [told] = psp.registered
    assert (told.holder, told.iban) == (NAME, IBAN)
    assert (account.token, account.country, account.last4) == ("acct_013000", "DE", "3000")
    assert account.verified_by == "provider:simulated"
    assert account.verified_at is not None
    assert account.usable_from - account.verified_at == timedelta(0)  # in a demonstration
    assert news() == [("added", "DE", "3000")]
    [event] = AuditEvent.objects.filter(kind="payout_account.added")
    assert event.actor_id == str(anna)


def test_the_whole_number_is_in_no_row(psp, anna, owner):
    add(anna)
    tables = owner.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).fetchall()
    assert len(tables) > 100
    for (table,) in tables:
        found = owner.execute(
            f'SELECT count(*) FROM "{table}" t WHERE t::text ~ %s',  # noqa: S608  (our own tables)
            ["370400440532"],
        ).fetchone()
        assert found == (0,), table


def test_the_same_account_again_is_the_same_one_and_nothing_is_told_twice(psp, anna):
    assert add(anna).pk == add(anna, IBAN.lower()).pk
    assert len(news()) == 1
    assert len({one.key for one in psp.registered}) == 1


@pytest.mark.parametrize(
    "text", ["", "DE", "DE88370400440532013000", "DE8937040044053201300", "X" * 43, "12 34", "ÄÖ"]
)
def test_what_is_no_iban_is_refused_and_told_to_nobody(psp, anna, text):
    assert code_of(lambda: add(anna, text)) == "bad_iban"
    assert (psp.registered, Instrument.objects.count()) == ([], 0)


def test_without_a_verified_name_there_is_no_account(psp, anna):
    nameless = house.player()
    Standing.objects.filter(pk=nameless).update(age_verified=True, identity_verified=True)
    User.objects.filter(pk=nameless).update(name="")
    Standing.objects.filter(pk=anna).update(identity_verified=False)
    for player in (anna, nameless):
        assert code_of(lambda player=player: add(player)) == "payout_name_not_verified"
    assert psp.registered == []


def test_accounts_of_countries_that_the_policy_does_not_name_are_refused(psp, anna, monkeypatch):
    from dataclasses import replace

    policy = payout_plan.policy_for
    monkeypatch.setattr(
        payout_plan,
        "policy_for",
        lambda standing, now: replace(policy(standing, now), account_countries=frozenset({"MT"})),
    )
    assert code_of(lambda: add(anna)) == "payout_country"
    assert psp.registered == []


def test_no_more_than_five_at_once(psp, anna):
    for n in range(payout_accounts.ACCOUNTS_MAX):
        own_account(anna, token=f"acct_{n}")
    assert code_of(lambda: add(anna)) == "too_many_payout_accounts"
    assert psp.registered == []


@pytest.mark.parametrize(
    ("answer", "code"),
    [("silent", "payout_account_no_answer"), ("reject", "payout_account_not_taken")],
)
def test_a_provider_that_says_no_or_nothing_leaves_no_account(psp, anna, answer, code):
    psp.answer = answer
    assert code_of(lambda: add(anna)) == code
    assert (Instrument.objects.count(), news()) == (0, [])


@pytest.mark.parametrize("holder", ["", "Somebody Else", "Anna Eriksson"])
def test_another_name_at_the_provider_waits_for_an_officer_with_a_document(psp, anna, holder):
    psp.holder = holder
    account = add(anna)
    assert account.verified_at is None
    assert code_of(lambda: ask(anna, 1_000)) == "payout_account_needed"
    assert [one.pk for one in payout_accounts.unverified()] == [account.pk]
    verify = payout_accounts.verify
    assert code_of(lambda: verify(account.pk, actor=STAFF[0], note=" ")) == (
        "payout_account_reason_missing"
    )
    verify(account.pk, actor=STAFF[0], note="Statement of May, seen in case C-1")
    account.refresh_from_db()
    assert account.verified_by == str(STAFF[0])
    assert code_of(lambda: verify(account.pk, actor=STAFF[0], note="x")) == "payout_account_decided"
    assert [one.route for one in ask(anna, 1_000)] == ["account"]
    assert [what for what, *_ in news()] == ["added", "verified"]


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.SUPPORT, Role.AUDITOR])
def test_somebody_who_may_not_verify_is_refused_by_the_act_and_nothing_is_changed(psp, anna, role):
    psp.holder = "Somebody Else"
    account, nobody = add(anna), officer(role)
    for act in (payout_accounts.verify, payout_accounts.refuse):
        assert code_of(lambda act=act: act(account.pk, actor=nobody, note="Statement of May")) == (
            RightsCode.NOT_ALLOWED
        )
    account.refresh_from_db()
    assert (account.verified_at, account.verified_by, account.removed_at) == (None, "", None)
    assert [what for what, *_ in news()] == ["added"]


def test_an_account_that_is_not_the_players_is_refused_and_told(psp, anna):
    psp.holder = "Somebody Else"
    account = add(anna)
    payout_accounts.refuse(account.pk, actor=STAFF[0], note="In another name")
    assert [what for what, *_ in news()] == ["added", "refused"]
    assert payout_accounts.unverified().count() == 0
    assert code_of(lambda: ask(anna, 1_000)) == "payout_account_needed"


def test_an_account_under_another_token_is_the_one_that_the_player_has(psp, anna, monkeypatch):
    """Stripe forgets our key after a day and makes a new connected account of the same IBAN."""
    first, register = add(anna), psp.register_account
    monkeypatch.setattr(
        psp, "register_account", lambda wanted: replace(register(wanted), token="acct_later")
    )
    assert add(anna).pk == first.pk
    payout_accounts.remove(player_id=anna, account_id=first.pk, actor=Actor.player(anna))
    again = add(anna)
    assert (again.pk, again.token, again.removed_at) == (first.pk, "acct_013000", None)
    assert Instrument.objects.count() == 1
    bob = verified()
    assert add(bob).pk != first.pk  # somebody else's is another


def test_what_an_officer_refused_does_not_come_back_verified_under_another_token(
    psp, anna, monkeypatch
):
    account, register = add(anna), psp.register_account
    payout_accounts.refuse(account.pk, actor=STAFF[0], note="In another name")
    monkeypatch.setattr(
        psp, "register_account", lambda wanted: replace(register(wanted), token="acct_later")
    )
    again = add(anna)
    assert (again.pk, again.verified_at) == (account.pk, None)
    assert [one.pk for one in payout_accounts.unverified()] == [account.pk]


def test_our_own_words_repeated_by_a_provider_verify_nothing(psp, anna):
    psp.checks_names = False
    account = add(anna)
    assert (account.holder, account.verified_at, account.verified_by) == (NAME, None, "")
    assert code_of(lambda: ask(anna, 1_000)) == "payout_account_needed"
    assert [one.pk for one in payout_accounts.unverified()] == [account.pk]


def test_an_officer_takes_a_verification_back_and_what_waits_for_the_account_ends(psp, anna):
    account = add(anna)
    [part] = ask(anna, 1_000)
    withdrawals.approve(part.request_id, actor=STAFF[0])
    payout_accounts.refuse(account.pk, actor=STAFF[0], note="The bank names somebody else")
    withdrawals.ask_provider(part.pk)
    part.refresh_from_db()
    assert (part.state, part.reason, psp.asked) == ("failed", "payout_account_gone", [])
    again = add(anna)
    assert (again.pk, again.verified_at, again.removed_at) == (account.pk, None, None)
    assert [one.pk for one in payout_accounts.unverified()] == [account.pk]
    assert code_of(lambda: ask(anna, 1_000, "w2")) == "payout_account_needed"
    payout_accounts.verify(account.pk, actor=STAFF[1], note="Statement of May")
    assert [one.route for one in ask(anna, 1_000, "w3")] == ["account"]


def test_a_removed_account_is_refused_no_more(psp, anna):
    account = add(anna)
    refuse = payout_accounts.refuse
    refuse(account.pk, actor=STAFF[0], note="x")
    assert code_of(lambda: refuse(account.pk, actor=STAFF[0], note="x")) == "payout_account_decided"


def test_an_account_that_another_player_has_added_is_looked_at_by_an_officer(psp, anna):
    other = verified()
    assert add(other).verified_at is not None
    assert add(anna).verified_at is None


def test_a_fresh_account_is_not_paid_to_for_its_first_hours(psp, anna, owner):
    Standing.objects.filter(pk=anna).update(jurisdiction="MT")
    account = add(anna)
    assert account.usable_from - account.verified_at == timedelta(hours=24)
    assert Notice.objects.get().context["wait_hours"] == 24
    assert code_of(lambda: ask(anna, 1_000)) == "payout_account_needed"
    with pytest.raises(IntegrityError, match="not a verified account"), transaction.atomic():
        Withdrawal.objects.create(
            player_id=anna, provider="simulated", key="x", amount_minor=1, currency="EUR",
            route="account", instrument=account,
        )  # fmt: skip
    owner.execute("UPDATE payments_instrument SET usable_from = now() - interval '1 second'")
    assert [one.route for one in ask(anna, 1_000)] == ["account"]


def test_a_removed_account_is_not_paid_to_and_begins_anew_when_added_again(psp, anna):
    account = add(anna)
    me = Actor.player(anna)
    [part] = ask(anna, 1_000)
    in_use = code_of(
        lambda: payout_accounts.remove(player_id=anna, account_id=account.pk, actor=me)
    )
    assert in_use == "payout_account_in_use"
    Withdrawal.objects.filter(pk=part.pk).update(state="rejected")
    payout_accounts.remove(player_id=anna, account_id=account.pk, actor=me)
    assert code_of(lambda: ask(anna, 1_000, "w2")) == "payout_account_needed"
    before = database_now()
    again = add(anna)
    assert (again.pk, again.removed_at) == (account.pk, None)
    assert again.usable_from >= before
    assert [what for what, *_ in news()] == ["added", "removed", "added"]


def test_an_account_that_is_added_again_is_new_to_those_who_look(psp, anna, owner):
    account, me = add(anna), Actor.player(anna)
    owner.execute(
        "UPDATE payments_instrument SET first_seen = now() - interval '60 days',"
        " usable_from = now() - interval '60 days'"
    )
    [part] = ask(anna, 1_000)
    assert "new_account" not in AssessmentRow.objects.get(request_id=part.request_id).reasons
    withdrawals.reject(part.request_id, actor=STAFF[0], reason="x")
    payout_accounts.remove(player_id=anna, account_id=account.pk, actor=me)
    add(anna)
    [part] = ask(anna, 1_000, "w2")
    found = AssessmentRow.objects.get(request_id=part.request_id)
    assert ("new_account" in found.reasons, found.facts["newest_target_hours"]) == (True, 0)


def test_nobody_removes_or_uses_somebody_elses(psp, anna):
    theirs = add(verified())
    me = Actor.player(anna)
    assert code_of(
        lambda: payout_accounts.remove(player_id=anna, account_id=theirs.pk, actor=me)
    ) == "payout_account_unknown"  # fmt: skip
    theirs.refresh_from_db()
    assert theirs.removed_at is None


def test_a_deposit_too_old_to_refund_goes_to_the_account_it_came_from(psp, anna, owner):
    mine, newest = own_account(anna, token="a1"), own_account(anna, token="a2")
    deposit = paid_in(anna, 3_000, instrument=mine)
    began = database_now() - timedelta(days=200)
    owner.execute("UPDATE payments_deposit SET created_at = %s WHERE id = %s", [began, deposit.pk])
    assert [(one.instrument_id, one.amount_minor) for one in ask(anna, 5_000)] == [
        (mine.pk, 3_000),
        (newest.pk, 2_000),
    ]


@pytest.mark.parametrize("number", OTHER_IBANS)
def test_accounts_of_other_countries_are_known(psp, anna, number):
    assert add(anna, number).country == number[:2]


@pytest.mark.feature("F111")
@pytest.mark.usefixtures("database")
def test_erased_payments_say_no_more_to_which_account_they_went(owner):
    gone, stays = verified(), verified()
    account = own_account(gone, holder=NAME, fingerprint="fp_1")
    other = own_account(stays, holder=NAME, fingerprint="fp_2")
    closed(owner, gone, "6 years")
    grant(gone)
    keep_retention()
    account.refresh_from_db()
    other.refresh_from_db()
    assert (account.token, account.holder, account.fingerprint, account.last4, account.country) == (
        f"erased:{account.pk}", "", "", "", "",
    )  # fmt: skip
    assert (other.holder, other.fingerprint, other.last4) == (NAME, "fp_2", "3000")


@pytest.mark.feature("F111")
@pytest.mark.usefixtures("database")
def test_a_players_copy_of_their_data_has_their_accounts_and_no_token():
    player, other = verified(), verified()
    own_account(player, holder=NAME, token="acct_secret")
    own_account(other)
    [part] = [
        one
        for one in data_export.parts(player, database_now())
        if one.name == "means_of_payment.jsonl"
    ]
    [row] = list(part.rows)
    assert (row["last4"], row["holder"], row["kind"]) == ("3000", NAME, "bank_account")
    assert "acct_secret" not in str(row)
