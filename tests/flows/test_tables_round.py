"""One round from open to settled, and everything that may stop it."""

import pytest

from events import stream
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from ledger.checks import run_checks
from studio.protocol.messages import ObservationKind
from tables.bets.betting import place_batch
from tables.bets.slips import BettingCode, Receipt, place_bets
from tables.bets.undo import last_stakes, standing_stakes, undo_last
from tables.models import Bet, BetOutcome, Incident, Round, Slip
from tables.phases import Phase
from tables.play import settlement, suspension
from tables.play.evidence import Fault
from tests import house

pytestmark = pytest.mark.usefixtures("database")


def bet(player_id, *stakes, key=None, table="alexandria", currency="EUR"):
    slip = place_bets(
        player_id, table, key=key or new_id().hex, currency=currency, stakes=list(stakes)
    )
    return place_batch(table, [slip])[0]


def test_a_winning_bet_is_paid_exactly_and_escrow_ends_at_zero():
    pit = house.pit()
    anna = house.player(balance_minor=10_000)
    round_ = pit.open_round()
    assert round_.phase == Phase.BETTING_OPEN

    receipt = bet(anna, ("straight:17", 100), ("red", 500))
    assert isinstance(receipt, Receipt)
    assert receipt.balance_after_minor == 9_400
    assert house.balance(anna) == 9_400
    assert house.escrow_minor(round_.id) == 600

    settled = pit.play(17)

    assert (settled.phase, settled.result) == (Phase.SETTLED, 17)
    assert settled.result_sources == ["presenter", "sensor"]
    assert house.balance(anna) == 9_400 + 3_600  # 17 is black: red loses, straight pays 36
    assert house.escrow_minor(round_.id) == 0
    assert sorted(BetOutcome.objects.values_list("kind", "returned_minor")) == [
        ("lost", 0),
        ("paid", 3_600),
    ]
    assert run_checks().ok


@pytest.mark.feature("F12")
def test_the_events_of_a_round_are_gap_free_and_name_every_phase():
    pit = house.pit()
    pit.open_round()
    pit.play(0)
    events = stream.read("t:alexandria", 0, 100)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.data["phase"] for event in events if event.kind == "phase"][:6] == [
        "betting_open",
        "no_more_bets",
        "spinning",
        "result_pending",
        "official",
        "settled",
    ]


@pytest.mark.feature("F32")
def test_sources_that_disagree_stop_the_table_and_pay_nothing():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    pit.close_betting()
    pit.result(17)
    pit.confirm(20)
    pit.step()
    round_ = pit.round()
    assert (round_.phase, round_.result) == (Phase.SUSPENDED, None)
    assert Incident.objects.get().fault == Fault.SOURCES_DISAGREE
    assert house.balance(anna) == 900
    assert house.escrow_minor(round_.id) == 100
    assert not BetOutcome.objects.exists()


@pytest.mark.feature("F32")
def test_one_source_alone_never_pays():
    pit = house.pit(source_wait_ms=0)
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    pit.close_betting()
    pit.result(17)
    pit.step()
    assert pit.round().phase == Phase.SUSPENDED
    assert Incident.objects.get().fault == Fault.SOURCE_MISSING
    assert house.balance(anna) == 900


@pytest.mark.feature("F29")
def test_a_no_spin_keeps_the_bets_and_only_the_respin_counts():
    from studio.protocol.messages import ObservationKind

    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:5", 100))
    pit.close_betting()
    pit.report("wheel", ObservationKind.NO_SPIN, reason="too_few_revolutions")
    pit.step()
    assert pit.round().phase == Phase.NO_SPIN
    assert house.escrow_minor(pit.round().id) == 100

    settled = pit.play(5)
    assert (settled.phase, settled.result, settled.respins) == (Phase.SETTLED, 5, 1)
    assert house.balance(anna) == 900 + 3_600


@pytest.mark.feature("F36")
def test_voiding_refunds_every_bet_once_however_often_it_is_asked():
    pit = house.pit()
    anna, ben = house.player(balance_minor=1_000), house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 300))
    bet(ben, ("black", 400))
    suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    round_ = pit.round()
    for _ in range(2):
        suspension.void_round(round_.id, reason="drill", actor=house.TESTER)
    assert (house.balance(anna), house.balance(ben)) == (1_000, 1_000)
    assert pit.round().phase == Phase.VOIDED
    assert house.escrow_minor(round_.id) == 0
    assert BetOutcome.objects.filter(kind="refunded").count() == 2
    assert run_checks().ok


def test_a_bet_that_a_clock_set_back_hides_keeps_the_round_open(owner):
    """Chunks look between the opening and now; what lies before is never left out in silence."""
    pit = house.pit()
    anna, ben = house.player(balance_minor=1_000), house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 300))
    bet(ben, ("black", 400))
    owner.execute("ALTER TABLE tables_bet DISABLE TRIGGER USER")
    moved = owner.execute(
        "UPDATE tables_bet SET accepted_at = accepted_at - interval '1 minute'"
        " WHERE player_id = %s",
        [anna],
    )
    assert moved.rowcount == 1
    suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    round_ = pit.round()

    with pytest.raises(Refused) as refused:
        suspension.void_round(round_.id, reason="drill", actor=house.TESTER)

    assert refused.value.code == settlement.SettlementCode.BETS_LEFT
    assert pit.round().phase == Phase.SUSPENDED
    assert house.escrow_minor(round_.id) == 300  # still anna's


def test_a_settled_round_cannot_be_voided():
    pit = house.pit()
    pit.open_round()
    round_ = pit.play(3)
    with pytest.raises(Refused) as refused:
        suspension.void_round(round_.id, reason="second thoughts", actor=house.TESTER)
    assert refused.value.code == suspension.FloorCode.ROUND_NOT_SUSPENDED
    round_.refresh_from_db()
    assert round_.phase == Phase.SETTLED


def test_no_round_opens_at_a_suspended_table_until_it_is_resumed_with_a_cause():
    pit = house.pit()
    pit.open_round()
    suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    with pytest.raises(Refused) as refused:
        suspension.resume("alexandria", cause="all well", actor=house.TESTER)
    assert refused.value.code == suspension.FloorCode.ROUND_UNRESOLVED
    suspension.void_round(pit.round().id, reason="drill", actor=house.TESTER)
    pit.step()
    assert Round.objects.count() == 1
    with pytest.raises(Refused) as refused:
        suspension.resume("alexandria", cause=" ", actor=house.TESTER)
    assert refused.value.code == suspension.FloorCode.NO_CAUSE
    suspension.resume("alexandria", cause="drill over", actor=Actor.staff(1))
    pit.step()
    assert (pit.round().number, pit.round().phase) == (2, Phase.BETTING_OPEN)
    assert Incident.objects.get().resolution == "drill over"


def test_a_call_at_the_keypad_between_rounds_stops_the_table_once():
    pit = house.pit(intermission_ms=600_000)
    pit.open_round()
    pit.play(17)
    pit.report("keypad", ObservationKind.PRESENTER_CALL)
    pit.step()
    incident = Incident.objects.get()
    assert (incident.fault, incident.detail) == (Fault.PRESENTER_CALL, "alexandria-keypad")
    assert incident.round_id is None
    pit.table.refresh_from_db()
    assert pit.table.status == "suspended"
    suspension.resume("alexandria", cause="she had asked for water", actor=Actor.staff(1))
    pit.step()
    pit.table.refresh_from_db()
    assert (pit.table.status, Incident.objects.count()) == ("open", 1)


def test_a_call_pressed_while_the_table_was_closed_does_not_stop_it_when_it_opens():
    pit = house.pit(opened=False, intermission_ms=600_000)
    pit.report("keypad", ObservationKind.PRESENTER_CALL)  # somebody tries the keypad
    pit.step()
    suspension.open_table("alexandria", actor=house.TESTER)
    pit.step()
    pit.table.refresh_from_db()
    assert (pit.table.status, Incident.objects.count()) == ("open", 0)


def test_a_call_before_the_first_round_stops_an_open_table():
    pit = house.pit(presented=False)
    pit.step()
    pit.report("keypad", ObservationKind.PRESENTER_CALL)
    pit.step()
    assert Incident.objects.get().fault == Fault.PRESENTER_CALL


def test_a_call_that_a_round_has_heard_does_not_stop_the_table_again():
    pit = house.pit(intermission_ms=600_000)
    pit.open_round()
    pit.report("keypad", ObservationKind.PRESENTER_CALL)
    pit.step()
    assert pit.round().phase == Phase.SUSPENDED
    suspension.void_round(pit.round().id, reason="drill", actor=house.TESTER)
    suspension.resume("alexandria", cause="drill over", actor=Actor.staff(1))
    pit.step()
    pit.table.refresh_from_db()
    assert (pit.table.status, Incident.objects.count()) == ("open", 1)


@pytest.mark.feature("F11")
def test_bet_after_close_is_refused_and_balance_unchanged():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    Round.objects.update(closes_at=Round.objects.get().opened_at)
    refused = bet(anna, ("red", 100))
    assert refused.code == BettingCode.TOO_LATE
    assert house.balance(anna) == 1_000
    assert not Bet.objects.exists()
    assert not Slip.objects.exists()


@pytest.mark.feature("F14", "F60")
def test_the_same_key_is_answered_the_same_and_debits_once():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    first = bet(anna, ("red", 100), key="once-only-1")
    assert [bet(anna, ("red", 100), key="once-only-1") for _ in range(3)] == [first] * 3
    conflict = bet(anna, ("red", 200), key="once-only-1")
    assert conflict.code == BettingCode.KEY_CONFLICT
    pit.play(1)
    assert bet(anna, ("red", 100), key="once-only-1") == first  # the next round changes nothing
    assert Bet.objects.count() == 1


def test_the_same_key_twice_in_one_batch_is_one_bet():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    slip = place_bets(anna, "alexandria", key="twice-in-one", currency="EUR", stakes=[("red", 100)])
    other = place_bets(
        anna, "alexandria", key="twice-in-one", currency="EUR", stakes=[("red", 200)]
    )
    first, second, third = place_batch("alexandria", [slip, slip, other])
    assert first == second
    assert third.code == BettingCode.KEY_CONFLICT
    assert house.balance(anna) == 900


@pytest.mark.feature("F58")
def test_one_poor_slip_in_a_batch_is_refused_and_the_others_stand():
    pit = house.pit()
    rich, poor = house.player(balance_minor=1_000), house.player(balance_minor=100)
    pit.open_round()
    slips = [
        place_bets(rich, "alexandria", key="rich-slip-1", currency="EUR", stakes=[("red", 500)]),
        place_bets(
            poor,
            "alexandria",
            key="poor-slip-1",
            currency="EUR",
            stakes=[("red", 50), ("odd", 100)],
        ),
        place_bets(rich, "alexandria", key="rich-slip-2", currency="EUR", stakes=[("even", 500)]),
    ]
    first, second, third = place_batch("alexandria", slips)
    assert isinstance(first, Receipt)
    assert isinstance(third, Receipt)
    assert second.code == BettingCode.INSUFFICIENT_FUNDS
    assert (house.balance(rich), house.balance(poor)) == (0, 100)
    assert Bet.objects.count() == 2


def test_limits_count_what_stands_already():
    pit = house.pit()
    anna = house.player(balance_minor=100_000)
    pit.open_round()
    assert isinstance(bet(anna, ("straight:17", 5_000)), Receipt)
    refused = bet(anna, ("straight:17", 50))
    assert refused.code == "above_position_maximum"
    assert house.balance(anna) == 95_000


def test_undo_returns_the_last_slip_and_only_once_per_key():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    bet(anna, ("odd", 200), ("even", 50))
    undone = undo_last(anna, "alexandria", key="undo-key-1")
    assert undone.total_minor == 250
    assert undo_last(anna, "alexandria", key="undo-key-1") == undone
    assert house.balance(anna) == 900
    assert standing_stakes(anna, "alexandria") == [("red", 100)]
    undo_last(anna, "alexandria", key="undo-key-2")
    with pytest.raises(Refused) as refused:
        undo_last(anna, "alexandria", key="undo-key-3")
    assert refused.value.code == BettingCode.NOTHING_TO_UNDO
    pit.play(1)  # nothing of it is settled: each bet has the one outcome "undone"
    assert set(BetOutcome.objects.values_list("kind", flat=True)) == {"undone"}
    assert house.balance(anna) == 1_000
    assert run_checks().ok


def test_an_undo_after_the_close_is_refused_and_the_bet_stands():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    pit.close_betting()
    with pytest.raises(Refused) as refused:
        undo_last(anna, "alexandria", key="undo-late-1")
    assert refused.value.code == BettingCode.TOO_LATE
    assert house.balance(anna) == 900


def test_a_rebet_repeats_what_stood_at_the_end_of_the_last_round():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    bet(anna, ("odd", 200))
    undo_last(anna, "alexandria", key="undo-key-9")
    pit.play(2)
    pit.open_round()
    assert last_stakes(anna, "alexandria") == [("red", 100)]


@pytest.mark.feature("F49")
def test_a_disabled_table_takes_no_bet_and_its_round_concludes():
    from compliance import switches

    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    switches.disable("table:alexandria", reason="drill", actor=house.TESTER)
    assert bet(anna, ("red", 100)).code == "disabled"
    assert house.balance(anna) == 900
    settled = pit.play(1)
    assert settled.phase == Phase.SETTLED
    assert house.balance(anna) == 1_100
    pit.step()
    assert Round.objects.count() == 1  # and no new one opens


@pytest.mark.feature("F110")
def test_a_player_excluded_mid_round_cannot_bet_and_is_still_paid():
    from datetime import timedelta

    from audit.database_clock import database_now
    from compliance import exclusion

    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    exclusion.self_exclude(
        anna,
        until=database_now() + timedelta(days=400),
        actor=Actor.player(anna),
        reason="enough",
    )
    assert bet(anna, ("red", 100)).code == "excluded"
    pit.play(1)
    assert house.balance(anna) == 1_100


def test_no_round_opens_while_an_earlier_ball_is_still_in_play():
    pit = house.pit()
    pit.wheel_state(4)
    pit.step()
    assert not Round.objects.exists()
    pit.wheel_state(2)
    pit.step()
    assert pit.round().phase == Phase.BETTING_OPEN


def test_a_number_captured_before_a_respin_and_delivered_after_it_does_not_count():
    """A controller that was cut off delivers an old result late: it is of another ball."""
    from studio.protocol.messages import ObservationKind
    from tables.play.sightings import take_report

    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100))
    pit.close_betting()
    late = [
        pit.signed("wheel", pit.observation("wheel", ObservationKind.RESULT, number=17, spin=1)),
        pit.signed(
            "keypad", pit.observation("keypad", ObservationKind.PRESENTER_CONFIRM, number=17)
        ),
    ]
    suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    suspension.respin_round(pit.round().id, reason="drill", actor=house.TESTER)
    take_report("alexandria", late)
    pit.step()
    assert (pit.round().phase, pit.round().result) == (Phase.NO_SPIN, None)
    assert house.balance(anna) == 900
    pit.wheel_state(3)
    pit.wheel_state(4)
    pit.result(20)
    pit.confirm(20)
    pit.step()
    assert (pit.round().phase, pit.round().result) == (Phase.SETTLED, 20)
    assert house.balance(anna) == 900


def test_a_suspended_table_takes_no_bet_even_in_a_round_that_is_open():
    from tables.models import Table, TableStatus

    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    Table.objects.update(status=TableStatus.SUSPENDED)
    assert bet(anna, ("red", 100)).code == BettingCode.TABLE_SUSPENDED
    assert house.balance(anna) == 1_000


def test_a_slip_for_one_round_is_too_late_in_the_next():
    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    slip = place_bets(
        anna,
        "alexandria",
        key="delayed-slip",
        currency="EUR",
        stakes=[("red", 100)],
        round_number=1,
    )
    pit.play(5)
    pit.wheel_state(2)
    pit.step()
    assert pit.round().number == 2
    (answer,) = place_batch("alexandria", [slip])
    assert answer.code == BettingCode.TOO_LATE
    assert house.balance(anna) == 1_000


def test_a_round_whose_refunds_have_begun_cannot_spin_again(monkeypatch):
    from tables.play import settlement

    pit = house.pit()
    anna = house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("red", 100))
    suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    round_id = pit.round().id
    monkeypatch.setattr(settlement, "_finish", lambda *a, **k: None)  # killed before the end
    suspension.void_round(round_id, reason="drill", actor=house.TESTER)
    monkeypatch.undo()
    with pytest.raises(Refused) as refused:
        suspension.respin_round(round_id, reason="drill", actor=house.TESTER)
    assert refused.value.code == suspension.FloorCode.REFUNDS_BEGUN
    suspension.void_round(round_id, reason="drill", actor=house.TESTER)
    assert (pit.round().phase, house.balance(anna)) == (Phase.VOIDED, 1_000)
