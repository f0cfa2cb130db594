"""The demo's tables and people. Deterministic; nobody here is a real person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from accounts.roles import Role

#: Timings of a real studio, in ms at speed 1 (medians over 1,135 recorded roulette rounds): the
#: ball passes "no more bets" 12 s after betting opened, and 6.1 s lie between two rounds.
BETTING_WINDOW_MS: Final = 11_000
CLOSING_SOON_MS: Final = 4_000
INTERMISSION_MS: Final = 6_100
LAUNCH_DEADLINE_MS: Final = 90_000
SPIN_DEADLINE_MS: Final = 75_000
SOURCE_WAIT_MS: Final = 10_000
DEVICE_SILENCE_MS: Final = 3_000
#: However fast the demo runs, processes need this long to be heard of on a busy laptop.
DEVICE_SILENCE_MIN_MS: Final = 2_000
SOURCE_WAIT_MIN_MS: Final = 2_000


@dataclass(frozen=True, slots=True)
class DemoTable:
    """A table named after a lighthouse."""

    id: str
    name: str
    ruleset: str


TABLES: Final = (
    DemoTable("alexandria", "Alexandria", "european"),
    DemoTable("cordouan", "Cordouan", "european-la-partage"),
)
#: What signs at every table: what stands at its wheel, and the computer that reads both.
DEVICE_KINDS: Final = ("wheel", "keypad", "controller")
#: What signs nothing: how it is shows in the picture.
PICTURE_KINDS: Final = ("camera", "encoder")

#: The demo's own password: printed at every start, worth nothing outside it.
PASSWORD: Final = "lighthouse-keeper-1783"  # noqa: S105  (public on purpose)


@dataclass(frozen=True, slots=True)
class DemoPlayer:
    email: str
    country: str
    currency: str
    date_of_birth: date
    balance_minor: int


PLAYERS: Final = (
    DemoPlayer("anna@faro.example", "MT", "EUR", date(1988, 5, 4), 50_000),
    DemoPlayer("ben@faro.example", "MT", "EUR", date(1979, 11, 30), 20_000),
)
#: Who presents at which table, under which name.
PRESENTERS: Final = (
    ("alexandria", "presenter@faro.example", "Marta K."),
    ("cordouan", "presenter-2@faro.example", "Jonas B."),
)
STAFF: Final = (
    *((f"{role.value.replace('_', '-')}@faro.example", role) for role in Role),
    ("presenter-2@faro.example", Role.PRESENTER),
)
