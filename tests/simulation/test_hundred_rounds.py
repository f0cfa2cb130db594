"""A hundred rounds with every fault at random and runners killed at random: nothing wrong is paid.

`FARO_SIMULATED_ROUNDS=1000` is the long mode. A failure prints the seed and keeps the state folder.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections

from casino.management.commands.demo_floor import resolve
from compliance import switches
from ledger.checks import run_checks
from studio.protocol.messages import ObservationKind
from studio.simulated.truth import read_outcomes
from tables.models import Bet, BetOutcome, Incident, Round, SightingRecord, Table
from tables.phases import FINISHED, Phase
from tables.play import suspension
from tests import house
from tests.simulation import platform

ROUNDS = int(os.environ.get("FARO_SIMULATED_ROUNDS", "100"))
SEED = int(os.environ.get("FARO_SIMULATED_SEED", "20261123"))
SPEED = 40
TABLES = ("alexandria", "cordouan", "eddystone", "pharos", "genoa", "hercules")
FAULTS = {
    "no_ball": 0.03,
    "too_few_revolutions": 0.04,
    "wrong_direction": 0.04,
    "ball_removed": 0.03,
    "sensor_silent": 0.02,
    "truncated_frames": 0.05,
    "disconnect": 0.02,
    "no_confirm": 0.02,
}
MISREAD_RATE = 0.05
#: Far more than the rounds take (100: 43 s on two cores); the loop ends when they are played.
TIMEOUT_S = 150 if ROUNDS <= 100 else 2 * ROUNDS


def table(name: str) -> Table:
    made = house.pit(
        name,
        devices=False,
        betting_window_ms=round(11_000 / SPEED),
        closing_soon_ms=round(4_000 / SPEED),
        intermission_ms=round(6_100 / SPEED),
        launch_deadline_ms=4_500,
        spin_deadline_ms=4_000,
        source_wait_ms=1_500,
        device_silence_ms=2_000,
    )
    return made.table


def finished() -> int:
    return Round.objects.filter(phase__in=[p.value for p in FINISHED]).count()


def play(runners) -> None:
    """Until the rounds are played: kill runners now and then, resolve what stops."""
    until = time.monotonic() + TIMEOUT_S
    while (played := finished()) < ROUNDS and time.monotonic() < until:
        runners.harass(played)
        held_up(resolve, timedelta(milliseconds=300))
        time.sleep(0.1)


def held_up(act, *args, **words) -> None:
    """A person's act that may meet a lock held too long: next time then, as on a real floor."""
    try:
        act(*args, **words)
    except OperationalError:
        connections.close_all()


def wind_down() -> None:
    """No new rounds; those in play conclude or, when stopped, are voided."""
    switches.disable("all", reason="end of the simulation", actor=house.TESTER)
    until = time.monotonic() + 20
    unfinished = Round.objects.exclude(phase__in=[p.value for p in FINISHED])
    while unfinished.exists() and time.monotonic() < until:
        for stopped in unfinished.filter(phase=Phase.SUSPENDED):
            held_up(suspension.void_round, stopped.id, reason="wind down", actor=house.TESTER)
        time.sleep(0.1)
    assert not unfinished.exists(), list(unfinished.values_list("table_id", "number", "phase"))


@pytest.mark.slow
@pytest.mark.feature("F30", "F32", "F37", "F53", "F59")
def test_whatever_fails_each_bet_is_settled_once_and_no_wrong_result_is_paid(database, tmp_path):
    tables = [table(name) for name in TABLES]
    players = [house.player(balance_minor=5_000_000) for _ in range(12)]
    with platform.web() as url:
        studio, controller = platform.write_configs(
            tmp_path, url, tables, speed=SPEED, seed=SEED, faults=FAULTS, misread=MISREAD_RATE
        )
        log = tmp_path / "studio.log"
        with platform.processes(studio, controller, env=database.environment(), log=log):
            runners = platform.Runners(database.environment(), tmp_path / "runners.log", SEED)
            try:
                with platform.Bettors(players, tables, SEED) as bettors:
                    play(runners)
                wind_down()
            finally:
                runners.close()
    told(runners, bettors)
    assert finished() >= ROUNDS, f"seed {SEED}: {finished()} rounds, see {tmp_path}"
    assert runners.kills >= ROUNDS // 20
    assert Incident.objects.exists()
    every_accepted_bet_has_exactly_one_outcome(bettors)
    every_escrow_is_zero()
    no_result_differs_from_the_truth(tmp_path)
    report = run_checks()
    assert report.ok, report.violations


def told(runners, bettors) -> None:
    """What happened, for whoever reads the output of a failure (or of `-s`)."""
    phases = Counter(Round.objects.values_list("phase", flat=True))
    faults = Counter(Incident.objects.values_list("fault", "detail"))
    respins = sum(Round.objects.values_list("respins", flat=True))
    print(f"rounds {dict(phases)}; respins {respins}; kills {runners.kills}")
    print(f"incidents {dict(faults)}; bets {len(bettors.accepted)}; refused {bettors.refused}")


def every_accepted_bet_has_exactly_one_outcome(bettors) -> None:
    stored = {str(bet_id) for bet_id in Bet.objects.values_list("id", flat=True)}
    assert bettors.accepted.keys() <= stored
    assert len(stored) > ROUNDS
    outcomes = [str(bet_id) for bet_id in BetOutcome.objects.values_list("bet_id", flat=True)]
    assert len(outcomes) == len(set(outcomes))
    assert set(outcomes) == stored


def every_escrow_is_zero() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger_account WHERE kind = 'escrow' AND posted <> 0")
        assert cursor.fetchone() == (0,)


def no_result_differs_from_the_truth(home) -> None:
    """Every official number is what the sealed book says of the very spin that was its evidence.

    A presenter who is answered late may launch once more; that ball is of no round.
    """
    settled = 0
    for name in TABLES:
        truth = {
            (outcome.round, outcome.spin): outcome
            for outcome in read_outcomes(home / "studio" / "truth" / f"{name}.jsonl")
            if outcome.no_spin is None
        }
        for played in Round.objects.filter(table_id=name, phase=Phase.SETTLED):
            settled += 1
            outcome = truth[played.number, _spin_of(played)]
            assert outcome.number == played.result, f"seed {SEED}: {name} round {played.number}"
    assert settled > ROUNDS // 2


def _spin_of(played: Round) -> int:
    """The wheel's own count of the spin whose number the runner weighed, by the audit's word.

    Times would not do: a later ball's number, being stored in that very moment, may carry an
    earlier one than "official" (seen once in 1,000 rounds).
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (after->>'evidence_after')::bigint, (after->>'evidence_to')::bigint"
            " FROM audit_event WHERE kind = 'round.official' AND subject_kind = 'round'"
            " AND subject_id = %s",
            [str(played.id)],
        )
        ((first, last),) = cursor.fetchall()
    weighed = SightingRecord.objects.filter(
        table_id=played.table_id, kind=ObservationKind.RESULT, n__gt=first, n__lte=last
    )
    return weighed.order_by("-n")[0].data["spin"]
