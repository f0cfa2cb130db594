"""Why the roulette rules refuse something."""

from __future__ import annotations

from enum import StrEnum


class RulesCode(StrEnum):
    """Codes of :class:`kernel.refusal.Refused` raised by this package; the data names what."""

    UNKNOWN_POSITION = "unknown_position"  # position
    UNKNOWN_ANNOUNCED = "unknown_announced"  # announced
    UNKNOWN_RULESET = "unknown_ruleset"  # ruleset
    EMPTY_SLIP = "empty_slip"
    TOO_MANY_STAKES = "too_many_stakes"  # count, max
    BELOW_MINIMUM = "below_minimum"  # position, stake_minor, min_minor, currency
    OFF_CHIP_STEP = "off_chip_step"  # position, stake_minor, step_minor, currency
    ABOVE_POSITION_MAXIMUM = "above_position_maximum"  # position, stake_minor, max_minor, currency
    BELOW_TABLE_MINIMUM = "below_table_minimum"  # stake_minor, min_minor, currency
    ABOVE_TABLE_MAXIMUM = "above_table_maximum"  # stake_minor, max_minor, currency
    LIMITS_INVALID = "limits_invalid"  # field, why
