"""Every page of the player's site, and a player who has something to see on each of them."""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryDirectory
from uuid import UUID

from django.test import Client, override_settings

from accounts.models import User
from audit import seals
from audit.sealed_sources import AUDIT
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from payments.paying_in import deposits
from tables.bets.intake import take_bets
from tables.bets.slips import place_bets
from tests import house
from tests.browser.visits import BACKEND

#: Pages for everybody; the others need a player.
PUBLIC = (
    "/",
    "/account/login/",
    "/account/signup/",
    "/account/password/reset/",
    "/account/unlock/",
    "/data/",
    "/rules/",
    "/help/",
    "/seals/",
)
OWN = (
    "/",
    "/tables/{table}/",
    "/history/",
    "/rounds/{round}/",
    "/cashier/",
    "/cashier/withdraw/",
    "/cashier/deposits/{deposit}/",
    "/cashier/payments/",
    "/cashier/statement/",
    "/play-safely/",
    "/me/",
    "/account/data/",
    "/account/sessions/",
    "/account/notices/",
    "/account/second-factor/",
    "/account/password/change/",
    "/account/email/",
    "/account/logout/",
    "/rules/?number=17",
)
MISSING = "/no/such/page/"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the addresses above are filled in with."""

    player: PlayerId
    table: str
    round: UUID
    deposit: UUID

    def addresses(self) -> list[str]:
        facts = {"table": self.table, "round": self.round, "deposit": self.deposit}
        return [path.format(**facts) for path in OWN]


def somebody_who_played(pit: house.Pit) -> Seen:
    """A player with a round that paid, one that is open, a payment, and a limit."""
    player = house.player(balance_minor=50_000)
    first = pit.open_round()
    _stake(player, pit, "straight:17", "red")
    pit.play(17)
    pit.open_round()
    _stake(player, pit, "split:14-17")
    client = Client()
    client.force_login(User.objects.get(pk=player), backend=BACKEND)
    client.post(
        "/play-safely/limits/deposit/", {"deposit-period": "week", "deposit-amount": "2000"}
    )
    # a provider that does not answer: the deposit is being checked, which the page has to explain
    with override_settings(SIMULATED_PSP_URL="http://127.0.0.1:9", PSP_WEBHOOK_SECRET="s" * 32):
        deposit = deposits.start(
            player_id=player,
            amount=Money(2_000, "EUR"),
            key=new_id().hex,
            actor=Actor.player(player),
        )
    _seal_it()
    return Seen(player, pit.table.id, first.id, deposit.id)


def _seal_it() -> None:
    """Two seals at least over the record, so that the page of the seals has earlier ones."""
    with TemporaryDirectory() as home, override_settings(STATE_DIR=home):
        for source in seals.sources():
            seals.seal(source)
        house.player()
        seals.seal(AUDIT)


def _stake(player: PlayerId, pit: house.Pit, *positions: str) -> None:
    take_bets(
        place_bets(
            player,
            pit.table.id,
            key=new_id().hex,
            currency="EUR",
            stakes=[(position, 100) for position in positions],
            round_number=pit.round().number,
        )
    )
