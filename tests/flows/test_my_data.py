"""A player's copy of their data: whole, theirs alone, checkable, silent on what is hidden."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient, Client

from accounts.models import User
from accounts.roles import Role
from audit import streamed
from audit.database_clock import database_now
from audit.models import AuditEvent
from backoffice.players import data_export
from compliance import cases, exclusion, limits
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer
from compliance.limit_arithmetic import LimitKind, Period
from compliance.registries import facts
from compliance.registries.protocol import Fact
from kernel.ids import Actor, PlayerId, new_id
from kernel.money import Money
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tests import house
from tests.flows.staff_steps import make_staff

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F111")]
PASSWORD = "correct horse battery staple"


def signed_in(player: PlayerId) -> Client:
    browser = Client()
    browser.post(
        "/account/login/", {"login": User.objects.get(pk=player).email, "password": PASSWORD}
    )
    return browser


def taken(browser: Client) -> zipfile.ZipFile:
    answer = browser.post("/account/data/download/")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


def rows(archive: zipfile.ZipFile, name: str) -> list[dict]:
    return [json.loads(line) for line in archive.read(name).splitlines()]


def bets(pit: house.Pit, player: PlayerId, minor: int) -> None:
    slip = place_bets(
        player, pit.table.id, key=new_id().hex, currency="EUR", stakes=[("red", minor)]
    )
    [answer] = place_batch(pit.table.id, [slip])
    assert isinstance(answer, Receipt)


def opened(player: PlayerId, kind: CaseKind, who: Officer, text: str) -> None:
    cases.open_case(Matter(kind, player, text[:40], text), who=who, key=text[:20])


def test_a_copy_has_what_is_theirs_and_nothing_of_anybody_else():
    ada, bob = house.player(balance_minor=5_000), house.player(balance_minor=7_777)
    for player, minor in ((ada, 12_345), (bob, 54_321)):
        limits.set_limit(
            player,
            kind=LimitKind.DEPOSIT,
            period=Period.WEEK,
            amount=Money(minor, "EUR"),
            actor=Actor.player(player),
            now=database_now(),
        )
    opened(ada, CaseKind.COMPLAINT, Officer(Actor.player(ada)), "The wheel was loud.")
    facts.write(ada, {Fact.GIVEN_NAME: "Ada", Fact.POSTCODE: "VLT 1455"})
    archive = taken(signed_in(ada))
    [account] = rows(archive, "account.jsonl")
    assert account["told_at_sign_up"] == {"given_name": "Ada", "postcode": "VLT 1455"}
    assert account["email"] == User.objects.get(pk=ada).email
    assert account["date_of_birth"] == "1990-02-28"
    assert [one["amount_minor"] for one in rows(archive, "limits.jsonl")] == [12_345]
    assert [one["subject"] for one in rows(archive, "cases.jsonl")] == ["The wheel was loud."]
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    assert User.objects.get(pk=bob).email not in everything
    assert "54321" not in everything
    assert "7777" not in everything


def test_breaks_bets_and_money_are_theirs_with_their_currency(monkeypatch):
    monkeypatch.setattr(data_export, "RESULTS_AFTER", timedelta(0))
    pit = house.pit()
    ada, bob = house.player(balance_minor=5_000), house.player(balance_minor=5_000)
    pit.open_round()
    bets(pit, ada, 300)
    bets(pit, bob, 400)
    pit.play(17)
    until = database_now() + timedelta(days=1)
    exclusion.cool_off(ada, until=until, actor=Actor.player(ada), reason="Enough for today.")
    archive = taken(signed_in(ada))

    assert rows(archive, "breaks.jsonl")[0]["what"] == "player.cooling_off"
    assert rows(archive, "breaks.jsonl")[0]["until"] == until.isoformat()
    [bet] = rows(archive, "bets.jsonl")
    [result] = rows(archive, "results.jsonl")
    assert (bet["stake_minor"], result["bet_id"], result["kind"]) == (300, bet["id"], "lost")
    money = {(one["account_kind"], one["currency"]) for one in rows(archive, "ledger.jsonl")}
    assert money == {("player_cash", "EUR")}
    assert "Enough for today." not in archive.read("breaks.jsonl").decode()


def test_a_sixth_copy_within_an_hour_is_refused():
    browser = signed_in(house.player())
    for _ in range(5):
        taken(browser)
    assert browser.post("/account/data/download/").status_code == 429
    assert AuditEvent.objects.filter(kind="player.data_exported").count() == 5


async def test_an_asynchronous_server_sends_it_in_pieces(monkeypatch):
    monkeypatch.setattr(streamed, "PIECE_BYTES", 1_000)
    browser = AsyncClient()
    browser.cookies = await sync_to_async(lambda: signed_in(house.player()).cookies)()
    answer = await browser.post("/account/data/download/")
    pieces = [piece async for piece in answer.streaming_content]
    assert answer.is_async
    assert {len(piece) for piece in pieces[:-1]} == {1_000}
    assert "README.txt" in zipfile.ZipFile(io.BytesIO(b"".join(pieces))).namelist()


def test_suspicions_are_never_in_a_copy():
    ada = house.player()
    officer = Officer(Actor.staff(make_staff(Role.COMPLIANCE, key=None).pk), sees_hidden=True)
    opened(ada, CaseKind.SUSPICION, officer, "Structuring: looks like laundering.")
    archive = taken(signed_in(ada))
    assert rows(archive, "cases.jsonl") == []
    everything = b"".join(archive.read(name) for name in archive.namelist()).lower()
    for word in (b"structuring", b"laundering", b"suspicion", b"screening"):
        assert word not in everything


def test_every_file_is_in_the_manifest_with_its_hash_and_the_act_is_recorded():
    ada = house.player(balance_minor=5_000)
    archive = taken(signed_in(ada))
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["player"] == int(ada)
    listed = {one["name"]: one["sha256"] for one in manifest["files"]}
    assert set(archive.namelist()) - set(listed) == {"manifest.json", "SHA256SUMS", "README.txt"}
    for name, digest in listed.items():
        assert hashlib.sha256(archive.read(name)).hexdigest() == digest
    sums = archive.read("SHA256SUMS").decode()
    digest = hashlib.sha256(archive.read("manifest.json")).hexdigest()
    assert f"{digest}  manifest.json\n" in sums
    [event] = AuditEvent.objects.filter(kind="player.data_exported")
    assert event.after["manifest_sha256"] == digest


def test_nobody_takes_a_copy_who_has_not_just_proven_who_they_are():
    ada = house.player()
    assert Client().post("/account/data/download/").status_code == 302
    old = signed_in(ada)
    session = old.session
    for one in session["account_authentication_methods"]:
        one["at"] -= 3_600
    session.save()
    answer = old.post("/account/data/download/")
    assert (answer.status_code, answer["Location"]) == (302, "/account/data/")
    assert "reauthenticate" in old.get("/account/data/")["Location"]
    assert not AuditEvent.objects.filter(kind="player.data_exported").exists()
    assert signed_in(ada).get("/account/data/").status_code == 200
