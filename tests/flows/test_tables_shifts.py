"""Who may open a round: presenters' papers, shifts, and the round that remembers its presenter."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from accounts import appointments
from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tables.models import Round
from tables.opening import facts as opening_facts
from tables.presenters import presenters, shifts
from tables.presenters.models import Authorisation, Shift
from tests import house
from tests.flows.staff_steps import also, employ

pytestmark = pytest.mark.usefixtures("database")

REST = {"intermission_ms": 0}


def reasons(pit: house.Pit) -> list[str]:
    pit.table.refresh_from_db()
    return [one.code.value for one in opening_facts.reasons(pit.table, database_now())]


def refusal(act, *args, **words) -> str:
    with pytest.raises(Refused) as refused:
        act(*args, **words)
    return str(refused.value.code)


@pytest.fixture
def expire(owner):
    """Let a presenter's paper have run out, as only time can: the database refuses an edit."""

    def run_out(person: int, kind: str) -> None:
        owner.execute("ALTER TABLE tables_authorisation DISABLE TRIGGER tables_authorisation_fixed")
        owner.execute(
            "UPDATE tables_authorisation SET valid_until = clock_timestamp() - interval '1 second'"
            " WHERE presenter_id = %s AND kind = %s",
            [person, kind],
        )
        owner.execute("ALTER TABLE tables_authorisation ENABLE TRIGGER tables_authorisation_fixed")

    return run_out


@pytest.mark.feature("F22")
@pytest.mark.parametrize(
    ("held", "code"),
    [
        ((), "licence_missing"),
        (("training", "game"), "licence_missing"),
        (("licence", "game"), "training_missing"),
        (("licence", "training"), "game_not_authorised"),
    ],
)
def test_a_presenter_who_lacks_a_paper_is_not_signed_on(held, code):
    pit = house.pit(presented=False)
    person = house.presenter(papers=held)
    assert refusal(shifts.sign_on, "alexandria", person, Actor.staff(person)) == code
    assert not Shift.objects.exists()
    pit.wheel_state(2)
    pit.step()
    assert not Round.objects.exists()
    assert reasons(pit) == ["no_presenter"]


@pytest.mark.feature("F22")
def test_training_for_another_game_is_no_training_for_this_one():
    house.pit(presented=False)
    house.pit("aces", presented=False, game="baccarat")
    person = house.presenter(papers=("licence", "game"))
    house.authorise(person, "training", game="baccarat")
    refused = refusal(shifts.sign_on, "alexandria", person, Actor.staff(person))
    assert refused == "training_missing"


@pytest.mark.feature("F22")
@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("licence", "licence_expired"),
        ("training", "training_expired"),
        ("game", "game_authorisation_expired"),
    ],
)
def test_a_paper_that_has_run_out_signs_nobody_on(kind, code, expire):
    house.pit(presented=False)
    person = house.presenter()
    expire(person, kind)
    assert refusal(shifts.sign_on, "alexandria", person, Actor.staff(person)) == code
    assert not Shift.objects.exists()


@pytest.mark.feature("F22")
def test_a_licence_that_runs_out_during_the_shift_lets_the_round_conclude_and_opens_no_other(
    expire,
):
    pit, anna = house.pit(), house.player(balance_minor=10_000)
    pit.open_round()
    expire(pit.presenter, "licence")
    played = pit.play(17)
    assert (played.phase, played.result) == ("settled", 17)
    assert Round.objects.count() == 1
    assert reasons(pit) == ["licence_expired"]
    assert house.balance(anna) == 10_000
    house.authorise(pit.presenter, "licence")
    pit.open_round()
    assert pit.round().number == 2


@pytest.mark.feature("F22")
def test_a_revoked_authorisation_opens_no_further_round():
    pit = house.pit()
    pit.open_round()
    paper = Authorisation.objects.get(presenter_id=pit.presenter, kind="game")
    presenters.revoke(paper.id, reason="complaint upheld", actor=house.TESTER)
    pit.play(3)
    assert Round.objects.count() == 1
    assert reasons(pit) == ["game_not_authorised"]
    assert AuditEvent.objects.get(kind="presenter.revoked").reason == "complaint upheld"


@pytest.mark.feature("F22")
def test_a_presenter_who_was_dismissed_opens_no_further_round():
    pit = house.pit()
    pit.open_round()
    User.objects.filter(pk=pit.presenter).update(is_active=False)
    pit.play(3)
    assert Round.objects.count() == 1
    assert reasons(pit) == ["no_presenter"]


@pytest.mark.feature("F22", "F26")
def test_a_presenter_whose_role_was_taken_blocks_no_table():
    pit = house.pit()
    pit.open_round()
    boss = house.TESTER
    appointments.dismiss(pit.presenter, Role.PRESENTER, reason="Left us.", actor=boss)
    assert reasons(pit)[-1] == "not_a_presenter"
    pit.play(3)
    assert (Round.objects.count(), reasons(pit)) == (1, ["no_presenter"])
    shift = Shift.objects.get()
    assert (shift.ended_at is not None, shift.ended_by) == (True, "system:runner")
    told = AuditEvent.objects.get(kind="shift.ended")
    assert (told.actor_kind, told.reason) == ("system", "not_a_presenter")
    assert (told.before, told.after["ended"]) == ({"ended": False}, True)
    second = house.presenter()
    shifts.sign_on("alexandria", second, Actor.staff(second))
    pit.open_round()
    assert shifts.presenter_of(pit.round().id) == second


@pytest.mark.feature("F26")
def test_a_colleague_takes_the_place_of_a_dismissed_one_though_nobody_runs_the_table():
    pit = house.pit()
    appointments.dismiss(pit.presenter, Role.PRESENTER, reason="Left us.", actor=house.TESTER)
    second = house.presenter()
    shifts.sign_on("alexandria", second, Actor.staff(second))
    assert list(Shift.objects.filter(ended_at=None).values_list("presenter", flat=True)) == [second]
    assert Shift.objects.get(presenter=pit.presenter).ended_by == "system:runner"


@pytest.mark.feature("F26")
def test_who_relieved_a_presenter_during_a_round_is_who_ended_the_shift():
    pit, boss = house.pit(), Actor.staff(7)
    employ(boss, Role.PIT_BOSS)
    pit.open_round()
    shift = shifts.sign_off("alexandria", pit.presenter, boss)
    assert (shift.ended_at, shift.leaving_by) == (None, "staff:7")
    pit.play(3)
    shift.refresh_from_db()
    assert (shift.ended_at is not None, shift.ended_by) == (True, "staff:7")
    told = AuditEvent.objects.get(kind="shift.ended")
    assert (told.actor_kind, told.actor_id) == ("staff", "7")
    leaving = AuditEvent.objects.get(kind="shift.leaving")
    assert (leaving.before, leaving.after["leaving"]) == ({"leaving": False}, True)


@pytest.mark.feature("F26", "F77")
def test_nobody_ends_the_shift_of_another_without_the_right_to_relieve():
    pit, stranger, colleague = house.pit(), Actor.staff(7), house.presenter()
    employ(stranger, Role.COMPLIANCE)
    for actor in (stranger, Actor.staff(colleague), Actor.staff(999_999)):
        assert refusal(shifts.sign_off, "alexandria", pit.presenter, actor) == "not_allowed"
    assert Shift.objects.get().ended_at is None
    shifts.sign_off("alexandria", pit.presenter, Actor.staff(pit.presenter))
    assert Shift.objects.get().ended_by == f"staff:{pit.presenter}"


@pytest.mark.feature("F22")
def test_nobody_records_a_paper_of_their_own_and_the_database_holds_it(owner):
    person = house.presenter(papers=())
    now = database_now()
    wanted = presenters.Wanted("licence", "", "L-1", now, now + timedelta(days=1))
    own = Actor.staff(person)
    assert refusal(presenters.authorise, person, wanted, actor=own) == "not_allowed"
    also(person, Role.COMPLIANCE)
    assert refusal(presenters.authorise, person, wanted, actor=own) == "not_by_oneself"
    with pytest.raises(psycopg.errors.CheckViolation, match="authorisation_by_another"):
        owner.execute(
            "INSERT INTO tables_authorisation (id, presenter_id, kind, game, number, valid_from,"
            " valid_until, granted_at, granted_by, revoked_by, revoked_because) VALUES"
            " (%s, %s, 'licence', '', 'L-1', now(), now() + interval '1 day', now(), %s, '', '')",
            [new_id(), person, f"staff:{person}"],
        )
    assert not Authorisation.objects.exists()


def test_papers_are_never_edited_and_revoked_for_good(owner):
    person = house.presenter(papers=("licence",))
    paper = Authorisation.objects.get(presenter_id=person)
    later = paper.valid_until + timedelta(days=365)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        Authorisation.objects.update(valid_until=later)
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("UPDATE tables_authorisation SET valid_until = %s", [later])
    presenters.revoke(paper.id, reason="lost", actor=house.TESTER)
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("UPDATE tables_authorisation SET revoked_at = NULL")
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("DELETE FROM tables_authorisation")
    paper.refresh_from_db()
    assert (paper.revoked_because, paper.valid_until < later) == ("lost", True)


@pytest.mark.feature("F22", "F27")
def test_the_database_itself_refuses_a_round_without_presenter_paper_or_inspection(owner, expire):
    pit = house.pit(presented=False)

    def insert(shift_id) -> None:
        owner.execute(
            "INSERT INTO tables_round (id, table_id, number, phase, phase_at, ruleset, rules_hash,"
            " opened_at, closes_at, evidence_after, respins, result_sources, void_reason, version,"
            " shift_id) VALUES (%s, 'alexandria', 1, 'betting_open', now(), 'european', '', now(),"
            " now(), 0, 0, '[]', '', 1, %s)",
            [new_id(), shift_id],
        )

    with pytest.raises(psycopg.errors.CheckViolation, match="nobody is on shift"):
        insert(None)
    person = house.presenter()
    shift = shifts.sign_on("alexandria", person, Actor.staff(person))
    expire(person, "training")
    with pytest.raises(psycopg.errors.CheckViolation, match="no valid training"):
        insert(shift.id)
    house.authorise(person, "training")
    house.inspect("alexandria", not_ok="rotor")
    with pytest.raises(psycopg.errors.CheckViolation, match="not inspected today"):
        insert(shift.id)
    assert not Round.objects.exists()
    house.inspect("alexandria")
    pit.open_round()
    with pytest.raises(psycopg.errors.RestrictViolation, match="does not change"):
        owner.execute("UPDATE tables_round SET shift_id = NULL")


@pytest.mark.feature("F26")
def test_a_table_has_one_presenter_and_a_presenter_one_table():
    pit = house.pit()
    house.pit("cordouan", presented=False)
    second = house.presenter()
    assert refusal(shifts.sign_on, "alexandria", second, Actor.staff(second)) == "table_taken"
    first = pit.presenter
    elsewhere = refusal(shifts.sign_on, "cordouan", first, Actor.staff(first))
    assert elsewhere == "presenter_elsewhere"
    assert list(Shift.objects.values_list("table_id", "presenter_id")) == [("alexandria", first)]
    again = shifts.sign_on("alexandria", first, Actor.staff(first))
    assert again == Shift.objects.get()  # repeating it is no second shift


@pytest.mark.feature("F26")
def test_the_database_holds_one_presenter_per_table_and_one_table_per_presenter():
    pit = house.pit()
    house.pit("cordouan", presented=False)
    now, other = database_now(), house.presenter()
    for table, person, name in (
        ("alexandria", other, "shift_one_per_table"),
        ("cordouan", pit.presenter, "shift_one_per_presenter"),
    ):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Shift.objects.create(
                id=new_id(), table_id=table, presenter_id=person, began_at=now, began_by="test"
            )
    assert Shift.objects.count() == 1


@pytest.mark.feature("F26")
def test_presenters_change_between_rounds_and_each_round_knows_its_own():
    pit = house.pit()
    pit.open_round()
    second = house.presenter()
    leaving = shifts.sign_off("alexandria", pit.presenter, Actor.staff(pit.presenter))
    assert (leaving.ended_at, leaving.leaving_at is not None) == (None, True)
    assert refusal(shifts.sign_on, "alexandria", second, Actor.staff(second)) == "table_taken"
    own = refusal(shifts.sign_on, "alexandria", pit.presenter, Actor.staff(pit.presenter))
    assert own == "shift_ending"
    pit.play(17)
    assert (Round.objects.count(), reasons(pit)) == (1, ["no_presenter"])
    shifts.sign_on("alexandria", second, Actor.staff(second))
    pit.open_round()
    pit.play(3)
    first_round, second_round = Round.objects.filter(number__lte=2).order_by("number")
    assert shifts.presenter_of(first_round.id) == pit.presenter
    assert shifts.presenter_of(second_round.id) == second
    log = AuditEvent.objects.filter(kind__startswith="shift.").order_by("at")
    assert [(one.kind, one.after["presenter"]) for one in log] == [
        ("shift.began", pit.presenter),
        ("shift.leaving", pit.presenter),
        ("shift.ended", pit.presenter),
        ("shift.began", second),
    ]


@pytest.mark.feature("F26")
def test_a_shift_is_begun_by_oneself_and_a_pit_boss_may_end_it():
    pit = house.pit(presented=False)
    person, boss = house.presenter(), Actor.staff(7)
    employ(boss, Role.PIT_BOSS)
    assert refusal(shifts.sign_on, "alexandria", person, boss) == "not_oneself"
    shifts.sign_on("alexandria", person, Actor.staff(person))
    assert shifts.sign_off("alexandria", person, boss).ended_by == "staff:7"
    assert refusal(shifts.sign_off, "alexandria", person, boss) == "not_on_shift"
    assert refusal(shifts.sign_on, "nowhere", person, Actor.staff(person)) == "unknown_table"
    assert reasons(pit) == ["device_silent", "device_silent", "no_presenter"]


def test_a_shift_that_ended_is_not_edited(owner):
    pit = house.pit()
    shifts.sign_off("alexandria", pit.presenter, house.TESTER)
    with pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("UPDATE tables_shift SET ended_at = NULL")
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        Shift.objects.update(presenter_id=1)
    with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic():
        Shift.objects.all().delete()
