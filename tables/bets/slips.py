"""What a player asks for, and what the player is told. Frozen values; no database.

A slip is taken whole or refused whole. Its ``key`` is the player's own: the same key with the same
slip gives the same answer for ever, with another slip it is a conflict.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from kernel.clock import epoch_ms
from kernel.ids import PlayerId
from kernel.refusal import Refused
from tables.rules.roulette import ALL_POSITIONS, Position, RulesCode, parse_position

KEY: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


class BettingCode(StrEnum):
    """Why a slip is not taken. Rules, gate and ledger add their own codes."""

    TOO_LATE = "too_late"
    NOT_OPEN = "not_open"
    TABLE_SUSPENDED = "table_suspended"
    KEY_CONFLICT = "key_conflict"
    BAD_KEY = "bad_key"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    CURRENCY_NOT_OFFERED = "currency_not_offered"
    NOTHING_TO_UNDO = "nothing_to_undo"
    NOTHING_TO_REPEAT = "nothing_to_repeat"
    UNKNOWN_TABLE = "unknown_table"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Stake:
    """So many minor units on a position."""

    position: Position
    stake_minor: int


@dataclass(frozen=True, slots=True)
class PlaceBets:
    """One act of betting. Construct it with :func:`place_bets`, which checks the key."""

    player_id: PlayerId
    table_id: str
    key: str
    currency: str
    stakes: tuple[Stake, ...]
    #: The round the player saw. A slip that was delayed into the next one is too late.
    round_number: int | None = None
    #: "rebet" or "double" where the house filled in the stakes: then the key stands for the wish,
    #: since the same wish sent again may find other stakes.
    wish: str = ""
    _fingerprint: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_fingerprint", self._summed_up())

    @property
    def total_minor(self) -> int:
        return sum(stake.stake_minor for stake in self.stakes)

    def fingerprint(self) -> str:
        """SHA-256 over what was asked, so that a reused key with other input is caught."""
        return self._fingerprint

    def _summed_up(self) -> str:
        lines = [self.table_id, self.currency, str(self.round_number)]
        if self.wish:
            return hashlib.sha256("\n".join([self.wish, *lines]).encode()).hexdigest()
        lines += [f"{stake.position.code}={stake.stake_minor}" for stake in self.stakes]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class AcceptedBet(NamedTuple):
    """One position of an accepted slip. A tuple: a batch makes thousands of them."""

    id: UUID
    position: str
    stake_minor: int


class Receipt(NamedTuple):
    """The answer to an accepted slip (or undo): the money has moved when the player reads it."""

    slip_id: UUID
    kind: str
    table_id: str
    round_number: int
    currency: str
    bets: tuple[AcceptedBet, ...]
    accepted_at: datetime
    before_close_ms: int
    balance_after_minor: int
    rules_hash: str

    @property
    def total_minor(self) -> int:
        return sum(bet.stake_minor for bet in self.bets)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; :meth:`from_json` gives the same receipt back."""
        return {
            "slip_id": str(self.slip_id),
            "kind": self.kind,
            "table_id": self.table_id,
            "round_number": self.round_number,
            "currency": self.currency,
            "bets": [
                {"id": str(bet.id), "position": bet.position, "stake_minor": bet.stake_minor}
                for bet in self.bets
            ],
            "accepted_at": self.accepted_at.isoformat(),
            "accepted_at_ms": epoch_ms(self.accepted_at),
            "before_close_ms": self.before_close_ms,
            "balance_after_minor": self.balance_after_minor,
            "rules_hash": self.rules_hash,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Receipt:
        return cls(
            slip_id=UUID(stored["slip_id"]),
            kind=stored["kind"],
            table_id=stored["table_id"],
            round_number=stored["round_number"],
            currency=stored["currency"],
            bets=tuple(
                AcceptedBet(UUID(bet["id"]), bet["position"], bet["stake_minor"])
                for bet in stored["bets"]
            ),
            accepted_at=datetime.fromisoformat(stored["accepted_at"]),
            before_close_ms=stored["before_close_ms"],
            balance_after_minor=stored["balance_after_minor"],
            rules_hash=stored["rules_hash"],
        )


def checked_key(key: str) -> str:
    """``key`` when it can serve as an idempotency key; ``Refused(BAD_KEY)`` otherwise."""
    if not KEY.fullmatch(key):
        raise Refused(BettingCode.BAD_KEY, key=key[:64])
    return key


def place_bets(
    player_id: PlayerId,
    table_id: str,
    *,
    key: str,
    currency: str,
    stakes: list[tuple[str, int]],
    round_number: int | None = None,
) -> PlaceBets:
    """A slip from position codes and minor units.

    Refuses with ``BAD_KEY``, ``RulesCode.UNKNOWN_POSITION`` or ``TOO_MANY_STAKES``; amounts are
    judged with the table's limits when the slip is taken.
    """
    if len(stakes) > len(ALL_POSITIONS):
        raise Refused(RulesCode.TOO_MANY_STAKES, count=len(stakes), max=len(ALL_POSITIONS))
    return PlaceBets(
        player_id=player_id,
        table_id=table_id,
        key=checked_key(key),
        currency=currency,
        stakes=tuple(Stake(parse_position(code), minor) for code, minor in stakes),
        round_number=round_number,
    )
