"""Kinds, fingerprints and ids of the ledger, without a database."""

from dataclasses import replace
from uuid import UUID

import pytest

from kernel.ids import AccountId, new_id
from kernel.invariant import InvariantBroken
from ledger.postings import (
    PERMIT_KINDS,
    POST_CODES,
    PostCode,
    Transfer,
    TransferKind,
    derived_id,
    fingerprint,
    groups_together,
)

BASE = Transfer(
    UUID("0198c0de-0000-7000-8000-000000000001"),
    AccountId(1),
    AccountId(2),
    500,
    TransferKind.STAKE,
    "bet:1",
)


def test_the_fingerprint_is_the_same_for_the_same_request_and_ignores_the_permit():
    other_permit = replace(BASE, permit=new_id())

    assert fingerprint("post", "bets", [BASE]) == fingerprint("post", "bets", [other_permit])
    assert len(fingerprint("post", "bets", [])) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"id": UUID("0198c0de-0000-7000-8000-000000000002")},
        {"debit": AccountId(3)},
        {"credit": AccountId(3)},
        {"amount_minor": 501},
        {"kind": TransferKind.PAYOUT},
        {"ref": "bet:2"},
        {"group": 0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_fingerprint_changes_with_every_other_field(change):
    changed = replace(BASE, **change)

    assert fingerprint("post", "bets", [BASE]) != fingerprint("post", "bets", [changed])


def test_the_fingerprint_changes_with_mode_kind_number_and_order():
    second = replace(BASE, id=new_id())
    prints = {
        fingerprint("post", "bets", [BASE, second]),
        fingerprint("post", "bets", [second, BASE]),
        fingerprint("try_post", "bets", [BASE, second]),
        fingerprint("post", "undo", [BASE, second]),
        fingerprint("post", "bets", [BASE]),
        fingerprint("post", "bets", []),
    }

    assert len(prints) == 6


@pytest.mark.feature("F59")
def test_a_derived_id_is_one_per_purpose_and_thing_and_keeps_its_time():
    bet = UUID("0198c0de-1234-7abc-8def-0123456789ab")

    payout = derived_id("payout", bet)

    assert payout == derived_id("payout", bet)
    assert payout.version == 8
    assert payout.variant == "specified in RFC 4122"
    assert payout.int >> 80 == bet.int >> 80
    assert len({payout, derived_id("refund", bet), derived_id("payout", new_id()), bet}) == 4


def test_items_of_a_group_follow_its_first_item_and_the_rest_keeps_its_order():
    groups = [None, 7, None, 8, 7, 8, None, 7]
    transfers = [replace(BASE, group=group) for group in groups]

    assert groups_together(transfers) == [0, 1, 4, 7, 2, 3, 5, 6]


def test_code_numbers_are_those_that_old_batches_were_stored_with():
    assert [code.value for code in POST_CODES] == [
        "posted",
        "below_floor",
        "unknown_account",
        "currency_mismatch",
        "account_closed",
        "not_positive",
        "same_account",
        "permit_missing",
        "permit_invalid",
        "permit_exceeded",
        "duplicate_id",
        "group_failed",
        "route_not_allowed",
        "too_large",
        "not_approved",
        "not_of_round",
    ]
    assert set(POST_CODES) == set(PostCode)


def test_what_a_person_causes_needs_a_permit():
    assert {"stake", "deposit", "withdrawal_hold"} == PERMIT_KINDS


@pytest.mark.parametrize("ref", ["a\nb", "a\n", "é", "x" * 201, "tab\t"])
def test_a_ref_that_is_not_short_printable_ascii_is_a_bug(ref):
    with pytest.raises(InvariantBroken, match="printable ASCII"):
        replace(BASE, ref=ref)


def test_an_amount_that_is_not_a_whole_number_is_a_bug():
    with pytest.raises(InvariantBroken, match="whole minor units"):
        replace(BASE, amount_minor=5.0)
