"""The inbox of the person who is signed in, and the demo's local mailbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.database_clock import database_now
from notices.delivery import render as render_part
from notices.delivery import subject
from notices.models import MailboxMail, Notice

INBOX_SHOWN_MAX: Final = 100
MAILBOX_SHOWN_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Letter:
    """One line of the inbox."""

    id: UUID
    subject: str
    at: datetime
    is_read: bool


@require_safe
@login_required
@never_cache
def inbox(request: HttpRequest) -> HttpResponse:
    """What this person has been told, newest first."""
    rows = Notice.objects.filter(person_id=_reader(request), in_inbox=True)
    letters = [
        Letter(row.id, subject(row.kind, row.context), row.created_at, row.read_at is not None)
        for row in rows.order_by("-created_at")[:INBOX_SHOWN_MAX]
    ]
    return render(request, "notices/inbox.html", {"letters": letters})


@require_safe
@login_required
@never_cache
def letter(request: HttpRequest, notice_id: UUID) -> HttpResponse:
    """One notice of this person; another person's is not found."""
    row = get_object_or_404(Notice, pk=notice_id, person_id=_reader(request), in_inbox=True)
    if row.read_at is None:
        Notice.objects.filter(pk=row.pk, read_at__isnull=True).update(read_at=database_now())
    facts = {
        "subject": subject(row.kind, row.context),
        "text": render_part(row.kind, "body.txt", row.context),
        "at": row.created_at,
    }
    return render(request, "notices/letter.html", facts)


@require_safe
@never_cache
def mailbox(request: HttpRequest) -> HttpResponse:
    """Mails kept locally, newest first; ``?to=`` narrows, ``?format=json`` is for programs."""
    _only_where_mail_stays_here()
    rows = MailboxMail.objects.order_by("-id")
    recipient = request.GET.get("to", "").strip().lower()
    if recipient:
        rows = rows.filter(recipient=recipient)
    mails = list(rows[:MAILBOX_SHOWN_MAX])
    if request.GET.get("format") == "json":
        return JsonResponse({"mails": [_as_json(mail) for mail in mails]})
    latest = next((mail for mail in mails if mail.code), None)
    facts = {"mails": mails, "latest": latest, "recipient": recipient}
    return render(request, "notices/mailbox.html", facts)


@require_safe
@never_cache
def mail(request: HttpRequest, mail_id: int) -> HttpResponse:
    """One mail of the local mailbox."""
    _only_where_mail_stays_here()
    return render(
        request, "notices/mail.html", {"mail": get_object_or_404(MailboxMail, pk=mail_id)}
    )


def _reader(request: HttpRequest) -> int:
    return int(request.user.pk or 0)  # signed in: the views see to it


def _only_where_mail_stays_here() -> None:
    if not settings.MAILBOX_PAGE:
        raise Http404


def _as_json(row: MailboxMail) -> dict[str, str | int]:
    return {
        "id": row.pk,
        "at": row.at.isoformat(),
        "to": row.recipient,
        "subject": row.subject,
        "text": row.text,
        "code": row.code,
    }
