"""The check of seals: every row hashes to its leaf, leaves to roots, roots into one signed chain.

Reads the files side by side and holds one batch at a time, so the size of an export does not
matter. Stops at the first thing that is wrong in a source: what follows it would only repeat it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from verify.chain import Chain
from verify.export import MISSING, Export, Listed
from verify.findings import Code, Finding, Spoiled
from verify.signed import SEAL_CONTEXT, open_signed
from verify.tree import leaf_hash, root

#: A row may be written this long before the newest row of the seals preceding its own: far longer
#: than any transaction of the platform lives (300 s). An older one was put in by hand. Counted from
#: rows and not from seals, since a backlog is sealed at once in several seals.
LATE_MAX = timedelta(hours=1)


def check_seals(export: Export, listed: Listed) -> Iterator[Finding]:
    """Findings about one source of the export: none, or the first."""
    try:
        _check(export, listed)
    except Spoiled as spoiled:
        yield spoiled.finding


def _check(export: Export, listed: Listed) -> None:
    rows = export.lines(listed.name, "rows.jsonl")
    leaves = export.lines(listed.name, "leaves.txt")
    anchors = dict(export.anchors.get(listed.name, {}))
    chain, newest = Chain(listed.name), None
    for line in export.lines(listed.name, "seals.jsonl"):
        place = Finding(listed.name, Code.UNREADABLE, "", seal=chain.number + 1)
        payload, head = open_signed(line, SEAL_CONTEXT, export.keys, place)
        chain = chain.then(payload, head)
        count = int(payload["count"])
        batch = list(islice(rows, count))
        _check_batch(payload, batch, list(islice(leaves, count)))
        newest = _check_dates(payload, batch, newest)
        if anchors.pop(chain.number, line) != line:
            raise _spoiled(payload, Code.ANCHOR_DIFFERS, "the kept copy of this seal differs")
    _check_end(listed, chain, anchors)
    if next(rows, None) is not None or next(leaves, None) is not None:
        detail = "there are rows or hashes after the last sealed one"
        raise Spoiled(Finding(listed.name, Code.EXTRA_ROWS, detail, row=chain.rows + 1))


def _check_batch(payload: dict[str, Any], rows: list[bytes], leaves: list[bytes]) -> None:
    hashes = [leaf_hash(row) for row in rows]
    count, first = payload["count"], payload["first"]
    given = [leaf.decode("latin-1") for leaf in leaves]
    differs = next((i for i in range(min(len(rows), len(given))) if hashes[i] != given[i]), None)
    if len(rows) == count and root(hashes) == payload["root"]:
        gone = next((i for i, row in enumerate(rows) if row.startswith(MISSING)), None)
        if gone is not None:  # other checks pass over such a line
            raise _spoiled(payload, Code.ROW_MISSING, "what is sealed is no row", first + gone)
        if given != hashes:
            row = first + (len(given) if differs is None else differs)
            raise _spoiled(payload, Code.LEAF_CHANGED, "the row is right, its hash is not", row)
        return
    if not _are_the_sealed(given, payload):
        raise _spoiled(payload, Code.ROOT_DIFFERS, "neither rows nor hashes give the root", first)
    if differs is None:
        row = first + len(rows)
        raise _spoiled(payload, Code.ROW_MISSING, "the export ends before this row", row)
    if rows[differs].startswith(MISSING):
        raise _spoiled(payload, Code.ROW_MISSING, "the row was deleted", first + differs)
    raise _spoiled(payload, Code.ROW_CHANGED, "is not the row that was sealed", first + differs)


def _are_the_sealed(given: list[str], payload: dict[str, Any]) -> bool:
    if len(given) != payload["count"]:
        return False
    try:
        return root(given) == str(payload["root"])
    except ValueError:
        return False


def _check_dates(
    payload: dict[str, Any], rows: list[bytes], before: datetime | None
) -> datetime | None:
    """The newest date of a row so far; ``before``, of the rows under earlier seals."""
    newest = before
    for index, row in enumerate(rows):
        row_number = payload["first"] + index
        try:
            at = json.loads(row).get("at")
            if at is None:
                continue
            written = _at(at)
        except (ValueError, TypeError, AttributeError) as error:
            detail = f"is no dated record: {error}"
            raise _spoiled(payload, Code.UNREADABLE, detail, row_number) from error
        if written > _at(payload["at"]):
            raise _spoiled(payload, Code.BACKDATED, "is dated after its seal", row_number)
        if before is not None and written < before - LATE_MAX:
            detail = "is dated long before rows that were sealed before it: it was put in later"
            raise _spoiled(payload, Code.BACKDATED, detail, row_number)
        newest = written if newest is None else max(newest, written)
    return newest


def _check_end(listed: Listed, chain: Chain, anchors: dict[int, bytes]) -> None:
    if anchors:
        detail = "a seal that was kept elsewhere is not in the export"
        raise Spoiled(Finding(listed.name, Code.ANCHOR_DIFFERS, detail, seal=min(anchors)))
    found = (chain.rows, chain.number, chain.head if chain.number else "")
    if found != (listed.rows, listed.seals, listed.head):
        detail = f"{chain.rows} rows, {chain.number} seals; listed {listed.rows}, {listed.seals}"
        raise Spoiled(Finding(listed.name, Code.COUNTS_DIFFER, detail, seal=chain.number))


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _spoiled(payload: dict[str, Any], code: Code, detail: str, row: int | None = None) -> Spoiled:
    return Spoiled(Finding(payload["source"], code, detail, row, payload["number"]))
