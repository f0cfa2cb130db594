"""The gate on the real database: who may do what, in one batch, and what the database refuses."""

from __future__ import annotations

import json
from datetime import date, timedelta
from io import StringIO
from ipaddress import ip_address

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.database_clock import database_now
from compliance import exclusion, facts, gate, limits, rooms, sign_up, switches
from compliance.gate import GateCode, Purpose
from compliance.limit_arithmetic import LimitKind, Period
from compliance.location import looking
from compliance.models import GateDecision, Reservation, Standing, Status
from kernel.ids import Actor, PlayerId, new_id
from kernel.invariant import InvariantBroken
from kernel.money import Money
from kernel.refusal import Refused
from ledger import accounts, posting
from ledger.postings import PostCode, Transfer, TransferKind
from tests import house
from tests.flows import place_steps
from tests.flows.term_steps import term_ends

STAFF = Actor.staff(1)
HOUSE = Actor.system("test")


def make_player(name: str = "ada", currency: str = "EUR") -> PlayerId:
    return sign_up.register_player(
        email=f"{name}@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency=currency,
        actor=Actor.system("test"),
    )


def ask(player: PlayerId, purpose: Purpose = Purpose.BET, minor: int = 1_000, **more):
    scopes = more.get("scopes", ("table:alexandria", "game:roulette"))
    amount = Money(minor, more.get("currency", "EUR"))
    return gate.GateRequest(more.get("ref") or new_id(), player, purpose, amount, scopes)


def decide(*requests: gate.GateRequest) -> list[gate.Decision]:
    with transaction.atomic():
        return gate.decide(requests, now=database_now())


def codes(*requests: gate.GateRequest) -> list[GateCode | None]:
    return [answer.code for answer in decide(*requests)]


def every_code(player: PlayerId) -> dict[Purpose, GateCode | None]:
    return dict(zip(Purpose, codes(*(ask(player, one) for one in Purpose)), strict=True))


def tell(player: PlayerId, kind: facts.FactKind, minor: int) -> None:
    with transaction.atomic():
        facts.record([facts.Fact(player, kind, Money(minor, "EUR"), database_now())])


def limit(player: PlayerId, kind: LimitKind, minor: int | None, period: Period = Period.DAY):
    return limits.set_limit(
        player,
        kind=kind,
        period=period,
        amount=None if minor is None else Money(minor, "EUR"),
        actor=Actor.player(player),
        now=database_now(),
    )


def exclude(player: PlayerId) -> None:
    exclusion.self_exclude(
        player,
        until=database_now() + timedelta(days=400),
        actor=Actor.player(player),
        reason="enough",
    )


def test_a_player_in_good_standing_may_bet_and_the_answer_is_written_down(database):
    player = make_player()
    request = ask(player)
    [answer] = decide(request)
    assert (answer.allowed, answer.code, answer.policy) == (True, None, "DEMO/2026-01-01")
    row = GateDecision.objects.get()
    assert (row.id, row.ref, row.allowed, row.code) == (answer.permit, request.ref, True, None)
    assert row.facts["scopes"] == ["table:alexandria", "game:roulette"]


def test_refusals_are_written_down_too_and_carry_no_permit(database):
    [answer] = decide(ask(PlayerId(404)))
    assert (answer.allowed, answer.code, answer.permit) == (False, GateCode.NO_STANDING, None)
    assert GateDecision.objects.get().code == "no_standing"


@pytest.mark.feature("F102", "F104")
def test_an_excluded_player_may_withdraw_and_sign_in_and_nothing_else(database):
    player = make_player()
    exclude(player)
    assert every_code(player) == {
        Purpose.BET: GateCode.EXCLUDED,
        Purpose.DEPOSIT: GateCode.EXCLUDED,
        Purpose.WITHDRAWAL: None,
        Purpose.SIGN_IN: None,
        Purpose.MARKETING: GateCode.EXCLUDED,
    }


@pytest.mark.feature("F102")
def test_an_exclusion_is_over_only_when_the_player_has_come_back_and_waited(database, owner):
    player = make_player()
    exclude(player)
    with pytest.raises(Refused) as refused:
        exclusion.come_back(player, actor=Actor.player(player), reason="want to")
    assert refused.value.code is exclusion.ExclusionCode.NOT_OVER
    yesterday = database_now() - timedelta(days=1)
    term_ends(owner, yesterday, player)
    assert codes(ask(player)) == [GateCode.EXCLUDED]
    exclusion.come_back(player, actor=Actor.player(player), reason="want to")
    assert codes(ask(player)) == [GateCode.EXCLUDED]
    term_ends(owner, yesterday, player)
    assert codes(ask(player)) == [None]


@pytest.mark.feature("F102")
def test_an_exclusion_has_a_minimum_and_is_never_shortened(database):
    player = make_player()
    me = Actor.player(player)
    with pytest.raises(Refused) as refused:
        exclusion.self_exclude(
            player, until=database_now() + timedelta(days=30), actor=me, reason="x"
        )
    assert refused.value.code is exclusion.ExclusionCode.TOO_SHORT
    assert codes(ask(player)) == [None]
    exclude(player)
    with pytest.raises(Refused) as refused:
        exclusion.self_exclude(
            player, until=database_now() + timedelta(days=200), actor=STAFF, reason="kind"
        )
    assert refused.value.code is exclusion.ExclusionCode.WOULD_SHORTEN


def test_a_break_refuses_play_until_it_is_over(database, owner):
    # a test says that the time is over; the database would take that for a shortened break
    owner.execute("ALTER TABLE compliance_standing DISABLE TRIGGER compliance_exclusion_stays")
    player = make_player()
    me = Actor.player(player)
    exclusion.cool_off(player, until=database_now() + timedelta(days=1), actor=me, reason="")
    assert codes(ask(player), ask(player, Purpose.WITHDRAWAL)) == [GateCode.COOLING_OFF, None]
    with pytest.raises(Refused) as refused:
        exclusion.cool_off(player, until=database_now() + timedelta(hours=1), actor=me, reason="")
    assert refused.value.code is exclusion.ExclusionCode.WOULD_SHORTEN
    Standing.objects.filter(pk=player).update(cool_off_until=database_now())
    assert codes(ask(player)) == [None]


@pytest.mark.parametrize(
    ("status", "bet", "withdrawal", "sign_in"),
    [
        (Status.SUSPENDED, GateCode.SUSPENDED, GateCode.SUSPENDED, None),
        (Status.CLOSED, GateCode.CLOSED, None, GateCode.CLOSED),
    ],
)
def test_suspended_and_closed_accounts(database, status, bet, withdrawal, sign_in):
    player = make_player()
    Standing.objects.filter(pk=player).update(status=status)
    found = every_code(player)
    assert (found[Purpose.BET], found[Purpose.DEPOSIT]) == (bet, bet)
    assert (found[Purpose.WITHDRAWAL], found[Purpose.SIGN_IN]) == (withdrawal, sign_in)


@pytest.mark.feature("F108")
def test_age_and_verification_are_asked_as_the_policy_says(database, settings, tmp_path):
    place_steps.lay(settings, tmp_path)
    player = make_player()
    house.sign_off("GB")
    Standing.objects.filter(pk=player).update(jurisdiction="GB")
    found = every_code(player)
    assert found[Purpose.BET] is found[Purpose.WITHDRAWAL] is GateCode.NOT_VERIFIED
    Standing.objects.filter(pk=player).update(age_verified=True, identity_verified=True)
    assert codes(ask(player)) == [GateCode.REGISTRY_UNCLEAR]
    house.register_says_clear(player)
    assert codes(ask(player)) == [GateCode.PLACE_NOT_CHECKED]
    looking.look(player, ip_address(place_steps.LONDON))
    assert codes(ask(player)) == [None]
    Standing.objects.filter(pk=player).update(of_age_on=database_now() + timedelta(days=2))
    assert codes(ask(player)) == [GateCode.UNDER_AGE]
    Standing.objects.filter(pk=player).update(jurisdiction="DE", of_age_on=date(2000, 1, 1))
    assert codes(ask(player)) == [GateCode.NOT_OFFERED]


def test_amounts_of_nothing_and_other_currencies_are_refused(database):
    player = make_player()
    odd = ask(player, currency='E,"')  # not what a list of names in one text is broken by
    assert codes(ask(player, minor=0), ask(player, minor=-5), ask(player, currency="SEK"), odd) == [
        GateCode.NOT_POSITIVE,
        GateCode.NOT_POSITIVE,
        GateCode.WRONG_CURRENCY,
        GateCode.WRONG_CURRENCY,
    ]


@pytest.mark.feature("F49")
@pytest.mark.parametrize(
    ("scope", "stopped"),
    [
        ("all", {Purpose.BET, Purpose.DEPOSIT, Purpose.MARKETING}),
        ("play", {Purpose.BET}),
        ("table:alexandria", {Purpose.BET}),
        ("game:roulette", {Purpose.BET}),
        ("table:other", set()),
        ("deposits", {Purpose.DEPOSIT}),
        ("withdrawals", {Purpose.WITHDRAWAL}),
    ],
)
def test_a_disabled_scope_stops_what_touches_it_and_nothing_else(database, scope, stopped):
    player = make_player()
    switches.disable(scope, reason="regulator's order 7", actor=HOUSE)
    answers = {
        purpose: decide(
            ask(player, purpose, scopes=("table:alexandria", "game:roulette"))
            if purpose is Purpose.BET
            else ask(player, purpose, scopes=())
        )[0].code
        for purpose in Purpose
    }
    assert {one for one, code in answers.items() if code is GateCode.DISABLED} == stopped
    assert {code for code in answers.values() if code is not GateCode.DISABLED} <= {None}
    switches.enable(scope, reason="order lifted", actor=HOUSE)
    assert set(every_code(player).values()) == {None}


@pytest.mark.feature("F49")
def test_one_player_can_be_stopped_with_a_reason_and_only_with_one(database):
    ada, bob = make_player("ada"), make_player("bob")
    with pytest.raises(Refused) as refused:
        switches.disable(f"player:{ada}", reason=" ", actor=HOUSE)
    assert refused.value.code is switches.SwitchCode.REASON_MISSING
    switches.disable(f"player:{ada}", reason="fraud case 12", actor=HOUSE)
    assert codes(ask(ada), ask(bob)) == [GateCode.DISABLED, None]
    for act, code in (
        (switches.disable, switches.SwitchCode.ALREADY_DISABLED),
        (switches.enable, switches.SwitchCode.NOT_DISABLED),
    ):
        with pytest.raises(Refused) as refused:
            act(f"player:{ada}" if act is switches.disable else "all", reason="again", actor=HOUSE)
        assert refused.value.code is code
    with pytest.raises(Refused) as refused:
        switches.disable("everything!", reason="x", actor=HOUSE)
    assert refused.value.code is switches.SwitchCode.UNKNOWN_SCOPE


@pytest.mark.feature("F99")
def test_the_loss_limit_counts_stakes_less_what_came_back(database):
    player = make_player()
    limit(player, LimitKind.LOSS, 5_000)
    tell(player, facts.FactKind.STAKED, 4_500)
    assert codes(ask(player, minor=500), ask(player, minor=501)) == [None, GateCode.LOSS_LIMIT]
    tell(player, facts.FactKind.STAKE_RETURNED, 500)
    tell(player, facts.FactKind.PAID_OUT, 1_000)
    assert facts.fold() == 3
    [refusal] = decide(ask(player, minor=2_001))
    assert refusal.data == {
        "period": "day",
        "limit_minor": 5_000,
        "left_minor": 2_000,
        "currency": "EUR",
    }
    assert codes(ask(player, minor=2_000)) == [None]


@pytest.mark.feature("F98")
def test_several_bets_of_one_player_in_one_batch_share_the_lowest_limit(database):
    ada, bob = make_player("ada"), make_player("bob")
    limit(ada, LimitKind.LOSS, 2_500, Period.WEEK)
    limit(ada, LimitKind.LOSS, 9_000, Period.DAY)
    assert codes(
        ask(ada, minor=1_000),
        ask(bob, minor=9_000),
        ask(ada, minor=1_600),
        ask(ada, minor=1_500),
        ask(ada, minor=1),
    ) == [None, None, GateCode.LOSS_LIMIT, None, GateCode.LOSS_LIMIT]


@pytest.mark.feature("F98")
def test_the_operators_limit_holds_where_the_player_set_a_higher_one_or_none(database):
    player = make_player()
    limit(player, LimitKind.DEPOSIT, 500_000, Period.MONTH)
    Standing.objects.filter(pk=player).update(jurisdiction="DE", identity_verified=True)
    standing = Standing.objects.get(pk=player)
    assert standing.jurisdiction == "DE"
    with pytest.raises(Refused) as refused:
        limit(player, LimitKind.DEPOSIT, 100_001, Period.MONTH)
    assert refused.value.code is limits.LimitCode.ABOVE_POLICY
    assert refused.value.data["limit_minor"] == 100_000
    from compliance.standing import lock_standing

    with transaction.atomic():
        found = rooms.in_force([lock_standing(player)], rooms.OF_DEPOSITS, database_now())
    assert sorted(one.limit.amount_minor for one in found) == [100_000, 500_000]


@pytest.mark.feature("F97")
def test_a_lower_limit_counts_at_once_and_a_higher_one_only_later_and_confirmed(database):
    player = make_player()
    me, day = Actor.player(player), {"kind": LimitKind.DEPOSIT, "period": Period.DAY}
    limit(player, LimitKind.DEPOSIT, 5_000)
    limit(player, LimitKind.DEPOSIT, 1_000)
    assert codes(ask(player, Purpose.DEPOSIT, 1_001)) == [GateCode.DEPOSIT_LIMIT]
    asked_at = database_now()
    change = limit(player, LimitKind.DEPOSIT, None)
    assert change.state.pending_at is not None
    assert change.state.pending_at >= asked_at + timedelta(hours=24)
    assert codes(ask(player, Purpose.DEPOSIT, 1_001)) == [GateCode.DEPOSIT_LIMIT]
    with pytest.raises(Refused) as refused:
        limits.confirm_increase(player, actor=me, now=database_now(), **day)
    assert refused.value.code is limits.LimitCode.NOT_YET
    later = change.state.pending_at
    with transaction.atomic():
        [answer] = gate.decide([ask(player, Purpose.DEPOSIT, 1_001)], now=later)
    assert answer.code is GateCode.DEPOSIT_LIMIT
    limits.confirm_increase(player, actor=me, now=later, **day)
    with transaction.atomic():
        [answer] = gate.decide([ask(player, Purpose.DEPOSIT, 1_001)], now=later)
    assert answer.allowed
    assert [row.act for row in limits.history(player)] == [
        "confirm",
        "increase",
        "decrease",
        "decrease",
    ]


def test_a_waiting_increase_can_be_cancelled(database):
    player = make_player()
    limit(player, LimitKind.LOSS, 1_000)
    limit(player, LimitKind.LOSS, 2_000)
    day = {"kind": LimitKind.LOSS, "period": Period.DAY, "actor": STAFF}
    change = limits.cancel_increase(player, now=database_now(), **day)
    assert (change.state.amount_minor, change.state.pending_at) == (1_000, None)
    with pytest.raises(Refused) as refused:
        limits.cancel_increase(player, now=database_now(), **day)
    assert refused.value.code is limits.LimitCode.NOTHING_PENDING


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (Money(0, "EUR"), limits.LimitCode.NOT_POSITIVE),
        (Money(-1, "EUR"), limits.LimitCode.NOT_POSITIVE),
        (Money(100, "SEK"), limits.LimitCode.WRONG_CURRENCY),
    ],
)
def test_a_limit_that_is_none_is_refused_and_nothing_is_kept(database, amount, code):
    player = make_player()
    with pytest.raises(Refused) as refused:
        limits.set_limit(
            player,
            kind=LimitKind.LOSS,
            period=Period.DAY,
            amount=amount,
            actor=STAFF,
            now=database_now(),
        )
    assert refused.value.code is code
    assert limits.own_limits(player) == []


def test_a_deposit_being_applied_is_not_counted_twice(database):
    player, ref = make_player(), new_id()
    limit(player, LimitKind.DEPOSIT, 5_000)
    assert codes(ask(player, Purpose.DEPOSIT, 5_000, ref=ref)) == [None]
    assert codes(ask(player, Purpose.DEPOSIT, 1)) == [GateCode.DEPOSIT_LIMIT]
    assert codes(ask(player, Purpose.DEPOSIT, 5_000, ref=ref)) == [None]
    assert Reservation.objects.count() == 1
    limits.release(ref)
    assert codes(ask(player, Purpose.DEPOSIT, 5_000)) == [None]


def test_the_number_of_statements_does_not_grow_with_the_players(database):
    players = [make_player(f"p{n}") for n in range(12)]
    for player in players:
        limit(player, LimitKind.LOSS, 100_000)

    def statements(some: list[PlayerId]) -> int:
        with CaptureQueriesContext(connection) as caught, transaction.atomic():
            answers = gate.decide([ask(one) for one in some], now=database_now())
        assert all(answer.allowed for answer in answers)
        return len(caught)

    statements(players)  # their sessions begin
    assert statements(players) == statements(players[:1])


@pytest.mark.feature("F109")
@pytest.mark.parametrize(
    ("permit", "code"), [(None, PostCode.PERMIT_MISSING), ("other", PostCode.PERMIT_INVALID)]
)
def test_a_stake_posted_around_the_gate_fails_in_the_database(database, permit, code):
    player, other = make_player("ada"), make_player("bob")
    with transaction.atomic():
        if permit:
            [answer] = gate.decide([ask(other)], now=database_now())
            permit = answer.permit
        with pytest.raises(Refused) as refused:
            posting.post(
                key="around",
                kind="stake",
                actor=Actor.system("test"),
                transfers=[
                    Transfer(
                        id=new_id(),
                        debit=accounts.player_cash(player, "EUR"),
                        credit=accounts.escrow(new_id(), "EUR"),
                        amount_minor=100,
                        kind=TransferKind.STAKE,
                        ref="around",
                        permit=permit,
                    )
                ],
            )
    assert refused.value.data["post_code"] == code


def test_a_permit_dies_with_its_transaction(database):
    player = make_player()
    [answer] = decide(ask(player))
    with transaction.atomic(), pytest.raises(Refused) as refused:
        posting.post(
            key="late",
            kind="stake",
            actor=Actor.system("test"),
            transfers=[
                Transfer(
                    id=new_id(),
                    debit=accounts.player_cash(player, "EUR"),
                    credit=accounts.escrow(new_id(), "EUR"),
                    amount_minor=100,
                    kind=TransferKind.STAKE,
                    ref="late",
                    permit=answer.permit,
                )
            ],
        )
    assert refused.value.data["post_code"] == PostCode.PERMIT_INVALID


def test_decisions_need_a_transaction(database):
    with pytest.raises(InvariantBroken):
        gate.decide([ask(make_player())], now=database_now())


def test_decisions_and_limit_changes_never_change(database, owner):
    limit(make_player(), LimitKind.LOSS, 100)
    decide(ask(PlayerId(1)))
    for statement in (
        "UPDATE compliance_gatedecision SET policy = ''",
        "DELETE FROM compliance_gatedecision",
        "UPDATE compliance_limitchange SET policy = ''",
        "DELETE FROM compliance_limitchange",
    ):
        with pytest.raises(Exception, match="append_only"):
            owner.execute(statement)


def test_explain_gate_says_todays_answers_and_leaves_no_trace(database):
    player = make_player()
    limit(player, LimitKind.LOSS, 50)
    exclude(player)
    out = StringIO()
    call_command("explain_gate", str(player), "--format", "json", stdout=out)
    report = json.loads(out.getvalue())
    assert {one["purpose"]: one["code"] for one in report["answers"]} == {
        "bet": "excluded",
        "deposit": "excluded",
        "withdrawal": None,
        "sign_in": None,
        "marketing": "excluded",
    }
    assert report["limits"][0]["left_minor"] == 50
    assert GateDecision.objects.count() == 0
    assert Reservation.objects.count() == 0
    out = StringIO()
    call_command("explain_gate", str(player), stdout=out)
    assert "withdrawal: allowed" in out.getvalue()
