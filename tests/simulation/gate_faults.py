"""Faults that the long run of the gate must find: each is put into every process of a run.

A check that finds none of these finds nothing; so does one that finds something else. Each fault
therefore names the breach that it has to be found by.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import connection

from audit.locks import entering
from compliance import facts, gate, gate_checks, limits, standing
from compliance.jurisdictions import Jurisdiction
from compliance.limit_arithmetic import Room

_put_in: list[str] = []


@dataclass(frozen=True, slots=True)
class Fault:
    """What breaks the house, and how the breach reads that shows it (a pattern)."""

    put_in: Callable[[], None]
    shows_as: str


def found_in(fault: str, breaches: Sequence[str]) -> list[str]:
    """Those of ``breaches`` that are this fault's own."""
    return [one for one in breaches if re.search(FAULTS[fault].shows_as, one)]


def put_in(name: str) -> None:
    """Break this process of the house in the way that ``name`` says; nothing for none."""
    if name:
        _put_in.append(name)
        FAULTS[name].put_in()


def after_asking(told: Sequence[facts.Fact]) -> None:
    """Where somebody would tell of a stake twice: once more, without a question."""
    if "a_stake_is_told_twice" in _put_in and told:
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


def _returning_at_once() -> None:
    policy = standing.StandingNow.policy
    standing.StandingNow.policy = lambda self, now: replace(
        policy(self, now), return_delay=timedelta(0)
    )


def _nobody_gets_a_permit() -> None:
    gate._issuing = lambda _requests, _answers: []


def _permits_for_a_cent_more() -> None:
    issue = gate.permits.issue_to_players_statement
    gate.permits.issue_to_players_statement = lambda ids, players, amounts, given: issue(
        ids, players, [minor + 1 for minor in amounts], given
    )


def _written_down_as_allowed() -> None:
    """The caller hears the refusal; the row that an inspector reads does not say it."""
    write_down = gate._writing_down

    def kindly(requests, answers, now):
        told = [one._replace(allowed=True, code=None, data={}) for one in answers]
        return write_down(requests, told, now)

    gate._writing_down = kindly


FAULTS: dict[str, Fault] = {
    "no_lock": Fault(_no_lock, r": allowed, not \['\w+_limit'"),
    "exclusion_is_forgotten": Fault(_exclusion_is_forgotten, r"not \['excluded'\]"),
    "exclusion_ends_by_itself": Fault(_exclusion_ends_by_itself, r"not \['excluded'\]"),
    # it lets something through, or says at a refusal that a cent more is left
    "one_cent_more": Fault(
        _one_cent_more, r": allowed, not \['\w+_limit'|: \w+_limit under .*'left_minor': "
    ),
    "a_higher_limit_at_once": Fault(
        _a_higher_limit_at_once, r": confirm .*: allowed, not \['increase_not_yet'\]"
    ),
    "no_reality_check": Fault(_no_reality_check, r": bet .*, not \['reality_check'\]"),
    "withdrawals_free_the_gross_limit": Fault(
        _returns_count_as_winnings_of_a_deposit, r": deposit .*: allowed, not \['deposit_limit'"
    ),
    "returning_at_once": Fault(_returning_at_once, r"not \['excluded'\]"),
    "a_stake_is_told_twice": Fault(lambda: None, r"^sum of a day: "),
    "nobody_gets_a_permit": Fault(_nobody_gets_a_permit, r"^permit: "),
    "permits_for_a_cent_more": Fault(_permits_for_a_cent_more, r"^permit: "),
    "written_down_as_allowed": Fault(_written_down_as_allowed, r"^written otherwise than told: "),
}
