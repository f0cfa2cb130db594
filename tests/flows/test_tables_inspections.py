"""No table opens, and no round, without an inspection that holds, or with other rules than ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from kernel.ids import Actor
from kernel.refusal import Refused
from tables.models import Incident, Round, Table
from tables.opening import facts as opening_facts
from tables.opening import inspections, published_rules
from tables.play import suspension
from tables.presenters import presenters
from tables.presenters.models import Authorisation, Equipment, Inspection, PublishedRules
from tables.rules import roulette
from tests import house
from tests.flows.staff_steps import make_staff, staff_client

pytestmark = pytest.mark.usefixtures("database")


def reasons(pit: house.Pit) -> list[str]:
    pit.table.refresh_from_db()
    return [one.code.value for one in opening_facts.reasons(pit.table, database_now())]


def refusal(act, *args, **words) -> str:
    with pytest.raises(Refused) as refused:
        act(*args, **words)
    return str(refused.value.code)


@pytest.mark.feature("F27")
def test_a_table_that_nobody_inspected_does_not_open():
    pit = house.pit(inspected=False, opened=False)
    assert refusal(suspension.open_table, "alexandria", actor=house.TESTER) == "not_inspected"
    assert Table.objects.get().status == "closed"
    assert not AuditEvent.objects.filter(kind="table.opened").exists()
    house.inspect("alexandria")
    suspension.open_table("alexandria", actor=house.TESTER)
    pit.open_round()
    assert Round.objects.count() == 1


@pytest.mark.feature("F77")
def test_the_acts_themselves_refuse_who_may_not_inspect_register_or_publish():
    house.pit()
    piece = Equipment.objects.first()
    answers = {}
    counted = Equipment.objects.count(), Inspection.objects.count()
    for actor in (Actor.staff(make_staff(Role.FINANCE).pk), Actor.staff(999_999)):
        for act in (
            partial(inspections.inspect, "alexandria", answers, note="", key="k"),
            partial(inspections.register, "alexandria", kind="ball", serial="B-9"),
            partial(inspections.retire, piece.id, reason="x"),
            partial(published_rules.publish, "european-la-partage"),
            partial(presenters.revoke, Authorisation.objects.first().id, reason="x"),
        ):
            assert refusal(act, actor=actor) == "not_allowed"
    assert (Equipment.objects.count(), Inspection.objects.count()) == counted
    assert not Equipment.objects.exclude(retired_at=None).exists()
    assert not PublishedRules.objects.filter(ruleset="european-la-partage").exists()
    assert not Authorisation.objects.exclude(revoked_at=None).exists()


@pytest.mark.feature("F27")
def test_a_failed_inspection_lets_the_round_conclude_and_opens_no_other():
    pit = house.pit()
    pit.open_round()
    made = house.inspect("alexandria", not_ok="rotor", note="rotor brushes the rim")
    assert (made.passed, made.note) == (False, "rotor brushes the rim")
    assert pit.play(17).phase == "settled"
    assert (Round.objects.count(), reasons(pit)) == (1, ["inspection_failed"])
    told = AuditEvent.objects.filter(kind="table.inspected").order_by("-at")[0]
    assert told.after["not_ok"] == ["alexandria-wheel-1: rotor"]
    house.inspect("alexandria")
    pit.open_round()
    assert pit.round().number == 2


@pytest.mark.feature("F27")
def test_an_inspection_holds_for_its_gaming_day_alone(owner):
    pit = house.pit()
    owner.execute("ALTER TABLE tables_inspection DISABLE TRIGGER tables_inspection_no_change")
    owner.execute("UPDATE tables_inspection SET valid_until = clock_timestamp()")
    pit.wheel_state(2)
    pit.step()
    assert (Round.objects.count(), reasons(pit)) == (0, ["not_inspected"])


def test_a_gaming_day_ends_at_the_jurisdictions_midnight(settings):
    settings.FARO_JURISDICTIONS = ["DK"]
    day, ends_at = inspections.gaming_day(datetime(2026, 11, 26, 23, 30, tzinfo=UTC))
    assert (day.isoformat(), ends_at) == ("2026-11-27", datetime(2026, 11, 27, 23, tzinfo=UTC))


@pytest.mark.feature("F27")
def test_equipment_that_came_after_the_inspection_waits_for_another():
    pit = house.pit()
    pit.heartbeat()
    old = Equipment.objects.get(kind="ball")
    inspections.register("alexandria", kind="ball", serial="B-2", actor=house.TESTER)
    assert reasons(pit) == ["equipment_changed"]
    inspections.retire(old.id, reason="scratched", actor=house.TESTER)
    house.inspect("alexandria")
    assert reasons(pit) == []
    inspections.retire(Equipment.objects.get(serial="B-2").id, reason="lost", actor=house.TESTER)
    pieces = {
        (piece.id, check.code): True
        for piece in inspections.in_service("alexandria")
        for check in inspections.CHECKS[piece.kind]
    }
    refused = refusal(
        inspections.inspect, "alexandria", pieces, note="", key="k", actor=house.TESTER
    )
    assert refused == "equipment_missing"
    assert reasons(pit) == ["equipment_changed"]


@pytest.mark.feature("F27")
def test_an_inspection_answers_every_check_once():
    house.pit(inspected=False, opened=False)
    answers = {
        (piece.id, check.code): check.code != "level"
        for piece in inspections.in_service("alexandria")
        for check in inspections.CHECKS[piece.kind]
    }
    words = {"note": "", "key": "k-1", "actor": house.TESTER}
    assert refusal(inspections.inspect, "alexandria", answers, **words) == "note_missing"
    missing = dict(list(answers.items())[1:])
    assert refusal(inspections.inspect, "alexandria", missing, **words) == "check_missing"
    assert not Inspection.objects.exists()
    words["note"] = "bearing"
    first = inspections.inspect("alexandria", answers, **words)
    assert inspections.inspect("alexandria", answers, **words) == first  # a form sent twice
    other = answers | dict.fromkeys(answers, True)
    assert refusal(inspections.inspect, "alexandria", other, **words) == "key_conflict"
    assert Inspection.objects.count() == 1


def test_inspections_are_not_rewritten(owner):
    house.pit()
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("UPDATE tables_inspection SET passed = false")
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("DELETE FROM tables_publishedrules")
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("UPDATE tables_equipment SET serial = 'other'")


@pytest.mark.feature("F27")
def test_a_pit_boss_inspects_from_form_to_round():
    pit = house.pit(inspected=False, opened=False)
    boss = staff_client(Role.PIT_BOSS)
    page = boss.get("/staff/inspections/alexandria/").content.decode()
    assert "Never inspected: no round opens." in page
    fields = {
        f"{piece.id}:{check.code}": "ok"
        for piece in inspections.in_service("alexandria")
        for check in inspections.CHECKS[piece.kind]
    }
    failed = fields | {next(iter(fields)): "not", "key": "form-1"}
    refused = boss.post("/staff/inspections/alexandria/", failed)
    assert (refused.status_code, "note_missing" in refused.content.decode()) == (409, True)
    passed = boss.post("/staff/inspections/alexandria/", fields | {"key": "form-2"}, follow=True)
    assert "may be played today" in passed.content.decode()
    suspension.open_table("alexandria", actor=house.TESTER)
    pit.open_round()
    assert Inspection.objects.get().inspected_by.startswith("staff:")
    for role in (Role.PRESENTER, Role.SUPPORT, Role.FINANCE, Role.AUDITOR):
        assert staff_client(role).get("/staff/inspections/alexandria/").status_code == 403


@pytest.fixture
def engine(monkeypatch):
    """An engine that pays other than what was published, from now on."""

    def change(returns: str) -> None:
        monkeypatch.setattr(published_rules, "_lately", {})
        monkeypatch.setattr(published_rules, "SHOWN_FOR_MS", 0)
        real = roulette.description

        def described(ruleset):
            return real(ruleset) | {"house": returns}

        module = import_module("tables.rules.roulette.paytable")
        monkeypatch.setattr(module, "description", described)
        roulette.rules_hash.cache_clear()

    yield change
    monkeypatch.undo()
    roulette.rules_hash.cache_clear()


@pytest.fixture
def edited_template(monkeypatch, settings, tmp_path):
    """The rules card with another sentence in it, as somebody might edit the file."""

    def edit(old: str, new: str) -> None:
        from django.template.loader import get_template

        monkeypatch.setattr(published_rules, "_lately", {})
        monkeypatch.setattr(published_rules, "SHOWN_FOR_MS", 0)
        name = "tables/parts/rules_card.html"
        text = Path(get_template(name).origin.name).read_text()
        assert old in text
        target = tmp_path / name
        target.parent.mkdir(parents=True)
        target.write_text(text.replace(old, new))
        templates = [dict(settings.TEMPLATES[0]), *settings.TEMPLATES[1:]]
        templates[0]["DIRS"] = [tmp_path, *templates[0]["DIRS"]]
        settings.TEMPLATES = templates

    return edit


@pytest.mark.feature("F41")
def test_a_table_whose_rules_nobody_published_does_not_open():
    house.pit(published=False, opened=False)
    refused = refusal(suspension.open_table, "alexandria", actor=house.TESTER)
    assert refused == "rules_not_published"
    assert Table.objects.get().status == "closed"


@pytest.mark.feature("F41")
def test_an_edited_rules_page_opens_no_table(edited_template):
    house.pit(opened=False)
    edited_template("{{ row.pays }}", "36:1")
    refused = refusal(suspension.open_table, "alexandria", actor=house.TESTER)
    assert refused == "rules_differ"
    assert Table.objects.get().status == "closed"
    assert not AuditEvent.objects.filter(kind="table.opened").exists()


@pytest.mark.feature("F41")
def test_an_edited_rules_page_stops_the_table_before_its_next_round(edited_template):
    pit = house.pit()
    pit.open_round()
    edited_template("{{ row.pays }}", "36:1")
    played = pit.play(17)
    assert (played.phase, Round.objects.count()) == ("settled", 1)
    assert Table.objects.get().status == "suspended"
    incident = Incident.objects.get()
    assert (incident.fault, incident.round_id) == ("rules_differ", None)
    hashes = PublishedRules.objects.get().shown_hash, published_rules.compared("european").shown_now
    assert incident.detail == f"published {hashes[0]}, shown {hashes[1]}"
    published_rules.publish("european", actor=house.TESTER)  # somebody has looked, and stands by it
    assert opening_facts.reasons_of_the_table(pit.table, database_now()) == ()


@pytest.mark.feature("F41")
def test_another_engine_stops_the_table(engine):
    pit = house.pit()
    pit.open_round()
    before = PublishedRules.objects.get().engine_hash
    engine("keeps more")
    pit.table.refresh_from_db()
    reason = opening_facts.reasons_of_the_table(pit.table, database_now())[0]
    assert (reason.code.value, reason.data["published"]) == ("rules_differ", before)
    assert reason.data["engine"] != before


@pytest.mark.feature("F41")
def test_an_edited_record_of_what_was_published_opens_no_round(owner):
    pit = house.pit()
    owner.execute(
        "ALTER TABLE tables_publishedrules DISABLE TRIGGER tables_publishedrules_no_change"
    )
    owner.execute(
        "UPDATE tables_publishedrules SET shown = jsonb_set(shown, '{en}', '\"Zero pays double.\"')"
    )
    pit.wheel_state(2)
    pit.step()
    assert not Round.objects.exists()
    assert Incident.objects.get().fault == "rules_differ"


@pytest.mark.feature("F41")
def test_publishing_is_audited_and_the_same_again_changes_nothing():
    first = published_rules.publish("european", actor=house.TESTER)
    assert published_rules.publish("european", actor=house.TESTER) == first
    told = AuditEvent.objects.get(kind="rules.published")
    assert told.after == {"engine": first.engine_hash, "shown": first.shown_hash}
    assert first.shown_hash == published_rules.hash_of(first.shown)
    assert sorted(first.shown) == ["de", "en"]
    assert first.engine_hash in first.shown["en"]
    soon = database_now() - timedelta(minutes=5)
    assert first.published_at > soon
