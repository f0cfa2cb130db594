"""Payments that are late: a case opens by itself, once; it closes when the payment resolves.

A payment is late when what its player was promised (``expected_by``) has passed. They are told that
it is, and that people look into it; the same people find it at the support desk. Asking the
provider goes on meanwhile, and ends only when a week of it found nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.address_book import address_of
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance import case_keeping, cases
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer
from compliance.wording import amount_text
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from payments.alone import done_alone
from payments.models import Deposit, Withdrawal
from payments.states import WITH_US, DepositState
from payments.steps import lock_deposit, lock_withdrawal
from payments.words import telling
from payments.words.explaining import direction_of

SYSTEM: Final = Actor.system("payments")
LATE: Final = register("payment.late", "Payment is late; a case was opened")
#: Most of them on one page.
SHOWN: Final = 100
#: A payment page that its player left ends by itself, half an hour after it was opened; we hear of
#: it by a message, or by the next look. Only after that is it a question for people.
LEFT_ALONE: Final = timedelta(minutes=30)
#: Payments of each kind in one run; the next one finds the rest.
BATCH: Final = 50


def sweep() -> int:
    """Open a case for each payment that has become late, close those that resolved; how many."""
    done = 0
    for table in (Deposit, Withdrawal):
        done += sum(_alone(_open, table, pk) for pk in _late(table))
        done += sum(_alone(_close, table, pk) for pk in _resolved(table))
    return done


def late() -> list[Deposit | Withdrawal]:
    """What is late now, the longest first, at most ``SHOWN``. For the page of those who work on it.

    A provider that is down for a day makes thousands late.
    """
    found: list[Deposit | Withdrawal] = []
    for table in (Deposit, Withdrawal):
        of_it = table.objects.exclude(overdue_at=None)
        found += of_it.order_by("overdue_at", "pk")[:SHOWN]
    return sorted(found, key=lambda one: (one.overdue_at, one.pk))[:SHOWN]


def how_many() -> int:
    """How many are late now."""
    return sum(table.objects.exclude(overdue_at=None).count() for table in (Deposit, Withdrawal))


Table = type[Deposit] | type[Withdrawal]


def _late(table: Table) -> list[UUID]:
    now = database_now()
    found = table.objects.filter(overdue_at=None, expected_by__lt=now).exclude(
        state=DepositState.REQUIRES_ACTION, expected_by__gte=now - LEFT_ALONE
    )
    return list(found.order_by("expected_by").values_list("pk", flat=True)[:BATCH])


def _resolved(table: Table) -> list[UUID]:
    found = table.objects.filter(overdue_at__isnull=False, expected_by=None)
    return list(found.order_by("overdue_at").values_list("pk", flat=True)[:BATCH])


def _alone(act: Callable[[Deposit | Withdrawal], bool], table: Table, pk: UUID) -> int:
    """Each in a transaction of its own; one that fails lets the others pass and waits."""
    did = []

    def one() -> None:
        with transaction.atomic():
            did.append(act(lock_deposit(pk) if table is Deposit else lock_withdrawal(pk)))

    return int(done_alone(one, pk) and did == [True])


def _open(payment: Deposit | Withdrawal) -> bool:
    now = database_now()
    is_left = payment.state == DepositState.REQUIRES_ACTION
    late_at = now - LEFT_ALONE if is_left else now
    if payment.overdue_at is not None or (payment.expected_by or now) >= late_at:
        return False
    with _in_the_language_of(payment.player_id):
        subject, text = _words(payment)
        case = cases.open_case(
            Matter(CaseKind.PAYMENT, PlayerId(payment.player_id), subject, text),
            key=f"{payment.pk.hex}:{int(payment.changed_at.timestamp())}",
            who=Officer(SYSTEM),
        )
    payment.overdue_at, payment.case_reference = now, case.reference
    payment.save(update_fields=["overdue_at", "case_reference"])
    telling.is_late(payment, case.reference)
    record(
        LATE,
        actor=SYSTEM,
        subject=Subject(direction_of(payment), str(payment.pk)),
        component="payments",
        after={"state": payment.state, "case": case.reference, "player_id": payment.player_id},
    )
    return True


def open_fell_back(deposit: Deposit) -> None:
    """A refund that was made has failed after all: a case, once. In the caller's transaction."""
    with _in_the_language_of(deposit.player_id):
        amount = amount_text(deposit.amount)
        cases.open_case(
            Matter(
                CaseKind.PAYMENT,
                PlayerId(deposit.player_id),
                _("Money from your deposit of %(amount)s came back to us") % {"amount": amount},
                _(
                    "We sent money from your deposit of %(amount)s back to where it came from, but"
                    " the payment provider says that it could not be delivered. People are looking"
                    " into it now. You need to do nothing. We will write to you here."
                )
                % {"amount": amount},
            ),
            key=f"{deposit.pk.hex}:fell-back:{deposit.reversed_minor}",
            who=Officer(SYSTEM),
        )


def _close(payment: Deposit | Withdrawal) -> bool:
    if payment.overdue_at is None or payment.expected_by is not None:
        return False
    with _in_the_language_of(payment.player_id):
        case_keeping.resolve(payment.case_reference, _resolution(payment), actor=SYSTEM)
    payment.overdue_at = None
    payment.save(update_fields=["overdue_at"])
    return True


def _words(payment: Deposit | Withdrawal) -> tuple[str, str]:
    """What the player reads: no more than is known."""
    amount = amount_text(Money(payment.amount_minor, payment.currency))
    if isinstance(payment, Deposit) and payment.state in WITH_US:
        return (
            _("Return of your deposit of %(amount)s takes longer than it should")
            % {"amount": amount},
            _(
                "Your deposit of %(amount)s goes back to where it came from, and that is not done"
                " by now. People are looking into it. The money is set aside until then; you need"
                " to do nothing. We will write to you here."
            )
            % {"amount": amount},
        )
    if isinstance(payment, Deposit):
        return (
            _("Deposit of %(amount)s takes longer than it should") % {"amount": amount},
            _(
                "Your deposit of %(amount)s has not been settled by the time we told you. People"
                " are looking into it now, and we keep asking the payment provider. You need to do"
                " nothing; please do not pay again. We will write to you here."
            )
            % {"amount": amount},
        )
    return (
        _("Withdrawal of %(amount)s takes longer than it should") % {"amount": amount},
        _(
            "Your withdrawal of %(amount)s is not done by the time we told you. People are looking"
            " into it now. The money is still set aside for you; you need to do nothing. We will"
            " write to you here."
        )
        % {"amount": amount},
    )


def _resolution(payment: Deposit | Withdrawal) -> str:
    if isinstance(payment, Deposit):
        return _("The deposit is settled. Its page in the cashier says how.")
    return _("The withdrawal is settled. Its page in the cashier says how.")


def _in_the_language_of(player_id: int) -> translation.override:
    address = address_of(player_id)
    return translation.override("en" if address is None else address.language)
