"""Which rule is in force: shadow, proposed with a backtest, active by another person.

A version is named by the hash of its text, the SQL of its detector included, and runs as that SQL
until it retires: a program with another SQL brings another version. A new one runs in shadow: what
it finds is kept and opens no case. Somebody proposes it with a backtest of that very version;
another person makes it active, and the version that was active retires in the same transaction. To
stop a rule without another in its place takes two as well: until the second agrees it stays in
force.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from accounts.rights import check_right
from audit.canonical import storable
from audit.database_clock import database_now
from audit.record import Subject, record, register
from compliance.watching.rulebook import Family, Rule, load_file
from kernel.ids import Actor, new_id
from kernel.invariant import ensure
from kernel.refusal import Refused

#: Who decides about rules and works on cases of a family.
RIGHTS: Final = {
    Family.AML: "compliance.work_aml",
    Family.HARM: "compliance.work_harm",
    Family.FRAUD: "compliance.work_aml",
}
LOADER: Final = Actor.system("rules")
#: A proposal stands on a backtest that is not older.
BACKTEST_DAYS_MAX: Final = 30
REASON_MAX: Final = 2_000
_RULE_LOCK: Final = 6_007
IN_FORCE: Final = ("active", "retiring")
FILES: Final = (
    Path(__file__).parent.parent / "aml" / "rules.yaml",
    Path(__file__).parent.parent / "harm" / "rules.yaml",
    Path(__file__).parent.parent / "fraud" / "rules.yaml",
)

MOVED: Final = register("watching.rule_moved", "Rule of watching moved on")
LOADED: Final = register("watching.rule_loaded", "Rule of watching loaded in shadow")
BACKTESTED: Final = register("watching.rule_backtested", "Rule of watching tried on history")


class RuleCode(StrEnum):
    """Why a step of a rule is refused."""

    NO_SUCH_RULE = "no_such_rule"
    RULE_STALE = "rule_stale"
    STEP_NOT_POSSIBLE = "rule_step_not_possible"
    SAME_PERSON = "same_person"
    NO_BACKTEST = "rule_without_backtest"
    REASON_MISSING = "reason_missing"
    BACKTEST_TOO_LONG = "rule_backtest_too_long"
    TRIAL_WAITS = "rule_trial_waits"
    TRIAL_DIED = "rule_trial_died"
    TRIAL_FAILED = "rule_trial_failed"


@dataclass(frozen=True, slots=True)
class Version:
    """One rule in one version, and where it stands."""

    id: UUID
    rule: Rule
    sha256: str
    loaded_at: datetime
    no: int
    state: str
    state_by: str
    state_at: datetime
    backtest_id: UUID | None

    @property
    def is_active(self) -> bool:
        """Whether it is in force: until a second person agrees that it retires, it is."""
        return self.state in IN_FORCE

    @property
    def name(self) -> str:
        """Short and unmistakable: code, date, first letters of the hash."""
        return f"{self.rule.code} {self.rule.effective_from} {self.sha256[:8]}"


@dataclass(frozen=True, slots=True)
class Backtest:
    """A version tried on history: its hit table."""

    id: UUID
    rule_id: UUID
    by: str
    from_at: datetime
    to_at: datetime
    players: int
    result: dict[str, Any]
    at: datetime


def sync(statements: Mapping[str, str], files: Iterable[Path] = FILES) -> list[str]:
    """Load what the files say, each rule with the SQL of its detector; new versions begin in
    shadow. Returns their codes. Idempotent.
    """
    fresh = []
    for path in files:
        for read in load_file(path):
            rule = replace(read, statement=statements[read.detector])
            with transaction.atomic(), connection.cursor() as cursor:
                rule_id = new_id()
                cursor.execute(
                    "INSERT INTO compliance_watch_rule (id, code, family, sha256, body)"
                    " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                    [
                        *(rule_id, rule.code, rule.family.value, rule.sha256),
                        json.dumps(rule.as_dict()),
                    ],
                )
                if cursor.rowcount == 0:
                    continue
                _step(rule_id, 1, "shadow", LOADER)
                record(
                    LOADED,
                    actor=LOADER,
                    subject=Subject("rule", rule.code),
                    component="compliance",
                    after={"sha256": rule.sha256},
                )
                fresh.append(rule.code)
    return fresh


_SQL: Final = """
SELECT r.id, r.body, r.sha256, r.loaded_at, s.no, s.step, s.by_actor, s.at, s.backtest_id
FROM compliance_watch_rule r
JOIN LATERAL (SELECT * FROM compliance_watch_step WHERE rule_id = r.id ORDER BY no DESC LIMIT 1) s
    ON true
"""


def _rule(body: dict[str, Any] | str) -> Rule:
    found = plain(body)
    return Rule(
        found["code"],
        Family(found["family"]),
        found["title"],
        found["reason"],
        found["marker"],
        found["detector"],
        found["params"],
        date.fromisoformat(found["effective_from"]),
        found.get("statement", ""),
    )


def _read(where: str, params: list[Any]) -> list[Version]:
    with connection.cursor() as cursor:
        cursor.execute(f"{_SQL} {where}", params)
        return [Version(row[0], _rule(row[1]), *row[2:]) for row in cursor.fetchall()]


def everything() -> list[Version]:
    """Every version there is, by code, newest first."""
    return _read("ORDER BY r.family, r.code, r.loaded_at DESC", [])


def find(rule_id: UUID) -> Version:
    """One version. Refuses with ``NO_SUCH_RULE``."""
    found = _read("WHERE r.id = %s", [rule_id])
    if not found:
        raise Refused(RuleCode.NO_SUCH_RULE)
    return found[0]


def active(code: str) -> Version | None:
    """The version of this rule that is in force."""
    found = _read("WHERE r.code = %s AND s.step = ANY (%s)", [code, list(IN_FORCE)])
    return found[0] if found else None


def running(*families: Family) -> list[Version]:
    """What is evaluated of these families (none: all): every active version, and of each code the
    newest one still in shadow.
    """
    wanted = [family.value for family in families or Family]
    versions = _read("WHERE r.family = ANY (%s) ORDER BY r.code, r.loaded_at DESC", [wanted])
    found = [one for one in versions if one.is_active]
    seen: set[str] = set()
    for one in versions:
        if one.rule.code not in seen and one.state in {"shadow", "proposed", "returned"}:
            found.append(one)
        seen.add(one.rule.code)
    return found


def keep_backtest(
    rule_id: UUID, span: tuple[datetime, datetime], players: int, result: dict[str, Any], by: Actor
) -> Backtest:
    """Keep what a backtest found."""
    version, backtest_id = find(rule_id), new_id()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_watch_backtest (id, rule_id, by_actor, from_at, to_at, players,"
            " result) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [backtest_id, rule_id, str(by), *span, players, json.dumps(result)],
        )
        record(
            BACKTESTED,
            actor=by,
            subject=Subject("rule", version.rule.code),
            component="compliance",
            after={"sha256": version.sha256, "players": players},
        )
    return backtests(rule_id)[0]


def rule_of(version: Version) -> Rule:
    """What is run, which must be what its name says: two people approved that hash."""
    is_whole = version.rule.sha256 == version.sha256
    ensure(is_whole, "a rule of watching is the text it is named by", rule=version.name)
    return version.rule


def backtests(rule_id: UUID) -> list[Backtest]:
    """Of this version, newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, rule_id, by_actor, from_at, to_at, players, result, at"
            " FROM compliance_watch_backtest WHERE rule_id = %s ORDER BY at DESC LIMIT 20",
            [rule_id],
        )
        rows = cursor.fetchall()
    return [Backtest(at[0], at[1], at[2], at[3], at[4], at[5], plain(at[6]), at[7]) for at in rows]


def plain(column: dict[str, Any] | str) -> dict[str, Any]:
    """A JSON column, whether the driver has read it or not."""
    found: dict[str, Any] = json.loads(column) if isinstance(column, str) else column
    return found


def propose(rule_id: UUID, *, seen: int, reason: str, actor: Actor) -> Version:
    """Propose to make a version active, on its newest backtest. ``NO_BACKTEST`` without one."""
    version = _checked(rule_id, seen, actor)
    if not reason.strip() or len(reason) > REASON_MAX:
        raise Refused(RuleCode.REASON_MISSING)
    newest = backtests(rule_id)[:1]
    if not newest or database_now() - newest[0].at > timedelta(days=BACKTEST_DAYS_MAX):
        raise Refused(RuleCode.NO_BACKTEST, days=BACKTEST_DAYS_MAX)
    return _move(version, "proposed", actor, reason, newest[0].id)


def approve(rule_id: UUID, *, seen: int, reason: str, actor: Actor) -> Version:
    """Another officer makes it active; what was active of this code retires with it."""
    version = _checked(rule_id, seen, actor)
    if version.state == "proposed" and version.state_by == str(actor):
        raise Refused(RuleCode.SAME_PERSON)
    with transaction.atomic():
        with connection.cursor() as cursor:  # two versions of one rule become active in turn
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_RULE_LOCK, version.rule.code]
            )
        before = active(version.rule.code)
        made = _move(version, "active", actor, reason, version.backtest_id)
        if before is not None and before.id != version.id:
            _move(before, "retired", actor, f"Replaced by {version.name}", None)
        return made


def give_back(rule_id: UUID, *, seen: int, reason: str, actor: Actor) -> Version:
    """The proposal is not agreed to, or taken back; the version stays in shadow, or in force where
    it should have retired.
    """
    version = _checked(rule_id, seen, actor)
    if not reason.strip():
        raise Refused(RuleCode.REASON_MISSING)
    step = "active" if version.state == "retiring" else "returned"
    return _move(version, step, actor, reason, None)


def retire(rule_id: UUID, *, seen: int, reason: str, actor: Actor) -> Version:
    """An active version should stop; when another officer says so too it does, and nothing of the
    rule is in force then. Refuses with ``SAME_PERSON``.
    """
    version = _checked(rule_id, seen, actor)
    if not reason.strip():
        raise Refused(RuleCode.REASON_MISSING)
    if version.state != "retiring":
        return _move(version, "retiring", actor, reason, None)
    if version.state_by == str(actor):
        raise Refused(RuleCode.SAME_PERSON)
    return _move(version, "retired", actor, reason, None)


def _checked(rule_id: UUID, seen: int, actor: Actor) -> Version:
    version = find(rule_id)
    check_right(actor, RIGHTS[version.rule.family])
    if version.no != seen:
        raise Refused(RuleCode.RULE_STALE)
    return version


def _move(
    version: Version, step: str, actor: Actor, reason: str, backtest_id: UUID | None
) -> Version:
    try:
        with transaction.atomic():
            _step(version.id, version.no + 1, step, actor, reason, backtest_id)
            record(
                MOVED,
                actor=actor,
                subject=Subject("rule", version.rule.code),
                component="compliance",
                before={"state": version.state},
                after={"state": step, "sha256": version.sha256},
                reason=reason.strip(),
            )
    except DatabaseError as error:  # the trigger judged, or somebody was first
        if find(version.id).no != version.no:
            raise Refused(RuleCode.RULE_STALE) from error
        raise Refused(RuleCode.STEP_NOT_POSSIBLE, state=version.state, wanted=step) from error
    return find(version.id)


def _step(
    rule_id: UUID,
    no: int,
    step: str,
    actor: Actor,
    reason: str = "",
    backtest_id: UUID | None = None,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO compliance_watch_step (id, rule_id, no, step, by_actor, reason,"
            " backtest_id) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            [new_id(), rule_id, no, step, str(actor), storable(reason.strip()), backtest_id],
        )
