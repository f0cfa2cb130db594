"""Exclusion against bets, deposit against deposit: first the race without the lock, then none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from django.db import connection, connections, transaction

from audit.database_clock import database_now
from audit.locks import LockRank, entering
from compliance import exclusion, facts, gate, limits, play_time, sign_up, standing
from compliance.limit_arithmetic import LimitKind, Period
from compliance.models import GateDecision, Reservation
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money

WAIT_S = 20


def make_player(name: str) -> PlayerId:
    return sign_up.register_player(
        email=f"{name}@example.com",
        password="long enough for anybody 77",
        date_of_birth=date(1990, 5, 17),
        country="MT",
        currency="EUR",
        actor=Actor.system("test"),
    )


def ask(player: PlayerId, purpose: gate.Purpose, minor: int) -> gate.GateRequest:
    return gate.GateRequest(new_id(), player, purpose, Money(minor, "EUR"), ())


def exclude(player: PlayerId) -> None:
    exclusion.self_exclude(
        player,
        until=database_now() + timedelta(days=400),
        actor=Actor.player(player),
        reason="enough",
    )


def aside(act: Callable[..., object], *args: object) -> Future[object]:
    """Run ``act`` in a thread with a database connection of its own."""

    def run() -> object:
        try:
            return act(*args)
        finally:
            connections.close_all()

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(run)
    finally:
        pool.shutdown(wait=False)


def backend_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else one transaction sees one moment
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(WAIT_S * 100):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("it did not come to that")


@pytest.fixture
def no_player_lock(monkeypatch) -> None:
    """The gate and the exclusion as they would be without the row lock."""

    def read_only(rank: LockRank, sql: str, params=()):
        entering(rank)
        with connection.cursor() as cursor:
            cursor.execute(sql.replace("FOR NO KEY UPDATE", ""), params)
            return cursor.fetchall()

    monkeypatch.setattr(standing, "lock_rows", read_only)


def bet_that_was_decided_before_and_commits_after(player: PlayerId) -> bool:
    """Whether a bet decided before an exclusion can commit after it. Leaves both committed."""
    with transaction.atomic():
        [answer] = gate.decide([ask(player, gate.Purpose.BET, 100)], now=database_now())
        assert answer.allowed
        excluding = aside(exclude, player)
        until(lambda: excluding.done() or backend_waits_for_a_lock())
        excluded_first = excluding.done()
    excluding.result(WAIT_S)
    return excluded_first


def test_without_the_lock_a_bet_commits_after_the_exclusion(database, no_player_lock):
    player = make_player("ada")
    play_time.visit(player)  # a session that begins writes to the row, and waits for that alone
    assert bet_that_was_decided_before_and_commits_after(player) is True


@pytest.mark.feature("F102", "F110")
def test_with_the_lock_the_exclusion_waits_for_the_bet_and_none_follows(database):
    player = make_player("ada")
    assert bet_that_was_decided_before_and_commits_after(player) is False
    with transaction.atomic():
        [answer] = gate.decide([ask(player, gate.Purpose.BET, 100)], now=database_now())
    assert answer.code is gate.GateCode.EXCLUDED


@pytest.mark.feature("F102")
def test_no_bet_of_many_batches_is_allowed_after_the_exclusions_commit(database):
    players = [make_player(f"p{n}") for n in range(8)]
    stop = threading.Event()
    allowed: list[tuple[PlayerId, bool]] = []
    excluded: set[PlayerId] = set()

    def bet_on() -> None:
        while not stop.is_set():
            known = frozenset(excluded)  # whose exclusion had committed before this batch began
            with transaction.atomic():
                answers = gate.decide(
                    [ask(one, gate.Purpose.BET, 100) for one in reversed(players)],
                    now=database_now(),
                )
            allowed.extend(
                (player, answer.allowed and player in known)
                for player, answer in zip(reversed(players), answers, strict=True)
            )

    betting = [aside(bet_on) for _ in range(3)]
    until(lambda: len(allowed) > 50)
    for player in players:
        exclude(player)
        excluded.add(player)
    already = len(allowed)
    until(lambda: len(allowed) > already + 60)
    stop.set()
    for one in betting:
        one.result(WAIT_S)
    assert [player for player, breach in allowed if breach] == []
    assert GateDecision.objects.filter(code="excluded").exists()


def two_deposits_at_once(player: PlayerId) -> list[bool]:
    """Two deposits of 60 against a limit of 100, decided while the other is not yet committed."""
    limits.set_limit(
        player,
        kind=LimitKind.DEPOSIT,
        period=Period.DAY,
        amount=Money(10_000, "EUR"),
        actor=Actor.player(player),
        now=database_now(),
    )

    def second() -> bool:
        with transaction.atomic():
            [answer] = gate.decide([ask(player, gate.Purpose.DEPOSIT, 6_000)], now=database_now())
        return answer.allowed

    with transaction.atomic():
        [first] = gate.decide([ask(player, gate.Purpose.DEPOSIT, 6_000)], now=database_now())
        rival = aside(second)
        until(lambda: rival.done() or backend_waits_for_a_lock())
    return [first.allowed, bool(rival.result(WAIT_S))]


@pytest.fixture
def no_locks(monkeypatch, no_player_lock) -> None:
    monkeypatch.setattr(limits, "lock_rows", standing.lock_rows)


def test_without_the_lock_two_deposits_exceed_the_limit_together(database, no_locks):
    assert two_deposits_at_once(make_player("ada")) == [True, True]
    assert sum(row.amount_minor for row in Reservation.objects.all()) == 12_000


@pytest.mark.feature("F95", "F98")
def test_with_the_lock_two_deposits_never_exceed_the_limit_together(database):
    assert two_deposits_at_once(make_player("ada")) == [True, False]
    assert sum(row.amount_minor for row in Reservation.objects.all()) == 6_000


def test_many_batches_of_shared_players_in_any_order_never_deadlock(database):
    players = [make_player(f"p{n}") for n in range(6)]

    def batches(turn: int) -> int:
        order = players[turn:] + players[:turn]
        for _ in range(25):
            with transaction.atomic():
                gate.decide([ask(one, gate.Purpose.BET, 1) for one in order], now=database_now())
        return 25

    assert [one.result(60) for one in [aside(batches, turn) for turn in range(4)]] == [25] * 4
    assert GateDecision.objects.count() == 4 * 25 * 6


def both_bets_at_two_tables(player: PlayerId) -> list[gate.GateCode | None]:
    """Answers to 80 of a stake limit of 100 at two tables, the second while the first is open."""

    def second() -> gate.GateCode | None:
        with transaction.atomic():
            return bet_of_80()

    def bet_of_80() -> gate.GateCode | None:
        [answer] = gate.decide([ask(player, gate.Purpose.BET, 80)], now=database_now())
        if answer.allowed:
            amount = Money(80, "EUR")
            facts.record([facts.Fact(player, facts.FactKind.STAKED, amount, database_now())])
        return answer.code

    with transaction.atomic():
        first = bet_of_80()
        other = aside(second)
        until(lambda: other.done() or backend_waits_for_a_lock())
    return [first, other.result(WAIT_S)]


def who_may_stake_100() -> PlayerId:
    player = make_player("ada")
    play_time.visit(player)
    limits.set_limit(
        player,
        kind=LimitKind.WAGER,
        period=Period.DAY,
        amount=Money(100, "EUR"),
        actor=Actor.player(player),
        now=database_now(),
    )
    return player


def test_without_the_lock_two_tables_together_exceed_one_stake_limit(database, no_player_lock):
    assert both_bets_at_two_tables(who_may_stake_100()) == [None, None]


@pytest.mark.feature("F98")
def test_with_the_lock_the_second_table_waits_and_counts_the_first_one_s_stake(database):
    answers = both_bets_at_two_tables(who_may_stake_100())
    assert answers == [None, gate.GateCode.WAGER_LIMIT]
