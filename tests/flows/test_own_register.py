"""The excluded person with a new account, and the player excluded in one product in another."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from compliance import exclusion, gate, tasks
from compliance.models import Standing
from compliance.own_register import likenesses
from compliance.own_register.likenesses import LikenessCode
from compliance.queues import Tally
from compliance.sign_up import SignUpCode, register_player
from compliance.standing import read_standings
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from notices import consent, kinds
from notices.models import Channel, Delivery, Notice
from notices.send import notify
from tests.flows.accounts_steps import audit_kinds, keep_mail_here, latest_code, sign_up
from tests.flows.screening_steps import named
from tests.flows.staff_steps import make_staff, officer, staff_client
from tests.flows.term_steps import term_ends

BORN = date(1985, 3, 12)
JURGEN = {"given_name": "Jürgen", "family_name": "Müller", "date_of_birth": "1985-03-12"}


def exclude(player: PlayerId, days: int = 400) -> None:
    exclusion.self_exclude(
        player,
        until=database_now() + timedelta(days=days),
        actor=Actor.player(player),
        reason="enough",
    )


def answer(player: PlayerId, purpose=gate.Purpose.BET, scopes: tuple[str, ...] = ()) -> str | None:
    with transaction.atomic():
        [one] = gate.decide(
            [gate.GateRequest(new_id(), player, purpose, Money(100, "EUR"), scopes)],
            now=database_now(),
        )
    return None if one.code is None else one.code.value


def form_of(response) -> str:
    return json.dumps(response.context["form"].errors)


@pytest.fixture
def excluded(database, settings) -> PlayerId:
    keep_mail_here(settings)
    player = named("Jürgen Müller", BORN)
    exclude(player)
    return player


@pytest.mark.feature("F102")
@pytest.mark.parametrize(
    ("given", "family"),
    [
        ("Jürgen", "Müller"),
        ("Müller", "Jürgen"),
        ("Juergen", "Mueller"),
        ("JURGEN", "MULLER"),
        ("Jürgen Karl", "Müller"),
    ],
)
def test_an_excluded_person_opens_no_new_account_however_they_write_themselves(
    excluded, given, family
):
    before = User.objects.count()
    refused = sign_up(
        Client(),
        **JURGEN | {"email": "new@example.org", "given_name": given, "family_name": family},
    )
    assert refused.status_code == 200
    assert "cannot open this account" in form_of(refused)
    assert "exclu" not in form_of(refused).lower()
    assert User.objects.count() == before
    assert audit_kinds("register.") == ["register.sign_up_refused"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(e)::text FROM audit_event e")
        assert not any("new@example.org" in row[0] for row in cursor.fetchall())


@pytest.mark.feature("F102")
def test_who_is_only_alike_gets_an_account_that_may_not_play_until_an_officer_decides(excluded):
    for number, verdict in enumerate((False, True)):
        client, email = Client(), f"other{number}@example.org"
        told = JURGEN | {"email": email, "given_name": f"Jorgen{'' if verdict else 'a'}"}
        assert sign_up(client, **told).status_code == 302
        client.post("/account/confirm-email/", {"action": "verify", "code": latest_code(email)})
        player = PlayerId(User.objects.get(email=email).pk)
        assert answer(player) == "under_review"
        assert answer(player, gate.Purpose.DEPOSIT) == "under_review"
        assert answer(player, gate.Purpose.WITHDRAWAL) is None
        [waiting] = likenesses.waiting()
        assert (waiting.player_id, waiting.excluded_id) == (player, excluded)
        by = officer()
        for reason, code in (("", LikenessCode.REASON_MISSING),):
            with pytest.raises(Refused) as refused:
                exclusion.decide_likeness(waiting.id, is_same=verdict, reason=reason, actor=by)
            assert refused.value.code is code
        exclusion.decide_likeness(waiting.id, is_same=verdict, reason="seen both", actor=by)
        assert answer(player) == ("excluded" if verdict else None)
        assert answer(player, gate.Purpose.WITHDRAWAL) is None
        with pytest.raises(Refused) as refused:
            exclusion.decide_likeness(waiting.id, is_same=False, reason="again", actor=by)
        assert refused.value.code is LikenessCode.LIKENESS_DECIDED
    with pytest.raises(Refused) as refused:
        exclusion.decide_likeness(
            waiting.id,
            is_same=False,
            reason="no",
            actor=Actor.staff(make_staff(Role.SUPPORT, key=None).pk),
        )
    assert refused.value.code == "not_allowed"


@pytest.mark.feature("F102", "F112")
def test_a_likeness_waits_at_the_officers_desk_and_is_told_of_once_when_late(excluded, monkeypatch):
    named("Jorgen Müller", BORN)
    assert exclusion.compare_with_all() == 1
    [waiting] = likenesses.waiting()
    desk = staff_client(Role.COMPLIANCE)
    [tally] = [
        row["tally"]
        for row in desk.get("/admin/officers/").context["rows"]
        if row["title"] == "Accounts like an excluded person's"
    ]
    assert tally == Tally(1, 0, 0, waiting.due_at)
    tasks.alarm_overdue_cases()
    told = Notice.objects.filter(kind="officers_overdue", context__reference=str(waiting.id))
    assert not told.exists()
    later = database_now() + timedelta(hours=25)
    monkeypatch.setattr(likenesses, "database_now", lambda: later)
    tasks.alarm_overdue_cases()
    tasks.alarm_overdue_cases()
    assert told.count() == 1


def test_what_an_officer_decided_never_changes(excluded, owner):
    sign_up(Client(), **JURGEN | {"email": "o@example.org", "given_name": "Jorgen"})
    [waiting] = likenesses.waiting()
    exclusion.decide_likeness(waiting.id, is_same=False, reason="seen", actor=officer())
    for change in (
        "UPDATE compliance_likeness SET is_same = true",
        "DELETE FROM compliance_likeness",
        "TRUNCATE compliance_likeness",
        "DELETE FROM compliance_register_entry",
    ):
        with pytest.raises(Exception, match=r"decided once|append_only|a foreign key"):
            owner.execute(change)


@pytest.mark.feature("F102")
def test_the_browser_of_an_excluded_person_gives_a_stranger_away(database, settings):
    keep_mail_here(settings)
    client = Client()
    sign_up(client, **JURGEN)
    client.post("/account/confirm-email/", {"action": "verify", "code": latest_code()})
    first = PlayerId(User.objects.get().pk)
    exclude(first)
    told = {"email": "sofia@example.org", "given_name": "Sofia", "family_name": "Rossi"}
    assert sign_up(client, **told).status_code == 302
    second = PlayerId(User.objects.get(email="sofia@example.org").pk)
    [waiting] = likenesses.waiting()
    assert (waiting.player_id, waiting.by_browser, waiting.birth) == (second, True, "other")
    assert answer(second) == "under_review"


@pytest.mark.feature("F102")
def test_other_accounts_of_the_same_person_are_excluded_with_the_first_for_every_product(database):
    first, second = named("Jürgen Müller", BORN), named("Muller Jurgen", BORN)
    alike, stranger = named("Jorgen Müller", BORN), named("Sofia Rossi", BORN)
    exclude(first)
    for scopes in ((), ("game:roulette",), ("table:r1", "provider:faro")):
        assert answer(first, scopes=scopes) == "excluded"
        assert answer(second, scopes=scopes) == "excluded"
        assert answer(alike, scopes=scopes) == "under_review"
        assert answer(stranger, scopes=scopes) is None
    for player in (first, second, alike):
        assert answer(player, gate.Purpose.WITHDRAWAL) is None
        assert answer(player, gate.Purpose.SIGN_IN) is None
    assert (
        Standing.objects.get(pk=second).excluded_until
        == Standing.objects.get(pk=first).excluded_until
    )


@pytest.mark.feature("F102")
@pytest.mark.parametrize("excluded_again", ["first", "second"])
def test_whom_an_officer_called_the_same_person_is_excluded_with_every_later_exclusion(
    database, excluded_again
):
    first, second = named("Jürgen Müller", BORN), named("Jorgen Müller", BORN)
    exclude(first, days=200)
    [waiting] = likenesses.waiting()
    exclusion.decide_likeness(waiting.id, is_same=True, reason="same passport", actor=officer())
    again, other = (first, second) if excluded_again == "first" else (second, first)
    User.objects.filter(pk=other).update(name="Somebody Else")  # the officer's word stays
    exclude(again, days=900)
    ends = {one.pk: one.excluded_until for one in Standing.objects.all()}
    assert ends[other] == ends[again] > database_now() + timedelta(days=899)
    assert answer(other) == "excluded"
    assert likenesses.waiting() == []
    assert exclusion.compare_with_all() == 0


@pytest.mark.feature("F102")
def test_a_shorter_exclusion_of_the_same_person_is_lengthened_and_a_longer_one_stays(database):
    first, second = named("Jürgen Müller", BORN), named("Sofia Rossi", BORN)
    exclude(first, days=300)
    exclude(second, days=900)
    User.objects.filter(pk=second).update(name="Muller Jurgen")
    longest = Standing.objects.get(pk=second).excluded_until
    assert exclusion.compare_with_all() == 1
    assert {one.excluded_until for one in Standing.objects.all()} == {longest}
    assert exclusion.compare_with_all() == 0


@pytest.mark.feature("F102")
def test_whom_an_officer_called_somebody_else_is_left_alone_whoever_is_excluded_next(database):
    first, second = named("Jürgen Müller", BORN), named("Jorgen Müller", BORN)
    exclude(first, days=200)
    [waiting] = likenesses.waiting()
    exclusion.decide_likeness(waiting.id, is_same=False, reason="brothers", actor=officer())
    User.objects.filter(pk=second).update(name="Jürgen Müller")
    exclude(first, days=900)
    assert exclusion.compare_with_all() == 0
    assert answer(second) is None
    exclude(second, days=1_000)
    assert Standing.objects.get(pk=first).excluded_until < database_now() + timedelta(days=901)
    assert likenesses.waiting() == []


@pytest.mark.feature("F102", "F105")
def test_who_has_come_back_is_not_excluded_again_for_an_account_that_has_not_asked(database, owner):
    first, second = named("Jürgen Müller", BORN), named("Muller Jurgen", BORN)
    exclude(first)
    now = database_now()
    term_ends(owner, now - timedelta(days=3), first, second)
    for player, served in ((first, 2), (second, 1)):
        exclusion.come_back(player, actor=Actor.player(player), reason="I am well")
        assert exclusion.compare_with_all() == 0
        term_ends(owner, now - timedelta(days=served), player)
        assert exclusion.compare_with_all() == 0
        assert answer(player) is None
    assert answer(first) is None
    exclude(first)
    assert answer(second) == "excluded"


def in_two_countries(second_in: str) -> tuple[PlayerId, PlayerId]:
    """One person's accounts, where exclusions hold until they ask and where they end."""
    first, second = named("Jürgen Müller", BORN), named("Muller Jurgen", BORN)
    Standing.objects.filter(pk=first).update(jurisdiction="GB")
    Standing.objects.filter(pk=second).update(jurisdiction=second_in)
    return first, second


@pytest.mark.feature("F102", "F105")
@pytest.mark.parametrize("second_in", ["SE", "DK"])
def test_an_exclusion_that_ends_by_itself_does_not_end_before_one_that_holds(
    database, owner, second_in
):
    holding, ending = in_two_countries(second_in)
    User.objects.filter(pk=ending).update(name="Sofia Rossi")
    exclude(holding, days=200)
    exclude(ending, days=900)
    assert not Standing.objects.get(pk=ending).exclusion_holds
    User.objects.filter(pk=ending).update(name="Muller Jurgen")
    assert exclusion.compare_with_all() == 2  # the one longer, the other until they ask
    assert exclusion.compare_with_all() == 0
    now = database_now()
    term_ends(owner, now - timedelta(days=1), holding, ending)
    assert (answer(holding), answer(ending)) == ("excluded", "excluded")
    for player in (holding, ending):
        exclusion.come_back(player, actor=Actor.player(player), reason="I am well")
        assert exclusion.compare_with_all() == 0
    term_ends(owner, now - timedelta(minutes=1), holding, ending)
    assert exclusion.compare_with_all() == 0
    assert not any(one.excluded(now) for one in read_standings([holding, ending]))
    exclude(ending)
    assert (answer(holding), answer(ending)) == ("excluded", "excluded")


@pytest.mark.feature("F102", "F105")
def test_who_is_excluded_with_another_account_asks_where_their_own_policy_wants_it(database, owner):
    holding, ending = in_two_countries("SE")
    exclude(ending, days=300)
    told = Standing.objects.get(pk=holding)
    assert told.exclusion_holds
    assert told.excluded_until == Standing.objects.get(pk=ending).excluded_until
    third = named("Jürgen Müller", BORN)
    assert exclusion.compare_with_all() == 2  # the new one, and the first until they ask
    assert answer(third) == "excluded"
    term_ends(owner, database_now() - timedelta(days=1), holding, ending, third)
    for player in (holding, ending, third):
        assert answer(player) == "excluded"
        with pytest.raises(Refused) as refused:
            exclusion.come_back(player, actor=officer(), reason="seems well")
        assert refused.value.code is exclusion.ExclusionCode.NOT_YOURS


@pytest.mark.feature("F102", "F105")
def test_who_was_excluded_with_another_is_not_taken_for_somebody_who_asked_to_return(
    database, owner
):
    holding, ending = in_two_countries("SE")
    exclude(ending, days=300)
    Standing.objects.filter(pk=ending).update(status="closed")
    third = named("Jürgen Müller", BORN)
    assert exclusion.compare_with_all() == 1
    assert Standing.objects.get(pk=third).exclusion_holds
    term_ends(owner, database_now(), holding)
    exclusion.come_back(holding, actor=Actor.player(holding), reason="I am well")
    exclude(holding, days=900)
    held, first = Standing.objects.get(pk=third), Standing.objects.get(pk=holding)
    assert held.excluded_until == first.excluded_until
    assert (held.exclusion_holds, first.exclusion_holds) == (True, True)


@pytest.mark.feature("F102")
def test_a_longer_exclusion_of_ones_own_keeps_one_that_holds(database):
    holding, ending = in_two_countries("SE")
    exclude(holding, days=300)
    assert Standing.objects.get(pk=ending).exclusion_holds
    exclude(ending, days=900)
    assert Standing.objects.get(pk=ending).exclusion_holds


@pytest.mark.feature("F102")
def test_whom_an_officer_finds_to_be_somebody_who_came_back_may_play(database, owner):
    first, second = named("Jürgen Müller", BORN), named("Jorgen Müller", BORN)
    exclude(first, days=200)
    [waiting] = likenesses.waiting()
    term_ends(owner, database_now(), first)
    exclusion.come_back(first, actor=Actor.player(first), reason="I am well")
    term_ends(owner, database_now(), first)
    exclusion.decide_likeness(waiting.id, is_same=True, reason="same passport", actor=officer())
    assert (answer(first), answer(second)) == (None, None)


@pytest.mark.feature("F102")
def test_a_name_that_is_learned_later_is_compared_later(excluded):
    later = named("", BORN)
    assert answer(later) is None
    assert exclusion.compare_with_all() == 0
    User.objects.filter(pk=later).update(name="Jürgen Müller")
    assert exclusion.compare_with_all() == 1
    assert answer(later) == "excluded"
    assert exclusion.compare_with_all() == 0


def test_staff_imports_are_compared_too(excluded):
    with pytest.raises(Refused) as refused:
        register_player(
            email="import@example.org",
            password="a-quiet-lighthouse-7",
            date_of_birth=BORN,
            country="MT",
            currency="EUR",
            actor=Actor.system("test"),
            name="Müller Jürgen",
        )
    assert refused.value.code is SignUpCode.NOT_AT_PRESENT
    assert not User.objects.filter(email="import@example.org").exists()


@pytest.mark.feature("F102", "F105")
def test_an_officer_excludes_with_a_reason_and_nobody_but_the_player_brings_them_back(
    database, owner
):
    player, by = named("Jürgen Müller", BORN), officer()
    until = database_now() + timedelta(days=400)
    support = Actor.staff(make_staff(Role.SUPPORT, key=None).pk)
    for actor, reason, code in (
        (support, "asked by the family", "not_allowed"),
        (by, " ", exclusion.ExclusionCode.REASON_MISSING),
    ):
        with pytest.raises(Refused) as refused:
            exclusion.exclude_by_officer(player, until=until, actor=actor, reason=reason)
        assert refused.value.code == code
    exclusion.exclude_by_officer(player, until=until, actor=by, reason="asked by the family")
    assert answer(player) == "excluded"
    with pytest.raises(Refused) as refused:
        exclusion.exclude_by_officer(
            player, until=until - timedelta(days=30), actor=by, reason="shorter"
        )
    assert refused.value.code is exclusion.ExclusionCode.WOULD_SHORTEN
    term_ends(owner, database_now(), player)
    with pytest.raises(Refused) as refused:
        exclusion.come_back(player, actor=by, reason="seems well")
    assert refused.value.code is exclusion.ExclusionCode.NOT_YOURS
    with pytest.raises(Refused) as refused:
        exclusion.come_back(player, actor=Actor.player(player), reason=" ")
    assert refused.value.code is exclusion.ExclusionCode.REASON_MISSING
    back_at = exclusion.come_back(player, actor=Actor.player(player), reason="I am well")
    assert timedelta(hours=23) < back_at - database_now() <= timedelta(hours=24)
    assert answer(player) == "excluded"


@pytest.mark.feature("F102")
def test_marketing_is_off_at_once_and_stays_off_until_the_player_agrees_anew(
    database, owner, monkeypatch
):
    advert = "advert_of_a_test"
    monkeypatch.setitem(kinds._kinds, advert, kinds.Kind(advert, marketing=True))
    player = named("Jürgen Müller", BORN)
    me = Actor.player(player)

    def reaches() -> bool:
        notice = notify(int(player), advert, {}, [Channel.INBOX])
        return Delivery.objects.get(notice_id=notice).state == "sent"

    consent.give(int(player), Channel.INBOX, actor=me)
    assert reaches()
    exclude(player)
    assert not consent.is_given(int(player), Channel.INBOX)
    consent.give(int(player), Channel.INBOX, actor=me)
    assert not reaches()  # the gate, whatever the consent says
    term_ends(owner, database_now(), player)
    exclusion.come_back(player, actor=me, reason="I am well")
    term_ends(owner, database_now(), player)
    assert answer(player, gate.Purpose.MARKETING) is None
    assert not reaches()
    consent.give(int(player), Channel.INBOX, actor=me)
    assert reaches()


def test_a_break_ends_marketing_too(database):
    player = named("Jürgen Müller", BORN)
    consent.give(int(player), Channel.EMAIL, actor=Actor.player(player))
    exclusion.cool_off(
        player,
        until=database_now() + timedelta(days=1),
        actor=Actor.player(player),
        reason="a day off",
    )
    assert not consent.is_given(int(player), Channel.EMAIL)
