"""Money in: the cashier's form, the provider's page, the balance."""

from __future__ import annotations

from casino.check.visitor import Visitor, wait_for

DEPOSIT = "50"
DEPOSIT_MINOR = 5_000
CREDITED_WITHIN_MS = 20_000


def balance_minor(visitor: Visitor) -> int:
    """What the player can play with, as the API says it."""
    return int(visitor.json("/api/account/balance")["available_minor"])


def deposit(visitor: Visitor) -> int:
    """Pay in through the hosted page and wait for the credit; the new balance."""
    before = balance_minor(visitor)
    visitor.open("/cashier/")
    if 'name="none"' in visitor.page:  # asked about limits first: this visitor wants none
        visitor.send(visitor.form_with("day", "week", "month"), {"none": "1"})
    visitor.send(visitor.form_with("amount", "key"), {"amount": DEPOSIT})
    if "/pay/" not in visitor.address:  # where the policy lets no form end at the provider
        visitor.open(_link_to_provider(visitor))
    visitor.send(visitor.form_with("action"), {"action": "pay"})

    def credited() -> int | None:
        now = balance_minor(visitor)
        return now if now == before + DEPOSIT_MINOR else None

    return wait_for("the deposit's credit", credited, within_ms=CREDITED_WITHIN_MS)


def _link_to_provider(visitor: Visitor) -> str:
    start = visitor.page.index("/pay/")
    first = visitor.page.rindex('"', 0, start) + 1
    return visitor.page[first : visitor.page.index('"', start)]
