"""Reports in any order, repeated and lost: what stands in the end is the provider's final truth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance import freezing
from kernel.ids import Actor, ActorKind, PlayerId, new_id
from kernel.money import Money
from ledger import accounts
from ledger.checks import run_checks
from payments.disputes import asking
from payments.messages import provider_events
from payments.models import Deposit, ProviderEvent
from payments.paying_in import deposits
from payments.providers.protocol import DepositReport, DisputeReport, DisputeState, NewDeposit
from payments.states import DepositState
from tests import house
from tests.flows.chargeback_steps import cash, owed
from tests.flows.dispute_steps import PROVIDER, DisputingProvider

pytestmark = pytest.mark.feature("F67")
AMOUNT = 5_000
D, S = DepositState, DisputeState
PSP = DisputingProvider


#: What happens to a payment at the provider, as it happens there.
ENDS = st.sampled_from([D.FAILED, D.CANCELED, D.EXPIRED])
PARTS = st.lists(st.sampled_from([500, 1_000, 2_000]), max_size=2)


@st.composite
def lives(draw) -> tuple[list[DepositState], list[int], list[tuple[int, list[DisputeState]]]]:
    """States of the payment; parts refunded; disputes as amounts with their states."""
    states = [D.REQUIRES_ACTION, *draw(st.sampled_from([[], [D.PROCESSING]]))]
    if draw(st.integers(0, 3)) == 0:
        return [*states, draw(ENDS)], [], []
    if draw(st.integers(0, 3)) == 0:
        states.append(draw(ENDS))  # it came after all
    states.append(D.SUCCEEDED)
    parts = draw(PARTS)
    if draw(st.integers(0, 4)) == 0:
        return states, [*parts, AMOUNT - sum(parts)], []
    left, disputes = AMOUNT - sum(parts), []
    for _ in range(draw(st.integers(0, 2))):
        minor = draw(st.integers(1, left // 2))
        ends = draw(st.sampled_from([[], [S.WON], [S.LOST], [S.LOST, S.WON]]))
        disputes.append((minor, [S.OPENED, *ends]))
        left -= minor
    return states, parts, disputes


def told(deposit: Deposit, life) -> list[DepositReport | DisputeReport]:
    """Every event of this life, in the order in which it happened."""
    states, parts, disputes = life
    plain = DepositReport(deposit.pk, f"pay_{deposit.pk.hex}", states[0], deposit.amount)
    found: list[DepositReport | DisputeReport] = [replace(plain, state=one) for one in states]
    gone = 0
    for part in parts:
        gone += part
        state = D.REFUNDED if gone == AMOUNT else D.SUCCEEDED
        found.append(replace(plain, state=state, refunded=Money(gone, "EUR")))
    for n, (minor, steps) in enumerate(disputes):
        dispute = DisputeReport(
            deposit.pk,
            f"dp_{n}_{deposit.pk.hex}",
            plain.provider_ref,
            S.OPENED,
            Money(minor, "EUR"),
        )
        found += [replace(dispute, state=one) for one in steps]
    return found


def begun(player: PlayerId) -> Deposit:
    return deposits.start(
        player_id=player,
        amount=Money(AMOUNT, "EUR"),
        key=new_id().hex,
        actor=Actor.player(player),
    )


def hear(psp: DisputingProvider, news) -> None:
    event_id = new_id().hex
    psp.events[event_id] = news
    row = ProviderEvent.objects.create(
        provider=PROVIDER, event_id=event_id, payload={"id": event_id}
    )
    provider_events.apply_stored(row.pk)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(life=lives(), data=st.data())
def test_any_order_repetition_and_loss_ends_as_the_providers_truth(psp, life, data):
    player = house.player()
    deposit = begun(player)
    events = told(deposit, life)
    final = [one for one in events if isinstance(one, DepositReport)][-1]
    psp.deposits[final.provider_ref] = final
    latest = {one.provider_ref: one for one in events if isinstance(one, DisputeReport)}
    psp.disputes.update(latest)

    come = data.draw(st.lists(st.sampled_from(events), max_size=2 * len(events)))
    for news in come:
        hear(psp, news)
    deposits.ask_provider(deposit.pk)  # as polling does, reconciliation, or somebody
    for ref in latest:  # of each dispute some event comes at last
        asking.look(psp, ref, cause="the last event")

    _, parts, disputes = life
    deposit.refresh_from_db()
    taken = sum(minor for minor, steps in disputes if steps[-1] is not S.WON)
    ends = {steps[-1] for _, steps in disputes}
    if S.OPENED in ends:
        expected = D.DISPUTED
    elif ends:
        expected = D.LOST if S.LOST in ends else D.WON
    else:
        expected = final.state
    assert deposit.state == expected
    assert deposit.refunded_minor == sum(parts)
    is_in = final.state in {D.SUCCEEDED, D.REFUNDED}
    mine = AMOUNT - sum(parts) if is_in else 0
    assert cash(player) - owed(player) == mine
    assert bool(freezing.grounds(player)) == bool(ends - {S.WON})
    report = run_checks()
    assert (report.ok, report.violations) == (True, [])
    assert _moved(deposit) == (mine - taken if is_in else 0)


def _moved(deposit: Deposit) -> int:
    """What the provider holds for us of this deposit, by the books."""
    clearing = accounts.psp_clearing(PROVIDER, "EUR")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(CASE WHEN debit = %s THEN amount ELSE -amount END), 0)"
            " FROM ledger_transfer WHERE ref = %s AND %s IN (debit, credit)",
            [clearing, f"payment:{deposit.pk}", clearing],
        )
        return int(cursor.fetchone()[0])


def test_its_page_is_known_also_where_the_news_that_it_began_comes_before_the_answer(psp):
    player, create = house.player(), psp.create_deposit
    actor, page = Actor(ActorKind.PROVIDER, PROVIDER), "http://psp.example/pay/x"

    def overtaken(wanted: NewDeposit) -> DepositReport:
        began = create(wanted)
        deposits.apply(began, cause="event evt_1", actor=actor, confirmed=False)
        return replace(began, redirect_url=page)

    psp.create_deposit = overtaken
    made = deposits.start(
        player_id=player, amount=Money(AMOUNT, "EUR"), key="k", actor=Actor.player(player)
    )
    assert (made.state, made.redirect_url) == (D.REQUIRES_ACTION, page)
