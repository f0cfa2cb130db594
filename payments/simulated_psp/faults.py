"""The switches of the simulated provider: what goes wrong, and how long things take."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(slots=True)
class Faults:
    """All off by default. Times in milliseconds; ``every`` counts objects or messages.

    Switches named ``file_`` and ``bank_`` spoil the next files that are written, once, and then go
    off by themselves.
    """

    webhook_copies: int = 1  # 0 loses every webhook
    webhook_delay_ms: int = 0
    webhook_shuffle_ms: int = 0  # each waits by chance up to so long: they overtake each other
    webhook_lose_every: int = 0
    webhook_lose_percent: int = 0  # by chance
    webhook_repeat_percent: int = 0  # by chance, sent twice
    webhook_tells_begin: bool = False  # also that a payment or payout was asked for
    webhook_reverse: bool = False  # the newest of two waiting messages goes first
    webhook_wrong_signature_every: int = 0
    webhook_stale_signature: bool = False  # signed so long ago that it counts as replayed
    confirm_delay_ms: int = 0  # above 0: `processing` first, `succeeded` later
    challenge_always: bool = False  # every payment needs 3-D Secure
    decline_always: bool = False
    refund_delay_ms: int = 0
    refund_fails: bool = False
    payout_step_ms: int = 500
    payout_fails: bool = False
    payout_returns: bool = False  # fails after it was paid
    account_unchecked: bool = False  # no bank says whose a new account is
    account_of_another: bool = False  # the bank knows a new account in another name
    dispute_after_ms: int = 5_000  # of a card whose payments are disputed
    dispute_untold: bool = False  # nobody hears of a new dispute but by the settlement file
    answer_delay_ms: int = 0  # does what was asked, then lets the caller wait
    answer_fails: bool = False  # does what was asked, then answers 500
    answer_fails_every: int = 0
    answer_refuses: bool = False  # does nothing and answers 400

    file_row_missing: bool = False  # a payment that it forgets to settle
    file_row_unasked: bool = False  # a payment that nobody asked for
    file_other_amount: bool = False
    file_other_currency: bool = False
    file_row_twice: bool = False
    file_wrong_fee: bool = False
    file_wrong_rate: bool = False  # a rate although nothing was exchanged
    file_wrong_totals: bool = False
    file_sequence_gap: bool = False
    bank_other_amount: bool = False  # the bank's line is not the sum of the payout
    bank_unknown_line: bool = False
    bank_sequence_gap: bool = False
    bank_wrong_opening: bool = False

    def set(self, wanted: dict[str, Any]) -> None:
        """Throw switches by name. Raises ``ValueError`` for an unknown name or a wrong type."""
        known = {one.name: type(getattr(self, one.name)) for one in fields(self)}
        for name, value in wanted.items():
            if name not in known or type(value) is not known[name]:
                raise ValueError(f"no such switch, or not its type: {name}")
            if type(value) is int and not 0 <= value <= 600_000:
                raise ValueError(f"out of range: {name}")
        for name, value in wanted.items():
            setattr(self, name, value)

    def shown(self) -> dict[str, Any]:
        """Every switch as it stands."""
        return asdict(self)

    def take(self, name: str) -> bool:
        """Whether this file fault is on; it is off afterwards."""
        was_on: bool = getattr(self, name)
        setattr(self, name, False)
        return was_on
