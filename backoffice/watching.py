"""Running the rules: what is active makes cases, what is in shadow is only kept; backtests.

Rules read payments, bets and facts together, which only an app above all of them may; what they
find goes down into `compliance.watching` by a call. Facts of each bet copied into compliance would
have made the hottest write path slower for a reader that comes once in a while.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from accounts.rights import check_right
from audit.database_clock import database_now
from audit.locks import only_one
from audit.models import AuditEvent
from audit.record import Subject, record, register
from backoffice.detectors import money, play
from backoffice.detectors.reading import finding, rows
from compliance.jurisdictions import in_force_codes, profile
from compliance.watching import alerts, versions
from compliance.watching.alerts import Finding
from compliance.watching.casework import WATCHER
from compliance.watching.rulebook import SHAPES, Family, Rule
from compliance.watching.versions import Backtest, RuleCode, Version
from kernel.clock import monotonic_ms
from kernel.ids import Actor
from kernel.invariant import ensure
from kernel.refusal import Refused
from payments.fraud import trial
from payments.fraud.detectors import STATEMENTS as OF_PAYMENTS
from payments.fraud.trial import Past

logger = logging.getLogger(__name__)

#: Detector → its statement. A test holds the names against the rulebook's.
STATEMENTS: Final[Mapping[str, str]] = {
    "structuring": money.STRUCTURING,
    "in_and_out": money.IN_AND_OUT,
    "shared_trait": money.SHARED_TRAIT,
    "dormant_burst": money.DORMANT_BURST,
    "opposite_betting": play.OPPOSITE_BETTING,
    "one_sided_pair": play.ONE_SIDED_PAIR,
    "both_sides": play.BOTH_SIDES,
    "spend": money.SPEND,
    "spend_rise": money.SPEND_RISE,
    "time_played": play.TIME_PLAYED,
    "night_play": play.NIGHT_PLAY,
    "chasing": money.CHASING,
    "limits_loosened": play.LIMITS_LOOSENED,
    "contacts": play.CONTACTS,
    "failed_deposits": money.FAILED_DEPOSITS,
    **OF_PAYMENTS,
}
ensure(STATEMENTS.keys() == SHAPES.keys(), "every detector has its statement")
RAN: Final = register("watching.ran", "Rules of watching ran")
#: How far back it is looked since when a rule fails: two days of runs.
RUNS_SHOWN: Final = 96
#: One run at a time.
RUN_LOCK: Final = 6_000_008
#: Days of history a backtest looks at, and how many instants of them it asks for.
BACKTEST_DAYS: Final = 90
BACKTEST_STEPS: Final = 30
SAMPLE: Final = 20
#: A statement of a rule that takes longer is a broken rule, not a slow one.
STATEMENT_TIMEOUT: Final = "120s"


def find(rule: Rule, now: datetime) -> list[Finding]:
    """What the rule finds as of ``now``. One statement, the version's own; reads only."""
    more = {"zones": _zones(now)} if rule.detector == "night_play" else {}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        found = rows(rule.statement or STATEMENTS[rule.detector], rule, now, **more)
    return [finding(_renamed(row), rule, now) for row in found]


def _renamed(row: dict[str, object]) -> dict[str, object]:
    """``rounds`` counts them in the statements; the ids are ``rounds_found``."""
    if "rounds_found" not in row:
        return row
    plain = dict(row)
    plain["joint_rounds"] = plain.pop("rounds", 0)
    plain["rounds"] = plain.pop("rounds_found")
    return plain


def _zones(now: datetime) -> str:
    """Each jurisdiction's zone; one that is not in force then has no players who play."""
    on = now.date()
    return json.dumps({code: profile(code, on).zone for code in in_force_codes(on)})


def sync() -> list[str]:
    """Load what files and detectors say now; returns the codes of new versions."""
    return versions.sync(STATEMENTS)


def run() -> dict[str, int]:
    """Evaluate every active and every newest shadow version; returns new alerts per version.

    Rules of payments are not among them: each payment asks them itself. New versions of the files
    are loaded first. Does nothing while another run is under way.
    """
    with only_one(RUN_LOCK) as is_alone:
        if not is_alone:
            return {}
        sync()
        made, failed = {}, []
        for one in versions.running(Family.AML, Family.HARM):
            try:
                made[one.name] = _run_one(one)
            except Exception:  # one rule that fails or takes too long ends no other
                logger.exception("rule of watching failed: %s", one.name)
                failed.append(one.name)
        record(
            RAN,
            actor=WATCHER,
            subject=Subject("watching", "rules"),
            component="backoffice",
            after={"rules": len(made), "alerts": sum(made.values()), "failed": failed},
        )
        return made


@dataclass(frozen=True, slots=True)
class LastRun:
    """When the rules ran last, and which failed then: since when each, as far as was looked."""

    at: datetime
    failed: dict[str, datetime]


def last_run() -> LastRun | None:
    """The newest run with what failed in it; None before the first."""
    runs = list(AuditEvent.objects.filter(kind=RAN).order_by("-at")[:RUNS_SHOWN])
    if not runs:
        return None
    failed = dict.fromkeys(_failed(runs[0]), runs[0].at)
    for name in failed:
        for one in runs:
            if name not in _failed(one):
                break
            failed[name] = one.at
    return LastRun(runs[0].at, failed)


def _failed(run: AuditEvent) -> list[str]:
    return list((run.after or {}).get("failed", []))


def _run_one(version: Version) -> int:
    found = find(versions.rule_of(version), database_now())
    return alerts.keep(version, found, is_shadow=not version.is_active)


def backtest(
    rule_id: UUID,
    *,
    actor: Actor,
    days: int = BACKTEST_DAYS,
    budget_ms: int | None = None,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Backtest:
    """Try a version on the last ``days``, beside the version that is active, and keep the table.

    ``BACKTEST_TOO_LONG`` where it takes more than ``budget_ms``, and then nothing is kept.
    ``told`` hears after each instant how many are done of how many; outside any transaction.
    """
    until_ms = None if budget_ms is None else monotonic_ms() + budget_ms
    version = versions.find(rule_id)
    check_right(actor, versions.RIGHTS[version.rule.family])
    now = database_now()
    begin = now - timedelta(days=days)
    current = versions.active(version.rule.code)
    if version.rule.family is Family.FRAUD:
        result, players = _payments_of_the_past(version, current, begin, now, told)
        return versions.keep_backtest(rule_id, (begin, now), players, result, actor)
    total = BACKTEST_STEPS * (1 if current is None else 2)
    mine = _history(versions.rule_of(version), begin, now, until_ms, lambda done: told(done, total))
    theirs: dict[int, int] = {}
    if current is not None:
        theirs = _history(
            versions.rule_of(current),
            begin,
            now,
            until_ms,
            lambda done: told(BACKTEST_STEPS + done, total),
        )
    result = {
        "rows": [
            _row(version, mine, theirs),
            *([] if current is None else [_row(current, theirs, mine)]),
        ],
        "both": len(mine.keys() & theirs.keys()),
        "instants": BACKTEST_STEPS,
    }
    return versions.keep_backtest(rule_id, (begin, now), len(mine), result, actor)


def _payments_of_the_past(
    version: Version,
    current: Version | None,
    begin: datetime,
    now: datetime,
    told: Callable[[int, int], None],
) -> tuple[dict[str, object], int]:
    """Each payment of the span as the version would have decided it, beside the active one."""
    asked = [version] if current is None else [version, current]
    pasts: list[Past] = []
    for one in asked:
        pasts.append(trial.past(versions.rule_of(one), begin, now))
        told(len(pasts), len(asked))
    mine, theirs = pasts[0], pasts[-1]
    others = {} if current is None else theirs.players
    rows = [_row(version, mine.players, others) | _quality(mine)]
    if current is not None:
        rows.append(_row(current, theirs.players, mine.players) | _quality(theirs))
    both = mine.players.keys() & others.keys()
    return {"rows": rows, "both": len(both), "payments": mine.asked}, len(mine.players)


def _quality(past: Past) -> dict[str, object]:
    """How many of the payments hit turned out bad, and how many bad ones there were."""
    return {"bad_hit": past.bad_hit, "bad": past.bad}


def _history(
    rule: Rule,
    begin: datetime,
    now: datetime,
    until_ms: int | None,
    told: Callable[[int], None],
) -> dict[int, int]:
    """Players found at evenly spaced instants, and at how many of them."""
    found: dict[int, int] = {}
    step = (now - begin) / BACKTEST_STEPS
    for n in range(1, BACKTEST_STEPS + 1):
        if until_ms is not None and monotonic_ms() > until_ms:
            raise Refused(RuleCode.BACKTEST_TOO_LONG)
        for player_id in {one.player_id for one in find(rule, begin + step * n)}:
            found[player_id] = found.get(player_id, 0) + 1
        told(n)
    return found


def _row(version: Version, mine: dict[int, int], others: dict[int, int]) -> dict[str, object]:
    only = sorted(mine.keys() - others.keys())
    return {
        "rule": version.rule.code,
        "version": version.name,
        "state": version.state,
        "players": len(mine),
        "times": sum(mine.values()),
        "only_here": len(only),
        "sample": sorted(mine)[:SAMPLE],
        "sample_only_here": only[:SAMPLE],
    }
