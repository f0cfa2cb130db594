"""A day at the simulated provider whose files are wrong in many ways: each is named, nothing else.

The money is real play money: deposits and a withdrawal through the cashier's acts, paid at the
provider's own process; the files are those that it writes, with its switches on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import httpx
import pytest

from kernel.ids import Actor, PlayerId
from kernel.money import Money
from ledger import accounts
from payments import polling
from payments.messages import catching_up
from payments.models import Deposit, Withdrawal
from payments.paying_in import deposits
from payments.paying_out import withdrawals
from payments.reconciliation import runs
from payments.reconciliation.models import Break
from payments.reconciliation.policy import current_policy
from payments.states import DepositState, WithdrawalState
from tests import house
from tests.flows.file_steps import deliver
from tests.flows.payout_steps import STAFF, at_work, verified
from tests.simulated_psp import SECRET, Psp, running

pytestmark = pytest.mark.feature("F67", "F68")
#: What is planted, and what the run has to call it.
ROW_FAULTS = {
    "file_row_missing": "missing_at_psp",
    "file_row_unasked": "missing_in_ledger",
    "file_other_amount": "amount",
    "file_other_currency": "currency",
    "file_row_twice": "duplicate",
    "file_wrong_fee": "fee",
}


@pytest.fixture
def psp(database, settings, tmp_path):
    settings.RECONCILIATION_DIR = str(tmp_path / "store")
    settings.RECONCILIATION_ACCOUNTS = {"PLAYBANK0001": "main"}
    settings.PSP_WEBHOOK_SECRET = SECRET
    with running(tmp_path, "--files-dir", str(tmp_path / "files")) as found:
        settings.SIMULATED_PSP_URL = found.url
        found.switch(payout_step_ms=0)
        yield found


def reconcile() -> None:
    """By the house's policy, but a day is over when it is over: what is not there is missing."""
    policy = current_policy()
    at_once = dict.fromkeys(policy.in_transit_days, 0)
    digest = hashlib.sha256(policy.digest.encode()).hexdigest()
    rules = replace(policy, in_transit_days=at_once, file_days=0, digest=digest)
    runs.perform(policy=rules)


@pytest.fixture
def player(psp) -> PlayerId:
    at_work()
    return verified()


def pay_in(player: PlayerId, minor: int) -> Deposit:
    made = deposits.start(
        player_id=player,
        amount=Money(minor, "EUR"),
        key=f"in-{minor}",
        actor=Actor.player(player),
    )
    httpx.post(made.redirect_url, data={"instrument": "visa"}, trust_env=False)
    deposits.ask_provider(made.pk)
    made.refresh_from_db()
    assert made.state == DepositState.SUCCEEDED
    return made


def pay_out(player: PlayerId, minor: int) -> Withdrawal:
    made = withdrawals.request(
        player_id=player, amount=Money(minor, "EUR"), key="out", actor=Actor.player(player)
    )
    withdrawals.approve(made.request_id, actor=STAFF[0])
    for _ in range(200):
        withdrawals.ask_provider(made.pk)
        made.refresh_from_db()
        if made.state == WithdrawalState.PAID:
            return made
    raise AssertionError(made.state)


@dataclass
class Day:
    """What the provider wrote, and what of it was planted."""

    planted: dict[str, dict]
    payouts: list[dict]


def close(psp: Psp, *switches: str) -> Day:
    """The end of the day, its files imported."""
    psp.switch(**dict.fromkeys(switches, True))
    said = psp.post("/simulate/close")
    folder = psp.home / "files"
    for name in (said["settlement"], said["bank"]):
        outcome = deliver(folder / name)
        assert outcome.faults == (), [one.as_json() for one in outcome.faults]
    return Day({one["fault"]: one for one in said["planted"]}, said["payouts"])


def found() -> list[tuple[str, str, int]]:
    return sorted(
        Break.objects.filter(state="open").values_list("kind", "currency", "difference_minor")
    )


def clearing() -> int:
    return accounts.balance(accounts.psp_clearing("simulated", "EUR")).posted_minor


def test_a_day_without_faults_comes_out_even_and_its_money_is_at_the_bank(player, psp):
    pay_in(player, 5_000)
    pay_in(player, 7_000)
    pay_out(player, 2_000)
    day = close(psp)
    reconcile()
    assert found() == []
    [payout] = day.payouts
    assert payout["minor"] == 12_000 - 95 - 123 - 2_000 - 20
    bank = accounts.balance(accounts.bank("main", "EUR")).posted_minor
    assert (clearing(), bank) == (0, -payout["minor"])
    reconcile()
    assert (found(), clearing()) == ([], 0)


def test_a_dispute_that_was_told_is_in_the_books_before_the_file_comes(player, psp):
    kept, lost = pay_in(player, 9_000), pay_in(player, 5_000)
    opened = [
        psp.post("/simulate/disputes", {"payment": one.provider_ref, "amount_minor": 4_000})
        for one in (kept, lost)
    ]
    psp.post(f"/simulate/disputes/{opened[0]['id']}/won")
    assert catching_up.catch_up() > 0
    polling.sweep()
    [payout] = close(psp).payouts
    reconcile()
    assert found() == []
    assert payout["minor"] == 14_000 - 151 - 95 - 4_000 - 2 * 1_500
    assert clearing() == 0


def test_money_exchanged_without_an_agreement_is_named(player, psp):
    pay_in(player, 5_000)
    close(psp, "file_wrong_rate")
    reconcile()
    assert found() == [("fx", "USD", 3)]


def test_every_planted_fault_of_a_day_is_named_with_its_amount_and_nothing_else(player, psp):
    made = {str(one.pk): one for one in [pay_in(player, 5_000 + 10 * n) for n in range(9)]}
    pay_out(player, 2_000)
    psp.switch(dispute_untold=True)
    disputed = list(made.values())[-1]
    psp.post("/simulate/disputes", {"payment": disputed.provider_ref})
    polling.sweep()
    disputed.refresh_from_db()
    assert disputed.state == DepositState.SUCCEEDED  # nobody was told
    day = close(psp, *ROW_FAULTS, "bank_other_amount", "bank_unknown_line")
    assert len(day.planted) == 8
    reconcile()

    gross = {name: one.get("gross_minor", 0) for name, one in day.planted.items()}
    assert found() == sorted(
        [
            ("missing_at_psp", "EUR", -gross["file_row_missing"]),
            ("missing_in_ledger", "EUR", 1_234),
            ("amount", "EUR", 100),
            ("currency", "EUR", -gross["file_other_currency"]),
            ("duplicate", "EUR", gross["file_row_twice"]),
            ("fee", "EUR", -50),
            ("unbooked_chargeback", "EUR", -disputed.amount_minor),
            ("batch_sum", "EUR", -300),
            ("unmatched_bank_line", "EUR", 7_700),
        ]
    )
    named = {one.kind: one for one in Break.objects.all()}
    for fault, kind in ROW_FAULTS.items():
        assert named[kind].psp_ref == day.planted[fault]["payment_ref"], kind
    assert named["unbooked_chargeback"].psp_ref == disputed.provider_ref
    assert named["batch_sum"].payout_id == day.planted["bank_other_amount"]["payout_id"]


def test_what_was_lost_in_a_file_is_found_as_soon_as_it_comes(player, psp):
    pay_in(player, 7_000)
    close(psp)
    pay_in(player, 5_000)
    reconcile()
    assert found() == [("missing_at_psp", "EUR", -5_000)]
    close(psp)
    reconcile()
    assert found() == []
    assert Break.objects.get().state == "cleared"
    assert house.balance(player) == 12_000
