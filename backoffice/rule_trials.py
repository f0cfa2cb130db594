"""The worker's side of trying rules on history: one at a time, with an end, its progress told."""

from __future__ import annotations

import logging
from typing import Final

from audit.locks import only_one
from backoffice import watching
from compliance.watching import trials
from compliance.watching.trials import Trial
from compliance.watching.versions import RuleCode
from kernel.ids import Actor
from kernel.refusal import Refused

logger = logging.getLogger(__name__)

#: One trial at a time in the whole house: it reads much, and the worker has other work.
TRIAL_LOCK: Final = 6_000_023
#: With the two minutes of one statement it ends before the worker's own limit of five.
BUDGET_MS: Final = 150_000


def run() -> bool:
    """Do the trial that waits longest; False where none waits or another run is at it."""
    with only_one(TRIAL_LOCK) as is_alone:
        trial = trials.claim() if is_alone else None
        if trial is None:
            return False
        _do(trial)
        return True


def _do(trial: Trial) -> None:
    kind, _, number = trial.by.partition(":")
    actor = Actor.staff(int(number)) if kind == "staff" else Actor.system(number)
    try:
        made = watching.backtest(
            trial.rule_id,
            actor=actor,
            days=trial.days,
            budget_ms=BUDGET_MS,
            told=lambda done, total: trials.beat(trial.id, done, total),
        )
    except Refused as refused:
        trials.fail(trial.id, str(refused.code))
    except Exception:  # a rule that cannot be evaluated ends its own trial alone
        logger.exception("trying the rule %s failed", trial.rule_id)
        trials.fail(trial.id, RuleCode.TRIAL_FAILED)
    else:
        trials.finish(trial.id, made.id)
