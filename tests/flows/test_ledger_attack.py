"""Raw SQL against the books, by somebody who holds the application's password. All of it fails."""

import re

import psycopg
import pytest
from psycopg import errors, sql

from kernel.ids import new_id
from ledger.postings import POST_CODES
from tests.flows.ledger_steps import (
    adjustments,
    app_connection,
    approved,
    assert_books_clean,
    books,
    correction,
    escrow,
    funded,
    held,
    house,
    posted,
    voided,
    wait_until_due,
)

pytestmark = pytest.mark.feature("F57")

TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname LIKE 'ledger\\_%' AND c.relkind IN ('r', 'p', 'v')
ORDER BY 1
"""
#: Append-only tables with a column that somebody would change.
TRIGGERED = {
    "transfer": "ref",
    "permit": "owner_ref",
    "permit_set": "owner_refs",
    "batch": "key",
    "transfer_id": "batch",
    "route": "kind",
    "hold": "expires_at",
    "hold_end": "outcome",
}
POST = """
SELECT o_outcome, o_codes FROM ledger_post(%s, sha256('x'), 'attack', 'system:attack', %s,
    %s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::uuid[],
    %s::integer[])
"""


@pytest.fixture
def attacker(database):
    with app_connection(database) as connection:
        yield connection


def raw_post(attacker, items, *, partial=False, key=None):
    """Call the posting function itself; answers its outcome and the codes by name."""
    ids, debits, credits_, amounts, kinds, permits = zip(*items, strict=True)
    row = attacker.execute(
        POST,
        [
            key or str(new_id()),
            partial,
            list(ids),
            list(debits),
            list(credits_),
            list(amounts),
            list(kinds),
            ["attack"] * len(items),
            list(permits),
            [None] * len(items),
        ],
    ).fetchone()
    return row[0], [POST_CODES[number].value for number in row[1]]


def raw_permit(attacker, owner="player:1", purpose="stake", currency="EUR", amount_minor=100):
    permit = new_id()
    attacker.execute(
        "SELECT ledger_issue_permits(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::bigint[])",
        [[permit], [owner], [purpose], [currency], [amount_minor]],
    )
    return permit


def test_no_table_view_or_partition_of_the_ledger_can_be_written(database, attacker, owner):
    funded(1, 1_000)
    before = books()
    names = [row[0] for row in owner.execute(TABLES)]
    months = {name[-7:] for name in names if re.fullmatch(r"ledger_transfer_\d{4}_\d{2}", name)}
    assert len(months) >= 7
    for parent in ("ledger_transfer", "ledger_permit", "ledger_permit_set"):
        assert {f"{parent}_{month}" for month in months} <= set(names)
    assert {"ledger_account", "ledger_entry", "ledger_transfer_default"} <= set(names)

    for name in names:
        table = sql.Identifier(name)
        column = sql.Identifier(
            owner.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(table)).description[-1].name
        )
        for attack in (
            "INSERT INTO {t} DEFAULT VALUES",
            "UPDATE {t} SET {c} = {c}",
            "DELETE FROM {t}",
            "TRUNCATE {t}",
            "COPY {t} FROM STDIN",
            "LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE",
            "ALTER TABLE {t} DISABLE TRIGGER ALL",
            "DROP TABLE {t}",
        ):
            statement = sql.SQL(attack).format(t=table, c=column)
            refused = pytest.raises(
                (
                    errors.InsufficientPrivilege,
                    errors.WrongObjectType,
                    errors.ObjectNotInPrerequisiteState,  # a view over two tables
                )
            )
            with refused, attacker.transaction():
                attacker.execute(statement)
    assert books() == before


def test_rows_cannot_even_be_locked_and_numbers_not_be_moved(attacker):
    for attack in (
        "SELECT * FROM ledger_account FOR UPDATE",
        "SELECT * FROM ledger_account FOR SHARE",
        "SELECT setval('ledger_batch_id_seq', 1)",
        "SELECT nextval('ledger_account_id_seq')",
        "SET ROLE faro_owner",
        "SET session_replication_role = replica",
        "CREATE TABLE public.ledger_mine (id int)",
        "CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            attacker.execute(attack)


def test_the_steps_of_posting_are_not_doors(attacker, owner):
    """Only the doors can be called; each step that writes or decides is closed."""
    callable_names = owner.execute(
        "SELECT proname FROM pg_proc WHERE proname LIKE 'ledger\\_%'"
        " AND has_function_privilege('faro_app', oid, 'EXECUTE') ORDER BY 1"
    ).fetchall()
    assert [name for (name,) in callable_names] == [
        "ledger_capture_hold",
        "ledger_close_account",
        "ledger_decide_adjustment",
        "ledger_decide_chargeback",
        "ledger_ensure_accounts",
        "ledger_expire_holds",
        "ledger_issue_permits",
        "ledger_note_dispute",
        "ledger_place_hold",
        "ledger_post",
        "ledger_propose_adjustment",
        "ledger_propose_chargeback",
        "ledger_propose_chargeback_return",
        "ledger_void_hold",
    ]
    for step in ("ledger_permit_room('{}')", "ledger_hold_state(gen_random_uuid(), now())"):
        with pytest.raises(errors.InsufficientPrivilege):
            attacker.execute(f"SELECT {step}")


@pytest.mark.parametrize("table", TRIGGERED)
def test_the_owner_itself_is_refused_by_the_triggers(database, owner, table):
    funded(1, 1_000)
    name = sql.Identifier(f"ledger_{table}")
    change = sql.Identifier(TRIGGERED[table])
    if table == "permit":  # one of those that were issued as rows of their own
        owner.execute(
            "INSERT INTO ledger_permit (id, owner_ref, purpose, currency, amount_minor_max)"
            " VALUES (gen_random_uuid(), 'player:1', 'stake', 'EUR', 5)"
        )
    if table == "permit_set":
        owner.execute(
            "SELECT ledger_issue_permits(ARRAY[gen_random_uuid()], '{player:1}', '{stake}',"
            " '{EUR}', '{5}')"
        )
    if table in {"hold", "hold_end"}:
        one = correction(funded(1, 0), 5)
        held(one)
        voided(one.id)
    before = books()
    for attack in ("UPDATE {t} SET {c} = {c}", "DELETE FROM {t}", "TRUNCATE {t} CASCADE"):
        with pytest.raises(errors.RestrictViolation, match="append_only"):
            owner.execute(sql.SQL(attack).format(t=name, c=change))
    if table in {"transfer", "permit"}:
        with pytest.raises(errors.RestrictViolation, match="append_only"):
            owner.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(f"ledger_{table}_default")))
    assert books() == before


def test_the_owner_cannot_rename_whose_money_it_is_or_delete_an_account(database, owner):
    ada = funded(1, 1_000)
    before = books()
    for attack in (
        "UPDATE ledger_account SET owner_ref = 'player:2'",
        "UPDATE ledger_account SET floor = -1000",
        "UPDATE ledger_account SET currency = 'JPY', scale = 0",
        "DELETE FROM ledger_account",
        "TRUNCATE ledger_account",
    ):
        with pytest.raises(errors.RestrictViolation, match="append_only"):
            owner.execute(attack)
    assert books() == before
    assert posted(ada) == 1_000


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("amount = 0", "ledger_transfer_amount_check"),
        ("amount = -5", "ledger_transfer_amount_check"),
        ("credit = 1", "ledger_transfer_two_accounts"),
        ("debit_seq = 0", "ledger_transfer_debit_seq_check"),
        ("credit_seq = 0", "ledger_transfer_credit_seq_check"),
        ("credit_balance_after = NULL", "credit_balance_after"),
        ("kind = 'stake'", "ledger_transfer_permit"),
        ("debit_seq = 8", "debit_debit_seq_posted_at_key"),
        ("credit_seq = 8", "credit_credit_seq_posted_at_key"),
    ],
)
def test_a_transfer_that_does_not_take_from_one_and_give_to_another_is_refused_to_everybody(
    database, owner, change, why
):
    """There is one amount: what one account loses the other gains, whoever writes the row."""
    column, _, value = change.partition(" = ")
    sound = {
        "id": "gen_random_uuid()",
        "batch": "1",
        "item": "1",
        "kind": "'payout'",
        "ref": "'x'",
        "debit": "1",
        "credit": "2",
        "amount": "5",
        "posted_at": "'2026-11-01 12:00+00'",
        "debit_seq": "7",
        "debit_balance_after": "0",
        "credit_seq": "7",
        "credit_balance_after": "5",
    }
    beside = sound | {"item": "2", "debit_seq": "8", "credit_seq": "8"}

    def put(row: dict[str, str]) -> None:
        owner.execute(
            f"INSERT INTO ledger_transfer ({', '.join(row)}) VALUES ({', '.join(row.values())})"  # noqa: S608  (our own words)
        )

    put(beside)
    before = books()
    assert [row[3] for row in before["entry"]] == [-5, 5]
    with pytest.raises(errors.IntegrityError, match=why):
        put(sound | {column: value})
    assert books() == before
    put(sound)
    assert len(books()["entry"]) == 4


def test_a_stake_without_a_permit_is_refused(database, attacker):
    ada, pot = funded(1, 1_000), escrow()
    before = books()
    with attacker.transaction():
        mine, another = raw_permit(attacker), raw_permit(attacker, owner="player:2")
        deposit = raw_permit(attacker, purpose="deposit")
        pounds = raw_permit(attacker, currency="GBP")
        for permit, amount, code in (
            (None, 1, "permit_missing"),
            (new_id(), 1, "permit_invalid"),
            (another, 1, "permit_invalid"),
            (deposit, 1, "permit_invalid"),
            (pounds, 1, "permit_invalid"),
            (mine, 101, "permit_exceeded"),
        ):
            item = (new_id(), ada, pot, amount, "stake", permit)
            assert raw_post(attacker, [item]) == ("refused", [code])
            assert raw_post(attacker, [item], partial=True)[1] == [code]
    assert (posted(ada), posted(pot)) == (1_000, 0)
    after = books()
    assert (after["entry"], after["transfer"]) == (before["entry"], before["transfer"])
    assert_books_clean()


def test_a_permit_split_over_one_batch_or_two_is_still_one_permit(database, attacker):
    ada, pot = funded(1, 1_000), escrow()
    with attacker.transaction():
        permit = raw_permit(attacker)
        halves = [(new_id(), ada, pot, 60, "stake", permit) for _ in range(2)]
        assert raw_post(attacker, halves, partial=True)[1] == ["posted", "permit_exceeded"]
        assert raw_post(attacker, halves[1:])[0] == "refused"
    assert (posted(ada), posted(pot)) == (940, 60)


def test_a_permit_of_another_transaction_is_worth_nothing(database, attacker):
    ada, pot = funded(1, 1_000), escrow()
    with attacker.transaction():
        permit = raw_permit(attacker)
    assert attacker.execute("SELECT count(*) FROM ledger_permit_line").fetchone() == (1,)
    with attacker.transaction():
        item = (new_id(), ada, pot, 1, "stake", permit)
        assert raw_post(attacker, [item]) == ("refused", ["permit_invalid"])
    with app_connection(database) as rival, rival.transaction(), attacker.transaction():
        open_permit = raw_permit(rival)
        item = (new_id(), ada, pot, 1, "stake", open_permit)
        assert raw_post(attacker, [item]) == ("refused", ["permit_invalid"])
    assert posted(ada) == 1_000


def test_a_stake_by_any_other_name_still_needs_its_permit_or_has_no_route(
    database, attacker, owner
):
    """A correction takes what the round paid and no more: here it paid nothing."""
    ada, bob, pot = funded(1, 1_000), funded(2, 0), escrow()
    kinds = sorted(row[0] for row in owner.execute("SELECT DISTINCT kind FROM ledger_route"))
    posted_kinds = []
    with attacker.transaction() as whole:
        for kind in kinds:
            outcome, _ = raw_post(attacker, [(new_id(), ada, pot, 1, kind, None)])
            if outcome == "posted":
                posted_kinds.append(kind)
            assert raw_post(attacker, [(new_id(), ada, bob, 1, kind, None)]) == (
                "refused",
                ["route_not_allowed"],
            )
        raise psycopg.Rollback(whole)
    assert posted_kinds == []
    assert posted(ada) == 1_000


PLACE = (
    "SELECT o_outcome, o_code, o_expires_at FROM ledger_place_hold(%s, %s, %s, %s, %s, '', 'x', %s)"
)


def test_the_doors_of_holds_let_nobody_past_the_rules(database, attacker):
    """Raw calls: no stake is held, none without an end, nothing taken twice, early or late."""
    ada, bo, at = funded(1, 1_000), funded(2, 1_000), house()
    one, late = new_id(), new_id()
    for kind in ("stake", "deposit", "withdrawal_hold"):
        place = [new_id(), ada, escrow(), 1, kind, 1_000]
        assert attacker.execute(PLACE, place).fetchone()[0] == "not_allowed"
    for amount, credit, code in ((1_001, at, 1), (-1, at, 5), (0, at, 5), (1, bo, 12)):
        place = [new_id(), ada, credit, amount, "correction", 1_000]
        assert attacker.execute(PLACE, place).fetchone()[:2] == ("refused", code)
    for timeout_ms in (0, -1, None, 2**62):
        with pytest.raises(errors.InvalidParameterValue, match="ledger_malformed"):
            attacker.execute(PLACE, [new_id(), ada, at, 1, "correction", timeout_ms])
    with pytest.raises(errors.InvalidParameterValue, match="ledger_malformed"):
        attacker.execute(PLACE, [None, ada, at, 1, "correction", 1_000])

    assert (
        attacker.execute(PLACE, [one, ada, at, 600, "correction", 90_000]).fetchone()[0] == "held"
    )
    expires_at = attacker.execute(PLACE, [late, ada, at, 400, "correction", 1]).fetchone()[2]
    wait_until_due(expires_at)
    take = "SELECT o_outcome FROM ledger_capture_hold(%s, %s, 'x')"
    assert attacker.execute(take, [late, 1]).fetchone() == ("stale",)
    assert attacker.execute(take, [one, 601]).fetchone() == ("above_hold",)
    assert attacker.execute(take, [one, -601]).fetchone() == ("refused",)
    assert attacker.execute("SELECT o_hold FROM ledger_expire_holds(9)").fetchall() == [(late,)]
    assert attacker.execute(take, [one, 1]).fetchone() == ("captured",)
    assert attacker.execute(take, [one, 599]).fetchone() == ("stale",)
    assert (posted(ada), posted(at)) == (999, 1)
    assert_books_clean()


def test_a_temporary_table_cannot_stand_in_for_a_real_one(database, attacker, owner):
    ada, pot = funded(1, 1_000), escrow()
    # First a function as careless people write it, to see that the attack works.
    owner.execute(
        "CREATE FUNCTION careless() RETURNS bigint LANGUAGE sql SECURITY DEFINER"
        " SET search_path = public AS 'SELECT max(posted) FROM ledger_account'"
    )
    attacker.execute(
        "CREATE TEMP TABLE ledger_account AS SELECT id, currency, scale, kind, owner_ref, floor,"
        " 1000000::bigint AS posted, held, seq, opened_at, closed_at FROM public.ledger_account"
    )
    attacker.execute(
        "CREATE TEMP TABLE ledger_route AS SELECT kind, debit_kind, credit_kind, side,"
        " false AS permit, false AS same_owner FROM public.ledger_route"
    )
    attacker.execute("CREATE TEMP TABLE ledger_batch (LIKE public.ledger_batch)")
    attacker.execute("CREATE TEMP TABLE ledger_permit_set (LIKE public.ledger_permit_set)")
    too_much = approved(ada, adjustments(), 1_001)
    gift = (too_much.id, ada, adjustments(), 1_001, "adjustment", None)
    for table in ("account", "route", "batch", "permit_set"):
        attacker.execute(f"GRANT ALL ON pg_temp.ledger_{table} TO PUBLIC")
    assert attacker.execute("SELECT careless()").fetchone() == (1_000_000,)

    before = books()
    with attacker.transaction():
        item = (new_id(), ada, pot, 1, "stake", None)
        assert raw_post(attacker, [item]) == ("refused", ["permit_missing"])
        assert raw_post(attacker, [gift]) == ("refused", ["below_floor"])
        raw_permit(attacker)
        mine = attacker.execute("SELECT count(*) FROM pg_temp.ledger_permit_set")
        assert mine.fetchone() == (0,)
    assert books() | {"permit_set": []} == before


def test_every_definer_function_in_the_database_is_closed_and_keeps_its_path(owner):
    found = owner.execute(
        """
        SELECT p.oid::regprocedure::text, coalesce(array_to_string(p.proconfig, ';'), ''),
            has_function_privilege('public', p.oid, 'EXECUTE')
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1
        """
    ).fetchall()
    assert {row[0].split("(")[0] for row in found} >= {"ledger_post", "ledger_issue_permits"}
    assert [
        name for name, set_, _ in found if "search_path=public, pg_temp" not in set_.split(";")
    ] == []
    assert [name for name, _, public in found if public] == []
