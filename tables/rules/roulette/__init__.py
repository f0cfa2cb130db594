"""European roulette. Pure: the standard library and ``kernel`` only.

Read in this order: ``wheel``, ``bets`` (positions), ``announced``, ``payouts`` (what settles),
``limits`` (what may be staked), ``paytable`` (the description that is hashed and shown).
"""

from tables.rules.roulette.announced import (
    ALL_ANNOUNCED,
    NEIGHBOURS_MAX,
    Announced,
    expand,
    parse_announced,
)
from tables.rules.roulette.bets import (
    ALL_POSITIONS,
    EVEN_MONEY,
    PAYS_TO_ONE,
    BetKind,
    Position,
    parse_position,
)
from tables.rules.roulette.codes import RulesCode
from tables.rules.roulette.limits import Limits, Span, check_slip, default_limits
from tables.rules.roulette.payouts import RULESETS, Ruleset, payout, ruleset
from tables.rules.roulette.paytable import (
    PaytableRow,
    description,
    paytable,
    returns,
    rules_hash,
    ruleset_by_hash,
)
from tables.rules.roulette.wheel import NUMBERS, ORDER, Colour, colour, neighbours

__all__ = [
    "ALL_ANNOUNCED",
    "ALL_POSITIONS",
    "EVEN_MONEY",
    "NEIGHBOURS_MAX",
    "NUMBERS",
    "ORDER",
    "PAYS_TO_ONE",
    "RULESETS",
    "Announced",
    "BetKind",
    "Colour",
    "Limits",
    "PaytableRow",
    "Position",
    "RulesCode",
    "Ruleset",
    "Span",
    "check_slip",
    "colour",
    "default_limits",
    "description",
    "expand",
    "neighbours",
    "parse_announced",
    "parse_position",
    "payout",
    "paytable",
    "returns",
    "rules_hash",
    "ruleset",
    "ruleset_by_hash",
]
