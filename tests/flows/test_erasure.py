"""Erasing by class: the person is gone, what is sealed is not, and nobody does it alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import psycopg
import psycopg.sql
import pytest
from django.core.management import call_command
from django.db import transaction

from accounts.models import Player, User
from audit import seals
from audit.checking import check_database
from audit.database_clock import database_now
from audit.keys import public_key_pem
from audit.models import AuditEvent
from audit.sealed_sources import AUDIT
from backoffice.data_rights import deciding, erasing
from backoffice.data_rights.deciding import Decision
from backoffice.data_rights.erasing import Progress
from backoffice.data_rights.requests import DataCode, State
from backoffice.tasks import keep_retention
from compliance.kyc import declarations
from compliance.kyc.states import Subject
from compliance.models import Standing
from compliance.registries import facts
from compliance.registries.protocol import Fact
from kernel.ids import PlayerId, new_id
from kernel.refusal import Refused
from ledger import accounts, checks
from ledger.books_hash import books_hash
from ledger.posting import post
from ledger.postings import Transfer, TransferKind
from notices.models import Channel, Consent, Notice
from notices.send import notify
from payments.models import Deposit
from tests import house
from tests.flows import kyc_steps as kyc
from tests.flows.erasure_steps import AT_ONCE, EVERY_CLASS, ask, closed, grant, officers
from tests.flows.screening_steps import named
from verify.__main__ import main

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F111")]
BORN = date(1985, 3, 12)
EVERY_COLUMN = """
SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0
  AND NOT a.attisdropped AND t.typname IN ('text', 'varchar', 'jsonb', '_text')
"""


@pytest.fixture(autouse=True)
def _own_places(tmp_path, settings):
    settings.STATE_DIR = tmp_path / "state"
    settings.FARO_ERASURE_LOG = str(tmp_path / "outside" / "erasures.jsonl")
    with kyc.own_vault(tmp_path / "documents"):
        yield


def anna() -> PlayerId:
    """Somebody with traces in many places."""
    player = named("Anna Maria Eriksson", BORN)
    person = User.objects.get(pk=player)
    User.objects.filter(pk=player).update(email="anna.eriksson@example.org")
    facts.write(player, {Fact.POSTCODE: "VLT 1455", Fact.FAMILY_NAME: "Eriksson"})
    for channel in Channel:
        Consent.objects.create(person_id=player, channel=channel, given_at=database_now())
    notify(int(player), "case_news", {"reference": "Eriksson"})
    Deposit.objects.create(
        player_id=player, provider="simulated", provider_ref="psp_eriksson", key="k1",
        amount_minor=500, currency="EUR", state="failed",
        redirect_url="https://psp.example/eriksson",
    )  # fmt: skip
    assert person.pk == player
    return player


def reversed_deposit(player: PlayerId, minor: int) -> None:
    """All of it goes back where it came from, so that the account is even."""
    with transaction.atomic():
        post(
            key=f"test-reversal:{new_id()}",
            kind="deposit_reversal",
            actor=house.TESTER,
            transfers=[
                Transfer(
                    id=new_id(),
                    debit=accounts.player_cash(player, "EUR"),
                    credit=accounts.psp_clearing("test", "EUR"),
                    amount_minor=minor,
                    kind=TransferKind.DEPOSIT_REVERSAL,
                    ref="test",
                )
            ],
        )


def where(owner: psycopg.Connection, word: str) -> list[str]:
    """Every column of every table that has ``word`` somewhere."""
    found = []
    for relation, column in owner.execute(EVERY_COLUMN).fetchall():
        sql = psycopg.sql.SQL("SELECT 1 FROM {} WHERE {}::text ILIKE %s LIMIT 1").format(
            psycopg.sql.Identifier(relation), psycopg.sql.Identifier(column)
        )
        if owner.execute(sql, [f"%{word}%"]).fetchone():
            found.append(f"{relation}.{column}")
    return sorted(found)


def done(player: PlayerId) -> set[str]:
    return {item.key for item in erasing.of_player(player) if item.done_at is not None}


# --- what is gone and what stays


def test_after_the_laws_years_nothing_in_the_database_names_the_person(owner):
    player = anna()
    kyc.hand_in(player)
    closed(owner, player, "6 years")
    assert "accounts_user.name" in where(owner, "Eriksson")
    answered = grant(player)
    assert answered.state is State.GRANTED
    assert done(player) == set(EVERY_CLASS)
    prints = owner.execute(
        "SELECT sha256 FROM compliance_kyc_document UNION"
        " SELECT fingerprint FROM compliance_kyc_upload"
    ).fetchall()
    assert sorted(prints) == [("",), ("0" * 64,)]
    assert where(owner, "Eriksson") == []
    assert where(owner, "VLT 1455") == []
    assert where(owner, "1985-03-12") == []
    left = Player.objects.select_related("user").get(pk=player)
    assert (left.user.email, left.user.name) == (f"erased-{player}@erased.invalid", "")
    assert (left.date_of_birth, left.user.is_active) == (date(1900, 1, 1), False)
    assert left.erased_at is not None
    assert Standing.objects.get(pk=player).of_age_on == date(1918, 1, 1)
    assert facts.latest(player) == {}
    assert declarations.latest(player, Subject.IDENTITY)[0] == {}
    assert not Consent.objects.filter(person_id=player).exists()
    assert Deposit.objects.get(player_id=player).provider_ref is None
    keys = AuditEvent.objects.filter(kind="data.erased", subject_id=str(player))
    assert {one.after["class"] for one in keys} == set(EVERY_CLASS)


def test_documents_bytes_go_with_their_keys(owner, tmp_path):
    player = anna()
    kyc.hand_in(player)
    stored = [path for path in (tmp_path / "documents").rglob("*") if path.is_file()]
    assert len(stored) == 1
    closed(owner, player, "6 years")
    grant(player)
    assert erasing.drop_bytes() == 1
    assert [path for path in (tmp_path / "documents").rglob("*") if path.is_file()] == []
    assert erasing.drop_bytes() == 1  # harmless when repeated


def test_seals_books_and_proofs_hold_as_they_did_before(owner, tmp_path):
    pit = house.pit()
    player = anna()
    house.fund(player, 5_000)
    pit.open_round()
    pit.play(17)
    reversed_deposit(player, 5_000)
    for source in seals.sources():
        seals.seal(source)
    before = {
        one.name: [seal.payload for seal in seals.stored(one.name)] for one in seals.sources()
    }
    told = AuditEvent.objects.get(kind="player.registered", subject_id=str(player))
    hashed = books_hash()
    proof = StringIO()
    call_command("prove", "audit", str(told.pk), stdout=proof)

    erased = grant(player)
    assert erased.state is State.GRANTED
    assert done(player) == AT_ONCE
    assert books_hash(hashed.until).sha256 == hashed.sha256
    assert checks.run_checks().violations == []
    after = {one.name: [seal.payload for seal in seals.stored(one.name)] for one in seals.sources()}
    assert after == before
    for source in seals.sources():
        seals.seal(source)
    assert check_database(tmp_path).findings == []
    again = StringIO()
    call_command("prove", "audit", str(told.pk), stdout=again)
    assert json.loads(again.getvalue())["row"] == json.loads(proof.getvalue())["row"]
    (tmp_path / "proof.json").write_text(again.getvalue())
    (tmp_path / "key.pem").write_bytes(public_key_pem())
    assert (
        main(["proof", str(tmp_path / "proof.json"), "--public-key", str(tmp_path / "key.pem")])
        == 0
    )


def test_the_seal_over_a_name_holds_when_the_name_is_gone(owner, tmp_path):
    player = anna()
    old = closed(owner, player, "6 years")
    seals.seal(AUDIT)
    told = AuditEvent.objects.get(kind="player.registered", subject_id=str(player))
    personal = bytes(told.personal)
    grant(player)
    told.refresh_from_db()
    assert bytes(told.personal) == personal  # the bytes stay; their key is gone
    seals.seal(AUDIT)
    # the one row that this test dated back lies before every seal
    found = check_database(tmp_path).findings
    assert [one.detail for one in found] == [f"row {old} is old and under no seal"]


def test_granted_today_the_law_keeps_the_rest_and_each_class_has_its_day():
    player = anna()
    grant(player)
    assert done(player) == AT_ONCE
    assert Standing.objects.get(pk=player).status == "closed"
    ended = erasing.ended_at(player)
    days = {item.key: item.due_at - ended for item in erasing.of_player(player)}
    law = set(EVERY_CLASS) - AT_ONCE - {"own_register"}
    assert {key: days[key] for key in law} == dict.fromkeys(law, timedelta(days=5 * 366))
    assert User.objects.get(pk=player).name == "Anna Maria Eriksson"
    assert [one.kind for one in Notice.objects.filter(person_id=player)] == [
        "data_request_news",
        "data_request_news",
    ]
    assert erasing.run() == Progress(0, 0)


# --- without a request


def test_without_a_request_each_class_goes_when_its_period_is_over(owner):
    young, old, older = (named(f"Person {one}", BORN) for one in ("A", "B", "C"))
    for player, ago in ((young, "300 days"), (old, "2 years"), (older, "6 years")):
        closed(owner, player, ago)
    open_account = house.player()
    assert erasing.run() == Progress(1 + 4 + 11, 0)
    assert done(young) == {"marketing"}
    assert done(old) == AT_ONCE | {"own_register"}
    assert done(older) == set(EVERY_CLASS)
    assert done(open_account) == set()
    assert erasing.run() == Progress(0, 0)


def test_what_came_anew_since_a_class_was_done_goes_with_the_name(owner):
    player = named("Person D", BORN)
    closed(owner, player, "2 years")
    erasing.run()
    assert "devices" in done(player)
    owner.execute(
        "INSERT INTO accounts_unlockcode (user_id, code_hash, expires_at) VALUES (%s, 'x', now())",
        [player],
    )
    owner.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
    owner.execute(
        "UPDATE audit_event SET at = at - interval '4 years' WHERE kind = 'player.closed'"
    )
    owner.execute("ALTER TABLE audit_event ENABLE TRIGGER USER")
    erasing.run()
    assert done(player) == set(EVERY_CLASS)
    assert owner.execute("SELECT count(*) FROM accounts_unlockcode").fetchone()[0] == 0


def test_a_run_that_dies_is_gone_on_with(owner, monkeypatch):
    player = named("Person D", BORN)
    closed(owner, player, "6 years")
    assert erasing.run(at_most=3).erased >= 3
    real, calls = erasing.carry_out, []

    def dies(*args):
        calls.append(args)
        if len(calls) == 2:
            raise SystemExit
        return real(*args)

    other = named("Person E", BORN)
    closed(owner, other, "6 years")
    monkeypatch.setattr(erasing, "carry_out", dies)
    with pytest.raises(SystemExit):
        erasing.run()
    monkeypatch.setattr(erasing, "carry_out", real)
    assert len(done(other)) == 1
    erasing.run()
    assert done(player) == done(other) == set(EVERY_CLASS)


def test_what_fails_for_one_lets_the_others_pass_and_is_told(owner, monkeypatch):
    bad, good = named("Person D", BORN), named("Person E", BORN)
    for player in (bad, good):
        closed(owner, player, "6 years")
    real = erasing.carry_out

    def fails(erasure_id, player_id, key):
        if (player_id, key) == (bad, "screening"):
            raise ValueError("a row that nobody foresaw")
        return real(erasure_id, player_id, key)

    monkeypatch.setattr(erasing, "carry_out", fails)
    every = len(EVERY_CLASS)
    assert erasing.run() == Progress(2 * every - 1, 0, 1)
    assert (done(bad), done(good)) == (set(EVERY_CLASS) - {"screening"}, set(EVERY_CLASS))
    assert AuditEvent.objects.get(kind="data.erasing_failed").after == {"failed": 1}
    assert erasing.run() == Progress(0, 0, 1)
    monkeypatch.setattr(erasing, "carry_out", real)
    assert erasing.run() == Progress(1, 0)


def test_a_step_of_the_task_that_fails_lets_the_others_run(owner, monkeypatch, settings):
    player = named("Person D", BORN)
    closed(owner, player, "6 years")
    owner.execute(
        "INSERT INTO django_session VALUES ('over', 'x', now() - interval '1 day'),"
        " ('lasts', 'x', now() + interval '1 day')"
    )

    def fails():
        raise ValueError

    monkeypatch.setattr(erasing, "run", fails)
    with pytest.raises(RuntimeError, match="fails"):
        keep_retention()
    left = owner.execute("SELECT session_key FROM django_session").fetchall()
    assert left == [("lasts",)]
    monkeypatch.undo()
    keep_retention()
    assert done(player) == set(EVERY_CLASS)
    assert len(Path(settings.FARO_ERASURE_LOG).read_text().splitlines()) >= len(EVERY_CLASS)


# --- attack


def refused_by_database(db: psycopg.Connection, sql: str, params: list, match: str) -> None:
    with pytest.raises(psycopg.Error, match=match):
        db.execute(sql, params)


WORD = (
    "INSERT INTO backoffice_data_word (id, request_id, no, step, verdict, by_staff, proposed_no,"
    " proposed_by, key) VALUES (gen_random_uuid(), %s, %s, %s, 'granted', %s, %s, %s,"
    " gen_random_uuid()::text)"
)
PLAN = (
    "INSERT INTO backoffice_erasure (id, player_id, origin, request_id, word_no, policy, ended_at)"
    " VALUES (%s, %s, %s, %s, %s, 'x', '1999-01-01')"
)
ITEM = "INSERT INTO backoffice_erasure_item VALUES (%s, 'identity', clock_timestamp())"


@pytest.fixture
def app(database) -> Iterator[psycopg.Connection]:
    """A raw connection as the role of the processes."""
    with psycopg.connect(database.app_url, autocommit=True) as db:
        yield db


def test_the_database_takes_no_grant_of_one_officer(app):
    player = anna()
    one, two = (int(actor.id) for actor in officers())
    request = ask(player)
    refused_by_database(app, WORD, [request.id, 1, "decided", one, None, None], "proposed by")
    app.execute(WORD, [request.id, 1, "proposed", one, None, None])
    refused_by_database(app, WORD, [request.id, 2, "decided", one, 1, one], "two_people")
    refused_by_database(app, WORD, [request.id, 2, "decided", two, 1, player], "foreign key")
    refused_by_database(app, WORD, [request.id, 2, "decided", player, 1, one], "compliance officer")
    refused_by_database(app, PLAN, [new_id(), player, "request", request.id, 1], "two officers")
    refused_by_database(app, PLAN, [new_id(), player, "restored", None, None], "restores")
    refused_by_database(app, PLAN, [new_id(), player, "retention", None, None], "not closed")


def test_the_laws_years_hold_whatever_a_plan_says(app, owner):
    player, plan = named("Person F", BORN), new_id()
    closed(owner, player, "4 years")
    app.execute(PLAN, [plan, player, "retention", None, None])
    ended = app.execute("SELECT ended_at FROM backoffice_erasure").fetchone()[0]
    assert ended == erasing.ended_at(player)  # not what the row claimed
    refused_by_database(app, ITEM, [plan], "the law keeps")
    refused_by_database(app, "SELECT backoffice_erase(%s, 'identity')", [plan], "nobody decided")
    assert User.objects.get(pk=player).name == "Person F"


def test_no_back_door_erases(app, owner):
    player = anna()
    kyc.hand_in(player)
    for sql, match in (
        ("UPDATE audit_person_key SET wrapped = NULL", "an erasure alone"),
        ("UPDATE compliance_kyc_document SET wrapped_key = NULL", "an erasure alone"),
        ("UPDATE accounts_player SET erased_at = now()", "an erasure alone"),
        ("UPDATE accounts_user SET name = ' '", "an erasure alone"),
        ("UPDATE accounts_user SET email = ''", "an erasure alone"),
        (r"UPDATE audit_person_key SET wrapped = '\x00'", "the owner"),
        (r"UPDATE audit_person_key SET wrapped = '\x00', wrap_version = 9", "the owner"),
        ("UPDATE audit_person_key SET wrap_version = 9", "the owner"),
    ):
        refused_by_database(app, sql, [], match)
    # the word that lets rows pass means nothing in the mouth of a role that owns nothing
    app.execute("SELECT set_config('faro.erasing', %s, false)", [str(player)])
    for sql in (
        "UPDATE audit_person_key SET wrapped = NULL",
        "UPDATE compliance_kyc_transition SET text = ''",
        "DELETE FROM compliance_registry_answer",
        "DELETE FROM backoffice_data_word",
        "INSERT INTO backoffice_erasure_done VALUES (1, 'x', gen_random_uuid(), now(), 0)",
        "SELECT backoffice_erase_identity(1)",
        "UPDATE backoffice_retention_floor SET alone = '0'",
    ):
        refused_by_database(app, sql, [], "erasure|denied|append_only")
    assert "accounts_user.name" in where(owner, "Eriksson")


def test_nobody_is_brought_back(app, owner):
    player = anna()
    closed(owner, player, "6 years")
    grant(player)
    for sql in (
        "UPDATE accounts_user SET name = 'Anna', is_active = true WHERE id = %s",
        "UPDATE accounts_player SET erased_at = NULL WHERE user_id = %s",
        "UPDATE accounts_player SET date_of_birth = '1985-03-12' WHERE user_id = %s",
        "UPDATE audit_person_key SET wrapped = 'x' WHERE person_id = %s",
    ):
        refused_by_database(app, sql, [player], "stays")


def test_one_officer_is_not_two_and_a_partial_refusal_says_why():
    player = anna()
    one, two = officers()
    request = ask(player)
    later = {"notices": date(2099, 1, 1)}
    part = Decision("part", "kept_by_law", "Our notices stay.", "A claim.", later)
    with pytest.raises(Refused) as refused:
        deciding.answer(request.reference, part, key="k-1", actor=one)
    assert refused.value.code is DataCode.TAKES_TWO
    with pytest.raises(Refused) as refused:
        deciding.propose(request.reference, Decision("part", note="x"), key="k-2", actor=one)
    assert refused.value.code is DataCode.CODE_MISSING
    with pytest.raises(Refused) as refused:
        deciding.propose(
            request.reference, Decision("refused", "claims", note="x"), key="k-3", actor=one
        )
    assert refused.value.code == DataCode.REASON_MISSING
    for keeps in ({}, {"notices": date(2020, 1, 1)}, {"nonsense": date(2099, 1, 1)}):
        wrong = Decision("part", "claims", "Some stays.", "x", keeps)
        with pytest.raises(Refused) as refused:
            deciding.propose(request.reference, wrong, key="k-3a", actor=one)
        assert refused.value.code is DataCode.KEEPS_MISSING
    deciding.propose(request.reference, part, key="k-4", actor=one)
    with pytest.raises(Refused) as refused:
        deciding.agree(request.reference, note="x", key="k-5", actor=one)
    assert refused.value.code is DataCode.SAME_PERSON
    assert Standing.objects.get(pk=player).status == "active"
    deciding.give_back(request.reference, note="Say which payments.", key="k-6", actor=two)
    deciding.propose(request.reference, part, key="k-7", actor=two)
    assert deciding.agree(request.reference, note="y", key="k-8", actor=one).state is State.PART
    assert deciding.agree(request.reference, note="y", key="k-8", actor=one).state is State.PART
    assert AuditEvent.objects.filter(kind="data.decided").count() == 1
