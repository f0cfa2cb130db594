"""The desk reads a player's bets through the player's rounds, which says whom it looked at.

The list of all bets and the admin's page of a round leave no such trace, so support gives the right
to them back.
"""

from typing import Any

from django.db import migrations

from accounts.roles import Role, grant, withdraw

BETS = ("tables.view_bet",)


def take(apps: Any, schema_editor: Any) -> None:
    withdraw(apps, Role.SUPPORT, BETS)


def give_back(apps: Any, schema_editor: Any) -> None:
    grant(apps, Role.SUPPORT, BETS)


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0004_who_may_take_lists"),
        ("tables", "0003_who_may_look"),
    ]
    operations = [migrations.RunPython(take, give_back)]
