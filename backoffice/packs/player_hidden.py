"""The part of a player's pack that the player must not learn of: for readers from outside alone.

That a report was made, by whom and its hash; never what it says, nor an officer's words about a
suspicion, which may name others. Markers of harm come with what was written to the player.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from backoffice.packs.writing import Basis, Table, asked

_ORDERS: Final = """
SELECT scope, since, until, reason, actor, lifted_by FROM compliance_switch
WHERE scope = ANY(%(scopes)s) ORDER BY since, id
"""
_SCREENED: Final = """
SELECT at, outcome, hits, lists, matcher FROM compliance_screening_check
WHERE player_id = %(player)s AND at <= %(as_of)s ORDER BY at, id
"""
_HITS: Final = """
SELECT h.id, h.found_at, e.source, e.ref, h.listed_name, h.level, h.score, h.due_at
FROM compliance_screening_hit h JOIN compliance_screening_entry e ON e.id = h.entry_id
WHERE h.player_id = %(player)s AND h.found_at <= %(as_of)s ORDER BY h.found_at, h.id
"""
_WORDS: Final = """
SELECT w.hit_id, w.at, w.step, w.is_true, w.reason, 'staff:' || w.by_staff
FROM compliance_screening_word w JOIN compliance_screening_hit h ON h.id = w.hit_id
WHERE h.player_id = %(player)s AND w.at <= %(as_of)s ORDER BY w.at, w.id
"""
_ALERTS: Final = """
SELECT a.at, a.family, a.code, r.sha256, a.is_shadow, a.from_at, a.to_at, cardinality(a.others),
    CASE WHEN cardinality(a.others) = 0 THEN a.evidence END
FROM compliance_watch_alert a JOIN compliance_watch_rule r ON r.id = a.rule_id
WHERE a.player_id = %(player)s AND a.at <= %(as_of)s ORDER BY a.at, a.id
"""
_CASES: Final = """
SELECT c.reference, c.family, c.state, c.verdict, c.opened_by, c.opened_at, c.due_at,
    'staff:' || c.proposed_by, 'staff:' || c.decided_by, c.closed_at, p.sha256, p.bytes, p.at
FROM compliance_watch_case c LEFT JOIN compliance_watch_report p ON p.case_id = c.id
WHERE c.player_id = %(player)s ORDER BY c.opened_at, c.id
"""
_STEPS: Final = """
SELECT c.reference, c.family, e.at, e.kind, e.by_actor,
    CASE WHEN c.family = 'harm' THEN e.text END
FROM compliance_watch_event e JOIN compliance_watch_case c ON c.id = e.case_id
WHERE c.player_id = %(player)s AND e.at <= %(as_of)s ORDER BY e.at, e.id
"""
_LIKENESSES: Final = """
SELECT found_at, score, by_browser, due_at, decided_at, is_same, 'staff:' || decided_by
FROM compliance_likeness WHERE player_id = %(player)s ORDER BY found_at, id
"""


def parts(of: dict[str, Any]) -> Iterator[Table]:
    """Orders, screening, alerts, officers' cases and likenesses."""
    scopes = [f"{kind}:{of['player']}" for kind in of["of_players"]]
    yield asked(
        "orders.csv", "Orders that stopped the player.",
        (("scope", "ground"), ("since", "from"), ("until", "lifted"), ("reason", "why"),
         ("by", "who"), ("lifted_by", "who")),
        _ORDERS, of | {"scopes": scopes}, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "screening.csv", "Comparisons with sanctions and PEP lists.",
        (("at", "when"), ("outcome", "of it"), ("hits", "how many"), ("lists", "which, as JSON"),
         ("rules", "version of the comparison")),
        _SCREENED, of,
    )  # fmt: skip
    yield asked(
        "screening_hits.csv", "Entries the player was like.",
        (("hit", "id"), ("found_at", "when"), ("list", "source"), ("entry", "the list's number"),
         ("listed_name", "on the list"), ("level", "candidate or sure"), ("score", "of 1000"),
         ("due_at", "to be decided")),
        _HITS, of,
    )  # fmt: skip
    yield asked(
        "screening_decisions.csv", "What officers said of each.",
        (("hit", "id"), ("at", "when"), ("step", "of it"), ("is_true", "whether it is they"),
         ("reason", "why"), ("by", "officer")),
        _WORDS, of,
    )  # fmt: skip
    yield asked(
        "alerts.csv", "What rules found.",
        (("at", "when"), ("family", "crime or harm"), ("code", "of the rule"),
         ("rule_sha256", "of its text"), ("is_shadow", "tried only"), ("from", "looked at"),
         ("to", "looked at"), ("others", "how many others it names"),
         ("evidence", "as JSON, where it names nobody else")),
        _ALERTS, of,
    )  # fmt: skip
    yield asked(
        "officers_cases.csv", "Suspicions and markers of harm; of a report its hash alone.",
        (("reference", "of the case"), ("family", "aml or harm"), ("state", "where it is"),
         ("verdict", "of two officers"), ("opened_by", "who"), ("opened_at", "when"),
         ("due_at", "next step"), ("proposed_by", "officer"), ("decided_by", "officer"),
         ("closed_at", "when"), ("report_sha256", "of the report"), ("report_bytes", "its size"),
         ("reported_at", "when it was made")),
        _CASES, of, Basis.STORED,
    )  # fmt: skip
    yield asked(
        "officers_steps.csv", "What was done in them; the words of markers of harm.",
        (("reference", "of the case"), ("family", "aml or harm"), ("at", "when"),
         ("what", "kind"), ("by", "who"), ("text", "as written; of a suspicion it is left out")),
        _STEPS, of,
    )  # fmt: skip
    yield asked(
        "likenesses.csv", "Whether the account is that of an excluded person, whoever that is; what"
        " officers wrote about it is left out, since it may name them.",
        (("found_at", "when"), ("score", "of 1000"), ("by_browser", "same browser"),
         ("due_at", "to be decided"), ("decided_at", "when"), ("is_same", "the answer"),
         ("by", "officer")),
        _LIKENESSES, of, Basis.STORED,
    )  # fmt: skip
