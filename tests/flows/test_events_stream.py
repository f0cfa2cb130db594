"""Streams and orders: gap-free, append-only, applied once."""

import psycopg
import pytest
from django.db import transaction

from events import orders, stream
from kernel.ids import Actor, ActorKind
from kernel.invariant import InvariantBroken

SYSTEM = Actor.system("test")


@pytest.fixture
def table(database) -> str:
    stream.create("t:alexandria")
    return "t:alexandria"


def _append(name: str, kind: str, data: dict | None = None) -> int:
    with transaction.atomic():
        return stream.append(name, kind, data or {})


def test_numbers_count_from_one_and_read_back_in_order(table):
    numbers = [_append(table, "phase", {"phase": name, "round": 1}) for name in ("open", "closed")]
    assert numbers == [1, 2]
    events = stream.read(table, after=0, limit=10)
    assert [(e.seq, e.kind, e.data["phase"]) for e in events] == [
        (1, "phase", "open"),
        (2, "phase", "closed"),
    ]
    assert events[0].at < events[1].at
    assert stream.position(table) == (events[0].epoch, 2)
    assert [e.seq for e in stream.read(table, after=1, limit=10)] == [2]
    assert [e.seq for e in stream.read(table, after=0, limit=1)] == [1]


def test_a_rolled_back_append_leaves_no_gap_and_no_outbox_row(table, owner):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert stream.append(table, "phase", {}) / 0
    assert _append(table, "phase") == 1
    assert owner.execute("SELECT stream, seq FROM event_outbox").fetchall() == [(table, 1)]


def test_creating_a_stream_again_changes_nothing(table):
    _append(table, "phase")
    before = stream.position(table)
    stream.create(table)
    assert stream.position(table) == before


def test_appending_to_an_unknown_stream_is_a_bug(database):
    with pytest.raises(InvariantBroken, match="created before"):
        _append("t:nowhere", "phase")


def test_appending_outside_a_transaction_is_a_bug(table):
    with pytest.raises(InvariantBroken, match="inside a transaction"):
        stream.append(table, "phase", {})


@pytest.mark.parametrize("data", [{"stake": 1.5}, {"at": object()}, {"text": "x" * 20_000}])
def test_data_that_is_not_small_and_plain_is_a_bug(table, data):
    with pytest.raises(InvariantBroken):
        _append(table, "phase", data)
    assert stream.position(table)[1] == 0


def test_a_new_epoch_goes_on_counting_under_another_name(table):
    _append(table, "phase")
    old, _ = stream.position(table)
    with transaction.atomic():
        new = stream.new_epoch(table)
    assert new != old
    assert _append(table, "phase") == 2
    assert [e.epoch for e in stream.read(table, 0, 10)] == [old, new]


@pytest.mark.feature("F57")
@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE event SET kind = 'other'",
        "DELETE FROM event",
        "TRUNCATE event",
        "INSERT INTO event VALUES ('t:alexandria', 9, clock_timestamp(), 'e', 'phase', '{}')",
        "UPDATE event_2026_11 SET kind = 'other'",
        "SELECT * FROM event_2026_11",
        "UPDATE event_stream SET seq = 0",
        "DELETE FROM event_stream",
        "UPDATE event_outbox SET seq = 7",
        "ALTER TABLE event DISABLE TRIGGER ALL",
        "DROP TABLE event",
    ],
)
def test_the_application_role_cannot_rewrite_a_stream(table, database, attack):
    _append(table, "phase")
    with psycopg.connect(database.app_url) as db, pytest.raises(psycopg.errors.DatabaseError) as e:
        db.execute(attack)
    assert isinstance(
        e.value, psycopg.errors.InsufficientPrivilege | psycopg.errors.RestrictViolation
    )
    assert [(x.seq, x.kind) for x in stream.read(table, 0, 10)] == [(1, "phase")]


@pytest.mark.feature("F57")
@pytest.mark.parametrize("attack", ["UPDATE event SET kind = 'x'", "DELETE FROM event"])
def test_even_the_owner_meets_the_trigger(table, owner, attack):
    _append(table, "phase")
    with pytest.raises(psycopg.errors.RestrictViolation, match="append_only"):
        owner.execute(attack)


def test_a_temporary_table_does_not_stand_in_for_the_real_one(table, database):
    with psycopg.connect(database.app_url) as db:
        db.execute("CREATE TEMP TABLE event_stream (LIKE event_stream)")
        db.execute("INSERT INTO pg_temp.event_stream VALUES ('t:alexandria', 'fake', 900, now())")
        assert db.execute("SELECT event_append('t:alexandria', 'phase', '{}')").fetchone() == (1,)


def test_orders_of_a_kind_are_pending_until_applied(database):
    first = orders.place("suspend", "table:alexandria", {"cause": "pit"}, SYSTEM)
    second = orders.place("suspend", "table:memphis", {}, SYSTEM)
    orders.place("exclude", "player:7", {}, SYSTEM)
    waiting = orders.pending("suspend")
    assert [(o.id, o.subject, o.payload, o.actor) for o in waiting] == [
        (first, "table:alexandria", {"cause": "pit"}, Actor(ActorKind.SYSTEM, "test")),
        (second, "table:memphis", {}, Actor(ActorKind.SYSTEM, "test")),
    ]
    assert [o.id for o in orders.pending("suspend", after=first)] == [second]
    assert orders.mark_applied(first, "tables") is True
    assert orders.mark_applied(first, "tables") is False
    assert [o.id for o in orders.pending("suspend")] == [second]


def test_an_order_of_a_rolled_back_transaction_was_never_placed(database):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        assert orders.place("suspend", "table:alexandria", {}, SYSTEM).int / 0
    assert orders.pending("suspend") == []


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE event_order SET payload = '{\"a\": 1}'",
        "UPDATE event_order SET subject = 'player:8'",
        "UPDATE event_order SET applied_at = NULL, applied_by = ''",
        "UPDATE event_order SET applied_at = clock_timestamp(), applied_by = 'again'",
        "DELETE FROM event_order",
        "TRUNCATE event_order",
    ],
)
def test_an_applied_order_never_changes_again(database, attack):
    order = orders.place("suspend", "table:alexandria", {}, SYSTEM)
    assert orders.mark_applied(order, "tables")
    with psycopg.connect(database.app_url) as db, pytest.raises(psycopg.errors.DatabaseError) as e:
        db.execute(attack)
    assert isinstance(
        e.value, psycopg.errors.InsufficientPrivilege | psycopg.errors.RestrictViolation
    )
