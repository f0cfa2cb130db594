"""Runs the stages over what was loaded, and asserts that the parts add up. Knows no database but
the engine that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from kernel.money import SCALES
from kernel.refusal import Refused
from payments.reconciliation import checking_sql as check
from payments.reconciliation import matching_sql as match
from payments.reconciliation.policy import BANK, Policy
from payments.reconciliation.words import ReconciliationCode

_USED: Final = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class Place:
    """One provider and currency. ``clearing_minor``: our account's balance as of the run, and
    ``before_minor`` what it was when the first file begins (``first_from``)."""

    number: int
    provider: str
    currency: str
    first_from: datetime
    clearing_minor: int
    before_minor: int


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file in scope: its rows lie at ``path``. ``is_loaded``: its rows are matched; of the others
    those that are carried along, and all count for the provider's balance and its payouts."""

    number: int
    sha256: str
    source: str
    kind: str
    path: Path
    is_loaded: bool


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that a run reads, beside the ledger's rows, which are in ``ledger_rows`` of the
    engine (`ledger_side.export`). Instants are naive UTC. ``provider``: the only one that it is
    about, or empty.

    ``known`` is what breaks are about that are open or resolved: it is reported however old it is.
    ``carried`` is what is read for their sake, and for the sake of those that cleared lately.
    """

    as_of: datetime
    window_from: datetime
    policy: Policy
    places: Sequence[Place]
    files: Sequence[InputFile]
    known_rows: Sequence[tuple[str, int]] = ()
    known_transfers: Sequence[str] = ()
    known_payouts: Sequence[tuple[str, str]] = ()
    carried_rows: Sequence[tuple[str, int]] = ()
    carried_payouts: Sequence[tuple[str, str]] = ()
    provider: str = ""
    #: (break, its facts when it was resolved, the adjustment or None)
    resolved: Sequence[tuple[str, str, str | None]] = ()


@dataclass(frozen=True, slots=True)
class Balance:
    """What a provider and currency come to: ``drift_minor`` is 0 where everything has a name."""

    place: int
    ledger_minor: int
    provider_minor: int
    named: Mapping[str, int]

    @property
    def drift_minor(self) -> int:
        return self.ledger_minor - self.provider_minor - sum(self.named.values())


Tell = Callable[[str], None]


class Matching:
    """One run over ``engine``; `load`, then `run`. What it found stays in the engine's tables."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, inputs: Inputs) -> None:
        self._engine = engine
        self._inputs = inputs
        self._digest = (0, "")
        policy = inputs.policy
        self._values: dict[str, Any] = {
            "as_of": inputs.as_of,
            "provider": inputs.provider,
            "window_from": inputs.window_from,
            "tolerance": policy.tolerance_minor,
            "not_final": list(policy.statuses_not_final),
            "bank_days": policy.in_transit_days[BANK],
            "file_days": policy.file_days,
            "margin_days": policy.margin_days,
            "batch_providers": [
                one.name for one in policy.providers.values() if not one.has_payout_rows
            ],
        }

    def load(self) -> None:
        """Policy, places and files, then the ledger's items and the rows of the loaded files."""
        self._do(match.TABLES)
        self._load_policy()
        self._fill("places", [self._place(one) for one in self._inputs.places])
        self._fill(
            "files",
            [
                (f.number, f.sha256, f.source, str(f.path), f.kind, f.is_loaded)
                for f in self._inputs.files
            ],
        )
        for name in ("known_rows", "known_payouts", "carried_rows", "carried_payouts", "resolved"):
            self._fill(name, getattr(self._inputs, name))
        self._fill("known_transfers", [(one,) for one in self._inputs.known_transfers])
        self._load_ledger()
        self._load_rows()

    def ledger_digest(self) -> tuple[int, str]:
        """How many entries of the ledger were read, and a digest of them in whatever order."""
        return self._digest

    def run(self, tell: Tell) -> list[Balance]:
        """All stages. Refuses with ``DOES_NOT_ADD_UP`` where something has no name: then there is
        no result."""
        days = str(self._inputs.policy.amount_match_days)
        tell("references")
        self._do(match.PAIRS)
        first = f"{match.BY_REF} AND {match.SAME}"
        self._do(match.STAGE.format(left="l", right="p", on=first, stage=1, into="pairs"))
        self._do(match.REST)
        for stage, on in match.LATER_STAGES:
            self._do(match.STAGE.format(left="lr", right="pr", on=on, stage=stage, into="more"))
        tell("amounts")
        self._do(match.BY_AMOUNT.replace("{days}", days))
        self._do(match.DONE)
        tell("payouts")
        self._do(check.OWN)
        self._do(check.BATCHES)
        if every := self._paths("settlement"):
            self._do(check.BATCHES_OF, paths=every)
        self._do(check.PAYOUTS)
        self._do(check.PAY.replace("{days}", days))
        tell("checks")
        for part in (check.BREAKS, check.DISAGREE, check.UNMATCHED, check.SETTLED, check.EDGE):
            self._do(part)
        self._do(check.KEPT)
        self._do(check.BOOKABLE)
        tell("balances")
        balances = self._balances()
        self._ensure_rows_counted_once()
        off = [one for one in balances if one.drift_minor]
        if off:
            raise Refused(
                ReconciliationCode.DOES_NOT_ADD_UP,
                drift=", ".join(f"{self._name(one.place)} {one.drift_minor}" for one in off),
            )
        return balances

    def one(self, sql: str) -> tuple[Any, ...]:
        """The one row of a query over the engine's tables."""
        return self._engine.execute(sql).fetchall()[0]

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query over the engine's tables."""
        return self._engine.execute(sql, values or None).fetchall()

    def stream(self, sql: str, size: int) -> Any:
        """The rows of a query, ``size`` at a time."""
        cursor = self._engine.execute(sql)
        while part := cursor.fetchmany(size):
            yield part

    @property
    def window_from(self) -> datetime:
        """From when on differences are reported."""
        return self._inputs.window_from

    def place(self, number: int) -> Place:
        """One provider and currency by its number."""
        return self._inputs.places[number]

    def _ensure_rows_counted_once(self) -> None:
        """A row on each side is in one pair at most: else something was counted twice."""
        pairs, lids, pids = self.one(
            "SELECT count(*), count(DISTINCT lid), count(DISTINCT pid) FROM pairs"
        )
        if not pairs == lids == pids:
            raise Refused(ReconciliationCode.DOES_NOT_ADD_UP, pairs=pairs, ledger=lids, psp=pids)

    def _balances(self) -> list[Balance]:
        at_provider: dict[tuple[str, str], tuple[int, int]] = {}
        if every := self._paths("settlement"):
            self._do(check.BALANCES, paths=every)
            at_provider = {
                (provider, currency): (amount, conversions)
                for provider, currency, amount, conversions in self.rows("FROM balances")
            }
        named: dict[int, dict[str, int]] = {}
        for place, name, minor in self.rows(
            "SELECT place, name, sum(part)::BIGINT FROM named GROUP BY ALL ORDER BY place, name"
        ):
            named.setdefault(place, {})[name] = minor
        found = []
        for one in self._inputs.places:
            amount, conversions = at_provider.get((one.provider, one.currency), (0, 0))
            parts = named.get(one.number, {})
            if conversions:
                parts["conversions"] = -conversions
            if one.before_minor:
                before = parts.get("before_first_file", 0)
                parts["before_first_file"] = before + one.before_minor
            found.append(
                Balance(
                    one.number,
                    one.clearing_minor,
                    amount,
                    {name: minor for name, minor in sorted(parts.items()) if minor},
                )
            )
        return found

    def _name(self, place: int) -> str:
        one = self.place(place)
        return f"{one.provider} {one.currency}"

    def _load_policy(self) -> None:
        policy = self._inputs.policy
        self._fill(
            "cats", [(cat, name, policy.in_transit_days[name]) for name, cat in match.CAT.items()]
        )
        providers = policy.providers.values()
        self._fill(
            "fee_contracts",
            [
                (one.name, match.CAT[f.category], f.currency, f.ppm, f.fixed_minor)
                for one in providers
                for f in one.fees
            ],
        )
        self._fill(
            "rates",
            [
                (one.name, r.sold, r.bought, r.rate, one.rate_tolerance_ppm)
                for one in providers
                for r in one.rates
            ],
        )
        self._fill("banks", policy.banks())

    def _place(self, one: Place) -> tuple[Any, ...]:
        providers = sorted({place.provider for place in self._inputs.places})
        return (
            one.number,
            providers.index(one.provider),
            one.provider,
            one.currency,
            SCALES[one.currency],
            one.first_from,
        )

    def _load_ledger(self) -> None:
        rows, digest = self.one(match.DIGEST)
        self._digest = int(rows), str(digest)
        self._do(match.LEDGER)
        self._do(match.EARLY)
        self._do("DROP TABLE ledger_rows;")

    def _load_rows(self) -> None:
        """Rows of the files that are looked at whole, and of the others those that are carried."""
        self._do(match.PROVIDER_TABLES)
        self._do(match.BANK_TABLE)
        if every := self._paths("settlement"):
            self._do(match.SUPERSEDED, paths=every)
            if self.one("SELECT count(*) FROM not_final")[0]:
                self._do(match.SUPERSEDED_BY, paths=every)
        wanted = {sha256 for sha256, _ in self._inputs.carried_rows}
        for kind, whole, single in (
            ("settlement", match.PROVIDERS, match.OLD_PROVIDERS),
            ("bank", match.BANK, match.OLD_BANK),
        ):
            mine = [one for one in self._inputs.files if one.kind == kind]
            loaded = [str(one.path) for one in mine if one.is_loaded]
            old = [str(one.path) for one in mine if not one.is_loaded and one.sha256 in wanted]
            if loaded:
                self._do(whole, paths=loaded)
            unread = [str(one.path) for one in mine if not one.is_loaded]
            if kind == "settlement" and unread and self.one("SELECT count(*) FROM early")[0]:
                self._do(match.EARLY_PROVIDERS, paths=unread)
            if old:
                self._do(single, paths=old)

    def _paths(self, kind: str) -> list[str]:
        return [str(one.path) for one in self._inputs.files if one.kind == kind]

    def _fill(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            parts = ", ".join(["unnest(?)"] * len(rows[0]))
            insert = f"INSERT INTO main.{table} SELECT {parts}"
            self._engine.execute(insert, [list(column) for column in zip(*rows, strict=True)])

    def _do(self, sql: str, **values: Any) -> None:
        """Each statement of ``sql`` with the values that it names."""
        known = self._values | values
        for statement in sql.split(";\n"):
            if statement.strip():
                used = {name: known[name] for name in _USED.findall(statement)}
                self._engine.execute(statement, used or None)
