"""What people and the house did on one gaming day: incidents, changes, limits, exclusions, alerts.

Alerts, officers' cases and orders about single players are for whoever may read what players must
not learn of.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from backoffice.packs import hidden_acts
from backoffice.packs.hidden_acts import MAY_KNOW, MAY_KNOW_WHOLE
from backoffice.packs.player_parts import BREAKS
from backoffice.packs.writing import Basis, Table, asked

_INCIDENTS: Final = """
SELECT i.id, i.table_id, r.number, i.fault, i.detail, i.opened_at, i.resolved_at, i.resolution,
    i.resolved_by, i.procedure, i.proposed_by, i.cause, i.report_due_at, i.reported_at, i.report_ref
FROM tables_incident i LEFT JOIN tables_round r ON r.id = i.round_id
WHERE i.opened_at < %(until)s AND (i.resolved_at IS NULL OR i.resolved_at >= %(since)s)
ORDER BY i.opened_at, i.id
"""
_INCIDENT_STEPS: Final = """
SELECT incident_id, n, at, act, actor, code FROM tables_incidentact
WHERE at >= %(since)s AND at < %(until)s ORDER BY at, incident_id, n
"""
_VOIDS: Final = """
SELECT r.table_id, r.number, r.id, r.finished_at, r.void_reason, b.currency, count(b.id),
    coalesce(sum(b.stake_minor), 0)::bigint
FROM tables_round r LEFT JOIN tables_bet b ON b.round_id = r.id
WHERE r.phase = 'voided' AND r.finished_at >= %(since)s AND r.finished_at < %(until)s
GROUP BY r.table_id, r.number, r.id, r.finished_at, r.void_reason, b.currency
ORDER BY r.finished_at, r.id, b.currency
"""
_CORRECTIONS: Final = """
SELECT c.id, r.table_id, r.number, c.state, c.old_number, c.new_number, c.to_version, c.reason,
    c.proposed_by, c.proposed_at, c.decided_by, c.decided_at, c.decline_reason, c.shortfall,
    c.finished_at
FROM tables_correction c JOIN tables_round r ON r.id = c.round_id
WHERE c.proposed_at < %(until)s AND coalesce(c.finished_at, c.decided_at, 'infinity') >= %(since)s
ORDER BY c.proposed_at, c.id
"""
_SHARES: Final = """
SELECT s.correction_id, s.player_id, s.currency, s.reversed_minor, s.taken_minor, s.owed_minor,
    s.lost_minor, s.paid_minor, s.regained_minor, s.at
FROM tables_correctionshare s WHERE s.at >= %(since)s AND s.at < %(until)s
ORDER BY s.at, s.correction_id, s.player_id, s.currency
"""
_SETTINGS: Final = """
SELECT id, table_id, kind, target, before, after, reason, state, proposed_by, proposed_at,
    decided_by, decided_at, decision, applied_at
FROM tables_settingchange
WHERE proposed_at < %(until)s AND coalesce(applied_at, decided_at, 'infinity') >= %(since)s
ORDER BY proposed_at, id
"""
_ADJUSTMENTS: Final = """
SELECT a.id, a.proposed_at, d.kind || ' ' || d.owner_ref, c.kind || ' ' || c.owner_ref, a.amount,
    d.currency, a.reason, a.note, a.proposer, w.decision, w.approver, w.note, w.decided_at
FROM ledger_adjustment a JOIN ledger_account d ON d.id = a.debit
JOIN ledger_account c ON c.id = a.credit
LEFT JOIN ledger_adjustment_decision w ON w.adjustment = a.id AND w.decided_at <= %(as_of)s
WHERE a.proposed_at < %(until)s AND coalesce(w.decided_at, 'infinity') >= %(since)s
ORDER BY a.proposed_at, a.id
"""
_CHARGEBACKS: Final = """
SELECT c.id, c.proposed_at, c.provider, c.dispute, c.step, c.ref, c.amount, c.currency,
    c.shortfall, c.note, c.proposer, w.decision, w.approver, w.note, w.decided_at
FROM ledger_chargeback c
LEFT JOIN ledger_chargeback_decision w ON w.chargeback = c.id AND w.decided_at <= %(as_of)s
WHERE c.proposed_at < %(until)s AND coalesce(w.decided_at, 'infinity') >= %(since)s
ORDER BY c.proposed_at, c.id
"""
_PAYMENTS: Final = """
SELECT at, payment_id, player_id, direction, before, after, actor, cause, reason
FROM payments_transition WHERE at >= %(since)s AND at < %(until)s ORDER BY at, id
"""
_LIMITS: Final = """
SELECT at, player_id, act, kind, period, currency, before_minor, wanted_minor, effective_at, actor,
    policy
FROM compliance_limitchange WHERE at >= %(since)s AND at < %(until)s ORDER BY at, id
"""
_EXCLUSIONS: Final = """
SELECT at, kind, subject_id, actor_kind || ':' || actor_id, before, after, reason FROM audit_event
WHERE kind = ANY(%(kinds)s) AND at >= %(since)s AND at < %(until)s ORDER BY at, id
"""
_ACTS: Final = f"""
SELECT at, kind, actor_kind || ':' || actor_id, subject_kind || ':' || subject_id, component,
    before, after, {hidden_acts.REASON}, id
FROM audit_event WHERE at >= %(since)s AND at < %(until)s AND {MAY_KNOW} AND
"""  # noqa: S608  (fixed words)
_BY_STAFF: Final = f"{_ACTS} actor_kind = 'staff' ORDER BY at, id"
#: What the house did by itself, but for what each round's own file says.
_BY_HOUSE: Final = f"""{_ACTS} actor_kind NOT IN ('staff', 'player')
    AND subject_kind NOT IN ('player', 'user', 'round') ORDER BY at, id"""
SEALED: Final = f"""
SELECT id::text, at FROM audit_event WHERE at >= %(since)s AND at < %(until)s
    AND actor_kind = 'staff' AND {MAY_KNOW_WHOLE} ORDER BY at, id
"""  # noqa: S608  (fixed words)
_ORDERS: Final = """
SELECT scope, since, until, reason, actor, lifted_by FROM compliance_switch
WHERE since < %(until)s AND coalesce(until, 'infinity') >= %(since)s
    AND (%(hidden)s OR split_part(scope, ':', 1) <> ALL(%(of_players)s))
ORDER BY since, id
"""
_ALERTS: Final = """
SELECT a.at, a.family, a.code, r.sha256, a.is_shadow, a.player_id, a.others, a.evidence
FROM compliance_watch_alert a JOIN compliance_watch_rule r ON r.id = a.rule_id
WHERE a.at >= %(since)s AND a.at < %(until)s ORDER BY a.at, a.id
"""
_CASES: Final = """
SELECT reference, family, player_id, state, verdict, opened_by, opened_at, due_at,
    'staff:' || proposed_by, 'staff:' || decided_by, closed_at
FROM compliance_watch_case
WHERE opened_at < %(until)s AND coalesce(closed_at, 'infinity') >= %(since)s
ORDER BY opened_at, id
"""
_ACT_COLUMNS: Final = (
    ("at", "when"),
    ("what", "kind of event"),
    ("by", "who"),
    ("about", "whom or what"),
    ("component", "of the house"),
    ("before", "as JSON"),
    ("after", "as JSON"),
    ("reason", "why"),
    ("id", "of the event"),
)
_TWO: Final = (
    ("proposed_by", "who"),
    ("decision", "of another; empty: waits"),
    ("decided_by", "who"),
    ("decided_note", "why"),
    ("decided_at", "when"),
)


def parts(of: dict[str, Any], *, hidden: bool) -> Iterator[Table]:
    """The files of what was done on the day."""
    yield from _incidents(of)
    yield from _money(of)
    yield from _players(of)
    yield asked("staff_acts.csv", "Every act of staff in the record. Proofs: proofs/audit.jsonl.",
                _ACT_COLUMNS, _BY_STAFF, of)  # fmt: skip
    yield asked("house_acts.csv", "What the house, its devices and its jobs did by themselves.",
                _ACT_COLUMNS, _BY_HOUSE, of)  # fmt: skip
    yield asked(
        "orders.csv", "Orders to stop that held on the day.",
        (("scope", "what is stopped"), ("since", "from"), ("until", "lifted"), ("reason", "why"),
         ("by", "who"), ("lifted_by", "who")),
        _ORDERS, of, Basis.STORED,
    )  # fmt: skip
    if hidden:
        yield from _hidden(of)


def _incidents(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "incidents.csv", "Incidents that were open on the day.",
        (("incident", "id"), ("table", "where"), ("round_number", "there"), ("fault", "code"),
         ("detail", "seen"), ("opened_at", "when"), ("resolved_at", "when"),
         ("resolution", "how"), ("resolved_by", "who"), ("procedure", "followed"),
         ("proposed_by", "who"), ("cause", "found"), ("report_due_at", "to the regulator"),
         ("reported_at", "when"), ("report_ref", "of it")),
        _INCIDENTS, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "incident_steps.csv", "What was done about them on the day.",
        (("incident", "id"), ("n", "number"), ("at", "when"), ("act", "what"), ("by", "who"),
         ("code", "of a refusal")),
        _INCIDENT_STEPS, of,
    )  # fmt: skip
    yield asked(
        "voids.csv", "Rounds voided on the day, every stake returned.",
        (("table", "where"), ("number", "there"), ("round", "id"), ("voided_at", "when"),
         ("reason", "code"), ("currency", "of it; empty: nobody bet"), ("bets", "how many"),
         ("returned_minor", "stakes")),
        _VOIDS, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "corrections.csv", "Corrections of results that were under way or ended on the day.",
        (("correction", "id"), ("table", "where"), ("round_number", "there"),
         ("state", "where it is"), ("from", "number"), ("to", "number"),
         ("to_version", "of the result"), ("reason", "why"), ("proposed_by", "who"),
         ("proposed_at", "when"), ("decided_by", "who"), ("decided_at", "when"),
         ("decline_reason", "why not"), ("shortfall", "who bears it"), ("finished_at", "when")),
        _CORRECTIONS, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "correction_shares.csv", "What they moved on the day, by player.",
        (("correction", "id"), ("player", "number"), ("currency", "of it"),
         ("reversed_minor", "was paid wrongly"), ("taken_minor", "from the account"),
         ("owed_minor", "became a debt"), ("lost_minor", "borne by the house"),
         ("paid_minor", "paid rightly"), ("regained_minor", "of it taken for a debt"),
         ("at", "when")),
        _SHARES, of,
    )  # fmt: skip
    yield asked(
        "settings.csv", "Changes of settings that were under way or decided on the day.",
        (("change", "id"), ("table", "where"), ("kind", "of setting"), ("target", "of it"),
         ("before", "as JSON"), ("after", "as JSON"), ("reason", "why"),
         ("state", "where it is"), ("proposed_by", "who"), ("proposed_at", "when"),
         ("decided_by", "who"), ("decided_at", "when"), ("decision", "why"),
         ("applied_at", "in force")),
        _SETTINGS, of, Basis.STORED,
    )  # fmt: skip


def _money(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "adjustments.csv", "Adjustments of the books that waited or were decided on the day.",
        (("adjustment", "id"), ("proposed_at", "when"), ("from", "account"), ("to", "account"),
         ("amount_minor", "of it"), ("currency", "of it"), ("reason", "code"), ("note", "why"),
         *_TWO),
        _ADJUSTMENTS, of,
    )  # fmt: skip
    yield asked(
        "chargebacks.csv", "Chargebacks and returns that waited or were decided on the day.",
        (("chargeback", "id"), ("proposed_at", "when"), ("provider", "who took it"),
         ("dispute", "the provider's number"), ("step", "taken or returned"),
         ("ref", "of the deposit"), ("amount_minor", "of it"), ("currency", "of it"),
         ("shortfall", "who bears what is gone"), ("note", "why"), *_TWO),
        _CHARGEBACKS, of,
    )  # fmt: skip
    yield asked(
        "payment_steps.csv", "Steps of deposits and withdrawals.",
        (("at", "when"), ("payment", "id"), ("player", "number"), ("direction", "in or out"),
         ("before", "state"), ("after", "state"), ("by", "who"), ("cause", "what moved it"),
         ("reason", "of it")),
        _PAYMENTS, of,
    )  # fmt: skip


def _players(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "limit_changes.csv", "Limits that players changed.",
        (("at", "when"), ("player", "number"), ("act", "what was done"), ("kind", "of limit"),
         ("period", "per"), ("currency", "empty for time"), ("before_minor", "limit before"),
         ("wanted_minor", "asked for"), ("effective_at", "in force from"), ("by", "who"),
         ("policy", "version that judged")),
        _LIMITS, of,
    )  # fmt: skip
    yield asked(
        "exclusions.csv", "Breaks, exclusions, and wishes to return.",
        (("at", "when"), ("what", "kind"), ("player", "number"), ("by", "who"),
         ("before", "as JSON"), ("after", "as JSON"), ("reason", "why")),
        _EXCLUSIONS, of | {"kinds": list(BREAKS)},
    )  # fmt: skip


def _hidden(of: dict[str, Any]) -> Iterator[Table]:
    yield asked(
        "alerts.csv", "What rules against crime and for markers of harm found.",
        (("at", "when"), ("family", "aml or harm"), ("code", "of the rule"),
         ("rule_sha256", "of its text"), ("is_shadow", "tried only"), ("player", "number"),
         ("others", "numbers, as JSON"), ("evidence", "as JSON")),
        _ALERTS, of,
    )  # fmt: skip
    yield asked(
        "officers_cases.csv", "Suspicions and markers of harm that were open on the day.",
        (("reference", "of the case"), ("family", "aml or harm"), ("player", "number"),
         ("state", "where it is"), ("verdict", "of two officers"), ("opened_by", "who"),
         ("opened_at", "when"), ("due_at", "next step"), ("proposed_by", "officer"),
         ("decided_by", "officer"), ("closed_at", "when")),
        _CASES, of, Basis.STORED,
    )  # fmt: skip
