"""Rules of payments: what each hits, that only those in force count, and what is kept of it."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Player
from audit.database_clock import database_now
from backoffice import watching
from compliance.watching import casework, versions
from compliance.watching.rulebook import Family
from ledger.postings import TransferKind
from payments.fraud import decide, hits, trial
from payments.fraud.decide import Moment
from payments.fraud.words import Decision, Outcome
from payments.models import Deposit
from tests import house
from tests.flows.fraud_steps import asks, asks_out, card, paid_with
from tests.flows.ledger_steps import app_connection, escrow, funded, move, post_all, stake
from tests.flows.staff_steps import officer
from tests.flows.watching_steps import activate, deposit, opened

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F112")]

ALLOW = Decision()


def decided(question) -> Decision:
    with transaction.atomic():
        return decide.decide(question)


def said(question, code: str) -> bool:
    """Whether the rule says something about it, in force or not."""
    decided(question)
    return code in {
        versions.find(row[0]).rule.code
        for row in _rows(
            "SELECT h.rule_id FROM payments_fraud_hit h JOIN payments_fraud_decision d"
            " ON d.id = h.decision_id WHERE d.payment_id = %s",
            [question.ref],
        )
    }


def _rows(sql, params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


@pytest.fixture
def anna():
    watching.sync()
    player = house.player()
    opened(player, days=400)
    return player


def test_a_rule_in_shadow_is_kept_and_stops_nobody(anna):
    for _ in range(5):
        deposit(anna, 1_000, minutes=5)
    question = asks(anna)
    assert decided(question) == ALLOW
    (row,) = hits.of_payment(question.ref)
    assert (row.outcome, row.reasons, row.failed) == ("allow", (), ())
    (shadow,) = hits.of_rule(versions.active("deposit_velocity") or _newest("deposit_velocity").id)
    assert (shadow.is_shadow, shadow.outcome, shadow.figures) == (
        True,
        "challenge",
        {"payments": 6},
    )


def _newest(code):
    return next(one for one in versions.everything() if one.rule.code == code)


def test_in_force_the_hardest_outcome_counts_with_all_reasons(anna):
    for code in ("deposit_velocity", "card_testing", "deposit_amounts"):
        activate(code)
    for _ in range(5):
        deposit(anna, 99_000, minutes=5)
    for _ in range(3):
        deposit(anna, 1_000, state="failed", minutes=5)
    assert decided(asks(anna, 10_000)) == Decision(
        Outcome.REVIEW, ("PAY-AMOUNTS", "PAY-DECLINES", "PAY-VELOCITY")
    )
    assert decided(asks(anna, 1_000)) == Decision(
        Outcome.CHALLENGE, ("PAY-DECLINES", "PAY-VELOCITY")
    )
    assert decided(asks(house.player())) == ALLOW


def test_velocity_counts_the_window_alone(anna):
    for _ in range(5):
        deposit(anna, 1_000, minutes=61)
    assert not said(asks(anna), "deposit_velocity")
    for _ in range(4):
        deposit(anna, 1_000, minutes=59)
    assert not said(asks(anna), "deposit_velocity")
    deposit(anna, 1_000, minutes=1)
    assert said(asks(anna), "deposit_velocity")


def test_amounts_are_those_of_the_currency_and_of_what_was_not_declined(anna):
    deposit(anna, 400_000, hours=23)
    deposit(anna, 400_000, hours=25)
    deposit(anna, 400_000, state="failed", hours=1)
    deposit(anna, 9_000_000, currency="SEK", hours=1)
    assert not said(asks(anna, 99_999), "deposit_amounts")
    assert said(asks(anna, 100_000), "deposit_amounts")
    assert not said(asks(anna, 100_000, currency="CHF"), "deposit_amounts")


def test_declines_count_by_when_they_were_declined(anna):
    for _ in range(3):
        deposit(anna, 1_000, state="failed", hours=3)
    old = Deposit.objects.filter(player_id=anna)
    old.update(changed_at=database_now() - timedelta(minutes=61))
    assert not said(asks(anna), "card_testing")
    old.update(changed_at=database_now() - timedelta(minutes=2))
    assert said(asks(anna), "card_testing")


def test_many_cards_are_cards_and_not_payments(anna):
    cards = [card(anna) for _ in range(3)]
    for one in (*cards, *cards):
        paid_with(one, days=3)
    assert not said(asks(anna, instrument=cards[0]), "many_cards")
    fourth = card(anna)
    assert said(asks(anna, instrument=fourth), "many_cards")
    assert not said(asks(house.player()), "many_cards")


def test_a_card_of_others_is_known_by_its_fingerprint(anna):
    own, other = card(anna, fingerprint="fp_x"), house.player()
    assert not said(asks(anna, instrument=own), "card_of_others")
    card(other, fingerprint="fp_x")
    assert said(asks(anna, instrument=own), "card_of_others")
    assert not said(asks(anna, instrument=own), "card_of_many")
    for _ in range(2):
        card(house.player(), fingerprint="fp_x")
    assert said(asks(anna, instrument=own), "card_of_many")
    assert said(asks_out(anna), "out_with_others_card")
    assert not said(asks_out(house.player()), "out_with_others_card")


def test_a_card_issued_elsewhere_is_no_match_and_an_unknown_issuer_says_nothing(anna):
    lives_in = Player.objects.get(pk=anna).country
    assert not said(asks(anna, instrument=card(anna, country=lives_in)), "foreign_card")
    assert not said(asks(anna, instrument=card(anna)), "foreign_card")
    assert said(asks(anna, instrument=card(anna, country="BR")), "foreign_card")


def test_a_large_deposit_into_a_young_account(anna):
    assert not said(asks(anna, 100_000), "young_and_large")
    opened(anna, days=1)
    assert not said(asks(anna, 99_999), "young_and_large")
    assert said(asks(anna, 100_000), "young_and_large")


def test_money_that_leaves_unplayed(anna):
    deposit(anna, 10_000, days=2)
    assert said(asks_out(anna), "out_unplayed")
    assert not said(asks(anna), "out_unplayed")
    played = house.player()
    assert not said(asks_out(played), "out_unplayed")  # paid nothing in


def test_stakes_count_from_the_books_and_what_came_back_does_not(anna):
    deposit(anna, 10_000, days=2)
    cash, into = funded(anna, 10_000), escrow()
    with transaction.atomic():
        post_all([stake(anna, cash, into, 9_999)])
    assert said(asks_out(anna), "out_unplayed")
    with transaction.atomic():
        post_all([stake(anna, cash, into, 1)])
    assert not said(asks_out(anna), "out_unplayed")
    post_all([move(into, cash, 1, TransferKind.REFUND)])
    assert said(asks_out(anna), "out_unplayed")


def test_once_the_instrument_is_known_only_its_rules_are_asked_again(anna):
    activate("foreign_card")
    for _ in range(6):
        deposit(anna, 1_000, minutes=5)
    arrived = asks(anna, instrument=card(anna, country="BR"), moment=Moment.ARRIVED)
    assert decided(arrived) == Decision(Outcome.CHALLENGE, ("PAY-COUNTRY",))
    assert not said(arrived, "deposit_velocity")


def test_a_rule_in_force_that_breaks_has_the_payment_reviewed(anna, monkeypatch):
    monkeypatch.setitem(watching.STATEMENTS, "declined_again", "SELECT a.nothing FROM asked a")
    watching.sync()
    broken = next(one for one in versions.running(Family.FRAUD) if "nothing" in one.rule.statement)
    assert decided(asks(anna)) == ALLOW  # in shadow
    with connection.cursor() as cursor:  # no backtest of a broken rule ends well: put in force so
        cursor.execute(
            "INSERT INTO compliance_watch_backtest (id, rule_id, by_actor, from_at, to_at, players,"
            " result) VALUES (gen_random_uuid(), %s, 'x', now(), now(), 0, '{}') RETURNING id",
            [broken.id],
        )
    asked = versions.propose(broken.id, seen=1, reason="Now.", actor=officer())
    versions.approve(broken.id, seen=asked.no, reason="Yes.", actor=officer())
    question = asks(anna)
    assert decided(question) == Decision(Outcome.REVIEW, (decide.RULE_FAILED,))
    assert hits.of_payment(question.ref)[0].failed == (broken.name,)
    assert Deposit.objects.count() == 0  # and the transaction was usable afterwards


def test_a_rule_that_takes_too_long_ends_and_the_caller_has_its_own_time_again(anna, monkeypatch):
    monkeypatch.setattr(decide, "STATEMENT_MS", 50)
    monkeypatch.setitem(
        watching.STATEMENTS,
        "declined_again",
        "SELECT a.ref, a.player_id FROM asked a, pg_sleep(%(count_min)s)",
    )
    watching.sync()
    [slow] = [one for one in versions.running(Family.FRAUD) if "pg_sleep" in one.rule.statement]
    question, causes = asks(anna), {}
    logger = SimpleNamespace(error=lambda _, rule, error: causes.update({rule: error}))
    monkeypatch.setattr(decide, "log", logger)
    with transaction.atomic():
        before = _rows("SELECT current_setting('statement_timeout')", [])
        assert decide.decide(question) == ALLOW  # in shadow
        assert _rows("SELECT current_setting('statement_timeout')", []) == before
        _rows("SELECT pg_sleep(0.1)", [])
    # others too, where the machine is busy
    assert slow.name in hits.of_payment(question.ref)[0].failed
    assert "statement timeout" in causes[slow.name]


def test_no_case_is_opened_by_rules_of_payments(anna):
    activate("deposit_velocity")
    for _ in range(6):
        deposit(anna, 1_000, minutes=5)
    assert decided(asks(anna)).outcome is Outcome.CHALLENGE
    watching.run()
    assert casework.queue(Family.AML) == []


def test_a_version_is_tried_on_the_payments_of_the_past(anna):
    bad, good = card(anna, country="BR", days=40), card(anna, country="MT", days=40)
    paid_with(bad, state="lost", days=20)
    paid_with(bad, days=10)
    paid_with(good, days=10)
    paid_with(good, state="disputed", days=5)
    paid_with(good, days=60)
    version = _newest("foreign_card")
    past = trial.past(version.rule, database_now() - timedelta(days=30), database_now())
    assert past == trial.Past(players={anna: 2}, asked=4, bad=2, bad_hit=1)
    kept = watching.backtest(version.id, actor=officer(), days=30)
    (row,) = kept.result["rows"]
    assert (row["players"], row["times"], row["bad_hit"], row["bad"]) == (1, 2, 1, 2)
    assert (kept.players, kept.result["payments"]) == (1, 4)


def test_what_went_back_unplayed_stays_bad_once_it_is_back(anna):
    back = paid_with(card(anna, country="BR", days=40), state="refund_due", days=3)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_transition (id, at, payment_id, direction, player_id, before,"
            " after, actor, cause, reason) VALUES (gen_random_uuid(), clock_timestamp(), %s,"
            " 'deposit', %s, 'processing', 'refund_due', 'x', 'x', 'excluded')",
            [back.pk, anna],
        )
    Deposit.objects.filter(pk=back.pk).update(state="refunded")
    paid_with(card(anna, country="BR", days=40), state="refunded", days=2)
    past = trial.past(
        _newest("foreign_card").rule, database_now() - timedelta(days=30), database_now()
    )
    assert (past.bad, past.bad_hit) == (1, 1)  # a refund of another kind is no bad one


def test_history_is_asked_as_of_each_payments_own_instant(anna):
    for hours in (50, 49.9, 49.8, 49.7, 49.6, 49.5):
        deposit(anna, 1_000, hours=hours)
    deposit(anna, 1_000, hours=1)
    past = trial.past(
        _newest("deposit_velocity").rule, database_now() - timedelta(days=30), database_now()
    )
    assert (past.asked, past.players) == (7, {anna: 1})  # the sixth within its hour


def test_a_next_version_is_compared_with_the_one_in_force(anna, monkeypatch):
    before = activate("foreign_card")
    paid_with(card(anna, country="BR", days=9), days=5)
    stricter = before.rule.statement.replace("a.issuer <> ''", "a.issuer = 'XX'")
    monkeypatch.setitem(watching.STATEMENTS, "country_mismatch", stricter)
    watching.sync()
    kept = watching.backtest(_newest("foreign_card").id, actor=officer(), days=30)
    fresh, current = kept.result["rows"]
    assert (fresh["times"], current["times"], current["only_here"]) == (0, 1, 1)
    assert kept.result["both"] == 0


def test_what_was_decided_never_changes(anna, database):
    question = asks(anna)
    decided(question)
    with app_connection(database) as attacker:
        for change in (
            "UPDATE payments_fraud_decision SET outcome = 'block'",
            "DELETE FROM payments_fraud_decision",
            "UPDATE payments_fraud_hit SET is_shadow = true",
            "DELETE FROM payments_fraud_verdict",
        ):
            with pytest.raises(Exception, match=r"permission denied|append_only"):
                attacker.execute(change)
            attacker.rollback()
    assert len(hits.of_payment(question.ref)) == 1


@pytest.mark.parametrize("outcome", ["challenge", "block"])
def test_the_database_lets_no_rule_keep_money_that_is_the_players(anna, outcome):
    with pytest.raises(DatabaseError, match="check"), transaction.atomic():
        _rows(
            "INSERT INTO payments_fraud_decision (id, payment_id, purpose, moment, player_id,"
            " outcome, reasons, failed) VALUES (gen_random_uuid(), gen_random_uuid(), 'withdrawal',"
            " 'asked', %s, %s, ARRAY['X'], '{}') RETURNING id",
            [anna, outcome],
        )


def test_an_instrument_that_is_known_later_changes_no_answer_of_before(anna):
    own = card(anna, fingerprint="fp_y", days=3)
    card(house.player(), fingerprint="fp_y", days=1)
    paid_with(own, days=2)
    past = trial.past(
        _newest("card_of_others").rule, database_now() - timedelta(days=30), database_now()
    )
    assert past.players == {}
    card(house.player(), fingerprint="fp_y", days=2, hours=1)
    past = trial.past(
        _newest("card_of_others").rule, database_now() - timedelta(days=30), database_now()
    )
    assert past.players == {anna: 1}


def test_what_was_decided_before_is_what_a_payment_meets_when_it_arrives(anna):
    activate("deposit_amounts")
    question = asks(anna, 600_000)
    assert decided(question) == Decision(Outcome.REVIEW, ("PAY-AMOUNTS",))
    assert decide.before(question.ref) == Decision(Outcome.REVIEW, ("PAY-AMOUNTS",))
    assert decide.before(replace(question, ref=asks(anna).ref).ref) == ALLOW
