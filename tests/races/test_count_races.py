"""What is counted before it is written: two at once. The lock is first shown missing."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest

from accounts.roles import Role
from backoffice.api import api_tokens
from backoffice.api.api_tokens import TokenCode, Wanted
from casino import program_hashes, self_check
from compliance import cases
from compliance.cases import CaseCode
from kernel.ids import Actor, new_id
from kernel.refusal import Refused
from tests import house
from tests.flows.case_steps import complaint
from tests.flows.staff_steps import make_staff
from tests.races.test_incident_races import at_once

pytestmark = pytest.mark.usefixtures("database")


def both_counted(monkeypatch, module) -> None:
    """Hold each between its count and its row until the other has counted too, or cannot."""
    real, gate = module._insert, threading.Barrier(2)

    def waits(*args):
        with suppress(threading.BrokenBarrierError):  # the other waits for our lock, as it should
            gate.wait(1.5)
        return real(*args)

    monkeypatch.setattr(module, "_insert", waits)


def refusals(came) -> list[str]:
    assert all(isinstance(one, Refused) or not isinstance(one, Exception) for one in came), came
    return [str(one.code) for one in came if isinstance(one, Refused)]


@pytest.mark.parametrize("is_locked", [False, True])
def test_two_tokens_at_once_are_not_both_the_last(monkeypatch, is_locked):
    owner, admin = make_staff(Role.FINANCE, key=None), make_staff(Role.ADMINISTRATOR, key=None)
    monkeypatch.setattr(api_tokens, "PER_OWNER_MAX", 2)

    def make():
        wanted = Wanted(owner.pk, "nightly", ("reports:read",), 3)
        return api_tokens.make(wanted, by=admin.pk, key=new_id().hex)

    make()
    both_counted(monkeypatch, api_tokens)
    if not is_locked:
        monkeypatch.setattr(api_tokens, "_lock_owner", lambda _owner_id: None)
    assert refusals(at_once(make, make)) == ([TokenCode.TOO_MANY] if is_locked else [])
    assert len(api_tokens.listed(owner.pk)) == (2 if is_locked else 3)


@pytest.mark.parametrize("is_locked", [False, True])
def test_two_cases_at_once_are_not_both_the_last(monkeypatch, is_locked):
    anna = house.player()
    monkeypatch.setattr(cases, "OPEN_PER_PLAYER_MAX", 2)
    complaint(anna)
    both_counted(monkeypatch, cases)
    if not is_locked:
        monkeypatch.setattr(cases, "lock_standing", lambda _player_id: None)
    came = at_once(lambda: complaint(anna), lambda: complaint(anna))
    assert refusals(came) == ([CaseCode.TOO_MANY_CASES] if is_locked else [])
    assert cases.of_player(anna).count() == (2 if is_locked else 3)


@pytest.mark.parametrize("is_locked", [False, True])
def test_an_older_proposal_approved_at_once_with_a_newer_one_is_not_in_force(
    monkeypatch, is_locked
):
    measured = {"file:manage.py": "0" * 64}
    monkeypatch.setattr(program_hashes, "measure", lambda: measured)
    by = [Actor.staff(make_staff(Role.ADMINISTRATOR, key=None).pk) for _ in range(2)]
    old, new = self_check.propose(by[0], "old"), self_check.propose(by[0], "new")
    real, compared, done = self_check.approved_baseline, threading.Event(), threading.Event()

    def late():
        found = real()
        if threading.current_thread() is late_thread[0]:
            compared.set()
            done.wait(1.5)  # the newer one comes in between, unless it waits for us
        return found

    late_thread = []
    monkeypatch.setattr(self_check, "approved_baseline", late)
    if not is_locked:
        monkeypatch.setattr(self_check, "_take_turns", lambda: None)

    def approve_old():
        late_thread.append(threading.current_thread())
        return self_check.approve(old.id, by[1], digest=old.digest)

    def approve_new():
        compared.wait(20)
        made = self_check.approve(new.id, by[1], digest=new.digest)
        done.set()
        return made

    assert refusals(at_once(approve_old, approve_new)) == []
    in_force = real()
    assert in_force is not None
    assert in_force.reason == ("new" if is_locked else "old")
