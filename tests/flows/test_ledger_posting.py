"""Posting, with exact figures."""

from uuid import UUID

from django.db import transaction

from kernel.ids import Actor, RoundId, new_id
from ledger import accounts, permits
from ledger.posting import PostResult, post, try_post
from ledger.postings import PostCode, Transfer, TransferKind

DESK = Actor.system("test")


def fund(player: int, amount_minor: int, currency: str = "EUR"):
    cash = accounts.player_cash(player, currency)
    source = accounts.ensure_account(accounts.AccountKind.ADJUSTMENTS, "house:main", currency)
    transfer = Transfer(new_id(), source, cash, amount_minor, TransferKind.ADJUSTMENT, "seed")
    with transaction.atomic():
        post(key=f"seed:{transfer.id}", kind="seed", actor=DESK, transfers=[transfer])
    return cash


def permit(player: int, amount_minor: int, purpose=TransferKind.STAKE, currency="EUR") -> UUID:
    grant = permits.Grant(new_id(), f"player:{player}", purpose, currency, amount_minor)
    permits.issue([grant])
    return grant.id


def test_one(database):
    cash = fund(1, 1000)
    escrow = accounts.escrow(RoundId(new_id()), "EUR")
    with transaction.atomic():
        t = [
            Transfer(new_id(), cash, escrow, 300, TransferKind.STAKE, "bet:1", permit(1, 300)),
            Transfer(new_id(), cash, escrow, 800, TransferKind.STAKE, "bet:1", permit(1, 800)),
            Transfer(new_id(), cash, escrow, 700, TransferKind.STAKE, "bet:1", permit(1, 700)),
        ]
        r = try_post(key="a", kind="bets", actor=DESK, transfers=t)
    assert r == [
        PostResult(t[0].id, PostCode.POSTED, 700),
        PostResult(t[1].id, PostCode.BELOW_FLOOR, None),
        PostResult(t[2].id, PostCode.POSTED, 0),
    ]
    assert accounts.balance(escrow).posted_minor == 1000
    with transaction.atomic():
        assert try_post(key="a", kind="bets", actor=DESK, transfers=t) == r
