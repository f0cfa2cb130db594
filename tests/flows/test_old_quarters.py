"""An upgrade empties no window: days from before the quarters become quarters, once."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection

from audit.database_clock import database_now
from compliance import facts, pages
from compliance.gate import GateCode
from compliance.jurisdictions import Jurisdiction
from compliance.jurisdictions.shape import OperatorLimit
from compliance.limit_arithmetic import LimitKind, Period, PeriodKind
from compliance.models import QuarterTotal
from compliance.standing import read_standing
from tests import house
from tests.flows.limit_steps import code, limit, tell

FILLED = import_module("compliance.migrations.0016_quarters_of_old_days")


class Editor:
    """What a migration is handed."""

    connection = connection


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
