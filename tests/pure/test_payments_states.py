"""The life of payments as tables, and signatures over webhooks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.messages.signatures import SignatureFault, check, sign
from payments.states import (
    DEPOSIT_RANKS,
    DEPOSIT_STEPS,
    DEPOSIT_WAITS,
    DEPOSITS_POLLED,
    POLLS_MAX,
    WITHDRAWAL_RANKS,
    WITHDRAWAL_STEPS,
    WITHDRAWAL_WAITS,
    WITHDRAWALS_POLLED,
    DepositState,
    Meaning,
    WithdrawalState,
    judge_deposit,
    judge_withdrawal,
    poll_after,
)

D, W = DepositState, WithdrawalState


@pytest.mark.parametrize(
    ("present", "reported", "meaning"),
    [
        (D.CREATED, D.REQUIRES_ACTION, Meaning.STEP),
        (D.REQUIRES_ACTION, D.SUCCEEDED, Meaning.STEP),
        (D.UNKNOWN, D.SUCCEEDED, Meaning.STEP),
        (D.UNKNOWN, D.FAILED, Meaning.STEP),
        (D.SUCCEEDED, D.SUCCEEDED, Meaning.SAME),
        (D.SUCCEEDED, D.PROCESSING, Meaning.OLD),
        (D.PROCESSING, D.REQUIRES_ACTION, Meaning.OLD),
        (D.SUCCEEDED, D.FAILED, Meaning.CONFLICT),
        (D.FAILED, D.SUCCEEDED, Meaning.REVERSAL),
        (D.EXPIRED, D.SUCCEEDED, Meaning.REVERSAL),
        (D.REFUND_DUE, D.SUCCEEDED, Meaning.SAME),
        (D.REFUND_DUE, D.REFUNDED, Meaning.STEP),
        (D.REFUNDED, D.SUCCEEDED, Meaning.OLD),
        (D.FAILED, D.REFUNDED, Meaning.REVERSAL),
        (D.PROCESSING, D.REFUNDED, Meaning.STEP),
        (D.LOST, D.REFUNDED, Meaning.CONFLICT),
        (D.SUCCEEDED, D.DISPUTED, Meaning.STEP),
        (D.DISPUTED, D.REFUNDED, Meaning.CONFLICT),
        (D.WON, D.DISPUTED, Meaning.REVERSAL),
        (D.LOST, D.DISPUTED, Meaning.REVERSAL),
        (D.LOST, D.WON, Meaning.REVERSAL),
        (D.WON, D.REFUNDED, Meaning.STEP),
    ],
)
def test_what_a_report_means_for_a_deposit(present, reported, meaning):
    assert judge_deposit(present, reported) is meaning


@pytest.mark.parametrize(
    ("present", "reported", "meaning"),
    [
        (W.APPROVED, W.PAID, Meaning.STEP),
        (W.PAID, W.RETURNED, Meaning.STEP),
        (W.UNKNOWN, W.RETURNED, Meaning.STEP),
        (W.IN_TRANSIT, W.RETURNED, Meaning.STEP),
        (W.RISK_REVIEW, W.RETURNED, Meaning.CONFLICT),
        (W.FAILED, W.RETURNED, Meaning.CONFLICT),
        (W.PAID, W.IN_TRANSIT, Meaning.OLD),
        (W.PAID, W.FAILED, Meaning.CONFLICT),
        (W.FAILED, W.PAID, Meaning.CONFLICT),
        (W.RISK_REVIEW, W.PAID, Meaning.CONFLICT),
        (W.REJECTED, W.PAID, Meaning.CONFLICT),
    ],
)
def test_what_a_report_means_for_a_withdrawal(present, reported, meaning):
    assert judge_withdrawal(present, reported) is meaning


def test_every_state_is_in_the_tables_and_every_step_leads_forward():
    assert set(DEPOSIT_STEPS) == set(DEPOSIT_RANKS) == set(D)
    assert set(WITHDRAWAL_STEPS) == set(WITHDRAWAL_RANKS) == set(W)
    for before, steps in DEPOSIT_STEPS.items():
        assert all(DEPOSIT_RANKS[after] >= DEPOSIT_RANKS[before] for after in steps)
    for before, steps in WITHDRAWAL_STEPS.items():
        assert all(WITHDRAWAL_RANKS[after] >= WITHDRAWAL_RANKS[before] for after in steps)


def test_every_waiting_state_has_a_due_time_and_every_polled_one_waits():
    dead_ends = {state for state, steps in DEPOSIT_STEPS.items() if not steps}
    assert set(DEPOSIT_WAITS) == set(D) - dead_ends - {D.SUCCEEDED, D.WON}
    ends = {W.PAID, W.REJECTED, W.FAILED, W.RETURNED}
    assert set(WITHDRAWAL_WAITS) == set(W) - ends
    assert set(DEPOSIT_WAITS) >= DEPOSITS_POLLED
    assert set(WITHDRAWAL_WAITS) >= WITHDRAWALS_POLLED


@pytest.mark.feature("F66")
def test_no_step_lets_a_player_cancel_a_withdrawal():
    assert all("cancel" not in state.value for state in W)


def test_polling_backs_off_to_a_quarter_of_an_hour_and_ends_after_a_week():
    assert [poll_after(n) for n in (0, 1, 2)] == [timedelta(seconds=s) for s in (20, 40, 80)]
    assert poll_after(POLLS_MAX - 1) == timedelta(minutes=15)
    assert poll_after(POLLS_MAX) is None
    waits = [poll_after(n) for n in range(POLLS_MAX)]
    assert timedelta(days=7) < sum(waits, timedelta()) < timedelta(days=7.2)
    longest = max([*DEPOSIT_WAITS.values(), *WITHDRAWAL_WAITS.values()], key=lambda wait: wait)
    polled = [DEPOSIT_WAITS[one] for one in DEPOSITS_POLLED]
    polled += [WITHDRAWAL_WAITS[one] for one in WITHDRAWALS_POLLED]
    assert max(polled) < timedelta(days=7) < longest  # whatever asking gave up on is a case already


SECRETS = {"1": "a secret of the test"}


@given(st.binary(max_size=300), st.integers(-300, 300))
def test_what_was_signed_is_accepted_within_five_minutes(body, drift):
    header = sign(body, SECRETS["1"], 1_800_000_000)
    assert check(body, header, SECRETS, 1_800_000_000 + drift) is None


@pytest.mark.parametrize(
    ("header", "body", "fault"),
    [
        (sign(b"{}", SECRETS["1"], 1_800_000_000), b"{} ", SignatureFault.WRONG),
        (sign(b"{}", "another secret", 1_800_000_000), b"{}", SignatureFault.WRONG),
        (sign(b"{}", SECRETS["1"], 1_799_999_699), b"{}", SignatureFault.TOO_OLD),
        (sign(b"{}", SECRETS["1"], 1_800_000_301), b"{}", SignatureFault.TOO_OLD),
        (sign(b"{}", SECRETS["1"], 1_800_000_000, "2"), b"{}", SignatureFault.UNKNOWN_KEY),
        ("", b"{}", SignatureFault.MALFORMED),
        ("t=1800000000", b"{}", SignatureFault.UNKNOWN_KEY),
        ("t=x,k=1,v1=aa", b"{}", SignatureFault.MALFORMED),
        ("t=٣,k=1,v1=aa", b"{}", SignatureFault.MALFORMED),
        ("t=99999999999999999999,k=1,v1=aa", b"{}", SignatureFault.MALFORMED),
        ("t=1800000000,k=1,v1=ü", b"{}", SignatureFault.MALFORMED),
        ("t=1800000000,k=1,v1=", b"{}", SignatureFault.WRONG),
    ],
)
def test_any_other_message_is_refused(header, body, fault):
    assert check(body, header, SECRETS, 1_800_000_000) is fault


@given(st.text(max_size=80))
def test_no_header_whatever_raises(header):
    assert check(b"{}", header, SECRETS, 1_800_000_000) is not None
