"""Posting reads what a batch names and nothing else, also by plans made on empty books."""

from django.db import connection, transaction

from ledger.postings import PostCode
from tests.flows.ledger_steps import escrow, funded, stake, try_all

#: Tables that grow with the house: reading one of them whole is what must not happen.
GROWING = "ledger\\_(account|permit|transfer|batch|entry).*"
PLANS_KEPT_AFTER = 6


def _read_whole() -> list[str]:
    """Growing tables that the open transaction has read from end to end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_stat_xact_all_tables WHERE relname ~ %s AND seq_scan > 0"
            " ORDER BY relname",
            [f"^{GROWING}$"],
        )
        return [name for (name,) in cursor.fetchall()]


def test_a_batch_probes_for_what_it_names_by_plans_made_on_empty_books(database):
    connection.close()  # this session plans anew, with nothing in the books
    people, pot = [funded(n, 1_000) for n in range(1, 41)], escrow()
    for _ in range(PLANS_KEPT_AFTER):
        with transaction.atomic():
            codes = try_all([stake(n, cash, pot, 1) for n, cash in enumerate(people, 1)])
        assert codes == [PostCode.POSTED] * 40
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_force_next_flush()"
        )  # counts of before are told and done with
    with transaction.atomic():
        codes = try_all([stake(n, cash, pot, 2) for n, cash in enumerate(people, 1)])
        read = _read_whole()
    assert codes == [PostCode.POSTED] * 40
    assert read == []
