"""Books and files with faults at random, judged by a small oracle in plain Python: each planted
break is found, under its name, and nothing else is.

The oracle looks for nothing: it remembers what it planted. What it plants is all that may differ.
"""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.money import Money
from payments.reconciliation.policy import Fee
from tests.conftest import cloned_database
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

pytestmark = [pytest.mark.feature("F67", "F68"), pytest.mark.slow]
CONTRACT = Fee("deposit", "EUR", 14_000, 25)


def fee(minor: int) -> int:
    return (abs(minor) * CONTRACT.ppm + 500_000) // 1_000_000 + CONTRACT.fixed_minor


def decimal(minor: int) -> str:
    return Money(minor, "EUR").decimal()


#: Name of a fault → what becomes of a fair (booking, row), and what the oracle expects of it.
def _plant(fault: str, number: int, one: Booked, said: Said):  # noqa: C901, PLR0911  (a table)
    ref, minor = one.ref, one.minor
    match fault:
        case "none":
            return [one], [said], []
        case "missing_at_psp":
            return [one], [], [("missing_at_psp", ref, decimal(-minor))]
        case "missing_in_ledger":
            return [], [said], [("missing_in_ledger", ref, decimal(minor))]
        case "amount":
            more = 1 + number % 50
            row = replace(said, gross=minor + more, fee=fee(minor + more))
            return [one], [row], [("amount", ref, decimal(more))]
        case "currency":
            row = replace(said, currency="USD", fee=0, payout="")
            return [one], [row], [("currency", ref, decimal(-minor))]
        case "duplicate":
            return [one], [said, said], [("duplicate", ref, decimal(minor))]
        case "status":
            return [one], [replace(said, status="pending")], [("status", ref, "0.00")]
        case "fee":
            row = replace(said, fee=said.fee + 2)
            return [one], [row], [("fee", ref, "-0.02")]
        case "rounding":
            return [one], [replace(said, fee=said.fee + 1)], []
        case "merchant_only":
            return [one], [replace(said, ref=f"ch_{number}")], []
        case "chargeback":
            row = Said("dispute", -minor, said.at, ref=ref, dispute=f"dp_{number}")
            return [one], [said, row], [("unbooked_chargeback", ref, decimal(-minor))]
        case "young":
            late = replace(one, at=day(20, 3))
            return [late], [], [("timing", ref, decimal(-minor))]
    raise AssertionError(fault)


FAULTS = (
    *("none", "none", "none", "rounding", "merchant_only", "missing_at_psp", "missing_in_ledger"),
    *("amount", "currency", "duplicate", "status", "fee", "chargeback", "young"),
)
BANK_FAULTS = ("none", "other_amount", "rows_differ", "no_line", "stranger")


@given(
    st.lists(
        st.tuples(st.sampled_from(FAULTS), st.integers(100, 5_000), st.integers(2, 14)),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from(BANK_FAULTS),
)
@settings(
    max_examples=6,
    deadline=None,
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # each example is a database: no shrinking
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_random_faults_are_found_by_their_names_and_nothing_else_is(
    template_database, django_db_blocker, settings, tmp_path_factory, faults, bank_fault
):
    settings.RECONCILIATION_DIR = str(tmp_path_factory.mktemp("store"))
    with (
        cloned_database(template_database, django_db_blocker) as database,
        psycopg.connect(database.owner_url, autocommit=True) as owner,
    ):
        _judge(owner, faults, bank_fault)


def _judge(owner, faults, bank_fault) -> None:
    booked, rows, expected = [], [], []
    for number, (fault, minor, on) in enumerate(faults):
        one, said = pair(number, minor, day(on), payout="po_1")
        mine, theirs, breaks = _plant(fault, number, one, replace(said, fee=fee(minor)))
        booked, rows, expected = booked + mine, rows + theirs, expected + breaks
    net = sum(said.gross - said.fee for said in rows if said.payout == "po_1")
    paid = net + (7 if bank_fault == "rows_differ" else 0)
    lines = [(paid, "PSP po_1", day(16))] if net else []
    if net:
        rows.append(Said("payout", -paid, day(15), ref="tr_1", payout="po_1"))
        expected += [("batch_sum", "tr_1", "-0.07")] if bank_fault == "rows_differ" else []
        if bank_fault == "other_amount":
            lines = [(paid + 11, "PSP po_1", day(16))]
            expected.append(("batch_sum", "tr_1", "0.11"))
        if bank_fault == "no_line":
            lines = []
            # five days after the payout it is late
            expected.append(("missing_in_ledger", "tr_1", decimal(-paid)))
    if bank_fault == "stranger":
        lines.append((123, "somebody", day(16)))
        expected.append(("unmatched_bank_line", f"bank_{len(lines)}", "1.23"))
    book(owner, booked)
    imported(settlement(rows, since=day(1, 0), until=day(18, 0)))
    if lines:
        bank_imported(lines)
    done = reconciled(day(21, 0), policy=policy(fees=[CONTRACT]))
    assert found(done) == sorted(expected)
    assert all(p["drift_minor"] == 0 for p in summary(done)["positions"])
