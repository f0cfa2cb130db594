"""Each kind of break planted alone, and all of them together: named, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from payments.reconciliation.policy import Fee, Rate
from tests.flows.reconciliation_steps import (
    Booked,
    Said,
    bank_imported,
    book,
    day,
    found,
    imported,
    pair,
    policy,
    reconciled,
    settlement,
    summary,
)

pytestmark = [pytest.mark.feature("F67", "F68")]


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")


def world(owner, pairs, *, payouts=(), bank=(), more_rows=(), more_booked=(), **policies):
    """Books, a file from day 1 to day 18 and the bank's lines; what a run finds of them."""
    book(owner, [one for one, _ in pairs if one] + list(more_booked))
    rows = [said for _, said in pairs if said] + list(more_rows)
    imported(settlement(rows, since=day(1, 0), until=day(18, 0)))
    if bank:
        bank_imported(list(bank))
    return reconciled(policy=policy(**policies) if policies else None)


def clean(count: int = 6, payout: str = "po_1"):
    return [pair(n, 1_000 + n, day(2 + n), payout=payout) for n in range(1, count + 1)]


def paid(pairs, payout: str = "po_1"):
    """The payout of what ``pairs`` net to, as the provider's file has it."""
    total = sum(
        (said.gross - said.fee if said.net is None else said.net) for _, said in pairs if said
    )
    return Said("payout", -total, day(10), ref=f"tr_{payout}", payout=payout), total


def test_what_agrees_three_ways_has_no_break_and_books_its_payout(owner):
    pairs = clean()
    payout, total = paid(pairs)
    done = world(owner, pairs, more_rows=[payout], bank=[(total, "PSP po_1 NOVEMBER", day(11))])
    assert found(done) == []
    [position] = summary(done)["positions"]
    assert position["named"] == {"payout_to_book": total}
    assert (position["closing_minor"], position["provider_closing_minor"]) == (total, 0)
    assert position["drift_minor"] == 0
    assert done.booked == 1
    again = reconciled(day(30, 0).replace(month=11, day=21))
    assert (again.booked, found(again)) == (0, [])


def test_a_deposit_that_the_provider_does_not_have_is_missing_there(owner):
    pairs = [*clean(), (pair(7, 5_000, day(8))[0], None)]
    done = world(owner, pairs)
    assert found(done) == [("missing_at_psp", "pay_7", "-50.00")]


def test_a_row_that_the_ledger_does_not_have_is_missing_there(owner):
    done = world(owner, [*clean(), (None, pair(7, 5_000, day(8))[1])])
    assert found(done) == [("missing_in_ledger", "pay_7", "50.00")]


def test_another_amount_and_another_currency_are_named_with_both_sides(owner):
    one, said = pair(7, 5_000, day(8))
    other, told = pair(8, 7_000, day(8))
    done = world(
        owner,
        [*clean(), (one, replace(said, gross=5_100)), (other, replace(told, currency="USD"))],
    )
    assert found(done) == [("amount", "pay_7", "1.00"), ("currency", "pay_8", "-70.00")]
    assert {p["currency"]: p["drift_minor"] for p in summary(done)["positions"]} == {
        "EUR": 0,
        "USD": 0,
    }


def test_a_second_row_of_the_same_is_a_duplicate_and_so_is_a_second_booking(owner):
    one, said = pair(7, 5_000, day(8))
    other, told = pair(8, 900, day(8))
    twice = Booked("dispute", -900, day(9), payment=other.payment)
    disputed = Said("dispute", -900, day(9), ref="pay_8", merchant=str(other.payment))
    again = Booked("dispute", -900, day(10), payment=other.payment)
    done = world(
        owner,
        [*clean(), (one, said), (None, said), (other, told), (twice, disputed), (again, None)],
    )
    assert found(done) == [("duplicate", "", "9.00"), ("duplicate", "pay_7", "50.00")]


def test_a_row_that_is_not_final_is_a_break_of_status(owner):
    one, said = pair(7, 5_000, day(8))
    done = world(owner, [*clean(), (one, replace(said, status="pending"))])
    assert found(done) == [("status", "pay_7", "0.00")]


@pytest.mark.parametrize(
    ("fee", "expected"), [(95, []), (94, []), (96, []), (97, ["-0.02"]), (93, ["0.02"])]
)
def test_a_fee_may_differ_from_the_contract_by_one_minor_unit(owner, fee, expected):
    one, said = pair(7, 5_000, day(8))  # 1.4 % and 0.25: 0.95
    contract = [Fee("deposit", "EUR", 14_000, 25)]
    done = world(owner, [(one, replace(said, fee=fee))], fees=contract)
    assert [difference for _, _, difference in found(done)] == expected
    assert done.booked == (0 if expected else 1)


def test_a_conversion_without_a_booked_rate_or_beside_it_is_a_break_of_rate(owner):
    one, said = pair(7, 10_000, day(8), currency="SEK")
    pairs = [(one, replace(said, net_currency="EUR", net=900, rate="0.09"))]
    done = world(
        owner,
        pairs,
        simulated={"rates": (Rate("SEK", "EUR", "0.0875"),), "rate_tolerance_ppm": 20_000},
    )
    assert found(done) == [("fx", "pay_7", "-0.25")]
    agreed = reconciled(
        policy=policy(
            simulated={"rates": (Rate("SEK", "EUR", "0.0895"),), "rate_tolerance_ppm": 20_000}
        )
    )
    assert found(agreed) == []
    assert [one[1] for one in found(reconciled())] == ["pay_7"]


def test_a_payout_whose_rows_or_whose_line_come_to_something_else_is_a_break_of_its_batch(owner):
    pairs = clean()
    payout, total = paid(pairs)
    short = replace(payout, gross=payout.gross + 10)
    done = world(owner, pairs, more_rows=[short], bank=[(total - 10, "po_1", day(11))])
    assert found(done) == [("batch_sum", "tr_po_1", "0.10")]
    assert done.booked == 0


def test_a_line_of_the_bank_for_another_amount_is_a_break_of_the_batch(owner):
    pairs = clean()
    payout, total = paid(pairs)
    done = world(owner, pairs, more_rows=[payout], bank=[(total - 3, "po_1", day(11))])
    assert found(done) == [("batch_sum", "tr_po_1", "-0.03")]
    assert done.booked == 0


def test_a_line_that_no_payout_explains_is_named_and_found_by_amount_only_where_it_is_alone(owner):
    pairs = clean()
    payout, total = paid(pairs)
    done = world(
        owner,
        pairs,
        more_rows=[payout],
        bank=[(total, "no reference", day(12)), (77, "stranger", day(12))],
    )
    assert found(done) == [("unmatched_bank_line", "bank_2", "0.77")]
    assert done.booked == 1


def test_two_lines_that_could_be_the_payout_are_neither(owner):
    pairs = clean()
    payout, total = paid(pairs)
    done = world(
        owner, pairs, more_rows=[payout], bank=[(total, "a", day(11)), (total, "b", day(12))]
    )
    assert [kind for kind, _, _ in found(done)] == [
        "missing_in_ledger",
        "unmatched_bank_line",
        "unmatched_bank_line",
    ]
    assert done.booked == 0


def test_a_chargeback_that_nobody_booked_is_named_at_once(owner):
    pairs = clean()
    said = Said("dispute", -1_001, day(17, 23), ref="pay_1", dispute="dp_1", merchant="")
    done = world(owner, pairs, more_rows=[said])
    assert found(done) == [("unbooked_chargeback", "pay_1", "-10.01")]


def test_what_is_young_is_in_transit_and_clears_or_becomes_missing_by_itself(owner):
    late = (pair(7, 5_000, day(17, 20))[0], None)
    book(owner, [one for one, _ in clean()] + [late[0]])
    imported(settlement([said for _, said in clean()], since=day(1, 0), until=day(17, 0)))
    first = reconciled(day(18, 0))
    assert found(first) == [("timing", "pay_7", "-50.00")]
    second = reconciled(day(20, 0))
    assert found(second) == [("missing_at_psp", "pay_7", "-50.00")]
    assert second.events == {"cleared": 1, "found": 1}
    imported(settlement([pair(7, 5_000, day(18))[1]], number=2, since=day(17, 0), until=day(19, 0)))
    third = reconciled(day(21, 0))
    assert (found(third), third.events) == ([], {"cleared": 1})


def test_without_a_reference_amount_and_day_decide_only_where_both_sides_are_alone(owner):
    def bare(said: Said) -> Said:
        return replace(said, ref="", merchant="")

    alone, said = pair(7, 5_000, day(8))
    one, told = pair(8, 6_000, day(8))
    other, _ = pair(9, 6_000, day(9))
    far, tells = pair(10, 7_000, day(3))
    done = world(
        owner,
        [
            (alone, bare(replace(said, at=day(10)))),
            (one, bare(told)),
            (other, None),
            (far, bare(replace(tells, at=day(7)))),
        ],
    )
    assert found(done) == [
        ("missing_at_psp", "pay_10", "-70.00"),
        ("missing_at_psp", "pay_8", "-60.00"),
        ("missing_at_psp", "pay_9", "-60.00"),
        ("missing_in_ledger", "", "60.00"),
        ("missing_in_ledger", "", "70.00"),
    ]


def test_a_row_that_names_another_payment_is_never_matched_by_its_amount(owner):
    one, _ = pair(7, 5_000, day(8))
    _, said = pair(8, 5_000, day(8))
    done = world(owner, [(one, said)])
    assert [kind for kind, _, _ in found(done)] == ["missing_at_psp", "missing_in_ledger"]


def test_a_row_that_only_has_our_number_is_found_by_it(owner):
    one, said = pair(7, 5_000, day(8))
    done = world(owner, [(one, replace(said, ref="ch_other"))])
    assert found(done) == []
    assert summary(done)["matched"] == {"2": 1}


def test_all_kinds_together_are_all_named_and_nothing_else_is(owner):
    contract = [Fee("deposit", "EUR", 14_000, 25)]

    def fair(number: int, minor: int, **more):
        one, said = pair(number, minor, day(3 + number % 5), payout="po_1", **more)
        return one, replace(said, fee=(minor * 14_000 + 500_000) // 1_000_000 + 25)

    pairs = [fair(n, 2_000 + n) for n in range(1, 21)]
    one, said = fair(30, 5_000)
    two, told = fair(31, 6_000)
    three, tells = fair(32, 6_500)
    planted = [
        (fair(33, 900)[0], None),
        (None, fair(34, 800)[1]),
        (one, replace(said, gross=5_010, fee=95)),
        (two, replace(told, currency="USD", fee=0)),
        (three, replace(tells, status="failed")),
        (None, pairs[0][1]),
        (fair(35, 700)[0], replace(fair(35, 700)[1], fee=99)),
    ]
    net = sum(s.gross - s.fee for _, s in pairs + planted if s and s.currency == "EUR")
    payout = Said("payout", -net, day(12), ref="tr_1", payout="po_1")
    off = Said("payout", -100, day(13), ref="tr_2", payout="po_2")
    done = world(
        owner,
        pairs + planted,
        more_rows=[
            payout,
            off,
            Said("dispute", -2_001, day(14), ref="pay_1", dispute="dp_1"),
        ],
        more_booked=[pair(40, 333, day(19, 12))[0]],
        bank=[(net, "po_1", day(13)), (105, "po_2", day(14)), (42, "stranger", day(14))],
        fees=contract,
    )
    assert found(done) == [
        ("amount", "pay_30", "0.10"),
        ("batch_sum", "tr_2", "0.05"),
        ("currency", "pay_31", "-60.00"),
        ("duplicate", "pay_1", "20.01"),
        ("fee", "pay_35", "-0.64"),
        ("missing_at_psp", "pay_33", "-9.00"),
        ("missing_in_ledger", "pay_34", "8.00"),
        ("status", "pay_32", "0.00"),
        ("timing", "pay_40", "-3.33"),
        ("unbooked_chargeback", "pay_1", "-20.01"),
        ("unmatched_bank_line", "bank_3", "0.42"),
    ]
    assert all(p["drift_minor"] == 0 for p in summary(done)["positions"])
