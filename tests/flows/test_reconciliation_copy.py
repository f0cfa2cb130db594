"""What a run copies of the ledger: each entry with its payment, whichever way payments come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from payments.files import columnar, store
from payments.reconciliation import ledger_side
from tests.flows.reconciliation_steps import AS_OF, Booked, book, day

pytestmark = [pytest.mark.feature("F67"), pytest.mark.usefixtures("database")]

SINCE = day(1, 0)
#: Made in the window, long before it, and (so says its clock) after it.
IN_IT = Booked("deposit", 700, day(2), ref="pay_1", made=day(2) - timedelta(minutes=5))
BEFORE = Booked("deposit", 800, day(3), ref="pay_2", made=SINCE - timedelta(days=400))
AFTER = Booked("deposit", 900, day(4), ref="pay_3", made=AS_OF + timedelta(days=1))
#: Booked before the window, so that it is named by what goes back to it alone.
OLD = Booked(
    "deposit", 500, SINCE - timedelta(days=30), ref="pay_4", made=SINCE - timedelta(days=30)
)
#: What is paid out was held before.
HELD = Booked("withdrawal_paid", 700, SINCE - timedelta(days=31), ref="in_1")
BACK = Booked("withdrawal_paid", -400, day(5), ref="re_1", made=day(5), source=OLD.payment)
ALONE = Booked("withdrawal_paid", -300, day(6), ref="out_1", made=day(6))
LOST = Booked("dispute", -700, day(7), payment=IN_IT.payment)
#: Nobody made that payment.
STRANGE = Booked("dispute", -50, day(8))
FEE = Booked("psp_fee", -20, day(9), of="psp-row:" + "a" * 32 + ":7")
#: In the books of another provider.
OTHER = Booked("deposit", 1, day(9), ref="pay_5", provider="stripe", made=day(9))


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path)


def copied() -> list[tuple]:
    """Amount, our payment and theirs, what a withdrawal goes back to, and the row of a fee."""
    accounts = [one for one in ledger_side.clearing_accounts(AS_OF) if one.provider == "simulated"]
    with store.workplace() as place, columnar.connect(place) as engine, transaction.atomic():
        ledger_side.export(engine, place, accounts, since=SINCE, until=AS_OF)
        return engine.execute(
            "SELECT amount, payment_id, ref, alt_payment, alt_ref, own, is_test FROM ledger_rows"
            " ORDER BY seq"
        ).fetchall()


@pytest.mark.parametrize("few", [20_000, 7, 1, 2])
def test_each_entry_comes_with_its_payment_whenever_that_was_made(owner, monkeypatch, few):
    book(owner, [HELD, OLD, IN_IT, BEFORE, AFTER, BACK, ALONE, LOST, STRANGE, FEE, OTHER])
    monkeypatch.setattr(ledger_side, "FEW", few)
    assert copied() == [
        (700, IN_IT.payment, "pay_1", None, None, None, False),
        (800, BEFORE.payment, "pay_2", None, None, None, False),
        (900, AFTER.payment, "pay_3", None, None, None, False),
        (-400, BACK.payment, "re_1", OLD.payment, "pay_4", None, False),
        (-300, ALONE.payment, "out_1", None, None, None, False),
        (-700, IN_IT.payment, None, None, "pay_1", None, False),
        (-50, None, None, None, None, None, False),
        (-20, None, None, None, None, "a" * 32 + ":7", False),
    ]


@pytest.mark.parametrize("few", [20_000, 1])
def test_a_payment_of_another_provider_is_found_where_an_entry_names_it(owner, monkeypatch, few):
    book(owner, [IN_IT, OTHER, Booked("suspense", 5, day(10), payment=OTHER.payment)])
    monkeypatch.setattr(ledger_side, "FEW", few)
    assert copied()[1:] == [(5, OTHER.payment, "pay_5", None, None, None, False)]
