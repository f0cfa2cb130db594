"""The demo's tables can be played at each start, and again on a new gaming day."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command

from audit.database_clock import database_now
from casino.management.commands import demo_floor
from compliance.watching import versions
from compliance.watching.rulebook import Family, load_file
from kernel.ids import Actor
from tables.changes import changes
from tables.changes.models import ChangeKind, ChangeState, SettingChange
from tables.models import Table
from tables.opening import facts as opening_facts
from tables.opening import inspections
from tables.presenters import shifts
from tables.presenters.models import Authorisation, Inspection, Shift
from tests.flows.accounts_steps import audit_kinds

FRAUD_RULES = Path(versions.__file__).parent.parent / "fraud" / "rules.yaml"

pytestmark = pytest.mark.usefixtures("database")


def reasons() -> dict[str, list[str]]:
    now = database_now()
    return {
        table.id: [one.code.value for one in opening_facts.reasons(table, now)]
        for table in Table.objects.all()
    }


@pytest.fixture
def demo(settings, tmp_path):
    settings.STATE_DIR = tmp_path
    call_command("demo_data")
    return lambda: call_command("demo_data")


def test_each_start_of_the_demo_leaves_tables_that_wait_for_their_devices_alone(demo):
    assert reasons() == {"alexandria": ["no_device"], "cordouan": ["no_device"]}
    names = Shift.objects.order_by("table_id").values_list("presenter__name", flat=True)
    assert list(names) == ["Marta K.", "Jonas B."]
    kept = Shift.objects.count(), Inspection.objects.count(), Authorisation.objects.count()
    demo()
    assert (
        Shift.objects.count(),
        Inspection.objects.count(),
        Authorisation.objects.count(),
    ) == kept
    person = Shift.objects.get(table_id="alexandria").presenter_id
    shifts.sign_off("alexandria", person, Actor.staff(person))
    assert reasons()["alexandria"] == ["no_device", "no_presenter"]
    demo()
    assert reasons()["alexandria"] == ["no_device"]


def test_the_demo_asks_the_rules_of_payments_from_its_first_payment_on(demo):
    loaded = {version.rule.code for version in versions.running(Family.FRAUD)}
    assert loaded == {rule.code for rule in load_file(FRAUD_RULES)}
    assert {version.is_active for version in versions.running(Family.FRAUD)} == {False}
    demo()
    assert {version.rule.code for version in versions.running(Family.FRAUD)} == loaded


def test_a_presenter_who_went_to_the_other_table_stays_there(demo):
    first, second = Shift.objects.order_by("table_id")
    for shift in (first, second):
        shifts.sign_off(shift.table_id, shift.presenter_id, Actor.staff(shift.presenter_id))
    shifts.sign_on("cordouan", first.presenter_id, Actor.staff(first.presenter_id))
    demo()
    assert shifts.table_of(first.presenter_id) == "cordouan"
    assert reasons()["alexandria"] == ["no_device", "no_presenter"]


def test_papers_that_run_out_soon_are_followed_by_others(demo, owner):
    owner.execute("ALTER TABLE tables_authorisation DISABLE TRIGGER tables_authorisation_fixed")
    owner.execute("UPDATE tables_authorisation SET valid_until = now() + interval '1 day'")
    before = Authorisation.objects.count()
    demo()
    assert Authorisation.objects.count() == 2 * before


def test_the_demos_pit_boss_inspects_when_a_gaming_day_begins(demo, owner):
    owner.execute("ALTER TABLE tables_inspection DISABLE TRIGGER tables_inspection_no_change")
    owner.execute("UPDATE tables_inspection SET valid_until = clock_timestamp()")
    assert reasons()["alexandria"] == ["no_device", "not_inspected"]
    demo_floor._inspect_tables()
    assert reasons()["alexandria"] == ["no_device"]
    newest = inspections.newest("alexandria")
    assert newest.inspected_by.startswith("staff:")


@pytest.mark.parametrize("approved", [False, True])
def test_the_demo_starts_at_another_speed_while_somebodys_proposal_waits(demo, approved):
    pace = changes.current("alexandria", ChangeKind.PACE)
    asked = changes.Wanted("alexandria", ChangeKind.PACE, {**pace, "respins_max": 7})
    waiting = changes.propose(asked, reason="try it", key="k", actor=Actor.system("ann"))
    if approved:  # a round is in play
        decided = {"decided_by": "system:ben", "decided_at": database_now()}
        SettingChange.objects.filter(id=waiting.id).update(state=ChangeState.APPROVED, **decided)
    call_command("demo_data", "--speed", "10")
    waiting.refresh_from_db()
    assert waiting.state == (ChangeState.STALE if approved else ChangeState.REJECTED)
    moved = Table.objects.get(id="alexandria")
    assert (moved.betting_window_ms, moved.respins_max) == (
        pace["betting_window_ms"] // 10,
        pace["respins_max"],
    )
    told = audit_kinds("change.")
    assert told[:2] == ["change.proposed", "change.stale" if approved else "change.rejected"]
    changes.propose(asked, reason="again", key="k2", actor=Actor.system("ann"))
