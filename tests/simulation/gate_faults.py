"""Faults that the long run of the gate must find: each is put into every process of a run.

A check that finds none of these finds nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from django.db import connection

from audit.locks import entering
from compliance import facts, gate, gate_checks, limits, standing
from compliance.jurisdictions import Jurisdiction
from compliance.limit_arithmetic import Room

_put_in: list[str] = []


def put_in(name: str) -> None:
    """Break this process of the house in the way that ``name`` says; nothing for none."""
    if name:
        _put_in.append(name)
        FAULTS[name]()


def after_asking(told: Sequence[facts.Fact]) -> None:
    """Where a path around the gate would stake: once more, without a question."""
    if "a_path_around_the_gate" in _put_in and told:
        facts.record([told[0]])


def _no_lock() -> None:
    """Players are read without their lock, and the decision takes as long as on a busy day."""

    def read_only(rank, sql, params=()):
        entering(rank)
        with connection.cursor() as cursor:
            cursor.execute(sql.replace("FOR NO KEY UPDATE", ""), params)
            return cursor.fetchall()

    decide = gate.decide

    def slowly(requests, *, now):
        answers = decide(requests, now=now)
        time.sleep(0.01)
        return answers

    standing.lock_rows = limits.lock_rows = read_only
    gate.decide = slowly


def _exclusion_is_forgotten() -> None:
    standing.StandingNow.excluded = lambda _self, _now: False


def _exclusion_ends_by_itself() -> None:
    standing.StandingNow.excluded = lambda self, now: (
        self.excluded_until is not None and now < self.excluded_until
    )


def _one_cent_more() -> None:
    Room.left_minor = property(lambda self: max(0, self.limit.amount_minor - self.used_minor) + 1)


def _a_higher_limit_at_once() -> None:
    policy = Jurisdiction.change_policy.fget
    Jurisdiction.change_policy = property(
        lambda self: replace(policy(self), increase_delay=timedelta(0))
    )


def _no_reality_check() -> None:
    bets = tuple(
        check
        for check in gate_checks._CHECKS[gate.Purpose.BET]
        if check is not gate_checks._reality_check
    )
    gate_checks._CHECKS[gate.Purpose.BET] = bets


def _returns_count_as_winnings_of_a_deposit() -> None:
    """A withdrawal frees the gross limit on deposits, which only the net one may."""
    totals = facts.totals

    def freed(spans):
        return [
            replace(used, deposited_minor=max(0, used.deposited_minor - used.withdrawn_minor))
            for used in totals(spans)
        ]

    facts.totals = freed


FAULTS: dict[str, Callable[[], None]] = {
    "no_lock": _no_lock,
    "exclusion_is_forgotten": _exclusion_is_forgotten,
    "exclusion_ends_by_itself": _exclusion_ends_by_itself,
    "one_cent_more": _one_cent_more,
    "a_higher_limit_at_once": _a_higher_limit_at_once,
    "no_reality_check": _no_reality_check,
    "withdrawals_free_the_gross_limit": _returns_count_as_winnings_of_a_deposit,
    "a_path_around_the_gate": lambda: None,
}
