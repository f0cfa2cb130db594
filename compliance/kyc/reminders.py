"""Reminders to players before their time is over, and the alarm about checks left undecided."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from audit.database_clock import database_now
from audit.record import Subject as Whom
from audit.record import record, register
from compliance import queues
from compliance.kyc.models import KycCheck, KycReview
from compliance.kyc.moves import policy_of
from compliance.kyc.states import State
from compliance.notice_kinds import VERIFICATION_NEWS, VERIFICATION_OVERDUE
from compliance.standing import StandingNow, lock_standing, read_standing
from kernel.ids import Actor, PlayerId
from notices.send import notify

logger = logging.getLogger(__name__)

HOUSE: Final = Actor.system("kyc")
BATCH: Final = 100
OVERDUE: Final = register("kyc.review_overdue", "Identity check not decided in time")


def remind() -> int:
    """Once per reminder of the policy: before the player's time, or a document's, is over."""
    told = 0
    for check in _near():
        try:
            with transaction.atomic():
                standing = lock_standing(PlayerId(check.player_id))
                told += _remind(standing, KycCheck.objects.get(pk=check.pk), database_now())
        except Exception:  # the others are reminded all the same
            logger.exception("identity checks: reminding of %s failed", check.pk)
    return told


def _near() -> list[KycCheck]:
    """Those within the longest time that any policy reminds ahead; the act looks at its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM compliance_kyc_check c WHERE (subject <> 'age' OR EXISTS (SELECT FROM"
            "  compliance_kyc_check i WHERE i.player_id = c.player_id"
            "  AND i.subject = 'identity' AND i.state = 'verified')) AND ("
            "  (state = 'started' AND due_at < clock_timestamp() + interval '31 days')"
            "  OR (state = 'verified' AND expires_on < clock_timestamp() + interval '93 days'))"
            " AND (reminded_until IS NULL OR reminded_until < clock_timestamp())"
            " ORDER BY COALESCE(due_at, expires_on::timestamptz) LIMIT %s",
            [BATCH],
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(KycCheck.objects.filter(pk__in=ids))


def _remind(standing: StandingNow, check: KycCheck, now: datetime) -> bool:
    """Tell, and note until when nothing more is to be told."""
    policy = policy_of(standing, now)
    befores: tuple[timedelta, ...]
    if check.state == State.VERIFIED and check.expires_on is not None:
        due, befores, what = _midnight(check, now), (policy.warn_of_expiry,), "expires_soon"
    elif check.state == State.STARTED and check.due_at is not None:
        due, befores, what = check.due_at, policy.remind_before, "reminder"
    else:
        return False
    times = sorted(due - before for before in befores)
    told_until = check.reminded_until
    is_due = any(at <= now and (told_until is None or at >= told_until) for at in times)
    following = next((at for at in times if at > now), due)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_kyc_check SET reminded_until = %s WHERE id = %s",
            [following, check.id],
        )
    if is_due and now < due:
        notify(
            int(standing.player_id),
            VERIFICATION_NEWS,
            {"what": what, "subject": check.subject},
        )
        return True
    return False


def _midnight(check: KycCheck, now: datetime) -> datetime:
    day = check.expires_on or now.date()
    return now.replace(
        year=day.year, month=day.month, day=day.day, hour=0, minute=0, second=0, microsecond=0
    )


@dataclass(frozen=True, slots=True)
class _Late:
    """A check that somebody of the house let lie, since when, and whether that is the second."""

    check: KycCheck
    since: datetime
    is_second: bool


def _late() -> list[_Late]:
    """Checks that are not decided in time, then those whose proposal waits too long for its second
    officer. Each is told of once, also where the first officer was late before.
    """
    now = database_now()
    proposed = KycReview.objects.filter(
        player_id=OuterRef("player_id"), subject=OuterRef("subject"), outcome="waits"
    )
    first = KycCheck.objects.filter(
        ~Exists(proposed),  # the first officer was in time
        state__in=[State.DOCUMENTS.value, State.REVIEW.value],
        due_at__lt=now,
        alarmed_at__isnull=True,
    ).order_by("due_at")
    found = [_Late(check, check.due_at or now, False) for check in first[:BATCH]]
    for review in KycReview.objects.filter(outcome="waits").order_by("first_at"):
        standing = read_standing(PlayerId(review.player_id))
        if standing is None:
            continue
        since = review.first_at + policy_of(standing, now).second_within
        if since > now:
            continue
        untold = Q(alarmed_at__isnull=True) | Q(alarmed_at__lt=since)
        checks = KycCheck.objects.filter(untold, player_id=review.player_id, subject=review.subject)
        found += [_Late(check, since, True) for check in checks]
    return found[: 2 * BATCH]


def alarm() -> int:
    """Tell compliance of a check that was not finished in time: once of the house or the officer
    whose turn it was, and once more of the second officer.
    """
    told = 0
    for late in _late():
        check = late.check
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE compliance_kyc_check SET alarmed_at = greatest(clock_timestamp(), %s)"
                " WHERE id = %s AND (alarmed_at IS NULL OR (%s AND alarmed_at < %s))"
                " AND state = %s",
                [late.since, check.id, late.is_second, late.since, check.state],
            )
            if cursor.rowcount != 1:
                continue
            record(
                OVERDUE,
                actor=HOUSE,
                subject=Whom("player", str(check.player_id)),
                component="compliance",
                after={
                    "subject": check.subject,
                    "due_at": str(late.since),
                    "waits_for": "second officer" if late.is_second else "house",
                },
            )
            queues.tell_officers(VERIFICATION_OVERDUE, {"player": check.player_id})
            told += 1
    return told
