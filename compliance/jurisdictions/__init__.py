"""Jurisdictions as versioned data: what a licence asks of us, one YAML file per version.

Every value that the code enforces is written with its basis. Code never asks for a country: it asks
the profile. A file with an unknown, missing or badly typed field does not load at all.

Basis letters: P official text seen, S secondary source seen, R recalled, U not found (the value is
our stricter guess), O the operator's own decision. A profile is *ready* when every basis is P or S;
one that is not ready needs two officers' sign-off before it may be offered. A *demonstration* needs
none, and production offers none.
"""

from __future__ import annotations

from compliance.jurisdictions.loading import BadProfile, load_directory, load_text
from compliance.jurisdictions.profiles import (
    active_codes,
    country_profile,
    in_force_codes,
    known_codes,
    offered_countries,
    profile,
    versions,
)
from compliance.jurisdictions.shape import Jurisdiction, OperatorLimit

__all__ = [
    "BadProfile",
    "Jurisdiction",
    "OperatorLimit",
    "active_codes",
    "country_profile",
    "in_force_codes",
    "known_codes",
    "load_directory",
    "load_text",
    "offered_countries",
    "profile",
    "versions",
]
