"""A profile that rests on recollection is offered only after two officers signed its very text."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import psycopg
import pytest
from django.db import transaction
from django.test import Client

from accounts.appointments import holders
from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.models import AuditEvent
from casino import health, jurisdiction_checks
from casino.health import NotReady
from compliance import gate, sign_up
from compliance.jurisdictions import profile, sign_offs, stop_alarm, stops, versions
from compliance.jurisdictions.sign_offs import SignOffCode
from compliance.models import Standing
from kernel.ids import Actor, new_id
from kernel.money import Money
from kernel.refusal import Refused
from notices.models import Notice
from tests import house
from tests.flows.staff_steps import make_staff, staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F119")]


def malta():
    return profile("MT", database_now().date())


def officers() -> tuple[Actor, Actor]:
    one, two = (make_staff(Role.COMPLIANCE, key=None).pk for _ in range(2))
    return Actor.staff(one), Actor.staff(two)


def words(**more):
    found = malta()
    return {"policy": found.policy, "digest": found.digest, "reason": "read it", **more}


def refusal(act, **fields) -> SignOffCode:
    with pytest.raises(Refused) as refused:
        act(**fields)
    return refused.value.code


def answers(player, *purposes) -> list:
    with transaction.atomic():
        asked = [gate.GateRequest(new_id(), player, one, Money(100, "EUR"), ()) for one in purposes]
        return [one.code for one in gate.decide(asked, now=database_now())]


def in_malta():
    player = house.player()
    Standing.objects.filter(pk=player).update(
        jurisdiction="MT", age_verified=True, identity_verified=True
    )
    house.admitted_for_ever(player)
    return player


def test_play_waits_for_two_officers_and_withdrawing_does_not():
    player, (one, two) = in_malta(), officers()
    both = (gate.Purpose.BET, gate.Purpose.DEPOSIT)
    assert answers(player, *both) == [gate.GateCode.NOT_SIGNED_OFF] * 2
    assert answers(player, gate.Purpose.WITHDRAWAL) == [None]
    sign_offs.propose(**words(), actor=one)
    assert answers(player, *both) == [gate.GateCode.NOT_SIGNED_OFF] * 2
    sign_offs.sign(**words(), actor=two)
    assert answers(player, *both) == [None, None]
    sign_offs.withdraw(**words(), actor=one)
    assert answers(player, *both) == [gate.GateCode.NOT_SIGNED_OFF] * 2
    kinds = AuditEvent.objects.filter(kind__startswith="profile.").values_list("kind", flat=True)
    assert sorted(kinds) == ["profile.proposed", "profile.signed_off", "profile.withdrawn"]


def test_nobody_signs_up_there_before_and_the_form_says_why(settings):
    settings.FARO_JURISDICTIONS = ["MT"]
    person = {"date_of_birth": date(1990, 1, 1), "country": "MT", "currency": "EUR"}
    with pytest.raises(Refused) as refused:
        sign_up.eligibility(**person, now=database_now())
    assert refused.value.code is sign_up.SignUpCode.NOT_SIGNED_OFF
    page = Client().post(
        "/account/signup/",
        {
            "email": "ada@example.com",
            "password1": "long enough for anybody 77",
            "given_name": "Ada",
            "family_name": "Borg",
            "terms": "on",
        }
        | person,
    )
    assert "the rules of that place wait to be confirmed" in page.content.decode()
    assert not User.objects.filter(email="ada@example.com").exists()
    house.sign_off("MT")
    assert sign_up.eligibility(**person, now=database_now()).code == "MT"


def test_production_offers_no_demonstration_whoever_signs_it(settings):
    player, demo = house.player(), profile("DEMO", database_now().date())
    settings.FARO_JURISDICTIONS = ["DEMO"]
    person = {"date_of_birth": date(1990, 1, 1), "country": "NO", "currency": "EUR"}
    assert sign_up.eligibility(**person, now=database_now()).code == "DEMO"
    assert answers(player, gate.Purpose.BET) == [None]
    settings.FARO_MODE = "production"
    with pytest.raises(Refused) as refused:
        sign_up.eligibility(**person, now=database_now())
    assert refused.value.code is sign_up.SignUpCode.NOT_SIGNED_OFF
    play = (gate.Purpose.BET, gate.Purpose.DEPOSIT)
    assert answers(player, *play) == [gate.GateCode.NOT_SIGNED_OFF] * 2
    assert answers(player, gate.Purpose.WITHDRAWAL) == [None]
    said = {"policy": demo.policy, "digest": demo.digest, "reason": "x", "actor": officers()[0]}
    assert refusal(sign_offs.propose, **said) is SignOffCode.NEEDS_NONE
    assert sign_offs.inactive([demo]) == {demo.policy}
    page = staff_client(Role.COMPLIANCE).get(f"/admin/jurisdictions/{demo.policy}/")
    assert "nothing makes it active here" in page.content.decode()


def test_a_changed_file_is_not_signed_off_any_more():
    house.sign_off("MT")
    found = malta()
    assert sign_offs.is_active(found)
    assert not sign_offs.is_active(replace(found, digest="0" * 64))


def test_one_officer_is_not_two_and_others_are_none():
    one, two = officers()
    sign_offs.propose(**words(), actor=one)
    assert refusal(sign_offs.sign, **words(), actor=one) is SignOffCode.SAME_PERSON
    assert refusal(sign_offs.propose, **words(), actor=two) is SignOffCode.ALREADY_PROPOSED
    finance = Actor.staff(make_staff(Role.FINANCE, key=None).pk)
    assert refusal(sign_offs.sign, **words(), actor=finance) is SignOffCode.NOT_ALLOWED
    assert refusal(sign_offs.sign, **words(), actor=house.TESTER) is SignOffCode.NOT_ALLOWED
    assert refusal(sign_offs.sign, **words(reason=" "), actor=two) is SignOffCode.REASON_MISSING
    old = words(digest="0" * 64)
    assert refusal(sign_offs.sign, **old, actor=two) is SignOffCode.TEXT_CHANGED
    demo = profile("DEMO", database_now().date())
    ready = {"policy": demo.policy, "digest": demo.digest, "reason": "x", "actor": two}
    assert refusal(sign_offs.propose, **ready) is SignOffCode.NEEDS_NONE
    assert not sign_offs.is_active(malta())


def test_the_database_itself_wants_two_officers(database):
    one, two = officers()
    proposal = sign_offs.propose(**words(), actor=one)
    support = make_staff(Role.SUPPORT, key=None).pk
    with psycopg.connect(database.app_url, autocommit=True) as db:
        for signer, error in (
            (one.id, psycopg.errors.CheckViolation),
            (support, psycopg.errors.RestrictViolation),
        ):
            with pytest.raises(error):
                db.execute(
                    "INSERT INTO compliance_profile_signoff (proposal_id, proposed_by, signed_by,"
                    " reason) VALUES (%s, %s, %s, 'x')",
                    [proposal, int(one.id), int(signer)],
                )
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            db.execute(
                "INSERT INTO compliance_profile_signoff (proposal_id, proposed_by, signed_by,"
                " reason) VALUES (%s, %s, %s, 'x')",
                [proposal, int(two.id), int(one.id)],
            )
    assert not sign_offs.is_active(malta())


def test_officers_see_each_value_with_its_basis_and_sign_at_the_desk():
    one, two = staff_client(Role.COMPLIANCE), staff_client(Role.COMPLIANCE)
    found = malta()
    at = f"/admin/jurisdictions/MT/{found.effective_from.isoformat()}/"
    listed = one.get("/admin/jurisdictions/").content.decode()
    assert at in listed
    page = one.get(at).content.decode()
    assert "recalled, not seen" in page
    assert f"<code>{found.digest}</code>" in page
    fields = {"digest": found.digest, "reason": "We asked <counsel>."}
    said = one.post(f"{at}propose/", fields, follow=True).content.decode()
    assert "another officer signs" in said
    assert "We asked &lt;counsel&gt;." in said
    refused = one.post(f"{at}sign/", fields)
    assert refused.status_code == 409
    assert "(same_person)" in refused.content.decode()
    assert 'value="We asked &lt;counsel&gt;."' in refused.content.decode()
    assert (
        "Two officers signed this text"
        in two.post(f"{at}sign/", fields, follow=True).content.decode()
    )
    assert one.post(f"{at}nothing/", fields).status_code == 404
    auditor = staff_client(Role.AUDITOR)
    assert auditor.get(at).status_code == 200
    assert auditor.post(f"{at}withdraw/", fields).status_code == 403


def coming(days: int):
    """A version of Malta's profile that begins in so many days, as a file laid there would."""
    day = database_now().date() + timedelta(days=days)
    return replace(malta(), effective_from=day, digest="c" * 64, unsure=("registry", "zone"))


def laid(monkeypatch, *more) -> None:
    """Files of Malta's profile besides the one there is."""
    known = (malta(), *more)
    monkeypatch.setattr(stops, "versions", lambda code: known if code == "MT" else versions(code))


def seen(days: int | None = None) -> list[tuple[str, int]]:
    found = stops.ahead(database_now().date(), days)
    return [(stop.profile.policy, stop.days) for stop in found]


def test_a_coming_version_is_told_of_before_its_day_and_on_it(settings, monkeypatch):
    settings.FARO_JURISDICTIONS = ["DEMO", "MT"]
    house.sign_off("MT")
    assert seen() == []
    laid(monkeypatch, coming(30), coming(31))
    assert seen() == [(coming(30).policy, 30)]
    assert seen(31) == [(coming(30).policy, 30), (coming(31).policy, 31)]
    laid(monkeypatch, coming(0))
    assert seen() == [(coming(0).policy, 0)]
    settings.FARO_JURISDICTIONS = ["DEMO"]
    assert seen() == []  # what is not offered stops nobody


def test_deploy_check_readiness_and_pages_name_profile_and_values(settings, monkeypatch):
    settings.FARO_JURISDICTIONS = ["MT"]
    house.sign_off("MT")
    officer, admin = staff_client(Role.COMPLIANCE), staff_client(Role.ADMINISTRATOR)
    assert jurisdiction_checks.profiles_are_signed_off(None, databases=["default"]) == []
    for days, number, flag, words in (
        (12, "faro.W020", "ok", "in 12 days"),
        (0, "faro.W021", f"no play until two officers sign {coming(0).policy}", "stopped"),
    ):
        laid(monkeypatch, coming(days))
        [found] = jurisdiction_checks.profiles_are_signed_off(None, databases=["default"])
        assert found.id == number
        assert coming(days).policy in found.msg
        assert "registry, zone" in found.msg
        assert Client().get("/readyz").json()["flags"]["profiles"] == flag
        for page in (officer.get("/admin/officers/"), admin.get("/staff/self-check/")):
            text = page.content.decode()
            assert coming(days).policy in text
            assert "registry, zone" in text
            assert words in text
    assert jurisdiction_checks.profiles_are_signed_off(None, databases=None) == []


def test_a_demonstration_in_production_is_said_to_stop_play_and_asks_nobody_to_sign(settings):
    settings.FARO_JURISDICTIONS = ["DEMO"]
    officer, admin = staff_client(Role.COMPLIANCE), staff_client(Role.ADMINISTRATOR)
    assert seen() == []
    settings.FARO_MODE = "production"
    demo = profile("DEMO", database_now().date())
    assert seen() == [(demo.policy, 0)]
    [found] = jurisdiction_checks.profiles_are_signed_off(None, databases=["default"])
    assert (found.id, found.hint) == ("faro.W021", "Take it out of FARO_JURISDICTIONS.")
    assert "a demonstration is never played in production" in found.msg
    with pytest.raises(NotReady) as told:
        health.FLAGS["profiles"]()
    assert str(told.value) == f"no play under a demonstration: {demo.policy}"
    assert stop_alarm.alarm() == 0
    settings.SECURE_SSL_REDIRECT = False
    for page in (officer.get("/admin/officers/"), admin.get("/staff/self-check/")):
        text = page.content.decode()
        assert demo.policy in text
        assert "never played in production" in text


def test_whoever_signs_off_a_place_for_a_test_signs_its_coming_versions_too(monkeypatch):
    known = (malta(), coming(400))
    for module in (house, sign_offs):
        monkeypatch.setattr(
            module, "versions", lambda code: known if code == "MT" else versions(code)
        )
    assert sign_offs.inactive(known) == {one.policy for one in known}
    house.sign_off("MT")
    assert sign_offs.inactive(known) == frozenset()


def test_officers_are_told_once_when_it_is_near_and_once_when_it_has_come(settings, monkeypatch):
    settings.FARO_JURISDICTIONS = ["MT"]
    house.sign_off("MT")
    people = set(holders(Role.COMPLIANCE))
    assert stop_alarm.alarm() == 0
    laid(monkeypatch, coming(12))
    assert (stop_alarm.alarm(), stop_alarm.alarm()) == (len(people), 0)
    later = make_staff(Role.COMPLIANCE, key=None).pk
    assert (stop_alarm.alarm(), stop_alarm.alarm()) == (1, 0)  # whoever comes later learns it too
    laid(monkeypatch, coming(0))
    assert (stop_alarm.alarm(), stop_alarm.alarm()) == (len(people) + 1, 0)
    told = Notice.objects.filter(kind="profile_stops", person_id=later).order_by("created_at")
    assert [row.context["days"] for row in told] == [12, 0]
    assert {row.context["values"] for row in told} == {"registry, zone"}


def test_officers_are_told_again_each_time_a_sign_off_is_withdrawn(settings):
    settings.FARO_JURISDICTIONS = ["MT"]
    one, two = officers()
    people = len(set(holders(Role.COMPLIANCE)))
    assert (stop_alarm.alarm(), stop_alarm.alarm()) == (people, 0)
    for _ in range(2):
        sign_offs.propose(**words(actor=one))
        sign_offs.sign(**words(actor=two))
        assert stop_alarm.alarm() == 0
        sign_offs.withdraw(**words(actor=two))
        assert (stop_alarm.alarm(), stop_alarm.alarm()) == (people, 0)
