"""Events to findings: which spin counts, which does not, and when the wheel cannot be believed.

The one rule above all: a result is reported only at the edge from state 4 to state 5, seen
without a gap, of a spin that was seen from its launch and raised no doubt. Until that edge the
number field still holds the previous number. Everything else ends in a no-spin (certain: bets
stay valid, the ball is launched again) or in a fault (doubt: people decide).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from studio.devices.findings import DeviceOrder, Faults, Finding, Product
from studio.devices.slingshot.events import (
    Event,
    FellSilent,
    Joined,
    Lost,
    Moved,
    Noise,
    NumberSaid,
    Stayed,
)
from studio.devices.slingshot.frames import RESTART, Status, WheelFlag, WheelState
from studio.devices.slingshot.limits import Limits
from studio.protocol.messages import FaultCode, NoSpinReason, ObservationKind

_BEFORE, _PLACE = WheelState.BEFORE_GAME, WheelState.PLACE_BETS
_RIM, _NO_MORE = WheelState.BALL_IN_RIM, WheelState.NO_MORE_BETS
_NUMBER, _CLOSED = WheelState.WINNING_NUMBER, WheelState.CLOSED
_UNDETECTED = WheelState.BALL_NOT_DETECTED

#: Nothing turns that could still become a result.
_AT_REST: Final = frozenset({_BEFORE, _PLACE, _CLOSED})
#: A ball is under way, or its number stands.
_IN_SPIN: Final = frozenset({_RIM, _NO_MORE, _NUMBER})

#: The documented loop 6→1→2→3→4→5→2 (5→1 in a mode), closing at rest, restarts of a spin, and
#: state 7 where the ball is missed. Real logs also hold 4→6, 2→6, 2→5: those not here are reported.
_LEGAL: Final = frozenset(
    {
        (_CLOSED, _BEFORE), (_CLOSED, _PLACE), (_BEFORE, _PLACE), (_PLACE, _RIM), (_RIM, _NO_MORE),
        (_NO_MORE, _NUMBER), (_NUMBER, _PLACE), (_NUMBER, _BEFORE),
        (_BEFORE, _CLOSED), (_PLACE, _CLOSED), (_NUMBER, _CLOSED), (_PLACE, _BEFORE),
        (_RIM, _PLACE), (_NO_MORE, _PLACE), (_RIM, _BEFORE), (_NO_MORE, _BEFORE),
        (_PLACE, _UNDETECTED), (_RIM, _UNDETECTED), (_NO_MORE, _UNDETECTED),
        (_UNDETECTED, _BEFORE), (_UNDETECTED, _PLACE), (_UNDETECTED, _CLOSED),
    }
)  # fmt: skip

#: Faults of one spin: they end when the wheel is seen at rest again.
_SPIN_FAULTS: Final = (
    FaultCode.ODD_TRANSITION,
    FaultCode.SPIN_JUMP,
    FaultCode.SPIN_CHANGED,
    FaultCode.DIRECTION_CHANGED,
    FaultCode.RIM_TOO_SHORT,
    FaultCode.SPIN_TOO_LONG,
    FaultCode.EDGE_UNSEEN,
    FaultCode.JOINED_MID_SPIN,
    FaultCode.NUMBER_CHANGED,
    FaultCode.NUMBER_MISMATCH,
    FaultCode.NUMBER_NOT_ON_WHEEL,
)


@dataclass(slots=True)
class _Spin:
    """One launched ball, from the edge 2→3 that was seen."""

    counter: int
    direction: int
    void: bool = False
    doubtful: bool = False
    unseen_since_ms: int | None = None
    said: int | None = None
    #: State 5 was reached, and what the number field showed there first.
    numbered: bool = False
    shown: int | None = None


class SpinRules:
    """The state of judgement over one wheel."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._faults = Faults()
        self._spin: _Spin | None = None
        self._counter: int | None = None
        self._counter_may_stay = False
        self._told: tuple[WheelState, int, WheelFlag] | None = None

    def take(self, event: Event) -> list[Product]:
        """The findings and orders that follow from ``event``."""
        products: list[Product] = []
        match event:
            case Joined():
                products = self._joined(event.status)
            case Stayed():
                products = [*self._seen(event.status), *self._within(event)]
            case Moved():
                products = self._moved(event)
            case NumberSaid():
                products = self._said(event.number)
            case FellSilent():
                self._counter = None
                products = self._faults.put_up(FaultCode.SILENT)
            case Lost():
                self._spin = self._counter = self._told = None
                products = self._faults.put_up(FaultCode.DISCONNECTED)
            case Noise():
                pass
            case _:
                assert_never(event)
        return products

    def _joined(self, status: Status) -> list[Product]:
        products = self._seen(status)
        if status.state in _IN_SPIN:
            products += self._faults.put_up(FaultCode.JOINED_MID_SPIN)
        elif status.state in _AT_REST:
            products += self._faults.take_down(*_SPIN_FAULTS)
        # Heard again only after what is wrong was said, so that the wheel never looks well between.
        return [*products, *self._heard(), *self._faults.well()]

    def _heard(self) -> list[Product]:
        return self._faults.take_down(FaultCode.SILENT, FaultCode.DISCONNECTED)

    def _seen(self, status: Status) -> list[Product]:
        """Tell the wheel's state when it changed, and its hardware flag in any state."""
        products: list[Product] = []
        now = (status.state, status.spin, status.flags)
        if now != self._told:
            self._told = now
            products.append(_state_finding(status))
        if WheelFlag.HARDWARE in status.flags:
            return products + self._doubt(FaultCode.HARDWARE)
        return products + self._faults.take_down(FaultCode.HARDWARE)

    def _moved(self, event: Moved) -> list[Product]:
        products = self._seen(event.status)
        edge = (event.before.state, event.status.state)
        if edge not in _LEGAL:
            products += self._doubt(FaultCode.ODD_TRANSITION)
        if event.status.state in _IN_SPIN:
            products += self._forward(event)
        else:
            products += self._left(event)
            if edge in _LEGAL and event.status.state in _AT_REST:
                products += self._faults.take_down(*_SPIN_FAULTS)
        return products + self._heard()

    def _forward(self, event: Moved) -> list[Product]:
        """A step of a spin: launch, slowing down, number."""
        edge = (event.before.state, event.status.state)
        if edge == (_PLACE, _RIM):
            return self._launched(event)
        products = self._steady(event.status)
        if edge == (_RIM, _NO_MORE) and event.lasted_ms < self._limits.rim_ms_min:
            products += self._doubt(FaultCode.RIM_TOO_SHORT)
        if edge == (_NO_MORE, _NUMBER):
            products += self._number(event)
        elif event.status.state is _NUMBER and self._spin is not None:
            self._spin.numbered, self._spin.shown = True, event.status.win
        return products

    def _launched(self, event: Moved) -> list[Product]:
        status, before = event.status, self._counter
        self._spin = _Spin(status.spin, status.direction)
        self._counter = status.spin
        products: list[Product] = [
            Finding(
                ObservationKind.SPIN_STARTED, {"spin": status.spin, "direction": status.direction}
            )
        ]
        expected = {before % 256 + 1} if before is not None else {status.spin}
        if self._counter_may_stay and before is not None:
            expected.add(before)
        self._counter_may_stay = False
        if status.spin not in expected:
            products += self._doubt(FaultCode.SPIN_JUMP)
        if event.after_silence:
            products += self._doubt(FaultCode.EDGE_UNSEEN)
        return products + self._flags(status, 0)

    def _within(self, event: Stayed) -> list[Product]:
        status = event.status
        if status.state in _AT_REST:
            return self._faults.take_down(*_SPIN_FAULTS) + self._heard()
        products: list[Product] = []
        if status.state in _IN_SPIN:
            products += self._steady(status) + self._flags(status, event.lasted_ms)
        if status.state is _NO_MORE and event.lasted_ms > self._limits.settling_ms_max:
            products += self._doubt(FaultCode.SPIN_TOO_LONG)
        if status.state is _NUMBER and self._spin is not None and status.win != self._spin.shown:
            products += self._doubt(FaultCode.NUMBER_CHANGED)
        return products + self._heard()

    def _steady(self, status: Status) -> list[Product]:
        """The wheel's counter and direction stand still while a ball is under way."""
        if self._spin is None:
            return []
        if status.spin != self._spin.counter:
            self._counter = None
            return self._doubt(FaultCode.SPIN_CHANGED)
        if status.direction != self._spin.direction:
            return self._doubt(FaultCode.DIRECTION_CHANGED)
        return []

    def _flags(self, status: Status, lasted_ms: int) -> list[Product]:
        """Misfire flags are routine; only these, held for their time, void a spin."""
        spin = self._spin
        if spin is None or spin.void:
            return []
        if status.state is _RIM:
            if WheelFlag.SAME_DIRECTION in status.flags:
                return self._void(NoSpinReason.WRONG_DIRECTION, restart=True)
            late = lasted_ms >= self._limits.launch_flag_ignored_ms
            if WheelFlag.LAUNCH_FAILED in status.flags and late:
                return self._void(NoSpinReason.LAUNCH_FAILED, restart=True)
        if status.state is _NO_MORE:
            if WheelFlag.BALL_NOT_SEEN not in status.flags:
                spin.unseen_since_ms = None
            elif spin.unseen_since_ms is None:
                spin.unseen_since_ms = lasted_ms
            elif lasted_ms - spin.unseen_since_ms >= self._limits.ball_unseen_ms:
                return self._void(NoSpinReason.BALL_NOT_SEEN, restart=True)
        return []

    def _number(self, event: Moved) -> list[Product]:
        """The edge 4→5: the only place in the house where a result begins."""
        spin, win = self._spin, event.status.win
        if spin is None or spin.numbered:
            return []
        spin.numbered, spin.shown = True, win
        against = self._against(event, spin)
        if spin.void:
            return []
        if isinstance(against, NoSpinReason):
            return self._void(against, restart=False)
        if isinstance(against, FaultCode):
            return self._doubt(against)
        if spin.doubtful or win is None:
            return []
        return [Finding(ObservationKind.RESULT, {"number": win, "spin": spin.counter})]

    def _against(self, event: Moved, spin: _Spin) -> NoSpinReason | FaultCode | None:
        """What speaks against the number at this edge; what is certain comes first."""
        win, limits = event.status.win, self._limits
        unseen = WheelFlag.BALL_NOT_SEEN in event.status.flags | event.before.flags
        objections = (
            (event.lasted_ms < limits.settling_ms_min, NoSpinReason.TOO_FEW_REVOLUTIONS),
            (event.lasted_ms > limits.settling_ms_max, FaultCode.SPIN_TOO_LONG),
            (event.after_silence, FaultCode.EDGE_UNSEEN),
            (unseen, NoSpinReason.BALL_NOT_SEEN),
            (win is None or win > 36, FaultCode.NUMBER_NOT_ON_WHEEL),
            (spin.said not in (None, win), FaultCode.NUMBER_MISMATCH),
        )
        return next((objection for holds, objection in objections if holds), None)

    def _said(self, number: int) -> list[Product]:
        """A number alone never makes a result; it can only contradict one."""
        spin = self._spin
        if spin is None or self._told is None or self._told[0] not in (_NO_MORE, _NUMBER):
            return []
        differs = spin.said not in (None, number)
        spin.said = number
        if self._told[0] is _NUMBER:
            differs = differs or number != spin.shown
        return self._doubt(FaultCode.NUMBER_MISMATCH) if differs else []

    def _left(self, event: Moved) -> list[Product]:
        """The spin is over. Without a number it was a no-spin, unless something was missed."""
        spin, self._spin = self._spin, None
        state = event.status.state
        if state is _UNDETECTED and event.before.state is _PLACE:
            self._counter_may_stay = True
            return [_no_spin(NoSpinReason.BALL_NOT_DETECTED), DeviceOrder(RESTART)]
        if spin is None:
            return []
        self._counter_may_stay = self._counter_may_stay or spin.void or not spin.numbered
        if spin.void or spin.numbered:
            return []
        if event.after_silence or event.status.win != event.before.win:
            return self._doubt(FaultCode.EDGE_UNSEEN)  # state 5 may have come and gone unseen
        if state is _UNDETECTED:
            return [_no_spin(NoSpinReason.BALL_NOT_DETECTED), DeviceOrder(RESTART)]
        closed = state is _CLOSED
        return [_no_spin(NoSpinReason.CLOSED if closed else NoSpinReason.RESTARTED)]

    def _void(self, reason: NoSpinReason, *, restart: bool) -> list[Product]:
        if self._spin is not None:
            self._spin.void = True
        order: list[Product] = [DeviceOrder(RESTART)] if restart else []
        return [_no_spin(reason), *order]

    def _doubt(self, code: FaultCode) -> list[Product]:
        if self._spin is not None:
            self._spin.doubtful = True
        return self._faults.put_up(code)


def _no_spin(reason: NoSpinReason) -> Finding:
    return Finding(ObservationKind.NO_SPIN, {"reason": reason.value})


def _state_finding(status: Status) -> Finding:
    return Finding(
        ObservationKind.WHEEL_STATE,
        {
            "state": status.state.value,
            "spin": status.spin,
            "rpm_tenths": status.rpm_tenths,
            "direction": status.direction,
            "flags": status.flags.value,
        },
    )
