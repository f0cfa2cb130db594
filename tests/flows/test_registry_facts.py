"""Players from before their register: told what is missing, they tell it, and it is asked."""

from __future__ import annotations

import threading
from datetime import date

import pytest
from allauth.usersessions.models import UserSession
from django.db import connection, transaction
from django.test import Client

from accounts.models import User
from audit.database_clock import database_now
from audit.models import AuditEvent
from compliance import gate
from compliance.jurisdictions import profile
from compliance.jurisdictions.shape import CheckPoint
from compliance.limit_arithmetic import periods_of
from compliance.registries import checking, facts, telling
from compliance.registries.protocol import Answer, Fact, Outcome, unclear
from compliance.registries.simulated import Simulated
from kernel.ids import PlayerId, new_id
from kernel.money import Money
from kernel.refusal import Refused
from tests import house
from tests.flows import place_steps
from tests.flows.limit_steps import CURRENCIES, limit
from tests.pure.test_registry_shapes import SWEDE

pytestmark = pytest.mark.feature("F103")
PAGE = "/play-safely/register/"
ALL_OF_GB = {"given_name": "Anna", "family_name": "Lindqvist", "postcode": "sw1a1aa"}
TOLD = {
    "GB": ALL_OF_GB,
    "SE": {"national_number": "900228-2383"},
    "DK": {"national_number": "280290-1234"},
}
LACKS = {
    "GB": "given_name family_name postcode",
    "SE": "national_number",
    "DK": "national_number",
}


@pytest.fixture
def server(settings, tmp_path):
    one = Simulated()
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    settings.FARO_REGISTRIES = one.places()
    place_steps.lay(settings, tmp_path)
    yield one
    one.book.over.set()
    one.shutdown()
    one.server_close()
    thread.join(5)


def from_before(code: str) -> PlayerId:
    """Verified and of age, in an account from before the profile had a register."""
    house.sign_off(code)
    player = house.player(currency=CURRENCIES[code])
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_standing SET jurisdiction = %s, age_verified = true,"
            " identity_verified = true WHERE player_id = %s",
            [code, player],
        )
    set_what_is_required(player, code)
    return player


def set_what_is_required(player: PlayerId, code: str) -> None:
    """Limits that the law wants before play, high ones: they are not what these tests are about."""
    now = database_now()
    policy = profile(code, now.date())
    for kind in policy.limits_required:
        for period in periods_of(kind, policy.limit_periods):
            limit(player, kind, 80_000, period, now)


def signed_in(player: PlayerId) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=player), "accounts.authentication.PasswordAtOwnDoor")
    checking.check_player(player, CheckPoint.LOGIN)  # as signing in does
    return client


def decided(player: PlayerId, purpose: gate.Purpose, code: str) -> gate.Decision:
    with transaction.atomic():
        [one] = gate.decide(
            [gate.GateRequest(new_id(), player, purpose, Money(100, CURRENCIES[code]))],
            now=database_now(),
        )
    return one


def answer(player: PlayerId, code: str, purpose: gate.Purpose = gate.Purpose.BET) -> str | None:
    found = decided(player, purpose, code).code
    return None if found is None else found.value


@pytest.mark.parametrize("code", ["GB", "SE", "DK"])
def test_the_refusal_names_what_is_missing_and_play_goes_on_once_it_is_told(database, server, code):
    player = from_before(code)
    client = signed_in(player)
    refused = decided(player, gate.Purpose.BET, code)
    assert refused.code is gate.GateCode.REGISTRY_FACTS
    assert refused.data == {"facts": LACKS[code]}
    assert answer(player, code, gate.Purpose.DEPOSIT) == "registry_facts_missing"
    assert answer(player, code, gate.Purpose.MARKETING) == "registry_facts_missing"
    assert answer(player, code, gate.Purpose.WITHDRAWAL) is None
    assert server.book.asked == []  # nothing is sent that could not be answered
    assert PAGE in client.get("/play-safely/").content.decode()
    assert set(client.get(PAGE).context["form"].fields) == set(TOLD[code])
    told = client.post(PAGE, TOLD[code], follow=True)
    assert "The register has nothing against it." in told.content.decode()
    assert answer(player, code) is None
    assert len(server.book.asked) == 1
    assert PAGE not in client.get("/play-safely/").content.decode()
    [event] = AuditEvent.objects.filter(kind="registry.facts_told")
    assert event.after["facts"] == list(TOLD[code])
    assert not any(text in str(event.after) for text in TOLD[code].values())


def test_what_was_told_is_kept_encrypted_and_in_the_registers_own_form(database, server):
    player = from_before("SE")
    signed_in(player).post(PAGE, TOLD["SE"])
    assert facts.latest(player) == {Fact.NATIONAL_NUMBER: SWEDE}
    with connection.cursor() as cursor:
        cursor.execute("SELECT personal FROM compliance_person_facts")
        [(kept,)] = cursor.fetchall()
    assert SWEDE.encode() not in bytes(kept)
    [(_, asked)] = server.book.asked
    assert asked["subjectId"] == SWEDE


@pytest.mark.parametrize(
    ("code", "sent", "field", "words"),
    [
        ("SE", {"national_number": "199002282385"}, "national_number", "no personal number"),
        ("SE", {"national_number": "199001012385"}, "national_number", "date of birth"),
        ("DK", {"national_number": "0101901234"}, "national_number", "date of birth"),
        ("GB", ALL_OF_GB | {"postcode": "12345"}, "postcode", "no postcode"),
        ("GB", ALL_OF_GB | {"given_name": "–"}, "given_name", "letters"),
        ("GB", ALL_OF_GB | {"family_name": ""}, "family_name", "required"),
        ("GB", ALL_OF_GB | {"postcode": "S" * 151}, "postcode", "at most 150"),
    ],
)
def test_what_cannot_be_this_persons_is_refused_at_its_field_and_nothing_is_kept(
    database, server, code, sent, field, words
):
    player = from_before(code)
    client = signed_in(player)
    page = client.post(PAGE, sent)
    assert page.status_code == 422
    assert words in " ".join(page.context["form"].errors[field])
    assert (facts.latest(player), server.book.asked) == ({}, [])
    assert answer(player, code) == "registry_facts_missing"


def test_whoever_the_register_has_is_told_so_and_may_not_play(database, server):
    player = from_before("SE")
    client = signed_in(player)
    server.book.excluded.add(SWEDE)
    told = client.post(PAGE, TOLD["SE"], follow=True)
    assert "has you in it" in told.content.decode()
    assert answer(player, "SE") == "registry_excluded"
    assert answer(player, "SE", gate.Purpose.WITHDRAWAL) is None
    assert client.get("/me/").status_code == 200  # the session that asked goes on


@pytest.mark.parametrize("fault", ["error", "nonsense", "other_request"])
def test_an_unclear_answer_refuses_and_is_asked_again_by_itself(database, server, fault):
    player = from_before("SE")
    client = signed_in(player)
    server.book.fault = fault
    told = client.post(PAGE, TOLD["SE"], follow=True)
    assert "has not said yet that you may play" in told.content.decode()
    assert answer(player, "SE") == "registry_unclear"
    server.book.fault = ""
    checking.check_player(player, CheckPoint.LOGIN)
    assert answer(player, "SE") is None


def test_nobody_becomes_another_person_by_telling_again(database, server):
    player = from_before("SE")
    client = signed_in(player)
    server.book.excluded.add(SWEDE)
    client.post(PAGE, TOLD["SE"])
    again = client.post(PAGE, {"national_number": "199002882380"})
    assert (again.status_code, again.headers["Location"]) == (302, "/play-safely/")
    with pytest.raises(Refused) as refused:
        telling.tell(player, {Fact.NATIONAL_NUMBER: "199002882380"})
    assert refused.value.code is telling.TellingCode.NOTHING_LACKS
    assert facts.latest(player) == {Fact.NATIONAL_NUMBER: SWEDE}
    assert answer(player, "SE") == "registry_excluded"


def test_a_name_that_is_not_the_accounts_is_refused(database, server):
    player = from_before("GB")
    User.objects.filter(pk=player).update(name="Anna Maria Lindqvist")
    client = signed_in(player)
    page = client.post(PAGE, ALL_OF_GB | {"family_name": "Berg", "given_name": "Otto"})
    assert page.status_code == 422
    assert "not the name of this account" in str(page.context["form"].errors)
    assert facts.latest(player) == {}
    client.post(PAGE, ALL_OF_GB)
    assert answer(player, "GB") is None


def test_only_what_is_lacking_is_asked_for_and_every_try_is_counted(database, server):
    player = from_before("GB")
    with transaction.atomic():
        facts.write(player, {Fact.GIVEN_NAME: "Anna", Fact.FAMILY_NAME: "Lindqvist"})
    client = signed_in(player)
    assert list(client.get(PAGE).context["form"].fields) == ["postcode"]
    for _ in range(5):
        assert client.post(PAGE, {"postcode": "12345"}).status_code == 422
    sixth = client.post(PAGE, {"postcode": "SW1A 1AA"})
    assert sixth.status_code == 429
    assert int(sixth.headers["Retry-After"]) > 0
    assert facts.latest(player).keys() == {Fact.GIVEN_NAME, Fact.FAMILY_NAME}
    assert answer(player, "GB") == "registry_facts_missing"


def test_who_needs_nothing_finds_no_such_page(database, server):
    player = house.player()
    client = Client()
    client.force_login(User.objects.get(pk=player), "accounts.authentication.PasswordAtOwnDoor")
    assert client.get(PAGE).headers["Location"] == "/play-safely/"
    assert Client().get(PAGE).status_code == 302
    assert telling.lacking(PlayerId(0)) == ()


def test_an_old_number_that_is_none_is_asked_for_anew(database, server):
    player = from_before("SE")
    with transaction.atomic():
        facts.write(player, {Fact.NATIONAL_NUMBER: "12"})
    signed_in(player)
    assert answer(player, "SE") == "registry_facts_missing"
    assert server.book.asked == []
    assert User.objects.get(pk=player).player.date_of_birth == date(1990, 2, 28)


def test_excluded_stays_whatever_lacks_now_and_no_other_facts_are_taken(database, server):
    player = from_before("GB")
    told = {Fact.GIVEN_NAME: "Anna", Fact.FAMILY_NAME: "Lindqvist", Fact.POSTCODE: "London SW1A"}
    with transaction.atomic():  # as taken before forms were looked at
        facts.write(player, told)
        policy = profile("GB", database_now().date())
        checking.keep(player, policy, CheckPoint.LOGIN, Answer(Outcome.EXCLUDED))
    server.book.fault = "error"
    client = signed_in(player)
    assert answer(player, "GB") == "registry_unclear"  # it was asked, with what was sent then
    assert client.get(PAGE).headers["Location"] == "/play-safely/"
    with pytest.raises(Refused) as refused:
        telling.tell(player, {Fact.POSTCODE: "M1 1AE"})
    assert refused.value.code is telling.TellingCode.NOTHING_LACKS
    assert facts.latest(player) == told
    server.book.fault = ""
    checking.check_player(player, CheckPoint.LOGIN)
    assert [asked["postcode"] for _, asked in server.book.asked][-1] == "London SW1A"
    assert answer(player, "GB") is None  # the register's own word that it is over


@pytest.mark.parametrize("lacks", [(), (Fact.NATIONAL_NUMBER,)])
def test_an_answer_for_want_of_facts_never_replaces_excluded(database, server, lacks):
    player = from_before("SE")
    policy = profile("SE", database_now().date())
    with transaction.atomic():
        checking.keep(player, policy, CheckPoint.LOGIN, Answer(Outcome.EXCLUDED))
        detail = "lacks_national_number" if lacks else "bad_number"
        checking.keep(player, policy, CheckPoint.LOGIN, unclear(detail), lacks=lacks)
    assert answer(player, "SE") == "registry_excluded"
    signed_in(player)  # nothing is known, so nothing is asked
    assert server.book.asked == []
    assert answer(player, "SE") == "registry_excluded"
    assert telling.lacking(player) == ()


def test_a_process_that_dies_between_keeping_and_asking_leaves_no_dead_end(
    database, server, monkeypatch
):
    player = from_before("SE")
    client = signed_in(player)
    UserSession.objects.create(
        user_id=player, session_key=client.session.session_key, ip="127.0.0.1", user_agent="test"
    )
    client.get("/me/")  # from where it is looked at
    with monkeypatch.context() as patched:
        patched.setattr(checking, "check_player", lambda *_args, **_named: None)
        telling.tell(player, {Fact.NATIONAL_NUMBER: SWEDE})
    assert answer(player, "SE") == "registry_unclear"
    assert checking.retry() == 1
    assert answer(player, "SE") is None
