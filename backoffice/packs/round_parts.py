"""What an evidence pack says of one round: its evidence as one file, as tables, and its proofs.

`round_evidence` says what belongs to a round; nothing here reads it a second time. What is sealed
of it is proved row by row: the round's end, its batches in the books, each observation and event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from backoffice.evidence import round_evidence
from backoffice.packs import sealing
from backoffice.packs.writing import Basis, Lines, Part, Table, fetched_keys
from events.sealed_sources import EVENTS
from ledger.sealed_sources import BATCHES
from tables.floor_plan import stream_name
from tables.sealed_sources import DEVICE_KEYS, ROUNDS, SIGHTINGS

_ENDS: Final = """
SELECT id::text, at FROM tables_round_result WHERE round_id = %(round)s ORDER BY at, id
"""
_BATCHES: Final = """
SELECT id::text, posted_at FROM ledger_batch WHERE id = ANY(%(batches)s) ORDER BY posted_at, id
"""
_EVENTS: Final = """
SELECT stream || '#' || seq, at FROM event
WHERE stream = %(stream)s AND seq = ANY(%(events)s) ORDER BY at, seq
"""
_SIGHTINGS: Final = """
SELECT pk_id::text, received_at FROM tables_sighting
WHERE table_id = %(table)s AND n = ANY(%(observations)s) ORDER BY received_at, pk_id
"""
_KEYS: Final = """
SELECT id, enrolled_at FROM tables_devicekey WHERE id = ANY(%(keys)s) ORDER BY enrolled_at, id
"""

#: The lists of the evidence that become tables, and each column in words.
TABLES: Final[dict[str, tuple[str, tuple[tuple[str, str], ...]]]] = {
    "bets": (
        "Every bet.",
        (("id", "of the bet"), ("accepted_at", "when"), ("player", "number"),
         ("position", "bet on"), ("stake_minor", "staked"), ("currency", "of it"),
         ("rules_hash", "rules it was taken under"), ("slip", "it came with"),
         ("transfer", "of the stake")),
    ),
    "outcomes": (
        "What became of each bet; a corrected round has a later version.",
        (("bet", "id"), ("version", "of the result"),
         ("kind", "paid, lost, refunded, undone"), ("returned_minor", "to the player"),
         ("transfer", "of it"), ("at", "when")),
    ),
    "transfers": (
        "Every movement of money into and out of the round's account.",
        (("posted_at", "when"), ("kind", "of transfer"), ("amount_minor", "moved"),
         ("currency", "of it"), ("debit", "from"), ("credit", "to"), ("ref", "what for"),
         ("id", "of the transfer"), ("batch", "in the books"), ("item", "of the batch")),
    ),
    "observations": (
        "What the devices signed between the round's opening and its end.",
        (("n", "number at the table"), ("device", "who"), ("seq", "the device's number"),
         ("kind", "of observation"), ("data", "as JSON"), ("captured_at", "by the device"),
         ("received_at", "by the house"), ("key", "that signed"),
         ("public_key_b64", "to check it with"), ("payload_b64", "what was signed"),
         ("signature_b64", "Ed25519")),
    ),
    "events": (
        "What the table told everybody about the round.",
        (("n", "number in the stream"), ("epoch", "of the stream"), ("kind", "of event"),
         ("at", "when"), ("data", "as JSON")),
    ),
    "incidents": (
        "Incidents of the round.",
        (("id", "of the incident"), ("fault", "code"), ("detail", "seen"),
         ("opened_at", "when"), ("resolved_at", "when"), ("resolution", "how"),
         ("proposed_by", "who"), ("resolved_by", "who"), ("acts", "what was done, as JSON")),
    ),
    "corrections": (
        "Corrections of its result.",
        (("id", "of the correction"), ("state", "where it is"), ("from", "number"),
         ("to", "number"), ("to_version", "of the result"), ("reason", "why"),
         ("proposed_by", "who"), ("proposed_at", "when"), ("decided_by", "who"),
         ("decided_at", "when"), ("shares", "by player, as JSON")),
    ),
}  # fmt: skip


def parts(evidence: dict[str, Any]) -> Iterator[Part]:
    """Every file of a round's pack, from its evidence; inside a snapshot."""
    yield Lines("round.json", "The round's whole evidence as one file.",
                [round_evidence.as_bytes(evidence)], Basis.STORED)  # fmt: skip
    for name, (about, columns) in TABLES.items():
        rows = _rows(evidence[name], [column for column, _ in columns])
        yield Table(f"{name}.csv", about, columns, rows, Basis.STORED)
    of = _keys(evidence)
    for source, sql, about in (
        (ROUNDS, _ENDS, "Proof of the round's end, one for each version of its result."),
        (BATCHES, _BATCHES, "Proof of each batch of transfers.csv."),
        (EVENTS, _EVENTS, "Proof of each event of events.csv."),
        (SIGHTINGS, _SIGHTINGS, "Proof of each observation of observations.csv."),
        (DEVICE_KEYS, _KEYS, "Proof of the keys that signed them, as they were enrolled."),
    ):
        lines = sealing.proof_lines(source, fetched_keys(sql, of))
        yield Lines(f"proofs/{source.name}.jsonl", about, lines, Basis.STORED)
    yield sealing.keys()


def _rows(rows: list[dict[str, Any]], names: Sequence[str]) -> Iterator[tuple[object, ...]]:
    return (tuple(row[name] for name in names) for row in rows)


def _keys(evidence: dict[str, Any]) -> dict[str, Any]:
    found = evidence["round"]
    return {
        "round": found["id"],
        "table": found["table"],
        "stream": stream_name(found["table"]),
        "batches": sorted({one["batch"] for one in evidence["transfers"]}),
        "events": [one["n"] for one in evidence["events"]],
        "observations": [one["n"] for one in evidence["observations"]],
        "keys": sorted({one["key"] for one in evidence["observations"]}),
    }
