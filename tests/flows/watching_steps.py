"""What players did, planted as rows, and officers who watch, as steps for tests."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from accounts.models import Player
from audit.database_clock import database_now
from backoffice import watching
from backoffice.reports import operator_zone
from compliance.limit_arithmetic import gaming_day
from compliance.models import DayTotal
from compliance.watching import casework, traits, versions
from compliance.watching.casework import Step
from compliance.watching.rulebook import Family, Rule, load_file
from compliance.watching.states import State
from compliance.watching.traits import TraitKind
from kernel.ids import new_id
from payments.models import Deposit, Withdrawal
from tests import house
from tests.flows.staff_steps import officer


def rule(code: str) -> Rule:
    return next(one for path in versions.FILES for one in load_file(path) if one.code == code)


def found(code: str, now: datetime | None = None) -> set[int]:
    """The players whom the rule finds now."""
    return {one.player_id for one in watching.find(rule(code), now or database_now())}


def _payment(kind, player, minor, state, ago, currency):
    return kind.objects.create(
        player_id=player,
        provider="simulated",
        key=new_id().hex,
        amount_minor=minor,
        currency=currency,
        state=state,
        created_at=database_now() - ago,
    )


def deposit(player, minor, *, state="succeeded", currency="EUR", **ago):
    """A deposit of so long ago: ``days=2``, ``hours=3``; just now without."""
    return _payment(Deposit, player, minor, state, timedelta(**ago), currency)


def withdrawal(player, minor, *, state="paid", currency="EUR", **ago):
    return _payment(Withdrawal, player, minor, state, timedelta(**ago), currency)


def staked(player, minor, *, currency="EUR", **ago):
    """What compliance keeps of a day's play: of the house's gaming day."""
    day = gaming_day(database_now() - timedelta(**ago), operator_zone())
    DayTotal.objects.create(player_id=player, currency=currency, day=day, staked_minor=minor)


def bet(player, position, minor, *, round_id=None, returned=None, at=None, kind=""):
    """A bet as it is kept; ``returned`` is what came back, None: not decided."""
    bet_id, at = new_id(), at or database_now() - timedelta(minutes=1)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tables_bet (id, accepted_at, round_id, slip_id, player_id, position,"
            " stake_minor, currency, rules_hash, transfer_id)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, 'EUR', 'x', %s)",
            [bet_id, at, round_id or new_id(), new_id(), player, position, minor, new_id()],
        )
        if returned is not None:
            cursor.execute(
                "INSERT INTO tables_bet_outcome (bet_id, bet_accepted_at, version, round_id, kind,"
                " returned_minor, transfer_id, at) VALUES (%s, %s, 1, %s, %s, %s, %s, %s)",
                [
                    *(bet_id, at, round_id or new_id()),
                    *(kind or ("paid" if returned else "lost"), returned),
                    *(new_id() if returned else None, at),
                ],
            )


def share(kind: TraitKind, value: str, *players) -> None:
    for player in players:
        traits.note(player, kind, [value])


def linked_pair():
    """Two players of one browser."""
    pair = house.player(), house.player()
    share(TraitKind.BROWSER, new_id().hex, *pair)
    return pair


def opened(player, **ago) -> None:
    Player.objects.filter(pk=player).update(created_at=database_now() - timedelta(**ago))


def activate(code: str) -> versions.Version:
    """The newest version of the rule made active: a backtest, a proposal, another's yes."""
    watching.sync()
    one = next(found for found in versions.running() if found.rule.code == code)
    watching.backtest(one.id, actor=officer(), days=30)
    asked = versions.propose(one.id, seen=one.no, reason="Hits look right.", actor=officer())
    return versions.approve(one.id, seen=asked.no, reason="I agree.", actor=officer())


def a_case(player=None):
    """A suspicion about somebody whom an active rule found."""
    player = player or house.player()
    for days in (1, 2, 3):
        deposit(player, 190_000, days=days)
    if versions.active("structuring") is None:
        activate("structuring")
    watching.run()
    (case,) = [one for one in casework.queue(Family.AML) if one.player_id == player]
    return case


def step(case, actor, key: str = "") -> Step:
    """The form of an act on the case as it stands now."""
    fresh = casework.find(Family(case.family), case.reference)
    return Step(case.reference, fresh.version, key or new_id().hex, actor)


def state(case) -> State:
    return State(casework.find(Family(case.family), case.reference).state)
