"""`manage.py publish_rules --as EMAIL`: what is shown now is what players are told (F41)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from kernel.ids import Actor
from tables.opening import published_rules
from tables.rules import roulette


class Command(BaseCommand):
    help = "Publish the rules of every ruleset as this version shows them; look at /rules/ first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--as", dest="email", required=True, help="who publishes: a staff login"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        person = User.objects.filter(email=options["email"].lower(), is_staff=True).first()
        if person is None or not person.has_perm("tables.publish_rules"):
            raise CommandError(f"{options['email']} may not publish rules")
        for ruleset in roulette.RULESETS:
            made = published_rules.publish(ruleset, actor=Actor.staff(person.pk))
            self.stdout.write(f"{ruleset} engine {made.engine_hash} shown {made.shown_hash}")
