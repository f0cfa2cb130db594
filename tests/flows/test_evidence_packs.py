"""Evidence packs: equal to the books, about nobody else, the same again, checked by outsiders."""

from __future__ import annotations

import io
import json
import threading
import tomllib
import tracemalloc
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection
from django.test import AsyncClient

from accounts.models import Player, User
from accounts.roles import Role
from audit import one_view, streamed
from audit.database_clock import database_now
from audit.models import AuditEvent
from audit.proofs import places, prove_all
from audit.sealed_sources import AUDIT
from backoffice import reports
from backoffice.models import PlayerNote
from backoffice.packs import doors, writing
from backoffice.packs.doors import Asked, Kind, PackCode
from backoffice.packs.writing import Facts, Table
from compliance import cases, exclusion, limits
from compliance.case_states import CaseKind
from compliance.cases import Matter, Officer
from compliance.limit_arithmetic import LimitKind, Period
from kernel.ids import Actor, new_id
from kernel.money import Money
from kernel.refusal import Refused
from ledger.trial_balance import trial_balance
from notices.models import Notice
from payments.disputes import chargebacks, debts
from tables.models import Bet, Round
from tests import house
from tests.flows.chargeback_steps import captured_deposit, disputed, finance, spend
from tests.flows.incident_steps import bet
from tests.flows.pack_steps import (
    WHY,
    checked,
    everything,
    manifest,
    opened,
    pack,
    played_and_sealed,
    reader,
    rows,
    seal_all,
    today,
    unpacked,
)
from tests.flows.seal_steps import happen
from tests.flows.staff_steps import enter, make_staff, staff_client

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F120")]

#: Files that a pack has whatever it is about.
ALWAYS = {"README.txt", "manifest.json", "manifest.signed.json", "SHA256SUMS", "keys.pem"}


@pytest.fixture
def pit(database, settings, tmp_path) -> house.Pit:
    settings.STATE_DIR = tmp_path / "state"
    return house.pit()


@pytest.fixture
def people(pit):
    return played_and_sealed(pit)


def refusal(*args, **more) -> str:
    with pytest.raises(Refused) as refused:
        pack(*args, **more)
    return str(refused.value.code)


# -- a day -----------------------------------------------------------------------------------------


@pytest.mark.feature("F71")
def test_the_pack_of_a_day_is_equal_to_the_ledger(people):
    tester = house.player(balance_minor=5_000)
    Player.objects.filter(pk=tester).update(is_test=True)
    day = opened(pack(Kind.DAY, today()))
    (revenue,) = rows(day, "revenue.csv")
    assert (revenue["staked_minor"], revenue["paid_out_minor"]) == ("1300", "5000")
    assert (revenue["ggr_minor"], revenue["house_minor"]) == ("-3700", "-3700")
    (agreed,) = rows(day, "agreement.csv")
    assert (agreed["by_rounds_minor"], agreed["by_books_minor"]) == ("-3700", "-3700")
    assert (agreed["difference_minor"], agreed["is_balanced"]) == ("0", "true")

    since, ends = reports.gaming_day_bounds(today())
    trial = {
        (row["currency"], row["kind"]): (int(row["debits_minor"]), int(row["credits_minor"]))
        for row in rows(day, "trial_balance.csv")
    }
    assert trial == {
        (row.currency, row.kind): (row.debits_minor, row.credits_minor)
        for row in trial_balance(since, ends)
    }
    moved = rows(day, "transfers.csv")
    assert sum(int(one["amount_minor"]) for one in moved) == trial["EUR", "total"][0]
    into_house = sum(int(one["amount_minor"]) for one in moved if one["to"].startswith("house "))
    from_house = sum(int(one["amount_minor"]) for one in moved if one["from"].startswith("house "))
    assert into_house - from_house == -3_700


@pytest.mark.feature("F71")
def test_a_debt_that_was_written_off_is_no_difference_between_rounds_and_books(people):
    zoe, one, two = house.player(), finance(), finance()
    paid = captured_deposit(zoe, 5_000)
    spend(zoe, 5_000)
    chargebacks.approve(disputed(paid, 5_000, by=one).id, actor=two)
    owed = debts.debts(zoe)[0].owed.minor
    assert owed == 5_000
    waits = debts.propose(
        zoe, Money(owed, "EUR"), reason="debt_uncollectable", note="Gone.", id=new_id(), actor=one
    )
    debts.approve(waits.id, actor=two)
    day = opened(pack(Kind.DAY, today()))
    (agreed,) = rows(day, "agreement.csv")
    assert (agreed["by_rounds_minor"], agreed["by_books_minor"]) == ("-3700", "-3700")
    assert (agreed["difference_minor"], agreed["other_house_minor"]) == ("0", str(-owed))
    trial = {row["kind"]: row for row in rows(day, "trial_balance.csv")}
    house_minor = int(trial["house"]["credits_minor"]) - int(trial["house"]["debits_minor"])
    assert house_minor == -3_700 - owed


@pytest.mark.feature("F71")
def test_a_pack_as_of_an_instant_of_the_day_agrees_at_that_instant(people, pit):
    anna, by, then = people[0], reader(), database_now()
    before = opened(pack(Kind.DAY, today(), by=by, as_of=then))
    if Round.objects.filter(finished_at__isnull=True).count() == 0:
        pit.open_round()
    bet(anna, ("red", 900))
    pit.play(2)
    after = opened(pack(Kind.DAY, today(), by=by, as_of=then))
    (agreed,) = rows(after, "agreement.csv")
    assert (agreed["by_rounds_minor"], agreed["by_books_minor"]) == ("-3700", "-3700")
    assert agreed["difference_minor"] == "0"
    for name in ("agreement.csv", "revenue.csv", "trial_balance.csv"):
        assert before.read(name) == after.read(name), name
    (now,) = rows(opened(pack(Kind.DAY, today(), by=by)), "agreement.csv")
    assert (now["by_rounds_minor"], now["difference_minor"]) == ("-2800", "0")


def test_a_day_says_rounds_with_sources_limits_exclusions_and_acts_of_staff(people):
    anna, ben, played = people
    now = database_now()
    limits.set_limit(
        anna, kind=LimitKind.DEPOSIT, period=Period.WEEK, amount=Money(12_345, "EUR"),
        actor=Actor.player(anna), now=now,
    )  # fmt: skip
    exclusion.cool_off(
        ben, until=now + timedelta(days=1), actor=Actor.player(ben), reason="Enough."
    )
    officer = make_staff(Role.COMPLIANCE)
    enter(officer).get(f"/admin/players/{anna}/")
    seal_all()
    data = pack(Kind.DAY, today())
    day = opened(data)
    ended = next(row for row in rows(day, "rounds.csv") if row["round"] == str(played.id))
    assert (ended["phase"], ended["result"], ended["table"]) == ("settled", "17", "alexandria")
    assert json.loads(ended["sources"]) == ["presenter", "sensor"]
    money = next(row for row in rows(day, "round_money.csv") if row["round"] == str(played.id))
    assert (money["bets"], money["players"], money["staked_minor"]) == ("3", "2", "1300")
    (changed,) = rows(day, "limit_changes.csv")
    assert (changed["player"], changed["wanted_minor"]) == (str(anna), "12345")
    (out,) = rows(day, "exclusions.csv")
    assert (out["player"], out["what"], out["reason"]) == (
        str(ben), "player.cooling_off", "Enough."
    )  # fmt: skip
    acts = rows(day, "staff_acts.csv")
    assert ("player.page_opened", f"staff:{officer.pk}", f"player:{anna}") in [
        (one["what"], one["by"], one["about"]) for one in acts
    ]
    proved = [json.loads(line) for line in day.read("proofs/audit.jsonl").splitlines()]
    assert {one["key"] for one in proved} == {one["id"] for one in acts}
    assert len(day.read("seals/audit.jsonl").splitlines()) == 2


def test_a_day_on_which_nothing_happened_has_a_pack_that_says_so(pit, tmp_path, capsys):
    data = pack(Kind.DAY, "2026-01-05")
    day = opened(data)
    listed = {one["name"]: one["rows"] for one in manifest(day)["files"]}
    assert {name for name, count in listed.items() if count} == {
        "README.txt",
        "day.csv",
        "keys.pem",
    }
    assert "No activity" in day.read("rounds.csv").decode()
    assert "No activity" in day.read("staff_acts.csv").decode()
    assert {"revenue.csv", "trial_balance.csv", "incidents.csv", "alerts.csv"} < set(listed)
    status, found = checked(unpacked(data, tmp_path / "empty"), capsys)
    assert (status, found["findings"]) == (0, [])


def test_a_day_of_many_sealed_rows_needs_no_more_memory_than_one_of_few(pit, monkeypatch):
    monkeypatch.setattr(doors, "SPOOL_BYTES", 64 * 1024)

    def peak(rows_more: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_event (id, kind, actor_kind, actor_id, subject_kind, subject_id,"
                " component, reason) SELECT gen_random_uuid(), 'player.noted', 'staff', '1',"
                " 'player', '1', 'test', repeat('why ', 50) FROM generate_series(1, %s)",
                [rows_more],
            )
        by = reader()
        seal_all()
        tracemalloc.start()
        made = doors.take(Asked(Kind.DAY, str(today()), WHY), actor=by)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        with made.file as file:
            archive = zipfile.ZipFile(file)
            count = len(rows(archive, "staff_acts.csv"))
            with archive.open("proofs/audit.jsonl") as proofs:
                proved = sum(1 for _ in proofs)
        assert count >= proved >= rows_more
        return size

    few = peak(11_000)  # one whole seal of 10,000 rows is held, whatever the day
    assert peak(16_000) < few + 1_500_000


def test_rows_of_a_table_are_asked_for_one_piece_at_a_time():
    asked: list[int] = []

    def numbers():
        for number in range(3_000):
            asked.append(number)
            yield (number,)

    class Watching(io.BytesIO):
        """Says how far the source had been read when bytes came."""

        seen: list[int] = []

        def write(self, data) -> int:
            self.seen.append(len(asked))
            return super().write(data)

    facts = Facts("day", "x", database_now(), "system:test", WHY, {})
    table = Table("numbers.csv", "Numbers.", [("n", "number")], numbers())
    out = Watching()
    writing.write(out, facts, [table])
    assert 0 < next(n for n in out.seen if n) <= writing.ROWS_PER_PIECE * 6
    assert len(rows(opened(out.getvalue()), "numbers.csv")) == 3_000


# -- a player --------------------------------------------------------------------------------------


def test_the_pack_of_a_player_has_what_is_theirs_and_nothing_of_another(people):
    anna, ben, _ = people
    limits.set_limit(
        ben, kind=LimitKind.WAGER, period=Period.DAY, amount=Money(54_321, "EUR"),
        actor=Actor.player(ben), now=database_now(),
    )  # fmt: skip
    PlayerNote.objects.create(
        id=new_id(), player_id=ben, author="staff:1", audience="everybody", text="Ben's.", key="k"
    )
    Notice.objects.create(person_id=ben, kind="new_sign_in", context={"browser": "Ben's"})
    mine = opened(pack(Kind.PLAYER, anna))
    assert rows(mine, "player.csv")[0]["email"] == User.objects.get(pk=anna).email
    assert [(one["position"], one["stake_minor"]) for one in rows(mine, "bets.csv")] == [
        ("straight:17", "100"), ("red", "500")
    ]  # fmt: skip
    ends = [(one["kind"], one["returned_minor"]) for one in rows(mine, "outcomes.csv")]
    assert sorted(ends) == [("lost", "0"), ("paid", "3600")]
    (cash,) = [one for one in rows(mine, "accounts.csv") if one["kind"] == "player_cash"]
    assert cash["balance_minor"] == str(house.balance(anna)) == "53000"
    entries = [one for one in rows(mine, "entries.csv") if one["account_kind"] == "player_cash"]
    assert sum(int(one["amount_minor"]) for one in entries) == 53_000
    assert [int(one["seq"]) for one in entries] == list(range(1, len(entries) + 1))

    told = everything(mine)
    his = Bet.objects.get(player_id=ben)
    for word in (
        User.objects.get(pk=ben).email, f"player:{ben}", str(his.id), str(his.transfer_id),
        str(his.slip_id), "54321", "77777", "Ben's",
    ):  # fmt: skip
        assert word not in told, word
    theirs = opened(pack(Kind.PLAYER, ben))
    assert all(word in everything(theirs) for word in (str(his.id), "54321", "Ben's"))


def test_a_player_s_protection_identity_and_contacts_are_in_it(people):
    anna, _, _ = people
    now = database_now()
    for minor in (20_000, 10_000):
        limits.set_limit(
            anna, kind=LimitKind.DEPOSIT, period=Period.WEEK, amount=Money(minor, "EUR"),
            actor=Actor.player(anna), now=now,
        )  # fmt: skip
    exclusion.cool_off(
        anna, until=now + timedelta(days=1), actor=Actor.player(anna), reason="Enough."
    )
    matter = Matter(CaseKind.COMPLAINT, anna, "The wheel", "=HYPERLINK(1)")
    cases.open_case(matter, who=Officer(Actor.player(anna)), key="k")
    mine = opened(pack(Kind.PLAYER, anna))
    assert [one["amount_minor"] for one in rows(mine, "limits.csv")] == ["10000"]
    assert [one["wanted_minor"] for one in rows(mine, "limit_changes.csv")] == ["20000", "10000"]
    assert [one["what"] for one in rows(mine, "exclusions.csv")] == ["player.cooling_off"]
    decided = rows(mine, "gate_decisions.csv")
    assert {one["purpose"] for one in decided} >= {"deposit"}
    assert all(one["policy"] for one in decided)
    assert rows(mine, "standing.csv")[0]["jurisdiction"]
    assert [one["subject"] for one in rows(mine, "cases.csv")] == ["The wheel"]
    assert "'=HYPERLINK(1)" in [one["text"] for one in rows(mine, "case_steps.csv")]


def test_what_may_still_change_is_not_called_rows_until_the_instant(people):
    told = manifest(opened(pack(Kind.PLAYER, people[0])))["files"]
    basis = {one["name"]: one["basis"] for one in told}
    assert basis["papers.csv"] == basis["play_sessions.csv"] == writing.Basis.STORED
    assert basis["bets.csv"] == writing.Basis.CUT


# -- who, why, and when ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "role", [Role.SUPPORT, Role.FINANCE, Role.PIT_BOSS, Role.PRESENTER, Role.ADMINISTRATOR]
)
def test_others_take_no_pack(role):
    anna = house.player()
    assert refusal(Kind.PLAYER, anna, by=reader(role)) == "not_allowed"
    assert not AuditEvent.objects.filter(kind="pack.taken").exists()


def test_no_pack_without_a_reason_of_nothing_or_of_what_is_to_come():
    anna, by = house.player(), reader()
    for reason in ("", "  \n"):
        with pytest.raises(Refused) as refused:
            doors.take(Asked(Kind.PLAYER, str(anna), reason), actor=by)
        assert refused.value.code is PackCode.NO_REASON
    now = database_now()
    for kind, ref, as_of, code in (
        (Kind.PLAYER, "999999", None, "pack_of_nothing"),
        (Kind.PLAYER, "x", None, "pack_of_nothing"),
        (Kind.PLAYER, "9" * 30, None, "pack_of_nothing"),
        (Kind.ROUND, new_id(), None, "pack_of_nothing"),
        (Kind.ROUND, "x", None, "pack_of_nothing"),
        (Kind.DAY, "2026-02-30", None, "pack_of_nothing"),
        (Kind.DAY, "9999-12-31", None, "pack_of_nothing"),
        (Kind.DAY, "2200-01-01", None, "pack_before_it_began"),
        (Kind.PLAYER, anna, now + timedelta(hours=1), "pack_of_the_future"),
        (Kind.PLAYER, anna, now - timedelta(days=1), "pack_before_it_began"),
    ):
        assert refusal(kind, ref, by=by, as_of=as_of) == code, ref
    assert not AuditEvent.objects.filter(kind="pack.taken").exists()


def test_one_pack_is_made_at_a_time_and_the_next_as_soon_as_it_is_done(people, monkeypatch):
    anna, by, begun, go_on = people[0], reader(), threading.Event(), threading.Event()
    answers: dict[str, str] = {}

    def waits(*args):
        begun.set()
        assert go_on.wait(20)
        return writing.write(*args)

    def take(name: str) -> None:
        try:
            with doors.take(Asked(Kind.PLAYER, str(anna), WHY), actor=by).file:
                answers[name] = "made"
        except Refused as refused:
            answers[name] = str(refused.code)
        finally:
            connection.close()

    def both(first: str, second: str) -> None:
        begun.clear()
        go_on.clear()
        monkeypatch.setattr(doors, "write", waits)
        one = threading.Thread(target=take, args=[first])
        one.start()
        assert begun.wait(20)
        monkeypatch.setattr(doors, "write", writing.write)
        take(second)
        go_on.set()
        one.join()

    both("first", "second")
    assert answers == {"first": "made", "second": "another_pack_is_made"}
    take("third")
    assert answers["third"] == "made"
    assert AuditEvent.objects.filter(kind="pack.taken").count() == 2
    monkeypatch.setattr(doors, "is_alone", lambda: True)  # without the lock both are made
    both("fourth", "fifth")
    assert (answers["fourth"], answers["fifth"]) == ("made", "made")


def test_a_pack_that_takes_too_long_is_refused_and_nothing_of_it_is_kept(people, monkeypatch):
    anna, by = people[0], reader()
    monkeypatch.setattr(writing, "PACK_MS_MAX", -1)  # before its first file: the clock of the house
    with pytest.raises(one_view.TookTooLong):
        writing.write(io.BytesIO(), Facts("day", "x", database_now(), "a", WHY, {}), [
            Table("numbers.csv", "Numbers.", [("n", "number")], [(1,)])
        ])  # fmt: skip
    monkeypatch.setattr(writing, "PACK_MS_MAX", 50)

    def sleeps(*_args):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(doors, "write", sleeps)  # one long statement: the clock of the database
    with pytest.raises(Refused) as refused:
        doors.take(Asked(Kind.PLAYER, str(anna), WHY), actor=by)
    assert refused.value.code is PackCode.TOO_LONG
    assert not AuditEvent.objects.filter(kind="pack.taken").exists()
    answer = staff_client(Role.INSPECTOR).post(f"/admin/packs/player/{anna}/", {"reason": WHY})
    assert answer.status_code == 400
    assert "longer than a quarter of an hour" in answer.content.decode()


def test_who_took_it_why_and_which_bytes_is_in_the_record_and_in_the_pack(people):
    anna, _, _ = people
    by = reader()
    made = doors.take(Asked(Kind.PLAYER, str(anna), f"  {WHY} "), actor=by)
    with made.file as file:
        said = manifest(zipfile.ZipFile(file))
    assert (said["asked_by"], said["reason"]) == (str(by), WHY)
    assert said["software"] == {"faro": settings.FARO_VERSION}
    told = AuditEvent.objects.get(kind="pack.taken")
    assert (told.subject_kind, told.subject_id, told.reason) == ("player", str(anna), WHY)
    assert told.after["manifest_sha256"] == made.manifest_sha256
    assert told.after["with_hidden"] is True


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((Path(settings.BASE_DIR) / "pyproject.toml").read_text())
    assert project["project"]["version"] == settings.FARO_VERSION


def test_a_pack_is_taken_on_its_page(people):
    anna, _, _ = people
    client = staff_client(Role.INSPECTOR)
    path = f"/admin/packs/player/{anna}/"
    page = client.get(path).content.decode()
    assert "Why do you take it?" in page
    assert "must not learn of" in page
    refused = client.post(path, {"reason": " "})
    assert refused.status_code == 400
    assert "Say why." in refused.content.decode()
    wrong = client.post(path, {"reason": WHY, "as_of": "yesterday"})
    assert "pack_instant_unreadable" in wrong.content.decode()
    assert "yesterday" in wrong.content.decode()
    answer = client.post(path, {"reason": WHY, "as_of": ""})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer["Content-Disposition"].startswith(f'attachment; filename="player-{anna}-')
    assert "bets.csv" in opened(b"".join(answer.streaming_content)).namelist()
    for path in ("player/999999", "player/x", "round/x", "day/x", "table/alexandria"):
        assert client.post(f"/admin/packs/{path}/", {"reason": WHY}).status_code == 404, path
    assert client.get("/admin/packs/day/x/").status_code == 404
    assert AuditEvent.objects.filter(kind="pack.taken").count() == 1


async def test_an_asynchronous_server_sends_it_in_pieces(people, monkeypatch):
    monkeypatch.setattr(streamed, "PIECE_BYTES", 1_000)
    browser = AsyncClient()
    browser.cookies = await sync_to_async(lambda: staff_client(Role.INSPECTOR).cookies)()
    answer = await browser.post(f"/admin/packs/player/{people[0]}/", {"reason": WHY})
    pieces = [piece async for piece in answer.streaming_content]
    assert answer.is_async
    assert {len(piece) for piece in pieces[:-1]} == {1_000}
    assert set(opened(b"".join(pieces)).namelist()) > ALWAYS


# -- proofs of many --------------------------------------------------------------------------------


@pytest.mark.feature("F44")
def test_rows_sealed_late_are_found_and_rows_under_no_seal_are_left_out(pit, owner):
    for number in range(3):
        happen(number)
    seal_all()
    old = AuditEvent.objects.filter(kind="test.happened").order_by("at", "id")
    known = [(str(one.id), one.at) for one in old]
    owner.execute("ALTER TABLE audit_seal DISABLE TRIGGER USER")
    owner.execute("UPDATE audit_seal SET at = at + interval '3 days'")
    owner.execute("ALTER TABLE audit_seal ENABLE TRIGGER USER")
    happen(9)
    newest = AuditEvent.objects.filter(subject_id="9", kind="test.happened").get()
    asked = [*known, (str(newest.id), newest.at)]
    assert [one.key for one in places(AUDIT, asked)] == [key for key, _ in known]
    proofs = list(prove_all(AUDIT, asked))
    assert [json.loads(one["row"])["subject"][1] for one in proofs] == ["0", "1", "2"]
    assert list(prove_all(AUDIT, [])) == []
