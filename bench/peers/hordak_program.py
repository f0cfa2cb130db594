"""Runs in django-hordak's own environment, never in Faro's: `prepare`, or `measure SECONDS`."""

import json
import multiprocessing
import os
import secrets
import sys
from time import perf_counter
from urllib.parse import urlsplit

import django
from django.conf import settings

PROCESSES, ACCOUNTS = 8, 200

url = urlsplit(os.environ["HORDAK_DATABASE"])
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "mptt",
        "djmoney",
        "hordak",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path[1:],
            "USER": url.username,
            "PASSWORD": url.password,
            "HOST": url.hostname,
            "PORT": url.port,
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    SECRET_KEY="a benchmark has no secrets",  # noqa: S106  (nothing is signed with it)
    USE_TZ=True,
    CURRENCIES=["EUR"],
    DEFAULT_CURRENCY="EUR",
)
django.setup()

from django.core.management import call_command  # noqa: E402  (Django must be set up first)
from django.db import connections  # noqa: E402  (as above)
from hordak.models import Account  # noqa: E402  (as above)
from moneyed import Money  # noqa: E402  (as above)


def prepare() -> None:
    call_command("migrate", verbosity=0)
    for n in range(ACCOUNTS):
        Account.objects.create(name=f"player {n}", type="LI", code=str(n), currencies=["EUR"])


def work(seconds: int, results: multiprocessing.Queue) -> None:
    connections.close_all()
    chance, accounts = secrets.SystemRandom(), list(Account.objects.order_by("id"))
    until, done = perf_counter() + seconds, 0
    while perf_counter() < until:
        debit, credit = chance.sample(accounts, 2)
        debit.transfer_to(credit, Money(1, "EUR"))
        done += 1
    results.put(done)


def measure(seconds: int) -> None:
    connections.close_all()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    workers = [context.Process(target=work, args=(seconds, results)) for _ in range(PROCESSES)]
    started = perf_counter()
    for worker in workers:
        worker.start()
    done = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    sys.stdout.write(json.dumps({"done": done, "seconds": perf_counter() - started}))


if __name__ == "__main__":
    prepare() if sys.argv[1] == "prepare" else measure(int(sys.argv[2]))
