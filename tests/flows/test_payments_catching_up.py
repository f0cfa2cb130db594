"""Messages of a provider that never came are asked for and have their effect."""

from __future__ import annotations

import httpx
import pytest

from audit.database_clock import database_now
from compliance import limits
from kernel.ids import Actor, PlayerId
from kernel.money import Money
from ledger import accounts
from payments import polling
from payments.messages import catching_up
from payments.models import Deposit, EventPosition, ProviderEvent
from payments.paying_in import deposits
from payments.providers.simulated import SimulatedProvider
from payments.states import DepositState
from tests import house
from tests.simulated_psp import CALM, SECRET, Psp, running


@pytest.fixture(scope="module")
def process(tmp_path_factory):
    with running(tmp_path_factory.mktemp("psp")) as psp:  # without an address for webhooks
        yield psp


@pytest.fixture
def psp(process, settings, database) -> Psp:
    settings.SIMULATED_PSP_URL, settings.PSP_WEBHOOK_SECRET = process.url, SECRET
    process.switch(**CALM)
    last = process.get("/v1/events?after=1000000")["last"]
    assert last == 1_000_000
    newest = 0
    while page := process.get(f"/v1/events?after={newest}"):
        if not page["events"]:
            break
        newest = page["last"]
    EventPosition.objects.create(provider="simulated", position=str(newest))
    return process


@pytest.fixture
def player(psp) -> PlayerId:
    player = house.player()
    limits.answer(player, actor=Actor.player(player), now=database_now())
    return player


def paid_unheard(player: PlayerId, key: str) -> Deposit:
    """Paid on the provider's page, and no word of it arrived."""
    wanted = Money(5_000, "EUR")
    made = deposits.start(player_id=player, amount=wanted, key=key, actor=Actor.player(player))
    assert made.redirect_url, made.state
    httpx.post(made.redirect_url, data={"instrument": "visa"}, trust_env=False)
    return made


def cash(player: PlayerId) -> int:
    return accounts.balance(accounts.player_cash(player, "EUR")).posted_minor


@pytest.mark.feature("F67")
def test_a_message_that_never_came_is_kept_once_and_applied(player):
    made = paid_unheard(player, "a")
    assert (ProviderEvent.objects.count(), cash(player)) == (0, 0)
    assert [catching_up.catch_up(), catching_up.catch_up()] == [1, 0]
    assert polling.sweep().events == 1
    made.refresh_from_db()
    assert (made.state, cash(player)) == (DepositState.SUCCEEDED, 5_000)
    EventPosition.objects.all().update(position="")
    catching_up.catch_up()  # all of them again
    polling.sweep()
    assert ProviderEvent.objects.filter(payment_id=made.pk).count() == 1
    assert cash(player) == 5_000


def test_what_is_missing_is_read_page_by_page_and_goes_on_where_it_ended(player, monkeypatch):
    monkeypatch.setattr(catching_up, "PAGES_MAX", 1)
    pages = []
    ask = SimulatedProvider.events_after

    def few(self, position):
        events, last = ask(self, position)
        pages.append(len(events))
        cut = events[:2]
        return cut, str(int(position) + len(cut)) if cut else last

    monkeypatch.setattr(SimulatedProvider, "events_after", few)
    for n in range(3):
        paid_unheard(player, f"k{n}")
    assert [catching_up.catch_up() for _ in range(3)] == [2, 1, 0]
    assert pages == [3, 1, 0]


def test_a_provider_that_does_not_answer_is_asked_by_the_next_run(player, psp):
    paid_unheard(player, "a")
    psp.switch(answer_fails=True)
    assert catching_up.catch_up() == 0
    psp.switch(answer_fails=False)
    assert catching_up.catch_up() == 1
