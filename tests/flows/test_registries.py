"""National registers over a real local server: what is clear, what refuses, what is asked again."""

from __future__ import annotations

import json
import threading
from datetime import date, timedelta
from ipaddress import ip_address

import httpx
import pytest
from allauth.usersessions.models import UserSession
from django.db import connection, transaction
from django.test import Client

from accounts.models import Player, User
from audit.database_clock import database_now
from compliance import gate
from compliance.jurisdictions.shape import CheckPoint
from compliance.location import looking
from compliance.registries import checking, clients, exchange, facts, known
from compliance.registries.protocol import Fact, Outcome, Person
from compliance.registries.simulated import Simulated
from kernel.clock import monotonic_ms
from kernel.ids import PlayerId, new_id
from kernel.invariant import InvariantBroken
from kernel.money import Money
from tests import house
from tests.flows import place_steps
from tests.flows.accounts_steps import PASSWORD, keep_mail_here, sign_in, sign_up

BORN = date(1990, 2, 28)
#: Of the Swedish tax agency's numbers for tests.
NUMBER = "199001012385"
GB = {Fact.GIVEN_NAME: "Anna", Fact.FAMILY_NAME: "Lindqvist", Fact.POSTCODE: "SW1A 1AA"}
NEEDED = {
    "gamstop": GB,
    "spelpaus": {Fact.NATIONAL_NUMBER: NUMBER},
    "rofus": {Fact.NATIONAL_NUMBER: "280290-1234"},
}
WHO = {"gamstop": "anna@example.org", "spelpaus": NUMBER, "rofus": "2802901234"}


@pytest.fixture
def server(settings):
    one = Simulated()
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    settings.FARO_REGISTRIES = one.places()
    yield one
    one.book.over.set()
    one.shutdown()
    one.server_close()
    thread.join(5)


def ask(name: str, **changes) -> tuple[str, str]:
    registry = known.registry(name)
    assert registry is not None
    person = Person("anna@example.org", BORN, NEEDED[name] | changes)
    answer = clients.ask(registry, person, CheckPoint.REGISTER)
    return answer.outcome.value, answer.detail


@pytest.mark.feature("F103")
@pytest.mark.parametrize("name", ["gamstop", "spelpaus", "rofus"])
def test_each_register_says_clear_and_excluded_in_its_own_shape(server, name):
    assert ask(name) == ("clear", "")
    server.book.excluded.add(WHO[name])
    assert ask(name) == ("excluded", "")
    [(_, asked), _] = server.book.asked
    shape = {
        "gamstop": {"firstName": "Anna", "lastName": "Lindqvist", "dateOfBirth": "1990-02-28"},
        "spelpaus": {"subjectId": NUMBER},
        "rofus": {"cpr": "2802901234", "purpose": "register"},
    }
    assert shape[name].items() <= asked.items()


def test_an_indefinite_registration_excludes_too(server):
    server.book.excluded.add(WHO["rofus"])
    server.book.fault = "for_ever"
    assert ask("rofus") == ("excluded", "")


@pytest.mark.feature("F103")
@pytest.mark.parametrize("name", ["gamstop", "spelpaus", "rofus"])
@pytest.mark.parametrize(("fault", "detail"), [("error", "status_500"), ("nonsense", "nonsense")])
def test_whatever_is_no_plain_answer_is_indeterminate(server, name, fault, detail):
    server.book.fault = fault
    if (name, fault) == ("spelpaus", "nonsense"):  # it says for which request it answers
        detail = "other_request"
    assert ask(name) == ("indeterminate", detail)


@pytest.mark.feature("F103")
@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_register_that_hangs_is_given_up_in_time(server, monkeypatch, fault):
    monkeypatch.setattr(exchange, "HARD_END_S", 0.7)
    server.book.fault = fault
    began = monotonic_ms()
    assert ask("gamstop") == ("indeterminate", "too_late")
    assert monotonic_ms() - began < 2_000


def test_a_wrong_key_another_request_and_a_lapsed_entry_are_indeterminate(server, settings):
    server.book.fault = "other_request"
    assert ask("spelpaus") == ("indeterminate", "other_request")
    server.book.fault = "lapsed"
    assert ask("gamstop") == ("indeterminate", "nonsense")
    server.book.fault = ""
    settings.FARO_REGISTRIES = {n: p | {"key": "wrong"} for n, p in server.places().items()}
    assert ask("gamstop") == ("indeterminate", "status_403")
    assert ask("spelpaus") == ("indeterminate", "status_401")
    assert ask("rofus") == ("indeterminate", "status_401")
    assert [name for name, _ in server.book.asked] == ["spelpaus", "gamstop"]


def test_what_a_register_cannot_answer_is_not_sent(server):
    for number in ("199001012386", "9001012385", "abc"):
        assert ask("spelpaus", **{Fact.NATIONAL_NUMBER: number}) == ("indeterminate", "bad_number")
    lacking = ("indeterminate", "lacks_national_number")
    assert ask("spelpaus", **{Fact.NATIONAL_NUMBER: ""}) == lacking
    assert ask("gamstop", **{Fact.POSTCODE: " "}) == ("indeterminate", "lacks_postcode")
    assert server.book.asked == []


@pytest.mark.feature("F103")
@pytest.mark.parametrize(
    ("body", "outcome", "reference"),
    [
        (b'{"status": "NotRegistered", "id": "a\\u0000b\\ud800"}', "clear", "a\ufffdb?"),
        (b"[" * 16_000, "indeterminate", ""),
    ],
)
def test_what_the_database_or_the_parser_cannot_take_breaks_nothing(
    settings, monkeypatch, body, outcome, reference
):
    settings.FARO_REGISTRIES = {"rofus": {"url": "http://127.0.0.1:9/", "key": "k"}}
    received = exchange.Received(200, httpx.Headers(), body)
    monkeypatch.setattr(clients, "post", lambda *_, **__: received)
    registry = known.registry("rofus")
    assert registry is not None
    person = Person("anna@example.org", BORN, NEEDED["rofus"])
    answer = clients.ask(registry, person, CheckPoint.REGISTER)
    assert (answer.outcome.value, answer.reference) == (outcome, reference)


def test_nothing_is_listening_and_nothing_is_configured(settings):
    settings.FARO_REGISTRIES = {"gamstop": {"url": "http://127.0.0.1:9/", "key": "k"}}
    assert ask("gamstop") == ("indeterminate", "unreachable")
    for place in ({}, {"url": "https://a.example/"}, {"url": "http://a.example/", "key": "k"}):
        settings.FARO_REGISTRIES = {"gamstop": place}
        assert known.registry("gamstop") is None


def test_nobody_is_asked_about_inside_a_transaction(database, server):
    with transaction.atomic(), pytest.raises(InvariantBroken, match="no network"):
        ask("gamstop")


# -- players -------------------------------------------------------------------------------------


@pytest.fixture
def british(database, settings, server, tmp_path):
    settings.FARO_JURISDICTIONS = ["GB"]
    place_steps.lay(settings, tmp_path)
    house.sign_off("GB")
    player = house.player(currency="GBP", country="GB")
    User.objects.filter(pk=player).update(email="anna@example.org")
    facts.write(player, GB)
    looking.look(player, ip_address(place_steps.LONDON))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE compliance_standing SET age_verified = true, identity_verified = true"
        )
    return player


def signed_in_somewhere(player: PlayerId) -> None:
    UserSession.objects.create(
        user_id=player, session_key=f"session-of-{player}", ip="127.0.0.1", user_agent="test"
    )


def all_due() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_admission SET registry_due_at = clock_timestamp()")


def answer_of(player: PlayerId, purpose: gate.Purpose) -> str | None:
    with transaction.atomic():
        [one] = gate.decide(
            [gate.GateRequest(new_id(), player, purpose, Money(100, "GBP"))], now=database_now()
        )
    return None if one.code is None else one.code.value


def rows() -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT registry, purpose, outcome, detail, valid_until - checked_at"
            " FROM compliance_registry_answer ORDER BY checked_at"
        )
        return cursor.fetchall()


@pytest.mark.feature("F103", "F104")
def test_the_gate_reads_the_answer_and_what_was_never_clear_refuses(british, server):
    stopped = (gate.Purpose.BET, gate.Purpose.DEPOSIT, gate.Purpose.MARKETING)
    leaving = (gate.Purpose.WITHDRAWAL, gate.Purpose.SIGN_IN)
    assert {answer_of(british, one) for one in stopped} == {"registry_unclear"}
    checking.check_player(british, CheckPoint.LOGIN)
    assert {answer_of(british, one) for one in (*stopped, *leaving)} == {None}
    server.book.excluded.add("anna@example.org")
    checking.check_player(british, CheckPoint.LOGIN)
    assert {answer_of(british, one) for one in stopped} == {"registry_excluded"}
    assert {answer_of(british, one) for one in leaving} == {None}
    assert rows() == [
        ("gamstop", "login", "clear", "", timedelta(hours=24)),
        ("gamstop", "login", "excluded", "", timedelta(hours=24)),
    ]


@pytest.mark.feature("F103")
def test_an_answer_lapses_and_silence_takes_play_away_until_it_is_clear_again(british, server):
    checking.check_player(british, CheckPoint.LOGIN)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE compliance_admission SET registry_valid_until = clock_timestamp()")
    assert answer_of(british, gate.Purpose.BET) == "registry_unclear"
    server.book.fault = "error"
    assert checking.check_player(british, CheckPoint.LOGIN).outcome is Outcome.INDETERMINATE
    assert answer_of(british, gate.Purpose.BET) == "registry_unclear"
    all_due()
    assert checking.retry() == 0  # not signed in: asked at the next sign-in
    signed_in_somewhere(british)
    assert checking.retry() == 1
    assert checking.retry() == 0  # not yet due
    server.book.fault = ""
    all_due()
    assert checking.retry() == 1
    assert answer_of(british, gate.Purpose.BET) is None
    assert checking.retry() == 0


def british_too(british: PlayerId) -> PlayerId:
    """Another one, both signed in and waiting for an answer."""
    other = house.player(currency="GBP", country="GB")
    facts.write(other, GB)
    for player in (british, other):
        checking.check_player(player, CheckPoint.LOGIN)
        signed_in_somewhere(player)
    all_due()
    return other


@pytest.mark.feature("F103")
def test_a_player_about_whom_asking_fails_holds_up_nobody(british, server, monkeypatch):
    other, check = british_too(british), checking.check_player
    seen: list[PlayerId] = []

    def failing(player: PlayerId, purpose: CheckPoint):
        seen.append(player)
        if len(seen) == 1:
            raise RecursionError
        return check(player, purpose)

    monkeypatch.setattr(checking, "check_player", failing)
    assert checking.retry() == 2
    assert set(seen) == {british, other}
    assert [row[2] for row in rows()] == ["clear"] * 3
    assert checking.retry() == 0


@pytest.mark.feature("F103")
def test_a_silent_register_is_asked_once_a_run(british, server, settings):
    other = british_too(british)
    settings.FARO_REGISTRIES = {"gamstop": {"url": "http://127.0.0.1:9/", "key": "k"}}
    assert checking.retry() == 1
    assert [row[2:4] for row in rows()[2:]] == [("indeterminate", "unreachable")]
    assert checking.retry() == 0  # the other one waits as well
    settings.FARO_REGISTRIES = server.places()
    all_due()
    assert checking.retry() == 2
    assert answer_of(other, gate.Purpose.BET) != "registry_unclear"


def sign_up_gb(client: Client, **changes):
    told = {"country": "GB", "currency": "GBP", "postcode": "SW1A 1AA", **changes}
    return sign_up(client, **told)


@pytest.mark.feature("F103")
def test_sign_up_asks_and_whoever_is_excluded_or_unclear_reads_the_same(
    database, settings, server, tmp_path
):
    keep_mail_here(settings)
    place_steps.lay(settings, tmp_path)
    settings.FARO_JURISDICTIONS = ["GB"]
    house.sign_off("GB")
    without = sign_up_gb(Client(), postcode="")
    assert "postcode" in without.context["form"].errors
    server.book.excluded.add("anna@example.org")
    excluded = sign_up_gb(Client())
    server.book.fault = "error"
    unclear = sign_up_gb(Client(), email="ben@example.org")
    assert excluded.context["form"].errors == unclear.context["form"].errors
    assert "cannot open this account" in json.dumps(excluded.context["form"].errors)
    assert not Player.objects.exists()
    assert [row[2] for row in rows()] == ["excluded", "indeterminate"]
    server.book.fault = ""
    fine = sign_up_gb(Client(), email="ben@example.org")
    assert fine.status_code == 302
    player = PlayerId(Player.objects.get().pk)
    assert facts.latest(player)[Fact.POSTCODE] == "SW1A 1AA"
    assert [row[2] for row in rows()] == ["excluded", "indeterminate", "clear"]


@pytest.mark.feature("F103", "F104")
@pytest.mark.parametrize("before", ["clear", "indeterminate"])
def test_who_is_newly_excluded_still_signs_in_and_loses_every_other_session(
    british, server, before
):
    user = User.objects.get(pk=british)
    user.set_password(PASSWORD)
    user.save()
    connection.cursor().execute(
        "UPDATE account_emailaddress SET email = 'anna@example.org' WHERE user_id = %s", [british]
    )
    other, client = Client(), Client()
    server.book.fault = "" if before == "clear" else "error"
    assert sign_in(other).status_code == 302
    assert other.get("/me/").status_code == 200
    server.book.fault = ""
    server.book.excluded.add("anna@example.org")
    assert sign_in(client).status_code == 302
    assert client.get("/me/").status_code == 200
    assert other.get("/me/").status_code == 302
    assert [row[1:3] for row in rows()] == [("login", before), ("login", "excluded")]
    assert answer_of(british, gate.Purpose.BET) == "registry_excluded"


def test_what_is_kept_of_a_person_is_encrypted(british):
    with connection.cursor() as cursor:
        cursor.execute("SELECT personal FROM compliance_person_facts")
        kept = [bytes(row[0]) for row in cursor.fetchall()]
    assert kept
    assert not any(b"SW1A" in one for one in kept)
