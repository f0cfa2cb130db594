"""Posting, holding and closing in any order, against a model of dicts: the same word each time."""

from itertools import count

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kernel.ids import AccountId, new_id
from kernel.refusal import Refused
from ledger import accounts, tasks
from ledger.posting import post, try_post
from ledger.postings import LedgerCode, Transfer, TransferKind, derived_id
from tests.flows.ledger_steps import (
    TESTER,
    assert_books_clean,
    captured,
    escrow,
    funded,
    held,
    house,
    stake,
    try_all,
    voided,
    wait_until_due,
)
from tests.pure.ledger_hold_model import HoldLedger

NAMES = ("player a", "player b", "pot", "bank")
AMOUNTS = (0, 5, 20, 40, 60)
moves = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(AMOUNTS))
reserves = st.tuples(
    st.sampled_from(NAMES[:3]), st.sampled_from(NAMES[1:]), st.sampled_from((5, 20, 40))
)
places = st.integers(-4, -1)  # among the newest, so that one thing is done to it after another
games = count(1)  # fresh accounts for each, in one database


#: Every word that is answered in the run, to show that it goes everywhere.
WORDS = {
    *("done", "replayed", "key_conflict", "below_floor", "not_positive", "same_account"),
    *("account_closed", "route_not_allowed", "hold_not_allowed", "account_not_empty"),
    "not_of_round",
    *("capture_above_hold", "stale_hold captured", "stale_hold voided", "stale_hold expired"),
}
answered = set()


def word(act):
    """What ``act`` answers: done, replayed, or the code of its refusal."""
    try:
        said = "replayed" if getattr(act(), "replayed", False) else "done"
    except Refused as refusal:
        state = refusal.data.get("state")
        said = refusal.code.value if state is None else f"{refusal.code.value} {state}"
        if refusal.code is LedgerCode.REFUSED_TRANSFER:
            said = refusal.data["post_code"]
    answered.add(said)
    return said


class Books(RuleBasedStateMachine):
    """One rule per act of the ledger; a repeated act may ask for something else."""

    def __init__(self):
        super().__init__()
        game = next(games)
        self.ids = {
            "player a": funded(game * 10 + 1, 101),
            "player b": funded(game * 10 + 2, 61),
            "pot": escrow(),
            "bank": house(f"table-{game}"),
        }
        with transaction.atomic():
            for nth, name in enumerate(NAMES[:2], 1):
                try_all([stake(game * 10 + nth, self.ids[name], self.ids["pot"], 1)])
        self.model = HoldLedger({"player a": 100, "player b": 60, "pot": 2, "bank": 0})
        self.batches = {}  # key → the id that its transfers come from, its moves, partial
        self.made = []  # every hold that was asked for and made: id, move, timeout

    def transfer(self, id_, move, kind=TransferKind.CORRECTION):
        debit, credit, amount = move
        return Transfer(
            id_, AccountId(self.ids[debit]), AccountId(self.ids[credit]), amount, kind, "machine"
        )

    def posted(self, key, of, items, *, partial):
        transfers = [self.transfer(derived_id(str(n), of), move) for n, move in enumerate(items)]
        call = try_post if partial else post
        with transaction.atomic():
            return call(key=key, kind="machine", actor=TESTER, transfers=transfers)

    def compare_post(self, key, of, items, partial):
        expected = self.model.post(key, items, partial=partial)
        if isinstance(expected, list):
            found = [one.code.value for one in self.posted(key, of, items, partial=True)]
        else:
            found = word(lambda: self.posted(key, of, items, partial=partial))
        assert found == expected

    @rule(items=st.lists(moves, min_size=1, max_size=3), partial=st.booleans())
    def post(self, items, partial):
        of = new_id()
        key = f"machine:{of}"
        self.compare_post(key, of, items, partial)
        if key in self.model.keys:
            self.batches[key] = (of, items, partial)

    @precondition(lambda self: self.batches)
    @rule(place=places, more=st.sampled_from([0, 0, 1]))
    def post_again(self, place, more):
        key = list(self.batches)[max(place, -len(self.batches))]
        of, ((debit, credit, amount), *rest), partial = self.batches[key]
        self.compare_post(key, of, [(debit, credit, amount + more), *rest], partial)

    @rule(move=reserves | moves, is_due=st.sampled_from([False, False, True]))
    def hold(self, move, is_due):
        id_, timeout_ms = new_id(), 1 if is_due else 3_600_000
        expected = self.model.hold(str(id_), move, "due" if is_due else "open")

        def act():
            done = held(self.transfer(id_, move), timeout_ms)
            if is_due:
                wait_until_due(done.expires_at)
            return done

        assert word(act) == expected
        if expected == "done":
            self.made.append((id_, move, timeout_ms))

    @rule(move=moves)
    def hold_a_stake(self, move):
        one = self.transfer(new_id(), move, TransferKind.STAKE)
        assert word(lambda: held(one)) == "hold_not_allowed"

    @precondition(lambda self: self.made)
    @rule(place=places, more=st.sampled_from([0, 0, 1]))
    def hold_again(self, place, more):
        id_, (debit, credit, amount), timeout_ms = self.made[max(place, -len(self.made))]
        move = (debit, credit, amount + more)
        expected = self.model.hold(str(id_), move, "open")
        assert word(lambda: held(self.transfer(id_, move), timeout_ms)) == expected

    @rule(
        move=reserves,
        acts=st.lists(st.sampled_from(["void", None, *AMOUNTS]), min_size=2, max_size=3),
    )
    def hold_and_end(self, move, acts):
        """Ended more than once: only the first counts."""
        self.hold(move=move, is_due=False)
        for act in acts if self.made else ():
            if act == "void":
                self.void(place=-1)
            else:
                self.capture(place=-1, amount=act)

    @precondition(lambda self: self.made)
    @rule(place=places, amount=st.sampled_from([None, *AMOUNTS]))
    def capture(self, place, amount):
        id_ = self.made[max(place, -len(self.made))][0]
        expected = self.model.capture(str(id_), amount)
        assert word(lambda: captured(id_, amount)) == expected

    @precondition(lambda self: self.made)
    @rule(place=places)
    def void(self, place):
        id_ = self.made[max(place, -len(self.made))][0]
        assert word(lambda: voided(id_)) == self.model.void(str(id_))

    @rule()
    def expire(self):
        assert tasks.expire_holds() == self.model.expire()

    @rule(name=st.sampled_from(NAMES))
    def close(self, name):
        expected = self.model.close(name)

        def act():
            with transaction.atomic():
                accounts.close(AccountId(self.ids[name]))

        assert word(act) == expected

    @invariant()
    def balances(self):
        found = accounts.balances(AccountId(id_) for id_ in self.ids.values())
        assert {
            name: (found[id_].posted_minor, found[id_].held_minor) for name, id_ in self.ids.items()
        } == {name: (self.model.posted[name], self.model.held(name)) for name in NAMES}

    def teardown(self):
        tasks.expire_holds()


def test_any_order_of_posting_holding_and_closing_is_as_the_model_says(database):
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=60,
            stateful_step_count=20,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert answered == WORDS
    assert_books_clean()
