"""The check of results: a round's number is what its devices signed, or what two people said.

The sealed record says from which observations a number was declared: those of the table after one
position and up to another. They are all there, no other round rested on them, and those captured
since its last spin began name that number, from each source that the round counts, between the
close of betting and the declaration; no other number signed meanwhile was left out. A number by
hand was entered by two people; a corrected one was proposed by one and approved by another.

That an observation was signed by its device is the check of `verify.observations`. What each round
rests on is held, some hundred bytes; record, rounds and observations go by buckets on the disk.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from verify.export import Export, Listed
from verify.findings import Code, Finding
from verify.signed import one_spelling
from verify.spool import BUCKETS, Spool

SIGHTINGS: Final = "sightings"
RECORD: Final = "audit"
#: Which source names a number by which kind of observation.
_NUMBERS: Final = {"result": "sensor", "presenter_confirm": "presenter"}
#: After one of these nothing that the spin said counts.
_ENDS: Final = frozenset({"no_spin", "presenter_no_spin", "device_fault", "presenter_call"})
#: How far a device's clock may be off (the platform's own bound for heartbeats), and how long a
#: report may be in the storing while another decides.
SLACK_MS: Final = 5_000
#: How the record says that a round spins again.
_RESPUN: Final = frozenset({"round.no_spin", "round.respun"})
#: All that is read in the record.
_TOLD: Final = _RESPUN | {
    "round.official",
    "round.manual_result",
    "correction.proposed",
    "correction.approved",
}
#: A line of the spool that is a version and no event.
_VERSION: Final = "version"
_MANUAL: Final = ["manual"]


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of a settled round, and its row."""

    row: int
    version: int
    result: int
    sources: list[str]
    table: str
    opened_ms: int
    closed_ms: int
    official_ms: int


@dataclass(slots=True)
class _Told:
    """What the record says of one round."""

    official: list[dict[str, Any]] = field(default_factory=list)
    by_hand: list[dict[str, Any]] = field(default_factory=list)
    #: Of each time that it spun again: from where on, and since when, evidence counts.
    respins: list[dict[str, Any]] = field(default_factory=list)
    #: By id of the correction: who proposed it; what was approved, and by whom.
    proposed: dict[str, str] = field(default_factory=dict)
    approved: list[tuple[dict[str, Any], str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Seen:
    """An observation: position, kind, number (if it names one), when captured and received."""

    n: int
    kind: str
    number: int | None
    captured_ms: int
    received_ms: int


#: What is wrong with a version of a round.
_Wrong = tuple[Code, str]


def check_results(export: Export, listed: Listed) -> Iterator[Finding]:
    """Findings about the results of the export's rounds: none, or that of the earliest row."""
    try:
        found = _found(export, listed.name)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        yield Finding(listed.name, Code.UNREADABLE, f"results cannot be read: {error!r}")
        return
    if found:
        row, (code, detail) = min(found)
        yield Finding(listed.name, code, detail, row)


def _found(export: Export, source: str) -> list[tuple[int, _Wrong]]:
    """What is wrong, with its row; two passes over the rounds, by buckets."""
    found: list[tuple[int, _Wrong]] = []
    ranges = _Ranges()
    with Spool() as said, Spool() as seen:
        _spool_rounds(export, source, said)
        _spool_record(export, said)
        for bucket in range(BUCKETS):
            for id_, (versions, told) in _rounds(said, bucket).items():
                wrongs = ((one.row, _people(one, told)) for one in versions)
                found += [(row, wrong) for row, wrong in wrongs if wrong is not None]
                if _rests_on_devices(versions, told):
                    ranges.add(versions[0], told.official[0], id_)
        _spool_seen(export, ranges, seen)
        for bucket in range(BUCKETS):
            observed = _seen(seen, bucket)
            for id_, (versions, told) in _rounds(said, bucket).items():
                if _rests_on_devices(versions, told):
                    official, ones = told.official[0], observed[id_]
                    wrong = ranges.reused(id_) or _devices(versions[0], official, told, ones)
                    found += [] if wrong is None else [(versions[0].row, wrong)]
    return found


def _spool_rounds(export: Export, source: str, said: Spool) -> None:
    """Settled versions of rounds, by the round."""
    for row, line in export.rows(source):
        one = json.loads(line)
        whole = one["sources"] and one["official"] and type(one["result"]) is int
        if one["phase"] == "settled" and whole:  # what is not whole is named by `verify.rounds`
            opened, official = _ms(one["opened"]), _ms(one["official"])
            closed = opened if one["closed"] is None else _ms(one["closed"])
            facts = [row, one["version"], one["result"], sorted(one["sources"]), one["table"]]
            fields = [one["round"], _VERSION, [*facts, opened, closed, official]]
            said.put(one["round"], one_spelling(fields) + b"\n")


def _spool_record(export: Export, said: Spool) -> None:
    """What the record says of rounds, by the round."""
    for _, line in export.rows(RECORD):
        event = json.loads(line)
        kind, (subject, id_) = event["kind"], event["subject"]
        if subject == "round" and kind in _TOLD:
            fields = [id_, kind, [":".join(event["actor"]), event["after"]]]
            said.put(id_, one_spelling(fields) + b"\n")


def _rounds(said: Spool, bucket: int) -> dict[str, tuple[list[_Version], _Told]]:
    """The settled rounds of one bucket, and what the record says of each."""
    rounds: dict[str, tuple[list[_Version], _Told]] = {}
    for line in said.lines(bucket):
        id_, kind, fields = json.loads(line)
        if kind == _VERSION:
            rounds.setdefault(id_, ([], _Told()))[0].append(_Version(*fields))
        elif id_ in rounds:
            _note(rounds[id_][1], kind, *fields)
    return rounds


def _note(told: _Told, kind: str, actor: str, after: dict[str, Any]) -> None:
    if kind == "round.official":
        told.official.append(after)
    elif kind == "round.manual_result":
        told.by_hand.append(after)
    elif kind in _RESPUN:
        told.respins.append(after)
    elif kind == "correction.proposed":
        told.proposed[after["correction"]] = actor
    else:
        told.approved.append((after, actor))


def _rests_on_devices(versions: list[_Version], told: _Told) -> bool:
    first = versions[0]
    return first.version == 1 and first.sources != _MANUAL and bool(told.official)


def _people(one: _Version, told: _Told) -> _Wrong | None:
    """What two people had to decide was decided by two; what devices say has its record."""
    if one.version > 1:
        for after, approver in told.approved:
            proposer = told.proposed.get(after["correction"])
            if (after["version"], after["result"]) == (one.version, one.result):
                return (
                    None
                    if proposer not in {None, approver}
                    else (Code.CORRECTED_BY_ONE, f"{proposer} proposed it, {approver} approved it")
                )
        detail = f"nobody approved the number {one.result} of version {one.version}"
        return Code.CORRECTED_BY_ONE, detail
    if one.sources == _MANUAL:
        by = [set(hand["entered_by"]) for hand in told.by_hand if hand["result"] == one.result]
        if any(len(people) == 2 for people in by):
            return None
        return Code.ENTERED_BY_ONE, f"two people did not enter the number {one.result}"
    if len(told.official) != 1:
        return Code.RESULT_NOT_SIGNED, f"the record declares it {len(told.official)} times"
    return None


class _Ranges:
    """Which observations each round rests on: of its table, after a position, up to another."""

    def __init__(self) -> None:
        self._of_table: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
        self._starts: dict[str, list[int]] = {}
        self._reused: dict[str, str] = {}
        self._in_play: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
        self._opened: dict[str, list[int]] = {}

    def add(self, one: _Version, official: dict[str, Any], id_: str) -> None:
        after, to = official["evidence_after"], official["evidence_to"]
        self._of_table[one.table].append((after, to, id_))
        self._in_play[one.table].append((one.opened_ms, one.official_ms, id_))

    def arrange(self) -> None:
        """In order of positions; two that reach into each other are noted."""
        for table, in_play in self._in_play.items():
            in_play.sort()
            self._opened[table] = [opened for opened, _, _ in in_play]
        for table, ranges in self._of_table.items():
            ranges.sort()
            self._starts[table] = [after for after, _, _ in ranges]
            for (_, ended, other), (after, _, id_) in pairwise(ranges):
                if after < ended:
                    self._reused[id_], self._reused[other] = other, id_

    def reused(self, id_: str) -> _Wrong | None:
        other = self._reused.get(id_)
        if other is None:
            return None
        return Code.RESULT_NOT_SIGNED, f"rests on observations of round {other} as well"

    def of(self, table: str, n: int) -> str | None:
        """The round that rests on position ``n``."""
        place = bisect_left(self._starts.get(table, []), n) - 1
        if place < 0:
            return None
        _, to, id_ = self._of_table[table][place]
        return id_ if n <= to else None

    def during(self, table: str, at_ms: int) -> str | None:
        """The round that was played at this instant."""
        place = bisect_right(self._opened.get(table, []), at_ms) - 1
        if place < 0:
            return None
        _, official, id_ = self._in_play[table][place]
        return id_ if at_ms <= official else None


def _spool_seen(export: Export, ranges: _Ranges, spool: Spool) -> None:
    ranges.arrange()
    for _, line in export.rows(SIGHTINGS):
        one = json.loads(line)
        said = json.loads(base64.b64decode(one["payload"]))
        names = said["kind"] in _NUMBERS
        wanted = {ranges.of(one["table"], one["n"])}
        if names:
            wanted.add(ranges.during(one["table"], said["at"]))
        number = said["data"].get("number") if names else None
        for id_ in wanted - {None}:
            fields = [id_, one["n"], said["kind"], number, said["at"], _ms(one["at"])]
            spool.put(str(id_), one_spelling(fields) + b"\n")


def _seen(spool: Spool, bucket: int) -> defaultdict[str, list[_Seen]]:
    seen: defaultdict[str, list[_Seen]] = defaultdict(list)
    for line in spool.lines(bucket):
        id_, *fields = json.loads(line)
        seen[id_].append(_Seen(*fields))
    return seen


def _devices(
    one: _Version, official: dict[str, Any], told: _Told, seen: list[_Seen]
) -> _Wrong | None:
    """What the devices signed since the last spin began is the number, from each source."""
    after, to = official["evidence_after"], official["evidence_to"]
    if official["result"] != one.result or sorted(official["sources"]) != one.sources:
        detail = f"declared as {official['result']} by {official['sources']}, sealed as otherwise"
        return Code.RESULT_NOT_SIGNED, detail
    inside = [each for each in seen if after < each.n <= to]
    by_place = {each.n: each for each in inside}
    missing = next((n for n in range(after + 1, to + 1) if n not in by_place), None)
    if missing is not None or len(by_place) < len(inside):
        which = "one stands twice" if missing is None else f"number {missing} is not there"
        return Code.OBSERVATION_MISSING, f"of observations {after + 1} to {to}, {which}"
    since = official.get("evidence_since", one.opened_ms)  # not told in records of before
    if not _begins_with_a_spin(one, after, since, told.respins):
        return Code.RESULT_NOT_SIGNED, "its evidence does not begin where its last spin does"
    counted = _counted([by_place[n] for n in sorted(by_place)], since)
    numbers: defaultdict[str, set[int | None]] = defaultdict(set)
    for each in counted:
        numbers[_NUMBERS[each.kind]].add(each.number)
    if numbers != {source: {one.result} for source in one.sources}:
        said = ", ".join(f"{who} {sorted(map(str, what))}" for who, what in sorted(numbers.items()))
        return Code.RESULT_NOT_SIGNED, f"{one.result} by {one.sources}; signed is {said or 'none'}"
    return _out_of_time(one, counted) or _left_out(
        one, [each for each in seen if not after < each.n <= to], told.respins
    )


def _out_of_time(one: _Version, counted: list[_Seen]) -> _Wrong | None:
    """Numbers are named after betting closed, and before the result was declared."""
    for each in counted:
        name = f"number {each.number} of observation {each.n}"
        if each.received_ms < one.closed_ms or each.captured_ms < one.closed_ms - SLACK_MS:
            return Code.RESULT_OUT_OF_TIME, f"{name} was known before betting closed"
        if max(each.received_ms, each.captured_ms) > one.official_ms + SLACK_MS:
            return Code.RESULT_OUT_OF_TIME, f"{name} is from after the result was declared"
    return None


def _left_out(one: _Version, outside: list[_Seen], respins: list[dict[str, Any]]) -> _Wrong | None:
    """Another number, signed while the round was played, counts unless a respin discarded it."""
    if any("evidence_since" not in respin for respin in respins):
        return None  # recorded before respins told what they discard
    for each in outside:
        early = each.captured_ms < one.opened_ms + SLACK_MS
        late = each.captured_ms > one.official_ms - SLACK_MS
        if each.kind not in _NUMBERS or each.number == one.result or early or late:
            continue
        if not any(
            each.n <= respin["evidence_after"] or each.captured_ms < respin["evidence_since"]
            for respin in respins
        ):
            detail = f"number {each.number} of observation {each.n}, signed in this round, is left"
            return Code.RESULT_NOT_SIGNED, f"{detail} out"
    return None


def _begins_with_a_spin(
    one: _Version, after: int, since_ms: int, respins: list[dict[str, Any]]
) -> bool:
    """Whether evidence from there on is of the last spin: the opening's, or the last respin's.

    A void ball that is reported once more moves the position on and is no respin. Records of
    respins from before they told where evidence begins say only that there was one.
    """
    if not respins:
        return since_ms == one.opened_ms
    last = max(respins, key=lambda respin: int(respin["respins"]))
    if "evidence_since" not in last:
        return since_ms >= one.opened_ms
    return bool(since_ms == last["evidence_since"] and after >= last["evidence_after"])


def _counted(seen: list[_Seen], since_ms: int) -> list[_Seen]:
    """What named a number since an instant, until the spin counts for nothing."""
    counted: list[_Seen] = []
    for one in seen:
        if one.captured_ms < since_ms:
            continue
        if one.kind in _ENDS:
            break
        if one.kind in _NUMBERS:
            counted.append(one)
    return counted


def _ms(text: str) -> int:
    """An instant in whole milliseconds, as devices count them."""
    at = datetime.fromisoformat(text)
    return int(at.timestamp()) * 1000 + at.microsecond // 1000
