"""The money and the bets of one player's pack, and under which seals all of it lies.

The seal of a batch or of a round covers other players too, so their rows are not proved here: where
each lies is said, and the pack of that round has its proof. Events and accounts are proved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from audit import proofs
from audit.sealed_sources import AUDIT
from backoffice.packs import sealing
from backoffice.packs.hidden_acts import MAY_KNOW_WHOLE
from backoffice.packs.writing import Basis, Lines, Part, Table, asked, fetched_keys
from ledger.sealed_sources import ACCOUNTS, BATCHES
from tables.sealed_sources import ROUNDS

_ACCOUNTS: Final = """
SELECT a.id, a.kind, a.currency, coalesce((SELECT e.balance_after FROM ledger_entry e
    WHERE e.account = a.id AND e.posted_at <= %(as_of)s ORDER BY e.seq DESC LIMIT 1), 0),
    a.opened_at
FROM ledger_account a WHERE a.owner_ref = %(owner)s AND a.opened_at <= %(as_of)s ORDER BY a.id
"""
_ENTRIES: Final = """
SELECT a.kind, a.currency, e.seq, e.posted_at, e.kind, e.ref, e.amount, e.balance_after,
    o.kind || ' ' || o.owner_ref, e.transfer, e.batch, e.item
FROM ledger_account a JOIN ledger_entry e ON e.account = a.id
JOIN ledger_account o ON o.id = e.counterpart
WHERE a.owner_ref = %(owner)s AND e.posted_at <= %(as_of)s ORDER BY a.id, e.seq
"""
_HOLDS: Final = """
SELECT h.id, h.at, h.amount, a.currency, h.kind, h.ref, h.expires_at, h.actor, d.outcome,
    d.captured, d.at
FROM ledger_hold h JOIN ledger_account a ON a.id = h.account
LEFT JOIN ledger_hold_end d ON d.hold = h.id AND d.at <= %(as_of)s
WHERE a.owner_ref = %(owner)s AND h.at <= %(as_of)s ORDER BY h.at, h.id
"""
_PAYMENTS: Final = """
SELECT created_at, id, 'deposit', amount_minor, currency, provider, provider_ref, state, reason,
    changed_at FROM payments_deposit WHERE player_id = %(player)s AND created_at <= %(as_of)s
UNION ALL SELECT created_at, id, 'withdrawal', amount_minor, currency, provider, provider_ref,
    state, reason, changed_at
FROM payments_withdrawal WHERE player_id = %(player)s AND created_at <= %(as_of)s ORDER BY 1, 2
"""
#: By payment, as they are indexed: by player every month of the whole house would be read.
_STEPS: Final = """
SELECT t.at, t.payment_id, t.direction, t.before, t.after, t.actor, t.cause, t.reason
FROM payments_transition t WHERE t.at <= %(as_of)s AND t.payment_id IN (
    SELECT id FROM payments_deposit WHERE player_id = %(player)s
    UNION ALL SELECT id FROM payments_withdrawal WHERE player_id = %(player)s)
ORDER BY t.at, t.id
"""
_BETS: Final = """
SELECT b.id, b.accepted_at, r.table_id, r.number, b.round_id, b.position, b.stake_minor,
    b.currency, b.rules_hash, b.transfer_id
FROM tables_bet b JOIN tables_round r ON r.id = b.round_id
WHERE b.player_id = %(player)s AND b.accepted_at <= %(as_of)s ORDER BY b.accepted_at, b.id
"""
_OUTCOMES: Final = """
SELECT o.bet_id, o.version, o.kind, o.returned_minor, b.currency, o.transfer_id, o.at
FROM tables_bet b
JOIN tables_bet_outcome o ON o.bet_id = b.id AND o.bet_accepted_at = b.accepted_at
WHERE b.player_id = %(player)s AND o.at <= %(as_of)s ORDER BY b.accepted_at, b.id, o.version
"""
_EVENTS_SEALED: Final = f"""
SELECT id::text, at FROM audit_event
WHERE at <= %(as_of)s AND kind NOT LIKE 'register.%%' AND {MAY_KNOW_WHOLE}
    AND (subject_kind IN ('player', 'user') AND subject_id = %(subject)s
        OR actor_kind = 'player' AND actor_id = %(subject)s) ORDER BY at, id
"""  # noqa: S608  (fixed words)
_ACCOUNTS_SEALED: Final = """
SELECT id::text, opened_at FROM ledger_account
WHERE owner_ref = %(owner)s AND opened_at <= %(as_of)s ORDER BY opened_at, id
"""
_BATCHES_SEALED: Final = """
SELECT e.batch::text, e.posted_at
FROM ledger_account a JOIN ledger_entry e ON e.account = a.id
WHERE a.owner_ref = %(owner)s AND e.posted_at <= %(as_of)s
GROUP BY e.posted_at, e.batch ORDER BY e.posted_at, e.batch
"""
_ROUNDS_SEALED: Final = """
SELECT r.id::text, r.at FROM tables_round_result r WHERE r.at <= %(as_of)s AND r.round_id IN (
    SELECT round_id FROM tables_bet WHERE player_id = %(player)s AND accepted_at <= %(as_of)s)
ORDER BY r.at, r.id
"""
_TRANSFER: Final = (
    ("account_kind", "which of the player's accounts"),
    ("currency", "of it"),
    ("seq", "number of the entry on that account, without gaps"),
    ("posted_at", "when"),
    ("kind", "of transfer"),
    ("ref", "what for: a bet, a payment"),
    ("amount_minor", "positive where the account gained"),
    ("balance_after_minor", "on the account"),
    ("other_account", "where it came from or went"),
    ("transfer", "id"),
    ("batch", "in the books"),
    ("item", "of the batch"),
)


def parts(of: dict[str, Any]) -> Iterator[Table]:
    """Accounts, entries, held money, payments, bets and what became of them."""
    yield asked(
        "accounts.csv", "The player's accounts in the books, each with its balance.",
        (("account", "number in the books"), ("kind", "of account"), ("currency", "of it"),
         ("balance_minor", "at the instant"), ("opened_at", "when")),
        _ACCOUNTS, of,
    )  # fmt: skip
    yield asked("entries.csv", "Every entry on them, with the balance after it.", _TRANSFER,
                _ENTRIES, of)  # fmt: skip
    yield asked(
        "holds.csv", "Amounts set aside, and how that ended.",
        (("hold", "id"), ("at", "when"), ("amount_minor", "set aside"), ("currency", "of it"),
         ("kind", "transfer it may become"), ("ref", "what for"), ("expires_at", "until"),
         ("by", "who"), ("outcome", "how it ended"), ("captured_minor", "what was taken"),
         ("ended_at", "when")),
        _HOLDS, of,
    )  # fmt: skip
    yield asked(
        "payments.csv", "Deposits and withdrawals.",
        (("at", "asked for"), ("payment", "id"), ("direction", "in or out"),
         ("amount_minor", "asked for"), ("currency", "of it"), ("provider", "through"),
         ("provider_ref", "the provider's number"), ("state", "where it is"),
         ("reason", "of it"), ("changed_at", "last step")),
        _PAYMENTS, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "payment_steps.csv", "Every step of them.",
        (("at", "when"), ("payment", "id"), ("direction", "in or out"), ("before", "state"),
         ("after", "state"), ("by", "who"), ("cause", "what moved it"), ("reason", "of it")),
        _STEPS, of,
    )  # fmt: skip
    yield asked(
        "bets.csv", "Every bet.",
        (("bet", "id"), ("accepted_at", "when"), ("table", "where"), ("round_number", "there"),
         ("round", "id"), ("position", "bet on"), ("stake_minor", "staked"), ("currency", "of it"),
         ("rules_sha256", "of the rules it was taken under"), ("transfer", "of the stake")),
        _BETS, of,
    )  # fmt: skip
    yield asked(
        "outcomes.csv", "What became of each bet; a corrected round has a later version.",
        (("bet", "id"), ("version", "of the result"), ("kind", "paid, lost, refunded, undone"),
         ("returned_minor", "to the player"), ("currency", "of it"), ("transfer", "of it"),
         ("at", "when")),
        _OUTCOMES, of,
    )  # fmt: skip


def seals(of: dict[str, Any]) -> Iterator[Part]:
    """Proofs of the player's own rows, and the places of rows that they share with others."""
    yield Lines(
        "proofs/audit.jsonl", "Proof for each sealed event of record.csv.",
        sealing.proof_lines(AUDIT, fetched_keys(_EVENTS_SEALED, of)), Basis.STORED,
    )  # fmt: skip
    yield Lines(
        "proofs/ledger_accounts.jsonl", "Proof for each sealed account of accounts.csv.",
        sealing.proof_lines(ACCOUNTS, fetched_keys(_ACCOUNTS_SEALED, of)), Basis.STORED,
    )  # fmt: skip
    yield Table(
        "places.csv",
        "Under which seal each batch (of entries.csv) and each version of a round (of bets.csv)"
        " lies: rows shared with other players, proved by the pack of a round.",
        (("source", "of seals"), ("key", "batch, or row of the round's end"), ("seal", "number"),
         ("leaf", "place under it, from 0")),
        _places(of), Basis.STORED,
    )  # fmt: skip
    yield sealing.keys()


def _places(of: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    for source, sql in ((BATCHES, _BATCHES_SEALED), (ROUNDS, _ROUNDS_SEALED)):
        for one in proofs.places(source, fetched_keys(sql, of)):
            yield (source.name, one.key, one.seal, one.index)
