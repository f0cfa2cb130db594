"""The books against their own rules, over all data, in one consistent snapshot.

Each invariant is one query in ``CHECKS`` that returns the rows which break it, in a fixed order.
What joins rounds or payments to the ledger is checked by the apps that own those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

#: name of the invariant → the rows that break it. `{}`-free, ordered, no parameters.
CHECKS: Final[dict[str, str]] = {
    "balances_of_a_currency_sum_to_zero": """
        SELECT currency, sum(posted) AS sum_minor FROM ledger_account
        GROUP BY currency HAVING sum(posted) <> 0 ORDER BY currency""",
    "balance_is_the_sum_of_its_entries": """
        SELECT a.id AS account, a.posted, e.sum_minor, a.seq, e.entries
        FROM ledger_account a LEFT JOIN (
            SELECT account, sum(amount) AS sum_minor, count(*) AS entries
            FROM ledger_entry GROUP BY account) e ON e.account = a.id
        WHERE a.posted <> coalesce(e.sum_minor, 0) OR a.seq <> coalesce(e.entries, 0)
        ORDER BY a.id""",
    "balance_is_the_last_balance_after": """
        SELECT a.id AS account, a.posted, a.seq, e.balance_after
        FROM ledger_account a LEFT JOIN ledger_entry e ON e.account = a.id AND e.seq = a.seq
        WHERE a.posted <> coalesce(e.balance_after, 0) OR (a.seq > 0 AND e.account IS NULL)
        ORDER BY a.id""",
    "entries_are_numbered_in_the_order_of_their_batches": """
        SELECT account, seq, expected FROM (
            SELECT account, seq,
                row_number() OVER (PARTITION BY account ORDER BY batch, item) AS expected
            FROM ledger_entry) e
        WHERE seq <> expected ORDER BY account, seq""",
    "balance_after_is_the_running_sum": """
        SELECT account, seq, balance_after, running FROM (
            SELECT account, seq, balance_after,
                sum(amount) OVER (PARTITION BY account ORDER BY seq ROWS UNBOUNDED PRECEDING)
                    AS running
            FROM ledger_entry) e
        WHERE balance_after <> running ORDER BY account, seq""",
    "no_entry_below_the_floor": """
        SELECT e.account, e.seq, e.balance_after, a.floor
        FROM ledger_entry e JOIN ledger_account a ON a.id = e.account
        WHERE e.balance_after < a.floor ORDER BY e.account, e.seq""",
    "accounts_keep_the_rules_of_their_kind": """
        SELECT a.id AS account, a.kind, a.floor, a.posted, a.held, a.scale
        FROM ledger_account a
        LEFT JOIN ledger_account_kind k ON k.kind = a.kind
        LEFT JOIN ledger_currency c ON c.currency = a.currency
        WHERE k.kind IS NULL OR a.floor IS DISTINCT FROM k.floor
            OR a.scale IS DISTINCT FROM c.scale OR a.posted - a.held < a.floor
            OR (a.closed_at IS NOT NULL AND (a.posted <> 0 OR a.held <> 0))
        ORDER BY a.id""",
    "nothing_after_an_account_was_closed": """
        SELECT e.account, e.seq, e.posted_at, a.closed_at
        FROM ledger_account a JOIN ledger_entry e ON e.account = a.id
        WHERE e.posted_at > a.closed_at ORDER BY e.account, e.seq""",
    "a_batch_counts_its_transfers": """
        SELECT coalesce(b.id, t.batch) AS batch, b.n, t.n AS found, b.total, t.total AS found_total
        FROM ledger_batch b FULL JOIN (
            SELECT batch, count(*) AS n, sum(amount) AS total,
                min(posted_at) AS first, max(posted_at) AS last
            FROM ledger_transfer GROUP BY batch) t ON t.batch = b.id
        WHERE b.id IS NULL OR b.n <> coalesce(t.n, 0) OR b.total <> coalesce(t.total, 0)
            OR t.first <> b.posted_at OR t.last <> b.posted_at
            OR (b.codes IS NOT NULL
                AND b.n <> (SELECT count(*) FROM unnest(b.codes) AS c (code) WHERE c.code = 0))
        ORDER BY 1""",
    "a_transfer_id_is_used_once": """
        SELECT coalesce(t.id, i.id) AS transfer, t.found, i.batch, t.batch AS found_batch
        FROM ledger_transfer_id i FULL JOIN (
            SELECT id, count(*) AS found, min(batch) AS batch, min(item) AS item
            FROM ledger_transfer GROUP BY id) t ON t.id = i.id
        WHERE (t.found = 1 AND t.batch = i.batch AND t.item = i.item) IS NOT TRUE
        ORDER BY 1""",
    "a_transfer_follows_an_allowed_route": """
        SELECT t.id AS transfer, t.kind, d.kind AS debit_kind, c.kind AS credit_kind,
            d.currency AS debit_currency, c.currency AS credit_currency
        FROM ledger_transfer t
        LEFT JOIN ledger_account d ON d.id = t.debit
        LEFT JOIN ledger_account c ON c.id = t.credit
        LEFT JOIN ledger_route r
            ON r.kind = t.kind AND r.debit_kind = d.kind AND r.credit_kind = c.kind
        WHERE (r.kind IS NOT NULL AND d.currency = c.currency
            AND (NOT r.same_owner OR d.owner_ref = c.owner_ref)) IS NOT TRUE
        ORDER BY t.id""",
    "what_a_person_causes_has_a_permit": """
        SELECT t.id AS transfer, t.kind, t.permit
        FROM ledger_transfer t
        JOIN ledger_route r ON r.kind = t.kind
        JOIN ledger_account d ON d.id = t.debit AND d.kind = r.debit_kind
        JOIN ledger_account c ON c.id = t.credit AND c.kind = r.credit_kind
        LEFT JOIN ledger_batch b ON b.id = t.batch
        LEFT JOIN ledger_permit_line p ON p.id = t.permit AND p.xid = b.xid
            AND p.purpose = t.kind AND p.currency = d.currency
            AND p.owner_ref = CASE r.side WHEN 'debit' THEN d.owner_ref ELSE c.owner_ref END
        WHERE (r.permit OR t.permit IS NOT NULL) AND p.id IS NULL
        ORDER BY t.id""",
    "a_permit_is_not_exceeded": """
        SELECT p.id AS permit, p.amount_minor_max, sum(t.amount) AS used_minor
        FROM ledger_transfer t
        JOIN ledger_batch b ON b.id = t.batch
        JOIN ledger_permit_line p ON p.id = t.permit AND p.xid = b.xid
        GROUP BY p.id, p.issued_at, p.amount_minor_max
        HAVING sum(t.amount) > p.amount_minor_max ORDER BY p.id""",
    "a_permit_is_issued_once": """
        SELECT id AS permit, issued_at, count(*) AS times FROM ledger_permit_line
        GROUP BY id, xid, issued_at HAVING count(*) > 1 ORDER BY id, issued_at""",
    "held_is_the_sum_of_open_holds": """
        SELECT coalesce(a.id, h.account) AS account, a.held, h.open_minor
        FROM ledger_account a FULL JOIN (
            SELECT account, sum(amount) AS open_minor FROM ledger_hold h
            WHERE NOT EXISTS (SELECT FROM ledger_hold_end e WHERE e.hold = h.id)
            GROUP BY account) h ON h.account = a.id
        WHERE a.held IS DISTINCT FROM coalesce(h.open_minor, 0) ORDER BY 1""",
    "a_hold_ends_once": """
        SELECT hold, count(*) AS ends FROM ledger_hold_end
        GROUP BY hold HAVING count(*) > 1 ORDER BY hold""",
    "a_hold_ends_by_its_rules": """
        SELECT e.hold, e.outcome, e.at, h.expires_at, e.captured, h.amount
        FROM ledger_hold_end e LEFT JOIN ledger_hold h ON h.id = e.hold
        WHERE h.id IS NULL OR e.captured > h.amount
            OR (e.outcome = 'expired') <> (e.at >= h.expires_at)
        ORDER BY e.hold""",
    "a_capture_moved_what_was_captured": """
        SELECT e.hold, e.batch, e.captured, t.amount
        FROM ledger_hold_end e
        LEFT JOIN ledger_hold h ON h.id = e.hold
        LEFT JOIN ledger_batch b ON b.id = e.batch AND b.key = 'capture:' || e.hold
        LEFT JOIN ledger_transfer t ON t.batch = b.id AND t.posted_at = b.posted_at
        WHERE e.outcome = 'captured' AND (t.id = h.id AND t.debit = h.account
            AND t.credit = h.credit AND t.amount = e.captured AND t.kind = h.kind
            AND t.ref = h.ref) IS NOT TRUE
        ORDER BY e.hold""",
    "what_two_people_decide_was_approved_by_another_person": """
        SELECT t.id AS transfer, t.kind, t.amount, a.amount AS approved_minor, a.proposer,
            x.approver, x.decision
        FROM ledger_transfer t
        LEFT JOIN ledger_account d ON d.id = t.debit
        LEFT JOIN ledger_account c ON c.id = t.credit
        LEFT JOIN ledger_adjustment a ON a.id = t.id
        LEFT JOIN ledger_adjustment_decision x ON x.adjustment = a.id
        WHERE (t.kind IN ('adjustment', 'debt_settled', 'debt_written_off')
            OR (t.kind = 'suspense' AND 'player_cash' IN (d.kind, c.kind)))
            AND (a.debit = t.debit AND a.credit = t.credit
            AND a.amount = t.amount AND a.kind = t.kind AND x.decision = 'approved'
            AND x.proposer = a.proposer AND x.approver <> a.proposer) IS NOT TRUE
        ORDER BY t.id""",
    "no_debt_is_lessened_by_more_than_was_owed": """
        SELECT id AS transfer, kind, amount, credit AS account,
            credit_balance_after AS balance_after
        FROM ledger_transfer
        WHERE kind IN ('debt_settled', 'debt_written_off') AND credit_balance_after > 0
        ORDER BY id""",
    "nothing_by_a_route_after_it_was_closed": """
        SELECT t.id AS transfer, t.kind, t.posted_at, r.closed_at
        FROM ledger_transfer t
        JOIN ledger_account d ON d.id = t.debit
        JOIN ledger_account c ON c.id = t.credit
        JOIN ledger_route_closed r ON r.kind = t.kind
            AND r.debit_kind = d.kind AND r.credit_kind = c.kind
        WHERE t.posted_at > r.closed_at ORDER BY t.id""",
    "a_round_gives_back_no_more_than_was_staked": """
        SELECT e.owner_ref AS round, p.owner_ref AS player, e.currency, t.staked_minor,
            t.back_minor
        FROM (
            SELECT cash, escrow, sum(staked) AS staked_minor, sum(back) AS back_minor
            FROM (
                SELECT debit AS cash, credit AS escrow, amount AS staked, 0 AS back
                FROM ledger_transfer WHERE kind = 'stake'
                UNION ALL
                SELECT credit, debit, 0, amount
                FROM ledger_transfer WHERE kind IN ('refund', 'stake_undo')) t
            GROUP BY cash, escrow HAVING sum(back) > sum(staked)) t
        JOIN ledger_account e ON e.id = t.escrow AND e.kind = 'escrow'
        JOIN ledger_account p ON p.id = t.cash
        ORDER BY e.owner_ref, e.currency, p.owner_ref""",
    "a_correction_is_of_a_bet_in_its_round": """
        SELECT e.owner_ref AS round, p.owner_ref AS player, e.currency,
            sum(t.stands) AS stands_minor, sum(t.paid) AS paid_minor, sum(t.taken) AS taken_minor,
            sum(t.corrected) AS corrected_minor
        FROM (
            SELECT debit AS player, credit AS escrow, sum(amount) FILTER (WHERE kind = 'stake')
                AS stands, 0 AS paid, sum(amount) FILTER (WHERE kind = 'correction') AS taken,
                0 AS corrected
            FROM ledger_transfer WHERE kind IN ('stake', 'correction') GROUP BY debit, credit
            UNION ALL
            SELECT credit, debit, -sum(amount) FILTER (WHERE kind IN ('refund', 'stake_undo')),
                sum(amount) FILTER (WHERE kind IN ('payout', 'correction')), 0,
                sum(amount) FILTER (WHERE kind = 'correction')
            FROM ledger_transfer
            WHERE kind IN ('refund', 'stake_undo', 'payout', 'correction')
            GROUP BY credit, debit) t
        JOIN ledger_account e ON e.id = t.escrow AND e.kind = 'escrow'
        JOIN ledger_account p ON p.id = t.player AND p.kind IN ('player_cash', 'receivable')
        GROUP BY e.owner_ref, e.currency, p.owner_ref
        HAVING coalesce(sum(t.taken), 0) > coalesce(sum(t.paid), 0)
            OR sum(t.corrected) > 0 AND coalesce(sum(t.stands), 0) <= 0
        ORDER BY e.owner_ref, e.currency, p.owner_ref""",
    "a_chargeback_was_approved_by_another_person": """
        SELECT t.id AS transfer, t.amount, l.amount AS approved_minor, c.proposer, x.approver,
            x.decision
        FROM ledger_transfer t
        LEFT JOIN ledger_chargeback_leg l ON l.transfer = t.id
        LEFT JOIN ledger_chargeback c ON c.id = l.chargeback
        LEFT JOIN ledger_chargeback_decision x ON x.chargeback = c.id
        WHERE t.kind = 'chargeback' AND (l.debit = t.debit AND l.credit = t.credit
            AND l.amount = t.amount AND x.decision = 'approved' AND x.proposer = c.proposer
            AND x.approver <> c.proposer) IS NOT TRUE
        ORDER BY t.id""",
    "an_approved_chargeback_is_posted_whole": """
        SELECT c.id AS chargeback, c.amount, l.amount AS legs_minor, l.posted_minor
        FROM ledger_chargeback c
        JOIN ledger_chargeback_decision x ON x.chargeback = c.id AND x.decision = 'approved'
        LEFT JOIN ledger_dispute n
            ON n.provider = c.provider AND n.dispute = c.dispute AND n.step = 'taken'
        LEFT JOIN (
            SELECT leg.chargeback, sum(leg.amount) AS amount, sum(t.amount) AS posted_minor
            FROM ledger_chargeback_leg leg
            LEFT JOIN ledger_transfer t ON t.id = leg.transfer AND t.kind = 'chargeback'
            GROUP BY leg.chargeback) l ON l.chargeback = c.id
        WHERE CASE WHEN n.transfer IS NOT NULL AND c.shortfall = 'house'
            THEN coalesce(l.amount, 0) > c.amount OR l.posted_minor IS DISTINCT FROM l.amount
            ELSE (l.amount = c.amount AND l.posted_minor = c.amount) IS NOT TRUE END
        ORDER BY c.id""",
    "no_more_of_a_deposit_is_charged_back_than_came": """
        SELECT c.deposit, t.amount, c.charged_minor
        FROM (
            SELECT c.deposit, min(c.cash) AS cash, min(c.clearing) AS clearing,
                count(DISTINCT (c.cash, c.clearing)) AS ways,
                sum(CASE c.step WHEN 'taken' THEN c.amount ELSE -c.amount END) AS charged_minor
            FROM (
                SELECT n.deposit, n.cash, n.clearing, n.step, n.amount FROM ledger_dispute n
                UNION ALL
                SELECT c.deposit, c.cash, c.clearing, c.step, c.amount FROM ledger_chargeback c
                JOIN ledger_chargeback_decision x
                    ON x.chargeback = c.id AND x.decision = 'approved'
                WHERE NOT EXISTS (SELECT FROM ledger_dispute n WHERE n.provider = c.provider
                    AND n.dispute = c.dispute AND n.step = 'taken')) c
            GROUP BY c.deposit) c
        LEFT JOIN ledger_transfer t ON t.id = c.deposit
        WHERE (t.kind = 'deposit' AND t.credit = c.cash AND t.debit = c.clearing AND c.ways = 1
            AND c.charged_minor BETWEEN 0 AND t.amount) IS NOT TRUE
        ORDER BY c.deposit""",
    "a_dispute_is_posted_as_it_was_confirmed": """
        SELECT coalesce(t.id, n.transfer) AS transfer, t.amount, n.amount AS confirmed_minor
        FROM (SELECT * FROM ledger_transfer WHERE kind = 'dispute') t
        FULL JOIN ledger_dispute n ON n.transfer = t.id
        WHERE (t.amount = n.amount
            AND t.debit = CASE n.step WHEN 'taken' THEN n.disputed ELSE n.clearing END
            AND t.credit = CASE n.step WHEN 'taken' THEN n.clearing ELSE n.disputed END)
            IS NOT TRUE
        ORDER BY 1""",
    "no_more_of_a_dispute_is_borne_than_was_taken": """
        SELECT c.id AS chargeback, c.amount, n.amount AS taken_minor, c.step
        FROM ledger_chargeback c
        JOIN ledger_chargeback_decision x ON x.chargeback = c.id AND x.decision = 'approved'
        JOIN ledger_dispute n
            ON n.provider = c.provider AND n.dispute = c.dispute AND n.step = 'taken'
        WHERE c.amount > n.amount OR c.deposit <> n.deposit OR EXISTS (
            SELECT FROM ledger_chargeback_leg l WHERE l.chargeback = c.id
            AND n.disputed NOT IN (l.debit, l.credit))
        ORDER BY c.id""",
}

_COUNTED: Final = (
    "ledger_account",
    "ledger_batch",
    "ledger_transfer",
    "ledger_entry",
    "ledger_permit_line",
    "ledger_hold",
    "ledger_hold_end",
)


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold: how many rows break it, and the first of them."""

    check: str
    rows: int
    first: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Report:
    """What was checked. ``counts`` says over how much, so that an empty ledger shows as one."""

    ok: bool
    violations: list[Violation]
    counts: dict[str, int]
    checks: list[str]


def run_checks(progress: Callable[[str], None] = lambda _: None) -> Report:
    """Check every invariant of the ledger; ``progress`` is told each one's name before it begins.

    Opens its own read-only REPEATABLE READ transaction, so that postings of the moment never look
    like violations; must be called outside any other. Takes no lock. Reads every row: a job for
    the night and for tests, not for a page.
    """
    violations = []
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        counts = {}
        for table in _COUNTED:
            cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608  (from the list above)
            counts[table.removeprefix("ledger_").removesuffix("_line")] = cursor.fetchone()[0]
        for name, query in CHECKS.items():
            progress(name)
            cursor.execute(f"SELECT count(*) OVER (), bad.* FROM ({query}) bad LIMIT 1")  # noqa: S608  (our own words)
            row = cursor.fetchone()
            if row is not None:
                columns = [column.name for column in cursor.description][1:]
                values = [None if value is None else str(value) for value in row[1:]]
                violations.append(Violation(name, row[0], dict(zip(columns, values, strict=True))))
    return Report(not violations, violations, counts, list(CHECKS))
