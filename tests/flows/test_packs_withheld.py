"""What evidence packs withhold: what players must not learn of, and some words from everybody."""

from __future__ import annotations

import base64
import json
import zipfile

import pytest
from django.db import transaction

from accounts.models import User
from accounts.roles import Role
from audit.database_clock import database_now
from audit.record import Personal, Subject, hidden_kinds, record
from backoffice.packs import doors
from backoffice.packs.doors import Kind
from backoffice.players.player_page import NOTED
from backoffice.support.search import CASE_OPENED
from compliance import cases, freezing, gate, switches
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer
from compliance.freezing import Ground
from compliance.own_register import lifting, likenesses
from compliance.watching import casework
from compliance.watching.rulebook import Family
from kernel.ids import Actor, new_id
from kernel.money import Money
from tests import house
from tests.flows.pack_steps import (
    everything,
    manifest,
    opened,
    pack,
    played_and_sealed,
    reader,
    rows,
    seal_all,
    today,
)
from tests.flows.staff_steps import make_staff

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F120")]

#: Kinds of the record that players must not learn of.
HIDDEN_KINDS = {
    "aml.report_made", "aml.report_opened", "register.likeness_decided", "register.likeness_found",
    "register.sign_up_refused", "screening.hit", "screening.hit_decided", "screening.hit_proposed",
    "screening.hit_returned", "screening.player_failed", "watching.alert_joined",
    "watching.case_moved", "watching.case_opened", "watching.case_overdue",
}  # fmt: skip


@pytest.fixture
def pit(database, settings, tmp_path) -> house.Pit:
    settings.STATE_DIR = tmp_path / "state"
    return house.pit()


@pytest.fixture
def people(pit):
    return played_and_sealed(pit)


def proofs_of(archive: zipfile.ZipFile) -> list[dict]:
    return [json.loads(line) for line in archive.read("proofs/audit.jsonl").splitlines()]


def test_what_players_must_not_learn_of_is_for_inspectors_and_not_for_auditors(people):
    anna, _, _ = people
    note = "Looks like laundering by a neighbour."
    case = casework.open_by_hand(Family.AML, anna, note, key="k", actor=casework.WATCHER)
    matter = Matter(CaseKind.SUSPICION, anna, "Structuring", "Structuring it is.")
    officer = Officer(Actor.staff(make_staff(Role.COMPLIANCE, key=None).pk), sees_hidden=True)
    cases.open_case(matter, who=officer, key="k")
    freezing.freeze(anna, Ground.SUSPICION, actor=casework.WATCHER)
    with transaction.atomic():
        asked = gate.GateRequest(new_id(), anna, gate.Purpose.DEPOSIT, Money(100, "EUR"), ())
        gate.decide([asked], now=database_now())
    theirs = opened(pack(Kind.PLAYER, anna))
    (told,) = rows(theirs, "officers_cases.csv")
    assert (told["reference"], told["family"], told["state"]) == (case.reference, "aml", "open")
    assert manifest(theirs)["left_out"] == []
    assert note not in everything(theirs)
    assert [one["scope"] for one in rows(theirs, "orders.csv")] == [f"suspected:{anna}"]

    auditors = opened(pack(Kind.PLAYER, anna, by=reader(Role.AUDITOR)))
    assert manifest(auditors)["left_out"] == [doors.NOT_HIDDEN]
    hidden = {
        "orders.csv", "screening.csv", "screening_hits.csv", "screening_decisions.csv",
        "alerts.csv", "officers_cases.csv", "officers_steps.csv", "likenesses.csv",
    }  # fmt: skip
    assert hidden <= set(theirs.namelist())
    assert not hidden & set(auditors.namelist())
    assert case.reference not in everything(auditors)
    assert "suspected" not in everything(auditors)
    assert rows(auditors, "gate_decisions.csv")[-1]["code"] == "disabled"
    assert "Structuring" not in everything(auditors)
    of_day = opened(pack(Kind.DAY, today(), by=reader(Role.AUDITOR)))
    assert not {"alerts.csv", "officers_cases.csv"} & set(of_day.namelist())


def test_nothing_of_what_is_hidden_stands_in_an_auditor_s_record_or_in_its_proofs(people):
    anna, _, _ = people
    officer = make_staff(Role.COMPLIANCE)
    by, about = Actor.staff(officer.pk), Subject("player", str(anna))
    assert hidden_kinds() == HIDDEN_KINDS  # also where nothing else asks for these modules
    for kind in sorted(HIDDEN_KINDS):
        record(kind, actor=by, subject=about, component="test", reason=f"Words of {kind}.")
    matter = Matter(CaseKind.SUSPICION, anna, "Structuring", "Structuring it is.")
    case = cases.open_case(matter, who=Officer(by, sees_hidden=True), key="k")
    record(CASE_OPENED, actor=by, subject=Subject("case", case.reference), component="test")
    asks = Matter(CaseKind.COMPLAINT, anna, "The wheel", "It stuck.")
    told = cases.open_case(asks, who=Officer(Actor.player(anna)), key="c")
    record(CASE_OPENED, actor=by, subject=Subject("case", told.reference), component="test")
    scopes = (f"player:{anna}", f"suspected:{anna}", "table:alexandria")
    for scope in scopes:
        record(
            switches.DISABLED, actor=by, component="test",
            subject=switches._subject(scope, new_id()),
        )  # fmt: skip
    seal_all()
    packs = {
        role: [
            opened(pack(kind, ref, by=reader(role)))
            for kind, ref in ((Kind.PLAYER, anna), (Kind.DAY, today()))
        ]
        for role in (Role.AUDITOR, Role.INSPECTOR)
    }
    for archive in packs[Role.AUDITOR]:
        text = everything(archive)
        for word in (*HIDDEN_KINDS, "Words of", case.reference, f"switch:player:{anna}", "order:"):
            assert word not in text, word
        assert len(proofs_of(archive)) > 0
    of_day = rows(packs[Role.AUDITOR][1], "staff_acts.csv")
    assert f"case:{told.reference}" in [one["about"] for one in of_day]
    assert "switch:table:alexandria" in [one["about"] for one in of_day]

    of_player, of_day = (
        rows(archive, name)
        for archive, name in zip(
            packs[Role.INSPECTOR], ("record.csv", "staff_acts.csv"), strict=True
        )
    )
    for acts in (of_player, of_day):
        words = {one["what"]: one["reason"] for one in acts}
        assert words.keys() >= HIDDEN_KINDS
        assert words["aml.report_opened"] == ""
        assert words["watching.case_moved"] == "Words of watching.case_moved."
    assert {f"case:{case.reference}", f"switch:player:{anna}"} <= {one["about"] for one in of_day}
    for archive in packs[Role.INSPECTOR]:
        kinds = {json.loads(one["row"])["kind"] for one in proofs_of(archive)}
        assert kinds & HIDDEN_KINDS >= {"aml.report_made", "watching.case_moved"}
        assert "aml.report_opened" not in kinds
        assert "Words of aml.report_opened" not in everything(archive)


def test_an_officer_s_words_about_a_likeness_are_in_no_pack_of_the_player(people):
    anna, ben, _ = people
    officer = Actor.staff(make_staff(Role.COMPLIANCE, key=None).pk)
    other = User.objects.get(pk=ben).email
    for kind in (likenesses.DECIDED, lifting.PROPOSED):
        record(
            kind, actor=officer, subject=Subject("player", str(anna)), component="test",
            after={"excluded_player": int(ben)}, reason=f"The same as {other}.",
        )  # fmt: skip
    record(
        NOTED, actor=officer, subject=Subject("player", str(anna)), component="test", reason="So."
    )
    seal_all()
    mine = opened(pack(Kind.PLAYER, anna))
    assert other not in everything(mine)
    told = {one["what"]: (one["after"], one["reason"]) for one in rows(mine, "record.csv")}
    assert told["register.likeness_decided"] == told["register.lift_proposed"] == ("", "")
    assert told[NOTED][1] == "So."
    assert b"reason" not in mine.read("likenesses.csv").splitlines()[0]
    assert "What staff wrote stands as they wrote it" in mine.read("README.txt").decode()


def test_personal_fields_are_in_proofs_as_they_are_sealed_and_nobody_reads_them(people):
    anna, _, _ = people
    secret = {"address": "7 Triq il-Kbira, Mdina", "date_of_birth": "1971-03-09"}
    record(
        NOTED, actor=Actor.system("test"), subject=Subject("player", str(anna)), component="test",
        personal=Personal(int(anna), secret),
    )  # fmt: skip
    seal_all()
    mine = opened(pack(Kind.PLAYER, anna))
    (row,) = [json.loads(one["row"]) for one in proofs_of(mine) if NOTED in one["row"]]
    assert row["personal"]["person"] == int(anna)
    kept = base64.b64decode(row["personal"]["data"])
    assert len(kept) > len(json.dumps(secret))  # so it is there
    for word in secret.values():
        assert word.encode() not in kept
        assert word not in everything(mine)


def test_no_password_and_no_key_is_in_a_pack(people):
    anna, _, _ = people
    user = User.objects.get(pk=anna)
    user.set_password("correct horse battery")
    user.save()
    told = everything(opened(pack(Kind.PLAYER, anna)))
    assert user.email in told
    assert user.password not in told
    assert "argon2" not in told
    assert "personal_key" not in told
    assert "wrapped" not in told
