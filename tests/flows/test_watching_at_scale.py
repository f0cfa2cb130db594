"""What rules of watching read does not grow with the history of the house: they go by time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction

from audit.database_clock import database_now
from backoffice import watching
from backoffice.detectors.reading import rows
from payments.models import Deposit, Withdrawal
from tables.models import Round
from tests import house
from tests.flows.watching_steps import rule

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]
#: Three weeks of acts.
FACTS = {"n": 20_000, "every": "90 seconds"}
ACTS = "FROM generate_series(%(n)s, 1, -1) n"
AT = "now() - n * %(every)s::interval"


@pytest.fixture
def history(owner):
    pit, players = house.pit(), [house.player() for _ in range(10)]
    pit.open_round()
    facts = FACTS | {"players": players, "round": Round.objects.get().pk}
    who = "(%(players)s::bigint[])[1 + n %% 10]"
    for insert in (
        "tables_bet (id, accepted_at, round_id, slip_id, player_id, position, stake_minor,"
        f" currency, rules_hash, transfer_id) SELECT gen_random_uuid(), {AT},"
        f" md5((n / 10)::text)::uuid, gen_random_uuid(), {who}, 'red', 100, 'EUR', 'x',"
        f" gen_random_uuid() {ACTS}",
        "tables_slip (id, accepted_at, round_id, player_id, key, kind, fingerprint, answer)"
        f" SELECT gen_random_uuid(), {AT}, %(round)s, {who}, 'k' || n, 'place', 'x', '{{}}' {ACTS}",
    ):
        owner.execute(f"INSERT INTO {insert}", facts)
    now = database_now()
    for kind, state in ((Deposit, "succeeded"), (Withdrawal, "paid")):
        kind.objects.bulk_create(
            kind(
                player_id=players[n % 10],
                provider="simulated",
                key=f"k{n}",
                amount_minor=100,
                currency="EUR",
                state=state,
                created_at=now - timedelta(minutes=15 * n),
            )
            for n in range(2_000, 0, -1)
        )
    owner.execute("VACUUM ANALYZE tables_bet, tables_slip, payments_deposit, payments_withdrawal")


def test_a_rule_reads_its_window_by_time_and_not_all_that_ever_was(history):
    now = database_now()
    for code, index in (
        ("long_play", "tables_slip_accepted"),
        ("both_sides", "accepted_at_idx"),
        ("structuring", "payments_deposit_time"),
        ("rapid_in_and_out", "payments_withdrawal_time"),
    ):
        one = rule(code)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")  # small tables are read whole else
            lines = rows(f"EXPLAIN {watching.STATEMENTS[one.detector]}", one, now)
        plan = [str(line["QUERY PLAN"]) for line in lines]
        by_time = [line for line in plan if index in line and "player" not in line]
        assert by_time, "\n".join([code, *plan])
