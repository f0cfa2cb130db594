"""Excluded under every profile there is: money leaves, nothing else does, nothing is advertised."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.database_clock import database_now
from compliance import exclusion
from compliance.gate import GateCode, Purpose
from compliance.jurisdictions import known_codes
from compliance.models import Standing
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from ledger import accounts as ledger_accounts
from notices import consent, kinds
from notices.models import Channel, Delivery, Notice
from notices.send import notify
from payments.models import Withdrawal
from payments.paying_out import withdrawals
from tests import house
from tests.flows.limit_steps import CURRENCIES, code, player_in
from tests.flows.payout_steps import own_account

pytestmark = [pytest.mark.usefixtures("database")]
EVERY = pytest.mark.parametrize("jurisdiction", sorted(known_codes()))


def with_money(jurisdiction: str, minor: int = 5_000) -> PlayerId:
    """A verified player of the profile, with money from before it was theirs."""
    currency = CURRENCIES[jurisdiction]
    player = player_in(jurisdiction)
    Standing.objects.filter(pk=player).update(
        jurisdiction="DEMO", limits_answered_at=database_now()
    )
    house.fund(player, minor, currency)
    Standing.objects.filter(pk=player).update(jurisdiction=jurisdiction)
    return player


def exclude(player: PlayerId) -> None:
    exclusion.self_exclude(
        player,
        until=database_now() + timedelta(days=400),
        actor=Actor.player(player),
        reason="enough",
    )


def test_every_profile_is_here():
    assert set(CURRENCIES) == set(known_codes())


@pytest.mark.feature("F102", "F104")
@EVERY
def test_an_excluded_players_money_leaves_under_every_profile(jurisdiction):
    currency = CURRENCIES[jurisdiction]
    player = with_money(jurisdiction)
    own_account(player)
    exclude(player)
    now = database_now()
    assert code(player, now, 100, Purpose.BET) is GateCode.EXCLUDED
    assert code(player, now, 100, Purpose.DEPOSIT) is GateCode.EXCLUDED
    assert code(player, now, 100, Purpose.SIGN_IN) is None
    asked = withdrawals.request(
        player_id=player,
        amount=Money(5_000, currency),
        key="all-of-it",
        actor=Actor.player(player),
    )
    assert Withdrawal.objects.get(pk=asked.pk).state == "risk_review"
    held = ledger_accounts.balance(ledger_accounts.player_held(player, currency)).posted_minor
    assert (house.balance(player, currency), held) == (0, 5_000)


@pytest.mark.feature("F102", "F104")
@EVERY
def test_money_leaves_where_register_place_and_signature_all_say_no(jurisdiction, owner):
    """Nothing from outside the house keeps an excluded player's money in it."""
    player = with_money(jurisdiction)
    exclude(player)
    owner.execute(
        "UPDATE compliance_admission SET registry_outcome = 'excluded', likenesses = 1,"
        " place_outcome = 'not_allowed'"
    )
    owner.execute("ALTER TABLE compliance_profile_proposal DISABLE TRIGGER USER")
    owner.execute("UPDATE compliance_profile_proposal SET digest = repeat('0', 64)")
    assert code(player, database_now(), 5_000, Purpose.WITHDRAWAL) is None
    assert code(player, database_now(), 100, Purpose.BET) is GateCode.EXCLUDED


@pytest.mark.feature("F102")
@EVERY
def test_nothing_is_advertised_to_an_excluded_player_whatever_they_agreed_to(
    jurisdiction, monkeypatch
):
    player = player_in(jurisdiction)
    consent.give(int(player), Channel.EMAIL, actor=Actor.player(player))
    consent.give(int(player), Channel.INBOX, actor=Actor.player(player))
    assert code(player, database_now(), 0, Purpose.MARKETING) is None
    exclude(player)
    assert code(player, database_now(), 0, Purpose.MARKETING) is GateCode.EXCLUDED
    for channel in Channel:
        assert not consent.is_given(int(player), channel)
    consent.give(int(player), Channel.EMAIL, actor=Actor.player(player))  # even agreed to anew
    before = set(Notice.objects.values_list("id", flat=True))
    for name in sorted(kinds._kinds):
        monkeypatch.setitem(kinds._kinds, name, kinds.Kind(name, marketing=True))
        notify(int(player), name, {"what": "received", "subject": "age"})
    sent = Notice.objects.exclude(id__in=before)
    assert sent.count() == len(kinds._kinds) > 10
    assert not sent.filter(in_inbox=True).exists()
    states = Delivery.objects.filter(notice__in=sent).values_list("state", flat=True)
    assert set(states) == {"suppressed"}


@pytest.mark.feature("F102")
def test_what_is_no_advertisement_still_reaches_an_excluded_player():
    """Every kind of notice there is: none calls itself marketing, so none is lost to exclusion."""
    player = player_in("DEMO")
    exclude(player)
    assert {name for name, kind in kinds._kinds.items() if kind.marketing} <= {"test_news"}
    notify(int(player), "verification_news", {"what": "received", "subject": "identity"})
    newest = Notice.objects.filter(person_id=player, kind="verification_news").latest("created_at")
    assert newest.in_inbox
