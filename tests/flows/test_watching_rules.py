"""Rules come into force by two people after a backtest, and run in shadow until then."""

import threading
from dataclasses import replace
from importlib import import_module

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections

from accounts.rights import RightsCode
from accounts.roles import Role
from backoffice import watching
from compliance.watching import alerts, casework, versions
from compliance.watching.rulebook import Family, Rule
from compliance.watching.versions import RuleCode
from kernel.ids import Actor, new_id
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from tests import house
from tests.flows.staff_steps import make_staff, officer, staff_client
from tests.flows.watching_steps import (
    a_case,
    activate,
    deposit,
)

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]


def guilty():
    player = house.player()
    for days in (1, 2, 3):
        deposit(player, 190_000, days=days)
    return player


def newest(code="structuring"):
    return next(one for one in versions.everything() if one.rule.code == code)


def refused(act) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return str(caught.value.code)


def counted() -> list[tuple[bool, int]]:
    return [(one.is_shadow, one.player_id) for one in alerts.of_rule(newest().id)]


def test_a_new_version_runs_in_shadow_and_opens_no_case():
    player = guilty()
    watching.run()
    watching.run()  # the same finding is the same alert
    assert newest().state == "shadow"
    assert counted() == [(True, player)]
    assert casework.queue(Family.AML) == []


def test_a_rule_becomes_active_by_another_person_after_a_backtest():
    player = guilty()
    watching.sync()
    one, other, rule_id = officer(), officer(), newest().id
    assert (
        refused(lambda: versions.propose(rule_id, seen=1, reason="Now.", actor=one))
        == RuleCode.NO_BACKTEST
    )
    tested = watching.backtest(rule_id, actor=one, days=30)
    (row,) = tested.result["rows"]
    assert (row["players"], row["sample"], row["only_here"]) == (1, [player], 1)
    assert tested.result["both"] == 0
    versions.propose(rule_id, seen=1, reason="Hits look right.", actor=one)
    for act in (versions.approve, versions.approve):
        assert (
            refused(lambda act=act: act(rule_id, seen=2, reason="Yes.", actor=one))
            == RuleCode.SAME_PERSON
        )
    assert newest().state == "proposed"
    assert versions.approve(rule_id, seen=2, reason="Yes.", actor=other).state == "active"
    watching.run()
    (case,) = casework.queue(Family.AML)
    assert (case.player_id, case.state) == (player, "open")
    assert [one.code for one in alerts.of_case(case.id)] == ["structuring"]


def test_the_next_version_is_compared_with_the_active_one_and_replaces_it(monkeypatch):
    guilty()
    before = activate("structuring")
    changed = Rule(
        **{name: getattr(before.rule, name) for name in Rule.__slots__ if name not in {"params"}},
        params=dict(before.rule.params) | {"count_min": 4},
    )
    monkeypatch.setattr(versions, "load_file", lambda path: [changed])
    watching.sync()
    fresh = newest()
    assert (fresh.state, fresh.sha256 != before.sha256) == ("shadow", True)
    assert {one.id for one in versions.running()} == {fresh.id, before.id} | {
        one.id for one in versions.everything() if one.state == "shadow"
    }
    tested = watching.backtest(fresh.id, actor=officer(), days=30)
    assert [(row["state"], row["players"], row["only_here"]) for row in tested.result["rows"]] == [
        ("shadow", 0, 0),
        ("active", 1, 1),
    ]
    asked = versions.propose(fresh.id, seen=fresh.no, reason="Fewer hits.", actor=officer())
    versions.approve(fresh.id, seen=asked.no, reason="Yes.", actor=officer())
    assert versions.active("structuring").id == fresh.id
    assert versions.find(before.id).state == "retired"


def test_another_sql_is_another_version_and_the_active_one_goes_on_as_it_was_approved(monkeypatch):
    player = guilty()
    before = activate("structuring")
    assert before.rule.statement == watching.STATEMENTS["structuring"]
    assert before.sha256 == before.rule.sha256
    nobody = watching.STATEMENTS["structuring"].replace("count(*) >=", "count(*) > 100 +")
    changed = dict(watching.STATEMENTS) | {"structuring": nobody}
    monkeypatch.setattr(watching, "STATEMENTS", changed)
    assert watching.sync() == ["structuring"]
    assert watching.sync() == []
    fresh = newest()
    assert (fresh.state, fresh.rule.statement) == ("shadow", nobody)
    assert fresh.sha256 != before.sha256
    watching.run()
    assert versions.active("structuring").id == before.id
    assert [one.player_id for one in alerts.of_rule(before.id)] == [player]
    assert alerts.of_rule(fresh.id) == []
    page = staff_client(Role.COMPLIANCE).get(f"/admin/watching/{fresh.id}/").content.decode()
    assert "The SQL that is part of this version" in page
    assert "count(*) &gt; 100 +" in page


def test_a_version_from_before_its_sql_was_kept_runs_as_the_program_does(owner):
    player = guilty()
    before = activate("structuring")
    owner.execute("ALTER TABLE compliance_watch_rule DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE compliance_watch_rule SET body = body - 'statement', sha256 = %s WHERE id = %s",
        [replace(before.rule, statement="").sha256, before.id],
    )
    owner.execute("ALTER TABLE compliance_watch_rule ENABLE TRIGGER USER")
    assert versions.find(before.id).rule.statement == ""
    watching.run()
    assert [one.player_id for one in alerts.of_rule(before.id)] == [player]


def test_a_version_whose_text_is_not_what_two_people_approved_does_not_run(owner):
    guilty()
    before = activate("structuring")
    owner.execute("ALTER TABLE compliance_watch_rule DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE compliance_watch_rule SET body = jsonb_set(body, '{params,count_min}', '1')"
        " WHERE id = %s", [before.id],
    )  # fmt: skip
    owner.execute("ALTER TABLE compliance_watch_rule ENABLE TRIGGER USER")
    assert before.name not in watching.run()
    assert alerts.of_rule(before.id) == []
    assert watching.last_run().failed.keys() == {before.name}
    with pytest.raises(InvariantBroken):
        watching.backtest(before.id, actor=officer(), days=10)


def test_a_step_on_a_page_that_is_out_of_date_or_without_the_right_is_refused():
    watching.sync()
    rule_id = newest().id
    watching.backtest(rule_id, actor=officer(), days=10)
    support = Actor.staff(make_staff(Role.SUPPORT, key=None).pk)
    for actor, seen, code in ((support, 1, RightsCode.NOT_ALLOWED), (officer(), 9, "rule_stale")):
        said = {"seen": seen, "reason": "x", "actor": actor}
        assert refused(lambda said=said: versions.propose(rule_id, **said)) == code
    assert refused(lambda: watching.backtest(rule_id, actor=support)) == RightsCode.NOT_ALLOWED
    assert newest().state == "shadow"


def test_a_proposal_is_returned_and_an_active_rule_is_retired():
    watching.sync()
    rule_id = newest().id
    watching.backtest(rule_id, actor=officer(), days=10)
    versions.propose(rule_id, seen=1, reason="x", actor=officer())
    back = versions.give_back(rule_id, seen=2, reason="Too many.", actor=officer())
    assert back.state == "returned"
    versions.propose(rule_id, seen=3, reason="Again.", actor=officer())
    versions.approve(rule_id, seen=4, reason="Yes.", actor=officer())
    assert refused(lambda: versions.propose(rule_id, seen=5, reason="x", actor=officer())) == (
        "rule_step_not_possible"
    )
    one = officer()
    assert versions.retire(rule_id, seen=5, reason="Broken.", actor=one).state == "retiring"
    assert versions.active("structuring").id == rule_id  # in force until a second one agrees
    assert rule_id in {found.id for found in versions.running() if found.is_active}
    again = {"reason": "Broken.", "actor": one}
    assert refused(lambda: versions.retire(rule_id, seen=6, **again)) == RuleCode.SAME_PERSON
    assert versions.give_back(rule_id, seen=6, reason="It is not.", actor=officer()).is_active
    versions.retire(rule_id, seen=7, **again)
    assert versions.retire(rule_id, seen=8, reason="Yes.", actor=officer()).state == "retired"
    assert versions.active("structuring") is None


def test_a_rule_that_somebody_would_retire_still_opens_cases():
    rule = activate("structuring")
    versions.retire(rule.id, seen=rule.no, reason="Too many.", actor=officer())
    player = guilty()
    watching.run()
    assert [case.player_id for case in casework.queue(Family.AML)] == [player]


def test_the_database_lets_no_rule_retire_alone():
    rule = activate("structuring")
    insert = (
        "INSERT INTO compliance_watch_step (id, rule_id, no, step, by_actor)"
        " VALUES (%s, %s, %s, %s, 'staff:1')"
    )
    with connection.cursor() as cursor:
        with pytest.raises(DatabaseError, match="another person"):
            cursor.execute(insert, [new_id(), rule.id, rule.no + 1, "retired"])
        cursor.execute(insert, [new_id(), rule.id, rule.no + 1, "retiring"])
        with pytest.raises(DatabaseError, match="another person"):
            cursor.execute(insert, [new_id(), rule.id, rule.no + 2, "retired"])
    assert versions.active("structuring").id == rule.id


def test_the_way_back_from_retiring_by_two_brings_the_older_check_of_steps(owner):
    before, after = (
        import_module(f"compliance.migrations.{name}")
        for name in ("0008_watching", "0013_decided_stays")
    )
    owner.execute(after.LOOSENING)
    (body,) = owner.execute(
        "SELECT prosrc FROM pg_proc WHERE proname = 'compliance_watch_step_check'"
    ).fetchone()
    assert "'active' AND last.step = 'proposed'" in body
    assert f"$${body}$$" in before.KEEPING
    rule = activate("structuring")
    with connection.cursor() as cursor:  # one person alone, and no other version: as it was
        cursor.execute(
            "INSERT INTO compliance_watch_step (id, rule_id, no, step, by_actor)"
            " VALUES (%s, %s, %s, 'retired', 'staff:1')",
            [new_id(), rule.id, rule.no + 1],
        )
    assert versions.active("structuring") is None
    owner.execute(after.KEEPING)  # and forward again
    assert versions.find(rule.id).state == "retired"


def test_the_database_lets_no_rule_become_active_alone():
    watching.sync()
    tested = watching.backtest(newest().id, actor=officer(), days=10)
    rows = [
        ("active", "staff:1", None, "this step does not follow"),
        ("proposed", "staff:1", None, "violates check"),  # nobody tried it out
        ("retired", "staff:1", None, "this step does not follow"),
    ]
    insert = (
        "INSERT INTO compliance_watch_step (id, rule_id, no, step, by_actor, backtest_id)"
        " VALUES (%s, %s, %s, %s, %s, %s)"
    )
    with connection.cursor() as cursor:
        for step, by, test, why in rows:
            with pytest.raises(DatabaseError, match=why):
                cursor.execute(insert, [new_id(), newest().id, 2, step, by, test])
        cursor.execute(insert, [new_id(), newest().id, 2, "proposed", "staff:1", tested.id])
        with pytest.raises(DatabaseError, match="another person"):
            cursor.execute(insert, [new_id(), newest().id, 3, "active", "staff:1", None])
    assert newest().state == "proposed"


def test_of_two_officers_who_approve_at_once_one_is_first():
    watching.sync()
    rule_id = newest().id
    watching.backtest(rule_id, actor=officer(), days=10)
    versions.propose(rule_id, seen=1, reason="x", actor=officer())
    ready, answers, people = threading.Barrier(2), [], [officer(), officer()]

    def approve(actor):
        try:
            ready.wait(10)
            answers.append(versions.approve(rule_id, seen=2, reason="Yes.", actor=actor).state)
        except Refused as caught:
            answers.append(str(caught.code))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=approve, args=(one,)) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answers) == ["active", "rule_stale"]
    assert newest().no == 3


def test_a_rule_that_breaks_ends_no_other_and_is_shown_since_when(monkeypatch):
    player, find = guilty(), watching.find

    def broken(rule, now):
        if rule.code == "high_spend":
            raise InvariantBroken("odd")
        return find(rule, now)

    assert watching.last_run() is None
    monkeypatch.setattr(watching, "find", broken)
    watching.run()
    first = watching.last_run()
    watching.run()
    assert counted() == [(True, player)]
    (name,) = watching.last_run().failed
    assert name.startswith("high_spend ")
    assert watching.last_run().failed == {name: first.at}
    assert watching.last_run().at > first.at
    page = staff_client(Role.COMPLIANCE).get("/admin/watching/").content.decode()
    assert f"{name} fails since" in page
    monkeypatch.setattr(watching, "find", find)
    watching.run()
    assert watching.last_run().failed == {}


def test_a_backtest_that_takes_longer_than_its_page_waits_keeps_nothing():
    watching.sync()
    rule_id = newest().id
    tried = {"actor": officer(), "days": 30}
    assert refused(lambda: watching.backtest(rule_id, **tried, budget_ms=-1)) == (
        RuleCode.BACKTEST_TOO_LONG
    )
    assert versions.backtests(rule_id) == []
    assert watching.backtest(rule_id, **tried, budget_ms=60_000).players == 0


def test_history_is_tried_by_command(capsys):
    player = guilty()
    call_command("backtest_rules", "--rule", "structuring", "--days", "30")
    assert "players 1 (only here 1), times" in (said := capsys.readouterr().out)
    assert said.strip().endswith(f": {player}")


def test_a_second_alert_joins_the_case_that_is_open():
    case = a_case()
    activate("high_spend")
    activate("dormant_burst")
    watching.run()
    assert len(casework.queue(Family.AML)) == 1
    assert len(casework.queue(Family.HARM)) == 1
    assert casework.queue(Family.HARM)[0].player_id == case.player_id
