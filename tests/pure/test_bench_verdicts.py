"""A benchmark that proves nothing fails, and so does one that misses its goal."""

import pytest

from bench.verdicts import chaos, reconcile, webhooks

STORM = {
    "drift": 0, "violations": 0, "payers_ended_badly": 0, "events": 400, "duplicated": 50,
    "lost": 18, "kills": 15, "deposits": 184, "withdrawals": 101, "stuck": [],
    "killed": {"web": 8, "database": 7}, "acts": {"deposit": 184, "late": 3},
}  # fmt: skip
DOOR = {
    "statuses": {"200": 3_000}, "events_sent": 2_700, "events_kept": 2_700, "ack_p99_ms": 50.0,
    "reconciling_share": 0.97,
}  # fmt: skip
MONTH = {
    "missed": 0, "false": 0, "drift": 0, "kinds": {"amount": 100, "fx": 100}, "ratio_duckdb": 1.5,
    "ratio_pandas": 0.99, "peak_mb": 1_500,
}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ({}, []),
        ({"drift": 1}, ["drift"]),
        ({"violations": 2}, ["violations"]),
        ({"payers_ended_badly": 1}, ["payers_ended_badly"]),
        ({"stuck": ["1 not delivered"]}, ["stuck"]),
        ({"kills": 0}, ["no kills"]),
        ({"events": 399}, ["events"]),
        ({"killed": {"web": 15, "database": 2}}, ["not killed 3 times: database"]),
        ({"acts": {"deposit": 184, "late": 0}}, ["nobody did: late"]),
        ({"events": 500, "duplicated": 60, "lost": 10}, []),
        ({"events": 500, "duplicated": 59, "lost": 9}, ["seldom duplicated", "seldom lost"]),
        ({"duplicated": 0, "lost": 0}, ["no duplicated", "no lost"]),
        ({"deposits": 0}, ["no deposits"]),
    ],
)
def test_a_storm_without_kills_or_payers_proves_nothing(found, wrong):
    assert chaos(STORM | found, asked=400) == wrong


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ({}, []),
        ({"ack_p99_ms": 50.1}, ["ack_p99_ms"]),
        ({"events_kept": 2_699}, ["events_kept"]),
        ({"statuses": {"200": 2_999, "503": 1}}, ["statuses"]),
        ({"statuses": {}}, ["statuses"]),
        ({"reconciling_share": 0.5}, ["reconciling_share"]),
    ],
)
def test_the_door_is_quick_while_a_provider_is_reconciled_or_the_goal_is_missed(found, wrong):
    assert webhooks(DOOR | found, alone=False) == wrong


def test_without_a_reconciliation_none_is_asked_for():
    assert webhooks({**DOOR, "reconciling_share": 0.0}, alone=True) == []


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ({}, []),
        ({"missed": 1}, ["missed"]),
        ({"false": 1}, ["false"]),
        ({"drift": 1}, ["drift"]),
        ({"kinds": {"amount": 100, "fx": 0}}, ["no fx"]),
        ({"ratio_duckdb": 1.51}, ["ratio_duckdb"]),
        ({"ratio_pandas": 1.0}, ["ratio_pandas"]),
        ({"peak_mb": 1_501}, ["peak_mb"]),
    ],
)
def test_a_month_is_reconciled_wholly_and_quickly_or_the_goal_is_missed(found, wrong):
    assert reconcile(MONTH | found) == wrong
