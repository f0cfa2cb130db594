"""What the tables of a pack must say: each sealed row as the lines that show it, and where.

A house may sign a pack whose tables differ from what it sealed; here the two are laid side by side.
Of a sealed line only hashes of its fields are kept, so a day of long rows needs little room.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from verify.findings import Code, Finding
from verify.signed import one_spelling

#: The fields of each kind of line, by the names that they have in the tables.
FIELDS: Final[dict[str, tuple[str, ...]]] = {
    "round": (
        "table", "number", "phase", "result", "sources", "opened_at", "closed_at", "official_at",
        "finished_at", "void_reason", "version", "rules", "rules_sha256",
    ),
    "bet": (
        "player", "position", "stake_minor", "currency", "accepted_at", "transfer", "rules_hash",
    ),
    "outcome": ("kind", "returned_minor", "transfer", "at"),
    "transfer": ("posted_at", "id", "amount_minor", "kind", "ref"),
    "event": ("epoch", "kind", "at", "data"),
    "observation": ("device", "seq", "key", "received_at", "payload_b64", "signature_b64"),
    "act": ("at", "what", "by", "about", "component", "before", "after", "reason"),
}  # fmt: skip
_JSON: Final = frozenset({"sources", "data", "before", "after"})
_OF_JSON: Final = {"sources": "result_sources", "rules": "ruleset", "rules_sha256": "rules_hash"}


@dataclass(frozen=True, slots=True)
class View:
    """Where lines of one kind are shown: in a table, or in a part of a JSON file."""

    file: str
    kind: str
    source: str
    key: tuple[str, ...]
    part: str = ""
    #: Fields that this table has not.
    without: frozenset[str] = frozenset()
    #: Whether every proved line must be there.
    is_whole: bool = True

    def column(self, name: str) -> str:
        return _OF_JSON.get(name, name) if self.part == "round" else name


_BETS: Final = ("bet", "rounds", ("id",))
_OUTCOMES: Final = ("outcome", "rounds", ("bet", "version"))
VIEWS: Final = (
    View("rounds.csv", "round", "rounds", ("round",)),
    View("round.json", "round", "rounds", ("id",), part="round"),
    View("bets.csv", *_BETS),
    View("round.json", *_BETS, part="bets"),
    View("outcomes.csv", *_OUTCOMES),
    View("round.json", *_OUTCOMES, part="outcomes"),
    # a batch may hold transfers of other rounds, too
    View("transfers.csv", "transfer", "ledger", ("batch", "item"), is_whole=False),
    View("round.json", "transfer", "ledger", ("batch", "item"), part="transfers", is_whole=False),
    View("events.csv", "event", "events", ("n",)),
    View("round.json", "event", "events", ("n",), part="events"),
    View("observations.csv", "observation", "sightings", ("n",)),
    View("round.json", "observation", "sightings", ("n",), part="observations"),
    View("record.csv", "act", "audit", ("id",), without=frozenset({"about"})),
    View("staff_acts.csv", "act", "audit", ("id",)),
)

Marks = tuple[bytes, ...]


@dataclass(slots=True)
class Sealed:
    """Lines that are proved, by kind and key: of a round's versions the newest."""

    wanted: frozenset[str]
    lines: dict[str, dict[str, tuple[int, Marks]]] = field(default_factory=dict)

    def add(self, source: str, row: dict[str, Any]) -> None:
        """The lines of one sealed row; `KeyError` and the like where it is none of its source."""
        for kind, key, version, values in _lines(source, row):
            if kind not in self.wanted:
                continue
            known = self.lines.setdefault(kind, {})
            if key not in known or known[key][0] < version:
                names = FIELDS[kind]
                known[key] = (
                    version,
                    tuple(_mark(n, _text(n, v)) for n, v in zip(names, values, strict=True)),
                )


def compare(
    view: View, rows: Iterator[dict[str, Any]], sealed: Sealed, *, is_whole: bool
) -> Iterator[Finding | None]:
    """What is wrong with a table; None for each of its rows that no proof is about."""
    known = sealed.lines.get(view.kind, {})
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        key = " ".join(_cell(row.get(name)) for name in view.key)
        if key not in known:
            yield None
            continue
        version, marks = known[key]
        if key in seen:
            yield Finding(view.file, Code.ROW_TWICE, f"{key} stands twice", row=number)
        seen.add(key)
        if view.kind == "round" and _number(row.get("version")) > version:
            yield None  # a later version, which its own proof is about
            continue
        wrong = [
            view.column(name)
            for name, mark in zip(FIELDS[view.kind], marks, strict=True)
            if name not in view.without and _mark(name, _cell(row.get(view.column(name)))) != mark
        ]
        if wrong:
            detail = f"{', '.join(wrong)} of {key} is not what is sealed"
            yield Finding(view.file, Code.TABLE_DIFFERS, detail, row=number)
    if is_whole and view.is_whole:
        for key in sorted(known.keys() - seen):
            yield Finding(view.file, Code.ROW_NOT_SHOWN, f"{key} is sealed and not shown")


def _lines(source: str, row: dict[str, Any]) -> Iterator[tuple[str, str, int, tuple[Any, ...]]]:
    """Kind, key, version and fields, in the order of `FIELDS`."""
    if source == "rounds":
        yield (
            "round", row["round"], row["version"],
            (row["table"], row["number"], row["phase"], row["result"], row["sources"],
             row["opened"], row["closed"], row["official"], row["finished"], row["reason"],
             row["version"], row["ruleset"], row["rules"]),
        )  # fmt: skip
        for bet, *of_bet in row["bets"]:
            yield "bet", bet, 1, tuple(of_bet)
        for bet, *of_outcome in row["outcomes"]:
            yield "outcome", f"{bet} {row['version']}", 1, tuple(of_outcome)
    elif source == "ledger":
        for item, one, _debit, _credit, amount, kind, ref, *_ in row["transfers"]:
            yield "transfer", f"{row['id']} {item}", 1, (row["at"], one, amount, kind, ref)
    elif source == "events":
        yield "event", str(row["seq"]), 1, (row["epoch"], row["kind"], row["at"], row["data"])
    elif source == "sightings":
        yield (
            "observation", str(row["n"]), 1,
            (row["device"], row["seq"], row["key"], row["at"], row["payload"], row["signature"]),
        )  # fmt: skip
    elif source == "audit":
        by, about = ":".join(row["actor"]), ":".join(row["subject"])
        yield (
            "act", row["id"], 1,
            (row["at"], row["kind"], by, about, row["component"], row["before"], row["after"],
             row["reason"]),
        )  # fmt: skip


def _text(name: str, value: Any) -> str:
    return "" if value is None else _cell(value)


def _cell(value: Any) -> str:
    """A value of a table or of JSON as text; as tables write it."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return one_spelling(value).decode()
    return str(value)


def _mark(name: str, text: str) -> bytes:
    """A hash of a field, however it is spelled: text may have an apostrophe before it."""
    plain = text.removeprefix("'")
    if name in _JSON and plain:
        try:
            value = json.loads(plain)
        except ValueError:
            value = plain
        plain = one_spelling(sorted(value) if name == "sources" else value).decode()
    return hashlib.sha256(plain.encode()).digest()[:16]


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
