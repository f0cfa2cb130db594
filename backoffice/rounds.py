"""Rounds against the books, over all data, in one consistent snapshot.

``ledger.checks`` proves that the books agree with themselves; here every bet and outcome is held
against the transfer that moved its money, every round's escrow is proved empty, and every settled
bet is computed again by the rules it was accepted under. A corrected round has an outcome per
version: the first is held against its payout, later ones against the correction that made them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction

from kernel.refusal import Refused
from ledger.checks import Report, Violation
from tables.rules import roulette

#: Bets fetched at a time while computing again: memory stays the same for any number of rounds.
FETCHED: Final = 2_000

#: name of the invariant → the rows that break it. Ordered, without parameters.
CHECKS: Final[dict[str, str]] = {
    "a_bet_has_one_stake_of_its_amount": """
        SELECT b.id AS bet, b.round_id AS round, b.stake_minor, count(t.id) AS stakes,
            sum(t.amount) AS moved_minor
        FROM tables_bet b
        LEFT JOIN ledger_transfer t ON t.kind = 'stake' AND t.ref = 'bet:' || b.id::text
        LEFT JOIN ledger_account d ON d.id = t.debit
        LEFT JOIN ledger_account c ON c.id = t.credit
        GROUP BY b.id, b.accepted_at, b.round_id, b.stake_minor
        HAVING (count(t.id) = 1 AND bool_and(t.id = b.transfer_id AND t.amount = b.stake_minor
            AND d.kind = 'player_cash' AND d.owner_ref = 'player:' || b.player_id
            AND c.kind = 'escrow' AND c.owner_ref = 'round:' || b.round_id::text
            AND c.currency = b.currency)) IS NOT TRUE
        ORDER BY b.id""",
    "an_outcome_with_money_has_one_transfer_of_it": """
        SELECT o.bet_id AS bet, o.round_id AS round, o.kind, o.returned_minor,
            count(t.id) AS transfers, sum(t.amount) AS moved_minor
        FROM tables_bet_outcome o
        JOIN tables_bet b ON b.id = o.bet_id AND b.accepted_at = o.bet_accepted_at
        LEFT JOIN ledger_transfer t
            ON t.kind IN ('payout', 'refund', 'stake_undo') AND t.ref = 'bet:' || o.bet_id::text
        LEFT JOIN ledger_account d ON d.id = t.debit
        LEFT JOIN ledger_account c ON c.id = t.credit
        WHERE o.version = 1
        GROUP BY o.bet_id, o.version, o.round_id, o.kind, o.returned_minor
        HAVING CASE WHEN o.returned_minor = 0 THEN count(t.id) > 0 ELSE
            (count(t.id) = 1 AND bool_and(t.id = o.transfer_id AND t.amount = o.returned_minor
            AND t.kind = CASE o.kind WHEN 'paid' THEN 'payout' WHEN 'refunded' THEN 'refund'
                WHEN 'undone' THEN 'stake_undo' END
            AND d.kind = 'escrow' AND d.owner_ref = 'round:' || o.round_id::text
            AND c.kind = 'player_cash' AND c.owner_ref = 'player:' || b.player_id
            AND c.currency = b.currency)) IS NOT TRUE END
        ORDER BY o.bet_id""",
    "an_outcome_belongs_to_a_bet_of_its_round": """
        SELECT o.bet_id AS bet, o.round_id AS round, b.round_id AS bet_round
        FROM tables_bet_outcome o
        LEFT JOIN tables_bet b ON b.id = o.bet_id AND b.accepted_at = o.bet_accepted_at
        WHERE b.round_id IS DISTINCT FROM o.round_id ORDER BY o.bet_id""",
    "a_bet_of_a_finished_round_has_one_outcome": """
        SELECT b.id AS bet, b.round_id AS round, r.phase, count(o.bet_id) AS outcomes
        FROM tables_bet b
        LEFT JOIN tables_round r ON r.id = b.round_id
        LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at
        GROUP BY b.id, b.accepted_at, b.round_id, r.phase, r.version
        HAVING r.phase IS NULL
            OR (r.phase NOT IN ('settled', 'voided') AND count(o.bet_id) > 1)
            OR (r.phase IN ('settled', 'voided')
                AND count(o.bet_id) FILTER (WHERE o.version <= r.version) <> r.version)
        ORDER BY b.id""",
    "an_outcome_of_a_later_version_has_its_correction": """
        SELECT o.bet_id AS bet, o.round_id AS round, o.version, o.kind, o.returned_minor
        FROM tables_bet_outcome o
        JOIN tables_round r ON r.id = o.round_id
        JOIN tables_bet b ON b.id = o.bet_id AND b.accepted_at = o.bet_accepted_at
        LEFT JOIN tables_correction k ON k.round_id = o.round_id AND k.to_version = o.version
            AND k.state = CASE WHEN o.version > r.version THEN 'approved' ELSE 'done' END
            AND k.decided_by NOT IN ('', k.proposed_by)
        LEFT JOIN tables_bet_outcome p ON p.bet_id = o.bet_id
            AND p.bet_accepted_at = o.bet_accepted_at AND p.version = o.version - 1
        LEFT JOIN ledger_transfer t ON t.id = o.transfer_id AND t.kind = 'correction'
            AND t.ref = 'bet:' || o.bet_id::text AND t.amount = o.returned_minor
        LEFT JOIN ledger_account d ON d.id = t.debit
            AND d.kind = 'escrow' AND d.owner_ref = 'round:' || o.round_id::text
        LEFT JOIN ledger_account c ON c.id = t.credit AND c.currency = b.currency
            AND c.kind = 'player_cash' AND c.owner_ref = 'player:' || b.player_id
        WHERE o.version > 1 AND (k.id IS NOT NULL AND p.bet_id IS NOT NULL AND CASE
            WHEN o.returned_minor = p.returned_minor
                THEN (o.kind, o.transfer_id) IS NOT DISTINCT FROM (p.kind, p.transfer_id)
            WHEN o.returned_minor > 0 THEN d.id IS NOT NULL AND c.id IS NOT NULL
            ELSE o.kind = 'lost' END) IS NOT TRUE
        ORDER BY o.bet_id, o.version""",
    "a_share_is_what_changed_for_its_player": """
        SELECT k.id AS correction, s.player_id AS player, s.currency, s.reversed_minor,
            s.paid_minor, w.reversed_minor AS had_minor, w.paid_minor AS got_minor
        FROM tables_correctionshare s
        JOIN tables_correction k ON k.id = s.correction_id
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(p.returned_minor), 0) AS reversed_minor,
                coalesce(sum(o.returned_minor), 0) AS paid_minor
            FROM tables_bet b
            JOIN tables_bet_outcome o ON o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at
                AND o.version = k.to_version
            JOIN tables_bet_outcome p ON p.bet_id = b.id AND p.bet_accepted_at = b.accepted_at
                AND p.version = k.to_version - 1
            WHERE b.round_id = k.round_id AND b.player_id = s.player_id
                AND b.currency = s.currency AND o.returned_minor <> p.returned_minor) w ON true
        WHERE (s.reversed_minor, s.paid_minor) IS DISTINCT FROM (w.reversed_minor, w.paid_minor)
        ORDER BY k.id, s.player_id, s.currency""",
    "corrections_move_what_their_shares_say": """
        SELECT coalesce(said.round_id::text, moved.round) AS round,
            coalesce(said.currency, moved.currency) AS currency,
            said.to_cash AS said_to_cash, moved.to_cash, said.from_cash AS said_from_cash,
            moved.from_cash, said.owed AS said_owed, moved.owed,
            said.from_house AS said_from_house, moved.from_house
        FROM (
            SELECT k.round_id, s.currency, sum(s.paid_minor) AS to_cash,
                sum(s.taken_minor + s.regained_minor) AS from_cash, sum(s.owed_minor) AS owed,
                sum(s.paid_minor + s.lost_minor) AS from_house,
                sum(s.reversed_minor + s.regained_minor) AS to_house
            FROM tables_correctionshare s JOIN tables_correction k ON k.id = s.correction_id
            GROUP BY k.round_id, s.currency
            HAVING sum(s.reversed_minor + s.paid_minor) > 0) said
        FULL JOIN (
            SELECT replace(e.owner_ref, 'round:', '') AS round, e.currency,
                coalesce(sum(t.amount) FILTER (WHERE o.kind = 'player_cash'
                    AND t.debit = e.id), 0) AS to_cash,
                coalesce(sum(t.amount) FILTER (WHERE o.kind = 'player_cash'
                    AND t.credit = e.id), 0) AS from_cash,
                coalesce(sum(t.amount) FILTER (WHERE o.kind = 'receivable'
                    AND t.credit = e.id), 0) AS owed,
                coalesce(sum(t.amount) FILTER (WHERE o.kind = 'house'
                    AND t.credit = e.id), 0) AS from_house,
                coalesce(sum(t.amount) FILTER (WHERE o.kind = 'house'
                    AND t.debit = e.id), 0) AS to_house
            FROM ledger_transfer t
            JOIN ledger_account e ON e.id IN (t.debit, t.credit) AND e.kind = 'escrow'
            JOIN ledger_account o
                ON o.id = CASE WHEN e.id = t.debit THEN t.credit ELSE t.debit END
            WHERE t.kind = 'correction' GROUP BY e.owner_ref, e.currency) moved
            ON moved.round = said.round_id::text AND moved.currency = said.currency
        WHERE (said.to_cash, said.from_cash, said.owed, said.from_house, said.to_house)
            IS DISTINCT FROM
            (moved.to_cash, moved.from_cash, moved.owed, moved.from_house, moved.to_house)
        ORDER BY 1, 2""",
    "an_outcome_fits_the_end_of_its_round": """
        SELECT o.bet_id AS bet, o.round_id AS round, o.kind, r.phase
        FROM tables_bet_outcome o JOIN tables_round r ON r.id = o.round_id
        WHERE NOT (o.kind = 'undone'
            OR (o.kind IN ('paid', 'lost') AND r.phase IN ('official', 'settled'))
            OR (o.kind = 'refunded' AND r.phase IN ('suspended', 'voided')))
        ORDER BY o.bet_id""",
    "only_bets_and_sweeps_move_an_escrow": """
        SELECT t.id AS transfer, t.kind, t.ref, t.amount, e.owner_ref AS escrow
        FROM ledger_transfer t
        JOIN ledger_account e ON e.id IN (t.debit, t.credit) AND e.kind = 'escrow'
        JOIN ledger_account other
            ON other.id = CASE WHEN e.id = t.debit THEN t.credit ELSE t.debit END
        LEFT JOIN tables_round r ON 'round:' || r.id::text = e.owner_ref
        LEFT JOIN tables_bet b ON t.kind = 'stake' AND b.transfer_id = t.id
            AND b.round_id = r.id
        LEFT JOIN tables_bet_outcome o ON t.kind IN ('payout', 'refund', 'stake_undo')
            AND o.transfer_id = t.id AND o.round_id = r.id
        LEFT JOIN tables_correction k ON t.kind = 'correction' AND k.round_id = r.id
            AND k.state IN ('approved', 'done')
        WHERE b.id IS NULL AND o.bet_id IS NULL AND k.id IS NULL
            AND (t.kind = 'house_sweep' AND t.ref = e.owner_ref AND other.kind = 'house'
                AND other.owner_ref = 'table:' || r.table_id) IS NOT TRUE
        ORDER BY t.batch, t.item""",
    "a_finished_round_leaves_its_escrow_empty": """
        SELECT r.id AS round, r.phase, a.currency, a.posted AS left_minor
        FROM ledger_account a JOIN tables_round r ON a.owner_ref = 'round:' || r.id::text
        WHERE a.kind = 'escrow' AND r.phase IN ('settled', 'voided') AND a.posted <> 0
        ORDER BY r.id, a.currency""",
    "stakes_are_returns_and_the_house_s_net": """
        SELECT coalesce(played.round_id::text, swept.round) AS round,
            coalesce(played.currency, swept.currency) AS currency, played.staked_minor,
            played.paid_minor, played.refunded_minor, played.undone_minor, swept.house_net_minor,
            borne.borne_minor
        FROM (
            SELECT b.round_id, b.currency, sum(b.stake_minor) AS staked_minor,
                coalesce(sum(o.returned_minor) FILTER (WHERE o.kind = 'paid'), 0) AS paid_minor,
                coalesce(sum(o.returned_minor) FILTER (WHERE o.kind = 'refunded'), 0)
                    AS refunded_minor,
                coalesce(sum(o.returned_minor) FILTER (WHERE o.kind = 'undone'), 0)
                    AS undone_minor
            FROM tables_bet b
            JOIN tables_round r ON r.id = b.round_id AND r.phase IN ('settled', 'voided')
            LEFT JOIN tables_bet_outcome o ON o.bet_id = b.id
                AND o.bet_accepted_at = b.accepted_at AND o.version = r.version
            GROUP BY b.round_id, b.currency) played
        FULL JOIN (
            SELECT r.id::text AS round, h.currency,
                sum(CASE WHEN t.credit = h.id THEN t.amount ELSE -t.amount END)
                    AS house_net_minor
            FROM ledger_transfer t
            JOIN ledger_account h ON h.id IN (t.debit, t.credit) AND h.kind = 'house'
            JOIN ledger_account e ON e.id IN (t.debit, t.credit) AND e.kind = 'escrow'
            JOIN tables_round r ON e.owner_ref = 'round:' || r.id::text
                AND r.phase IN ('settled', 'voided')
            WHERE t.kind IN ('house_sweep', 'correction')
            GROUP BY r.id, h.currency) swept
            ON swept.round = played.round_id::text AND swept.currency = played.currency
        LEFT JOIN (
            SELECT k.round_id, s.currency, sum(s.lost_minor - s.regained_minor) AS borne_minor
            FROM tables_correctionshare s JOIN tables_correction k ON k.id = s.correction_id
            GROUP BY k.round_id, s.currency) borne
            ON borne.round_id = played.round_id AND borne.currency = played.currency
        WHERE coalesce(played.staked_minor, 0) <> coalesce(played.paid_minor, 0)
            + coalesce(played.refunded_minor, 0) + coalesce(played.undone_minor, 0)
            + coalesce(swept.house_net_minor, 0) + coalesce(borne.borne_minor, 0)
            AND NOT EXISTS (SELECT FROM tables_correction k
                WHERE k.round_id = played.round_id AND k.state = 'approved')
        ORDER BY 1, 2""",
}

RECOMPUTED: Final = "a_settled_bet_computes_to_its_outcome"

_COUNTED: Final = ("tables_round", "tables_bet", "tables_bet_outcome")

_OUTCOMES: Final = """
SELECT b.id, b.round_id, b.position, b.stake_minor, b.rules_hash, r.rules_hash,
    CASE WHEN o.version = r.version THEN r.result
        ELSE coalesce(next.old_number, this.new_number) END,
    o.kind, o.returned_minor
FROM tables_bet_outcome o
JOIN tables_bet b ON b.id = o.bet_id AND b.accepted_at = o.bet_accepted_at
JOIN tables_round r ON r.id = b.round_id
LEFT JOIN tables_correction next ON next.round_id = r.id AND next.to_version = o.version + 1
    AND next.state = 'done'
LEFT JOIN tables_correction this ON this.round_id = r.id AND this.to_version = o.version
    AND this.state = 'approved'
ORDER BY b.id, o.version
"""


def run_checks() -> Report:
    """Hold every round, bet and outcome against the ledger and against the rules.

    Opens its own read-only REPEATABLE READ transaction, so that a round in play never looks like a
    violation; must be called outside any other. Takes no lock. Reads every row, in one pass per
    check: a job for the night and for tests, not for a page.
    """
    violations = []
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        counts = {}
        for table in _COUNTED:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  (from the list above)
            counts[table.removeprefix("tables_")] = cursor.fetchone()[0]
        for name, query in CHECKS.items():
            cursor.execute(f"SELECT count(*) OVER (), bad.* FROM ({query}) bad LIMIT 1")  # noqa: S608  (same)
            row = cursor.fetchone()
            if row is not None:
                columns = [column.name for column in cursor.description][1:]
                values = [None if value is None else str(value) for value in row[1:]]
                violations.append(Violation(name, row[0], dict(zip(columns, values, strict=True))))
        wrong = _computed_again()
        if wrong is not None:
            violations.append(wrong)
    return Report(not violations, violations, counts, [*CHECKS, RECOMPUTED])


def _computed_again() -> Violation | None:
    """Every outcome by the pure rules again, streamed; the first that differs, and how many do."""
    first: dict[str, str | None] = {}
    wrong = 0
    for row in _outcomes():
        bet, round_id, _position, stake, _hash, _round_hash, result, kind, returned = row
        expected = _expected(row)
        if expected == (kind, returned):
            continue
        wrong += 1
        if not first:
            says = "no such rules or position" if expected is None else f"{expected[0]}"
            first = {
                "bet": str(bet),
                "round": str(round_id),
                "result": str(result),
                "stake_minor": str(stake),
                "stored": f"{kind} {returned}",
                "computed": says if expected is None else f"{says} {expected[1]}",
            }
    return Violation(RECOMPUTED, wrong, first) if wrong else None


def _outcomes() -> Iterator[tuple[Any, ...]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(_OUTCOMES)
        while rows := cursor.fetchmany(FETCHED):
            yield from rows


def _expected(
    row: tuple[UUID, UUID, str, int, str, str, int | None, str, int],
) -> tuple[str, int] | None:
    """What the bet's own rules give; None when they cannot: unknown, or not those of its round."""
    _bet, _round, code, stake_minor, rules_hash, round_hash, result, kind, _returned = row
    if kind in {"refunded", "undone"}:
        return kind, stake_minor
    if result is None or rules_hash != round_hash:
        return None
    try:
        rules = roulette.ruleset_by_hash(rules_hash)
        position = roulette.parse_position(code)
    except Refused:
        return None
    returned = roulette.payout(rules, position, stake_minor, result)
    return ("paid" if returned else "lost"), returned
