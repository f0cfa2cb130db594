"""Trying a rule on history: asked for on a page, done by the worker, bounded, its progress seen."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections
from kombu.exceptions import OperationalError

from accounts.appointments import holders
from accounts.rights import RightsCode
from accounts.roles import Role
from backoffice import rule_trials, tasks, watching
from compliance.watching import trials, versions
from compliance.watching.versions import RuleCode
from kernel.ids import Actor
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from tests import house
from tests.flows.staff_steps import make_staff, officer, staff_client
from tests.flows.watching_steps import activate, deposit

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]


@pytest.fixture
def rule() -> versions.Version:
    watching.sync()
    return next(one for one in versions.everything() if one.rule.code == "structuring")


def page_of(rule: versions.Version) -> str:
    return f"/admin/watching/{rule.id}/"


def newest(rule: versions.Version) -> trials.Trial:
    found = trials.newest(rule.id)
    assert found is not None
    return found


def refused(act) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return str(caught.value.code)


def test_the_page_asks_and_answers_at_once_and_the_worker_does_it(rule, monkeypatch):
    looked = []
    monkeypatch.setattr(watching, "find", lambda rule, now: looked.append(now) or [])
    client = staff_client(Role.COMPLIANCE)
    client.post(f"{page_of(rule)}backtest/")
    assert looked == []  # nothing is evaluated in the request
    waiting = client.get(page_of(rule))
    assert waiting.headers["Refresh"] == f"3; url={page_of(rule)}"
    assert "waits for the worker" in waiting.content.decode()
    assert "Try it on the last 90 days" not in waiting.content.decode()
    tasks.try_rules()
    assert len(looked) == watching.BACKTEST_STEPS
    done = client.get(page_of(rule))
    assert "Refresh" not in done.headers
    assert "Asked at 30 instants" in done.content.decode()
    assert "Try it on the last 90 days" in done.content.decode()
    assert newest(rule).state == "done"
    assert len(versions.backtests(rule.id)) == 1
    assert rule_trials.run() is False  # nothing waits any more


def test_progress_is_seen_while_it_runs_and_an_active_version_is_tried_beside_it(monkeypatch):
    rule, seen = activate("structuring"), []
    client = staff_client(Role.COMPLIANCE)

    def find(_rule, _now):
        found = newest(rule)
        seen.append((found.state, found.done, found.total))
        if len(seen) == 40:
            seen.append(client.get(page_of(rule)).content.decode())
        return []

    monkeypatch.setattr(watching, "find", find)
    trials.ask(rule.id, days=90, actor=officer())
    assert rule_trials.run() is True
    pages = [one for one in seen if isinstance(one, str)]
    steps = [one for one in seen if not isinstance(one, str)]
    assert steps[0] == ("running", 0, 0)
    assert [done for _, done, _ in steps] == list(range(60))
    assert {total for _, _, total in steps[1:]} == {60}
    assert "39 of 60 instants of the last 90 days" in pages[0]
    assert newest(rule).state == "done"


def test_what_it_finds_is_what_the_command_finds(rule):
    player = house.player()
    for days in (1, 2, 3):
        deposit(player, 190_000, days=days)
    trials.ask(rule.id, days=30, actor=officer())
    assert rule_trials.run() is True
    [made] = versions.backtests(rule.id)
    assert made.result["rows"][0]["sample"] == [player]
    assert made.by.startswith("staff:")


def test_a_trial_that_takes_too_long_ends_and_keeps_nothing(rule, monkeypatch):
    monkeypatch.setattr(rule_trials, "BUDGET_MS", -1)
    trials.ask(rule.id, days=90, actor=officer())
    assert rule_trials.run() is True
    assert (newest(rule).state, newest(rule).code) == ("failed", RuleCode.BACKTEST_TOO_LONG)
    assert versions.backtests(rule.id) == []
    shown = staff_client(Role.COMPLIANCE).get(page_of(rule)).content.decode()
    assert "backtest_rules tries it" in shown
    assert "Try it on the last 90 days" in shown  # and may be asked for again
    trials.ask(rule.id, days=90, actor=officer())


def test_one_is_open_per_version_and_who_may_not_asks_for_none(rule):
    one, support = officer(), Actor.staff(make_staff(Role.SUPPORT, key=None).pk)
    assert refused(lambda: trials.ask(rule.id, days=90, actor=support)) == RightsCode.NOT_ALLOWED
    trials.ask(rule.id, days=90, actor=one)
    assert refused(lambda: trials.ask(rule.id, days=90, actor=one)) == RuleCode.TRIAL_WAITS
    client = staff_client(Role.COMPLIANCE)
    assert "It is being tried already." in client.post(f"{page_of(rule)}backtest/").content.decode()


def test_a_broken_rule_fails_its_own_trial_and_says_so(rule, monkeypatch):
    def broken(_rule, _now):
        raise InvariantBroken("odd")

    monkeypatch.setattr(watching, "find", broken)
    trials.ask(rule.id, days=90, actor=officer())
    assert rule_trials.run() is True
    assert newest(rule).code == RuleCode.TRIAL_FAILED


def test_a_right_that_is_lost_before_the_worker_looks_ends_the_trial(rule):
    one = officer()
    trials.ask(rule.id, days=90, actor=one)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET is_active = false WHERE id = %s", [int(one.id)])
    assert rule_trials.run() is True
    assert newest(rule).code == RightsCode.NOT_ALLOWED
    assert "(not_allowed)" in staff_client(Role.COMPLIANCE).get(page_of(rule)).content.decode()
    assert holders(Role.COMPLIANCE)


def grow_old(seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_watch_trial SET beat_at = clock_timestamp()"
            " - make_interval(secs => %s)",
            [seconds],
        )


def test_a_trial_whose_worker_died_is_taken_up_once_more_and_then_given_up(rule):
    trials.ask(rule.id, days=90, actor=officer())
    first = trials.claim()
    assert first is not None
    assert trials.claim() is None
    grow_old(trials.DEAD_AFTER_S - 5)
    assert trials.claim() is None  # it may be in its longest statement
    grow_old(trials.DEAD_AFTER_S + 1)
    again = trials.claim()
    assert again is not None
    assert (again.id, again.tries) == (first.id, 2)
    grow_old(trials.DEAD_AFTER_S + 1)
    assert trials.claim() is None
    assert (newest(rule).state, newest(rule).code) == ("failed", RuleCode.TRIAL_DIED)


def test_two_workers_never_try_at_once(rule, monkeypatch):
    second: list[bool] = []

    def find(_rule, _now):
        if not second:
            other = threading.Thread(target=run_aside)
            other.start()
            other.join(20)
        return []

    def run_aside() -> None:
        try:
            second.append(rule_trials.run())
        finally:
            connections.close_all()

    monkeypatch.setattr(watching, "find", find)
    harm = next(one for one in versions.everything() if one.rule.code == "high_spend")
    for one in (rule, harm):
        trials.ask(one.id, days=90, actor=officer())
    assert rule_trials.run() is True
    assert second == [False]
    assert newest(harm).state == "waiting"
    assert rule_trials.run() is True
    assert newest(harm).state == "done"


def test_a_broker_that_is_away_loses_nothing(rule, monkeypatch):
    def away(**_):
        raise OperationalError("nobody there")

    monkeypatch.setattr(tasks.try_rules, "apply_async", away)
    client = staff_client(Role.COMPLIANCE)
    assert client.post(f"{page_of(rule)}backtest/").status_code == 302
    assert newest(rule).state == "waiting"
    tasks.try_rules()
    assert newest(rule).state == "done"
