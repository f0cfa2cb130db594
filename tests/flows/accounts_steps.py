"""What a person does on the account pages, as steps for tests."""

from __future__ import annotations

from datetime import date

from django.test import Client

from accounts import players
from kernel.ids import PlayerId
from notices.models import MailboxMail

PASSWORD = "a-quiet-lighthouse-7"
EMAIL = "anna@example.org"


def keep_mail_here(settings) -> None:
    """Django's test runner swaps the e-mail backend; these tests read the mailbox of the demo."""
    settings.EMAIL_BACKEND = "notices.mailbox.MailboxBackend"


def make_player(email: str = EMAIL, **changes) -> PlayerId:
    facts = {
        "email": email,
        "password": PASSWORD,
        "date_of_birth": date(1990, 2, 28),
        "country": "DE",
        "currency": "EUR",
    }
    return players.create_player(**facts | changes)


def sign_up_form(**changes) -> dict[str, str]:
    facts = {
        "email": EMAIL,
        "password1": PASSWORD,
        "given_name": "Anna",
        "family_name": "Lindqvist",
        "date_of_birth": "1990-02-28",
        "country": "DE",
        "currency": "EUR",
        "terms": "on",
    }
    return facts | changes


def sign_up(client: Client, **changes):
    return client.post("/account/signup/", sign_up_form(**changes))


def sign_in(client: Client, email: str = EMAIL, password: str = PASSWORD, **meta):
    return client.post("/account/login/", {"login": email, "password": password}, **meta)


def fail_to_sign_in(client: Client, times: int, email: str = EMAIL, **meta):
    response = None
    for _ in range(times):
        response = sign_in(client, email, "wrong-password-1", **meta)
    return response


def is_signed_in(client: Client) -> bool:
    return client.get("/me/").status_code == 200


def latest_code(email: str = EMAIL) -> str:
    return MailboxMail.objects.filter(recipient=email).exclude(code="").latest("id").code


def mails_to(email: str = EMAIL) -> list[str]:
    mails = MailboxMail.objects.filter(recipient=email).order_by("id")
    return list(mails.values_list("subject", flat=True))


def audit_kinds(prefix: str = "accounts.") -> list[str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind FROM audit_event WHERE kind LIKE %s ORDER BY id", [prefix + "%"]
        )
        return [row[0] for row in cursor.fetchall()]
