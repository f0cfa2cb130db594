"""A marker of harm leads to a message to the player, and what came of it is recorded."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.test import Client
from django.utils import translation

from accounts.models import User
from audit.database_clock import database_now
from backoffice import watching
from compliance import facts
from compliance.harm import desk
from compliance.harm.desk import Outcome
from compliance.notice_kinds import HARM_NOTICES
from compliance.watching import casework
from compliance.watching.casework import WatchCode
from compliance.watching.rulebook import Family
from compliance.watching.states import DUE, State
from kernel.money import Money
from kernel.refusal import Refused
from notices.delivery import render, subject
from notices.models import Notice
from tests import house
from tests.flows.staff_steps import officer
from tests.flows.watching_steps import (
    activate,
    deposit,
    staked,
    state,
    step,
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F106")]


@pytest.fixture
def case(database):
    player = house.player()
    for days in (3, 10, 17):
        deposit(player, 50_000, days=days)
    staked(player, 90_000, days=3)
    activate("high_spend")
    watching.run()
    (found,) = casework.queue(Family.HARM)
    assert found.player_id == player
    return found


def refused(act) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return str(caught.value.code)


def test_a_message_goes_to_the_player_once_and_the_case_is_due_again(case):
    one = officer()
    assert refused(lambda: desk.speak(step(case, one), "harm_spend", "")) == WatchCode.STEP
    casework.take(Family.HARM, step(case, one))
    form = step(case, one)
    for _ in range(2):
        spoken = desk.speak(form, "harm_spend", "We call you <tomorrow>.")
    assert spoken.state == "spoken"
    assert spoken.due_at - casework.events(case.id)[-1].at > DUE[Family.HARM][State.SPOKEN] - (
        timedelta(minutes=1)
    )
    (notice,) = Notice.objects.filter(person_id=case.player_id)
    assert (notice.kind, notice.context) == ("harm_spend", {"words": "We call you <tomorrow>."})
    player = Client()
    player.force_login(
        User.objects.get(pk=case.player_id), backend="accounts.authentication.PasswordAtOwnDoor"
    )
    page = player.get(f"/account/notices/{notice.pk}/").content.decode()
    assert "We call you &lt;tomorrow&gt;." in page
    assert case.reference not in page


def test_what_came_of_it_is_recorded_with_the_figures_before_and_after(case):
    one = officer()
    casework.take(Family.HARM, step(case, one))
    assert refused(lambda: desk.record_outcome(step(case, one), Outcome.LESS, "x")) == (
        WatchCode.STEP
    )
    desk.speak(step(case, one), "harm_time", "")
    staked(case.player_id, 10_000)
    before, after = desk.comparison(casework.find(Family.HARM, case.reference))
    assert (before["staked_minor"], after["staked_minor"]) == (90_000, 10_000)
    assert desk.suggestion(before, after) is Outcome.LESS
    done = desk.record_outcome(step(case, one), Outcome.LESS, "Set a limit himself.")
    assert (done.state, done.due_at) == ("recorded", None)
    last = casework.events(case.id)[-1]
    assert last.data["outcome"] == "less"
    assert (last.data["before"]["net_minor"], last.data["after"]["net_minor"]) == (-90_000, -10_000)


def test_a_case_without_concern_is_dismissed_with_a_reason(case):
    one = officer()
    casework.take(Family.HARM, step(case, one))
    assert refused(lambda: desk.dismiss(step(case, one), "")) == WatchCode.EMPTY
    assert desk.dismiss(step(case, one), "Income is documented.").state == "dismissed"
    assert not Notice.objects.filter(person_id=case.player_id).exists()


def test_an_unknown_message_or_too_many_words_send_nothing(case):
    one = officer()
    casework.take(Family.HARM, step(case, one))
    assert refused(lambda: desk.speak(step(case, one), "case_news", "")) == WatchCode.STEP
    assert refused(lambda: desk.speak(step(case, one), "harm_time", "x" * 1_001)) == (
        WatchCode.TOO_LONG
    )
    assert state(case) is State.IN_HAND
    assert not Notice.objects.filter(person_id=case.player_id).exists()


@pytest.mark.parametrize("kind", HARM_NOTICES)
def test_each_message_reads_in_english_and_german(kind):
    said = {}
    for language in ("en", "de"):
        with translation.override(language):
            said[language] = (subject(kind, {}), render(kind, "body.txt", {"words": "Ihr Team"}))
    assert "Play safely" in said["en"][1]
    assert said["en"][0] != said["de"][0]
    assert "Ihr Team" in said["de"][1]
    assert "Play safely" not in said["de"][1]


def test_figures_are_of_the_players_gaming_days_whether_folded_or_fresh(database):
    player, zone = house.player(), ZoneInfo("Europe/Malta")
    late = datetime.combine(
        database_now().date() - timedelta(days=2), time(23, 30), UTC
    )  # 00:30 of the next day in Malta
    own, utc = late.astimezone(zone).date(), late.date()
    with transaction.atomic():
        facts.record(
            [
                facts.Fact(player, kind, Money(minor, "EUR"), late)
                for kind, minor in (
                    (facts.FactKind.STAKED, 900),
                    (facts.FactKind.STAKE_RETURNED, 100),
                    (facts.FactKind.PAID_OUT, 500),
                    (facts.FactKind.PAID_BACK, 200),
                    (facts.FactKind.DEPOSITED, 700),
                )
            ]
        )
    for _ in range(2):
        found = desk.figures(player, own, own)
        assert (found["staked_minor"], found["net_minor"], found["deposited_minor"]) == (
            900,
            -500,
            700,
        )
        assert found["days_played"] == 1
        assert desk.figures(player, utc, utc)["staked_minor"] == 0
        facts.fold()
