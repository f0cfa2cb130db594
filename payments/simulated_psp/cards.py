"""With what a person can pay here: made-up cards, a wallet and accounts, each with its own fate.

Nobody types a card number, and none exists: a card is its brand, four digits to tell it by, a
country and what becomes of a payment with it. The list is data.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final

#: A holder who is not the customer, for the card of another person.
STRANGER: Final = "Robin Stranger"


@dataclass(frozen=True, slots=True)
class PlayInstrument:
    """One means of payment. ``country`` empty: issued where the customers of this house live.

    ``declined``: the reason for which its issuer says no. ``is_shared``: one and the same card,
    whichever customer uses it; any other is each customer's own. ``confirms_after_ms``: its bank
    takes so long. ``is_disputed``: its holder has their bank take every payment back a little
    later. ``takes_nothing_back``: a refund or a payout to it fails.
    """

    code: str
    kind: str
    brand: str
    last4: str
    about: str
    country: str = ""
    holder: str = ""
    declined: str = ""
    confirms_after_ms: int = 0
    challenges: bool = False
    is_shared: bool = False
    is_disputed: bool = False
    takes_nothing_back: bool = False

    def fingerprint(self, customer: str) -> str:
        """The same for the same card, wherever and however often it is used."""
        whose = "" if self.is_shared else customer
        return f"fp_{_digest('fingerprint', self.code, whose)}"

    def token(self, customer: str) -> str:
        """What ``customer``'s merchant may use for it: nobody else's is the same."""
        return f"tok_{_digest('token', self.code, customer)}"

    def shown(self, customer: str, home_country: str) -> dict[str, Any]:
        """The instrument as the API and webhooks show it."""
        return {
            "token": self.token(customer),
            "kind": self.kind,
            "brand": self.brand,
            "last4": self.last4,
            "country": self.country or home_country,
            "holder": self.holder,
            "fingerprint": self.fingerprint(customer),
        }


def _digest(*words: str) -> str:
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:24]


_CARD, _WALLET, _BANK = "card", "wallet", "bank_account"

#: In the order of the payment page.
INSTRUMENTS: Final = (
    PlayInstrument("visa", _CARD, "Visa", "4242", "Pays at once"),
    PlayInstrument(
        "mastercard_3ds",
        _CARD,
        "Mastercard",
        "3220",
        "Its bank asks for 3-D Secure",
        challenges=True,
    ),
    PlayInstrument("wallet", _WALLET, "PlayPurse", "7001", "Pays at once from the wallet"),
    PlayInstrument(
        "bank",
        _BANK,
        "Bank transfer",
        "3456",
        "Its bank confirms a few seconds later",
        confirms_after_ms=4_000,
    ),
    PlayInstrument(
        "visa_funds",
        _CARD,
        "Visa",
        "9995",
        "Declined: insufficient funds",
        declined="insufficient_funds",
    ),
    PlayInstrument(
        "mastercard_issuer",
        _CARD,
        "Mastercard",
        "0002",
        "Declined by its bank",
        declined="do_not_honor",
    ),
    PlayInstrument(
        "visa_expired", _CARD, "Visa", "0069", "Declined: expired", declined="card_expired"
    ),
    PlayInstrument("visa_abroad", _CARD, "Visa", "0840", "Issued in another country", country="US"),
    PlayInstrument(
        "visa_stranger",
        _CARD,
        "Visa",
        "1117",
        "Another person’s card",
        holder=STRANGER,
        is_shared=True,
    ),
    PlayInstrument(
        "mastercard_disputed",
        _CARD,
        "Mastercard",
        "0259",
        "Pays; the payment is disputed soon after",
        is_disputed=True,
    ),
    PlayInstrument(
        "visa_closed",
        _CARD,
        "Visa",
        "3155",
        "Pays; nothing can be paid back to it",
        takes_nothing_back=True,
    ),
)
BY_CODE: Final = {one.code: one for one in INSTRUMENTS}
#: With what a form pays that names nothing.
DEFAULT: Final = INSTRUMENTS[0]
