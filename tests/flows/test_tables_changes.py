"""Settings of a table: proposed by one, decided by another, in force between two rounds."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables.changes import changes
from tables.changes.changes import ChangeCode, Wanted
from tables.changes.models import ChangeKind, ChangeState, SettingChange
from tables.models import Table, TableLimits, TableStatus
from tables.opening import published_rules
from tables.rules import roulette
from tests import house

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F81")]

ANN, BEN, CAT = Actor.staff(901), Actor.staff(902), Actor.staff(903)


def higher_limits(minor: int = 200) -> dict:
    limits = roulette.default_limits("EUR").to_dict()
    limits["table"] = dict(limits["table"], min_minor=minor)
    return limits


def limits_now() -> dict:
    return TableLimits.objects.get(table="alexandria", currency="EUR").limits


def propose_limits(minor: int = 200, *, key: str = "", actor: Actor = ANN) -> SettingChange:
    wanted = Wanted("alexandria", ChangeKind.LIMITS, higher_limits(minor), "EUR")
    return changes.propose(wanted, reason="A quiet evening.", key=key or new_id().hex, actor=actor)


def propose(kind: ChangeKind, after: dict, **more) -> SettingChange:
    return changes.propose(
        Wanted("alexandria", kind, after, **more), reason="Why not.", key=new_id().hex, actor=ANN
    )


def code_of(act) -> str:
    with pytest.raises(Refused) as refused:
        act()
    return str(refused.value.code)


def kinds() -> list[str]:
    found = AuditEvent.objects.filter(kind__startswith="change.").order_by("at", "id")
    return list(found.values_list("kind", flat=True))


def test_what_one_proposes_another_approves_and_between_rounds_it_is_in_force_at_once():
    house.pit()
    before = limits_now()
    change = propose_limits()
    assert limits_now() == before

    changes.approve(change.id, actor=BEN, decision="Seen.")
    change.refresh_from_db()
    assert (change.state, change.decided_by) == (ChangeState.APPLIED, str(BEN))
    assert limits_now() == higher_limits()
    assert kinds() == ["change.proposed", "change.approved", "change.applied"]
    told = AuditEvent.objects.get(kind="change.applied")
    assert told.before == {"table.min_minor": before["table"]["min_minor"]}
    assert told.after == {"table.min_minor": 200, "change": str(change.id)}


def test_a_round_in_play_keeps_its_settings_and_the_next_one_has_the_new():
    pit = house.pit()
    first = pit.open_round()
    window = pit.table.betting_window_ms
    before = limits_now()
    limits = propose_limits()
    pace = propose(
        ChangeKind.PACE,
        changes.current("alexandria", ChangeKind.PACE) | {"betting_window_ms": 300_000},
    )
    for change in (limits, pace):
        assert changes.approve(change.id, actor=BEN).state == ChangeState.APPROVED

    assert limits_now() == before
    assert Table.objects.get().betting_window_ms == window
    pit.play(17)
    second = pit.open_round()
    assert second.number == first.number + 1
    assert limits_now() == higher_limits()
    assert round((second.closes_at - second.opened_at).total_seconds()) == 300
    assert set(SettingChange.objects.values_list("state", flat=True)) == {ChangeState.APPLIED}


@pytest.mark.feature("F40")
def test_other_rules_hold_from_the_next_round_and_the_history_says_since_when():
    pit = house.pit()
    first = pit.open_round()
    published_rules.publish("european-la-partage", actor=CAT)
    change = propose(ChangeKind.RULESET, {"ruleset": "european-la-partage"})
    changes.approve(change.id, actor=BEN)
    first.refresh_from_db()
    assert first.ruleset == Table.objects.get().ruleset == "european"
    pit.play(0)
    second = pit.open_round()
    assert second.ruleset == "european-la-partage"
    assert second.rules_hash != first.rules_hash
    change.refresh_from_db()
    assert first.opened_at < change.applied_at <= second.opened_at


def test_a_table_closes_after_its_round_and_opens_by_the_same_way():
    pit = house.pit()
    pit.open_round()
    closing = propose(ChangeKind.STATUS, {"status": "closed"})
    changes.approve(closing.id, actor=BEN)
    assert Table.objects.get().status == TableStatus.OPEN
    played = pit.play(5)
    assert played.phase == "settled"
    pit.step()
    assert Table.objects.get().status == TableStatus.CLOSED
    assert pit.round().id == played.id  # none opened since
    opening = propose(ChangeKind.STATUS, {"status": "open"})
    changes.approve(opening.id, actor=BEN)
    assert Table.objects.get().status == TableStatus.OPEN


def test_nobody_approves_or_rejects_their_own_and_the_database_refuses_it_too():
    house.pit()
    change = propose_limits()
    before = limits_now()
    assert code_of(lambda: changes.approve(change.id, actor=ANN)) == ChangeCode.SAME_PERSON
    assert code_of(lambda: changes.reject(change.id, decision="no", actor=ANN)) == "same_person"
    with pytest.raises(IntegrityError, match="change_four_eyes"), transaction.atomic():
        SettingChange.objects.filter(id=change.id).update(
            state=ChangeState.APPROVED, decided_by=str(ANN), decided_at=change.proposed_at
        )
    assert limits_now() == before
    assert SettingChange.objects.get().state == ChangeState.PROPOSED


def test_two_who_decide_at_once_get_one_decision():
    house.pit()
    change = propose_limits()
    changes.approve(change.id, actor=BEN)
    assert changes.approve(change.id, actor=BEN).state == ChangeState.APPLIED  # a repeat is done
    assert code_of(lambda: changes.approve(change.id, actor=CAT)) == ChangeCode.ALREADY_DECIDED
    assert code_of(lambda: changes.reject(change.id, decision="no", actor=CAT)) == "already_decided"
    assert kinds().count("change.applied") == 1


def test_what_changed_meanwhile_makes_the_proposal_stale():
    house.pit()
    change = propose(ChangeKind.STATUS, {"status": "closed"})
    Table.objects.update(status=TableStatus.SUSPENDED)
    assert code_of(lambda: changes.approve(change.id, actor=BEN)) == ChangeCode.STALE_CHANGE
    assert Table.objects.get().status == TableStatus.SUSPENDED
    assert SettingChange.objects.get().state == ChangeState.PROPOSED
    assert changes.withdraw(change.id, actor=ANN).state == ChangeState.WITHDRAWN


def test_an_approved_change_that_no_longer_fits_is_left_and_the_runner_goes_on():
    pit = house.pit()
    pit.open_round()
    change = propose(ChangeKind.LATENCY, {"latency_bound_ms": 6_000})
    changes.approve(change.id, actor=BEN)
    Table.objects.update(latency_bound_ms=1)
    pit.play(9)
    second = pit.open_round()
    assert second.number == 2
    change.refresh_from_db()
    assert change.state == ChangeState.STALE
    assert Table.objects.get().latency_bound_ms == 1
    assert kinds()[-1] == "change.stale"


def test_a_page_that_is_out_of_date_proposes_nothing():
    house.pit()
    seen = changes.current("alexandria", ChangeKind.LIMITS, "EUR")
    changes.approve(propose_limits(300).id, actor=BEN)
    wanted = Wanted("alexandria", ChangeKind.LIMITS, higher_limits(400), "EUR", seen)
    assert (
        code_of(lambda: changes.propose(wanted, reason="x", key="k", actor=ANN))
        == ChangeCode.STALE_CHANGE
    )
    assert SettingChange.objects.count() == 1


def test_a_repeated_key_is_the_same_proposal_and_one_at_a_time_waits():
    house.pit()
    first = propose_limits(key="one")
    assert propose_limits(key="one").id == first.id
    assert code_of(lambda: propose_limits(300)) == ChangeCode.ALREADY_PROPOSED
    changes.reject(first.id, decision="Too high.", actor=BEN)
    assert propose_limits(300).state == ChangeState.PROPOSED


@pytest.mark.parametrize(
    ("kind", "after", "code"),
    [
        (ChangeKind.PACE, {"betting_window_ms": 11_000}, "out_of_bounds"),
        (ChangeKind.RULESET, {"ruleset": "american"}, "out_of_bounds"),
        (ChangeKind.STATUS, {"status": "suspended"}, "out_of_bounds"),
        (ChangeKind.STATUS, {"status": "open"}, "nothing_changes"),
        (ChangeKind.LATENCY, {"latency_bound_ms": 12_001}, "out_of_bounds"),
        (ChangeKind.LATENCY, {"latency_bound_ms": "8000"}, "out_of_bounds"),
        (ChangeKind.LIMITS, {}, "limits_invalid"),
    ],
)
def test_what_no_table_can_have_is_not_proposed(kind, after, code):
    house.pit()
    assert code_of(lambda: propose(kind, after)) == code
    assert not SettingChange.objects.exists()


def test_a_change_without_a_reason_is_none():
    house.pit()
    wanted = Wanted("alexandria", ChangeKind.STATUS, {"status": "closed"})
    act = lambda: changes.propose(wanted, reason=" ", key="k", actor=ANN)  # noqa: E731  (one line)
    assert code_of(act) == ChangeCode.NO_REASON


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tables_tablelimits SET limits = jsonb_set(limits, '{table,max_minor}', '1')",
        "DELETE FROM tables_tablelimits",
        "UPDATE tables_table SET ruleset = 'european-la-partage'",
        "UPDATE tables_settingchange SET reason = 'another'",
        "UPDATE tables_settingchange SET after = '{}'",
        "DELETE FROM tables_settingchange",
    ],
)
def test_limits_rules_and_proposals_move_by_no_other_way_whoever_asks(owner, statement):
    house.pit()
    propose_limits()
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(statement)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_an_applied_change_moves_limits_in_its_own_transaction_only():
    house.pit()
    changes.approve(propose_limits(200).id, actor=BEN)
    changes.approve(propose_limits(300).id, actor=BEN)
    with pytest.raises(IntegrityError), transaction.atomic():
        TableLimits.objects.update(limits=higher_limits(200))
    assert limits_now() == higher_limits(300)
