"""Cards and accounts as providers name them: kept once, never a number, never changed."""

import pytest
from django.db import IntegrityError, connection, transaction
from psycopg import errors

from kernel.ids import new_id
from payments.models import Deposit, Instrument
from payments.providers.protocol import InstrumentKind
from tests import house
from tests.flows.ledger_steps import app_connection

pytestmark = pytest.mark.feature("F66")


@pytest.fixture
def anna(database):
    return house.player()


def instrument(player, **fields) -> Instrument:
    values = {
        "provider": "simulated",
        "token": f"tok_{new_id().hex}",
        "kind": InstrumentKind.CARD.value,
        "fingerprint": "fp_1",
        "last4": "4242",
    }
    return Instrument.objects.create(player_id=player, **values | fields)


def test_one_token_is_kept_once_for_each_player(anna):
    one = instrument(anna, token="tok_1")
    with pytest.raises(IntegrityError, match="payments_instrument_once"), transaction.atomic():
        instrument(anna, token="tok_1")
    assert instrument(house.player(), token="tok_1").token == one.token


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("token", "", "payments_instrument_token"),
        ("last4", "42 4", "payments_instrument_last4"),
        ("last4", "4-42", "payments_instrument_last4"),
    ],
)
def test_the_database_keeps_no_odd_instrument(anna, field, value, named):
    with pytest.raises(IntegrityError, match=named), transaction.atomic():
        instrument(anna, **{field: value})


def test_no_process_says_an_instrument_is_another_or_somebody_elses(anna, database):
    one = instrument(anna)
    with app_connection(database) as attacker:
        for change in ("player_id = 1", "token = 'x'", "fingerprint = 'x'", "provider = 'x'"):
            with pytest.raises(errors.InsufficientPrivilege):
                attacker.execute(
                    f"UPDATE payments_instrument SET {change} WHERE id = %s",  # noqa: S608  (above)
                    [one.pk],
                )
        with pytest.raises(errors.InsufficientPrivilege):
            attacker.execute("DELETE FROM payments_instrument")
    one.refresh_from_db()
    assert (one.player_id, one.fingerprint) == (anna, "fp_1")


def test_no_more_of_a_deposit_goes_back_than_came(anna):
    deposit = Deposit.objects.create(
        player_id=anna, provider="simulated", key="k", amount_minor=5_000, currency="EUR"
    )
    for arrived, back in ((None, 5_001), (None, -1), (4_000, 4_001)):
        with (
            pytest.raises(IntegrityError, match="payments_deposit_refunded"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE payments_deposit SET arrived_minor = %s, refunded_minor = %s",
                [arrived, back],
            )
    deposit.refresh_from_db()
    assert deposit.refunded_minor == 0
