"""A recorded transcript drives a table: no simulated studio, the same platform, exact payouts."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connections

from ledger.checks import run_checks
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.models import Round
from tables.phases import BETTING, Phase
from tests import house
from tests.conftest import ROOT
from tests.simulation import platform

SAMPLES = Path(__file__).parent.parent / "samples" / "studio"
#: Fast, but a busy machine must come to bet while betting is open (1.2 s).
SPEED = 10
RECORDED = [
    row["data"]["number"]
    for row in json.loads((SAMPLES / "wheel-three-rounds.observations.json").read_text())
    if row.get("kind") == "result"
]


def recording(home):
    """The replay process and the ports it chose."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "studio.simulated.replay", "--speed", str(SPEED)),
            *("--transcript", str(SAMPLES / "wheel-three-rounds.transcript")),
            *("--port", "0", "--keypad-port", "0"),
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, json.loads(process.stderr.readline())["ports"]


def bet_on_every_number(player, number):
    stakes = [(f"straight:{n}", 50) for n in range(37)]
    slip = place_bets(player, "alexandria", key=f"recorded-{number}", currency="EUR", stakes=stakes)
    (answer,) = place_batch("alexandria", [slip])
    assert isinstance(answer, Receipt), answer


def bet_in_each_round(player, rounds, timeout_s=90):
    """One slip in each round while it is open, until all of them are settled."""
    done = set()
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        for found in Round.objects.filter(phase__in=BETTING).exclude(number__in=done):
            bet_on_every_number(player, found.number)
            done.add(found.number)
        if Round.objects.filter(phase=Phase.SETTLED).count() == rounds:
            return
        time.sleep(0.02)
    raise AssertionError(list(Round.objects.values_list("number", "phase", "result")))


@pytest.mark.feature("F24", "F30", "F43")
def test_a_recorded_transcript_drives_a_table_without_the_simulated_studio(database, tmp_path):
    pit = house.pit(
        devices=False,
        betting_window_ms=round(11_000 / SPEED),
        closing_soon_ms=round(4_000 / SPEED),
        intermission_ms=round(6_100 / SPEED),
        launch_deadline_ms=10_000,
        spin_deadline_ms=10_000,
        source_wait_ms=3_000,
        device_silence_ms=4_000,
    )
    anna = house.player(balance_minor=100_000)
    replay, ports = recording(tmp_path)
    env = database.environment()
    with platform.web() as url:
        command = platform.write_controller(
            tmp_path,
            url,
            [(pit.table, ports["wheel"], ports["keypad"])],
            speed=SPEED,
        )
        runner = [sys.executable, "manage.py", "run_tables"]
        try:
            with platform.processes(runner, command, env=env, log=tmp_path / "log"):
                bet_in_each_round(anna, len(RECORDED))
        finally:
            replay.terminate()
            replay.communicate(timeout=10)
            connections.close_all()
    assert (
        list(
            Round.objects.filter(phase=Phase.SETTLED)
            .order_by("number")
            .values_list("result", flat=True)
        )
        == RECORDED
    )
    # 37 numbers at 0.50 cost 18.50 a round and the one that comes pays 36 × 0.50 = 18.00.
    assert house.balance(anna) == 100_000 - 50 * len(RECORDED)
    assert run_checks().ok
