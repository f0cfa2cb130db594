"""A page that missed nothing, one that joins now and one that joined before show the same table.

After every single event the old snapshot plus the events must equal a fresh snapshot. What is seen
here is kept in `tests/samples/push`, against which the page's own reducer is checked; write it
again with `FARO_WRITE_SAMPLES=1` when an event changes on purpose.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.roles import Role
from events import stream
from events.wire import compact, frame
from kernel.ids import Actor, new_id
from studio.protocol.messages import ObservationKind
from tables.bets.betting import place_batch
from tables.bets.slips import Receipt, place_bets
from tables.corrections import corrections
from tables.models import Round
from tables.play import suspension
from tables.play.evidence import Fault
from tables.play.lease import acquire
from tables.play.rounds import advance
from tables.push import snapshots
from tests import house
from tests.flows.incident_steps import person

pytestmark = pytest.mark.usefixtures("database")

SAMPLES = Path(__file__).parent.parent / "samples" / "push"
STREAM = "t:alexandria"
WINDOW_MS, INTERMISSION_MS = 600_000, 40
#: The first instant of every sample; each further one is a second later.
BEGIN_MS = 1_772_366_400_000


class Recorder:
    """Applies each event as it comes, compares with a fresh snapshot, and keeps both."""

    def __init__(self, pit: house.Pit) -> None:
        self.pit = pit
        self.snapshot = snapshots.read(STREAM)
        self.first = self.snapshot
        self.steps: list[tuple[stream.Event, dict]] = []

    def check(self) -> list[str]:
        """The one event since the last call, if there was one; its kind."""
        events = stream.read(STREAM, self.snapshot.n, 10)
        assert len(events) <= 1, "each act appends one event"
        for event in events:
            self.snapshot = self.snapshot.after(event)
            self.steps.append((event, self.snapshot.state.to_json()))
        assert self.snapshot == snapshots.read(STREAM)
        return [event.kind for event in events]

    def act(self, act: Callable[[], object]) -> None:
        act()
        assert len(self.check()) == 1

    def moves(self, *, until: str) -> None:
        """The runner's moves, one by one, until one leads to this phase."""
        self.pit.lease = self.pit.lease or acquire("alexandria", "test")
        assert self.pit.lease is not None
        self.pit.heartbeat()
        for _ in range(200):
            if advance(self.pit.lease) is not None:
                time.sleep(0.005)  # the intermission is a span of time: nothing to wait for
            if self.check() and self.pit.round().phase == until:
                return
        raise AssertionError(f"never came to {until}")

    def bet(self, *stakes: tuple[str, int]) -> None:
        player = house.player(balance_minor=10_000)
        slip = place_bets(
            player, "alexandria", key=new_id().hex, currency="EUR", stakes=list(stakes)
        )
        assert isinstance(place_batch("alexandria", [slip])[0], Receipt)
        assert self.check() == []  # what players bet is nobody's news


def _open(pit: house.Pit, recorder: Recorder) -> None:
    pit.wheel_state(2)
    recorder.moves(until="betting_open")


def _close(pit: house.Pit, recorder: Recorder) -> None:
    pit.wheel_state(3)
    pit.wheel_state(4)
    recorder.moves(until="spinning")


def _end(pit: house.Pit, recorder: Recorder, number: int) -> None:
    pit.result(number)
    pit.confirm(number)
    recorder.moves(until="settled")


def whole_rounds(pit, recorder):
    """Two rounds with "last bets", closed early by the ball, and the opening of a third."""
    for number in (17, 0):
        _open(pit, recorder)
        recorder.bet(("straight:17", 100), ("red", 500))
        house.pace(closing_soon_ms=WINDOW_MS)
        recorder.moves(until="closing_soon")
        _close(pit, recorder)
        _end(pit, recorder, number)
        house.pace(closing_soon_ms=4_000)
    _open(pit, recorder)


def no_spin(pit, recorder):
    """A void ball while bets are taken, another after the close, then a result."""
    _open(pit, recorder)
    pit.wheel_state(3)
    pit.report("wheel", ObservationKind.NO_SPIN, reason="too_few_revolutions")
    recorder.act(lambda: advance(pit.lease))
    assert pit.round().phase == "betting_open"
    recorder.bet(("black", 200))
    pit.wheel_state(2)
    _close(pit, recorder)
    pit.report("wheel", ObservationKind.NO_SPIN, reason="wheel_reversed")
    recorder.moves(until="no_spin")
    pit.wheel_state(3)
    recorder.moves(until="spinning")
    _end(pit, recorder, 26)


def suspended_and_voided(pit, recorder):
    """The pit stops the table in mid-round, every bet is returned, the table goes on."""
    _open(pit, recorder)
    recorder.bet(("straight:5", 100))
    _close(pit, recorder)
    recorder.act(
        lambda: suspension.suspend("alexandria", Fault.OPERATOR, detail="drill", actor=house.TESTER)
    )
    recorder.act(lambda: suspension.void_round(pit.round().id, reason="drill", actor=house.TESTER))
    recorder.act(lambda: suspension.resume("alexandria", cause="over", actor=house.TESTER))
    pit.wheel_state(5)
    _open(pit, recorder)


def suspended_and_spun_again(pit, recorder):
    """Sources disagree; the pit lets the same round spin again, and resumes the table later."""
    _open(pit, recorder)
    recorder.bet(("straight:5", 100))
    _close(pit, recorder)
    pit.result(17)
    pit.confirm(20)
    recorder.moves(until="suspended")
    recorder.act(
        lambda: suspension.respin_round(pit.round().id, reason="misread", actor=house.TESTER)
    )
    recorder.act(
        lambda: suspension.resume(
            "alexandria", cause="over", actor=house.TESTER, proposed_by=Actor.system("colleague")
        )
    )
    pit.wheel_state(3, spin=2)
    recorder.moves(until="spinning")
    pit.result(5, spin=2)
    pit.confirm(5)
    recorder.moves(until="settled")


def suspended_with_a_result(pit, recorder):
    """A table stopped after the number is official: the round settles, no new one opens."""
    _open(pit, recorder)
    recorder.bet(("red", 100))
    _close(pit, recorder)
    pit.result(32)
    pit.confirm(32)
    recorder.moves(until="official")
    recorder.act(
        lambda: suspension.suspend(
            "alexandria", Fault.DEVICE_FAULT, detail="lamp", actor=house.TESTER
        )
    )
    recorder.moves(until="settled")
    recorder.act(lambda: suspension.resume("alexandria", cause="lamp", actor=house.TESTER))
    _open(pit, recorder)


def corrected(pit, recorder):
    """A number of the strip and the newest one are corrected, the newest one twice."""
    pit_boss, desk = person(), person(Role.COMPLIANCE)

    def correct(round_, number):
        made = corrections.propose(
            round_.id, number, reason="misread", key=new_id().hex, actor=pit_boss
        )
        recorder.act(lambda: corrections.approve(made.id, shortfall="house", actor=desk))

    rounds = []
    for number in (17, 0):
        _open(pit, recorder)
        recorder.bet(("straight:17", 100))
        rounds.append(pit.round())
        _close(pit, recorder)
        _end(pit, recorder, number)
    correct(rounds[0], 20)
    correct(rounds[1], 26)
    correct(rounds[1], 3)
    _open(pit, recorder)


SCENARIOS = (
    corrected,
    whole_rounds,
    no_spin,
    suspended_and_voided,
    suspended_and_spun_again,
    suspended_with_a_result,
)


@pytest.mark.feature("F12")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_old_snapshot_and_each_event_make_the_fresh_snapshot(scenario):
    pit = house.pit(betting_window_ms=WINDOW_MS, intermission_ms=INTERMISSION_MS)
    recorder = Recorder(pit)
    scenario(pit, recorder)
    sample = _sample(scenario.__doc__ or "", recorder)
    path = SAMPLES / f"{scenario.__name__}.json"
    if os.environ.get("FARO_WRITE_SAMPLES"):
        path.write_text(sample)
    assert path.read_text() == sample, "the events changed: see this module's docstring"


def test_a_table_that_never_played_has_a_snapshot():
    house.pit()
    found = snapshots.read(STREAM)
    assert (found.n, found.state.to_json()) == (
        1,
        {"status": "open", "reason": None, "round": None, "results": []},
    )


def test_only_the_fifteen_newest_results_before_the_round_in_play_are_shown():
    pit = house.pit()
    pit.open_round()
    for number in range(17):
        pit.play(number)
        pit.wheel_state(2)
        pit.step()
    newest = pit.round().number
    assert newest == 18
    assert snapshots.read(STREAM).state.results == tuple(
        (number, number + 1) for number in range(16, 1, -1)
    )
    assert Round.objects.filter(result__isnull=False).count() == 17


def _sample(says: str, recorder: Recorder) -> str:
    """The same text each time: instants in the order in which they first appear."""
    instants = Instants()
    first, steps = recorder.first, []
    for event, state in recorder.steps:
        data = instants.in_order(event.data)
        told = stream.Event(STREAM, "a1b2c3d4", event.seq, event.kind, event.at, data)
        text = json.loads(frame(told)) | {"t": data["at"] + 1}
        steps.append({"frame": text, "state": instants.in_order(state)})
    begin = json.loads(first.frame(BEGIN_MS)) | {"e": "a1b2c3d4"}
    lines = ",\n".join(compact(step) for step in steps)
    return (
        f'{{"says":{json.dumps(says.strip())},\n"snapshot":{compact(begin)},\n'
        f'"steps":[\n{lines}\n]}}\n'
    )


class Instants:
    """Real instants → those of the sample. A deadline keeps its distance."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def in_order(self, found):
        if isinstance(found, dict):
            first = {"at": self._of(found["at"])} if "at" in found else {}
            return {
                key: first["at"] if key == "at" else self._named(key, value)
                for key, value in found.items()
            }
        return found

    def _named(self, key: str, value):
        if value is None or isinstance(value, dict):
            return self.in_order(value)
        distance = {"closes_at": WINDOW_MS, "next_at": INTERMISSION_MS}.get(key, 0)
        if key in {"opened_at", "closes_at", "reveal_at", "next_at"}:
            return self._of(value - distance) + distance
        return "5" * 64 if key == "rules_hash" else value

    def _of(self, instant: int) -> int:
        return self._known.setdefault(instant, BEGIN_MS + 1_000 * (len(self._known) + 1))
