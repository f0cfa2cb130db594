"""Players, staff and roles as other apps make and ask for them."""

from __future__ import annotations

from functools import partial

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import IntegrityError

from accounts import players, staff
from accounts.models import Appointment, Player, User
from accounts.passwords import Argon2Hasher
from accounts.players import PlayerCode
from accounts.roles import Role
from kernel.ids import PlayerId
from kernel.money import MoneyCode
from kernel.refusal import Refused
from tests import conftest
from tests.flows.accounts_steps import PASSWORD, make_player


def test_a_player_is_made_once_per_address_whatever_its_letter_case(database):
    player_id = make_player("Anna@Example.org ")

    found = players.info(player_id)
    assert (found.email, found.country, found.currency) == ("anna@example.org", "DE", "EUR")
    assert (found.is_test, found.is_active) == (False, True)
    assert found.player_id == User.objects.get().pk
    with pytest.raises(Refused) as refused:
        make_player("ANNA@example.ORG")
    assert refused.value.code == PlayerCode.EMAIL_TAKEN
    assert Player.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"password": "short"}, PlayerCode.PASSWORD_REFUSED),
        ({"password": "password123"}, PlayerCode.PASSWORD_REFUSED),
        ({"password": "x" * 129}, PlayerCode.PASSWORD_REFUSED),
        ({"country": "Germany"}, PlayerCode.NOT_A_COUNTRY),
        ({"country": "de"}, PlayerCode.NOT_A_COUNTRY),
        ({"currency": "XXX"}, MoneyCode.UNKNOWN_CURRENCY),
    ],
)
def test_a_player_with_unusable_facts_is_refused_and_nobody_is_made(database, changes, code):
    with pytest.raises(Refused) as refused:
        make_player(**changes)
    assert refused.value.code == code
    assert User.objects.count() == 0


def test_an_unknown_player_is_refused(database):
    with pytest.raises(Refused) as refused:
        players.info(PlayerId(404))
    assert refused.value.code == PlayerCode.UNKNOWN_PLAYER


def test_the_database_refuses_an_address_that_is_not_in_its_one_spelling(database):
    with pytest.raises(IntegrityError):
        User.objects.bulk_create([User(email="Anna@example.org", password="!")])


def test_the_password_is_kept_with_the_chosen_argon2_parameters(database, monkeypatch):
    passes, kib = conftest.CHOSEN_HASH
    monkeypatch.setattr(Argon2Hasher, "time_cost", passes)
    monkeypatch.setattr(Argon2Hasher, "memory_cost", kib)
    make_player()
    algorithm, parameters = User.objects.get().password.split("$")[:1], User.objects.get().password
    assert algorithm == ["argon2"]
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in parameters
    assert PASSWORD not in parameters


def test_the_groups_of_the_roles_exist_with_their_rights(database):
    assert set(Group.objects.values_list("name", flat=True)) >= {role.value for role in Role}
    rights = {
        group.name: {
            f"{p.content_type.app_label}.{p.codename}"
            for p in group.permissions.select_related("content_type")
            if p.content_type.app_label == "accounts"
        }
        for group in Group.objects.all()
    }
    assert rights["presenter"] == rights["pit_boss"] == set()
    assert rights["auditor"] >= {"accounts.view_user", "accounts.view_player"}
    assert not rights["auditor"] & {"accounts.appoint_staff", "accounts.end_sessions"}
    assert "accounts.appoint_staff" in rights["administrator"]


def test_a_role_gives_its_rights_to_a_member_of_staff(database):
    user_id = staff.create_staff(
        email="ada@example.org", password=PASSWORD, role=Role.SUPPORT, totp_key_hex="a1" * 20
    )
    user = User.objects.get(pk=user_id)
    assert staff.roles_of(user_id) == {Role.SUPPORT}
    assert user.is_staff
    assert not user.is_superuser
    assert user.has_perm("accounts.end_sessions")
    assert not user.has_perm("accounts.appoint_staff")
    assert user.totpdevice_set.get().confirmed


@pytest.mark.feature("F77")
def test_createsuperuser_makes_the_first_administrator_and_in_production_no_second(database, owner):
    owner.execute("DELETE FROM accounts_set_up_open")  # as a production's `migrate` does
    make = partial(call_command, "createsuperuser", interactive=False, verbosity=0)
    make(email="Root@example.org")
    root = User.objects.get(email="root@example.org")
    assert staff.roles_of(root.pk) == {Role.ADMINISTRATOR}
    assert not root.is_superuser
    assert not root.has_perm("anything.at_all")
    with pytest.raises(IntegrityError, match="four_eyes"):
        make(email="second@example.org")
    assert not User.objects.filter(email="second@example.org").exists()
    owner.execute(
        "INSERT INTO accounts_appointment (user_id, role, reason, appointed_by, ended_by,"
        " end_reason) VALUES (%s, 'auditor', '', 'system:set-up', '', '')",
        [root.pk],
    )  # the owner of the tables may: a house that lost its administrators is helped this way
    assert Appointment.objects.filter(user=root).count() == 2
