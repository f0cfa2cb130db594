"""An account that officers took for an excluded person's is freed by two, and no other way."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import psycopg
import pytest
from django.db import transaction

from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from compliance import exclusion, gate
from compliance.jurisdictions import known_codes, profile
from compliance.models import Standing
from compliance.own_register import lifting, likenesses
from compliance.own_register.lifting import LiftCode
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from notices import delivery
from notices.models import Notice
from tests.flows.screening_steps import named
from tests.flows.staff_steps import make_staff, officer, staff_client
from tests.flows.term_steps import term_ends

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F102")]
BORN = date(1985, 3, 12)
DESK = "/admin/exclusions/"


class Mistake(NamedTuple):
    """An excluded player, and another one whom an officer took for the same person."""

    excluded: PlayerId
    taken: PlayerId
    likeness: likenesses.Waiting


def exclude(player: PlayerId, days: int = 400) -> None:
    until = database_now() + timedelta(days=days)
    exclusion.self_exclude(player, until=until, actor=Actor.player(player), reason="enough")


@pytest.fixture
def mistake() -> Mistake:
    excluded = named("Jürgen Müller", BORN)
    taken = named("Jörgen Möller", BORN)
    exclude(excluded)
    [waiting] = likenesses.waiting()
    exclusion.decide_likeness(waiting.id, is_same=True, reason="the same street", actor=officer())
    return Mistake(excluded, taken, waiting)


def answer(player: PlayerId, purpose=gate.Purpose.BET) -> str | None:
    with transaction.atomic():
        [one] = gate.decide(
            [gate.GateRequest(new_id(), player, purpose, Money(100, "EUR"))], now=database_now()
        )
    return None if one.code is None else one.code.value


def refusal(act, *args, **fields) -> str:
    with pytest.raises(Refused) as refused:
        act(*args, **fields)
    return str(refused.value.code)


def propose(mistake: Mistake, actor: Actor) -> lifting.Lift:
    return lifting.propose(mistake.likeness.id, reason="two passports", actor=actor)


def test_one_proposes_another_agrees_and_only_then_is_the_account_free(mistake):
    one, two = officer(), officer()
    assert answer(mistake.taken) == "excluded"
    lift = propose(mistake, one)
    assert answer(mistake.taken) == "excluded"
    assert refusal(lifting.agree, lift.id, reason="yes", actor=one) == LiftCode.SAME_PERSON
    assert answer(mistake.taken) == "excluded"
    assert Notice.objects.filter(kind="exclusion_lifted").count() == 0
    done = lifting.agree(lift.id, reason="seen both passports", actor=two)
    assert (done.is_lifted, done.proposed_by, done.decided_by) == (True, int(one.id), int(two.id))
    assert answer(mistake.taken) is None
    assert answer(mistake.excluded) == "excluded"
    assert answer(mistake.taken, gate.Purpose.MARKETING) is None
    [told] = Notice.objects.filter(kind="exclusion_lifted")
    assert told.person_id == mistake.taken
    for part in ("body.txt", "body.html"):  # nothing of anybody else's exclusion
        text = delivery.render(told.kind, part, told.context)
        assert "We had excluded your account by mistake." in text
        assert "somebody else" not in text
    kinds = AuditEvent.objects.filter(kind__startswith="register.").order_by("id")
    assert list(kinds.values_list("kind", flat=True))[-2:] == [
        "register.lift_proposed",
        "register.exclusion_lifted",
    ]


def test_from_then_on_the_two_are_two_people(mistake):
    lift = propose(mistake, officer())
    lifting.agree(lift.id, reason="two passports", actor=officer())
    assert exclusion.compare_with_all() == 0
    assert answer(mistake.taken) is None
    exclude(mistake.excluded, 900)
    assert answer(mistake.taken) is None
    exclude(mistake.taken)
    assert answer(mistake.taken) == "excluded"
    ends = Standing.objects.get(pk=mistake.excluded).excluded_until
    exclusion.compare_with_all()
    assert Standing.objects.get(pk=mistake.excluded).excluded_until == ends


@pytest.mark.parametrize("by", ["player", "officer"])
def test_an_exclusion_of_their_own_is_never_lifted_whenever_it_began(mistake, by):
    one, two = officer(), officer()
    lift = propose(mistake, one)
    if by == "player":
        exclude(mistake.taken)
    else:
        until = database_now() + timedelta(days=500)
        exclusion.exclude_by_officer(mistake.taken, until=until, actor=one, reason="harm seen")
    ends = Standing.objects.get(pk=mistake.taken).excluded_until
    assert refusal(lifting.agree, lift.id, reason="yes", actor=two) == LiftCode.OWN_EXCLUSION
    assert Standing.objects.get(pk=mistake.taken).excluded_until == ends
    lifting.give_back(lift.id, reason="their own", actor=two)
    assert refusal(propose, mistake, one) == LiftCode.OWN_EXCLUSION
    assert answer(mistake.taken) == "excluded"


def test_whoever_is_another_excluded_persons_too_stays_excluded(mistake):
    third = named("Jörgen Möller", BORN)  # the same words and birth as the account
    exclude(third)
    assert refusal(propose, mistake, officer()) == LiftCode.STILL_SAME


def taken_for_both() -> tuple[PlayerId, PlayerId, PlayerId, list[likenesses.Waiting]]:
    """One excluded person's two accounts, and another account that was taken for both."""
    first, second = named("Jürgen Müller", BORN), named("Müller Jürgen", BORN)
    taken = named("Jörgen Möller", BORN)
    exclude(first)
    exclude(second, 401)
    waiting = likenesses.waiting()
    assert {one.player_id for one in waiting} == {taken}
    for one in waiting:
        exclusion.decide_likeness(one.id, is_same=True, reason="the same street", actor=officer())
    return first, second, taken, waiting


def test_who_was_taken_for_two_accounts_of_one_person_is_freed_of_both_in_one_act():
    first, second, taken, waiting = taken_for_both()
    assert {one.excluded_id for one in waiting} == {first, second}
    lift = lifting.propose(waiting[0].id, reason="two passports", actor=officer())
    assert refusal(lifting.propose, waiting[1].id, reason="x", actor=officer()) == LiftCode.WAITS
    other = next(one for one in lifting.of([waiting[1].id]) if one.decided_at is None)
    done = lifting.agree(other.id, reason="seen both", actor=officer())
    assert done.is_lifted
    assert lifting.of([lift.likeness_id])[0].is_lifted
    assert answer(taken) is None
    assert exclusion.compare_with_all() == 0
    assert answer(taken) is None
    assert (answer(first), answer(second)) == ("excluded", "excluded")
    assert Notice.objects.filter(kind="exclusion_lifted").count() == 1


def test_what_was_proposed_for_both_is_given_back_for_both():
    *_, taken, waiting = taken_for_both()
    lift = lifting.propose(waiting[0].id, reason="two passports", actor=officer())
    lifting.give_back(lift.id, reason="no passports", actor=officer())
    found = lifting.of([one.id for one in waiting])
    assert [one.is_lifted for one in found] == [False, False]
    assert answer(taken) == "excluded"


@pytest.mark.parametrize("days", [None, 401])
def test_a_lift_counts_for_the_excluded_persons_other_accounts_too(mistake, days):
    second = named("Müller Jürgen", BORN)
    if days is None:
        assert exclusion.compare_with_all() >= 1
    lift = propose(mistake, officer())
    if days is not None:
        exclude(second, days)
    assert answer(second) == "excluded"
    lifting.agree(lift.id, reason="two passports", actor=officer())
    exclusion.compare_with_all()
    assert answer(mistake.taken) is None  # neither excluded nor under review


def test_whoever_was_excluded_for_being_like_the_account_does_not_hold_it(mistake):
    late = named("Möller Jörgen", BORN)  # the account's own words
    assert exclusion.compare_with_all() >= 1
    assert answer(late) == "excluded"
    lift = propose(mistake, officer())
    lifting.agree(lift.id, reason="two passports", actor=officer())
    assert answer(mistake.taken) is None
    exclusion.compare_with_all()
    assert answer(mistake.taken) is None
    assert answer(late) == "excluded"  # until they ask: nobody has decided about them
    exclude(late, 900)  # for themselves: that is the account's person, whom it concerns
    assert answer(mistake.taken) == "excluded"


def test_what_is_not_excluded_not_decided_or_not_theirs_to_say_is_refused(mistake):
    one = officer()
    finance = Actor.staff(make_staff(Role.FINANCE, key=None).pk)
    assert refusal(propose, mistake, finance) == "not_allowed"
    assert refusal(propose, mistake, Actor.player(mistake.taken)) == "not_allowed"
    assert refusal(lifting.propose, new_id(), reason="x", actor=one) == "no_such_likeness"
    for empty in ("", "  ", "x" * 2_001):
        said = refusal(lifting.propose, mistake.likeness.id, reason=empty, actor=one)
        assert said == LiftCode.REASON_MISSING
    lift = propose(mistake, one)
    assert refusal(propose, mistake, officer()) == LiftCode.WAITS
    lifting.give_back(lift.id, reason="look again", actor=one)  # a proposal may be taken back
    assert refusal(lifting.agree, lift.id, reason="x", actor=officer()) == LiftCode.NOTHING_WAITS
    again = propose(mistake, one)
    lifting.agree(again.id, reason="two passports", actor=officer())
    assert refusal(propose, mistake, one) == LiftCode.NOT_DECIDED_SAME
    other = named("Jurgen Muller-Schmitt", BORN)
    exclude(mistake.excluded, 950)
    waiting = [row for row in likenesses.waiting() if row.player_id == other]
    for row in waiting:
        assert refusal(lifting.propose, row.id, reason="x", actor=one) == LiftCode.NOT_DECIDED_SAME


def attacked(db: psycopg.Connection, sql: str, *params: object) -> str:
    with pytest.raises(psycopg.Error) as refused:
        db.execute(sql, params)
    return str(refused.value).splitlines()[0]


def test_the_database_itself_lets_nobody_lift_or_shorten_alone(mistake, database, owner):
    one, two = officer(), officer()
    lift = propose(mistake, one)
    support = make_staff(Role.SUPPORT, key=None).pk
    decide = (
        "UPDATE compliance_likeness_lift SET decided_at = clock_timestamp(), decided_by = %s,"
        " is_lifted = true, decided_reason = 'x' WHERE id = %s"
    )
    free = (
        "UPDATE compliance_standing SET excluded_at = NULL, excluded_until = NULL,"
        " exclusion_holds = false WHERE player_id = %s"
    )
    insert = (
        "INSERT INTO compliance_likeness_lift (id, likeness_id, player_id, reason, proposed_by)"
        " VALUES (gen_random_uuid(), %s, %s, 'x', %s)"
    )
    with psycopg.connect(database.app_url, autocommit=True) as db:
        assert "two_people" in attacked(db, decide, int(one.id), lift.id)
        assert "by an officer" in attacked(db, decide, support, lift.id)
        for player in mistake[:2]:
            assert "not shortened" in attacked(db, free, player)
            sooner = "UPDATE compliance_standing SET excluded_until = clock_timestamp()"
            assert "not shortened" in attacked(db, f"{sooner} WHERE player_id = %s", player)
        wrong = (mistake.likeness.id, mistake.excluded, int(one.id))
        assert "officers decided" in attacked(db, insert, *wrong)
        right = (mistake.likeness.id, mistake.taken, support)
        assert "officers decided" in attacked(db, insert, *right)
        assert "permission denied" in attacked(db, "DELETE FROM compliance_likeness_lift")
        assert "permission denied" in attacked(db, "TRUNCATE compliance_likeness_lift")
        swap = "UPDATE compliance_likeness_lift SET player_id = %s"
        assert "permission denied" in attacked(db, swap, mistake.excluded)
    assert "stays" in attacked(owner, "DELETE FROM compliance_likeness_lift")
    lifting.agree(lift.id, reason="two passports", actor=two)
    with psycopg.connect(database.app_url, autocommit=True) as db:
        assert "decided once" in attacked(db, decide, int(two.id), lift.id)
        assert "not shortened" in attacked(db, free, mistake.excluded)
    exclude(mistake.taken)
    with psycopg.connect(database.app_url, autocommit=True) as db:  # an old lift frees nobody anew
        assert "not shortened" in attacked(db, free, mistake.taken)


def test_nobody_is_freed_by_sql_where_an_exclusion_of_their_own_stands(mistake, database):
    lift = propose(mistake, officer())
    exclude(mistake.taken)
    sql = (
        "UPDATE compliance_likeness_lift SET decided_at = clock_timestamp(), decided_by = %s,"
        " is_lifted = true, decided_reason = 'x' WHERE id = %s"
    )
    with psycopg.connect(database.app_url, autocommit=True) as db:
        assert "is not lifted" in attacked(db, sql, int(officer().id), lift.id)


def test_a_standing_is_not_replaced_handed_on_or_half_returned(mistake, database, owner):
    other = named("Ada Borg", date(1990, 1, 1))
    swap = "UPDATE compliance_standing SET player_id = %s WHERE player_id = %s"
    delete = "DELETE FROM compliance_standing WHERE player_id = %s"
    back = (
        "UPDATE compliance_standing SET excluded_at = NULL, exclusion_holds = false,"
        " excluded_until = %s WHERE player_id = %s"
    )
    with psycopg.connect(database.app_url, autocommit=True) as db:
        assert "permission denied" in attacked(db, delete, mistake.excluded)
        assert "permission denied" in attacked(db, "TRUNCATE compliance_standing CASCADE")
        spare = 10**9
        assert "stays" in attacked(db, swap, spare, mistake.excluded)
        assert "stays" in attacked(db, swap, spare, other)
    assert "stays" in attacked(owner, delete, mistake.excluded)
    assert "append_only" in attacked(owner, "TRUNCATE compliance_standing CASCADE")
    over = database_now() - timedelta(days=1)
    term_ends(owner, over, mistake.excluded)
    with psycopg.connect(database.app_url, autocommit=True) as db:
        for until in (None, over, database_now(), database_now() + timedelta(hours=23)):
            assert "not shortened" in attacked(db, back, until, mistake.excluded)
        only = "UPDATE compliance_standing SET exclusion_holds = false WHERE player_id = %s"
        assert "not shortened" in attacked(db, only, mistake.excluded)
    assert answer(mistake.excluded) == "excluded"
    exclusion.come_back(mistake.excluded, actor=Actor.player(mistake.excluded), reason="I am well")
    assert not Standing.objects.get(pk=mistake.excluded).exclusion_holds


def test_no_profile_lets_anybody_return_sooner_than_the_database_does():
    assert len(known_codes()) > 5
    for code in known_codes():
        assert profile(code, database_now().date()).return_delay >= timedelta(hours=24)


def test_a_break_is_not_shortened_by_sql_either(mistake, database):
    player = named("Ada Borg", date(1990, 1, 1))
    until = database_now() + timedelta(hours=24)
    exclusion.cool_off(player, until=until, actor=Actor.player(player), reason="rest")
    with psycopg.connect(database.app_url, autocommit=True) as db:
        sql = "UPDATE compliance_standing SET cool_off_until = %s WHERE player_id = %s"
        for sooner in (None, database_now(), until - timedelta(seconds=1)):
            assert "not shortened" in attacked(db, sql, sooner, player)


def test_two_officers_do_it_at_their_desk(mistake):
    one, two = staff_client(Role.COMPLIANCE), staff_client(Role.COMPLIANCE)
    path = f"{DESK}{mistake.likeness.id}/lift/"
    assert "It was a mistake" in one.get(DESK).content.decode()
    one.post(f"{path}propose/", {"reason": "two passports"})
    own = one.get(DESK).content.decode()
    assert "waits for a second officer" in own
    assert "Lift the exclusion" not in own
    tried = one.post(f"{path}agree/", {"reason": "x"}, follow=True)
    assert "You proposed it: somebody else decides." in tried.content.decode()
    assert answer(mistake.taken) == "excluded"
    queues = two.get("/admin/officers/").context["rows"]
    assert next(row["tally"] for row in queues if row["title"] == "Exclusions to lift").count == 1
    assert "Lift the exclusion" in two.get(DESK).content.decode()
    done = two.post(f"{path}agree/", {"reason": "seen both"}, follow=True)
    assert "may play again" in done.content.decode()
    assert answer(mistake.taken) is None
    assert "It was a mistake" not in two.get(DESK).content.decode()
    assert two.post(f"{path}free/", {"reason": "x"}).status_code == 404
    assert staff_client(Role.SUPPORT).post(f"{path}propose/", {"reason": "x"}).status_code == 403


def test_an_old_decision_is_found_by_its_account_and_its_proposal_by_itself(mistake, monkeypatch):
    monkeypatch.setattr(likenesses, "SHOWN", 1)
    later = named("Jürgen Müler", BORN)
    exclude(mistake.excluded, 950)
    [waiting] = [row for row in likenesses.waiting() if row.player_id == later]
    exclusion.decide_likeness(waiting.id, is_same=False, reason="another", actor=officer())
    path = f"{DESK}{mistake.likeness.id}/lift/"
    one, two = staff_client(Role.COMPLIANCE), staff_client(Role.COMPLIANCE)
    assert path not in one.get(DESK).content.decode()  # beyond what is listed
    assert f"{path}propose/" in one.get(f"{DESK}?player={mistake.taken}").content.decode()
    assert path not in one.get(f"{DESK}?player={later}").content.decode()
    assert one.get(f"{DESK}?player=x").status_code == 200
    one.post(f"{path}propose/", {"reason": "two passports"})
    assert f"{path}agree/" in two.get(DESK).content.decode()
    two.post(f"{path}agree/", {"reason": "seen both"})
    assert answer(mistake.taken) is None
    assert path not in two.get(DESK).content.decode()
