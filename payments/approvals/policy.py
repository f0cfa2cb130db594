"""The policy of withdrawals, by jurisdiction and day: data, read strictly."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

from compliance import policy_files
from compliance.policy_files import ANYWHERE, BadPolicy, duration, duration_or_none, flag
from kernel.money import SCALES, parse
from kernel.refusal import Refused
from payments.approvals.rules import NEVER_AUTOMATIC, PEOPLE_MAX, Automatic, Rule, When
from payments.paying_out.closed_loop import Rules

_COUNTRY: Final = re.compile(r"^(?:\*|[A-Z]{2})$")
_FILE: Final = Path(__file__).parent / "policy.yaml"


@dataclass(frozen=True, slots=True)
class WithdrawalPolicy:
    """One version for one jurisdiction. ``name`` and ``digest`` are written beside each decision:
    a text that was edited under its old name is seen.
    """

    code: str
    effective_from: date
    automatic: Automatic
    rules: tuple[Rule, ...]
    refund_within: dict[str, timedelta | None]
    loop: Rules
    counted_within: timedelta
    cooling_off: timedelta
    account_countries: frozenset[str]
    digest: str
    text: str

    @property
    def name(self) -> str:
        return policy_files.named(self.code, "withdrawals", self.effective_from)

    def pays_to(self, country: str) -> bool:
        """Whether accounts of this country (ISO 3166-1 alpha-2) are paid to."""
        return bool({ANYWHERE, country} & self.account_countries)


def _amounts(value: Any) -> dict[str, int]:
    """Minor units of every currency we know, from decimal texts; ``*`` for what is not named."""
    if not isinstance(value, dict) or ANYWHERE not in value or not set(value) <= {*SCALES, "*"}:
        raise BadPolicy(f"{value!r} names no amounts by currency, with one for the others (*)")
    found = {}
    for currency in SCALES:
        text = value.get(currency, value[ANYWHERE])
        try:
            found[currency] = parse(text if isinstance(text, str) else "", currency).minor
        except Refused:
            raise BadPolicy(f"{text!r} is no amount of {currency}") from None
    return found


def _whole(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise BadPolicy(f"{value!r} is no whole number of minor units")
    return value


def _countries(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(
        isinstance(one, str) and _COUNTRY.match(one) for one in value
    ):
        raise BadPolicy(f"{value!r} is no list of countries")
    return frozenset(value)


def _refund_within(value: Any) -> dict[str, timedelta | None]:
    if not isinstance(value, dict):
        raise BadPolicy(f"{value!r} names no providers")
    return {str(name): duration_or_none(one) for name, one in value.items()}


#: What each kind of rule names beside ``when`` and ``people``.
_PARAMETERS: Final = {
    When.AMOUNT: "amounts",
    When.YOUNG: "within",
    When.NEW_ACCOUNT: "within",
}


def _rule(value: Any) -> Rule:
    if not isinstance(value, dict) or value.get("when") not in set(When):
        raise BadPolicy(f"{value!r} is no rule")
    when, people = When(value["when"]), value.get("people")
    parameter = _PARAMETERS.get(when)
    if set(value) != {"when", "people"} | ({parameter} if parameter else set()):
        raise BadPolicy(f"{when}: a rule says when, people and {parameter or 'nothing else'}")
    if type(people) is not int or not 0 <= people <= PEOPLE_MAX:
        raise BadPolicy(f"{when}: nobody, one or two people look, not {people!r}")
    if people == 0 and when in NEVER_AUTOMATIC:
        raise BadPolicy(f"{when}: somebody always looks at that")
    return Rule(
        when,
        people,
        minor_from=_amounts(value["amounts"]) if parameter == "amounts" else None,
        within=duration(value["within"]) if parameter == "within" else None,
    )


def _rules(value: Any) -> tuple[Rule, ...]:
    if not isinstance(value, list):
        raise BadPolicy("rules are a list")
    found = tuple(_rule(one) for one in value)
    if len({rule.when for rule in found}) != len(found):
        raise BadPolicy("each kind of rule stands once")
    if missing := NEVER_AUTOMATIC - {rule.when for rule in found}:
        raise BadPolicy(f"nothing is said of {', '.join(sorted(missing))}")
    return found


_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "automatic": flag,
    "automatic_up_to": _amounts,
    "rules": _rules,
    "refund_within": _refund_within,
    "refund_least": _whole,
    "account_least": _whole,
    "counted_within": duration,
    "cooling_off": duration,
    "account_countries": _countries,
}


def load(text: str) -> dict[str, tuple[WithdrawalPolicy, ...]]:
    """Policies by code, the oldest first. Raises ``BadPolicy`` for anything odd."""
    return policy_files.load(text, _READERS, _make)


def _make(code: str, effective_from: date, read: dict[str, Any], text: str) -> WithdrawalPolicy:
    return WithdrawalPolicy(
        code=code,
        effective_from=effective_from,
        automatic=Automatic(read["automatic"], read["automatic_up_to"]),
        rules=read["rules"],
        refund_within=read["refund_within"],
        loop=Rules(read["refund_least"], read["account_least"]),
        counted_within=read["counted_within"],
        cooling_off=read["cooling_off"],
        account_countries=read["account_countries"],
        digest=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
    )


@cache
def _all() -> dict[str, tuple[WithdrawalPolicy, ...]]:
    return load(_FILE.read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def withdrawal_policy(code: str, on: date) -> WithdrawalPolicy:
    """The version for ``code`` in force on ``on``, else the one for everywhere."""
    return policy_files.in_force(_all(), code, on)
