"""The transfers of a correction: which money goes from where to where. Posts nothing itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from kernel.ids import AccountId, PlayerId, new_id
from ledger import accounts
from ledger.postings import AccountKind, Transfer, TransferKind, derived_id
from tables.corrections.plan import Change, Split, ways_back
from tables.incidents.records import Correction, Shortfall
from tables.models import Round


@dataclass(frozen=True, slots=True)
class BetEnd:
    """A bet with its outcome under the old result, and under the new one."""

    id: UUID
    accepted_at: datetime
    player_id: PlayerId
    position: str
    stake_minor: int
    currency: str
    old_kind: str
    old_minor: int
    old_transfer: UUID | None
    new_kind: str = ""
    new_minor: int = 0
    new_transfer: UUID | None = None

    @property
    def changes(self) -> bool:
        return self.old_minor != self.new_minor


@dataclass(slots=True)
class Played:
    """One player's bets of the round in one currency."""

    player_id: PlayerId
    currency: str
    bets: list[BetEnd] = field(default_factory=list)

    def changes(self) -> list[Change]:
        return [Change(bet.id, bet.old_minor, bet.new_minor) for bet in self.bets if bet.changes]


def transfer_id(correction: Correction, what: str, bet_id: UUID) -> UUID:
    """The same on every attempt: a bet cannot be corrected twice to one version."""
    return derived_id(f"correction:v{correction.to_version}:{what}", bet_id)


class Desk:
    """Writes the transfers of one chunk; knows its accounts."""

    def __init__(self, correction: Correction, round_: Round, players: Sequence[Played]) -> None:
        self._correction = correction
        self._escrow, self._house = f"round:{round_.id}", f"table:{round_.table_id}"
        wanted = set()
        for one in players:
            owner = f"player:{one.player_id}"
            wanted |= {
                (AccountKind.ESCROW, self._escrow, one.currency),
                (AccountKind.HOUSE, self._house, one.currency),
                (AccountKind.PLAYER_CASH, owner, one.currency),
                (AccountKind.RECEIVABLE, owner, one.currency),
            }
        self._accounts = accounts.ensure_accounts(sorted(wanted))

    def payouts(self, player: Played) -> list[Transfer]:
        """What the new result pays on bets whose outcome changes."""
        return [
            self._transfer(
                bet.new_transfer or new_id(),
                self._at(AccountKind.ESCROW, self._escrow, bet.currency),
                self._of(AccountKind.PLAYER_CASH, player),
                bet.new_minor,
                f"bet:{bet.id}",
            )
            for bet in player.bets
            if bet.changes and bet.new_minor
        ]

    def reversals(self, player: Played, share: Split) -> list[Transfer]:
        """What the old result paid on them: from the account, and the rest from who bears it."""
        escrow = self._at(AccountKind.ESCROW, self._escrow, player.currency)
        cash = self._of(AccountKind.PLAYER_CASH, player)
        bearer = (
            self._at(AccountKind.HOUSE, self._house, player.currency)
            if self._correction.shortfall == Shortfall.HOUSE
            else self._of(AccountKind.RECEIVABLE, player)
        )
        transfers = []
        for back in ways_back(player.changes(), share.taken_minor):
            for what, source, minor in (
                ("taken", cash, back.taken_minor),
                ("rest", bearer, back.rest_minor),
            ):
                if minor:
                    id_ = transfer_id(self._correction, what, back.bet_id)
                    transfers.append(
                        self._transfer(id_, source, escrow, minor, f"bet:{back.bet_id}")
                    )
        if share.regained_minor:
            transfers.append(
                self._transfer(new_id(), cash, escrow, share.regained_minor, self._escrow)
            )
        return transfers

    def house_legs(self, shares: Sequence[tuple[Played, Split]], *, first: bool) -> list[Transfer]:
        """House money into escrow before it pays; what came back out of it at the end."""
        sums: defaultdict[str, int] = defaultdict(int)
        for player, share in shares:
            sums[player.currency] += (
                share.paid_minor if first else share.reversed_minor + share.regained_minor
            )
        transfers = []
        for currency, minor in sorted(sums.items()):
            if minor == 0:
                continue
            ends = (
                self._at(AccountKind.HOUSE, self._house, currency),
                self._at(AccountKind.ESCROW, self._escrow, currency),
            )
            debit, credit = ends if first else (ends[1], ends[0])
            transfers.append(self._transfer(new_id(), debit, credit, minor, self._escrow))
        return transfers

    def _of(self, kind: AccountKind, player: Played) -> AccountId:
        return self._at(kind, f"player:{player.player_id}", player.currency)

    def _at(self, kind: AccountKind, owner: str, currency: str) -> AccountId:
        return self._accounts[kind, owner, currency]

    def _transfer(
        self, id_: UUID, debit: AccountId, credit: AccountId, minor: int, ref: str
    ) -> Transfer:
        return Transfer(
            id=id_,
            debit=debit,
            credit=credit,
            amount_minor=minor,
            kind=TransferKind.CORRECTION,
            ref=ref,
        )
