"""Becoming a player: sign-up, the mailed code, sign-in."""

from __future__ import annotations

from dataclasses import dataclass

from casino.check.failure import StepFailed
from casino.check.forms import Form, forms_of
from casino.check.visitor import Visitor, wait_for

CODE_WITHIN_MS = 20_000


@dataclass(frozen=True, slots=True)
class Person:
    """The player of this check; an adult in a country that the demonstration house accepts."""

    email: str
    password: str
    date_of_birth: str = "1990-02-28"
    country: str = "DE"
    currency: str = "EUR"


def sign_up(visitor: Visitor, person: Person) -> None:
    """Fill in the form, read the code in the local mailbox, type it."""
    visitor.open("/account/signup/")
    visitor.send(
        visitor.form_with("email", "password1", "date_of_birth", "country", "terms"),
        {
            "email": person.email,
            "password1": person.password,
            "given_name": "Check",
            "family_name": "Visitor",
            "date_of_birth": person.date_of_birth,
            "country": person.country,
            "currency": person.currency,
            "terms": "on",
        },
    )
    form = visitor.form_with("code")
    code = wait_for(
        "the mail with the code", lambda: _code(visitor, person), within_ms=CODE_WITHIN_MS
    )
    visitor.send(form, {"code": code})
    _expect_signed_in(visitor, person)


def sign_in_again(visitor: Visitor, person: Person) -> None:
    """Leave, and come back with e-mail and password."""
    visitor.open("/account/logout/")
    visitor.send(_logout_form(visitor), {})
    visitor.open("/account/login/")
    visitor.send(
        visitor.form_with("login", "password"),
        {"login": person.email, "password": person.password},
    )
    _expect_signed_in(visitor, person)


def _logout_form(visitor: Visitor) -> Form:
    for form in forms_of(visitor.page):
        if form.action.endswith("/account/logout/"):
            return form
    raise StepFailed("the sign-out page has no form")


def _code(visitor: Visitor, person: Person) -> str | None:
    mails = visitor.json(f"/mailbox/?format=json&to={person.email}")["mails"]
    return next((str(mail["code"]) for mail in mails if mail["code"]), None)


def _expect_signed_in(visitor: Visitor, person: Person) -> None:
    visitor.open("/me/")
    if person.email not in visitor.page:
        raise StepFailed("not signed in after the form was sent")
