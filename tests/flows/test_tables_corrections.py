"""A wrong result is corrected: two people, two versions, money back and forth, books in balance."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.roles import Role
from audit.database_clock import database_now
from backoffice import reports, rounds
from compliance import facts
from compliance.limit_arithmetic import Period, quarter, window
from compliance.models import QuarterTotal
from kernel.ids import Actor, new_id
from kernel.invariant import InvariantBroken
from kernel.refusal import Refused
from ledger import accounts
from ledger.checks import run_checks
from notices.models import Notice
from tables import api
from tables.corrections import corrections
from tables.corrections import money as correction_money
from tables.corrections.corrections import CorrectionCode
from tables.incidents.records import Correction, CorrectionShare, CorrectionState
from tables.incidents.sweep import Swept
from tables.models import BetOutcome, Round
from tables.pages import round_page
from tables.push import snapshots
from tables.rules import roulette
from tests import house
from tests.flows.incident_steps import bet, person
from tests.flows.ledger_steps import adjusted, adjustments
from tests.flows.staff_steps import also

pytestmark = pytest.mark.usefixtures("database")


@dataclass
class Played:
    """A settled round: 17 was called, though 20 lay there."""

    pit: house.Pit
    round: Round
    anna: int
    ben: int
    boss: Actor
    desk: Actor

    def propose(self, number=20, **fields):
        wanted = {"reason": "misread", "key": new_id().hex, "actor": self.boss} | fields
        return corrections.propose(self.round.id, number, **wanted)

    def correct(self, number=20, shortfall="receivable"):
        return corrections.approve(self.propose(number).id, shortfall=shortfall, actor=self.desk)


@pytest.fixture
def played():
    pit = house.pit()
    anna, ben = house.player(balance_minor=1_000), house.player(balance_minor=1_000)
    pit.open_round()
    bet(anna, ("straight:17", 100), ("black", 200))
    bet(ben, ("straight:20", 50))
    round_ = pit.play(17)
    assert (house.balance(anna), house.balance(ben)) == (700 + 3_600 + 400, 950)
    return Played(pit, round_, anna, ben, person(), person(Role.FINANCE))


def spend(player_id, minor):
    """Money that left the account meanwhile."""
    adjusted(accounts.player_cash(player_id, "EUR"), adjustments(), minor)


def owed(player_id):
    return -accounts.balance(accounts.receivable(player_id, "EUR")).posted_minor


def house_minor():
    return accounts.balance(accounts.house("alexandria", "EUR")).posted_minor


def check_books(round_id):
    assert run_checks().ok, run_checks().violations
    found = rounds.run_checks()
    assert found.ok, found.violations
    assert house.escrow_minor(round_id) == 0
    for row in reports.ggr(database_now().date()):
        assert row.ggr_minor + row.test_minor == row.house_minor


@pytest.mark.feature("F35")
def test_the_old_payout_comes_back_the_new_one_is_paid_and_both_results_are_kept(played):
    done = played.correct(20)
    played.round.refresh_from_db()
    assert done.state == CorrectionState.DONE
    assert (played.round.result, played.round.version) == (20, 2)
    assert (played.round.corrected_from, played.round.result_sources) == (17, ["manual"])
    # 20 is black as 17 is: anna's black stays paid, her straight comes back; ben's is paid now
    assert (house.balance(played.anna), house.balance(played.ben)) == (700 + 400, 950 + 1_800)
    rows = BetOutcome.objects.values_list("version", "kind", "returned_minor")
    assert sorted(rows) == [
        (1, "lost", 0),
        (1, "paid", 400),
        (1, "paid", 3_600),
        (2, "lost", 0),
        (2, "paid", 400),
        (2, "paid", 1_800),
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.kind, c.kind, t.amount FROM ledger_transfer t"
            " JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit"
            " WHERE t.kind = 'correction' ORDER BY t.batch, t.item"
        )
        assert cursor.fetchall() == [
            ("house", "escrow", 1_800),
            ("escrow", "player_cash", 1_800),
            ("player_cash", "escrow", 3_600),
            ("escrow", "house", 3_600),
        ]
    shares = CorrectionShare.objects.values_list("player_id", "reversed_minor", "paid_minor")
    assert sorted(shares) == sorted([(played.anna, 3_600, 0), (played.ben, 0, 1_800)])
    check_books(played.round.id)


@pytest.mark.feature("F35")
@pytest.mark.parametrize(
    ("policy", "debt", "borne"), [("receivable", 3_500, 0), ("house", 0, 3_500)]
)
def test_what_a_player_no_longer_has_is_owed_or_borne_as_the_approval_says(
    played, policy, debt, borne
):
    spend(played.anna, 4_600)  # 100 left
    before = house_minor()
    played.correct(20, policy)
    assert (house.balance(played.anna), owed(played.anna)) == (0, debt)
    share = CorrectionShare.objects.get(player_id=played.anna)
    assert (share.taken_minor, share.owed_minor, share.lost_minor) == (100, debt, borne)
    assert house_minor() - before == 3_600 - borne - 1_800
    check_books(played.round.id)


def test_what_the_new_result_pays_covers_what_the_old_one_had(played):
    """A player with both numbers on the table owes nothing where the new payout is enough."""
    pit = played.pit
    carl = house.player(balance_minor=1_000)
    pit.wheel_state(2)
    pit.step()
    bet(carl, ("straight:3", 100), ("straight:4", 200))
    second = pit.play(3)
    spend(carl, house.balance(carl))
    made = corrections.propose(second.id, 4, reason="misread", key=new_id().hex, actor=played.boss)
    corrections.approve(made.id, shortfall="receivable", actor=played.desk)
    assert (house.balance(carl), owed(carl)) == (7_200 - 3_600, 0)
    check_books(second.id)


@pytest.mark.feature("F59")
def test_approving_fifty_times_pays_once(played):
    made = played.propose()
    for _ in range(50):
        corrections.approve(made.id, shortfall="receivable", actor=played.desk)
        corrections.finish_approved()
    assert (house.balance(played.anna), house.balance(played.ben)) == (1_100, 2_750)
    assert BetOutcome.objects.count() == 6
    assert Notice.objects.filter(kind="round_corrected").count() == 2
    check_books(played.round.id)


@pytest.mark.feature("F53")
@pytest.mark.parametrize(
    "killed", ["_post", "_keep_outcomes", "_keep_shares", "_notify", "_finish"]
)
def test_a_correction_killed_anywhere_goes_on_where_it_was(played, monkeypatch, killed):
    monkeypatch.setattr(correction_money, "PLAYERS_MAX", 1)
    real, calls = getattr(correction_money, killed), []

    def dies(*args, **kwargs):
        calls.append(1)
        if len(calls) == (1 if killed == "_finish" else 2):
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(correction_money, killed, dies)
    made = played.propose()
    with pytest.raises(KeyboardInterrupt):
        corrections.approve(made.id, shortfall="receivable", actor=played.desk)
    monkeypatch.setattr(correction_money, killed, real)
    made.refresh_from_db()
    played.round.refresh_from_db()
    assert (made.state, played.round.version, played.round.result) == ("approved", 1, 17)
    assert house.escrow_minor(played.round.id) == 0
    assert rounds.run_checks().ok, rounds.run_checks().violations
    assert corrections.finish_approved() == Swept(ended=1)
    assert corrections.finish_approved() == Swept()
    assert (house.balance(played.anna), house.balance(played.ben)) == (1_100, 2_750)
    assert BetOutcome.objects.count() == 6
    check_books(played.round.id)


@pytest.mark.feature("F34")
def test_two_people_with_two_rights_decide(played):
    made = played.propose()
    with pytest.raises(Refused, match="not_allowed"):
        corrections.approve(made.id, shortfall="house", actor=played.boss)
    both = _with_both_rights(played.boss)
    with pytest.raises(Refused, match="same_person"):
        corrections.approve(made.id, shortfall="house", actor=both)
    with pytest.raises(Refused, match="same_person"):
        corrections.decline(made.id, reason="on second thoughts", actor=both)
    with pytest.raises(Refused, match="not_allowed"):
        played.propose(21, actor=played.desk)
    for role in (Role.PRESENTER, Role.SUPPORT, Role.AUDITOR, Role.ADMINISTRATOR):
        with pytest.raises(Refused, match="not_allowed"):
            corrections.approve(made.id, shortfall="house", actor=person(role))
    made.refresh_from_db()
    assert (made.state, made.decided_by) == ("proposed", "")
    with pytest.raises(DatabaseError, match="correction_two_people"), transaction.atomic():
        Correction.objects.filter(id=made.id).update(
            state="approved", shortfall="house", decided_by=made.proposed_by
        )
    assert house.balance(played.anna) == 4_700


def _with_both_rights(actor):
    also(actor.id, Role.FINANCE)
    return actor


@pytest.mark.parametrize(
    ("number", "fields", "code"),
    [
        (17, {}, CorrectionCode.SAME_NUMBER),
        (37, {}, CorrectionCode.NOT_ON_WHEEL),
        (True, {}, CorrectionCode.NOT_ON_WHEEL),
        (20, {"reason": "  "}, CorrectionCode.NO_REASON),
        (20, {"reason": "x" * 401}, CorrectionCode.TOO_LONG),
        (20, {"key": "short"}, CorrectionCode.BAD_KEY),
    ],
)
def test_a_proposal_that_makes_no_sense_is_refused(played, number, fields, code):
    with pytest.raises(Refused) as caught:
        played.propose(number, **fields)
    assert caught.value.code == code
    assert not Correction.objects.exists()


def test_a_proposal_is_made_once_per_key_and_one_is_open_at_a_time(played):
    first = played.propose(20, key="pit-key-1")
    assert played.propose(20, key="pit-key-1").id == first.id
    with pytest.raises(Refused, match="key_conflict"):
        played.propose(21, key="pit-key-1")
    with pytest.raises(Refused, match="correction_open"):
        played.propose(21)
    corrections.decline(first.id, reason="the recording says 17", actor=played.desk)
    with pytest.raises(Refused, match="already_decided"):
        corrections.approve(first.id, shortfall="house", actor=played.desk)
    assert played.propose(21).state == "proposed"
    assert house.balance(played.anna) == 4_700


def test_a_round_without_a_result_has_nothing_to_correct(played):
    played.pit.wheel_state(2)
    played.pit.step()
    with pytest.raises(Refused, match="no_result_to_correct"):
        corrections.propose(
            played.pit.round().id, 5, reason="x", key=new_id().hex, actor=played.boss
        )
    with pytest.raises(Refused, match="unknown_round"):
        corrections.propose(new_id(), 5, reason="x", key=new_id().hex, actor=played.boss)


@pytest.mark.feature("F34", "F35")
def test_the_database_lets_no_number_change_without_an_approved_correction(played):
    played.propose(20)
    for change in (
        {"result": 20},
        {"version": 2},
        {"result": 20, "version": 2},
        {"result": None},
    ):
        with pytest.raises(DatabaseError, match="correction: "), transaction.atomic():
            Round.objects.filter(id=played.round.id).update(**change)
    played.round.refresh_from_db()
    assert (played.round.result, played.round.version) == (17, 1)


@pytest.mark.feature("F35")
def test_players_whose_outcome_changed_are_told_and_the_round_shows_both_results(played):
    played.correct(20)
    told = {notice.person_id: notice.context for notice in Notice.objects.all()}
    assert sorted(told) == sorted([played.anna, played.ben])
    assert (told[played.anna]["old"], told[played.anna]["new"]) == (17, 20)
    assert (told[played.anna]["taken_minor"], told[played.ben]["paid_minor"]) == (3_600, 1_800)
    round_ = Round.objects.get(id=played.round.id)
    page = round_page.round_page(round_, played.anna, "EUR")
    assert page["correction"]["was"] == 17
    assert page["correction"]["taken_minor"] == 3_600
    assert page["returned_minor"] == 400
    assert snapshots.read("t:alexandria").state.to_json()["results"] == [[20, 1, 17]]
    assert Client().get("/api/tables/alexandria/").json()["results"] == [20]
    told = api.round_json(round_, database_now())
    assert (told["result"], told["corrected_from"], told["sources"]) == (20, 17, ["manual"])


def test_limits_count_what_a_correction_took_and_paid(played):
    played.correct(20)
    now = database_now()
    today = window(Period.DAY, now, "Europe/Malta")

    def used():
        return facts.totals([facts.Span(played.anna, "EUR", today)])[0]

    assert (used().staked_minor, used().paid_out_minor) == (300, 4_000 - 3_600)
    facts.fold()
    assert (used().staked_minor, used().paid_out_minor) == (300, 400)


@pytest.mark.feature("F35", "F97")
def test_a_correction_after_midnight_gives_and_takes_no_allowance_of_the_new_day(
    played, monkeypatch
):
    accepted = BetOutcome.objects.values_list("bet_accepted_at", flat=True)
    now, quarters = min(accepted), {quarter(at) for at in accepted}
    tomorrow = window(Period.DAY, now + timedelta(days=1), "Europe/Malta")
    monkeypatch.setattr(correction_money, "database_now", lambda: tomorrow.starts_at)
    played.correct(20)

    def used(player, days):
        one = window(Period.DAY, now + timedelta(days=days), "Europe/Malta")
        found = facts.totals([facts.Span(player, "EUR", one)])[0]
        return found.staked_minor, found.paid_out_minor

    for _ in range(2):  # fresh, then folded
        assert (used(played.anna, 1), used(played.ben, 1)) == ((0, 0), (0, 0))
        assert (used(played.anna, 0), used(played.ben, 0)) == ((300, 400), (50, 1_800))
        facts.fold()
    assert CorrectionShare.objects.filter(at=tomorrow.starts_at).count() == 2
    assert set(QuarterTotal.objects.values_list("starts_at", flat=True)) == quarters


def test_an_official_round_is_settled_before_it_is_corrected(played, monkeypatch):
    from tables.play import rounds as moves

    pit = played.pit
    pit.wheel_state(2)
    pit.step()
    bet(played.ben, ("straight:5", 100))
    monkeypatch.setattr(moves.settlement, "settle", lambda *a, **k: None)
    pit.close_betting()
    pit.result(6)
    pit.confirm(6)
    pit.heartbeat()
    for _ in range(4):
        moves.advance(pit.lease)
    official = pit.round()
    assert official.phase == "official"
    monkeypatch.undo()
    made = corrections.propose(official.id, 5, reason="x", key=new_id().hex, actor=played.boss)
    corrections.approve(made.id, shortfall="house", actor=played.desk)
    official.refresh_from_db()
    assert (official.phase, official.result, official.version) == ("settled", 5, 2)
    assert house.balance(played.ben) == 950 - 100 + 3_600
    check_books(official.id)


NUMBERS = st.integers(0, 36)
STAKES = st.lists(
    st.tuples(st.sampled_from(["red", "black", "even", "dozen:1", "straight:17", "straight:0"]),
              st.sampled_from([100, 200, 500])),
    min_size=1, max_size=4, unique_by=lambda one: one[0],
)  # fmt: skip


@pytest.mark.feature("F35", "F57")
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    stakes=st.lists(STAKES, min_size=2, max_size=2),
    first=NUMBERS,
    changes=st.lists(
        st.tuples(NUMBERS, st.sampled_from(["receivable", "house"]), st.integers(0, 5_000)),
        min_size=1, max_size=3,
    ),
)  # fmt: skip
def test_any_corrections_in_a_row_keep_the_books_and_pay_the_last_number(
    played, stakes, first, changes
):
    pit = played.pit
    pit.wheel_state(2)
    pit.step()
    players = [house.player(balance_minor=3_000) for _ in stakes]
    for player, mine in zip(players, stakes, strict=True):
        bet(player, *mine)
    round_ = pit.play(first)
    gone = dict.fromkeys(players, 0)
    for number, policy, leaves in changes:
        for player in players:
            left = min(leaves, house.balance(player))
            if left:
                spend(player, left)
                gone[player] += left
        round_.refresh_from_db()
        if number == round_.result:
            continue
        made = corrections.propose(
            round_.id, number, reason="drawn", key=new_id().hex, actor=played.boss
        )
        corrections.approve(made.id, shortfall=policy, actor=played.desk)
    round_.refresh_from_db()
    check_books(round_.id)
    rules = roulette.ruleset_by_hash(round_.rules_hash)
    for player, mine in zip(players, stakes, strict=True):
        staked = sum(minor for _, minor in mine)
        due = sum(
            roulette.payout(rules, roulette.parse_position(code), minor, round_.result)
            for code, minor in mine
        )
        shares = CorrectionShare.objects.filter(correction__round=round_, player_id=player)
        borne = sum(share.lost_minor - share.regained_minor for share in shares)
        assert borne >= 0
        expected = 3_000 - staked + due - gone[player] + owed(player) + borne
        assert house.balance(player) == expected


@pytest.mark.feature("F53")
@pytest.mark.parametrize("failure", [OperationalError("lock timeout"), InvariantBroken("books")])
def test_a_correction_that_fails_stops_no_other(played, monkeypatch, failure):
    made = played.propose()
    other = house.pit("cordouan")
    other.open_round()
    second = corrections.propose(
        other.play(17).id, 20, reason="misread", key=new_id().hex, actor=played.boss
    )
    real = corrections.carry_out
    monkeypatch.setattr(corrections, "carry_out", lambda correction: None)
    for one in (made, second):
        corrections.approve(one.id, shortfall="house", actor=played.desk)

    def carry_out(correction):
        if correction.id == made.id:
            raise failure
        real(correction)

    monkeypatch.setattr(corrections, "carry_out", carry_out)
    assert corrections.finish_approved() == Swept(ended=1, failed=1)
    states = dict(Correction.objects.values_list("id", "state"))
    assert states == {made.id: "approved", second.id: "done"}
    monkeypatch.setattr(corrections, "carry_out", real)
    assert corrections.finish_approved() == Swept(ended=1)
    made.refresh_from_db()
    assert made.state == CorrectionState.DONE
