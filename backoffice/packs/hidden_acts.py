"""Which events of the record a pack withholds: what players must not learn of, and some words.

One condition for tables and proofs alike, since a proof holds the whole row that it proves. Kinds
say it themselves where they are registered (`audit.record.register`); beside them an order about
one player and whatever was done in a case of suspicion are known by what they are about.
"""

from __future__ import annotations

from typing import Any, Final

from audit.record import hidden_kinds
from compliance import switches
from compliance.aml import reports
from compliance.case_states import HIDDEN
from compliance.own_register import likenesses
from compliance.screening import hits, screening
from compliance.watching import casework

#: A kind is known once its module is loaded: here they are, in whichever process a pack is made.
REGISTERED_IN: Final = (reports, casework, hits, screening, likenesses)

#: Why an officer opened a report speaks of the suspicion itself: those words are in no pack.
_UNSPOKEN: Final = (reports.OPENED,)

#: Condition on `audit_event`: whether the reader of the pack may know of the event.
MAY_KNOW: Final = """
(%(hidden)s OR NOT (kind = ANY(%(hidden_kinds)s) OR subject_kind = 'order'
    OR subject_kind = 'switch' AND split_part(subject_id, ':', 1) = ANY(%(of_players)s)
    OR subject_kind = 'case' AND EXISTS (SELECT FROM compliance_case c
        WHERE c.reference = audit_event.subject_id AND c.kind = ANY(%(hidden_cases)s))))
"""
#: The same of its row as it is sealed, words and all.
MAY_KNOW_WHOLE: Final = f"({MAY_KNOW} AND kind <> ALL(%(unspoken)s))"
#: The column ``reason`` of a table.
REASON: Final = "CASE WHEN kind <> ALL(%(unspoken)s) THEN reason END"


def params(*, hidden: bool) -> dict[str, Any]:
    """What the conditions above ask for; ``hidden``: the reader may know of all of it."""
    return {
        "hidden": hidden,
        "hidden_kinds": sorted(hidden_kinds()),
        "of_players": list(switches.OF_PLAYERS),
        "hidden_cases": sorted(kind.value for kind in HIDDEN),
        "unspoken": list(_UNSPOKEN),
    }
