"""The sweep: everything in payments that waits for us, found in PostgreSQL and taken one step on.

Webhooks and tasks only make it faster. Each item fails alone; a failure is logged and waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Extract, Least, Now

from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from payments import overdue
from payments.alone import done_alone
from payments.disputes import asking, working
from payments.disputes.applying import POLL_EVERY
from payments.disputes.models import ProviderDispute
from payments.fraud import returns, undecided
from payments.messages import provider_events
from payments.models import Deposit, ProviderEvent, Withdrawal
from payments.paying_in import deposits
from payments.paying_out import reviews, withdrawals
from payments.states import DEPOSITS_POLLED, WITHDRAWALS_POLLED, poll_after
from payments.steps import lock_deposit, lock_withdrawal

#: Items of each kind per sweep; a provider call takes up to 6 s, and a sweep runs every 10 s.
BATCH_MAX: Final = 50
#: An event that cannot be applied is tried by so many sweeps, for about an hour; and then every so
#: often since it came, for a week, as payments are looked at.
EVENT_TRIES_SOON: Final = 360
EVENT_TRIED_EVERY: Final = timedelta(minutes=15)
EVENT_TRIES_MAX: Final = EVENT_TRIES_SOON + timedelta(days=7) // EVENT_TRIED_EVERY


@dataclass(slots=True)
class Sweep:
    """What one sweep did."""

    events: int = 0
    deposits: int = 0
    withdrawals: int = 0
    disputes: int = 0
    late: int = 0
    failures: int = 0


def sweep() -> Sweep:
    """Apply waiting events, then ask about every payment that is due. Several may run at once."""
    done = Sweep()
    for row_id in _waiting_events():
        done.events += _try(provider_events.apply_stored, row_id, done)
    for payment_id in returns.unkept():
        _try(returns.keep, payment_id, done)
    for payment_id in undecided.untold():
        _try(undecided.tell_of, payment_id, done)
    for payment_id in _claim_due(Deposit):
        done.deposits += _try(deposits.ask_provider, payment_id, done)
    for request_id in reviews.waiting_for_the_house():
        _try(reviews.approve_automatically, request_id, done)
    for payment_id in _claim_due(Withdrawal):
        done.withdrawals += _try(withdrawals.ask_provider, payment_id, done)
    for dispute_id in _claim_disputes():
        done.disputes += _try(asking.ask_again, dispute_id, done)
    done.late = working.tell_late() + overdue.sweep()
    return done


def _try(act: Callable[[UUID], object], item: UUID, done: Sweep) -> int:
    if done_alone(partial(act, item), item):
        return 1
    done.failures += 1
    return 0


def _waiting_events() -> list[UUID]:
    """Those tried least come first: what cannot be applied keeps nothing else waiting."""
    waited_s = Extract(Now() - F("received_at"), "epoch")
    later = Value(EVENT_TRIES_SOON) + waited_s / int(EVENT_TRIED_EVERY.total_seconds())
    waiting = ProviderEvent.objects.filter(
        attempts__lt=Least(later, EVENT_TRIES_MAX), applied_at=None
    )
    in_turn = waiting.order_by("attempts", "received_at")
    found = list(in_turn.values_list("pk", flat=True)[:BATCH_MAX])
    ProviderEvent.objects.filter(pk__in=found).update(attempts=F("attempts") + 1)
    return found


def _claim_due(table: type[Deposit] | type[Withdrawal]) -> list[UUID]:
    """Payments whose time has come, each put off to its next time so that nobody else takes it.

    The last look puts it off for ever: it is long late, and people work on it (`overdue`).
    """
    return _claimed(table, poll_after)


def _claim_disputes() -> list[UUID]:
    """Open disputes whose webhooks may be lost, looked at now and then until they are over."""
    return _claimed(ProviderDispute, lambda _polls: POLL_EVERY)


def _claimed(
    table: type[Deposit] | type[Withdrawal] | type[ProviderDispute],
    after: Callable[[int], timedelta | None],
) -> list[UUID]:
    """Those that wait longest come first: however many are due, each has its turn."""
    with transaction.atomic():
        rows = lock_rows(
            LockRank.PAYMENT,
            f"SELECT id, polls FROM {table._meta.db_table}"  # noqa: S608  (our own table's name)
            " WHERE poll_at <= clock_timestamp() ORDER BY poll_at, id LIMIT %s"
            " FOR NO KEY UPDATE SKIP LOCKED",  # waits for nobody, so any order will do
            [BATCH_MAX],
        )
        now = database_now()
        for row_id, polls in rows:
            wait = after(polls + 1)
            table.objects.filter(pk=row_id).update(
                polls=polls + 1, poll_at=None if wait is None else now + wait
            )
    return [row[0] for row in rows]


def look_again(payment: Deposit | Withdrawal) -> bool:
    """Ask the provider about it with the next sweep, also where asking had ended; whether it waits.

    For people who work on what is late. Locks the payment.
    """
    with transaction.atomic():
        is_deposit = isinstance(payment, Deposit)
        locked = lock_deposit(payment.pk) if is_deposit else lock_withdrawal(payment.pk)
        polled = DEPOSITS_POLLED | WITHDRAWALS_POLLED
        late = Q(overdue_at__isnull=False, expected_by__isnull=False)  # also a return that is
        waits = Q(state__in=polled) | late
        found = type(payment).objects.filter(waits, pk=locked.pk)
        return bool(found.update(polls=0, poll_at=database_now()))
