"""The rule under every act of staff: who may, by the roles in force at this moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from accounts import appointments
from accounts.models import SET_UP, User, put_in_office
from accounts.rights import RightsCode, check_right, may
from accounts.roles import Role
from audit.database_clock import database_now
from kernel.ids import Actor, DeviceId, PlayerId
from kernel.refusal import Refused
from tests import house
from tests.flows.staff_steps import make_staff

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.feature("F77")]

RIGHT = "tables.decide_change"


def is_allowed(actor: Actor) -> bool:
    try:
        check_right(actor, RIGHT)
    except Refused as refused:
        return refused.code is not RightsCode.NOT_ALLOWED
    return True


def test_staff_may_what_a_role_in_force_gives_and_nothing_else():
    assert is_allowed(Actor.staff(make_staff(Role.COMPLIANCE).pk))
    assert not is_allowed(Actor.staff(make_staff(Role.PIT_BOSS).pk))
    assert not is_allowed(Actor.staff(987_654))


def test_a_role_that_is_taken_or_over_gives_no_right_from_that_moment_on():
    taken, left = (make_staff(Role.COMPLIANCE) for _ in range(2))
    over, until = make_staff(Role.PRESENTER), database_now() + timedelta(hours=1)
    put_in_office(over, Role.COMPLIANCE, by=SET_UP, until=until)
    people = [Actor.staff(one.pk) for one in (taken, over, left)]
    assert [is_allowed(one) for one in people] == [True, True, True]
    appointments.dismiss(taken.pk, Role.COMPLIANCE, reason="Moves.", actor=house.TESTER)
    User.objects.filter(pk=left.pk).update(is_active=False)
    assert [is_allowed(one) for one in people] == [False, True, False]
    with time_machine.travel(until):
        assert not is_allowed(people[1])
    User.objects.filter(pk=left.pk).update(is_active=True)  # the role ended with the account
    assert [is_allowed(one) for one in people] == [False, True, False]


def test_the_platforms_own_parts_pass_and_players_and_devices_do_not():
    assert is_allowed(Actor.system("runner"))
    assert not may(Actor.system("runner"), RIGHT)  # it passes, and holds no right of staff
    assert not is_allowed(Actor.player(PlayerId(house.player())))
    assert not is_allowed(Actor.device(DeviceId("wheel-1")))
