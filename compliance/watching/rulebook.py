"""Rules as data: one YAML file per family, strictly read, each rule named by the hash of its text.

Its text is what the file says and the SQL of its detector: who changes either has made another
version. A rule names a detector and its parameters. Money is given per currency in minor units; a
currency that is not named is not watched by that rule. An odd file raises ``BadRules`` with the
field. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import yaml

from audit.canonical import canonical
from kernel.money import SCALES

FORMAT: Final = 1
BYTES_MAX: Final = 64 * 1024

Params = Mapping[str, int | str | Mapping[str, int]]


class Family(StrEnum):
    """What a rule looks for: crime, harm to the player, or payments that are not honest.

    Rules of FRAUD are asked at each payment and say what it meets; the others look back.
    """

    AML = "aml"
    HARM = "harm"
    FRAUD = "fraud"


#: What each detector must be told. ``amounts`` is money per currency, all others whole numbers;
#: ``kinds`` is a list of words.
SHAPES: Final[Mapping[str, tuple[Family, frozenset[str]]]] = {
    name: (family, frozenset(params.split()))
    for name, family, params in (
        ("structuring", Family.AML, "window_days amounts count_min"),
        ("in_and_out", Family.AML, "window_days amounts out_percent turnover_percent"),
        ("shared_trait", Family.AML, "window_days kind players_min players_max"),
        ("dormant_burst", Family.AML, "window_days dormant_days amounts"),
        (
            "opposite_betting",
            Family.AML,
            "window_days rounds_min opposite_percent tolerance_percent players_max",
        ),
        (
            "one_sided_pair",
            Family.AML,
            "window_days rounds_min opposite_percent tolerance_percent players_max amounts"
            " gain_percent",
        ),
        ("both_sides", Family.AML, "window_days rounds_min share_percent tolerance_percent"),
        ("spend", Family.HARM, "window_days amounts"),
        ("spend_rise", Family.HARM, "window_days weeks factor_percent amounts"),
        ("time_played", Family.HARM, "window_days minutes_min"),
        ("night_play", Family.HARM, "window_days from_hour to_hour nights_min share_percent"),
        ("chasing", Family.HARM, "window_days gap_hours lost_percent times_min"),
        ("limits_loosened", Family.HARM, "window_days times_min"),
        ("contacts", Family.HARM, "window_days times_min"),
        ("failed_deposits", Family.HARM, "window_days times_min"),
        ("payment_velocity", Family.FRAUD, "purpose outcome window_minutes count_min"),
        ("amount_velocity", Family.FRAUD, "purpose outcome window_hours amounts"),
        ("declined_again", Family.FRAUD, "purpose outcome window_minutes count_min"),
        ("many_instruments", Family.FRAUD, "purpose outcome window_days instruments_min"),
        ("instrument_of_others", Family.FRAUD, "purpose outcome players_min"),
        ("player_shares_instrument", Family.FRAUD, "purpose outcome window_days players_min"),
        ("country_mismatch", Family.FRAUD, "purpose outcome"),
        ("young_account", Family.FRAUD, "purpose outcome age_days amounts"),
        ("disputed_before", Family.FRAUD, "purpose outcome window_days"),
        ("paid_out_unplayed", Family.FRAUD, "purpose outcome window_days turnover_percent"),
    )
}
TRAITS: Final = ("browser", "address", "instrument")
#: What a payment may meet, by its purpose. Money that is the player's is looked at, not kept.
OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "deposit": ("challenge", "review", "block"),
    "withdrawal": ("review",),
}
#: Parameters that are one of a few words.
_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": TRAITS,
    "purpose": tuple(OUTCOMES),
    "outcome": OUTCOMES["deposit"],
}
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{2,39}")
_RULE: Final = {"code", "title", "reason", "marker", "detector", "params"}


class BadRules(Exception):
    """A file that says something we do not understand. It stops the start, on purpose."""

    def __init__(self, source: str, field: str, why: str) -> None:
        super().__init__(f"{source}: {field}: {why}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule in one version. ``reason`` is the code of its alerts; ``marker`` groups them."""

    code: str
    family: Family
    title: str
    reason: str
    marker: str
    detector: str
    params: Params
    effective_from: date
    #: The SQL that finds; empty of a version from before it was kept with its rule.
    statement: str = ""

    def as_dict(self) -> dict[str, Any]:
        """What is hashed and kept."""
        statement = {"statement": self.statement} if self.statement else {}
        return {
            "code": self.code,
            "family": self.family.value,
            "title": self.title,
            "reason": self.reason,
            "marker": self.marker,
            "detector": self.detector,
            "params": {name: _plain(value) for name, value in sorted(self.params.items())},
            "effective_from": self.effective_from.isoformat(),
            **statement,
        }

    @property
    def sha256(self) -> str:
        return hashlib.sha256(canonical(self.as_dict())).hexdigest()

    @property
    def window_days(self) -> int:
        return int(str(self.params["window_days"]))


def _plain(value: int | str | Mapping[str, int]) -> Any:
    return dict(sorted(value.items())) if isinstance(value, Mapping) else value


def load_file(path: Path) -> list[Rule]:
    """The rules of a file. Raises ``BadRules``."""
    if path.stat().st_size > BYTES_MAX:
        raise BadRules(path.name, "file", f"is larger than {BYTES_MAX} bytes")
    return load_text(path.read_text(encoding="utf-8"), path.name)


def load_text(text: str, source: str) -> list[Rule]:
    """The rules of a text. Raises ``BadRules``."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadRules(source, "file", f"is not YAML: {error}") from None
    wanted = {"format", "family", "effective_from", "rules"}
    if not isinstance(document, dict) or set(document) != wanted:
        raise BadRules(source, "file", f"must have exactly {', '.join(sorted(wanted))}")
    if document["format"] != FORMAT:
        raise BadRules(source, "format", f"must be {FORMAT}")
    if document["family"] not in list(Family):
        raise BadRules(source, "family", f"must be one of {', '.join(Family)}")
    if type(document["effective_from"]) is not date:
        raise BadRules(source, "effective_from", "must be a date")
    if not isinstance(document["rules"], list) or not document["rules"]:
        raise BadRules(source, "rules", "must be a list of rules")
    family = Family(document["family"])
    rules = [_rule(source, one, family, document["effective_from"]) for one in document["rules"]]
    codes = [rule.code for rule in rules]
    if len(set(codes)) != len(codes):
        raise BadRules(source, "rules", "has a code twice")
    return rules


def _rule(source: str, one: Any, family: Family, effective_from: date) -> Rule:
    if not isinstance(one, dict) or set(one) != _RULE:
        raise BadRules(source, "rules", f"each must have exactly {', '.join(sorted(_RULE))}")
    code = one["code"]
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise BadRules(source, "code", "must be small letters, digits and underscores")
    for name in ("title", "reason", "marker"):
        if not isinstance(one[name], str) or not 0 < len(one[name]) <= 120:
            raise BadRules(source, f"{code}.{name}", "must be a few words")
    shape = SHAPES.get(one["detector"])
    if shape is None or shape[0] is not family:
        raise BadRules(source, f"{code}.detector", "is not known in this family")
    params = one["params"]
    if not isinstance(params, dict) or set(params) != shape[1]:
        raise BadRules(source, f"{code}.params", f"must be exactly {', '.join(sorted(shape[1]))}")
    for name, value in params.items():
        _check(source, f"{code}.{name}", name, value)
    if "purpose" in params and params["outcome"] not in OUTCOMES[params["purpose"]]:
        raise BadRules(source, f"{code}.outcome", "is not possible for this purpose")
    return Rule(
        code, family, one["title"], one["reason"], one["marker"], one["detector"], params,
        effective_from,
    )  # fmt: skip


def _check(source: str, field: str, name: str, value: Any) -> None:
    if name == "amounts":
        _check_amounts(source, field, value)
    elif name in _WORDS:
        if value not in _WORDS[name]:
            raise BadRules(source, field, f"must be one of {', '.join(_WORDS[name])}")
    elif name.endswith("_hour"):
        if type(value) is not int or not 0 <= value <= 24:
            raise BadRules(source, field, "must be an hour from 0 to 24")
    elif type(value) is not int or not 0 < value <= 100_000:
        raise BadRules(source, field, "must be a positive whole number")


def _check_amounts(source: str, field: str, value: Any) -> None:
    if not isinstance(value, dict) or not value or not set(value) <= SCALES.keys():
        raise BadRules(source, field, "must be minor units by currency")
    if not all(type(minor) is int and minor > 0 for minor in value.values()):
        raise BadRules(source, field, "must be positive whole minor units")
