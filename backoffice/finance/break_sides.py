"""The three sides of a break beside each other: books, provider, bank; and what differs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import models

from audit.canonical import instant
from backoffice import desk
from ledger.models import Account
from ledger.postings import AccountKind
from payments.models import Deposit, Withdrawal
from payments.reconciliation import selectors
from payments.reconciliation.models import Break

SIDES: Final = ("Books", "Provider", "Bank")


def compared(found: Break) -> list[dict[str, Any]]:
    """Rows of (what, three cells); a cell that is not what the first filled one says is marked."""
    there = found.psp_currency or found.currency
    rows = [
        ("Amount", [
            desk.amount(found.ledger_minor, found.currency),
            desk.amount(found.psp_gross_minor, there),
            desk.amount(found.bank_minor, found.currency),
        ]),
        ("Fee", ["", desk.amount(found.fee_minor, there), ""]),
        ("Net", ["", desk.amount(found.net_minor, there), ""]),
        ("Reference", [found.merchant_ref, found.psp_ref, found.bank_ref]),
        ("Payout", ["", found.payout_id, ""]),
        ("State", ["", found.status, ""]),
    ]  # fmt: skip
    return [
        {"what": what, "cells": _marked(what, cells)}
        for what, cells in rows
        if any(cells) or what == "Amount"
    ]


def details(found: Break) -> list[dict[str, Any]]:
    """Each side as it stands there, whole: the entry, the row of the file, the line of the bank."""
    sides = selectors.sides(found)
    told = (
        ("Books", sides.ledger, f"Entry {found.ledger_entry}" if found.ledger_entry else ""),
        ("Provider", sides.psp, _place(sides.psp_file, found.psp_row)),
        ("Bank", sides.bank, _place(sides.bank_file, found.bank_row)),
    )
    return [
        {"name": name, "place": place, "facts": [_fact(one, facts) for one in facts]}
        for name, facts, place in told
    ]


def payment(found: Break, *, may_open: bool) -> dict[str, Any] | None:
    """Our payment behind it: what it is, where it is, and whose, for whoever may open a player."""
    if found.payment_id is None:
        return None
    for model, name in ((Deposit, "Deposit"), (Withdrawal, "Withdrawal")):
        one = _payment(model, found.payment_id)
        if one is not None:
            return {
                "what": name,
                "state": desk.state(one.state),
                "amount": desk.amount(one.amount_minor, one.currency),
                "at": one.created_at,
                "player": one.player_id,
                "may_open": may_open,
            }
    return None


def clearing_account(found: Break) -> str:
    """The number of the provider's clearing account; '' where there is none yet."""
    account = Account.objects.filter(
        kind=AccountKind.PSP_CLEARING.value,
        owner_ref=f"psp:{found.provider}",
        currency=found.currency,
    ).first()
    return "" if account is None else str(account.pk)


def _payment(model: type[models.Model], payment_id: Any) -> Any:
    return model._default_manager.filter(pk=payment_id).first()


def _marked(what: str, cells: list[str]) -> list[tuple[str, str, bool]]:
    first = next((cell for cell in cells if cell), "")
    return [
        (side, cell, what == "Amount" and bool(cell) and cell != first)
        for side, cell in zip(SIDES, cells, strict=True)
    ]


def _place(file: Any, row: int | None) -> str:
    return "" if file is None else f"{file.original_name}, row {row}"


def _fact(one: tuple[str, Any], facts: list[tuple[str, Any]]) -> tuple[str, str]:
    """Heading and value as read: amounts in their currency, instants in UTC."""
    name, value = one
    by = dict(facts)
    words = name.removesuffix("_minor").replace("_", " ").capitalize()
    if value is None:
        return words, ""
    if name.endswith("_minor"):
        of = by.get("net_currency") if name == "net_minor" else None
        return words, desk.amount(int(value), str(of or by.get("currency", "")))
    if isinstance(value, datetime):
        return words, instant(value) if value.tzinfo else f"{value:%Y-%m-%d %H:%M:%S}"
    return words, str(value)
