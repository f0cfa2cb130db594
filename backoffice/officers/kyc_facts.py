"""What the pages of identity checks show: read, compared, worded. Nothing is decided here."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from audit.database_clock import database_now
from backoffice import desk
from backoffice.officers.kyc_words import (
    FIELDS,
    FINDINGS,
    KINDS,
    OUTCOMES,
    REASONS,
    STATES,
    SUBJECTS,
)
from compliance.kyc import declarations, opening
from compliance.kyc.checks import EXPIRES, MRZ, as_date, read_zone
from compliance.kyc.models import KycCheck, KycDocument, KycReview, KycTransition
from compliance.kyc.moves import checks_of, local_day, newest_move, policy_of
from compliance.kyc.mrz import Mrz
from compliance.kyc.names import likeness
from compliance.kyc.scanning import Verdict as ScanVerdict
from compliance.kyc.states import SERVED_BY, Kind, Reason, State, Subject, Verdict, form_of
from compliance.kyc.sweeps import account_of
from compliance.limit_arithmetic import age_on
from compliance.standing import StandingCode, read_standing
from kernel.ids import PlayerId
from kernel.refusal import Refused

ROWS: Final = 100
#: The house looks within seconds; a scanner that is away is listed apart.
STUCK_AFTER: Final = timedelta(minutes=10)
_OUTCOMES: Final = {Verdict.VERIFY.value: "verified", Verdict.REJECT.value: "rejected"}


def queue() -> dict[str, Any]:
    """Due for an officer, held up by the scanner, decided lately; one row per form."""
    now = database_now()
    due = KycCheck.objects.filter(state=State.REVIEW.value).order_by("due_at", "changed_at")
    waiting = {
        (row.player_id, row.subject): row for row in KycReview.objects.filter(outcome="waits")
    }
    rows: dict[tuple[int, Subject], dict[str, Any]] = {}
    for one in due[: 2 * ROWS]:
        form = form_of(Subject(one.subject))
        row = rows.setdefault(
            (one.player_id, form),
            {
                "player": one.player_id,
                "form": form.value,
                "subjects": [],
                "due_at": one.due_at,
                "is_late": one.due_at is not None and one.due_at < now,
                "attempt": one.attempt,
                "second": False,
            },
        )
        row["subjects"].append(SUBJECTS[Subject(one.subject)])
        row["second"] |= (one.player_id, one.subject) in waiting
    held = KycDocument.objects.filter(scan=ScanVerdict.UNKNOWN.value, destroyed_at__isnull=True)
    lately = KycReview.objects.exclude(outcome="waits").order_by("-first_at")[:30]
    names = desk.named(
        f"staff:{who}" for row in lately for who in (row.first_by, row.second_by) if who
    )
    return {
        "rows": list(rows.values())[:ROWS],
        "held": [
            {
                "player": one.player_id,
                "form": one.subject,
                "kind": KINDS[Kind(one.kind)],
                "why": one.scan_detail,
                "tries": one.scan_tries,
                "at": one.at,
            }
            for one in held[:ROWS]
        ],
        "stuck": _stuck(now),
        "decided": [_decided(row, names) for row in lately],
    }


def _stuck(now: datetime) -> list[KycCheck]:
    """Handed in, and not looked at since: the worker is away, or a file cannot be read."""
    rows = KycCheck.objects.filter(state=State.DOCUMENTS.value, changed_at__lt=now - STUCK_AFTER)
    return list(rows.exclude(subject=Subject.AGE.value).order_by("changed_at")[:ROWS])


def of_player(player_id: PlayerId) -> dict[str, Any]:
    """Where each subject of one player is."""
    checks = checks_of(player_id)
    return {
        "player_id": player_id,
        "checks": [
            {
                "form": form_of(subject).value,
                "name": SUBJECTS[subject],
                "state": STATES[State(checks[subject].state)] if subject in checks else "not begun",
                "due_at": checks[subject].due_at if subject in checks else None,
                "expires_on": checks[subject].expires_on if subject in checks else None,
                "changed_at": checks[subject].changed_at if subject in checks else None,
                "policy": checks[subject].policy if subject in checks else "",
            }
            for subject in Subject
        ],
    }


def of_check(player_id: PlayerId, form: Subject, officer_id: int) -> dict[str, Any]:
    """Everything an officer needs to decide one form: documents beside data, and the comparison."""
    # before anything is read: what moves meanwhile makes the page old, never the decision
    seen = {one: newest_move(player_id, one) for one in SERVED_BY[form]}
    checks = checks_of(player_id)
    served = [one for one in reversed(SERVED_BY[form]) if one in checks]
    standing = read_standing(player_id)
    if standing is None:
        raise Refused(StandingCode.NO_STANDING)
    now = database_now()
    lead = checks.get(form)
    declared, _ = declarations.latest(player_id, form, 1 if lead is None else lead.attempt)
    account, today = account_of(standing, now), local_day(standing, now)
    zone = read_zone(declared.get(MRZ, ""), today)
    in_review = [one for one in served if checks[one].state == State.REVIEW]
    until = (zone.expires if zone else None) or as_date(declared.get(EXPIRES, ""))
    return {
        "player_id": player_id,
        "form": form.value,
        "title": " and ".join(SUBJECTS[one] for one in reversed(SERVED_BY[form])).capitalize(),
        "states": [
            {
                "subject": one.value,
                "name": SUBJECTS[one],
                "state": STATES[State(checks[one].state)],
                "due_at": checks[one].due_at,
                "expires_on": checks[one].expires_on,
                "is_late": _is_late(checks[one], now),
            }
            for one in served
        ],
        "seen": [(one.value, seen[one]) for one in SERVED_BY[form]],
        "documents": [] if lead is None else _documents(lead, officer_id),
        "declared": _declared(declared),
        "account": {
            "name": account.name,
            "birth": account.date_of_birth,
            "age": age_on(account.date_of_birth, today),
            "minimum_age": account.minimum_age,
        },
        "is_identity": form is Subject.IDENTITY,
        "zone": None if zone is None else _zone(zone, account.name or declared.get("name", "")),
        "zone_text": declared.get(MRZ, ""),
        "findings": _findings(player_id, served),
        "history": _history(player_id, served),
        "waiting": _waiting(player_id, served, officer_id),
        "is_open": bool(in_review) and not waiting_subjects(player_id, form),
        "in_review": [{"value": one.value, "name": SUBJECTS[one]} for one in in_review],
        "reasons": [(one.value, REASONS[one]) for one in Reason if one is not Reason.SOUND],
        "birth": account.date_of_birth if zone and zone.born_on(account.date_of_birth) else None,
        "until": until,
        "four_eyes": bool(policy_of(standing, now).four_eyes & set(SERVED_BY[form])),
        "policy": policy_of(standing, now).name,
        "undated_days": policy_of(standing, now).undated_lasts // timedelta(days=1),
    }


def _is_late(check: KycCheck, now: datetime) -> bool:
    is_ours = check.state == State.REVIEW
    return is_ours and check.due_at is not None and check.due_at < now


def waiting_subjects(player_id: PlayerId, form: Subject) -> tuple[Subject, ...]:
    """What of a form waits for a second officer, the age first."""
    rows = KycReview.objects.filter(player_id=player_id, outcome="waits")
    waits = {Subject(row.subject) for row in rows}
    return tuple(one for one in reversed(SERVED_BY[form]) if one in waits)


def _documents(check: KycCheck, officer_id: int) -> list[dict[str, Any]]:
    """The attempt's files with the addresses of their pages; earlier attempts after them."""
    rows = KycDocument.objects.filter(player_id=check.player_id, subject=check.subject)
    return [
        {
            "name": KINDS[Kind(one.kind)],
            "attempt": one.attempt,
            "is_now": one.attempt == check.attempt,
            "at": one.at,
            "media": one.media.upper(),
            "kilobytes": one.size_bytes // 1024,
            "sha256": one.sha256,
            "scan": one.scan,
            "scan_detail": one.scan_detail,
            "is_destroyed": one.destroyed_at is not None,
            "pages": [
                {
                    "number": number,
                    "address": _address(one.id, number, officer_id),
                    "door": reverse("desk:kyc_document", args=[one.id, number]),
                    "width": page["width"],
                    "height": page["height"],
                }
                for number, page in enumerate(one.pages, start=1)
            ]
            if opening.is_open(one)
            else [],
        }
        for one in sorted(rows, key=lambda one: (-one.attempt, one.at))
    ]


def _address(document_id: UUID, page: int, officer_id: int) -> str:
    """On the documents' own host where there is one; else behind the staff door."""
    if settings.FARO_DOCUMENT_ORIGIN:
        return opening.signed_address(document_id, page, officer_id)
    return reverse("desk:kyc_document", args=[document_id, page])


def _declared(fields: dict[str, str]) -> list[tuple[str, str]]:
    return [(FIELDS.get(name, name), value) for name, value in fields.items() if name != MRZ]


def _zone(zone: Mrz, name: str) -> dict[str, Any]:
    births = " or ".join(day.isoformat() for day in zone.births)
    return {
        "fields": [
            ("Layout", str(zone.format)),
            ("Document", f"{zone.document_code} of {zone.issuer}"),
            ("Number", zone.number),
            ("Name", f"{zone.given} {zone.surname}{' (cut)' if zone.is_cut else ''}"),
            ("Name compared", str(likeness(name, f"{zone.surname} {zone.given}"))),
            ("Born", births or "no date"),
            ("Sex", zone.sex),
            ("Nationality", zone.nationality),
            ("Valid until", zone.expires.isoformat() if zone.expires else "no date"),
        ],
        "failed": zone.failed,
        "is_corrected": zone.is_corrected,
    }


def _findings(player_id: PlayerId, served: list[Subject]) -> list[dict[str, str]]:
    """The newest look of the house at each subject; the same finding once."""
    found: dict[str, str] = {}
    for subject in served:
        row = (
            KycTransition.objects.filter(
                player_id=player_id, subject=subject.value, to_state=State.AUTO_CHECKED.value
            )
            .order_by("-at")
            .first()
        )
        found |= {} if row is None else row.data.get("findings", {})
    return [
        {
            "name": FINDINGS.get(code, code),
            "word": OUTCOMES.get(outcome, (outcome, ""))[0],
            "look": OUTCOMES.get(outcome, (outcome, ""))[1],
        }
        for code, outcome in found.items()
    ]


def _history(player_id: PlayerId, served: list[Subject]) -> list[dict[str, Any]]:
    rows = list(
        KycTransition.objects.filter(
            player_id=player_id, subject__in=[one.value for one in served]
        ).order_by("-at")[:ROWS]
    )
    names = desk.named(f"{row.actor_kind}:{row.actor_id}" for row in rows)
    return [
        {
            "at": row.at,
            "subject": SUBJECTS[Subject(row.subject)],
            "state": STATES[State(row.to_state)],
            "cause": row.cause,
            "by": names[f"{row.actor_kind}:{row.actor_id}"],
            "reason": REASONS[Reason(row.reason)] if row.reason in set(Reason) else row.reason,
            "text": row.text,
        }
        for row in rows
    ]


def _waiting(player_id: PlayerId, served: list[Subject], officer_id: int) -> dict[str, Any] | None:
    rows = list(
        KycReview.objects.filter(
            player_id=player_id, outcome="waits", subject__in=[one.value for one in served]
        ).order_by("first_at")
    )
    if not rows:
        return None
    names = desk.named(f"staff:{row.first_by}" for row in rows)
    return {
        "proposals": [
            {
                "subject": row.subject,
                "review_id": str(row.id),
                "name": SUBJECTS[Subject(row.subject)],
                "verdict": "verify" if row.verdict == Verdict.VERIFY else "reject",
                "reason": REASONS[Reason(row.reason)],
                "until": row.expires_on,
                "note": row.note,
                "by": names[f"staff:{row.first_by}"],
                "at": row.first_at,
            }
            for row in rows
        ],
        "is_own": any(row.first_by == officer_id for row in rows),
    }


def _decided(row: KycReview, names: dict[str, str]) -> dict[str, Any]:
    return {
        "player": row.player_id,
        "form": form_of(Subject(row.subject)).value,
        "subject": SUBJECTS[Subject(row.subject)],
        "outcome": row.outcome if row.outcome == "disagreed" else _OUTCOMES[row.verdict],
        "reason": REASONS[Reason(row.reason)],
        "at": row.second_at or row.first_at,
        "by": names.get(f"staff:{row.first_by}", ""),
        "second": names.get(f"staff:{row.second_by}", "") if row.second_by else "",
    }
