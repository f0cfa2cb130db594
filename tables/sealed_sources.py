"""The game as sources of seals: each round whole, each signed observation as it came, and the keys
of the devices that signed them.

A round is one row per version of its result: how it ended, every bet, and what became of each. It
is sealed when it has ended, so that nothing in the path of a bet knows of seals, and a round of
thousands of bets costs one key and one hash (`docs/decisions/0117`).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from audit.canonical import canonical, instant
from audit.seals import Rank, Source, register_source

#: Rounds under one seal: of some thousand bets each, some 10 MB that a sealer holds at once.
ROUNDS_MAX: Final = 20

_TIME: Final = '\'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\''

#: When a round's bets can have been accepted, wider than any clock is wrong: so only one or two of
#: the months of bets are looked into.
_AROUND: Final = "r.opened_at - interval '1 day' AND r.finished_at + interval '1 day'"

_ROUNDS: Final = f"""
SELECT r.id::text AS key, r.at, r.round_id::text AS round_id, r.version, r.table_id, r.number,
    r.phase, r.result, r.sources::text AS sources, r.ruleset, r.rules_hash, r.opened_at,
    r.closed_at, r.official_at, r.finished_at, r.reason,
    (SELECT coalesce(json_agg(json_build_array(b.id, b.player_id, b.position, b.stake_minor,
            b.currency, to_char(b.accepted_at AT TIME ZONE 'UTC', {_TIME}), b.transfer_id,
            b.rules_hash) ORDER BY b.id), '[]')::text
     FROM tables_bet b WHERE b.round_id = r.round_id
        AND b.accepted_at BETWEEN {_AROUND}) AS bets,
    (SELECT coalesce(json_agg(json_build_array(o.bet_id, o.kind, o.returned_minor, o.transfer_id,
            to_char(o.at AT TIME ZONE 'UTC', {_TIME})) ORDER BY o.bet_id), '[]')::text
     FROM tables_bet_outcome o WHERE o.round_id = r.round_id AND o.version = r.version
        AND o.bet_accepted_at BETWEEN {_AROUND}) AS outcomes
FROM tables_round_result r"""  # noqa: S608  (fixed words)

_SIGHTINGS: Final = """
SELECT pk_id::text AS key, received_at AS at, table_id, n, device_id, seq, key_id, payload,
    signature
FROM tables_sighting"""

_DEVICE_KEYS: Final = """
SELECT id AS key, enrolled_at AS at, device_id, public_key_b64 FROM tables_devicekey"""


def round_bytes(row: Mapping[str, Any]) -> bytes:
    """One version of a round's end as canonical JSON, version 1.

    A bet is [id, player, position, stake, currency, accepted, transfer, rules]; an outcome is
    [bet, kind, returned, transfer, at]. Both in the order of bets' ids; money in minor units.
    """
    return canonical(
        {
            "v": 1,
            "at": instant(row["at"]),
            "round": row["round_id"],
            "version": row["version"],
            "table": row["table_id"],
            "number": row["number"],
            "phase": row["phase"],
            "result": row["result"],
            "sources": json.loads(row["sources"]),
            "ruleset": row["ruleset"],
            "rules": row["rules_hash"],
            "opened": instant(row["opened_at"]),
            "closed": None if row["closed_at"] is None else instant(row["closed_at"]),
            "official": None if row["official_at"] is None else instant(row["official_at"]),
            "finished": instant(row["finished_at"]),
            "reason": row["reason"],
            "bets": json.loads(row["bets"]),
            "outcomes": json.loads(row["outcomes"]),
        }
    )


def sighting_bytes(row: Mapping[str, Any]) -> bytes:
    """One observation as canonical JSON, version 1: the device's own bytes and its signature."""
    return canonical(
        {
            "v": 1,
            "at": instant(row["at"]),
            "table": row["table_id"],
            "n": row["n"],
            "device": row["device_id"],
            "seq": row["seq"],
            "key": row["key_id"],
            "payload": base64.b64encode(bytes(row["payload"])).decode(),
            "signature": base64.b64encode(bytes(row["signature"])).decode(),
        }
    )


def device_key_bytes(row: Mapping[str, Any]) -> bytes:
    """One public key of a device as it was enrolled, as canonical JSON, version 1.

    A revocation is no part of it: what the key had signed before stays signed.
    """
    return canonical(
        {
            "v": 1,
            "at": instant(row["at"]),
            "id": row["key"],
            "device": row["device_id"],
            "public_key": row["public_key_b64"],
        }
    )


ROUNDS: Final = register_source(
    Source(
        "rounds",
        _ROUNDS,
        "r.id = ANY(%s::bigint[])",
        round_bytes,
        rows_max=ROUNDS_MAX,
        rank=Rank.REFERS,
    )
)
SIGHTINGS: Final = register_source(
    Source("sightings", _SIGHTINGS, "pk_id = ANY(%s::bigint[])", sighting_bytes)
)
DEVICE_KEYS: Final = register_source(
    Source("device_keys", _DEVICE_KEYS, "id = ANY(%s::text[])", device_key_bytes)
)
