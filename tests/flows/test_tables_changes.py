"""Settings of a table: proposed by one, decided by another, in force between two rounds."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from accounts import appointments
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from studio.protocol.messages import ObservationKind
from tables.changes import changes
from tables.changes.changes import ChangeCode, Wanted
from tables.changes.models import ChangeKind, ChangeState, SettingChange
from tables.floor_plan import set_up_table
from tables.models import Incident, Table, TableLimits, TableStatus
from tables.opening import published_rules
from tables.play import suspension
from tables.play.evidence import Fault
from tables.rules import roulette
from tests import house
from tests.flows.staff_steps import employ

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F81")]

ANN, BEN, CAT = Actor.staff(901), Actor.staff(902), Actor.staff(903)
PIT_BOSS, OFFICER, NOBODY = Actor.staff(911), Actor.staff(912), Actor.staff(999_999)


@pytest.fixture(autouse=True)
def people(database):
    for actor in (ANN, BEN, CAT):
        employ(actor, Role.ADMINISTRATOR)
    employ(PIT_BOSS, Role.PIT_BOSS)
    employ(OFFICER, Role.COMPLIANCE)


def higher_limits(minor: int = 200) -> dict:
    limits = roulette.default_limits("EUR").to_dict()
    limits["table"] = dict(limits["table"], min_minor=minor)
    return limits


def limits_now() -> dict:
    return TableLimits.objects.get(table="alexandria", currency="EUR").limits


def propose_limits(
    minor: int = 200, *, key: str = "", actor: Actor = ANN, table_id: str = "alexandria"
) -> SettingChange:
    wanted = Wanted(table_id, ChangeKind.LIMITS, higher_limits(minor), "EUR")
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


def test_an_approved_change_that_no_longer_fits_is_left_and_the_runner_goes_on(owner):
    pit = house.pit()
    pit.open_round()
    change = propose(ChangeKind.LATENCY, {"latency_bound_ms": 6_000})
    changes.approve(change.id, actor=BEN)
    owner.execute("ALTER TABLE tables_table DISABLE TRIGGER tables_table_guarded")
    Table.objects.update(latency_bound_ms=1)
    owner.execute("ALTER TABLE tables_table ENABLE TRIGGER tables_table_guarded")
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


def test_a_used_key_with_other_values_is_refused_and_the_first_proposal_stands():
    house.pit()
    house.pit("cordouan")
    first = propose_limits(key="one")
    others = (
        Wanted("alexandria", ChangeKind.LIMITS, higher_limits(300), "EUR"),
        Wanted("cordouan", ChangeKind.LIMITS, higher_limits(), "EUR"),
        Wanted("alexandria", ChangeKind.LATENCY, {"latency_bound_ms": 6_000}),
    )
    for wanted in others:
        act = partial(changes.propose, wanted, reason="A quiet evening.", key="one", actor=ANN)
        assert code_of(act) == ChangeCode.KEY_CONFLICT
    reworded = partial(changes.propose, reason="Another.", key="one", actor=ANN)
    same = Wanted("alexandria", ChangeKind.LIMITS, higher_limits(), "EUR")
    assert code_of(lambda: reworded(same)) == ChangeCode.KEY_CONFLICT
    assert SettingChange.objects.get().after == first.after
    assert propose_limits(key="one", actor=BEN, table_id="cordouan").state == ChangeState.PROPOSED


@pytest.mark.parametrize("key", ["", "x" * 65, "a\x00b", "schlüssel"])
def test_a_proposal_without_a_key_that_can_be_kept_is_none(key):
    house.pit()
    wanted = Wanted("alexandria", ChangeKind.STATUS, {"status": "closed"})
    act = lambda: changes.propose(wanted, reason="x", key=key, actor=ANN)  # noqa: E731  (one line)
    assert code_of(act) == ChangeCode.BAD_KEY
    assert not SettingChange.objects.exists()


@pytest.mark.feature("F77")
def test_the_act_itself_refuses_who_may_not_propose_or_decide():
    house.pit()
    for actor in (OFFICER, NOBODY, Actor.player(house.player())):
        assert code_of(lambda actor=actor: propose_limits(actor=actor)) == "not_allowed"
    assert not SettingChange.objects.exists()
    change = propose_limits(actor=PIT_BOSS)
    for actor in (PIT_BOSS, NOBODY):
        assert code_of(lambda actor=actor: changes.approve(change.id, actor=actor)) == "not_allowed"
        reject = partial(changes.reject, change.id, decision="no", actor=actor)
        assert code_of(reject) == "not_allowed"
    for actor in (OFFICER, NOBODY):
        assert (
            code_of(lambda actor=actor: changes.withdraw(change.id, actor=actor)) == "not_allowed"
        )
    appointments.dismiss(912, Role.COMPLIANCE, reason="Moves.", actor=house.TESTER)
    assert code_of(lambda: changes.approve(change.id, actor=OFFICER)) == "not_allowed"
    change.refresh_from_db()
    assert (change.state, kinds()) == (ChangeState.PROPOSED, ["change.proposed"])


@pytest.mark.parametrize("status", ["open", "closed"])
def test_a_suspended_table_is_neither_opened_nor_closed_by_a_change(status):
    house.pit()
    suspension.suspend("alexandria", Fault.OPERATOR, detail="hand", actor=house.TESTER)
    act = lambda: propose(ChangeKind.STATUS, {"status": status})  # noqa: E731  (one line)
    assert code_of(act) == ChangeCode.TABLE_SUSPENDED
    assert not SettingChange.objects.exists()
    old = SettingChange.objects.create(  # as one could be proposed before
        id=new_id(), table_id="alexandria", kind=ChangeKind.STATUS, before={"status": "suspended"},
        after={"status": status}, reason="x", key="k", proposed_by=str(ANN),
        proposed_at=database_now(),
    )  # fmt: skip
    assert code_of(lambda: changes.approve(old.id, actor=BEN)) == ChangeCode.TABLE_SUSPENDED
    old.refresh_from_db()
    assert (old.state, Table.objects.get().status) == (ChangeState.PROPOSED, "suspended")
    assert Incident.objects.filter(resolved_at=None).count() == 1


def test_a_closing_that_two_approved_waits_for_the_end_of_a_stop_and_then_comes_before_a_round():
    pit = house.pit()
    first = pit.open_round()
    change = propose(ChangeKind.STATUS, {"status": "closed"})
    assert changes.approve(change.id, actor=BEN).state == ChangeState.APPROVED
    suspension.suspend("alexandria", Fault.OPERATOR, detail="hand", actor=house.TESTER)
    suspension.void_round(pit.round().id, reason="hand", actor=house.TESTER)
    for _ in range(2):
        pit.step()
        change.refresh_from_db()
        assert (change.state, Table.objects.get().status) == (ChangeState.APPROVED, "suspended")
    suspension.resume("alexandria", cause="swept", actor=Actor.staff(1))
    pit.step()
    change.refresh_from_db()
    assert (change.state, Table.objects.get().status) == (ChangeState.APPLIED, "closed")
    assert pit.round() == first
    assert kinds() == ["change.proposed", "change.approved", "change.applied"]


def test_what_else_two_approved_is_in_force_at_a_suspended_table():
    pit = house.pit()
    pit.open_round()
    for change in (propose(ChangeKind.STATUS, {"status": "closed"}), propose_limits()):
        changes.approve(change.id, actor=BEN)
    suspension.suspend("alexandria", Fault.OPERATOR, detail="hand", actor=house.TESTER)
    suspension.void_round(pit.round().id, reason="hand", actor=house.TESTER)
    pit.step()
    states = dict(SettingChange.objects.values_list("kind", "state"))
    assert states == {"status": ChangeState.APPROVED, "limits": ChangeState.APPLIED}
    assert limits_now() == higher_limits()


def test_a_call_at_the_keypad_of_a_table_that_two_closed_does_not_stop_it_when_two_open_it():
    pit = house.pit(intermission_ms=600_000)
    pit.open_round()
    pit.play(17)
    closing = propose(ChangeKind.STATUS, {"status": "closed"})
    assert changes.approve(closing.id, actor=BEN).state == ChangeState.APPLIED
    pit.report("keypad", ObservationKind.PRESENTER_CALL)
    pit.step()
    opening = propose(ChangeKind.STATUS, {"status": "open"})
    assert changes.approve(opening.id, actor=BEN).state == ChangeState.APPLIED
    pit.step()
    assert (Table.objects.get().status, Incident.objects.count()) == ("open", 0)
    pit.report("keypad", ObservationKind.PRESENTER_CALL)
    pit.step()
    assert (Table.objects.get().status, Incident.objects.get().round_id) == ("suspended", None)


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


@pytest.mark.feature("F107")
def test_no_betting_window_is_shorter_than_the_shortest_game_cycle():
    """Five seconds (RTS 14): whoever asks, and however many approve."""
    table = house.pit().table
    pace = {name: getattr(table, name) for name in changes.PACE}
    assert code_of(lambda: propose(ChangeKind.PACE, pace | {"betting_window_ms": 4_999})) == (
        "out_of_bounds"
    )
    assert not SettingChange.objects.exists()
    assert propose(ChangeKind.PACE, pace | {"betting_window_ms": 5_000}).state == "proposed"


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
        "UPDATE tables_table SET betting_window_ms = 6000",
        "UPDATE tables_table SET respins_max = 9, name = 'Other'",
        "UPDATE tables_table SET latency_bound_ms = 1",
        "UPDATE tables_table SET status = 'closed'",
        "INSERT INTO tables_tablelimits (table_id, currency, limits)"
        " SELECT table_id, 'SEK', limits FROM tables_tablelimits",
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


PROPOSED_SQL = """
INSERT INTO tables_settingchange (id, table_id, kind, target, before, after, reason, key,
    proposed_by, proposed_at, state, decided_by, decided_at, decision, applied_at, applied_in)
VALUES (gen_random_uuid(), 'alexandria', 'latency', '', '{}', '{"latency_bound_ms": 1}', 'x', 'f',
    'staff:1', now(), %s, 'staff:2', now(), '', now(), pg_current_xact_id()::text::bigint)
"""


@pytest.mark.parametrize("state", ["applied", "approved", "rejected", "stale", "withdrawn"])
def test_no_statement_makes_a_decided_change_out_of_nothing(owner, state):
    house.pit()
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute(PROPOSED_SQL, [state])
    refused = pytest.raises(IntegrityError, match="setting_change")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(PROPOSED_SQL, [state])
    assert not SettingChange.objects.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tables_settingchange SET state = 'applied', decided_by = 'staff:2',"
        " decided_at = now(), applied_at = now(),"
        " applied_in = pg_current_xact_id()::text::bigint",
        "UPDATE tables_settingchange SET applied_in = 7",
        "UPDATE tables_settingchange SET state = 'approved', decided_by = 'staff:2',"
        " decided_at = now(), applied_in = 7",
    ],
)
def test_no_statement_applies_what_nobody_approved(statement):
    house.pit()
    change = propose_limits()
    refused = pytest.raises(IntegrityError, match="setting_change")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    change.refresh_from_db()
    assert change.state == ChangeState.PROPOSED


def test_an_approved_change_is_applied_in_the_transaction_that_it_names_and_no_other():
    pit = house.pit()
    pit.open_round()
    change = propose_limits()
    changes.approve(change.id, actor=BEN)
    with pytest.raises(IntegrityError, match="setting_change"), transaction.atomic():
        SettingChange.objects.filter(id=change.id).update(
            state=ChangeState.APPLIED, applied_at=database_now(), applied_in=7
        )
    change.refresh_from_db()
    assert change.state == ChangeState.APPROVED


def test_a_table_being_set_up_is_free_and_one_that_was_played_on_is_not():
    fresh = Table(id="fresh", name="Fresh", ruleset="european")
    set_up_table(fresh, limits={"EUR": roulette.default_limits("EUR")}, actor=house.TESTER)
    Table.objects.filter(id="fresh").update(betting_window_ms=6_000, latency_bound_ms=1)
    limits = roulette.default_limits("SEK").to_dict()
    TableLimits.objects.create(table=fresh, currency="SEK", limits=limits)

    pit = house.pit()
    pit.open_round()
    pit.play(3)
    house.change(ChangeKind.STATUS, status="closed")
    for act in (
        lambda: Table.objects.filter(id="alexandria").update(betting_window_ms=6_000),
        lambda: Table.objects.filter(id="alexandria").update(status="open"),
        lambda: TableLimits.objects.create(table=pit.table, currency="SEK", limits=limits),
    ):
        with pytest.raises(IntegrityError, match="four_eyes"), transaction.atomic():
            act()
    assert Table.objects.get(id="alexandria").status == "closed"
    assert TableLimits.objects.filter(table="alexandria").count() == 1


def test_the_first_limits_of_a_currency_come_with_their_change():
    house.pit()
    limits = roulette.default_limits("SEK").to_dict()
    wanted = Wanted("alexandria", ChangeKind.LIMITS, limits, "SEK")
    change = changes.propose(wanted, reason="Sweden opens.", key="sek", actor=ANN)
    changes.approve(change.id, actor=BEN)
    assert TableLimits.objects.get(currency="SEK").limits == limits
