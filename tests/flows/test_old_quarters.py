"""An upgrade empties no window: days from before the quarters become quarters, once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from importlib import import_module
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from audit.database_clock import database_now
from backoffice import watching
from compliance import facts, pages, play_time
from compliance.gate import GateCode
from compliance.jurisdictions import Jurisdiction, profiles
from compliance.jurisdictions.shape import OperatorLimit
from compliance.limit_arithmetic import LimitKind, Period, PeriodKind, Window
from compliance.models import QuarterTotal
from compliance.standing import read_standing
from tests import house
from tests.flows.limit_steps import code, limit, tell

FILLED = import_module("compliance.migrations.0016_quarters_of_old_days")
SUMS = ("staked", "returned", "paid_out", "deposited", "withdrawn")


class Editor:
    """What a migration is handed."""

    connection = connection


@pytest.mark.feature("F98")
def test_what_makes_room_stands_in_the_first_quarter_of_its_day_and_what_uses_it_in_the_last(
    database,
):
    player, day = house.player(), database_now().date() - timedelta(days=2)
    noon = datetime.combine(day, time(12), UTC)
    for kind, minor in (
        (facts.FactKind.STAKED, 700),
        (facts.FactKind.STAKE_RETURNED, 100),
        (facts.FactKind.PAID_OUT, 300),
        (facts.FactKind.DEPOSITED, 900),
        (facts.FactKind.WITHDRAWN, 200),
    ):
        tell(player, kind, minor, noon)
    facts.fold()
    QuarterTotal.objects.all().delete()
    FILLED.fill(None, Editor)
    FILLED.fill(None, Editor)
    malta = ZoneInfo("Europe/Malta")
    first, last = (
        datetime.combine(day, time(0), malta),
        datetime.combine(day, time(23, 45), malta),
    )
    columns = ("starts_at", *(f"{name}_minor" for name in SUMS))
    assert sorted(QuarterTotal.objects.values_list(*columns)) == [
        (first, 0, 100, 300, 0, 200),
        (last, 700, 0, 0, 900, 0),
    ]
    afternoon = Window(None, noon + timedelta(hours=3), noon + timedelta(days=1))
    [used] = facts.totals([facts.Span(player, "EUR", afternoon)])
    assert (used.staked_minor, used.paid_out_minor, used.returned_minor) == (700, 0, 0)


@pytest.mark.feature("F98")
def test_a_profile_that_is_not_in_force_yet_stops_neither_the_upgrade_nor_the_sweep(
    database, monkeypatch
):
    coming = dict(profiles._all())
    coming["XX"] = tuple(
        replace(one, code="XX", effective_from=date(2999, 1, 1)) for one in coming["MT"]
    )
    monkeypatch.setattr(profiles, "_all", lambda: coming)
    assert "XX" in profiles.known_codes()
    FILLED.fill(None, Editor)
    assert play_time.end_paused_sessions() == 0
    zones = json.loads(watching._zones(database_now()))
    assert "XX" not in zones
    assert zones["MT"] == "Europe/Malta"


@pytest.mark.feature("F98")
def test_days_without_quarters_get_what_they_lack_and_no_more(database, monkeypatch):
    player, now = house.player(), database_now()
    monkeypatch.setattr(Jurisdiction, "limit_period_kind", PeriodKind.ROLLING, raising=False)
    tell(player, facts.FactKind.STAKED, 700, now - timedelta(days=2))
    facts.fold()
    QuarterTotal.objects.all().delete()  # as it was before there were quarters
    tell(player, facts.FactKind.STAKED, 200, now - timedelta(days=2))
    facts.fold()
    for _ in range(2):
        FILLED.fill(None, Editor)
        sums = QuarterTotal.objects.values_list("staked_minor", flat=True)
        assert sum(sums) == 900
    limit(player, LimitKind.WAGER, 1_000, Period.WEEK, now)
    assert code(player, now, 101) is GateCode.WAGER_LIMIT
    assert code(player, now, 100) is None
    standing = read_standing(player)
    assert standing is not None
    [(set_by, room)] = pages.in_force_rows(standing, now)
    assert set_by == "player"
    alike = OperatorLimit(room.limit, "EUR")  # the same from the operator is a second row
    monkeypatch.setattr(Jurisdiction, "operator_limits", (alike,), raising=False)
    assert [by for by, _room in pages.in_force_rows(standing, now)] == ["player", "operator"]
