"""A confirmed report of a dispute, applied: all of it in one transaction, once however often told.

Under the player's and the deposit's lock: the provider's side and its fee are booked, the deposit
says how it stands, the player's payouts are frozen, and finance has a case with the day on which
the provider wants our evidence. What contradicts our record books nothing, and is a case that
freezes the payouts all the same: at the provider the money is gone either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from django.db import transaction
from django.db.models import Q

from audit.canonical import plain
from audit.database_clock import database_now
from audit.locks import LockRank, lock_rows
from audit.models import AuditEvent
from audit.record import Subject, record, register
from compliance import freezing
from compliance.standing import lock_standing
from kernel.ids import Actor, PlayerId
from kernel.refusal import Refused
from ledger import chargebacks, disputes
from ledger.chargebacks import Step
from ledger.disputes import Noted, Word
from payments import booking
from payments.disputes import telling
from payments.disputes.judging import judge
from payments.disputes.models import ProviderDispute
from payments.models import Deposit
from payments.providers.protocol import DisputeReport, DisputeState
from payments.states import CAME, CAPTURED, FIRST_POLL, DepositState, Meaning
from payments.steps import lock_deposit, move_deposit

#: Where the provider names no day, somebody here must have looked by then.
DUE_AFTER: Final = timedelta(days=7)
#: How often an open dispute is asked about, besides what webhooks say.
POLL_EVERY: Final = timedelta(hours=1)
#: Who ends what is over by itself: the freeze, and the case of a dispute that nobody bore.
SYSTEM: Final = Actor.system("payments")

_AUDITED: Final = {
    DisputeState.OPENED: register("dispute.opened", "Provider took a deposit back"),
    DisputeState.WON: register("dispute.won", "Provider gave a disputed deposit back"),
    DisputeState.LOST: register("dispute.lost", "Disputed deposit lost"),
}
CONTRADICTED: Final = register("dispute.contradicted", "Provider's dispute contradicts our record")


class Contradiction(StrEnum):
    """Why a provider's word on a dispute cannot be followed, besides the ledger's reasons."""

    UNKNOWN_DEPOSIT = "unknown_deposit"
    NOT_CAPTURED = "deposit_not_captured"
    ABOVE_DEPOSIT = "above_deposit"
    ANOTHER_DEPOSIT = "another_deposit"
    ANOTHER_AMOUNT = "another_amount"
    CANNOT_FOLLOW = "cannot_follow"


@dataclass(frozen=True, slots=True)
class Told:
    """A confirmed report and how it came."""

    report: DisputeReport
    provider: str
    cause: str
    actor: Actor


def apply(report: DisputeReport, *, provider: str, cause: str, actor: Actor) -> str:
    """Apply what ``provider`` said when it was asked; what it meant, in a word.

    The words are those of `Meaning`, ``unknown_payment``, and ``contradicts``: then nothing was
    booked, it is recorded, finance and compliance are told, and the player's payouts wait; once
    while it says the same. Locks the player, the deposit, the dispute, then accounts; opens its
    own transaction.
    """
    told = Told(report, provider, cause, actor)
    deposit = deposit_of(report, provider)
    if deposit is None:
        if not _is_told(told, Contradiction.UNKNOWN_DEPOSIT, None):
            _note_contradiction(told, Contradiction.UNKNOWN_DEPOSIT)
        return "unknown_payment"
    try:
        with transaction.atomic(durable=True):
            lock_standing(PlayerId(deposit.player_id))
            return _apply(lock_deposit(deposit.pk), told).value
    except Refused as refused:
        why = str(refused.code)
    with transaction.atomic(durable=True):
        lock_standing(PlayerId(deposit.player_id))
        locked = lock_deposit(deposit.pk)
        known = _locked(told)
        if known is None or not _is_told(told, why, known):
            _hold(known, locked, told)
            _note_contradiction(told, why, locked)
    return "contradicts"


def deposit_of(report: DisputeReport, provider: str) -> Deposit | None:
    """The deposit that a report names by our number, or by the provider's reference of it."""
    ours = Deposit.objects.filter(provider=provider)
    found = ours.filter(pk=report.payment_id).first()
    if found is None and report.deposit_ref:
        found = ours.filter(provider_ref=report.deposit_ref).first()
    return found


def _apply(deposit: Deposit, told: Told) -> Meaning:
    report = told.report
    known = _locked(told)
    is_new = known is None
    if known is None:
        known = _open(deposit, told)
    elif known.deposit_id != deposit.pk:
        raise Refused(Contradiction.ANOTHER_DEPOSIT)
    elif report.amount != known.amount:
        raise Refused(Contradiction.ANOTHER_AMOUNT)
    else:
        _learn(known, told)
    meaning = judge(DisputeState(known.state), report.state)
    if meaning is Meaning.CONFLICT:
        raise Refused(Contradiction.CANNOT_FOLLOW)
    if meaning is Meaning.STEP:
        _move(known, deposit, told)
    return Meaning.STEP if is_new else meaning


def _locked(told: Told) -> ProviderDispute | None:
    """The dispute under its own lock, which is all that those who work on it take: what they wrote
    meanwhile is read here, and not written over."""
    rows = lock_rows(
        LockRank.PAYMENT,
        "SELECT id FROM payments_dispute WHERE provider = %s AND provider_ref = %s"
        " ORDER BY id FOR NO KEY UPDATE",
        [told.provider, told.report.provider_ref],
    )
    return ProviderDispute.objects.get(pk=rows[0][0]) if rows else None


def _open(deposit: Deposit, told: Told) -> ProviderDispute:
    """The provider took it: booked, frozen, told.

    Of a dispute that is won by now, both ways are booked in this transaction, and so it fits what
    went back of the deposit since: the money that went back is not the money that a bank took.
    """
    is_over = told.report.state is DisputeState.WON
    if DepositState(deposit.state) not in (CAME if is_over else CAPTURED):
        raise Refused(Contradiction.NOT_CAPTURED, state=deposit.state)
    noted = disputes.book(_word(deposit, told), Step.TAKEN, actor=told.actor)
    # What the player withdrew into their card is no refund: a bank takes the whole back even so.
    gone_minor = deposit.reversed_minor + chargebacks.taken_minor([booking.credit_id(deposit.pk)])
    if noted is not Noted.BY_HAND and gone_minor > deposit.amount_minor and not is_over:
        raise Refused(Contradiction.ABOVE_DEPOSIT)  # and what was just booked is not
    row = _row(deposit, told, is_booked_here=noted is not Noted.BY_HAND)
    _book_fee(row, told)
    row.save(force_insert=True)
    _show(deposit, told)
    freezing.freeze(PlayerId(deposit.player_id), freezing.Ground.DISPUTE, actor=SYSTEM)
    _audit(row, told)
    telling.opened(row)
    return row


def _row(deposit: Deposit, told: Told, *, is_booked_here: bool) -> ProviderDispute:
    """A dispute that we hear of for the first time, not saved yet."""
    report, now = told.report, database_now()
    return ProviderDispute(
        provider=told.provider,
        provider_ref=report.provider_ref,
        deposit=deposit,
        player_id=deposit.player_id,
        amount_minor=report.amount.minor,
        currency=report.amount.currency,
        reason=report.reason,
        state=DisputeState.OPENED.value,
        is_booked_here=is_booked_here,
        due_at=report.evidence_due or now + DUE_AFTER,
        changed_at=now,
        poll_at=now + FIRST_POLL,
    )


def _hold(row: ProviderDispute | None, deposit: Deposit, told: Told) -> None:
    """Freeze the payouts of one whose dispute contradicts our record, and make it people's case.

    One that was won holds nobody's payouts, and is listed and looked at all the same. What we have
    as won and the provider says otherwise of is open again.
    """
    report = told.report
    if row is None:
        row = _row(deposit, told, is_booked_here=False)
        row.state = report.state.value
        row.holds_payouts = report.state is not DisputeState.WON
        row.poll_at = row.poll_at if report.state is DisputeState.OPENED else None
        row.save(force_insert=True)
        if not row.holds_payouts:
            return
    elif report.state is DisputeState.WON:
        return
    elif row.deposit_id == deposit.pk and row.state == DisputeState.WON:
        row.holds_payouts, row.due_at = True, database_now() + DUE_AFTER
        row.closed_at, row.closed_by, row.closed_note = None, "", ""
        row.write()
    else:
        return
    freezing.freeze(PlayerId(row.player_id), freezing.Ground.DISPUTE, actor=SYSTEM)


def _learn(row: ProviderDispute, told: Told) -> None:
    """What a repeated report adds: a fee, another day for our evidence."""
    _book_fee(row, told)
    if told.report.evidence_due is not None and row.state == DisputeState.OPENED:
        row.due_at = told.report.evidence_due
    row.write()


def _book_fee(row: ProviderDispute, told: Told) -> None:
    """What the provider asks for it, as soon as it says so; once."""
    fee = told.report.fee
    if not fee or row.fee_minor:  # none yet may be told as nothing
        return
    row.fee_minor, row.fee_currency = fee.minor, fee.currency
    if row.is_booked_here:
        booking.dispute_fee(row.deposit, row.provider_ref, fee, told.actor)


def _move(row: ProviderDispute, deposit: Deposit, told: Told) -> None:
    """Won: booked back, and the freeze ends with the last of them. Lost: what is booked stays."""
    now = database_now()
    row.state, row.changed_at = told.report.state.value, now
    row.poll_at = None
    if told.report.state is DisputeState.WON:
        if row.is_booked_here:
            disputes.book(_word(deposit, told), Step.RETURNED, actor=told.actor)
        row.holds_payouts = False
        row.due_at = max(row.due_at, now + DUE_AFTER)
        if _is_borne(row):  # somebody has to give it back, also where the case was closed as lost
            row.closed_at, row.closed_by, row.closed_note = None, "", ""
        elif row.closed_at is None:
            row.closed_at, row.closed_by = now, str(SYSTEM)
            row.closed_note = "The provider gave it back; nobody had borne any of it."
    else:
        row.due_at = now + DUE_AFTER
    row.write()
    _show(deposit, told)
    if told.report.state is DisputeState.WON:
        thaw_if_over(PlayerId(row.player_id), "The provider gave the deposit back", SYSTEM)
    _audit(row, told)
    telling.ended(row)


def thaw_if_over(player_id: PlayerId, reason: str, actor: Actor) -> bool:
    """End the freeze where nothing holds the player's payouts any more; whether it did."""
    if holds_payouts(player_id):
        return False
    return freezing.thaw(player_id, freezing.Ground.DISPUTE, reason=reason, actor=actor)


def holds_payouts(player_id: PlayerId) -> bool:
    """Whether a dispute, reported or entered by hand, keeps the player's payouts back."""
    reported = ProviderDispute.objects.filter(player_id=player_id, holds_payouts=True)
    return reported.exists() or chargebacks.stands_by_hand(player_id)


def _is_borne(row: ProviderDispute) -> bool:
    """Whether two people have decided, or are about to decide, who bears it."""
    return any(
        one.dispute == row.provider_ref and one.decision in {None, "approved"}
        for one in chargebacks.of_deposit(booking.credit_id(row.deposit_id))
    )


def _show(deposit: Deposit, told: Told) -> None:
    """The deposit's state: disputed while any of it is, then lost where any was, else won.

    One that has gone back whole since stays so.
    """
    if deposit.state == DepositState.REFUNDED:
        return
    entered = [
        one
        for one in chargebacks.of_deposit(booking.credit_id(deposit.pk))
        if one.step == Step.TAKEN and one.decision == "approved" and not one.is_reported
    ]
    by_hand = any(one.return_state != "approved" for one in entered)
    is_booked = Q(is_booked_here=True) | Q(provider_ref__in=[one.dispute for one in entered])
    states = set(deposit.disputes.filter(is_booked).values_list("state", flat=True))
    if not states:  # of what contradicts our record, nothing is in the books
        return
    if DisputeState.OPENED in states or by_hand:
        after = DepositState.DISPUTED
    elif DisputeState.LOST in states:
        after = DepositState.LOST
    else:
        after = DepositState.WON
    if deposit.state != after:
        cause = f"dispute {told.report.provider_ref}, {told.cause}"
        move_deposit(deposit, after, actor=told.actor, cause=cause, reason=told.report.reason)


def _word(deposit: Deposit, told: Told) -> Word:
    report = told.report
    return Word(
        provider=told.provider,
        dispute=report.provider_ref,
        deposit=booking.credit_id(deposit.pk),
        amount_minor=report.amount.minor,
        currency=report.amount.currency,
        confirmed=f"{report.state.value} when asked, after {told.cause}",
    )


def _audit(row: ProviderDispute, told: Told) -> None:
    record(
        _AUDITED[DisputeState(row.state)],
        actor=told.actor,
        subject=_subject(told),
        component="payments",
        after={
            "deposit": str(row.deposit_id),
            "player_id": row.player_id,
            "amount_minor": row.amount_minor,
            "currency": row.currency,
            "cause": told.cause[:120],
        },
        reason=row.reason,
    )


def _subject(told: Told) -> Subject:
    return Subject("dispute", f"{told.provider}:{told.report.provider_ref}"[:80])


def _contradiction(told: Told, code: str) -> dict[str, Any]:
    """What the record says of it. The dispute's whole name: a subject may be cut."""
    report = told.report
    return {
        "why": str(code),
        "dispute": report.provider_ref,
        "deposit": str(report.payment_id),
        "reported": report.state.value,
        "amount_minor": report.amount.minor,
        "currency": report.amount.currency,
    }


def _is_told(told: Told, code: str, row: ProviderDispute | None) -> bool:
    """Whether this is what contradicted us last, and the dispute has not moved since.

    Then people know, and a freeze or a case that an officer ended stays ended.
    """
    subject = _subject(told)
    last = (
        AuditEvent.objects.filter(
            subject_kind=subject.kind, subject_id=subject.id, kind=CONTRADICTED
        )
        .order_by("-at", "-id")
        .first()
    )
    if last is None or last.after != plain(_contradiction(told, code)):
        return False
    return row is None or last.at >= row.changed_at


def _note_contradiction(told: Told, code: str, deposit: Deposit | None = None) -> None:
    """Nothing moved; people must look, and finance and compliance are told so."""
    report = told.report
    with transaction.atomic():
        record(
            CONTRADICTED,
            actor=told.actor,
            subject=_subject(told),
            component="payments",
            before={"state": "" if deposit is None else deposit.state},
            after=_contradiction(told, code),
        )
        telling.contradicted(told.provider, report.provider_ref, str(code))
