"""Breaks over many days, longer than a run looks back: they stay what they are, until a partner
comes. Here a run looks back three days and one more, where the house looks back two months.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from kernel.ids import new_id
from payments.files import store
from payments.files.models import SourceFile
from payments.reconciliation import booking, inputs, runs
from payments.reconciliation.inputs import Resolved
from payments.reconciliation.models import Break
from payments.reconciliation.policy import Fee, current_policy
from payments.reconciliation.rows import row_ref
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
SHORT = {"lookback_days": 3, "margin_days": 1}
FEES = [Fee("deposit", "EUR", 14_000, 25)]


def short(*, batches: bool = False, **more):
    return policy(simulated={"has_payout_rows": not batches}, **SHORT, **more)


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")


class Days:
    """Runs on one day after the other. What a run books is booked in that night, not now."""

    def __init__(self, owner, monkeypatch, policy) -> None:
        self.owner, self.policy, self.known, self.as_of = owner, policy, set(), day(1, 0)
        monkeypatch.setattr(runs.booking, "book", self.book)

    def book(self, due, actor) -> int:
        new = []
        for one in list(due):
            [transfer] = booking._transfers([one])
            if transfer.id not in self.known:
                self.known.add(transfer.id)
                kind = "psp_settlement" if one.bank else "psp_fee"
                at = self.as_of + timedelta(hours=1)
                new.append(
                    Booked(
                        kind,
                        one.amount_minor,
                        at,
                        transfer=transfer.id,
                        currency=one.currency,
                        of=row_ref(one.row),
                    )
                )
        book(self.owner, new)
        return len(new)

    def run(self, number: int):
        self.as_of = day(number, 0)
        done = reconciled(self.as_of, policy=self.policy)
        assert all(p["drift_minor"] == 0 for p in summary(done)["positions"])
        return done

    def kinds(self, number: int) -> Counter:
        return Counter(kind for kind, _, _ in found(self.run(number)))


def planted(owner, *, batches: bool):
    """Each kind of break once, among what agrees; by name, what a partner is made of."""
    fine = [pair(n, 1_000 + n, day(2 + n % 2), payout="po_1") for n in range(1, 6)]
    fine = [(one, replace(said, fee=fee(said.gross))) for one, said in fine]
    net = sum(said.gross - said.fee for _, said in fine)
    two = [pair(n, 2_000, day(3)) for n in range(10, 20)]
    two = [(one, replace(said, fee=fee(2_000))) for one, said in two]
    (lost, back), (unknown, row), (amount, more), (other, usd), (twice, again) = two[:5]
    (pending, state), (dear, cost), (abroad, _), (disputed, whole) = two[5:9]
    gone, owed = pair(20, 2_000, day(3), payout="po_5")
    sek, converted = pair(30, 10_000, day(3), currency="SEK")
    dispute = Booked("dispute", -700, day(3, 13), payment=disputed.payment)
    rows = [
        *(said for _, said in fine),
        row,
        replace(more, gross=2_010, fee=fee(2_010)),
        replace(usd, currency="USD", fee=0),
        again,
        again,
        replace(state, status="pending"),
        replace(cost, fee=99),
        replace(converted, net_currency="EUR", net=865, fee=10, rate="0.0875"),
        whole,
        Said("dispute", -700, day(3, 14), ref=whole.ref, merchant=whole.merchant),
        Said("dispute", -300, day(3, 15), ref="pay_1", dispute="dp_9"),
        Said("payment", 5_000, day(3), ref="pay_40", fee=fee(5_000), payout="po_2"),
        *([] if batches else [Said("payout", -net, day(4), ref="tr_1", payout="po_1")]),
        *([] if batches else [Said("payout", -net, day(4), ref="tr_1", payout="po_1")]),
        *([] if batches else [Said("payout", -4_905, day(4), ref="tr_2", payout="po_2")]),
        replace(owed, fee=fee(2_000)),
        *([] if batches else [Said("payout", -1_947, day(4), ref="tr_5", payout="po_5")]),
        *([] if batches else [Said("payout", -300, day(4), ref="tr_3")]),
        *([] if batches else [Said("payout", -400, day(4), ref="tr_4", payout="po_4")]),
    ]
    book(
        owner,
        [
            *(one for one, _ in fine),
            *(lost, amount, other, twice, pending, dear, disputed, dispute, sek, abroad, gone),
            Booked("dispute", -700, day(3, 20), payment=disputed.payment),
        ],
    )
    imported(settlement(rows, since=day(1, 0), until=day(5, 0)))
    lines = [(net, "po_1", day(4)), (4_900, "po_2", day(4)), (77, "rent", day(4))]
    bank_imported([*lines, *([] if batches else [(300, "x", day(4)), (400, "po_4", day(4))])])
    return lost, back, unknown, twice


def fee(minor: int) -> int:
    return (abs(minor) * 14_000 + 500_000) // 1_000_000 + 25


@pytest.mark.parametrize(("batches", "resolves"), [(False, False), (True, False), (False, True)])
def test_breaks_of_every_kind_stay_what_they_are_until_their_partner_comes(
    owner, monkeypatch, batches, resolves
):
    days = Days(owner, monkeypatch, short(batches=batches, fees=FEES))
    lost, back, unknown, twice = planted(owner, batches=batches)
    days.run(6)
    first = days.kinds(12)
    assert first == Counter(
        missing_at_psp=2,
        missing_in_ledger=3,
        amount=1,
        currency=1,
        duplicate=2 if batches else 3,
        status=1,
        fee=1,
        fx=1,
        batch_sum=1,
        unmatched_bank_line=1,
        unbooked_chargeback=1,
    )
    ids = set(Break.objects.exclude(state="cleared").values_list("pk", flat=True))
    if resolves:
        resolve(owner, monkeypatch, lost)
    for number in (13, 19):
        assert days.kinds(number) == first
    assert set(Break.objects.exclude(state="cleared").values_list("pk", flat=True)) == ids

    if not resolves:
        late = replace(back, at=day(18))
        imported(settlement([late], number=2, since=day(18, 0), until=day(19, 12)))
        book(
            owner,
            [
                replace(unknown, at=day(19, 13)),
                Booked("suspense", 2_000, day(19, 14), payment=twice.payment),
            ],
        )
        bank_imported([(1_947, "po_5", day(19))])
        left = first - Counter(missing_at_psp=1, missing_in_ledger=2, duplicate=1)
        for number in (20, 26):
            assert days.kinds(number) == left


def resolve(owner, monkeypatch, lost) -> None:
    """Two people accepted each; one was put right by an adjustment of then."""
    made = Booked("adjustment", -lost.minor, day(12, 5))
    book(owner, [made])
    said = [
        Resolved(
            one.pk,
            one.facts_sha256,
            str(made.transfer) if one.transfer_id == lost.transfer else None,
            "staff:1",
            "staff:2",
        )
        for one in Break.objects.exclude(state="cleared").order_by("pk")
    ]
    monkeypatch.setattr(inputs, "_resolved", lambda as_of: tuple(said) if as_of > day(12) else ())


def test_a_payout_whose_rows_do_not_name_it_is_found_at_the_bank_by_its_id_or_its_amount(owner):
    pairs = [pair(n, 1_000, day(3)) for n in (1, 2, 3)]
    book(owner, [one for one, _ in pairs])
    rows = [
        *(said for _, said in pairs),
        Said("payout", -2_000, day(4), ref="tr_1", payout="po_1"),
        Said("payout", -500, day(4), ref="tr_2"),
    ]
    imported(settlement(rows, since=day(1, 0), until=day(5, 0)))
    bank_imported([(2_000, "po_1", day(5)), (500, "x", day(5))])
    done = reconciled(day(6, 0))
    assert found(done) == []
    assert summary(done)["positions"][0]["named"] == {"payout_to_book": 2_500}
    assert done.booked == 2


def test_a_payout_of_rows_that_are_older_than_what_a_run_reads_is_sound(owner, monkeypatch):
    old, new = pair(1, 1_000, day(3), payout="po_1"), pair(2, 1_000, day(11), payout="po_1")
    book(owner, [old[0], new[0]])
    imported(settlement([old[1]], since=day(1, 0), until=day(4, 0)))
    payout = Said("payout", -2_000, day(12), ref="tr", payout="po_1")
    imported(settlement([new[1], payout], number=2, since=day(4, 0), until=day(13, 0)))
    bank_imported([(2_000, "po_1", day(12))])
    days = Days(owner, monkeypatch, short())
    assert [found(days.run(number)) for number in (13, 14, 16, 20)] == [[]] * 4


def test_a_payout_with_a_row_of_its_own_is_that_row_also_where_batches_are_said(owner, monkeypatch):
    pairs = [pair(n, 1_000, day(3), payout="po_1") for n in (1, 2)]
    book(owner, [one for one, _ in pairs])
    payout = Said("payout", -2_000, day(4), ref="po_1", payout="po_1")
    imported(settlement([*(said for _, said in pairs), payout], since=day(1, 0), until=day(5, 0)))
    bank_imported([(2_000, "po_1", day(5))])
    days = Days(owner, monkeypatch, short(batches=True))
    first = days.run(6)
    assert (found(first), first.booked) == ([], 1)
    assert [found(days.run(number)) for number in (7, 12)] == [[], []]


def test_an_id_of_two_words_is_looked_for_as_it_stands(owner):
    pairs = [pair(n, 1_000, day(3), payout=f"batch {n}") for n in (1, 12)]
    book(owner, [one for one, _ in pairs])
    payouts = [Said("payout", -1_000, day(4), ref=f"t{n}", payout=f"batch {n}") for n in (1, 12)]
    rows = [*(said for _, said in pairs), *payouts]
    imported(settlement(rows, since=day(1, 0), until=day(5, 0)))
    bank_imported([(1_000, "Payout TX9 batch 12, EUR", day(5)), (1_000, "batch 1", day(5))])
    done = reconciled(day(12, 0))
    assert (found(done), done.booked) == ([], 2)


def test_a_row_that_is_final_takes_the_place_of_the_one_that_was_not(owner, monkeypatch):
    one, said = pair(1, 1_000, day(3))
    book(owner, [one])
    pending = replace(said, status="pending")
    imported(settlement([pending], since=day(1, 0), until=day(4, 0)))
    days = Days(owner, monkeypatch, short())
    assert found(days.run(5)) == [("status", "pay_1", "0.00")]
    imported(settlement([said], number=2, since=day(4, 0), until=day(5, 0)))
    assert [found(days.run(number)) for number in (6, 9, 15)] == [[]] * 3


def test_what_is_in_transit_is_neither_a_duplicate_nor_missing_on_its_first_day(owner):
    one, said = pair(1, 5_000, day(10))
    refunds = [Booked("deposit_reversal", -2_000, day(n), payment=one.payment) for n in (11, 12)]
    dispute = Booked("dispute", -1_000, day(12), payment=one.payment)
    book(owner, [one, *refunds, dispute])
    refund = Said("refund", -2_000, day(11), ref="pay_1", merchant=str(one.payment))
    imported(settlement([said, refund], since=day(1, 0), until=day(12, 0)))
    assert [kind for kind, _, _ in found(reconciled(day(12, 20)))] == ["timing", "timing"]
    assert [kind for kind, _, _ in found(reconciled(day(20)))] == ["missing_at_psp"] * 2


def test_a_second_refund_of_the_same_amount_is_missing_and_a_second_row_of_one_is_a_duplicate(
    owner,
):
    one, said = pair(1, 5_000, day(3))
    book(owner, [one, Booked("deposit_reversal", -2_000, day(4), payment=one.payment)])
    refund = Said("refund", -2_000, day(4), ref="pay_1", merchant=str(one.payment))
    rows = [said, refund, refund, replace(refund, at=day(5))]
    imported(settlement(rows, since=day(1, 0), until=day(10, 0)))
    assert [kind for kind, _, _ in found(reconciled())] == ["duplicate", "missing_in_ledger"]


def test_without_any_file_everything_is_in_transit_and_then_missing(owner, monkeypatch):
    book(owner, [pair(n, 1_000, day(n))[0] for n in (3, 4, 9)])
    days = Days(owner, monkeypatch, short())
    assert days.kinds(5) == Counter(timing=1, missing_at_psp=1)
    assert days.kinds(10) == Counter(timing=1, missing_at_psp=2)
    assert days.kinds(20) == Counter(missing_at_psp=3)
    assert Break.objects.exclude(state="cleared").count() == 3


def test_a_day_without_runs_is_made_up_for(owner, monkeypatch):
    one, said = pair(1, 1_000, day(2))
    book(owner, [one, *(pair(n, 1_000, day(n))[0] for n in (4, 9))])
    imported(settlement([said], since=day(1, 0), until=day(3, 0)))
    days = Days(owner, monkeypatch, short())
    assert days.kinds(3) == Counter()
    assert days.kinds(20) == Counter(missing_at_psp=2)
    assert days.kinds(22) == Counter(missing_at_psp=2)


def shipped(**more):
    made = replace(current_policy(), digest="f" * 64, **more)
    return replace(
        made, providers={n: replace(p, fees=()) for n, p in current_policy().providers.items()}
    )


def test_a_run_about_one_provider_says_nothing_of_lines_that_may_be_another_s(owner):
    one, said = pair(1, 2_000, day(3), payout="po_1")
    book(owner, [one, Booked("deposit", 500, day(15), ref="x1", provider="paypal")])
    payout = Said("payout", -2_000, day(5), ref="tr", payout="po_1")
    imported(settlement([said, payout], since=day(1, 0), until=day(6, 0)))
    bank_imported([(2_000, "po_1", day(6)), (77, "rent", day(6))])
    rules = shipped()
    whole = runs.perform("", as_of=day(16, 0), policy=rules)
    line = ("unmatched_bank_line", "bank_2", "0.77")
    assert found(whole) == [("timing", "x1", "-5.00"), line]
    scoped = runs.perform("paypal", as_of=day(16, 1), policy=rules)
    assert found(scoped) == [("timing", "x1", "-5.00")]
    assert Break.objects.get(kind="unmatched_bank_line").state == "open"


def test_a_line_of_the_bank_is_the_same_break_whichever_providers_there_are(owner):
    one, said = pair(1, 5_000, day(3))
    book(owner, [one])
    imported(settlement([said], since=day(1, 0), until=day(4, 0)))
    bank_imported([(77, "rent", day(6))])
    rules = shipped()
    runs.perform("", as_of=day(12, 0), policy=rules)
    book(owner, [Booked("deposit", 500, day(12), ref="x1", provider="adyen")])
    runs.perform("", as_of=day(13, 0), policy=rules)
    line = Break.objects.get(kind="unmatched_bank_line")
    assert (line.state, line.provider, line.detail) == ("open", "", "account main")


def test_the_fee_of_a_row_whose_break_two_people_resolved_is_booked(owner, monkeypatch):
    one, said = pair(1, 5_000, day(3))
    _, unknown = pair(2, 900, day(3))
    book(owner, [one])
    rows = [replace(said, gross=5_010, fee=10), replace(unknown, fee=7)]
    imported(settlement(rows, since=day(1, 0), until=day(10, 0)))
    before = reconciled(is_booking=False)
    assert [kind for kind, _, _ in found(before)] == ["amount", "missing_in_ledger"]
    assert summary(before)["positions"][0]["named"]["fee_withheld"] == 17
    said = [
        Resolved(b.pk, b.facts_sha256, None, "staff:1", "staff:2")
        for b in Break.objects.order_by("pk")
    ]
    monkeypatch.setattr(inputs, "_resolved", lambda as_of: tuple(said))
    after = reconciled()
    assert summary(after)["positions"][0]["named"].get("fee_withheld") is None
    assert summary(after)["positions"][0]["named"]["fee_to_book"] == 17
    assert after.booked == 2


def test_a_bank_s_lines_end_with_their_retention_and_runs_go_on(owner, monkeypatch):
    one, said = pair(1, 1_000, day(3), payout="po_1")
    book(owner, [one])
    payout = Said("payout", -1_000, day(4), ref="tr", payout="po_1")
    imported(settlement([said, payout], since=day(1, 0), until=day(5, 0)))
    lines = bank_imported([(1_000, "po_1", day(5)), (77, "rent", day(5))])
    days = Days(owner, monkeypatch, short())
    assert days.kinds(9) == Counter(unmatched_bank_line=1)
    store.path_of(SourceFile.objects.get(sha256=lines).rows_path).unlink()
    assert days.kinds(20) == Counter()


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [(5, 6, False), (4, 6, True), (1, 2, True), (1, 9, True), (6, 7, False)],
)
def test_two_kinds_of_files_about_the_same_days_are_named(owner, since, until, told):
    imported(settlement([pair(1, 1_000, day(3))[1]], since=day(1, 0), until=day(5, 0)))
    kept = SourceFile.objects.get()
    rows = "rows/bb/other.parquet"
    store.path_of(rows).parent.mkdir()
    shutil.copy(store.path_of(kept.rows_path), store.path_of(rows))
    more = {"pk": new_id(), "sha256": "b" * 64, "format": "other", "rows_path": rows}
    period = {"period_from": day(since, 0), "period_to": day(until, 0)}
    SourceFile.objects.create(
        **{
            one.attname: getattr(kept, one.attname)
            for one in SourceFile._meta.fields
            if not one.primary_key
        }
        | more
        | period
    )
    gaps = {one["gap"]: one["detail"] for one in reconciled().run.inputs["gaps"]}
    assert gaps.get("formats_overlap") == ("other and simulated" if told else None)


def test_what_was_booked_just_before_the_first_file_and_is_in_it_is_no_difference(
    owner, monkeypatch
):
    before, said = pair(1, 1_000, day(3, 20))
    stays, dear = pair(2, 300, day(3)), pair(3, 700, day(3, 21))
    book(owner, [before, stays[0], dear[0], pair(4, 50, day(5))[0]])
    rows = [
        replace(said, at=day(4, 1), fee=9),
        replace(dear[1], at=day(4, 1), gross=710),
        pair(4, 50, day(5))[1],
    ]
    imported(settlement(rows, since=day(4, 0), until=day(6, 0)))
    days = Days(owner, monkeypatch, short())
    for number in (7, 9, 14, 20):
        assert found(done := days.run(number)) == [("amount", "pay_3", "0.10")]
        assert summary(done)["positions"][0]["named"]["before_first_file"] == 300


@pytest.mark.parametrize(
    "order",
    [
        (6, 26, 14, 19, 23),
        (26, 6, 12, 18, 24),
        (12, 26, 6, 10, 16, 20, 18, 14),
        (26, 20, 14, 8, 11, 17, 23),
        (6, 12, 26, 9, 20, 15),
    ],
)
def test_instants_of_the_past_in_any_order_and_far_apart_are_told_whole(owner, order):
    items = [pair(n, 1_000 + n, day(n)) for n in range(2, 24)]
    book(owner, [one for place, (one, _) in enumerate(items) if place % 4 != 1])
    rows = [said for place, (_, said) in enumerate(items) if place % 4 != 2]
    rows.insert(9, replace(items[8][1], at=day(11)))
    for number, (since, until) in enumerate(((1, 7), (7, 13), (13, 19), (19, 25)), start=1):
        mine = [one for one in rows if day(since, 0) <= one.at < day(until, 0)]
        body = settlement(mine, number=number, since=day(since, 0), until=day(until, 0))
        imported(body, f"{number}.csv")
    for number in order:
        as_of = day(number, 0)
        whole = reconciled(as_of, policy=policy(), dry_run=True, report_dir=None)
        whole = (whole.header.controls, whole.header.positions[0].closing_minor)
        done = reconciled(as_of, policy=short())
        assert (done.header.controls, done.header.positions[0].closing_minor) == whole
